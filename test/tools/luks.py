#!/usr/bin/env python3
"""Encrypts a file system into a LUKS volume with the openssl command.

    luks.py DUMP SECTOR FILESYSTEM VOLUME

DUMP is what "cryptsetup luksDump --dump-volume-key" printed.  XTS is done here,
block by block, so that nothing is shared with the program that decrypts.
"""
import hashlib
import re
import subprocess
import sys


def openssl(cipher, key, data, iv=None):
    args = ["openssl", "enc", "-e", "-nopad", "-" + cipher, "-K", key.hex()]
    if iv is not None:
        args += ["-iv", iv.hex()]
    return subprocess.run(args, input=data, stdout=subprocess.PIPE,
                          check=True).stdout


def double(tweak):
    n = int.from_bytes(tweak, "little") << 1
    return (n ^ 0x87 if n >> 128 else n).to_bytes(17, "little")[:16]


def xor(a, b):
    return (int.from_bytes(a, "little") ^ int.from_bytes(b, "little")).to_bytes(
        len(a), "little")


def xts(key, data, sector):
    half = len(key) // 2
    cipher = "aes-%d-ecb" % (half * 8)
    ivs = b"".join((i // 512).to_bytes(16, "little")
                   for i in range(0, len(data), sector))
    first = openssl(cipher, key[half:], ivs)
    mask = bytearray()
    for i in range(0, len(first), 16):
        tweak = first[i:i + 16]
        for _ in range(sector // 16):
            mask += tweak
            tweak = double(tweak)
    return xor(openssl(cipher, key[:half], xor(data, bytes(mask))),
               bytes(mask))


def essiv(key, data, sector):
    ivs = b"".join((i // 512).to_bytes(16, "little")
                   for i in range(0, len(data), sector))
    ivs = openssl("aes-256-ecb", hashlib.sha256(key).digest(), ivs)
    # CBC of many sectors at once: column by column
    count = len(data) // sector
    last, columns = ivs, []
    blocks = [data[i:i + 16] for i in range(0, len(data), 16)]
    per = sector // 16
    for column in range(per):
        plain = b"".join(blocks[i * per + column] for i in range(count))
        last = openssl("aes-%d-ecb" % (len(key) * 8), key, xor(plain, last))
        columns.append(last)
    return b"".join(columns[column][16 * i:16 * i + 16]
                    for i in range(count) for column in range(per))


def main():
    dump = open(sys.argv[1]).read()
    sector = int(sys.argv[2])
    offset = int(re.search(r"Payload offset:\s*(\d+)", dump).group(1)) * 512
    key = bytes.fromhex(re.search(r"MK dump:\s*((?:[0-9a-f]{2}\s+)+)",
                                  dump).group(1))
    mode = re.search(r"Cipher mode:\s*(\S+)", dump).group(1)
    data = open(sys.argv[3], "rb").read()
    if mode.startswith("xts"):
        data = xts(key, data, sector)
    else:
        data = essiv(key, data, sector)
    with open(sys.argv[4], "r+b") as f:
        f.seek(offset)
        f.write(data)


main()
