# SPDX-License-Identifier: Apache-2.0
"""Many VPs, many switches, many daemons: nothing is left behind, and no VP notices. CELLS_LONG makes it the full size."""
import contextlib
import os
import pathlib
import random
import re
import subprocess
import threading
import time

import pytest

import harness
import sdbus
from vpdevice import ANY, BOTH, FRONT, mounts_of, signals
from vpfixtures import fixture_phone  # noqa: F401

LONG = bool(os.environ.get("CELLS_LONG"))
VPS, SWITCHES, DAEMONS = (20, 1000, 100) if LONG else (5, 100, 10)
GROWTH_MAX = 512 << 10  # of the daemon's memory, in a second round that is like the first
GAP_MAX = 5.0  # seconds; a machine that is busy with other tests makes VPs wait too


def anonymous(pid):
    return int(re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) << 10


def namespaces(phone):
    """Namespaces that our VPs' processes are in."""
    found = set()
    for procs in phone.cgroup.glob("**/cgroup.procs"):
        for pid in procs.read_text().split():
            with contextlib.suppress(OSError):
                found.update(os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("net", "mnt", "user", "pid", "ipc"))
    return found


def nft_elements(daemon):
    """What the tables have, as the daemon's network namespace has them."""
    r = subprocess.run(["nsenter", "-t", str(daemon), "-n", "nft", "list", "ruleset"], capture_output=True, text=True,
                       check=False)
    return sorted(line.strip() for line in r.stdout.splitlines()) if r.returncode == 0 else []


def loops(phone):
    r = subprocess.run(["losetup", "-n", "-O", "BACK-FILE"], capture_output=True, text=True, check=False)
    return sorted(line for line in r.stdout.splitlines() if str(phone.folder) in line)


def links():
    return sorted(p.name for p in pathlib.Path("/sys/class/net").iterdir())


def left_behind(phone):
    pid = phone.cellsd.child.pid
    return {"descriptors": len(os.listdir(f"/proc/{pid}/fd")), "mounts of the daemon": mounts_of(phone),
            "mounts": pathlib.Path("/proc/self/mountinfo").read_text().count(str(phone.folder)),
            "cgroups": phone.leaves(), "children": pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(),
            "nft": nft_elements(pid), "links": links(), "loops": loops(phone), "namespaces": namespaces(phone)}


def settled(look):
    """What look() finds; a look at the hardware holds more for a moment."""
    def same():
        first = look()
        time.sleep(0.2)
        return first if look() == first else None
    return harness.until(same)


def live_through(phone, names, rng):
    for name in names:
        phone.policy("Start", "s", name)
    assert len(phone.leaves()) == len(names)
    front = None
    for _ in range(SWITCHES):
        front = rng.choice([n for n in names if n != front])
        phone.call("root", "Switch", "s", front)
    assert phone.state(front) == "foreground"
    # Only it may use what is for the front.
    assert phone.opens(front, "hwrng") and not phone.opens(next(n for n in names if n != front), "hwrng")
    for name in names:
        phone.policy("Stop", "s", name)
    assert all(v["state"] == "stopped" for v in phone.list().values())


def test_many_vps_and_switches_leave_nothing(phone):
    names = [f"vp{i}" for i in range(VPS)]
    rights = [row for n in names for row in ((n, "camera", FRONT, True), (n, "gps", ANY, False))]
    phone.apply(names, rights)
    rng = random.Random(VPS)
    with signals(phone):  # what nobody hears is kept for policyd
        live_through(phone, names, rng)  # the first fills caches
        before, memory = settled(lambda: left_behind(phone)), anonymous(phone.cellsd.child.pid)
        live_through(phone, names, rng)
        assert settled(lambda: left_behind(phone)) == before
    assert before["cgroups"] == [] and before["namespaces"] == set()
    pid = phone.cellsd.child.pid
    assert harness.sanitized(pid) or anonymous(pid) - memory < GROWTH_MAX


BEAT = "while :; do read up rest < /proc/uptime; echo $up >> /beats; busybox usleep 20000; done"


class Load(threading.Thread):
    """Keeps asking for programs and switches, whether or not anybody answers."""

    def __init__(self, phone):
        super().__init__(daemon=True)
        self.phone, self.over, self.done = phone, threading.Event(), 0

    def run(self):
        while not self.over.is_set():
            with contextlib.suppress(sdbus.Error, OSError, subprocess.SubprocessError):
                if harness.run([harness.program("cellsctl"), "exec", "work", "--", "/bin/busybox", "true"], check=False,
                               env={"DBUS_SYSTEM_BUS_ADDRESS": self.phone.bus.address}).returncode == 0:
                    self.done += 1
                harness.run([harness.program("cellsctl"), "next"], check=False,
                            env={"DBUS_SYSTEM_BUS_ADDRESS": self.phone.bus.address})


def beats(phone, vp):
    return [float(x) for x in phone.exec(vp, "/bin/busybox", "cat", "/beats")[1].split()]


def test_vps_do_not_notice_that_daemons_come_and_go(phone):
    names = ["work", "personal"]
    phone.apply(names, BOTH)
    for name in names:
        phone.policy("Start", "s", name)
        # A child of init's, not of the daemon's: what a caller started ends with the call.
        phone.exec(name, "/bin/busybox", "sh", "-c", f"({BEAT}) </dev/null >/dev/null 2>&1 &")
    pids = {vp: p["pid"] for vp, p in phone.list().items()}
    load = Load(phone)
    load.start()
    rng = random.Random(DAEMONS)
    for _ in range(DAEMONS):
        time.sleep(rng.random() * 0.2)
        phone.cellsd.kill()
        time.sleep(rng.random() * 0.05)
        phone.cellsd.start()
        assert {vp: p["pid"] for vp, p in phone.list().items()} == pids
    phone.give()
    load.over.set()
    load.join()
    assert load.done > 0
    for name in names:
        times = beats(phone, name)
        assert max(b - a for a, b in zip(times, times[1:])) < GAP_MAX
        assert time.clock_gettime(time.CLOCK_BOOTTIME) - times[-1] < GAP_MAX, "it does not go on"
        assert (phone.cgroup / next(x for x in phone.leaves() if x.startswith(name)) / "cgroup.freeze").read_text() == "0\n"
    phone.call("root", "Switch", "s", "work")
    assert phone.opens("work", "hwrng") and not phone.opens("personal", "hwrng")
    descriptors = len(os.listdir(f"/proc/{phone.cellsd.child.pid}/fd"))
    assert descriptors < 100
    for name in names:
        phone.policy("Stop", "s", name)
    assert phone.leaves() == []
