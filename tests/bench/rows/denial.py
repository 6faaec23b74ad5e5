# SPDX-License-Identifier: Apache-2.0
"""How long a VP can still open a device that is being taken from it, where the kernel has no module of ours."""
import contextlib
import os
import subprocess

import harness
from bench import Side, Skip

NAME = "denial"
WORK = "a class is taken from a VP that opens its device without pause, until an open is denied"
ROUNDS = 200
LIMIT = "the aim is at most 100 us"


@contextlib.contextmanager
def sides():
    if os.geteuid() != 0:
        raise Skip("device programs need root")
    taker = subprocess.Popen([harness.BUILD / "tests/bench/denial", f"cells-denial-{os.getpid()}"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    seen = [0, 0]

    def take():
        taker.stdin.write("\n")
        taker.stdin.flush()
        line = taker.stdout.readline()
        if not line:
            raise Skip("its program ended")
        seen[:] = [int(n) / 1e9 for n in line.split()]
        return seen[0]
    try:
        yield [Side("to the first denied open", take, ours=True), Side("the device set replaced", lambda: seen[1])]
    finally:
        taker.stdin.close()
        taker.wait()
