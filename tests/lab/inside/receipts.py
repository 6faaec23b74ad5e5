# SPDX-License-Identifier: Apache-2.0
"""What the organisation hears of devns, on the phone itself: agent, policyd and cellsd as shipped, with a test's
server. test_devnsgate.py runs this file there."""
import json
import os
import pathlib
import statistics
import sys
import time

os.environ.setdefault("CELLS_WAIT", "300")
for folder in ("e2e", "lab"):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / folder))

import harness  # noqa: E402
import pytest  # noqa: E402
from scene import Scene  # noqa: E402
from sensor import Camera  # noqa: E402

GIVEN = {"work": [("*", "shared")], "personal": [("*", "shared")]}
TAKEN = {"work": [("*", "shared"), ("camera", "none")], "personal": [("*", "shared")]}
ROUNDS = int(os.environ.get("CELLS_ROUNDS", "3"))


@pytest.fixture(name="scene", scope="module")
def fixture_scene():
    with harness.World() as world:
        s = Scene(world, hardware=harness.TOP / "data/hardware.d/default.conf", start=False)
        s.phone.start()
        s.enroll()
        s.publish(policy=s.policy(GIVEN, require="mapped"))
        harness.until(lambda: all(v["state"] == "background" for v in s.list().values()), 120)
        yield s


def records(scene):
    return [json.loads(r) for b in scene.server.batches for r in b["records"]]


def test_the_level_is_mapped_and_a_policy_may_ask_for_it(scene):
    applied = scene.server.receipt(type="applied")
    assert (applied["enforcement"], applied["reason"]) == ("mapped", None), applied
    assert applied["details"]["not_enforced"] == []


def test_a_receipt_tells_what_the_module_cut(scene):
    times = []
    for _ in range(ROUNDS):
        with Camera(f"/proc/{scene.list()['work']['pid']}/root/dev"):
            before, begin = scene.server.last_seq(), time.monotonic()
            scene.publish(policy=scene.policy(TAKEN, require="mapped"))
            revoked = scene.server.receipt(type="revoked", after=before)
            whole = time.monotonic() - begin
        assert revoked["details"]["revoked"] == [
            {"vp": "work", "class": "camera", "handles": 1, "mappings": 1, "kept": 0}]
        assert revoked["document"] and revoked["enforcement"] == "mapped"
        times.append(revoked["details"]["ns"] / 1e6)
        assert 0 < times[-1] < whole * 1e3
        scene.publish(policy=scene.policy(GIVEN, require="mapped"))
    print(f"\nrevocation: document's arrival to last handle dead, by the kernel's clock: median "
          f"{statistics.median(times):.1f} ms of {', '.join(f'{t:.1f}' for t in times)}")


def test_events_of_the_module_are_in_the_audit(scene):
    scene.phone.ctl("exec", "work", "--", "/bin/sh", "-c", ": </dev/video0")
    scene.publish(policy=scene.policy(TAKEN, require="mapped"))
    assert scene.phone.ctl("exec", "work", "--", "/bin/sh", "-c", ": </dev/video0", check=False).returncode == 1

    have = set()
    for _ in range(60):
        have = {r["event"] for r in records(scene) if (r.get("vp"), r.get("class")) == ("work", "camera")}
        if {"open", "close", "deny", "mode", "revoke"} <= have:
            break
        time.sleep(1)
    assert {"open", "close", "deny", "mode", "revoke"} <= have
    opened = [r["detail"] for r in records(scene) if r["event"] == "open" and r.get("class") == "camera"]
    assert all(d["pid"] > 0 and d["boot_ns"] > 0 for d in opened)
    assert not [r for r in records(scene) if r["event"] == "lost"]


def test_a_switch_is_one_record_and_one_receipt(scene):
    before = scene.server.last_seq()
    scene.phone.ctl("switch", "work")
    switched = scene.server.receipt(type="switched", after=before)
    assert (switched["details"]["from"], switched["details"]["to"]) == ("", "work") and switched["details"]["ns"] > 0
    scene.phone.ctl("switch", "host")
    scene.server.receipt(type="switched", after=switched["seq"])
    harness.until(lambda: [r["vp"] if "vp" in r else "" for r in records(scene) if r["event"] == "switch"] == ["work", ""], 200, 1)
