# SPDX-License-Identifier: Apache-2.0
"""Every call to the kernel that a start makes is refused once: the start says so in one line, or does without, and
either way nothing is left behind, the daemon lives and the next start works. CELLS_LONG refuses each one there is."""
import collections
import contextlib
import os
import random
import re
import signal
import subprocess

import pytest

import harness
import sdbus
from test_many import left_behind
from test_prepared import WORLD, await_starts, starts
from vpdevice import BOTH
from vpfixtures import fixture_phone  # noqa: F401

LONG = bool(os.environ.get("CELLS_LONG"))
SEED = int(os.environ.get("CELLS_SEED", random.SystemRandom().randrange(1 << 32)))
# What makes a VP. Not the calls that give back (a close that is refused in earnest does close), those that are never
# refused, the bus and the loop.
MAKES = ("bind bpf chdir clone3 dup2 execve fchmod fchown fchownat fsconfig fsmount fsopen ioctl keyctl listen mkdirat mknodat mount "
         "mount_setattr move_mount open_tree openat2 pipe2 pivot_root prctl seccomp setgroups sethostname setns "
         "setresgid setresuid setsid socket symlinkat unshare").split()

NO_WAY_BACK = ("setns", 2)  # from the VP's pid namespace: a test of its own


@contextlib.contextmanager
def traced(pid, *options):
    p = subprocess.Popen(["strace", "-f", "-p", str(pid), *options], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert "attached" in p.stderr.readline()
        yield
    finally:
        p.send_signal(signal.SIGINT)
        p.stderr.read()
        p.wait(10)


def refusing(phone, call, nth):
    return traced(phone.cellsd.child.pid, "-o", os.devnull, "-e", f"inject={call}:error=EIO:when={nth}")


def calls_of_a_start(phone):
    """How often the daemon makes each call for a start, and the VP's first process until it runs its init."""
    out = phone.folder / "trace"
    daemon = phone.cellsd.child.pid
    with traced(daemon, "-o", out, "-e", "trace=" + ",".join(MAKES)):
        before = starts(phone)
        phone.policy("Start", "s", "work")
        await_starts(phone, before + 1)
        first = phone.list()["work"]["pid"]
    phone.policy("Stop", "s", "work")
    counts, over = collections.Counter(), False
    for pid, call in re.findall(r"^(\d+) +(\w+)\(", out.read_text(), re.M):
        if int(pid) == daemon or int(pid) == first and not over:
            counts[pid, call] += 1
        over = over or int(pid) == first and call == "execve"
    most = collections.Counter()
    for (_, call), n in counts.items():
        most[call] = max(most[call], n)
    return most


def world(phone, before):
    """What stands between the VP and the rest, as it sees it once its init is up, which had started so often before."""
    await_starts(phone, before + 1)
    return phone.exec("work", "/bin/sh", "-c", WORLD)[1].splitlines(), phone.opens("work", "hwrng"), phone.opens("work", "fuse")


def test_whatever_the_kernel_refuses_a_start_is_whole_or_nothing(phone):
    print(f"CELLS_SEED={SEED}")
    rng = random.Random(SEED)
    phone.apply(["work", "personal"], BOTH)
    for i in range(2):  # the first fills caches
        phone.policy("Start", "s", "work")
        told = world(phone, i)
        phone.policy("Stop", "s", "work")
    calls = calls_of_a_start(phone)
    assert {"bpf", "clone3", "mount_setattr", "pivot_root", "seccomp", "unshare"} <= calls.keys()
    before = left_behind(phone)
    daemon = phone.cellsd.child.pid
    for call, n in sorted(calls.items()):
        for nth in range(1, n + 1) if LONG else sorted({1, rng.randint(1, n)}):
            if (call, nth) == NO_WAY_BACK:
                continue
            where = f"{call} {nth} of {n}"
            before_it, reason = starts(phone), None
            with refusing(phone, call, nth):
                try:
                    phone.policy("Start", "s", "work")
                except sdbus.Error as e:
                    reason = str(e)
            print(where, "->", reason)
            assert phone.cellsd.child.pid == daemon and phone.cellsd.alive(), where
            if reason is None:
                assert world(phone, before_it) == told, where
                phone.policy("Stop", "s", "work")
            assert phone.state("work") == "stopped", where
            harness.until(lambda: left_behind(phone) == before, 10)
    phone.policy("Start", "s", "work")
    assert phone.exec("work", "/bin/busybox", "true")[0] == 0


def test_a_daemon_that_would_give_birth_elsewhere_ends(phone):
    phone.apply(["work", "personal"], BOTH)
    phone.policy("Start", "s", "personal")
    running = phone.list()["personal"]["pid"]
    with refusing(phone, *NO_WAY_BACK), pytest.raises(sdbus.Error):
        phone.policy("Start", "s", "work")
    harness.until(lambda: not phone.cellsd.alive())
    phone.cellsd.start()
    phone.give()
    assert phone.list()["personal"]["pid"] == running and phone.state("work") == "installed"
    harness.until(lambda: len(phone.leaves()) == 1)
    phone.policy("Start", "s", "work")
