#!/usr/bin/env python3
"""Puts a file system into an image behind a label of its kind.

    labels.py KIND IMAGE FILESYSTEM

KIND: sun sgi bsd bsd-slice atari minix solaris unixware ultrix pc98.  Each is
written as its system had it, with one partition for the file system, which
begins at sector 16128.
"""
import os
import struct
import sys

START = 16128			# a cylinder of 16 heads and 63 sectors, times 16
CYLINDER = 16 * 63
SLICE = 63			# where a partition of an MBR begins that has slices
SANE = 0x600ddeee


def at(image, offset, fmt, *values):
    struct.pack_into(fmt, image, offset, *values)


def mbr(image, entries, offset=0):
    for i, (kind, start, size) in enumerate(entries):
        at(image, offset + 446 + 16 * i, "<B3sB3sII", 0x80 if i == 0 else 0,
           b"\0\0\0", kind, b"\0\0\0", start, size)
    at(image, offset + 510, "<H", 0xaa55)


def xor16(image, offset, size, fmt):
    total = 0
    for (word,) in struct.iter_unpack(fmt, image[offset:offset + size]):
        total ^= word
    return total


def sun(image, size):
    image[0:32] = b"SUN1.05 cyl 40 alt 2 hd 16 sec 63".ljust(32)[:32]
    at(image, 128, ">I8sH", 1, b"old", 8)
    at(image, 142, ">6H", 4, 0, 3, 0, 5, 0)
    at(image, 188, ">I", SANE)
    at(image, 420, ">HHHHHHHHHH", 3600, 42, 0, 0, 0, 1, 40, 2, 16, 63)
    at(image, 444, ">6I", START // CYLINDER, size, 8, 4096,
       0, len(image) // 512)
    at(image, 508, ">H", 0xdabe)
    at(image, 510, ">H", xor16(image, 0, 510, ">H"))


def sgi(image, size):
    at(image, 0, ">IHH", 0x0be5a941, 0, 1)
    at(image, 312, ">6I", size, START, 10, 4096, 8192, 3)
    at(image, 312 + 12 * 8, ">III", 4096, 0, 0)
    at(image, 312 + 12 * 10, ">III", len(image) // 512, 0, 6)
    at(image, 504, ">I", -sum(struct.unpack(">128I", image[:512]))
       & 0xffffffff)


def bsd(image, size, start=0, kind=7):
    label = (start + 1) * 512
    at(image, label, "<IHH", 0x82564557, 4, 0)
    at(image, label + 40, "<6I", 512, 63, 16, 40, CYLINDER,
       len(image) // 512)
    at(image, label + 132, "<IHHII", 0x82564557, 0, 3, 8192, 8192)
    at(image, label + 148, "<IIIBBH", size, START, 1024, kind, 8, 16)
    at(image, label + 148 + 32, "<IIIBBH", len(image) // 512 - start, start,
       0, 0, 0, 0)
    at(image, label + 136, "<H", xor16(image, label, 148 + 3 * 16, "<H"))


def bsd_slice(image, size):
    mbr(image, [(0xa5, SLICE, len(image) // 512 - SLICE)])
    bsd(image, size, SLICE)


def atari(image, size):
    at(image, 0x1c2, ">I", len(image) // 512)
    at(image, 0x1c6, ">B3sII", 1, b"BGM", START, size)


def minix(image, size):
    mbr(image, [(0x81, SLICE, len(image) // 512 - SLICE)])
    mbr(image, [(0x81, START, size)], SLICE * 512)


def solaris(image, size):
    mbr(image, [(0xbf, SLICE, len(image) // 512 - SLICE)])
    label = (SLICE + 1) * 512
    at(image, label + 12, "<II8sHH", SANE, 1, b"old", 512, 16)
    at(image, label + 72, "<HHII", 2, 0, START - SLICE, size)
    at(image, label + 84, "<HHII", 3, 0, 8192, 4096)
    at(image, label + 96, "<HHII", 5, 0, 0, len(image) // 512 - SLICE)


def unixware(image, size):
    mbr(image, [(0x63, SLICE, len(image) // 512 - SLICE)])
    label = (SLICE + 29) * 512
    at(image, label + 4, "<I", 0xca5e600d)
    at(image, label + 24, "<5I", 40, 16, 63, 512, SLICE)
    at(image, label + 156, "<II8sHH", SANE, 1, b"old", 16, 0)
    at(image, label + 216, "<HHII", 5, 0x200, SLICE,
       len(image) // 512 - SLICE)
    at(image, label + 228, "<HHII", 2, 0x200, START, size)
    at(image, label + 240, "<HHII", 3, 0x200, 8192, 4096)


def ultrix(image, size):
    at(image, 16384 - 72, "<II", 0x032957, 1)
    at(image, 16384 - 64, "<II", size, START)


def pc98(image, size):
    cylinder = 16 * 63
    image[0:8] = b"\xeb\x0a\x90\x90IPL1"
    at(image, 510, "<H", 0xaa55)
    # one that was removed, then one in use
    at(image, 512, "<BBHBBHBBHBBH16s", 0x20, 0x21, 0, 0, 0, 1, 0, 0, 1,
       0, 0, 1, b"old")
    at(image, 544, "<BBHBBHBBHBBH16s", 0xa0, 0xa1, 0, 0, 0,
       START // cylinder, 0, 0, START // cylinder, 0, 0,
       START // cylinder + (size - 1) // cylinder, b"MS-DOS 3.30     ")


def main():
    kind, name, source = sys.argv[1:]
    with open(source, "rb") as f:
        content = f.read()
    image = bytearray(START * 512 + len(content) + 512 * CYLINDER)
    image[START * 512:START * 512 + len(content)] = content
    globals()[kind.replace("-", "_")](image, len(content) // 512)
    with open(name, "wb") as f:
        f.write(image)


main()
