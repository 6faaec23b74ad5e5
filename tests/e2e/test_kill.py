# SPDX-License-Identifier: Apache-2.0
"""kill -9 of each daemon at random points of enrollment, download, activation, switch,
lock and wipe: the old state or the new, whole; no receipt lost or invented; no VP
left unmanaged. A round is one operation with one kill in it; CELLS_LONG makes it 200."""
import contextlib
import functools
import json
import os
import pathlib
import random
import tempfile
import threading
import time

import pytest

import forge
import harness
from scene import Scene, busybox_layer

ROUNDS = 200 if os.environ.get("CELLS_LONG") else 18  # each operation three times
SEED = int(os.environ.get("CELLS_SEED", "0")) or random.randrange(1, 2**31)
OPERATIONS = ("activation", "download", "switch", "lock", "stop", "wipe")


def leaves(scene):
    """The device's cgroups with the processes that are in them or below."""
    root = harness.cgroup2_mount() / scene.phone.cgroup_root
    found = {}
    for leaf in root.iterdir():
        if leaf.is_dir():
            found[leaf.name] = [p for f in leaf.rglob("cgroup.procs") for p in f.read_text().split()]
            found[leaf.name] += (leaf / "cgroup.procs").read_text().split()
    return found


def is_prepared(scene, state, pids):
    """One that waits for its start: cellsd's own child, which has not become the VP's init."""
    with contextlib.suppress(OSError):
        return state in ("stopped", "installed") and len(set(pids)) == 1 and \
            os.readlink(f"/proc/{pids[0]}/exe") == os.readlink(f"/proc/{scene.phone.cellsd.child.pid}/exe")
    return False


def leftovers(scene):
    """What of a VP that does not run is still there; None: nothing."""
    states = {n: row["state"] for n, row in scene.list().items()}
    running = {n for n, state in states.items() if state in ("foreground", "background")}
    alive, prepared = {}, None
    for leaf, pids in leaves(scene).items():
        vp = leaf.rsplit("-", 2)[0]
        if not prepared and is_prepared(scene, states.get(vp), pids):
            prepared = vp
            continue
        if vp in alive or vp not in running:
            return f"cgroup {leaf} of a VP that does not run: {pids}"
        if not pids:
            return f"cgroup {leaf} of a running VP is empty"
        alive[vp] = pids
    if set(alive) != running:
        return f"run: {running}, have processes: {set(alive)}"
    return mounts_left(scene, running)


def mounts_left(scene, running):
    """The stage holds layers and vaults only; nothing of it is seen by the host."""
    host = pathlib.Path("/proc/self/mountinfo").read_text()
    if str(scene.phone.folder) in host:
        return f"a mount is seen outside: {host}"
    own = pathlib.Path(f"/proc/{scene.phone.cellsd.child.pid}/mountinfo").read_text().splitlines()
    stage = f"{scene.phone.folder}/run/cellsd/stage"
    inside = [line.split()[4] for line in own if line.split()[4].startswith(stage + "/")]
    stray = [m for m in inside if not m.startswith((stage + "/layers", stage + "/vaults"))]
    return f"mounts left on the stage: {stray}" if stray else None


def loops():
    """Loop devices that hold a file, by what they hold."""
    found = {}
    for f in pathlib.Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            found[f.parts[3]] = f.read_text().strip()
    return found


def settled(scene):
    """Waits until nothing is left of what does not run."""
    last = [None]

    def clean():
        last[0] = leftovers(scene)
        return last[0] is None
    try:
        harness.until(clean, 10)
    except harness.Failed:
        raise AssertionError(last[0]) from None


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


def download(scene, rng):
    """New layers each time, so that there is something to download."""
    fresh = [forge.Layer(erofs(rng)) for _ in range(rng.randrange(1, 4))]
    scene.server.keep(files=[layer.files() for layer in fresh])
    image = scene.org.image("tiny", scene.next_version("image"), [busybox_layer(), *fresh])
    return scene.publish(image=image)


@functools.lru_cache
def plain_erofs():
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch) / "root"
        root.mkdir()
        (root / "random").write_bytes(os.urandom(300000))
        harness.run(["mkfs.erofs", "-T0", pathlib.Path(scratch) / "image", root])
        return (pathlib.Path(scratch) / "image").read_bytes()


def erofs(rng):
    """An image that no other is equal to: what lies behind its end is nobody's."""
    return plain_erofs() + rng.randbytes(150000)


def wipe(scene, rng):
    """Wiped it is gone; a newer config brings it back, empty."""
    harness.until(lambda: scene.run_in("personal", "sh", "-c", "echo secret-marker > /root/marker",
                                       check=False).returncode == 0)
    before = scene.server.last_seq()
    command = scene.command("wipe", "personal")
    receipt = scene.server.receipt(type="wiped", vp="personal", after=before)
    assert receipt["details"]["command"] == command.id
    assert grep(scene) == ""
    scene.publish(personal=scene.config("personal", on_boot=True))
    scene.server.receipt(type="started", vp="personal", after=before)


def grep(scene):
    return harness.run(["grep", "-rs", "secret-marker", scene.phone.folder / "cellsd"], check=False).stdout


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
    after, before = before, scene.server.last_seq()
    scene.unlock("personal", after=after)
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
    assert in_force["state"] in {r["state"] for r in applied}, "a state that no receipt reports"
    states = {name: row["state"] for name, row in scene.list().items()}
    assert set(states) == {"work", "personal"}
    assert sum(s == "foreground" for s in states.values()) <= 1
    settled(scene)


def test_killed_daemons_leave_the_old_or_the_new(world):
    rng = random.Random(SEED)
    print(f"CELLS_SEED={SEED}")
    scene = Scene(world)
    daemons = {"cellsd": scene.phone.cellsd, "policyd": scene.phone.policyd, "agent": scene.phone.agent}
    files = loops()
    took = []
    windows = {}  # how long each operation takes, undisturbed
    for n in range(ROUNDS):
        began = time.monotonic()
        name = rng.choice(sorted(daemons))
        operation = globals()[OPERATIONS[n % len(OPERATIONS)]]
        what = f"round {n}: {operation.__name__}, {name} killed, CELLS_SEED={SEED}"
        window = windows.get(operation, 0.3)
        strike = kill_within(rng, daemons[name], window * 1.2)
        try:
            operation(scene, rng)
            windows[operation] = max(0.03, min(window, time.monotonic() - began))
            strike.join()
            harness.until(lambda: scene.server.connected(), 60)
            check(scene)
        except (harness.Failed, AssertionError) as e:
            strike.join()
            raise AssertionError(f"{what}\n{e}\n" + "\n".join(d.tail() for d in daemons.values())) from e
        took.append((time.monotonic() - began, what))
    print(f"{ROUNDS} rounds, {sum(t for t, _ in took):.0f} s; the longest:", *sorted(took)[-6:], sep="\n")
    for vp in ("work", "personal"):
        scene.command("stop", vp)
        scene.server.receipt(type="stopped", vp=vp, after=scene.server.last_seq() - 3)
    settled(scene)  # but for one that is prepared
    scene.phone.cellsd.stop()
    harness.until(lambda: not (harness.cgroup2_mount() / scene.phone.cgroup_root).exists())
    mine = [f for f in set(loops()) - set(files) if str(scene.phone.folder) in loops().get(f, "")]
    assert not mine


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
