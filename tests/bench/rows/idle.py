# SPDX-License-Identifier: Apache-2.0
"""What a connected device that has nothing to say costs the server."""
import contextlib

from bench import Side
from fleet import fleet

NAME = "idle"
WORK = "memory of a fresh server per connected idle device, 5,000 of them"
ROUNDS = 1
UNIT = "KiB"
DEVICES = 5000


def measure(f):
    f.server.process.restart()
    return f.sim("--pid", f.pid, "--seconds", "300", "idle")["bytes_per_device"] / 1024


@contextlib.contextmanager
def sides():
    with fleet(DEVICES) as f:
        yield [Side("cells-mgmtd", lambda: measure(f), ours=True)]
