#!/usr/bin/env python3
"""Writes an Amiga file system: adf.py DIR IMAGE [TYPE [BLOCKS [OFFSET]]]

TYPE is the digit behind DOS: 0 OFS, 1 FFS, and with international names 2 and
3.  The file system has BLOCKS blocks of 512 bytes (1760, a floppy disk) and
begins at byte OFFSET of the image.
"""
import os
import struct
import sys

BLOCK, SLOTS = 512, 72


def put(block, word, value):
    struct.pack_into(">I", block, word * 4, value & 0xffffffff)


def seal(block, word=5):
    put(block, word, 0)
    put(block, word, -sum(struct.unpack(">128I", block)))


def hash_of(name):
    h = len(name)
    for c in name.upper():
        h = (h * 13 + c) & 0x7ff
    return h % SLOTS


class Volume:
    def __init__(self, kind, blocks):
        self.kind, self.count = kind, blocks
        self.blocks = {}
        self.root = (blocks + 1) // 2
        self.next = self.root + 2
        self.blocks[0] = bytearray(b"DOS" + bytes([kind])).ljust(BLOCK, b"\0")

    def new(self):
        number = self.next
        self.next += 1
        assert number < self.count, "it is full"
        self.blocks[number] = bytearray(BLOCK)
        return number, self.blocks[number]

    def header(self, block, number, name, parent, secondary):
        put(block, 0, 2)
        put(block, 1, number)
        block[432] = len(name)
        block[433:433 + len(name)] = name
        put(block, 105, 5000)
        put(block, 125, parent)
        put(block, 127, secondary)

    def enter(self, directory, name, number):
        """Into the hash table of the directory."""
        block, slot = self.blocks[directory], 6 + hash_of(name)
        chain = struct.unpack_from(">I", block, slot * 4)[0]
        put(self.blocks[number], 124, chain)
        put(block, slot, number)

    def data(self, content, header):
        room = BLOCK if self.kind & 1 else BLOCK - 24
        numbers = []
        for at in range(0, len(content), room):
            part = content[at:at + room]
            number, block = self.new()
            numbers.append(number)
            block[BLOCK - room:BLOCK - room + len(part)] = part
            if room < BLOCK:
                put(block, 0, 8)
                put(block, 1, header)
                put(block, 2, len(numbers))
                put(block, 3, len(part))
                if at + room < len(content):
                    put(block, 4, self.next)
                seal(block)
        return numbers

    def list_data(self, block, numbers):
        put(block, 2, len(numbers))
        for i, number in enumerate(numbers):
            put(block, 77 - i, number)

    def file(self, directory, name, content):
        number, block = self.new()
        self.header(block, number, name, directory, -3)
        put(block, 81, len(content))
        numbers = self.data(content, number)
        put(block, 4, numbers[0] if numbers else 0)
        self.list_data(block, numbers[:SLOTS])
        for at in range(SLOTS, len(numbers), SLOTS):
            more, extension = self.new()
            put(block, 126, more)
            seal(block)
            block = extension
            put(block, 0, 16)
            put(block, 1, more)
            put(block, 125, number)
            put(block, 127, -3)
            self.list_data(block, numbers[at:at + SLOTS])
        seal(block)
        self.enter(directory, name, number)
        seal(self.blocks[number])

    def directory(self, number, path):
        for name in sorted(os.listdir(os.fsencode(path))):
            below = os.path.join(os.fsencode(path), name)
            if os.path.isdir(below):
                inner, block = self.new()
                self.header(block, inner, name, number, 2)
                self.directory(inner, below)
                self.enter(number, name, inner)
                seal(block)
            else:
                with open(below, "rb") as f:
                    self.file(number, name, f.read())

    def finish(self):
        block = self.blocks[self.root]
        put(block, 78, -1)
        put(block, 79, self.root + 1)
        seal(block)
        bitmap = bytearray(BLOCK)
        for number in range(2, self.count):
            if number not in self.blocks and number != self.root + 1:
                bit = number - 2
                word = 1 + bit // 32
                old = struct.unpack_from(">I", bitmap, word * 4)[0]
                put(bitmap, word, old | 1 << bit % 32)
        seal(bitmap, 0)
        self.blocks[self.root + 1] = bitmap

    def make(self, path):
        self.blocks[self.root] = block = bytearray(BLOCK)
        self.header(block, 0, b"Old", 0, 1)
        put(block, 3, SLOTS)
        put(block, 121, 5000)
        self.directory(self.root, path)
        self.finish()


def main():
    path, image = sys.argv[1:3]
    kind, blocks, offset = (list(map(int, sys.argv[3:])) +
                            [0, 1760, 0][len(sys.argv) - 3:])
    volume = Volume(kind, blocks)
    volume.make(path)
    with open(image, "r+b" if os.path.exists(image) else "wb") as f:
        f.truncate(max(os.fstat(f.fileno()).st_size, offset + blocks * BLOCK))
        for number, block in volume.blocks.items():
            f.seek(offset + number * BLOCK)
            f.write(block)


main()
