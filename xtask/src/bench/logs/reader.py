"""COUNT SECONDS: reads COUNT lines with the times at which they were written, those of the first SECONDS
aside, and prints how late each came, in seconds."""

import sys
import time

late = []
begin = time.monotonic_ns() + int(float(sys.argv[2]) * 1e9) if float(sys.argv[2]) else 0
while len(late) < int(sys.argv[1]):
    line = sys.stdin.buffer.readline()
    now = time.monotonic_ns()
    if not line:
        break
    word = line.split()[-1:] or [b""]
    if word[0].isdigit() and int(word[0]) >= begin:
        late.append((now - int(word[0])) / 1e9)
print(*late)
