"""Gives a file of an HFS+ volume a resource fork, in place.

	hfsplus_fork.py IMAGE FILE FROM PIECES OUT

The fork is the blocks of the file FROM, the last first, in PIECES extents and
without its last 100 bytes; OUT gets the same bytes.  Extents beyond the eighth
go into the extents file, of which this makes the first leaf: for one file of an
image.
"""
import struct
import sys

HEADER, EXTENTS, CATALOGUE = 1024, 192, 272


def number(b, at, size):
    return int.from_bytes(b[at:at + size], "big")


def extents(b, at):
    pairs = struct.unpack_from(">16I", b, at)
    return [(s, n) for s, n in zip(pairs[::2], pairs[1::2]) if n]


def records(image, block):
    """Each record of a leaf of the catalogue: name, place of its data."""
    base = number(image, HEADER + CATALOGUE + 16, 4) * block
    size = number(image, base + 14 + 18, 2)
    leaf = number(image, base + 14 + 10, 4)
    while leaf:
        node = base + leaf * size
        for i in range(number(image, node + 10, 2)):
            key = node + number(image, node + size - 2 * (i + 1), 2)
            units = number(image, key + 6, 2)
            name = image[key + 8:key + 8 + 2 * units].decode("utf-16-be")
            yield name, key + 2 + number(image, key, 2)
        leaf = number(image, node, 4)


def add_leaf(image, block, ino, first, rest):
    """The extents file gets a second node, in a block behind the last."""
    end = len(image) // block
    header = number(image, HEADER + EXTENTS + 16, 4) * block
    node = number(image, header + 14 + 18, 2)
    assert node == block and number(image, header + 14 + 14, 4) == 0
    image.extend(bytes(2 * block))
    struct.pack_into(">I", image, HEADER + 44, end + 2)
    struct.pack_into(">Q", image, HEADER + EXTENTS, 2 * block)
    struct.pack_into(">I", image, HEADER + EXTENTS + 12, 2)
    struct.pack_into(">2I", image, HEADER + EXTENTS + 24, end, 1)
    # depth, root, records, first and last leaf; nodes, free nodes
    struct.pack_into(">H4I", image, header + 14, 1, 1, 1, 1, 1)
    struct.pack_into(">2I", image, header + 14 + 22, 2, 0)
    leaf = end * block
    struct.pack_into(">2I2BH", image, leaf, 0, 0, 0xff, 1, 1)
    struct.pack_into(">H2BII", image, leaf + 14, 10, 0xff, 0, ino, first)
    for i, extent in enumerate(rest):
        struct.pack_into(">2I", image, leaf + 14 + 12 + 8 * i, *extent)
    struct.pack_into(">2H", image, leaf + block - 4, 14 + 12 + 64, 14)
    # the second header
    image[-1024:-512] = image[HEADER:HEADER + 512]


def main(path, to, source, pieces, out):
    image = bytearray(open(path, "rb").read())
    block = number(image, HEADER + 40, 4)
    at = {name: data for name, data in records(image, block)
          if number(image, data, 2) == 2}
    data = number(image, at[source] + 88, 8)
    blocks = [s + i for s, n in extents(image, at[source] + 88 + 16)
              for i in range(n)]
    assert len(blocks) * block >= data
    each = len(blocks) // pieces
    parts = [(blocks[i], each) for i in range(0, each * pieces, each)]
    parts.reverse()
    size = each * pieces * block - 100
    fork = at[to] + 168
    struct.pack_into(">QII", image, fork, size, 0, each * pieces)
    for i in range(8):
        struct.pack_into(">2I", image, fork + 16 + 8 * i,
                         *(parts[i] if i < len(parts) else (0, 0)))
    with open(out, "wb") as f:
        f.write(b"".join(image[s * block:(s + n) * block]
                         for s, n in parts)[:size])
    if len(parts) > 8:
        add_leaf(image, block, number(image, at[to] + 8, 4), 8 * each,
                 parts[8:])
    open(path, "wb").write(image)


main(*sys.argv[1:4], int(sys.argv[4]), sys.argv[5])
