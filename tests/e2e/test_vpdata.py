# SPDX-License-Identifier: Apache-2.0
"""The data of VPs at rest: what a thief of the disk finds, locks that take the key away, passcodes, wipes that are
finished after any kill. cellsd by its D-Bus interface; the disk as it is."""
import contextlib
import os
import pathlib
import random
import signal
import subprocess

import pytest

import escrow
import harness
import sdbus
from vpdevice import BOTH, Phone, reap, secret_call, unlock

if os.geteuid() != 0:
    pytest.skip("needs root", allow_module_level=True)

ROUNDS = 100 if os.environ.get("CELLS_LONG") else 8
MARKER = "cells-marker-4711-"
# Each sync of a wipe is a step of it: so many there are at most.
SYNCS = 24


@pytest.fixture(name="phone")
def fixture_phone():
    p = Phone()
    try:
        yield p.start()
        p.cellsd.stop()
    finally:
        p.close()
    left = [d for d in loops() if str(p.folder) in d]
    assert not left, left


@pytest.fixture(name="recovery")
def fixture_recovery():
    return escrow.random_point()


@pytest.fixture(name="two")
def fixture_two(phone, recovery):
    """Two VPs of an organisation that has a recovery key, each with a marker in its data."""
    wanted(phone, recovery)
    for vp in ("work", "personal"):
        phone.policy("Start", "s", vp)
        mark(phone, vp)
    return phone


def loops():
    found = []
    for f in pathlib.Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            found.append(f.read_text().strip())
    return found


def wanted(phone, recovery, vps=("work", "personal"), **conf):
    phone.apply(list(vps), [r for r in BOTH if r[0] in vps], recovery=("s", recovery[1] if recovery else ""), **conf)


def mark(phone, vp):
    """Thousands of times, in a file and in names; on disk when it returns."""
    status, out = phone.exec(vp, "/bin/sh", "-c",
                             f"m={MARKER}{vp}; i=0; while [ $i -lt 2000 ]; do echo $m$m$m$m; i=$((i+1)); done > /root/marked;"
                             f" : > /root/$m; busybox sync")
    assert status == 0, out


def is_marked(phone, vp):
    return phone.exec(vp, "/bin/sh", "-c", f"busybox grep -c {MARKER}{vp} /root/marked")[1].strip() == "2000"


def slots_file(phone, vp):
    found = list((phone.folder / "cellsd/keys").glob(f"{vp}.*"))
    return found[0] if found else None


def slots(phone, vp):
    return escrow.Slots(slots_file(phone, vp).read_bytes())


def device_key(phone):
    return (phone.folder / "cellsd/device.key").read_bytes()


def raw(phone):
    """All bytes of the state folder that hold something: what a thief copies."""
    out = []
    for f in sorted((phone.folder / "cellsd").rglob("*")):
        if f.is_file():
            with open(f, "rb") as fd:
                at = 0
                while True:
                    try:
                        at = os.lseek(fd.fileno(), at, os.SEEK_DATA)
                    except OSError:
                        break
                    end = os.lseek(fd.fileno(), at, os.SEEK_HOLE)
                    out.append(os.pread(fd.fileno(), end - at, at))
                    at = end
    return b"".join(out)


def refused(name, call, *args):
    with pytest.raises(sdbus.Error) as e:
        call(*args)
    assert e.value.name == f"org.cells.Error.{name}", e.value


def test_a_start_that_is_refused_takes_no_key_out(two):
    two.policy("Lock", "s", "work")
    refused("vp_state", two.policy, "Start", "s", "work")
    assert not two.list()["work"]["key-in-kernel"]


def test_the_disk_holds_ciphertext_only(two):
    for vp in ("work", "personal"):
        assert is_marked(two, vp)
        row = two.list()[vp]
        assert row["medium"].startswith("vault on ") and row["key-in-kernel"]
        assert row["encryption"].startswith("fscrypt") and row["slots"] == "device recovery"
    disk = raw(two)
    assert MARKER.encode() not in disk
    # The key is nowhere but in its slots: the device's opens it.
    s = slots(two, "work")
    key = s.by_device(device_key(two))
    assert escrow.identifier(key) == s.id
    assert key not in disk


def files_of(phone, vp):
    """What is to be seen of the data without its key, by mounting the vault."""
    vault = next((phone.folder / "cellsd/vps").glob(f"{vp}.*.vault"))
    place = phone.folder / "mnt"
    place.mkdir(exist_ok=True)
    harness.run(["mount", "-o", "ro,loop,noload", vault, place])
    try:
        return [str(p.relative_to(place)) for p in place.rglob("*")]
    finally:
        harness.run(["umount", place])


def test_lock_takes_the_key_and_recovery_gives_it_back(two, recovery):
    s = slots(two, "work")
    old, key = slots_file(two, "work").read_bytes(), s.by_device(device_key(two))
    two.call("root", "Switch", "s", "work")
    details = two.policy("Lock", "s", "work")
    assert details["method"] == "key evicted" and not details["incomplete"]
    assert details["keys"] == 1 and details["slots"] == 1 and details["key"] == s.id
    for again in range(2):
        row = two.list()["work"]
        assert row["state"] == "locked" and not row["key-in-kernel"] and row["slots"] == "recovery"
        assert slots(two, "work").by_device(device_key(two)) is None
        names = files_of(two, "work")
        assert not any(MARKER in n or "upper" in n for n in names), names
        refused("vp_state", two.policy, "Start", "s", "work")
        refused("vp_state", two.policy, "Switch", "s", "work")
        refused("password", unlock, two, "work")
        refused("password", unlock, two, "work", b"1234")
        refused("password", secret_call, two, "UnlockByKey", "work", bytes(64))
        assert two.policy("Lock", "s", "work")["recovery"] == details["recovery"]
        if again == 0:
            two.cellsd.restart()
            two.give()
    # The old file with the device's key opens the data still: that is what wiping is for.
    assert escrow.Slots(old).by_device(device_key(two)) == key
    assert escrow.recover(recovery[0], "work", details) == key
    secret_call(two, "UnlockByKey", "work", key)
    assert two.list()["work"]["slots"] == "device recovery"
    two.policy("Start", "s", "work")
    assert is_marked(two, "work") and is_marked(two, "personal")


def test_without_recovery_a_lock_keeps_the_device_slot(phone):
    wanted(phone, None, ["work"])
    phone.policy("Start", "s", "work")
    mark(phone, "work")
    assert phone.list()["work"]["slots"] == "device"
    details = phone.policy("Lock", "s", "work")
    assert details["keys"] == 1 and details["slots"] == 0 and details["recovery"] == ""
    assert not phone.list()["work"]["key-in-kernel"]
    unlock(phone, "work")
    phone.policy("Start", "s", "work")
    assert is_marked(phone, "work")


def test_the_recovery_slot_follows_the_organisation(two):
    other = escrow.random_point()
    wanted(two, other)
    details = two.policy("Lock", "s", "work")
    secret_call(two, "UnlockByKey", "work", escrow.recover(other[0], "work", details))
    wanted(two, None)
    assert two.list()["work"]["slots"] == "device"


def test_passcode(two, recovery):
    key = slots(two, "work").by_device(device_key(two))
    refused("password", secret_call, two, "SetPasscode", "personal", b"", b"a\0b")
    secret_call(two, "SetPasscode", "work", b"", b"old passcode")
    assert two.list()["work"]["slots"] == "passcode recovery"
    refused("password", secret_call, two, "SetPasscode", "work", b"wrong", b"new passcode")
    secret_call(two, "SetPasscode", "work", b"old passcode", b"new passcode")
    s = slots(two, "work")
    assert s.by_passcode(b"new passcode") == key and s.by_passcode(b"old passcode") is None
    assert s.by_device(device_key(two)) is None
    refused("password", unlock, two, "work", b"wrong")
    two.policy("Lock", "s", "work")
    for wrong in (b"", b"old passcode", b"x"):
        refused("password", unlock, two, "work", wrong)
    assert not two.list()["work"]["key-in-kernel"]
    unlock(two, "work", b"new passcode")
    two.policy("Start", "s", "work")
    assert is_marked(two, "work")
    # While it runs a daemon may die; once it has stopped, only the passcode helps.
    two.cellsd.restart()
    two.give()
    assert is_marked(two, "work")
    two.policy("Stop", "s", "work")
    two.policy("Start", "s", "work")
    two.policy("Stop", "s", "work")
    two.cellsd.restart()
    two.give()
    assert two.state("work") == "locked"
    refused("vp_state", two.policy, "Start", "s", "work")
    unlock(two, "work", b"new passcode")
    two.policy("Start", "s", "work")
    secret_call(two, "SetPasscode", "work", b"new passcode", b"")
    assert two.list()["work"]["slots"] == "device recovery"
    assert recovery


def test_files_held_open_from_outside_are_told(two):
    """A handle that is open on the data keeps a lock from being complete, and the lock says so."""
    two.policy("Stop", "s", "work")
    held = open(two.data("work") / "upper/root/marked", "rb")  # noqa: SIM115
    try:
        details = two.policy("Lock", "s", "work", seconds=60)
        assert details["incomplete"] and details["keys"] == 0
        assert two.state("work") == "locked"
    finally:
        held.close()
    harness.until(lambda: slots(two, "work").by_device(device_key(two)) is None)
    assert not two.policy("Lock", "s", "work")["incomplete"]
    # A wipe goes on all the same: the slots are gone, and the receipt claims no key.
    two.policy("Stop", "s", "personal")
    held = open(two.data("personal") / "upper/root/marked", "rb")  # noqa: SIM115
    try:
        details = two.policy("Wipe", "ss", "personal", "cmd-1", seconds=60)
        assert details["incomplete"] and details["keys"] == 0 and details["slots"] == 2
        assert not slots_file(two, "personal") and two.state("personal") == "absent"
        two.cellsd.restart()
        assert two.policy("Wipe", "ss", "personal", "cmd-1") == details
    finally:
        held.close()


def may_resize():
    """CAP_SYS_RESOURCE, which a container's root need not have."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("CapEff:")[1].split()[0], 16) >> 24 & 1


def test_storage_max_holds(phone):
    wanted(phone, None, ["work"], **{"storage-max": ("t", 64 << 20)})
    phone.policy("Start", "s", "work")
    status, out = phone.exec("work", "/bin/sh", "-c", "busybox dd if=/dev/urandom of=/big bs=1M count=100 2>&1")
    assert status != 0 and "No space left" in out, out
    size = int(phone.exec("work", "/bin/busybox", "stat", "-c", "%s", "/big")[1])
    assert 32 << 20 < size < 64 << 20
    vault = next((phone.folder / "cellsd/vps").glob("work.*.vault"))
    assert vault.stat().st_size == 64 << 20
    # More at once, where the kernel lets root resize; less only after a wipe, and that is said.
    wanted(phone, None, ["work"], **{"storage-max": ("t", 128 << 20)})
    if may_resize():
        more = "busybox dd if=/dev/urandom of=/more bs=1M count=40 2>&1"
        assert phone.exec("work", "/bin/sh", "-c", more)[0] == 0
    assert "storage-max" not in phone.list()["work"]["not-enforced"]
    wanted(phone, None, ["work"], **{"storage-max": ("t", 32 << 20)})
    assert "storage-max" in phone.list()["work"]["not-enforced"]
    # What is deleted inside stays set aside for it.
    phone.exec("work", "/bin/sh", "-c", "busybox rm -f /big /more; busybox sync")
    assert vault.stat().st_blocks * 512 >= 64 << 20


def test_a_host_with_fscrypt_needs_no_vault(recovery):
    world = harness.World()
    disk, place = world.folder / "disk", world.subfolder("place")
    with open(disk, "wb") as f:
        f.truncate(256 << 20)
    harness.run(["mkfs.ext4", "-q", "-O", "encrypt", disk])
    harness.run(["mount", "-o", "loop", disk, place])
    phone = None
    try:
        phone = Phone(state=place)
        phone.start()
        wanted(phone, recovery)
        for vp in ("work", "personal"):
            phone.policy("Start", "s", vp)
            mark(phone, vp)
        assert phone.list()["work"]["medium"] == "folder on ext4"
        assert MARKER.encode() not in disk.read_bytes()
        assert phone.policy("Lock", "s", "work")["keys"] == 1
        assert is_marked(phone, "personal") and not phone.list()["work"]["key-in-kernel"]
        names = [p.name for p in (place / "vps").rglob("*")]
        assert not any(MARKER + "work" in n for n in names)
        details = phone.policy("Wipe", "ss", "work", "cmd-1")
        assert details["slots"] == 1 and details["medium"] == "folder on ext4"
        assert not list((place / "vps").glob("work.*")) and is_marked(phone, "personal")
        details = phone.policy("Wipe", "ss", "personal", "cmd-2")
        assert details["slots"] == 2 and details["keys"] == 1 and not list((place / "vps").iterdir())
        phone.cellsd.stop()
    finally:
        if phone:
            phone.close()
        subprocess.run(["umount", str(place)], check=False)
        world.close()
    assert str(disk) not in loops()


def test_wipe_leaves_nothing_that_opens_the_data(two):
    before = slots_file(two, "work").read_bytes()
    key, thief = slots(two, "work").by_device(device_key(two)), device_key(two)
    details = two.policy("Wipe", "ss", "work", "cmd-1")
    assert details["slots"] == 2 and details["keys"] == 1 and details["key"] == escrow.Slots(before).id
    assert details["medium"].startswith("vault on ") and details["bytes"] > 1 << 18 and not details["incomplete"]
    assert not slots_file(two, "work") and not list((two.folder / "cellsd/vps").glob("work.*"))
    assert device_key(two) == thief
    # An old copy of the slots without the device slot: what a thief has who came after a lock.
    for kind in (escrow.DEVICE,):
        copy = escrow.Slots(before)
        del copy.places[kind]
        assert copy.by_device(thief) is None and copy.by_passcode(b"") is None
    disk = raw(two)
    assert key not in disk and before[512:1024] not in disk
    assert is_marked(two, "personal")


def steps(phone):
    """The steps of wipes in the log."""
    log = (phone.folder / "cellsd/log").read_text(errors="replace").splitlines()
    return [line for line in log if line.startswith("step ")]


def start_under(phone, sync):
    """Starts cellsd so that it dies at its n-th sync from now on."""
    phone.cellsd.start()
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync,syncfs", "-e",
                               f"inject=fsync,fdatasync,syncfs:signal=KILL:when={sync}", "-p",
                               str(phone.cellsd.child.pid)], stderr=subprocess.PIPE)
    status = pathlib.Path(f"/proc/{phone.cellsd.child.pid}/status")
    harness.until(lambda: "TracerPid:\t0\n" not in status.read_text())
    return tracer


def attempt(phone, method, *args):
    """A call that may never be answered."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            phone.policy(method, *args)
        os._exit(0)
    return pid


def test_killed_at_each_step_of_a_wipe(two, recovery):
    """The daemon dies at each of its syncs of a wipe, in any order and then again (a few of them without CELLS_LONG): it
    ends wiped, with one set of details, and the other VP runs on untouched."""
    seed = int(os.environ.get("CELLS_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"CELLS_SEED={seed}")
    order = list(range(1, SYNCS + 1))
    random.Random(seed).shuffle(order)
    ended, known = 0, None
    for n in range(ROUNDS):
        job = f"job-{n}"
        at = order[n % SYNCS]
        two.cellsd.kill(signal.SIGTERM)
        tracer = start_under(two, at)
        two.give()
        known = slots(two, "work")
        pid = attempt(two, "Wipe", "ss", "work", job)
        died = True
        try:
            two.cellsd.child.wait(3)
        except subprocess.TimeoutExpired:
            died = False
            ended += 1
        reap(pid)
        two.cellsd.kill()
        tracer.wait(20)
        tracer.stderr.close()
        two.cellsd.start()
        two.generation += 10
        two.give()
        details = two.policy("Wipe", "ss", "work", job) if two.state("work") != "absent" or job_is_known(two, job) else None
        if details is None:  # it died before it had noted the order
            assert died
            continue
        what = (n, at, details)
        assert details["slots"] == 2 and details["key"] == known.id and not details["incomplete"], what
        assert two.policy("Wipe", "ss", "work", job) == details, what
        assert two.state("work") == "absent" and not slots_file(two, "work"), what
        assert not list((two.folder / "cellsd/vps").glob("work.*")), what
        assert is_marked(two, "personal"), what
        two.policy("Forget", "s", job)
        wanted(two, recovery)
        two.policy("Start", "s", "work")
        mark(two, "work")
    assert ended < ROUNDS and steps(two)


def job_is_known(phone, job):
    with contextlib.suppress(sdbus.Error):
        phone.policy("Wipe", "ss", "work", job)
        return True
    return False


def test_killed_while_locking(two, recovery):
    """At each sync of a lock: it is locked afterwards or was not started; never open with the slot gone."""
    for at in range(1, 6 if ROUNDS < 100 else 12):
        two.cellsd.kill(signal.SIGTERM)
        tracer = start_under(two, at)
        two.give()
        pid = attempt(two, "Lock", "s", "work")
        with contextlib.suppress(subprocess.TimeoutExpired):
            two.cellsd.child.wait(2)
        reap(pid)
        two.cellsd.kill()
        tracer.wait(20)
        tracer.stderr.close()
        two.cellsd.start()
        two.generation += 10
        two.give()
        details = two.policy("Lock", "s", "work")
        assert not details["incomplete"] and slots(two, "work").by_device(device_key(two)) is None
        secret_call(two, "UnlockByKey", "work", escrow.recover(recovery[0], "work", details))
        two.policy("Start", "s", "work")
        assert is_marked(two, "work") and is_marked(two, "personal")


def test_secrets_are_given_to_the_vp(two):
    secret_call(two, "Secrets", "work", b"the word is swordfish")
    show = ("/bin/busybox", "sh", "-c", "busybox cat /run/cells/secrets; busybox stat -c ' %a %u' /run/cells/secrets")
    assert two.exec("work", *show) == (0, "the word is swordfish 400 0\n")
    assert b"swordfish" not in raw(two)
    two.policy("Stop", "s", "work")
    two.cellsd.restart()
    two.give()
    two.policy("Start", "s", "work")
    assert two.exec("work", *show)[1] == "the word is swordfish 400 0\n"
    assert two.exec("personal", *show)[0] != 0
    # The VP's own /run leads nowhere.
    two.exec("work", "/bin/busybox", "sh", "-c", "busybox rm -r /run/cells; busybox ln -s /tmp /run/cells")
    refused("internal", secret_call, two, "Secrets", "work", b"another")
    two.policy("Lock", "s", "work")
    refused("vp_state", secret_call, two, "Secrets", "work", b"too late")
