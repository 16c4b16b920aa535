"""Digests of a file in one streaming pass: digests.py [sha256 | all] [FILE]

sha256 is what the original computes; all adds what the pass here computes, by the reference implementation of ISCC.
"""

import hashlib
import sys

import iscc_core
from blake3 import blake3

if len(sys.argv) > 2:
    hashes = [hashlib.sha256()]
    if sys.argv[1] == "all":
        hashes += [blake3(), iscc_core.DataHasherV0(), iscc_core.InstanceHasherV0()]
    with open(sys.argv[2], "rb") as file:
        while data := file.read(1 << 20):
            for one in hashes:
                one.push(data) if hasattr(one, "push") else one.update(data)
    print([one.code() if hasattr(one, "code") else one.hexdigest() for one in hashes])
