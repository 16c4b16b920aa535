#!/usr/bin/env python3
"""Makes the golden vectors of digests, texts and ISCC codes.

Needs Python 3.11+, iscc-core 1.5.0, iscc-sdk 0.9.7, blake3:

    venv/bin/pip install 'iscc-core==1.5.0' 'iscc-sdk==0.9.7' blake3
    venv/bin/python golden/make_text.py            # writes golden/text.json and golden/text
    venv/bin/python golden/make_text.py --check    # only compares with golden/text.json

The files come from formulas. iscc-core is the reference implementation of ISO 24138:2024 in Python, independent of the
library in use here.
"""

import hashlib
import io
import json
import sys
from pathlib import Path

import blake3
import iscc_core as ic

HERE = Path(__file__).parent
FILES = HERE / "text"

# Kind and length; the test makes the same bytes.
STREAMS = [
    ("noise", 0), ("noise", 1), ("noise", 255), ("noise", 256), ("noise", 1025), ("noise", 8191),
    ("noise", 131071), ("noise", 131072), ("noise", 131073), ("noise", 1_000_003), ("noise", 3_333_333),
    ("zeros", 1), ("zeros", 131072), ("zeros", 1_000_000), ("steps", 700_001),
]


def stream(kind, length):
    if kind == "zeros":
        return bytes(length)
    if kind == "steps":
        return bytes(i // 1000 % 256 for i in range(length))
    state, out = 1, bytearray(length)
    for i in range(length):
        state = state * 1_664_525 + 1_013_904_223 & 0xFFFFFFFF
        out[i] = state >> 24
    return bytes(out)


def digests(data):
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "blake3": blake3.blake3(data).hexdigest(),
        "iscc_data": ic.gen_data_code_v0(io.BytesIO(data), bits=64)["iscc"],
        "iscc_instance": ic.gen_instance_code_v0(io.BytesIO(data), bits=64)["iscc"],
    }


def conformance():
    """The conformance vectors of ISO 24138:2024 that iscc-core carries, with what it computes itself checked first."""
    vectors = json.loads(Path(ic.__file__).with_name("data.json").read_text())
    vectors.pop("_metadata", None)
    assert ic.conformance_selftest()
    return [
        {"function": function, "name": name, "inputs": test["inputs"], "outputs": test["outputs"]}
        for function, tests in vectors.items()
        for name, test in tests.items()
    ]


def main():
    vectors = {"conformance": conformance()}
    vectors |= {"digests": [{"kind": kind, "length": length} | digests(stream(kind, length)) for kind, length in STREAMS]}
    target = HERE / "text.json"
    if "--check" in sys.argv:
        if json.loads(target.read_text()) != vectors:
            sys.exit("text.json differs")
    else:
        target.write_text(json.dumps(vectors, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
