"""Starts a child of each kind that it is told, notes their pids in the file `born`, and lives on.

Usage: tree.py SECRET KIND…
Everything that it starts has the secret in its arguments, so that whoever looks for it finds it.
"""

import os
import signal
import sys
import time

SECRET, *KINDS = sys.argv[1:]
PATIENCE = 120


def sleep(environment=os.environ):
    """Becomes a program that does nothing for long."""
    os.execve("/bin/sleep", [f"{SECRET}-sleep", "1000"], environment)


def note():
    with open("born", "a") as born:
        born.write(f"{os.getpid()}\n")


def silence():
    nowhere = os.open("/dev/null", os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)


def plain():
    sleep()


def session():
    os.setsid()
    sleep()


def daemon():
    os.setsid()
    if os.fork():
        os._exit(0)
    note()
    silence()
    sleep()


def deaf():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sleep()


def bare():
    """Nothing in its environment; its output is still the service's."""
    os.setsid()
    sleep({})


def hidden():
    """Not even that: only its ancestry tells whose it is."""
    os.setsid()
    silence()
    sleep({})


def forks():
    """Children again and again, each in a session of its own."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if not os.fork():
            os.setsid()
            time.sleep(0.05)
            os._exit(0)
        time.sleep(0.005)


def chain():
    """One that is another one at every moment."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if os.fork():
            os._exit(0)
        os.setsid()
        time.sleep(0.001)


for kind in KINDS:
    if not os.fork():
        if kind not in ("daemon", "chain"):
            note()
        globals()[kind]()
        os._exit(0)
print("up", flush=True)
time.sleep(1000)
