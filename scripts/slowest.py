#!/usr/bin/env python3
"""Lists the slowest tests of a run of cargo-nextest: scripts/slowest.py REPORT [HOW MANY]."""

import sys
import xml.etree.ElementTree as ElementTree

report, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 15
cases = [
    (float(case.get("time", 0)), suite.get("name"), case.get("name"))
    for suite in ElementTree.parse(report).getroot().iter("testsuite")
    for case in suite.iter("testcase")
]
for seconds, suite, name in sorted(cases, reverse=True)[:count]:
    print(f"{seconds:8.1f} s  {suite}  {name}")
