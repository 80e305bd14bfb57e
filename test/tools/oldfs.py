#!/usr/bin/env python3
"""Writes a file system that no program makes any more.

    oldfs.py efs|qnx4|sysv DIR IMAGE
"""
import os
import struct
import sys

BLOCK = 512


class Image:
    def __init__(self, first):
        self.blocks, self.next = {}, first

    def put(self, number, content):
        self.blocks[number] = content.ljust(BLOCK, b"\0")

    def add(self, content):
        """As many blocks as it takes, one behind the other: the first."""
        first = self.next
        for at in range(0, max(len(content), 1), BLOCK):
            self.put(self.next, content[at:at + BLOCK])
            self.next += 1
        return first

    def write(self, name, count):
        with open(name, "wb") as f:
            f.truncate(count * BLOCK)
            for number, content in self.blocks.items():
                f.seek(number * BLOCK)
                f.write(content)


def tree(path):
    """(name, content) or (name, [the same]) of all that is below."""
    out = []
    for name in sorted(os.listdir(path)):
        full = os.path.join(path, name)
        if os.path.isdir(full):
            out.append((name.encode(), tree(full)))
        else:
            with open(full, "rb") as f:
                out.append((name.encode(), f.read()))
    return out


class Efs:
    FIRST, GROUP, INODES = 16, 4000, 32	# blocks

    def __init__(self):
        self.image = Image(self.FIRST + self.INODES)
        self.inodes, self.last = {}, 2

    def inode(self, number, mode, links, content):
        first, extents = self.image.add(content), b""
        blocks = -(-len(content) // BLOCK)
        for at in range(0, blocks, 200):
            extents += struct.pack(">II", first + at,
                                   min(blocks - at, 200) << 24 | at)
        self.inodes[number] = struct.pack(
            ">HHHHIIIIIHBB", mode, links, 0, 0, len(content), 10**9, 10**9,
            10**9, 0, len(extents) // 8, 0, 0) + extents

    def directory(self, number, parent, entries):
        names = [(number, b"."), (parent, b"..")]
        for name, what in entries:
            self.last += 1
            inner = self.last
            names.append((inner, name))
            if isinstance(what, list):
                self.directory(inner, number, what)
            else:
                self.inode(inner, 0o100644, 1, what)
        block, slots, at = bytearray(BLOCK), [], BLOCK
        for inner, name in names:
            entry = struct.pack(">IB", inner, len(name)) + name
            at = (at - len(entry)) & ~1
            block[at:at + len(entry)] = entry
            slots.append(at >> 1)
        struct.pack_into(">HBB", block, 0, 0xbeef, at >> 1, len(slots))
        block[4:4 + len(slots)] = bytes(slots)
        self.inode(number, 0o40755, 2, bytes(block))

    def write(self, entries, name):
        self.directory(2, 2, entries)
        for number, inode in self.inodes.items():
            block = self.FIRST + number // 4
            old = bytearray(self.image.blocks.get(block, bytes(BLOCK)))
            at = number % 4 * 128
            old[at:at + len(inode)] = inode
            self.image.put(block, bytes(old))
        count = self.FIRST + self.GROUP
        self.image.put(1, struct.pack(
            ">IIIHHHHHHII", count, self.FIRST, self.GROUP, self.INODES, 63, 16,
            1, 0, 0, 10**9, 0x072959))
        self.image.write(name, count)


class Qnx4:
    def __init__(self):
        self.image = Image(8)

    def entry(self, name, mode, content, links=1):
        # blocks are counted from 1
        first = self.image.add(content) + 1
        return struct.pack(
            "<16sIIII4IHHHHH4xBB", name, len(content), first,
            -(-len(content) // BLOCK), 0, 0, 0, 0, 0, 1, mode, 0, 0, links, 0,
            1)

    def directory(self, name, entries, more=b""):
        content = more
        for inner, what in entries:
            content += (self.directory(inner, what) if isinstance(what, list)
                        else self.entry(inner, 0o100644, what))
        content = content.ljust(-(-len(content) // BLOCK) * BLOCK, b"\0")
        return self.entry(name, 0o40755, content, 2)

    def write(self, entries, name):
        bitmap = self.entry(b".bitmap", 0o100400, bytes(BLOCK))
        self.image.put(1, self.directory(b"/", entries, bitmap))
        self.image.write(name, self.image.next + 100)


class Sysv:
    """System V Release 4, blocks of 1,024 bytes."""
    SIZE, INODES, FIRST = 1024, 64, 2

    def __init__(self):
        self.blocks = {}
        self.next = self.FIRST + self.INODES * 64 // self.SIZE
        self.data = self.next
        self.inodes, self.last = {}, 2

    def add(self, content):
        self.blocks[self.next] = content.ljust(self.SIZE, b"\0")
        self.next += 1
        return self.next - 1

    def inode(self, number, mode, links, content):
        zones = [self.add(content[at:at + self.SIZE])
                 for at in range(0, len(content), self.SIZE)]
        if len(zones) > 10:
            rest = b"".join(struct.pack("<I", n) for n in zones[10:])
            zones = zones[:10] + [self.add(rest)]
        addresses = b"".join(struct.pack("<I", n)[:3] for n in zones)
        self.inodes[number] = struct.pack(
            "<HHHHI39sBIII", mode, links, 0, 0, len(content), addresses, 0,
            10**9, 10**9, 10**9)

    def directory(self, number, parent, entries):
        content = struct.pack("<H14sH14s", number, b".", parent, b"..")
        for name, what in entries:
            self.last += 1
            inner = self.last
            content += struct.pack("<H14s", inner, name)
            if isinstance(what, list):
                self.directory(inner, number, what)
            else:
                self.inode(inner, 0o100644, 1, what)
        self.inode(number, 0o40755, 2, content)

    def write(self, entries, name):
        self.directory(2, 2, entries)
        table = b"".join(self.inodes.get(i, b"").ljust(64, b"\0")
                         for i in range(1, self.INODES + 1))
        count = self.next + 100
        head = struct.pack("<HHIHH200sHH200s4sI8sIHH6s6s48siIi", self.data, 0,
                           count, 0, 0, b"", 0, 0, b"", b"", 10**9, b"", 0, 0,
                           0, b"files", b"disk1", b"", 0, 0xfd187e20, 2)
        with open(name, "wb") as f:
            f.truncate(count * self.SIZE)
            f.seek(512)
            f.write(head)
            f.seek(self.FIRST * self.SIZE)
            f.write(table)
            for number, content in self.blocks.items():
                f.seek(number * self.SIZE)
                f.write(content)


{"efs": Efs, "qnx4": Qnx4, "sysv": Sysv}[sys.argv[1]]().write(tree(sys.argv[2]), sys.argv[3])
