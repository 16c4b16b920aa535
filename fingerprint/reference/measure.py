#!/usr/bin/env python3
"""Runs a command; prints its CPU seconds (user and system) and peak memory (KiB), with those of its children.

    measure.py COMMAND...

The peak is that of the largest single process.
"""

import os
import subprocess
import sys

child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
if status != 0:
    sys.exit(f"{sys.argv[1:]} ended with status {os.waitstatus_to_exitcode(status)}")
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
