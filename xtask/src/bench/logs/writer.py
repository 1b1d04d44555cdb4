"""flood MIB TOOK: writes MIB of 100-byte lines as fast as it can; how long that took, and its own CPU
time, stand in TOOK then.

"trickle" writes so many lines instead, each with the time at which it was written, and "stay" waits
to be ended.
"""

import os
import signal
import sys
import time

def flood(mebibytes):
    block = (b"x" * 99 + b"\n") * 650
    for _ in range((mebibytes << 20) // len(block)):
        left = memoryview(block)
        while left:
            left = left[os.write(1, left):]

def trickle(lines):
    for _ in range(lines):
        time.sleep(0.02)
        os.write(1, b"%d\n" % time.monotonic_ns())

what, number, took = sys.argv[1], int(sys.argv[2]), sys.argv[3]
begun = time.monotonic()
flood(number) if what == "flood" else trickle(number)
seconds = time.monotonic() - begun
with open(took + ".new", "w") as file:
    file.write(f"{seconds} {sum(os.times()[:2])}")
os.rename(took + ".new", took)
if sys.argv[4:] == ["stay"]:
    signal.pause()
