# SPDX-License-Identifier: Apache-2.0
"""One policy to all connected devices."""
import contextlib

from bench import Side
from fleet import fleet

NAME = "fan-out"
WORK = "a policy submitted until the last of 500 signed receipts is verified and acknowledged"
ROUNDS = 5
DEVICES = 500


@contextlib.contextmanager
def sides():
    with fleet(DEVICES) as f:
        yield [Side("cells-mgmtd", f.fan_out, ours=True, note="each device signs on the same cores")]
