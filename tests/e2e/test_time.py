# SPDX-License-Identifier: Apache-2.0
"""Secure time against those who can move it: a director's key, the power button, the
wall clock. Nothing that was not measured locks, wipes or lapses, no start makes right
documents too old, and no way back runs an order twice."""
import json

import pytest

import forge
import harness
from phone import Fleet, Phone
from scene import Scene

DAY, HOUR = forge.DAY, 3600


@pytest.fixture
def phone(world):
    p = Phone(world)
    p.enroll()
    p.fleet = Fleet(p.org, p.device)
    p.fleet.publish(p)
    return p


def start_again(phone, boot):
    """The boot clock goes back, as it does when a device is switched on."""
    phone.world.move_clock(wall=0, boot=boot)
    phone.policyd.restart()


def quick_starts(phone, n):
    """As if it had been started n times: each adds five minutes to what is presumed."""
    import sqlite3
    phone.policyd.kill()
    with sqlite3.connect(phone.state / "policyd.db") as db:
        (text,), = db.execute("SELECT value FROM meta WHERE name = 'secure-time'").fetchall()
        base, added, *rest = text.split()
        db.execute("UPDATE meta SET value = ? WHERE name = 'secure-time'",
                   (" ".join([base, str(int(added) + 300 * n), *rest]),))
    phone.policyd.start()


def test_quick_starts_lock_nobody_out(phone):
    for i in range(1, 4):
        start_again(phone, boot=-10 * i)
    quick_starts(phone, 290)
    assert phone.submit(phone.org.command("stop-1", phone.device, "stop", "work")) == ("accepted", "")
    phone.fleet.make("policy")
    phone.fleet.publish(phone)


def test_no_way_back_runs_an_order_twice(phone):
    """Its id was let go when the director had moved time ahead; a recovery sets time back."""
    org = phone.org
    done = org.command("w5", phone.device, "reboot")
    assert phone.submit(done) == ("refused", "err.agent-too-old")
    ahead = phone.fleet.snapshot(issued=org.now() + 90 * DAY)
    assert phone.submit(ahead)[0] in ("accepted", "staged")
    other = org.command("w6", phone.device, "reboot", issued=org.now() + 90 * DAY)
    assert phone.submit(other) == ("refused", "err.agent-too-old")
    assert phone.submit(org.rotate("director")) == ("accepted", "")
    phone.fleet.n["snapshot"] = 0
    phone.fleet.publish(phone)
    assert phone.submit(done) == ("known", "")


# ---- with cellsd: nothing but measured time locks or wipes
def records(scene, event):
    return [r for b in scene.server.batches for r in map(json.loads, b["records"]) if r["event"] == event]


def tick(scene, wall, boot=0):
    """The wall clock is set, and a whole tick has passed since."""
    before = len(records(scene, "clock"))
    scene.world.move_clock(wall=wall, boot=boot)
    harness.until(lambda: len(records(scene, "clock")) > before)


def untouched(scene, before):
    assert not [r for r in scene.server.receipts if r["seq"] > before and r["type"] in ("locked", "wiped")]
    assert {v["state"] for v in scene.list().values()} <= {"foreground", "background"}


def recover(scene, before):
    """From now on no snapshot lives: what is measured is silence."""
    root = scene.org.rotate("director", issued=scene.org.now() - 90 * DAY)
    scene.server.say("documents", documents=[root.object], missing=[])
    scene.server.receipt(type="applied", document=root, after=before)


@pytest.mark.parametrize("set_to", [61 * DAY, -61 * DAY])
def test_a_wall_clock_that_was_set_is_no_time_off(world, set_to):
    """The adversary found it: 61 days ahead, then the power button, and a VP was locked under a fresh snapshot."""
    scene = Scene(world)
    scene.publish(work=scene.config("work", on_boot=True, offline={"after-hours": 2, "then": "lock"}))
    before = scene.server.last_seq()
    recover(scene, before)
    tick(scene, wall=set_to)
    for boots, wall in enumerate((set_to, set_to + 600, 1200), 1):
        if wall == 1200:
            tick(scene, wall=0, boot=-200 * (boots - 1))  # it is set right, or wrong the other way
        scene.phone.policyd.kill()
        scene.world.move_clock(wall=wall, boot=-200 * boots)
        scene.phone.policyd.start()
        tick(scene, wall=wall + 120, boot=-200 * boots)
        untouched(scene, before)
    # What it was really off.
    scene.phone.policyd.kill()
    scene.world.move_clock(wall=3 * HOUR, boot=-1000)
    scene.phone.policyd.start()
    assert scene.server.receipt(type="locked", vp="work", after=before)["details"]["cause"] == "offline"


def test_only_measured_time_locks_and_wipes(world):
    scene = Scene(world)
    scene.publish(work=scene.config("work", on_boot=True, offline={"after-hours": 2, "then": "lock"}),
                  personal=scene.config("personal", on_boot=True, offline={"after-hours": 720, "then": "wipe"}))
    before = scene.server.last_seq()
    # The wall clock alone: the network says that two days have passed.
    tick(scene, wall=50 * HOUR)
    untouched(scene, before)
    # A director: a snapshot issued 61 days ahead is taken for its documents, and one behind it.
    for days in (61, 62):
        scene.server.publish(scene.snapshot(issued=scene.org.now() + days * DAY))
        harness.until(lambda: scene.phone.status()["snapshot"]["version"] == scene.snapshots)
    tick(scene, wall=0)
    untouched(scene, before)
    # A recovery root is word of the organisation, however old its signature.
    recover(scene, before)
    tick(scene, wall=50 * HOUR)
    untouched(scene, before)
    # What the device measured itself, at last.
    scene.world.move_clock(wall=50 * HOUR, boot=2 * HOUR + 60)
    assert scene.server.receipt(type="locked", vp="work", after=before)["details"]["cause"] == "offline"
    # Switched off for two months, by its hardware clock: that wipes nothing.
    scene.phone.policyd.kill()
    scene.world.move_clock(wall=62 * DAY, boot=-100)
    scene.phone.policyd.start()
    tick(scene, wall=63 * DAY, boot=-100)
    assert not [r for r in scene.server.receipts if r["type"] == "wiped"]
