#!/usr/bin/env python3
"""Writes the image of a CD.

    disc.py KIND NAME TRACK...

KIND: cue (one file), cue-swapped, cue-files (a file for each track), nrg1,
nrg2, nrg-tao or ccd.  TRACK: data=ISO in mode 1, data2=ISO in mode 2, form2=FILE
in sectors of 2,324 bytes, audio=FILE, gap=FILE, which is before the next track.
"""
import os
import struct
import sys

RAW = 2352
SYNC = b"\0" + b"\xff" * 10 + b"\0"


def sectors(kind, content):
    if kind in ("audio", "gap"):
        assert len(content) % RAW == 0
        return content
    out, size = [], 2324 if kind == "form2" else 2048
    for at in range(0, len(content), size):
        n = at // size
        block = content[at:at + size].ljust(size, b"\0")
        head = SYNC + bytes([n // 4500 % 256, n // 75 % 60, n % 75,
                             1 if kind == "data" else 2])
        if kind != "data":
            head += bytes([0, 0, 0x20 if kind == "form2" else 8, 0]) * 2
        out.append((head + block).ljust(RAW, b"\x5a"))
    return b"".join(out)


def msf(n):
    return "%02d:%02d:%02d" % (n // 4500, n // 75 % 60, n % 75)


def read(args):
    tracks, gap = [], b""
    for arg in args:
        kind, name = arg.split("=")
        with open(name, "rb") as f:
            content = sectors(kind, f.read())
        if kind == "gap":
            gap = content
        else:
            tracks.append((kind, gap, content))
            gap = b""
    return tracks


CUE = {"data": "MODE1/2352", "data2": "MODE2/2352", "form2": "MODE2/2352",
       "audio": "AUDIO"}


def cue(name, tracks, swapped):
    base, at, out = os.path.basename(name), 0, b""
    lines = ["REM GENRE test", "CATALOG 0000000000000",
             'FILE "%s.bin" %s' % (base, "MOTOROLA" if swapped else "BINARY")]
    for n, (kind, gap, content) in enumerate(tracks, 1):
        lines.append("  TRACK %02d %s" % (n, CUE[kind]))
        if gap:
            lines.append("    INDEX 00 " + msf(at))
            at += len(gap) // RAW
        lines.append("    INDEX 01 " + msf(at))
        at += len(content) // RAW
        out += gap + content
    if swapped:
        swap = bytearray(out)
        swap[0::2], swap[1::2] = out[1::2], out[0::2]
        out = bytes(swap)
    return "\r\n".join(lines) + "\r\n", out


def cue_files(name, tracks):
    lines = []
    for n, (kind, gap, content) in enumerate(tracks, 1):
        file = "%s (Track %d).bin" % (os.path.basename(name), n)
        with open(os.path.join(os.path.dirname(name), file), "wb") as f:
            f.write(gap + content)
        lines += ['FILE "C:\\cd\\%s" BINARY' % file.upper(),
                  "  TRACK %02d %s" % (n, CUE[kind])]
        if gap:
            lines.append("    INDEX 00 00:00:00")
        lines.append("    INDEX 01 " + msf(len(gap) // RAW))
    return "\n".join(lines) + "\n"


NRG = {"data": 5, "data2": 6, "form2": 6, "audio": 7}


def chunk(name, content):
    return name + struct.pack(">I", len(content)) + content


def nrg(kind, tracks):
    out = b""
    number = ">I" if kind == "nrg1" else ">Q"
    dao = struct.pack("<I13sxHBB", 0, b"", 0, 1, len(tracks))
    tao = b""
    for k, gap, content in tracks:
        places = [len(out), len(out) + len(gap)]
        out += gap + content
        places.append(len(out))
        dao += struct.pack(">12sHBBH", b"", RAW, NRG[k], 0, 1)
        dao += b"".join(struct.pack(number, n) for n in places)
        tao += struct.pack(">QQIIQ", places[1], len(content), NRG[k], 0, 0)
    at = len(out)
    if kind == "nrg-tao":
        out += chunk(b"ETN2", tao)
    else:
        out += chunk(b"DAOI" if kind == "nrg1" else b"DAOX", dao)
    out += chunk(b"SINF", struct.pack(">I", len(tracks))) + chunk(b"END!", b"")
    if kind == "nrg1":
        return out + b"NERO" + struct.pack(">I", at)
    return out + b"NER5" + struct.pack(">Q", at)


def ccd(tracks):
    lines = ["[CloneCD]", "Version=3", "[Disc]", "Sessions=1"]
    entries, at, out, session = [], 0, b"", 1
    for n, (kind, gap, content) in enumerate(tracks, 1):
        assert not gap
        if kind == "data2" and n > 1:
            entries.append((session, 0xa2, 4, at))
            at, session = at + 11400, session + 1
        entries.append((session, n, 0 if kind == "audio" else 4, at))
        at += len(content) // RAW
        out += content
    entries.append((session, 0xa2, 4, at))
    for i, (s, point, control, plba) in enumerate(entries):
        lines += ["[Entry %d]" % i, "Session=%d" % s, "Point=0x%02x" % point,
                  "ADR=0x01", "Control=0x%02x" % control, "PLBA=%d" % plba]
    return "\n".join(lines) + "\n", out


def main():
    kind, name = sys.argv[1:3]
    tracks = read(sys.argv[3:])
    files = {}
    if kind == "cue-files":
        files["cue"] = cue_files(name, tracks)
    elif kind.startswith("cue"):
        files["cue"], files["bin"] = cue(name, tracks, kind != "cue")
    elif kind == "ccd":
        files["ccd"], files["img"] = ccd(tracks)
    else:
        files["nrg"] = nrg(kind, tracks)
    for end, content in files.items():
        with open("%s.%s" % (name, end), "wb") as f:
            f.write(content if isinstance(content, bytes)
                    else content.encode())


main()
