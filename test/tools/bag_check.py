#!/usr/bin/env python3
"""bag_check.py DIRECTORY: the bag is whole, as bagit-python reads bags: lines
end where Python's do, white space around them does not count, and of what is
encoded %0D and %0A are decoded, each twice at most."""
import codecs
import hashlib
import os
import re
import sys

os.chdir(sys.argv[1])


def entries(name):
    for line in codecs.open(name, encoding="utf-8"):
        digest, path = line.strip().split(None, 1)
        path = re.sub("%0D", "\r", path, count=2, flags=re.IGNORECASE)
        path = re.sub("%0A", "\n", path, count=2, flags=re.IGNORECASE)
        yield os.path.normpath(path.lstrip("*")), digest


def digest_of(path):
    return hashlib.sha512(open(path, "rb").read()).hexdigest()


payload = dict(entries("manifest-sha512.txt"))
there = {os.path.join(d, n) for d, _, names in os.walk("data") for n in names}
assert set(payload) == there, set(payload) ^ there
tags = dict(entries("tagmanifest-sha512.txt"))
assert {"bagit.txt", "bag-info.txt", "manifest-sha512.txt"} <= set(tags), tags
for path, digest in {**payload, **tags}.items():
    assert digest_of(path) == digest, path
size = sum(os.path.getsize(path) for path in there)
oxum = "Payload-Oxum: %d.%d\n" % (size, len(there))
assert oxum in open("bag-info.txt", encoding="utf-8").read(), oxum
