# SPDX-License-Identifier: Apache-2.0
"""What VPs have of the machine: limits and weights where cgroup v2 has the controllers, else said; who is ended first.

On an ordinary machine nothing here makes memory short. The lab runs this file on its phone (tests/lab), which
has all controllers and can be brought to its knees: CELLS_LAB is set there.
"""
import contextlib
import hashlib
import mmap
import os
import pathlib
import random
import re
import time

import pytest

import harness
from vpdevice import BOTH, Phone, make_image, signals

IN_LAB = bool(os.environ.get("CELLS_LAB"))
on_a_phone = pytest.mark.skipif(not IN_LAB, reason="makes memory short: on the lab's phone only")


class Measured(Phone):
    def __init__(self, config=""):
        super().__init__()
        path = self.folder / "cellsd.conf"
        path.write_text("stop-seconds = 3\nnetwork = no\n" + (config or "prepared-starts = 0\npressure-ms = 0\nmerge-memory = no\n"))


@pytest.fixture(name="phone")
def fixture_phone(request):
    p = Measured(getattr(request, "param", ""))
    try:
        yield p.start()
    finally:
        p.close()


def start(phone, **conf):
    phone.apply(["work", "personal"], BOTH, **conf)
    for vp in ("work", "personal"):
        phone.policy("Start", "s", vp)


def leaf(phone, vp):
    return phone.cgroup / next(n for n in phone.leaves() if n.startswith(vp + "-"))


def value(phone, vp, name):
    path = leaf(phone, vp) / name
    return path.read_text().split()[-1] if path.exists() else None


def scores(phone, vp):
    """oom_score_adj of all its processes but the init, and that of the init."""
    init = str(phone.list()[vp]["pid"])
    found = {p: int(pathlib.Path(f"/proc/{p}/oom_score_adj").read_text())
             for p in (leaf(phone, vp) / "cgroup.procs").read_text().split()}
    return {s for p, s in found.items() if p != init}, found[init]


def controllers(phone):
    return (phone.cgroup / "cgroup.controllers").read_text().split()


def test_limits_hold_or_are_said_not_to(phone):
    start(phone, **{"cpu-weight": ("u", 200), "io-weight": ("u", 400)})
    said = set(phone.list()["work"]["not-enforced"])
    for controller, names, file, want in (("memory", {"memory-max"}, "memory.max", str(256 << 20)),
                                          ("pids", {"pids-max"}, "pids.max", "64"),
                                          ("cpu", {"cpu-weight"}, "cpu.weight", "50")):
        if controller in controllers(phone):
            assert not names & said and value(phone, "work", file) == want, controller
        else:
            assert names <= said, controller
    weights = [value(phone, "work", n) for n in ("io.weight", "io.bfq.weight")]
    assert ("io-weight" in said) == (weights == [None, None]) and (weights == [None, None] or "100" in weights)
    phone.cellsd.stop()
    phone.cellsd.start()
    assert set(phone.list()["work"]["not-enforced"]) == said, "a daemon that came later knows it too"


def rates_of(phone, vp):
    """What its cgroup's io.max says of the device that its data is on."""
    dev = os.stat(phone.data(vp)).st_dev
    lines = (leaf(phone, vp) / "io.max").read_text().splitlines()
    return next((line.split()[1:3] for line in lines if line.startswith(f"{os.major(dev)}:{os.minor(dev)} ")), None)


def seconds_to_write(phone, vp):
    begin = time.monotonic()
    assert phone.exec(vp, "/bin/busybox", "dd", "if=/dev/zero", "of=/big", "bs=1M", "count=8", "conv=fsync")[0] == 0
    return time.monotonic() - begin


def test_reads_and_writes_of_its_data_wait_for_their_limit(phone):
    limits = {"io-read-max": ("t", 4 << 20), "io-write-max": ("t", 2 << 20)}
    start(phone, **limits)
    said = {name for name in phone.list()["work"]["not-enforced"] if name.startswith("io-")}
    if not (leaf(phone, "work") / "io.max").exists():
        assert said == set(limits)
        pytest.skip("no io controller in cgroup v2")
    assert said == set()
    assert rates_of(phone, "work") == ["rbps=4194304", "wbps=2097152"]
    slow = seconds_to_write(phone, "work")
    assert slow > 2
    # Less, and then none: at once, for what runs.
    phone.apply(["work", "personal"], BOTH, **{"io-write-max": ("t", 64 << 20)})
    assert rates_of(phone, "work") == ["rbps=max", "wbps=67108864"]
    phone.apply(["work", "personal"], BOTH)
    assert rates_of(phone, "work") is None
    assert seconds_to_write(phone, "work") < slow


def test_a_rate_holds_no_lock_up(phone):
    """What a VP wrote at its leisure would take 32 seconds at its rate; its key cannot wait for that."""
    start(phone, **{"io-write-max": ("t", 1 << 20)})
    if not (leaf(phone, "work") / "io.max").exists():
        pytest.skip("no io controller in cgroup v2")
    assert phone.exec("work", "/bin/busybox", "dd", "if=/dev/zero", "of=/big", "bs=1M", "count=32")[0] == 0
    begin = time.monotonic()
    details = phone.policy("Lock", "s", "work")
    assert details["keys"] == 1 and not details["incomplete"] and time.monotonic() - begin < 16


LIMIT_FILES = {"memory-max": ["memory.max"], "cpu-weight": ["cpu.weight"], "pids-max": ["pids.max"],
               "io-weight": ["io.weight", "io.bfq.weight"], "io-read-max": ["io.max"], "io-write-max": ["io.max"]}
SELINUX = pathlib.Path("/sys/fs/selinux/enforce")
LIVE = "pressure-ms = 150\nmerge-memory = yes\n"


def can_merge():
    release = tuple(map(int, os.uname().release.split(".")[:2]))
    return release >= (6, 7) and pathlib.Path("/sys/kernel/mm/ksm/run").exists()


def has_pressure():
    """The kernel takes a trigger, which it does of a root with all its capabilities only."""
    with contextlib.suppress(OSError), open("/proc/pressure/memory", "r+b", buffering=0) as f:
        return f.write(b"some 150000 1000000\0") > 0
    return False


def told_of_machine(phone):
    rows = phone.policy("Status")
    assert all(why and remedy for _, why, remedy in rows)
    return {what: why for what, why, _ in rows}


@pytest.mark.parametrize("phone", ["", LIVE], indirect=True, ids=["switched-off", "switched-on"])
def test_what_the_machine_does_for_no_vp_is_told_with_its_cause(phone):
    """Looked for here a second way, and neither more nor less is reported."""
    config = (phone.folder / "cellsd.conf").read_text()
    told = told_of_machine(phone)
    wanted = {what for what, files in LIMIT_FILES.items() if not any((phone.cgroup / f).exists() for f in files)} | {"network"}
    if not (phone.cgroup / "memory.max").exists():
        wanted.add("io-write-max")
    if phone.policy("Inventory")[1] == "open":
        wanted.add("enforcement")
    if not SELINUX.exists() or SELINUX.read_text() != "1":
        wanted.add("selinux")
    if "pressure-ms = 0" in config or not has_pressure():
        wanted.add("pressure")
    if "merge-memory = no" in config or not can_merge():
        wanted.add("merge-memory")
    assert set(told) - {"fscrypt"} == wanted
    assert "cellsd.conf" in told["network"]
    off = config.endswith("no\n")
    assert all(("cellsd.conf" in told.get(what, "")) == off for what in ("pressure", "merge-memory"))
    if off:
        start(phone)
        assert ("fscrypt" in told) == phone.list()["work"]["medium"].startswith("vault")


@on_a_phone
def test_a_machine_on_which_no_vp_can_start_says_so(phone):
    most = pathlib.Path("/proc/sys/user/max_user_namespaces")
    before = most.read_text()
    assert "user-namespaces" not in told_of_machine(phone)
    most.write_text("0")
    try:
        assert "user-namespaces" in told_of_machine(phone)
    finally:
        most.write_text(before)
    assert "user-namespaces" not in told_of_machine(phone)


def test_the_foreground_has_its_whole_weight(phone):
    start(phone, **{"cpu-weight": ("u", 200)})
    if "cpu" not in controllers(phone):
        pytest.skip("no cpu controller in cgroup v2")
    assert value(phone, "work", "cpu.weight") == "50"
    phone.call("root", "Switch", "s", "work")
    assert value(phone, "work", "cpu.weight") == "200" and value(phone, "personal", "cpu.weight") == "50"
    phone.call("root", "Next")
    assert value(phone, "work", "cpu.weight") == "50" and value(phone, "personal", "cpu.weight") == "200"
    # Another config while it is in front and behind.
    phone.apply(["work", "personal"], BOTH, **{"cpu-weight": ("u", 100)})
    assert value(phone, "work", "cpu.weight") == "25" and value(phone, "personal", "cpu.weight") == "100"


def test_programs_in_the_background_go_first(phone):
    start(phone)
    phone.background("work", "exec busybox sleep 600")
    phone.background("work", "echo 700 > /proc/self/oom_score_adj; echo x > /tmp/up; exec busybox sleep 600")
    harness.until(lambda: phone.exec("work", "/bin/busybox", "cat", "/tmp/up")[0] == 0)
    phone.call("root", "Switch", "s", "work")
    assert scores(phone, "work") == ({0, 700}, 0)
    phone.call("root", "Switch", "s", "personal")
    assert scores(phone, "work") == ({300, 700}, 0), "what a program chose itself stays; an init's is not touched"
    # It cannot make itself less of a victim.
    status, out = phone.exec("work", "/bin/sh", "-c", "for p in /proc/[0-9]*; do [ $(busybox cat $p/oom_score_adj) = 300 ] && "
                             "echo 0 > $p/oom_score_adj && echo lowered; done; true")
    if "lowered" in out:  # a container's root may not set what is the least
        effective = re.search(r"CapEff:\s+(\w+)", pathlib.Path("/proc/self/status").read_text()).group(1)
        assert not int(effective, 16) >> 24 & 1, out
        return
    phone.call("root", "Switch", "s", "")
    assert scores(phone, "work") == ({300, 700}, 0)
    phone.call("root", "Switch", "s", "work")
    assert scores(phone, "work") == ({0, 700}, 0)


def test_exec_into_a_vp_that_manages_its_cgroups(phone):
    """As systemd does it: all processes in groups below, and controllers for these. The VP's own group may hold none then
    (cgroups(7), "no internal processes")."""
    start(phone)
    if "pids" not in controllers(phone):
        pytest.skip("no pids controller in cgroup v2")
    status, out = phone.exec("work", "/bin/sh", "-c", "cd /sys/fs/cgroup && busybox mkdir init.scope && "
                             "for p in $(busybox cat cgroup.procs); do echo $p >init.scope/cgroup.procs; done; "
                             "echo +pids >cgroup.subtree_control && busybox cat cgroup.subtree_control")
    assert status == 0 and "pids" in out, out
    assert (leaf(phone, "work") / "cgroup.procs").read_text() == ""
    assert phone.exec("work", "/bin/busybox", "echo", "in") == (0, "in\n")
    phone.background("work", "exec busybox sleep 1000")
    phone.policy("Stop", "s", "work")
    assert phone.state("work") == "stopped" and phone.exec("personal", "/bin/busybox", "true")[0] == 0


def test_a_fork_bomb_is_bounded(phone):
    start(phone)
    if "pids" not in controllers(phone):
        pytest.skip("no pids controller in cgroup v2")
    phone.background("work", "bomb() { bomb | bomb & }; bomb; busybox sleep 5")
    time.sleep(2)
    assert int(value(phone, "work", "pids.current")) <= 64
    assert phone.exec("personal", "/bin/busybox", "true")[0] == 0


def test_a_memory_bomb_ends_itself(phone):
    start(phone, **{"memory-max": ("t", 48 << 20)})
    if "memory" not in controllers(phone):
        pytest.skip("no memory controller in cgroup v2")
    assert phone.exec("work", "/bin/busybox", "tail", "/dev/zero")[0] == 137
    assert phone.state("work") == "background" and phone.exec("personal", "/bin/busybox", "true")[0] == 0


@on_a_phone
@pytest.mark.parametrize("phone", ["pressure-ms = 50\nmerge-memory = no\nprepared-starts = 1\n"], indirect=True)
def test_short_memory_ends_programs_behind_one_by_one(phone):
    """Four programs eat what there is: the one in front, and all inits, live on. What is prepared goes first."""
    limits = {"memory-max": ("t", 0)}
    phone.apply(["spare", "work", "personal"], BOTH, **limits)
    phone.policy("Start", "s", "spare")
    phone.policy("Stop", "s", "spare")
    phone.await_prepared("spare")
    for vp in ("work", "personal"):
        phone.policy("Start", "s", vp)
    phone.call("root", "Switch", "s", "personal")
    phone.background("personal", "echo here > /tmp/here; exec busybox sleep 600")
    total = int(re.search(r"MemTotal: +(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1)) << 10
    each = total // 3
    inits = {vp: p["pid"] for vp, p in phone.list().items()}
    assert phone.prepared() == ["spare"]
    with signals(phone) as heard:
        for _ in range(4):
            phone.background("work", f"exec busybox dd if=/dev/zero of=/dev/null bs={each} count=1000")
        harness.until(lambda: '"pressure"' in heard() or not phone.cellsd.alive(), 90)
    assert phone.cellsd.alive()
    assert {vp: p["pid"] for vp, p in phone.list().items()} == inits
    log = phone.cellsd.tail(200)
    assert phone.prepared() == [] and log.index("nothing is kept prepared") < log.index("of VP work")
    assert "of VP work" in phone.cellsd.tail(200) and "of VP personal" not in phone.cellsd.tail(200)


# ---- equal memory

KSM = pathlib.Path("/sys/kernel/mm/ksm")
EQUAL = 32 << 20
PAGES = EQUAL // os.sysconf("SC_PAGESIZE")
# A service that comes late. dd holds what it has read for as long as nobody takes it.
EATER = f"""#!/bin/busybox sh
trap 'exit 0' TERM
/bin/busybox sleep 5
/bin/busybox dd if=/equal bs={EQUAL} count=1 2>/dev/null | /bin/busybox sleep 1000000 &
while :; do /bin/busybox sleep 1000 & wait $!; done
"""


def ksm(name):
    return int((KSM / name).read_text())


def settings():
    """All that can be set; they are the machine's, so a test that changes one restores it."""
    return {f.name: f.read_text() for f in KSM.iterdir() if f.stat().st_mode & 0o200}


def merged_pages(phone, vp):
    """Of its dd, once that has read all."""
    for pid in (leaf(phone, vp) / "cgroup.procs").read_text().split():
        proc = pathlib.Path("/proc") / pid
        if b"\0dd\0" not in (proc / "cmdline").read_bytes():
            continue
        if int(re.search(r"RssAnon:\s+(\d+)", (proc / "status").read_text())[1]) << 10 >= EQUAL:
            return int((proc / "ksm_merging_pages").read_text())
    return None


def split():
    """What is merged is two again, and what ended merged is forgotten: it stays counted until somebody looks."""
    (KSM / "run").write_text("2")
    (KSM / "run").write_text("0")


@pytest.fixture(name="quiet")
def fixture_quiet():
    """Nobody else merges now. Others' memory may be there to be looked at, a virtual machine's for one: so it goes faster."""
    if not can_merge():
        pytest.skip("the kernel cannot merge chosen programs' memory (Linux 6.7 with CONFIG_KSM can)")
    if ksm("run") != 0:
        pytest.skip("somebody else merges memory on this machine now")
    before = settings()
    split()
    try:
        (KSM / "pages_to_scan").write_text("4000")
        yield settings()
    finally:
        split()
        (KSM / "pages_to_scan").write_text(before["pages_to_scan"])
    assert settings() == before


@pytest.fixture(name="eaters")
def fixture_eaters(quiet, request):
    """Two VPs on one base, each with the same 32 MiB in its memory; no two pages of those are equal."""
    p = Measured(f"pressure-ms = 0\nmerge-memory = {request.param}\n")
    try:
        p.image = make_image(p.folder, "eater", {"sbin/init": (0o755, EATER), "equal": (0o644, random.Random(1).randbytes(EQUAL))})
        p.digest = "sha256:" + hashlib.sha256(p.image.read_bytes()).hexdigest()
        p.start()
        start(p)
        yield p
    finally:
        p.close()


@pytest.mark.parametrize("eaters", ["yes"], indirect=True)
def test_equal_memory_is_merged_in_a_burst(eaters, quiet):
    assert ksm("run") == 1
    before = ksm("pages_sharing")
    harness.until(lambda: ksm("run") == 0, 90)
    assert ksm("pages_sharing") >= before + PAGES // 2
    assert all(merged_pages(eaters, vp) >= PAGES // 2 for vp in ("work", "personal"))
    assert settings() == quiet, "it is as it was found"


@pytest.mark.parametrize("eaters", ["no"], indirect=True)
def test_memory_of_vps_is_kept_apart_where_the_config_says_so(eaters):
    assert ksm("run") == 0
    harness.until(lambda: all(merged_pages(eaters, vp) is not None for vp in ("work", "personal")))
    # Not even when the host itself merges. A kernel that has nothing to look at counts no scan.
    scans = ksm("full_scans")
    with mmap.mmap(-1, EQUAL, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as ours:
        ours.write(b"equal" * (EQUAL // 5))
        ours.madvise(mmap.MADV_MERGEABLE)
        (KSM / "run").write_text("1")
        harness.until(lambda: ksm("full_scans") >= scans + 3, 180)
        assert int(pathlib.Path("/proc/self/ksm_merging_pages").read_text()) > 0
    assert all(merged_pages(eaters, vp) == 0 for vp in ("work", "personal"))


@on_a_phone
@pytest.mark.parametrize("phone", ["pressure-ms = 0\nmerge-memory = yes\n"], indirect=True)
def test_a_kernel_that_cannot_choose_merges_nothing(phone):
    if can_merge():
        pytest.skip("this one can")
    start(phone)
    assert ksm("run") == 0
