# SPDX-License-Identifier: Apache-2.0
"""VPs that are made ahead of their start: the same world as any other, stopped until they start, and gone before
anything that needs their data, another config or other hardware."""
import hashlib
import os
import pathlib
import re
import signal
import time

import pytest

import harness
import sdbus
from test_many import left_behind, settled
from vpdevice import ANY, BOTH, FRONT, INIT, Phone, make_image, secret_call, signals, unlock

ROUNDS = 50
# What a program finds out about the world that it is in, less what differs from start to start.
WORLD = r"""
cd /proc/1
busybox grep -E '^(Cap|NoNewPrivs|Seccomp|Uid|Gid|Groups|Sig|NSpid|NSsid)' status
busybox cat uid_map gid_map setgroups oom_score_adj limits cgroup comm
busybox tr '\0' '\n' < environ
busybox awk '{$1=$2=$3="";print}' mountinfo | busybox sed 's/lowerdir.*//'
busybox ls -l fd | busybox awk 'NR>1{print $9,$11}'
busybox ls -ln /dev /dev/pts /run /run/cells | busybox awk '{print $1,$3,$4,$5,$6,$NF}' | busybox sed 's/[0-9]*:[0-9]*//'
busybox hostname; busybox ip addr; busybox cat /proc/sys/user/max_user_namespaces
busybox cat /proc/keys /proc/kcore /proc/interrupts 2>&1 | busybox head -c 100
busybox ls /sys/firmware /proc/scsi 2>&1
"""


@pytest.fixture(name="phone")
def fixture_phone():
    p = Phone(prepared=1)
    try:
        p.start()
        p.apply(["work", "personal"], BOTH)
        p.policy("Start", "s", "work")
        await_starts(p, 1)
        yield p
    finally:
        p.close()


@pytest.fixture(name="ready")
def fixture_ready(phone):
    phone.policy("Stop", "s", "work")
    phone.await_prepared("work")
    return phone


def starts(phone):
    path = phone.data("work") / "upper/starts"
    return len(path.read_text().splitlines()) if path.exists() else 0


def await_starts(phone, n):
    """Until its init has started so often, and handles its stop signal."""
    harness.until(lambda: starts(phone) == n)


def held(phone):
    """What the daemon holds while one is prepared or runs."""
    def look():
        facts = left_behind(phone)
        for what in ("children", "cgroups", "namespaces"):
            assert facts.pop(what)
        return facts
    return settled(look)


def is_gone(pid):
    return not pathlib.Path(f"/proc/{pid}").exists()


def status_of(pid):
    return dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


# linux_immutable, sys_module, sys_rawio, sys_pacct, sys_boot, sys_time, mknod, audit_control, mac_override, mac_admin,
# syslog, wake_alarm, block_suspend, audit_read, perfmon, bpf, checkpoint_restore.
NO_CAPABILITY = sum(1 << n for n in (9, 16, 17, 20, 22, 25, 27, 30, *range(32, 41)))


def test_prepared_is_stopped_and_confined(ready):
    vp = ready.list()["work"]
    assert (vp["state"], vp["pid"], vp["address"], vp["since"], vp["memory"]) == ("stopped", 0, "", 0, 0)
    assert starts(ready) == 1, "nothing of its own has run"
    pid = ready.waiting("work")
    waiting, own = status_of(pid), status_of(ready.cellsd.child.pid)
    assert waiting["Seccomp"] == "2" and waiting["NSpid"].split()[1:] == ["1"] and waiting["Umask"] == "0022"
    # Nothing raises again what its bounding set has lost.
    assert int(own["CapEff"], 16) & NO_CAPABILITY and not int(waiting["CapBnd"], 16) & NO_CAPABILITY
    for ids in ("uid_map", "gid_map"):
        first, base, count = map(int, pathlib.Path(f"/proc/{pid}/{ids}").read_text().split())
        assert (first, count) == (0, 65536) and base >= 1 << 20 and base % 65536 == 0
    # Its console, and the two pipes on which it waits and reports: nothing of the daemon, nothing of another VP.
    held = [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
    assert sorted(x.split(":")[0] for x in held) == ["/dev/console"] * 3 + ["pipe"] * 2, held
    assert str(ready.folder) not in pathlib.Path(f"/proc/{pid}/mountinfo").read_text()
    for user, method in (("root", "Switch"), ("root", "Console")):
        with pytest.raises(sdbus.Error) as e:
            ready.call(user, method, "s", "work")
        assert e.value.name == "org.cells.Error.vp_state"
    ready.policy("Stop", "s", "work")
    assert ready.prepared() == ["work"] and ready.waiting("work") == pid


def test_a_prepared_start_is_the_same_world(phone):
    told = phone.exec("work", "/bin/sh", "-c", WORLD)
    phone.policy("Stop", "s", "work")
    phone.await_prepared("work")
    pid = phone.waiting("work")
    phone.policy("Start", "s", "work")
    assert phone.list()["work"]["pid"] == pid, "it is the one that waited"
    await_starts(phone, 2)
    again = phone.exec("work", "/bin/sh", "-c", WORLD)
    assert again[1].splitlines() == told[1].splitlines()
    assert "Seccomp:\t2" in told[1] and "CapBnd" in told[1]
    # Its init handles its stop signal, its console is there, and it comes to the front and back.
    phone.call("root", "Switch", "s", "work")
    assert phone.opens("work", "hwrng")
    phone.policy("Stop", "s", "work")
    assert (phone.data("work") / "upper/stopped").read_text() == "bye\n"


def test_verdicts_are_those_of_the_start(ready):
    # Other rights are not another config: it stays prepared, and they are decided when it starts.
    pid = ready.waiting("work")
    ready.apply(["work", "personal"], [("work", "camera", ANY, False), ("work", "gps", FRONT, False)])
    assert ready.waiting("work") == pid
    ready.policy("Start", "s", "work")
    assert ready.list()["work"]["pid"] == pid
    assert ready.opens("work", "hwrng") and not ready.opens("work", "fuse")
    ready.call("root", "Switch", "s", "work")
    assert ready.opens("work", "fuse")


def test_the_front_takes_from_one_that_was_prepared(ready):
    ready.policy("Start", "s", "personal")
    ready.call("root", "Switch", "s", "personal")
    ready.policy("Start", "s", "work")
    assert not ready.opens("work", "hwrng") and ready.opens("personal", "hwrng")
    assert ready.state("personal") == "foreground"


def test_another_config_is_honoured(ready):
    pid = ready.waiting("work")
    ready.apply(["work", "personal"], BOTH, label=("s", "Another"))
    assert is_gone(pid)
    other = make_image(ready.folder, "other", {"sbin/init": (0o755, INIT.replace("started", "other")), "marker": (0o644, "other\n")})
    digest = "sha256:" + hashlib.sha256(other.read_bytes()).hexdigest()
    with open(other, "rb") as f:
        ready.policy("Layer", "sh", digest, f.fileno())
    ready.await_prepared("work")
    ready.apply(["work", "personal"], BOTH, layers=("as", [digest]))
    ready.policy("Start", "s", "work")
    assert ready.exec("work", "/bin/busybox", "cat", "/marker") == (0, "other\n")
    ready.policy("Stop", "s", "work")
    ready.await_prepared("work")
    # Before and after the config settles: a start never has the old one.
    ready.apply(["work", "personal"], BOTH)
    ready.await_prepared("work")
    ready.policy("Start", "s", "work")
    assert ready.exec("work", "/bin/busybox", "cat", "/marker") == (0, "base\n")
    # A layer that a prepared VP lay on can be dropped once no config names it.
    ready.policy("DropLayer", "s", digest)


def test_a_vp_that_is_no_longer_wanted_is_not_prepared(ready):
    pid = ready.waiting("work")
    ready.apply(["personal"], [])
    assert is_gone(pid) and ready.leaves() == []
    with pytest.raises(sdbus.Error):
        ready.policy("Start", "s", "work")
    ready.policy("DropLayer", "s", "sha256:" + "0" * 64)


def test_secrets_are_those_of_the_start(ready):
    secret_call(ready, "Secrets", "work", b"pass=1\n")
    for _ in range(2):
        ready.policy("Start", "s", "work")
        assert ready.exec("work", "/bin/busybox", "cat", "/run/cells/secrets") == (0, "pass=1\n")
        ready.policy("Stop", "s", "work")
        ready.await_prepared("work")


def test_lock_takes_the_key_from_a_prepared_one(ready):
    pid, mounts = ready.waiting("work"), len(os.listdir("/sys/block"))
    time.sleep(0.7)  # until no look is due that would discard it anyway
    with signals(ready) as told:
        details = ready.policy("Lock", "s", "work")
        assert details["keys"] == 1 and not details["incomplete"]
        # It did not run: it does not end.
        assert told().count('"stopped"') == 0
    assert is_gone(pid)
    # Answered when what is left to undo is undone.
    assert not ready.list()["work"]["key-in-kernel"] and ready.state("work") == "locked"
    assert ready.leaves() == []
    with pytest.raises(StopIteration):
        ready.data("work")
    with pytest.raises(sdbus.Error) as e:
        ready.policy("Start", "s", "work")
    assert e.value.name == "org.cells.Error.vp_state"
    time.sleep(1.5)
    assert ready.leaves() == [], "a locked VP is never prepared"
    assert not ready.list()["work"]["key-in-kernel"]
    assert len(os.listdir("/sys/block")) == mounts
    unlock(ready, "work")
    ready.await_prepared("work")
    ready.policy("Start", "s", "work")
    assert starts(ready) >= 1


def test_wipe_of_a_prepared_one(ready):
    pid = ready.waiting("work")
    time.sleep(0.7)
    details = ready.policy("Wipe", "ss", "work", "job-1")
    assert details["keys"] == 1 and details["slots"] == 1 and not details.get("incomplete")
    assert is_gone(pid) and ready.leaves() == [] and ready.state("work") == "absent"
    assert not list((ready.folder / "cellsd/vps").iterdir())
    time.sleep(1.2)
    assert ready.leaves() == [], "there is nothing to prepare"


def test_remove_of_a_prepared_one(ready):
    ready.policy("Remove", "ss", "work", "job-1")
    assert ready.leaves() == [] and "work" not in ready.list()


def test_killed_daemon_leaves_no_trace_and_prepares_again(ready):
    # Once around, for what the first start of a daemon leaves in any case.
    ready.cellsd.kill()
    ready.cellsd.start()
    ready.give()
    ready.await_prepared("work")
    before = held(ready)
    for _ in range(3):
        pid, leaf = ready.waiting("work"), ready.leaves()
        ready.cellsd.kill()
        harness.until(lambda: is_gone(pid), 5)
        ready.cellsd.start()
        # Before layers are here nothing is prepared; what there was is swept.
        assert ready.leaves() == [] and ready.state("work") == "stopped"
        ready.give()
        ready.await_prepared("work")
        assert ready.leaves() != leaf
        assert held(ready) == before
    ready.policy("Start", "s", "work")
    assert ready.exec("work", "/bin/busybox", "cat", "/marker") == (0, "base\n")


def test_killed_daemon_whose_child_is_stopped(ready):
    # It does not see the end of its pipe: the next daemon ends it.
    pid = ready.waiting("work")
    leaf = ready.leaves()[0]
    (ready.cgroup / leaf / "cgroup.freeze").write_text("1")
    ready.cellsd.kill()
    time.sleep(0.2)
    assert not is_gone(pid)
    ready.cellsd.start()
    assert ready.leaves() == []
    harness.until(lambda: is_gone(pid))  # its new parent waits for it


def test_a_daemon_that_ends_takes_it_along(ready):
    pid = ready.waiting("work")
    ready.cellsd.stop()
    assert is_gone(pid) and not ready.cgroup.exists()
    ready.cellsd.start()
    ready.give()
    ready.await_prepared("work")


def test_one_that_dies_is_started_anew(ready):
    pid = ready.waiting("work")
    os.kill(pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    harness.until(lambda: is_gone(pid) or status_of(pid)["State"].startswith("Z"))
    ready.policy("Start", "s", "work")
    assert ready.list()["work"]["pid"] != pid
    await_starts(ready, 2)
    ready.policy("Stop", "s", "work")
    ready.await_prepared("work")
    os.kill(ready.waiting("work"), signal.SIGKILL)
    harness.until(lambda: ready.leaves() == [])
    assert ready.state("work") == "stopped"
    ready.policy("Start", "s", "work")


def test_hardware_that_comes_is_there(ready):
    uevent = pathlib.Path("/sys/class/misc/fuse/uevent")
    if not uevent.exists():
        pytest.skip("the kernel has no fuse, whose node comes and goes here")
    pid = ready.waiting("work")
    node = pathlib.Path(f"/proc/{pid}/root/dev/fuse")
    number = node.stat().st_rdev
    # As if it had come just now.
    node.unlink()
    uevent.write_text("add")
    harness.until(node.exists)
    assert node.stat().st_rdev == number and ready.waiting("work") == pid
    ready.policy("Start", "s", "work")
    assert ready.list()["work"]["pid"] == pid and ready.opens("work", "fuse")


def test_the_one_that_ran_last_is_prepared(phone):
    phone.policy("Start", "s", "personal")
    phone.policy("Stop", "s", "work")
    phone.await_prepared("work")
    phone.policy("Stop", "s", "personal")
    phone.await_prepared("personal")
    phone.policy("Start", "s", "personal")
    phone.await_prepared("work")
    phone.policy("Start", "s", "work")
    time.sleep(1)
    assert len(phone.leaves()) == 2 and phone.prepared() == []


def test_as_many_as_the_configuration_says(phone):
    config = phone.folder / "cellsd.conf"
    phone.policy("Start", "s", "personal")
    phone.policy("Stop", "s", "work")
    phone.policy("Stop", "s", "personal")
    for n, want in ((0, []), (2, ["personal", "work"]), (1, ["work"])):
        config.write_text(re.sub("(prepared-starts) = .*", rf"\1 = {n}", config.read_text()))
        phone.cellsd.restart()
        phone.give()
        if n:
            phone.await_prepared(*want)  # of those that did not run since, the first
        time.sleep(1.2)
        assert phone.prepared() == want


def test_one_that_fails_is_told_once_and_starts_as_others(phone):
    limit = phone.cgroup / "cgroup.max.descendants"
    limit.write_text("0")
    phone.policy("Stop", "s", "work")
    harness.until(lambda: "prepare VP work: make cgroup" in phone.cellsd.tail(200))
    phone.give()  # something changed: it is looked again
    time.sleep(1.5)
    assert phone.cellsd.tail(200).count("prepare VP work") == 1
    limit.write_text("max")
    phone.policy("Start", "s", "work")
    await_starts(phone, 2)
    phone.policy("Stop", "s", "work")
    phone.await_prepared("work")


def test_a_passcode_is_needed_after_a_restart(ready):
    secret_call(ready, "SetPasscode", "work", b"", b"1234")
    ready.cellsd.kill()
    ready.cellsd.start()
    ready.give()
    time.sleep(1.2)
    assert ready.state("work") == "locked" and ready.leaves() == [] and not ready.list()["work"]["key-in-kernel"]
    unlock(ready, "work", b"1234")
    ready.await_prepared("work")


def test_fifty_rounds_leave_nothing(phone):
    def rounds(n):
        for i in range(n):
            phone.policy("Stop", "s", "work")
            if i % 5 == 0:
                phone.await_prepared("work")
            phone.policy("Start", "s", "work")
    rounds(6)
    before = held(phone)
    rounds(ROUNDS)
    assert held(phone) == before
    phone.policy("Stop", "s", "work")
