# SPDX-License-Identifier: Apache-2.0
"""Each call to the kernel that the daemon makes for an action is refused once, in its turn. A start is whole or nothing, and
leaves nothing behind; what a policy or a switch takes is gone, if need be with the VP; locked means locked. Each time the
daemon lives on, and the next such action works. CELLS_LONG refuses more of them."""
import collections
import contextlib
import os
import pathlib
import random
import re
import signal
import subprocess
import time

import pytest

import harness
import sdbus
from test_many import left_behind, settled
from test_net import NAT, SERVER, TCP, allow, fixture_net  # noqa: F401
from test_prepared import WORLD, await_starts, starts
from vpdevice import BOTH, sleeps, unlock
from vpfixtures import fixture_phone, fixture_two  # noqa: F401

MOST = 50 if os.environ.get("CELLS_LONG") else 1  # of one call; a look at the hardware makes thousands
SEED = int(os.environ.get("CELLS_SEED", random.SystemRandom().randrange(1 << 32)))
# What makes a VP. Not the calls that give back (a close that is refused in earnest does close), those that are never
# refused, the bus and the loop.
MAKES = ("bind bpf chdir clone3 dup2 execve fchmod fchown fchownat fsconfig fsmount fsopen ioctl keyctl listen mkdirat mknodat mount "
         "mount_setattr move_mount open_tree openat2 pipe2 pivot_root prctl seccomp setgroups sethostname setns "
         "setresgid setresuid setsid socket symlinkat unshare")
CONNECTS = "ioctl sendmsg sendto socket"
LOOKS = "bpf fsync getdents64 kcmp newfstatat openat pidfd_open pidfd_send_signal read statx write"
LOCKS = "fdatasync fstatfs ioctl poll renameat syncfs umount2 unlinkat waitid"
NO_WAY_BACK = {"setns": 2, "setresuid": 2}  # from the VP's pid namespace and id: a test of its own


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


def calls_of(phone, names, deed):
    """{call: which of a process's}, of the daemon and its children until they run a program. Messages to others than the kernel do not count."""
    out = phone.folder / "trace"
    with traced(phone.cellsd.child.pid, "-o", out, "-e", "trace=execve," + names.replace(" ", ",")):
        deed()
    counts, found, over = collections.Counter(), collections.defaultdict(set), set()
    for pid, call, rest in re.findall(r"^(\d+) +(\w+)\((.*)", out.read_text(), re.M):
        if pid in over:
            continue
        counts[pid, call] += 1
        if "send" not in call or "AF_NETLINK" in rest or "pidfd" in call:
            found[call].add(counts[pid, call])
        if call == "execve":
            over.add(pid)
    return found


def each_refused(phone, names, ready, deed):
    """Does the action once for each of its calls, that one refused; yields which it was, and the reason if the action was refused."""
    print(f"CELLS_SEED={SEED}")
    rng = random.Random(SEED)
    ready()
    calls = calls_of(phone, names, deed)
    daemon = phone.cellsd.child.pid
    for call, which in sorted(calls.items()):
        which = sorted(which - {NO_WAY_BACK.get(call)})
        if len(which) > MOST:
            which = sorted(rng.sample(which, MOST))
        for nth in which:
            ready()
            reason = None
            with refusing(phone, call, nth):
                try:
                    deed()
                except sdbus.Error as e:
                    reason = str(e)
            where = f"{call} {nth} -> {reason}"
            print(where)
            assert phone.cellsd.child.pid == daemon and phone.cellsd.alive(), where
            yield where, reason


def world(phone, before):
    """What is between the VP and the rest, as it sees it once its init is up, which had started so often before."""
    await_starts(phone, before + 1)
    lines = phone.exec("work", "/bin/sh", "-c", WORLD)[1].splitlines()
    return [re.sub(r"^\d+: eth0@if\d+|link/ether \S+|inet6 fe80::\S+| tentative", "", line) for line in lines], phone.opens("work", "hwrng"), phone.opens("work", "fuse")


def await_same_world(phone, before, told, where):
    """The kernel gives a link its state and its own address some time after the link came up."""
    try:
        harness.until(lambda: world(phone, before) == told, 10)
    except harness.Failed:
        (lines, *rights), (wanted, *had) = world(phone, before), told
        lines, wanted = set(lines), set(wanted)
        pytest.fail(f"{where}: more {sorted(lines - wanted)}, less {sorted(wanted - lines)}, rights {rights}, were {had}")


def has_network(phone):
    return phone.list()["work"]["address"] != ""


def more_than(before, now):
    """What is otherwise; a look at the hardware held descriptors before, or holds some for a moment."""
    return {what: (before[what], now[what]) for what in before
            if (now[what] > before[what] if what == "descriptors" else now[what] != before[what])}


def refuse_starts(phone, names):
    for i in range(2):  # the first fills caches
        phone.policy("Start", "s", "work")
        told, had_network = world(phone, i), has_network(phone)
        phone.policy("Stop", "s", "work")
    before, n = settled(lambda: left_behind(phone)), 0

    def ready():
        nonlocal n
        if phone.state("work") != "stopped":
            phone.policy("Stop", "s", "work")
        harness.until(lambda: not more_than(before, left_behind(phone)), 20)
        n = starts(phone)

    def start():
        phone.policy("Start", "s", "work")
        await_starts(phone, n + 1)

    for where, _ in each_refused(phone, names, ready, start):
        # A call to the kernel may have become one to the bus: then it started, and could not say so.
        if phone.state("work") == "stopped":
            continue
        if had_network and not has_network(phone):
            assert "VP work has no network: " in phone.cellsd.tail(20), where
        else:
            await_same_world(phone, n, told, where)
    ready()
    phone.policy("Start", "s", "work")
    assert phone.exec("work", "/bin/busybox", "true")[0] == 0


def test_a_start_is_whole_or_nothing(phone):
    phone.apply(["work", "personal"], BOTH)
    refuse_starts(phone, MAKES)


def test_a_vp_whose_oom_score_stays_the_daemon_s_does_not_start(phone):
    phone.apply(["work"], [])
    daemon, out = phone.cellsd.child.pid, phone.folder / "trace"
    for _ in range(2):  # the first fills caches
        with traced(daemon, "-y", "-o", out, "-e", "trace=write"):
            phone.policy("Start", "s", "work")
        phone.policy("Stop", "s", "work")
    writes = re.findall(rf"^{daemon} +write\(\d+<(.*?)>", out.read_text(), re.M)
    nth = next(i + 1 for i, path in enumerate(writes) if path.endswith("/oom_score_adj"))
    with refusing(phone, "write", nth), pytest.raises(sdbus.Error, match="oom score"):
        phone.policy("Start", "s", "work")
    phone.policy("Start", "s", "work")


def test_a_start_is_whole_or_nothing_where_its_network_is_refused(net):
    net.apply(["work", "personal"], BOTH, **NAT, **allow((f"{SERVER}/32", TCP, 80)))
    net.policy("Start", "s", "personal")
    refuse_starts(net, CONNECTS)
    assert net.reaches("work", f"{SERVER}:80") and not net.reaches("work", f"{SERVER}:81")


def test_a_network_that_is_taken_is_gone_or_held_by_the_rules(net):
    def give():
        net.apply(["work"], [], **NAT)
        net.policy("Start", "s", "work")

    def ready():
        if not has_network(net):
            net.policy("Stop", "s", "work")
            give()

    def take():
        net.apply(["work"], [], nat=("b", False))

    give()
    for where, _ in each_refused(net, CONNECTS, ready, take):
        stays = any(name.startswith("cells") for name in net.host.links())
        assert not stays or "table inet cells" in net.host.ruleset(), where
        assert not net.reaches("work", f"{SERVER}:80"), where
    ready()
    assert net.reaches("work", f"{SERVER}:80")
    take()
    assert net.host.ruleset() == "" and net.host.links() == ["lo", "up0"]


def test_a_daemon_that_comes_back_leaves_no_link_without_rules(net):
    net.apply(["work"], [], **NAT, **allow((f"{SERVER}/32", TCP, 80)))
    net.policy("Start", "s", "work")
    plain, out = net.cellsd.argv, net.folder / "trace"

    def come_back(*options):
        net.cellsd.kill()
        net.cellsd.argv = [*(["strace", "-D", "-f", "-o", out, *options] if options else []), *plain]
        net.cellsd.start()

    come_back("-e", "trace=sendmsg")
    calls = re.findall(r"^\d+ +sendmsg\((.*)", out.read_text(), re.M)
    for nth in [i + 1 for i, rest in enumerate(calls) if "AF_NETLINK" in rest]:
        come_back("-e", f"inject=sendmsg:error=EIO:when={nth}")
        stays = any(name.startswith("cells") for name in net.host.links())
        assert not stays or "table inet cells" in net.host.ruleset(), nth
        come_back()
        net.give()
        if not has_network(net):
            net.policy("Stop", "s", "work")
            net.policy("Start", "s", "work")
        assert net.reaches("work", f"{SERVER}:80") and not net.reaches("work", f"{SERVER}:81"), nth


def start_both(phone):
    for vp, row in phone.list().items():
        if not row["pid"]:
            phone.policy("Start", "s", vp)


def verdict(phone, vp, node):
    """Of a VP that may be ending just now, and is started then."""
    def look():
        start_both(phone)
        with contextlib.suppress(sdbus.Error):
            return str(phone.opens(vp, node))
    return harness.until(look) == "True"


def test_what_a_policy_takes_is_gone(two):
    """The camera's holder, and the camera: or else the whole VP."""
    less = [row for row in BOTH if row[:2] != ("personal", "camera")]
    holders = []

    def holds():
        try:
            return sleeps(two, "personal")
        except sdbus.Error:
            return False  # it has ended

    def ready():
        start_both(two)
        two.apply(["work", "personal"], BOTH)
        start_both(two)
        if not holds():
            holders.append(two.background("personal", "exec sleep 4711 < /dev/hwrng"))
        harness.until(holds)

    def take():
        two.apply(["work", "personal"], less)

    for where, reason in each_refused(two, LOOKS, ready, take):
        assert reason or not holds(), where
        take()
        assert not holds(), where
        assert not verdict(two, "personal", "hwrng") and verdict(two, "personal", "fuse"), where
    assert len(holders) > 2


def test_a_switch_takes_before_it_gives(two):
    def ready():
        start_both(two)
        two.call("root", "Switch", "s", "work")
        assert verdict(two, "work", "hwrng")

    def switch():
        two.call("root", "Switch", "s", "personal")

    for where, reason in each_refused(two, LOOKS, ready, switch):
        front = two.state("personal") == "foreground"
        assert front or reason, where
        assert not (verdict(two, "work", "hwrng") and front), where
        assert front or not verdict(two, "personal", "hwrng"), where
        switch()
        assert verdict(two, "personal", "hwrng") and not verdict(two, "work", "hwrng"), where


def test_locked_means_locked(two):
    told = {}

    def ready():
        if two.state("work") == "locked":
            unlock(two, "work")
        start_both(two)
        assert two.exec("work", "/bin/busybox", "cat", "/mine")[1] == "mine\n"

    def lock():
        told.clear()
        told.update(two.policy("Lock", "s", "work"))

    two.exec("work", "/bin/sh", "-c", "echo mine > /mine")
    for where, reason in each_refused(two, LOOKS + " " + LOCKS, ready, lock):
        if not reason:
            row = two.list()["work"]
            assert row["state"] == "locked" and (told["incomplete"] or not row["key-in-kernel"]), where
        lock()
        row = two.list()["work"]
        assert row["state"] == "locked" and not row["key-in-kernel"] and not told["incomplete"], where


def test_a_look_at_the_hardware_that_failed_is_taken_again(two):
    uevent = pathlib.Path("/sys/class/misc/fuse/uevent")
    if not uevent.exists():
        pytest.skip("no fuse device")
    uevent, out = uevent.resolve(), two.folder / "trace"

    def is_back():
        return two.exec("work", "/bin/sh", "-c", "[ -c /dev/fuse ]")[0] == 0

    def look(call, *options):
        two.exec("work", "/bin/busybox", "rm", "/dev/fuse")
        with traced(two.cellsd.child.pid, "-o", out, "-e", f"trace={call}", *options):
            uevent.write_text("add")
            time.sleep(0.5)  # so that it looks before it is asked
            harness.until(is_back)

    def made():
        """Which of the calls in a look opens the node."""
        look("openat")
        opened = re.findall(rf'^{two.cellsd.child.pid} +openat\(\w+, "(.*?)"', out.read_text(), re.M)
        before = opened[:opened.index(str(uevent))] if str(uevent) in opened else []
        return max((i for i, name in enumerate(before, 1) if name == "fuse"), default=1)

    for call, nth, said in (("getdents64", lambda: 1, "list the hardware"), ("openat", made, f"look at {uevent.parent}")):
        for _ in range(10):  # what else it opens just then is counted as well
            look(call, "-e", f"inject={call}:error=EIO:when={nth()}")
            if said in two.cellsd.tail():
                break
        assert said in two.cellsd.tail()


@pytest.mark.parametrize("call", NO_WAY_BACK)
def test_a_daemon_that_would_give_birth_elsewhere_ends(phone, call):
    phone.apply(["work", "personal"], BOTH)
    phone.policy("Start", "s", "personal")
    running = phone.list()["personal"]["pid"]
    with refusing(phone, call, NO_WAY_BACK[call]), pytest.raises(sdbus.Error):
        phone.policy("Start", "s", "work")
    harness.until(lambda: not phone.cellsd.alive())
    phone.cellsd.start()
    phone.give()
    assert phone.list()["personal"]["pid"] == running and phone.state("work") == "installed"
    harness.until(lambda: len(phone.leaves()) == 1)
    phone.policy("Start", "s", "work")
