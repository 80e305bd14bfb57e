"""Sectors that a drive could not read, and ends that are missing."""
import os

SECTOR = 512


def used_sectors(image):
    """Numbers of the sectors that hold anything but zeros."""
    used, n = [], 0
    with open(image, "rb") as f:
        while True:
            block = f.read(1 << 20)
            if not block:
                return used
            for at in range(0, len(block), SECTOR):
                sector = block[at:at + SECTOR]
                if sector.count(0) != len(sector):
                    used.append(n)
                n += 1


def bad_sectors(image, rng):
    """Zeros out a few areas of what is used, and returns them as bytes."""
    used = used_sectors(image)
    size = os.path.getsize(image)
    bad = set()
    # the first megabyte has the structures that nothing can be without
    low = [s for s in used if s >= 2048] or used
    for _ in range(rng.choice((1, 2, 3, 5, 8))):
        # structures lie close together, contents do not: half of each
        where = rng.choice(used[:len(used) // 8] if rng.random() < 0.4
                           else low)
        for s in range(where, where + rng.choice((1, 1, 1, 2, 8, 40))):
            if (s + 1) * SECTOR <= size:
                bad.add(s)
    with open(image, "r+b") as f:
        for s in bad:
            f.seek(s * SECTOR)
            f.write(bytes(SECTOR))
    return sorted(bad)


def write_map(image, bad):
    """The map of ddrescue beside the image."""
    size = os.path.getsize(image)
    lines, at = ["# generated", "0x0 + 1"], 0
    for s in bad:
        start = s * SECTOR
        if start > at:
            lines.append("0x%x 0x%x +" % (at, start - at))
        lines.append("0x%x 0x%x -" % (start, SECTOR))
        at = start + SECTOR
    if at < size:
        lines.append("0x%x 0x%x +" % (at, size - at))
    with open(os.path.splitext(image)[0] + ".map", "w") as f:
        f.write("\n".join(lines) + "\n")


def cut(image, rng):
    """The image ends somewhere behind its first eighth."""
    size = os.path.getsize(image)
    os.truncate(image, rng.randrange(size // 8, size))
