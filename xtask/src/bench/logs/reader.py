"""Reads COUNT lines with the times at which they were written, and prints how late each came, in seconds."""

import sys
import time

late = []
while len(late) < int(sys.argv[1]):
    line = sys.stdin.buffer.readline()
    now = time.monotonic_ns()
    if not line:
        break
    word = line.split()[-1:] or [b""]
    if word[0].isdigit():
        late.append((now - int(word[0])) / 1e9)
print(*late)
