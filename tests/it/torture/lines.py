"""Prints numbered lines as fast as it can, up to the number that it is told through the FIFO `go`.

Line 7 is "7:" and a filler whose length follows from 7. They are written one by one, and every
fifth time 32 at once, so that a write may end anywhere in the pipe.
"""

import os

FILLER = b"abcdefghijklmnopqrstuvwxyz" * 8


def line(number):
    return b"%d:%s\n" % (number, FILLER[: number * 7919 % 200])


def write(data):
    while data:
        data = data[os.write(1, data) :]


def main():
    if not os.path.exists("go"):
        os.mkfifo("go")
    # For writing too, so that it does not end with whoever writes to it.
    orders = os.fdopen(os.open("go", os.O_RDWR), "rb", buffering=0)
    write(line(0))
    number, turn = 1, 0
    while True:
        end = int(orders.readline())
        while number <= end:
            turn += 1
            count = min(32 if turn % 5 == 0 else 1, end - number + 1)
            write(b"".join(line(number + ahead) for ahead in range(count)))
            number += count


main()
