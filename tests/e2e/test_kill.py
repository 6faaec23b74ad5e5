# SPDX-License-Identifier: Apache-2.0
"""kill -9 of each daemon at random points of enrolment, download, activation, switch,
lock and wipe: the old state or the new, whole; no receipt lost or invented; no VP
left unmanaged. A round is one operation with one kill in it; CELLS_LONG makes it 200."""
import json
import os
import random
import threading
import time

import pytest

import harness
from scene import Scene

ROUNDS = 200 if os.environ.get("CELLS_LONG") else 30
SEED = int(os.environ.get("CELLS_SEED", "0")) or random.randrange(1, 2**31)
OPERATIONS = ("activation", "download", "switch", "lock", "stop")


def kill_within(rng, process, seconds):
    """kill -9 after a random while, then starts it again."""
    delay = rng.uniform(0, seconds)

    def strike():
        time.sleep(delay)
        process.restart()
    t = threading.Thread(target=strike)
    t.start()
    return t


def activation(scene, _rng):
    policies = [{"work": [("camera", m), ("*", "shared")], "personal": [("*", "shared")]}
                for m in ("none", "shared", "exclusive")]
    return scene.publish(policies[scene.versions["policy"] % 3])


def download(scene, _rng):
    return scene.publish(image=scene.image())


def switch(scene, rng):
    before = scene.server.last_seq()
    target = rng.choice(("work", "personal"))
    other = "personal" if target == "work" else "work"
    scene.command("switch", other)
    scene.command("switch", target)
    scene.server.receipt(type="switched", after=before)


def lock(scene, _rng):
    before = scene.server.last_seq()
    scene.command("lock", "personal")
    scene.server.receipt(type="locked", vp="personal", after=before)
    before = scene.server.last_seq()
    scene.command("unlock", "personal")
    scene.server.receipt(type="unlocked", vp="personal", after=before)
    scene.command("start", "personal")
    scene.server.receipt(type="started", vp="personal", after=before)


def stop(scene, _rng):
    before = scene.server.last_seq()
    scene.command("stop", "work")
    scene.server.receipt(type="stopped", vp="work", after=before)
    before = scene.server.last_seq()
    scene.command("start", "work")
    scene.server.receipt(type="started", vp="work", after=before)


def check(scene):
    """What must hold after each round."""
    receipts = scene.server.receipts
    assert [r["seq"] for r in receipts] == list(range(1, len(receipts) + 1))
    in_force = scene.phone.status()
    applied = [r for r in receipts if r["type"] == "applied"]
    assert in_force["state"] in {r["state"] for r in applied}, "a state that no receipt tells of"
    states = {name: row["state"] for name, row in scene.list().items()}
    assert set(states) == {"work", "personal"}
    assert sum(s == "foreground" for s in states.values()) <= 1


def test_killed_daemons_leave_the_old_or_the_new(world):
    rng = random.Random(SEED)
    print(f"CELLS_SEED={SEED}")
    scene = Scene(world)
    daemons = {"cellsd": scene.phone.cellsd, "policyd": scene.phone.policyd, "agent": scene.phone.agent}
    for n in range(ROUNDS):
        name = rng.choice(sorted(daemons))
        operation = globals()[OPERATIONS[n % len(OPERATIONS)]]
        what = f"round {n}: {operation.__name__}, {name} killed, CELLS_SEED={SEED}"
        strike = kill_within(rng, daemons[name], 0.6)
        try:
            operation(scene, rng)
            strike.join()
            harness.until(lambda: scene.server.connected(), 60)
            check(scene)
        except (harness.Failed, AssertionError) as e:
            strike.join()
            raise AssertionError(f"{what}\n{e}\n{daemons[name].tail()}") from e


@pytest.mark.parametrize("n", range(ROUNDS // 10))
def test_killed_while_enrolling(world, n):
    rng = random.Random(SEED + n)
    scene = Scene(world, enroll=False)
    victim = rng.choice((scene.phone.policyd, scene.phone.agent))
    strike = kill_within(rng, victim, 0.4)
    first = scene.phone.ctl("enroll", scene.server.uri(), check=False)
    strike.join()
    if first.returncode != 0:
        again = scene.phone.ctl("enroll", scene.server.uri(), check=False)
        assert again.returncode == 0 or "enrolled" in again.stderr, again.stderr
    harness.until(scene.server.connected, 60)
    scene.publish()


@pytest.mark.parametrize("n", range(ROUNDS // 10))
def test_killed_while_wiping(world, n):
    rng = random.Random(SEED + n)
    scene = Scene(world)
    scene.run_in("work", "sh", "-c", "echo secret > /root/marker")
    scene.run_in("personal", "sh", "-c", "echo mine > /root/marker")
    before = scene.server.last_seq()
    victim = rng.choice((scene.phone.cellsd, scene.phone.policyd))
    strike = kill_within(rng, victim, 0.3)
    wipe = scene.command("wipe", "work")
    receipt = scene.server.receipt(type="wiped", vp="work", after=before)
    strike.join()
    assert receipt["details"]["command"] == wipe.id
    time.sleep(0.5)
    assert len([r for r in scene.server.receipts if r["type"] == "wiped"]) == 1
    left = harness.run(["grep", "-rl", "secret", scene.phone.folder / "cellsd"], check=False)
    assert left.stdout == "", json.dumps(left.stdout)
    assert scene.run_in("personal", "cat", "/root/marker").stdout.strip() == "mine"
