# SPDX-License-Identifier: Apache-2.0
"""The disk that all VPs' data is on: what is reserved for one, no other takes; who has nothing reserved is held up before the
disk is full; what broke is said, and mended at the next start. The disk is a file of the test's own."""
import os
import pathlib
import shutil
import subprocess
import time

import pytest

import harness
import sdbus
from scene import Scene
from vpdevice import Phone, data_of, signals, unlock

MEGABYTE = 1 << 20
DISK = 600 * MEGABYTE
RESERVED = {"storage-max": ("t", 64 * MEGABYTE)}
XML_RESERVED = {"storage-max": 64 * MEGABYTE}
THIN = {"storage-max": ("t", 2 * DISK), "overcommit": ("b", True)}

if not shutil.which("e2fsck"):
    pytest.skip("needs e2fsck (package e2fsprogs)", allow_module_level=True)


@pytest.fixture(name="phone")
def fixture_phone(tmp_path):
    disk, state = tmp_path / "disk", tmp_path / "state"
    state.mkdir()
    with open(disk, "wb") as f:
        f.truncate(DISK)
    harness.run(["mkfs.ext4", "-q", "-F", "-m", "0", disk])
    harness.run(["mount", "-o", "loop", disk, state])
    try:
        p = Phone(state=state / "cellsd")
        p.disk = state
        try:
            yield p.start()
        finally:
            p.close()
    finally:
        harness.until(lambda: subprocess.run(["umount", state], check=False, capture_output=True).returncode == 0)


def apply(phone, **confs):
    """Each VP with a config of its own."""
    phone.generation += 1
    base = {"layers": ("as", [phone.digest]), "init": ("s", "/sbin/init"), "label": ("s", "A label"), "stop-signal": ("i", 15)}
    phone.policy("Apply", "ta(sa{sv})a(suybb)s", phone.generation, [(vp, {**base, **conf}) for vp, conf in confs.items()], [], "test")


def write(phone, vp, megabytes, name="/file"):
    return phone.exec(vp, "/bin/busybox", "dd", "if=/dev/zero", f"of={name}", "bs=1M", f"count={megabytes}", "conv=fsync")


def fill(phone):
    """Somebody on the host takes all that is left."""
    with open(phone.disk / "filler", "wb") as f:
        try:
            while True:
                f.write(b"x" * MEGABYTE)
                f.flush()
        except OSError:
            return


def test_what_is_reserved_is_there_when_the_disk_is_full(phone):
    apply(phone, work=RESERVED, personal=RESERVED)
    for vp in ("work", "personal"):
        phone.policy("Start", "s", vp)
    fill(phone)
    assert write(phone, "work", 200)[0] != 0, "it has less than that"
    status, out = write(phone, "personal", 32)
    assert status == 0, out
    # What was deleted stays reserved.
    phone.exec("personal", "/bin/busybox", "sh", "-c", "rm /file; sync")
    fill(phone)
    assert write(phone, "personal", 32)[0] == 0
    phone.policy("Stop", "s", "personal")
    phone.policy("Start", "s", "personal")
    assert phone.exec("personal", "/bin/busybox", "sh", "-c", "busybox wc -c < /file")[1].strip() == str(32 * MEGABYTE)
    assert not any(phone.list()[vp]["damaged"] or phone.list()[vp]["held-up"] for vp in ("work", "personal"))


def test_more_than_the_disk_has_is_no_start(phone):
    apply(phone, work={"storage-max": ("t", 2 * DISK)}, personal=RESERVED)
    with pytest.raises(sdbus.Error, match="reserve storage-max") as e:
        phone.policy("Start", "s", "work")
    assert e.value.name.endswith(".storage_full")
    phone.policy("Start", "s", "personal")
    assert write(phone, "personal", 32)[0] == 0
    # Nothing is left of the attempt; as a limit alone it is taken.
    apply(phone, work=THIN, personal=RESERVED)
    phone.policy("Start", "s", "work")


def test_who_fills_the_disk_is_held_up_before_it_is_full(phone):
    apply(phone, work=THIN, personal=RESERVED, third={})
    for vp in ("work", "personal", "third"):
        phone.policy("Start", "s", vp)
    with signals(phone) as heard:
        writer = phone.background("work", "exec /bin/busybox dd if=/dev/zero of=/big bs=64k")
        harness.until(lambda: phone.list()["work"]["held-up"], 60)
        assert "storage-full" in heard()
        free = os.statvfs(phone.disk).f_bavail * os.statvfs(phone.disk).f_frsize
        assert free > MEGABYTE, free
        assert write(phone, "personal", 32)[0] == 0
        assert not phone.list()["personal"]["held-up"]
        writer.kill()
        writer.wait()
        # It ends in order, and gives back what it took.
        phone.policy("Stop", "s", "work")
        phone.policy("Wipe", "ss", "work", "full")
        # Nobody counts what is in its folder: it may have waited too.
        harness.until(lambda: not phone.list()["third"]["held-up"])
    assert not phone.policy("Lock", "s", "personal")["incomplete"]


def test_one_that_was_held_up_goes_on(phone):
    apply(phone, work=THIN)
    phone.policy("Start", "s", "work")
    filler = phone.disk / "filler"
    with open(filler, "wb") as f:
        os.posix_fallocate(f.fileno(), 0, DISK * 8 // 10)
    phone.background("work", "busybox dd if=/dev/zero of=/big bs=64k count=3000 && echo done > /done")
    harness.until(lambda: phone.list()["work"]["held-up"], 60)
    filler.unlink()
    harness.until(lambda: phone.exec("work", "/bin/busybox", "cat", "/done")[1] == "done\n", 60)
    assert not phone.list()["work"]["held-up"]
    # What is deleted inside is free outside.
    vault = next((phone.disk / "cellsd/vps").glob("work.*.vault"))
    phone.exec("work", "/bin/busybox", "sh", "-c", "rm /big; sync")
    harness.until(lambda: vault.stat().st_blocks * 512 < 64 * MEGABYTE)


def test_a_limit_under_what_was_made_without_one_keeps_nobody_from_starting(phone):
    """Seen: all of the old vault, as large as the disk, was to be set aside."""
    apply(phone, work={}, personal=RESERVED)
    for vp in ("work", "personal"):
        phone.policy("Start", "s", vp)
    phone.policy("Stop", "s", "work")
    apply(phone, work=RESERVED, personal=RESERVED)
    phone.policy("Start", "s", "work")
    assert "storage-max" in phone.list()["work"]["not-enforced"]
    assert "storage-max" not in phone.list()["personal"]["not-enforced"]


def trigger(data):
    """Has the kernel find an error in the file system of a VP's data."""
    dev = os.stat(data).st_dev
    name = pathlib.Path(f"/sys/dev/block/{os.major(dev)}:{os.minor(dev)}").resolve().name
    knob = pathlib.Path(f"/sys/fs/ext4/{name}/trigger_fs_error")
    if not knob.exists():
        pytest.skip("this kernel has no trigger_fs_error")
    knob.write_text("1")


def test_a_file_system_that_broke_is_said_and_mended(phone):
    apply(phone, work=RESERVED, personal=RESERVED)
    for vp in ("work", "personal"):
        phone.policy("Start", "s", vp)
    phone.exec("work", "/bin/busybox", "sh", "-c", "echo kept > /kept; sync")
    with signals(phone) as heard:
        trigger(phone.data("work"))
        harness.until(lambda: '"damaged"' in heard())
    assert phone.list()["work"]["damaged"] and not phone.list()["personal"]["damaged"]
    assert write(phone, "work", 1)[0] != 0, "nothing more is written to it"
    phone.policy("Stop", "s", "work")
    phone.policy("Start", "s", "work")
    assert phone.exec("work", "/bin/busybox", "cat", "/kept")[1] == "kept\n"
    assert write(phone, "work", 1)[0] == 0 and not phone.list()["work"]["damaged"]


def test_a_file_system_that_broke_leaves_one_receipt_for_each_time(world):
    """Also where policyd was away just then, and when cellsd comes and goes."""
    scene = Scene(world)
    scene.publish(work=scene.config("work", on_boot=True, resources=XML_RESERVED))
    told = []

    def break_it():
        trigger(data_of(scene.phone.cellsd, scene.phone.folder / "run/cellsd", "work"))
        harness.until(lambda: scene.list()["work"]["damaged"])

    def tells():
        told.append(scene.server.receipt(type="damaged", vp="work", after=told[-1]["seq"] if told else 0))

    break_it()
    tells()
    for action, done in (("stop", "stopped"), ("start", "started")):
        scene.command(action, "work")
        scene.server.receipt(type=done, vp="work", after=told[-1]["seq"])
    scene.phone.policyd.stop()
    break_it()
    time.sleep(2)  # cellsd says it, once, and nobody hears
    scene.phone.policyd.start()
    tells()
    scene.phone.cellsd.stop()
    scene.phone.cellsd.start()
    scene.command("stop", "personal")
    scene.server.receipt(type="stopped", vp="personal", after=told[-1]["seq"])
    assert [r["seq"] for r in scene.server.receipts if r["type"] == "damaged"] == [r["seq"] for r in told]


def test_one_that_cannot_be_mended_does_not_start(phone):
    apply(phone, work=RESERVED, personal=RESERVED)
    phone.policy("Start", "s", "work")
    # What is not written yet keeps the key busy.
    phone.exec("work", "/bin/busybox", "dd", "if=/dev/zero", "of=/dirty", "bs=64k", "count=16")
    trigger(phone.data("work"))
    assert not phone.policy("Lock", "s", "work")["incomplete"], "its key goes all the same"
    vault = next((phone.disk / "cellsd/vps").glob("work.*.vault"))
    with open(vault, "r+b") as f:  # the table of inodes, and what describes it
        f.seek(4096)
        f.write(os.urandom(8 * MEGABYTE))
    with pytest.raises(sdbus.Error, match="damaged"):
        unlock(phone, "work")
        phone.policy("Start", "s", "work")
    assert phone.list()["work"]["damaged"]
    phone.policy("Start", "s", "personal")
    assert phone.policy("Wipe", "ss", "work", "broken")


def test_the_daemon_starts_on_a_full_disk(phone):
    apply(phone, work=RESERVED, personal=RESERVED)
    phone.policy("Start", "s", "work")
    pid = phone.list()["work"]["pid"]
    fill(phone)
    phone.cellsd.restart()
    phone.give()
    assert phone.list()["work"]["pid"] == pid and write(phone, "work", 16)[0] == 0
    (phone.disk / "filler").unlink()
    phone.policy("Start", "s", "personal")
    assert write(phone, "personal", 16)[0] == 0
