# SPDX-License-Identifier: Apache-2.0
"""What people and administrators read when something does not work: our words, and a receipt."""
import contextlib

import harness
from scene import Scene


def test_cellsctl_says_who_may_and_what_is_not_running(world):
    """No text of the bus: a user outside the group reads why."""
    device = harness.Device(world)
    device.cellsd.start()
    device.policyd.start()
    for verb in (["list"], ["status"], ["switch", "work"]):
        said = device.ctl(*verb, check=False, user="nobody")
        assert said.returncode == 1 and "group cells" in said.stderr and "Rejected" not in said.stderr, said
    device.policyd.stop()
    said = device.ctl("explain", "work", "camera", check=False)
    assert said.returncode == 1 and "not running" in said.stderr and "org.freedesktop" not in said.stderr, said


def test_passcode_from_standard_input_takes_two_lines(world):
    """Seen: one line was taken for the old passcode, nothing was set, and the exit code was 0."""
    device = harness.Device(world)
    device.policyd.start()
    for text, words in (("", "two lines"), ("1234\n", "two lines"), ("1234", "two lines"), ("\n\n", "nothing is set")):
        said = device.ctl("passcode", "work", "--password-stdin", stdin=text, check=False)
        assert said.returncode == 1 and words in said.stderr, (text, said)


def test_start_at_boot_that_fails_leaves_a_receipt(world):
    scene = Scene(world, start=False)
    scene.phone.start()
    scene.enroll()
    limit = harness.cgroup2_mount() / scene.phone.cgroup_root / "cgroup.max.descendants"
    limit.write_text("0")
    with contextlib.ExitStack() as undo:
        undo.callback(limit.write_text, "max")
        scene.publish()
        for vp in ("work", "personal"):
            told = scene.server.receipt(type="start-failed", vp=vp)
            assert told["reason"] == "err.kernel" and told["details"]["cause"] == "boot" and told["details"]["text"], told
    before = scene.server.last_seq()
    scene.command("start", "work")
    scene.server.receipt(type="started", vp="work", after=before)
