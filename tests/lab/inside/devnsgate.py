# SPDX-License-Identifier: Apache-2.0
"""cellsd with the devns backend, on the phone itself: test_devnsgate.py runs this file there, with pytest,
after it has loaded devns.ko and vivid. VPs are of busybox, as in the e2e tests of cellsd."""
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "e2e"))

import harness  # noqa: E402
import pytest  # noqa: E402
import test_cellsd  # noqa: E402
from test_cellsd import ANY, FRONT, NONE  # noqa: E402

RIGHTS = [("work", "camera", ANY, False), ("work", "gps", ANY, False), ("personal", "camera", ANY, False)]


@pytest.fixture(name="phone")
def fixture_phone():
    p = test_cellsd.Phone("default", "devns")
    try:
        yield p.start()
    finally:
        p.close()


@pytest.fixture(name="two")
def fixture_two(phone):
    phone.apply(["work", "personal"], RIGHTS)
    phone.policy("Start", "s", "work")
    phone.policy("Start", "s", "personal")
    return phone


def sh(phone, vp, script):
    return phone.exec(vp, "/bin/sh", "-c", script)


def number(phone, vp, node):
    """major:minor of a node in the VP's /dev; None: it is not there."""
    code, out = sh(phone, vp, f"busybox stat -c %t:%T /dev/{node}")
    return tuple(int(x, 16) for x in out.strip().split(":")) if code == 0 else None


def real(node):
    st = os.stat(f"/dev/{node}")
    return os.major(st.st_rdev), os.minor(st.st_rdev)


def hold(phone, vp, node, seconds=600):
    """A process of the VP that has the node open."""
    phone.background(vp, f"exec 3</dev/{node}; echo >/held; exec busybox sleep {seconds}")
    harness.until(lambda: sh(phone, vp, "[ -e /held ] && busybox rm /held")[0] == 0)


def test_inventory_names_backend_and_level(phone):
    backend, level, classes = phone.policy("Inventory")
    assert (backend, level) == ("devns", "mapped")
    assert test_cellsd.CLASSES.index("camera") in [c[0] for c in classes]


def test_each_vp_has_an_endpoint_of_its_own_under_the_usual_name(two):
    mine, theirs = number(two, "work", "video0"), number(two, "personal", "video0")
    assert mine and theirs and len({mine, theirs, real("video0")}) == 3
    assert two.opens("work", "video0") and two.opens("personal", "video0")
