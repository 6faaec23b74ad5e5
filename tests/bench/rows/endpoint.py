# SPDX-License-Identifier: Apache-2.0
"""What a call costs through an endpoint of devns, and on the real node."""
import contextlib
import types

from bench import Side
from labscene import NODE, SCENE

GROUP = "endpoint"
WORKS = {"read": "read of 16 bytes from /dev/zero", "ioctl": "VIDIOC_QUERYCAP of vivid", "poll": "poll of vivid, not waiting"}
ROUNDS = 51


@contextlib.contextmanager
def sides(work, last):
    try:
        SCENE.open()
        node = NODE[work]
        yield [Side("through devns", lambda: SCENE.ask(f"{work} {node}.d1"), ours=True),
               Side("real node", lambda: SCENE.ask(f"{work} {node}"), note="the limit")]
    except BaseException:
        SCENE.close()
        raise
    if last:
        SCENE.close()


def rows(wanted):
    return [types.SimpleNamespace(
        NAME=f"{GROUP}-{work}", GROUP=GROUP, WORK=f"{WORKS[work]} (emulated phone, so the ratio counts)", ROUNDS=ROUNDS,
        LIMIT="the real node; the aim is less than 250 ns more on a real machine",
        sides=lambda work=work, last=(wanted or work == list(WORKS)[-1]): sides(work, last)) for work in WORKS]
