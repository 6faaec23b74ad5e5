# SPDX-License-Identifier: Apache-2.0
"""Every call to the kernel that a start makes is refused once: the start says so in one line, or does without, and
either way nothing is left behind, the daemon lives and the next start works."""
import collections
import contextlib
import os
import re
import signal
import subprocess

import pytest

import harness
import sdbus
from test_many import left_behind, settled
from test_net import NAT, SERVER, TCP, allow, fixture_net  # noqa: F401
from test_prepared import WORLD, await_starts, starts
from vpdevice import BOTH
from vpfixtures import fixture_phone  # noqa: F401

# What makes a VP. Not the calls that give back (a close that is refused in earnest does close), those that are never
# refused, the bus and the loop.
MAKES = ("bind bpf chdir clone3 dup2 execve fchmod fchown fchownat fsconfig fsmount fsopen ioctl keyctl listen mkdirat mknodat mount "
         "mount_setattr move_mount open_tree openat2 pipe2 pivot_root prctl seccomp setgroups sethostname setns "
         "setresgid setresuid setsid socket symlinkat unshare")
CONNECTS = "ioctl sendmsg sendto socket"
NO_WAY_BACK = {"setns": 2}  # from the VP's pid namespace: a test of its own


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


def calls_of_a_start(phone, names):
    """{call: which of the daemon's, or of the VP's first process' before its init runs}. Messages to others than the kernel do not count."""
    out = phone.folder / "trace"
    daemon = phone.cellsd.child.pid
    with traced(daemon, "-o", out, "-e", "trace=execve," + names.replace(" ", ",")):
        before = starts(phone)
        phone.policy("Start", "s", "work")
        await_starts(phone, before + 1)
        first = phone.list()["work"]["pid"]
    phone.policy("Stop", "s", "work")
    counts, found, over = collections.Counter(), collections.defaultdict(set), False
    for line in out.read_text().splitlines():
        pid, call = re.match(r"(\d+) +(\w+\()?", line).groups()
        pid, call = int(pid), call and call[:-1]
        if call and (pid == daemon or pid == first and not over):
            counts[pid, call] += 1
            if "send" not in call or "AF_NETLINK" in line:
                found[call].add(counts[pid, call])
        over = over or pid == first and call == "execve"
    return found


def world(phone, before):
    """What stands between the VP and the rest, as it sees it once its init is up, which had started so often before."""
    await_starts(phone, before + 1)
    lines = phone.exec("work", "/bin/sh", "-c", WORLD)[1].splitlines()
    return [re.sub(r"^\d+: eth0@if\d+|link/ether \S+|inet6 fe80::\S+", "", line) for line in lines], phone.opens("work", "hwrng"), phone.opens("work", "fuse")


def has_network(phone):
    return phone.list()["work"]["address"] != ""


def refuse_each(phone, names):
    for i in range(2):  # the first fills caches
        phone.policy("Start", "s", "work")
        told, had_network = world(phone, i), has_network(phone)
        phone.policy("Stop", "s", "work")
    calls = calls_of_a_start(phone, names)
    before = settled(lambda: left_behind(phone))
    daemon = phone.cellsd.child.pid
    for call, which in sorted(calls.items()):
        which = sorted(which - {NO_WAY_BACK.get(call)})
        for nth in which:
            where = f"{call} {nth} of {which[-1]}"
            before_it, reason = starts(phone), None
            with refusing(phone, call, nth):
                try:
                    phone.policy("Start", "s", "work")
                except sdbus.Error as e:
                    reason = str(e)
            print(where, "->", reason)
            assert phone.cellsd.child.pid == daemon and phone.cellsd.alive(), where
            # A call to the kernel may have become one to the bus: then it started, and could not say so.
            if phone.state("work") != "stopped":
                if had_network and not has_network(phone):
                    assert "VP work has no network: " in phone.cellsd.tail(20), where
                else:
                    assert world(phone, before_it) == told, where
                phone.policy("Stop", "s", "work")
            assert phone.state("work") == "stopped", where
            harness.until(lambda: left_behind(phone) == before, 10)
    phone.policy("Start", "s", "work")
    assert phone.exec("work", "/bin/busybox", "true")[0] == 0
    return calls.keys()


def test_whatever_the_kernel_refuses_a_start_is_whole_or_nothing(phone):
    phone.apply(["work", "personal"], BOTH)
    assert {"bpf", "clone3", "mount_setattr", "pivot_root", "seccomp", "unshare"} <= refuse_each(phone, MAKES)


def test_whatever_the_network_refuses_a_start_is_whole_or_nothing(net):
    net.apply(["work", "personal"], BOTH, **NAT, **allow((f"{SERVER}/32", TCP, 80)))
    net.policy("Start", "s", "personal")
    assert {"sendmsg", "sendto"} <= refuse_each(net, CONNECTS)
    assert net.reaches("work", f"{SERVER}:80") and not net.reaches("work", f"{SERVER}:81")


def test_a_daemon_that_would_give_birth_elsewhere_ends(phone):
    phone.apply(["work", "personal"], BOTH)
    phone.policy("Start", "s", "personal")
    running = phone.list()["personal"]["pid"]
    with refusing(phone, "setns", NO_WAY_BACK["setns"]), pytest.raises(sdbus.Error):
        phone.policy("Start", "s", "work")
    harness.until(lambda: not phone.cellsd.alive())
    phone.cellsd.start()
    phone.give()
    assert phone.list()["personal"]["pid"] == running and phone.state("work") == "installed"
    harness.until(lambda: len(phone.leaves()) == 1)
    phone.policy("Start", "s", "work")
