# SPDX-License-Identifier: Apache-2.0
"""A VP's root tries to get out: each attempt fails with the error that it should, and neither the host nor the other
VP notices. The attempts are in escapes.c."""
import ctypes
import hashlib
import os
import pathlib
import pty
import random
import re
import select
import shutil
import socket
import subprocess
import time

import pytest

import harness
import sdbus
from vpdevice import BOTH, INIT, Phone, make_image, mounts_of

LIBC = ctypes.CDLL(None, use_errno=True)
ADD_KEY, KEYCTL = {"x86_64": (248, 250), "aarch64": (217, 219)}[os.uname().machine]
PROCESS_KEYRING, SETPERM, EVERYBODY = -2, 5, 0x3f3f3f3f
IPC_CREAT, IPC_RMID = 0o1000, 0
ATTEMPTS_MIN = 40
# What an escape would change for everybody.
SHARED = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/overcommit_memory",
          "/proc/sys/user/max_user_namespaces", "/proc/sys/kernel/hostname", "/sys/kernel/uevent_helper",
          "/proc/irq/default_smp_affinity", "/proc/swaps", "/proc/sys/kernel/sysrq"]


def add_tools(phone):
    """A second layer with the programs of this test, and a device node that an image should not have."""
    root = phone.folder / "tools.root"
    (root / "bin").mkdir(parents=True)
    (root / "nodes").mkdir()
    for name, mode in (("escape", 0o755), ("opener", 0o4755)):
        shutil.copy(harness.BUILD / "tests/e2e/escape", root / "bin" / name)
        os.chmod(root / "bin" / name, mode)
    os.mknod(root / "nodes/zero", 0o20666, os.makedev(1, 5))
    image = phone.folder / "tools.erofs"
    subprocess.run(["mkfs.erofs", "-T0", "--quiet", image, root], check=True, stdout=subprocess.DEVNULL)
    digest = "sha256:" + hashlib.sha256(image.read_bytes()).hexdigest()
    with open(image, "rb") as f:
        phone.policy("Layer", "sh", digest, f.fileno())
    return digest


@pytest.fixture(name="two", scope="module")
def fixture_two():
    phone = Phone(prepared=1)
    try:
        phone.start()
        tools = add_tools(phone)
        phone.wish = lambda **more: phone.apply(["work", "personal"], BOTH, layers=("as", [phone.digest, tools]), **more)
        phone.wish()
        phone.policy("Start", "s", "work")
        phone.policy("Start", "s", "personal")
        yield phone
    finally:
        phone.close()


def read(path):
    try:
        return pathlib.Path(path).read_text()
    except OSError:
        return ""


def host_facts(phone):
    facts = {path: pathlib.Path(path).read_bytes() for path in SHARED if os.access(path, os.R_OK)}
    facts["cellsd"] = phone.cellsd.child.pid if phone.cellsd.alive() else None
    facts["mounts"] = pathlib.Path("/proc/self/mountinfo").read_text()
    facts["mounts of cellsd"] = mounts_of(phone)
    facts["clock"] = round((time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)) / 5)
    facts["groups"] = [p for p in pathlib.Path("/sys/fs/cgroup").glob("*/mine")]
    return facts


def vp_facts(phone, vp):
    """Its processes and files, as it sees them itself."""
    status, out = phone.exec(vp, "/bin/busybox", "sh", "-c", "cd /proc; echo [0-9]*; cat 1/stat | cut -d' ' -f22; ls -la /tmp /dev")
    assert status == 0, out
    processes, rest = out.split("\n", 1)
    return {"pid": phone.list()[vp]["pid"], "processes": len(processes.split()), "files": rest}


@pytest.fixture(name="targets")
def fixture_targets(two):
    """What of the host there is to reach, open to everybody who can name it."""
    mark = f"cells-{os.getpid()}"
    shm_key, queue = random.randrange(1 << 20, 1 << 30), f"/{mark}"
    key = LIBC.syscall(ADD_KEY, b"user", mark.encode(), b"secret", 6, PROCESS_KEYRING)
    assert key > 0 and LIBC.syscall(KEYCTL, SETPERM, key, EVERYBODY) == 0
    shm = LIBC.shmget(shm_key, 4096, IPC_CREAT | 0o666)
    host_file = two.folder / "host-file"
    host_file.write_text("host\n")
    ptys = []
    while not ptys or int(os.ttyname(ptys[-1]).rsplit("/", 1)[1]) < 8:
        ptys += os.openpty()
    holder = two.background("personal", f"exec /bin/escape hold {mark}-vp {shm_key + 1} {queue}")
    harness.until(lambda: two.exec("personal", "/bin/busybox", "test", "-e", "/tmp/held")[0] == 0)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(f"\0{mark}")
        s.listen()
        # SELinux refuses much of it first, and always so.
        labelled = {"labelled": "yes"} if "1" in read("/sys/fs/selinux/enforce") else {}
        yield {**labelled, "pid": os.getpid(), "key": key, "shm": shm_key, "socket": mark, "other": f"{mark}-vp", "mq": queue,
               "path": host_file, "pty": os.ttyname(ptys[-1]).rsplit("/", 1)[1]}
    LIBC.shmctl(shm, IPC_RMID, None)
    for fd in ptys:
        os.close(fd)
    holder.kill()
    holder.wait()
    harness.until(lambda: two.exec("personal", "/bin/busybox", "pidof", "escape")[0] == 1)


def attempt(two, args):
    status, out = two.exec("work", "/bin/escape", "all", *(f"{k}={v}" for k, v in args.items()))
    assert status == 0, out
    return out.splitlines()


def test_nothing_gets_out(two, targets):
    before, other = host_facts(two), vp_facts(two, "personal")
    lines = attempt(two, targets)
    assert not [line for line in lines if not line.startswith(("ok ", "skip "))], "\n".join(lines)
    assert len([line for line in lines if line.startswith("ok ")]) >= ATTEMPTS_MIN, "\n".join(lines)
    # The same against what the other VP has instead of the host.
    again = attempt(two, {**targets, "shm": targets["shm"] + 1, "socket": targets["other"]})
    assert again == lines
    assert host_facts(two) == before
    assert vp_facts(two, "personal") == other
    assert two.state("work") == "background"


def test_nothing_gets_out_of_one_that_was_prepared(two, targets):
    lines = attempt(two, targets)
    two.policy("Stop", "s", "work")
    two.await_prepared("work")
    pid = two.waiting("work")
    two.policy("Start", "s", "work")
    assert two.list()["work"]["pid"] == pid
    assert attempt(two, targets) == lines


def test_the_attempts_work_where_they_may(two, targets):
    """Outside, as root, most of them would succeed: so it is the VP that refuses them. Only harmless ones are tried."""
    r = harness.run([harness.BUILD / "tests/e2e/escape", "harmless", *(f"{k}={v}" for k, v in targets.items())])
    tried = {line.split(": ")[0]: line for line in r.stdout.splitlines()}
    for name in ("signal the host", "a file of the host", "pidfd of the host", "shared memory of another",
                 "abstract socket of the host", "key of another", "memory file of the host", "interface of the host"):
        if name.startswith("interface") and set(os.listdir("/sys/class/net")) <= {"lo", "eth0", "sit0", "tunl0", "ip6tnl0"}:
            continue
        line = tried.get(f"not ok {name}", "")
        assert "got success" in line, (name, r.stdout)


def test_ending_everything_ends_only_itself(two):
    other = vp_facts(two, "personal")
    pid = two.list()["work"]["pid"]
    two.exec("work", "/bin/busybox", "kill", "-9", "-1")
    assert vp_facts(two, "personal") == other and two.cellsd.alive()
    assert two.list()["work"]["pid"] == pid


def test_links_in_dev_lead_nowhere(two):
    """The VP owns its /dev: a link there must not make the daemon delete or make something on the host."""
    uevents = [pathlib.Path(f"/sys/class/misc/{name}/uevent") for name in ("tun", "fuse")]
    if not all(u.exists() for u in uevents):
        pytest.skip("no tun and fuse devices")
    victim = two.folder / "victim"
    victim.mkdir()
    (victim / "tun").write_text("host\n")
    for link in (victim, pathlib.Path("/proc/1/root") / victim.relative_to("/"), f"/proc/{two.cellsd.child.pid}/cwd"):
        status, out = two.exec("work", "/bin/busybox", "sh", "-c",
                               f"rm -rf /dev/net /dev/fuse; ln -s {link} /dev/net && ln -s {victim}/made /dev/fuse")
        assert status == 0, out
        for u in uevents:
            u.write_text("add")
        harness.until(lambda: two.exec("work", "/bin/busybox", "sh", "-c", "[ -c /dev/fuse ]")[0] == 0)
        assert sorted(p.name for p in victim.iterdir()) == ["tun"] and (victim / "tun").read_text() == "host\n"
    two.exec("work", "/bin/busybox", "rm", "-f", "/dev/net")


def test_links_that_change_lead_nowhere(two):
    """The same as a race: the VP swaps a folder and a link all the time."""
    uevent = pathlib.Path("/sys/class/misc/tun/uevent")
    if not uevent.exists():
        pytest.skip("no tun device")
    victim = two.folder / "raced"
    victim.mkdir()
    (victim / "tun").write_text("host\n")
    swap = f"cd /dev; while :; do rm -rf net; ln -s {victim} net; rm -f net; mkdir net; done 2>/dev/null"
    racer = two.background("work", swap)
    for _ in range(25):
        uevent.write_text("add")
        time.sleep(0.08)
    racer.kill()
    racer.wait()
    assert [p.name for p in victim.iterdir()] == ["tun"] and (victim / "tun").read_text() == "host\n"
    assert two.cellsd.alive()
    two.exec("work", "/bin/busybox", "sh", "-c", "rm -rf /dev/net")


def test_a_program_that_comes_in_cannot_be_looked_into(two):
    """While the daemon's child enters the VP it is the daemon's program still."""
    spy = subprocess.Popen([harness.program("cellsctl"), "exec", "work", "--", "/bin/escape", "spy", "6"],
                           env=dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=two.bus.address))
    while spy.poll() is None:
        assert two.exec("work", "/bin/busybox", "true")[0] == 0
    assert spy.returncode == 3


def controllers(two):
    return (two.cgroup / "cgroup.controllers").read_text().split()


def test_a_fork_bomb_stays_inside(two):
    if "pids" not in controllers(two):
        pytest.skip("no pids controller in cgroup v2: not enforced here, tried in the lab")
    bomb = two.background("work", "b() { b | b & }; b")
    time.sleep(2)
    assert two.exec("personal", "/bin/busybox", "true")[0] == 0
    bomb.kill()
    bomb.wait()
    two.policy("Stop", "s", "work")
    two.policy("Start", "s", "work")


def test_a_memory_bomb_stays_inside(two):
    if "memory" not in controllers(two):
        pytest.skip("no memory controller in cgroup v2: not enforced here, tried in the lab")
    pid = two.list()["personal"]["pid"]
    two.exec("work", "/bin/busybox", "sh", "-c", "x=0123456789; while :; do x=$x$x; done")
    assert two.list()["personal"]["pid"] == pid and two.cellsd.alive()
    two.policy("Stop", "s", "work")
    two.policy("Start", "s", "work")


def test_a_range_of_ids_is_never_given_twice(two):
    """Over wipes, restarts and a log that is rewritten."""
    seen = []

    def ranges():
        return {vp: int(two.exec(vp, "/bin/busybox", "awk", "{print $2}", "/proc/self/uid_map")[1]) for vp in ("work", "personal")}
    personal = ranges()["personal"]
    for n in range(5):
        base = ranges()["work"]
        assert base % 65536 == 0 and base >= 1 << 20 and base not in seen and base != personal
        seen.append(base)
        two.policy("Wipe", "ss", "work", f"range-{n}")
        if n % 2:
            two.cellsd.restart()
            two.give()
            add_tools_again(two)
        two.wish()
        two.policy("Start", "s", "work")
    assert ranges()["personal"] == personal
    assert seen == sorted(seen)


def add_tools_again(phone):
    image = phone.folder / "tools.erofs"
    with open(image, "rb") as f:
        phone.policy("Layer", "sh", "sha256:" + hashlib.sha256(image.read_bytes()).hexdigest(), f.fileno())


class Terminal:
    """cellsctl as somebody at a terminal has it."""

    def __init__(self, phone, *command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(harness.program("cellsctl"), ["cellsctl", "exec", "work", "--", *command],
                      dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=phone.bus.address))
        self.text = b""

    def expect(self, text, seconds=20):
        end = time.monotonic() + seconds
        while text not in self.text:
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise harness.Failed(f"no {text} in {self.text}")
            try:
                self.text += os.read(self.fd, 4096)
            except OSError:
                break
        assert text in self.text, self.text

    def send(self, text):
        os.write(self.fd, text)

    def wait(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_program_gets_a_terminal_of_its_own(two):
    """Never the administrator's: what a VP is given it may keep, and read what is typed there later."""
    t = Terminal(two, "/bin/busybox", "sh", "-c",
                 "busybox stat -L -c 'node %t:%T' /proc/self/fd/0; (busybox sleep 60 &); read x; echo got-$x; exit 7")
    mine = os.fstat(os.open(f"/proc/{t.pid}/fd/0", os.O_RDWR | os.O_NOCTTY)).st_rdev
    t.expect(b"node ")
    t.expect(b"\n")
    node = t.text.decode().split("node ")[1].split()[0]
    assert node != f"{os.major(mine):x}:{os.minor(mine):x}" and node.startswith("88:")
    t.send(b"word\r")
    t.expect(b"got-word")
    assert t.wait() == 7, "it ends with the program, not with what that left behind"
    os.close(t.fd)


def ctl_exec(two, *command, **more):
    return subprocess.run([harness.program("cellsctl"), "exec", "work", "--", *command],
                          env=dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=two.bus.address), check=False, **more)


def test_what_is_no_terminal_is_passed_on_as_it_is(two):
    data = os.urandom(300000)
    r = ctl_exec(two, "/bin/busybox", "cat", input=data, capture_output=True)
    assert (r.returncode, r.stdout, r.stderr) == (0, data, b"")
    r = ctl_exec(two, "/bin/busybox", "sh", "-c", "echo out; echo err >&2; exit 3", stdin=subprocess.DEVNULL, capture_output=True)
    assert (r.returncode, r.stdout, r.stderr) == (3, b"out\n", b"err\n")
    # It ends with the program, not with what that left behind, and does not wait for input.
    ours, theirs = os.pipe()
    r = ctl_exec(two, "/bin/busybox", "sh", "-c", "(busybox sleep 60 &); echo $$; kill -TERM $$", stdin=ours, capture_output=True)
    assert r.returncode == 128 + 15 and r.stdout
    os.close(ours)
    os.close(theirs)


def test_nobody_reads_what_a_program_writes(two):
    p = subprocess.Popen(f"{harness.program('cellsctl')} exec work -- /bin/busybox yes | head -1", shell=True, stdout=subprocess.PIPE,
                         env=dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=two.bus.address), stdin=subprocess.DEVNULL)
    assert p.communicate(timeout=60)[0] == b"y\n"


def test_a_program_gets_no_file_of_the_administrator(two):
    """What it has it may open again with other rights, keep, and look for what lies beside it."""
    log = two.folder / "administrator.log"
    log.write_text("before\n")
    (two.folder / "secret").write_text("secret\n")
    attack = "busybox readlink /proc/self/fd/0; for n in 0 1 2; do : > /proc/self/fd/$n; done 2>/dev/null; " \
             "busybox ls /proc/self/fd/0/; busybox cat /proc/self/fd/0/secret"
    where = os.open(two.folder, os.O_RDONLY)
    with open(log, "ab") as out:
        r = ctl_exec(two, "/bin/busybox", "sh", "-c", attack, stdin=where, stdout=out, stderr=out)
    os.close(where)
    text = log.read_text()
    assert text.startswith("before\n") and "\nsecret" not in text and str(two.folder) not in text, (r, text)
    # And cellsd hands none over, to any caller.
    for path, flags in ((two.folder, os.O_RDONLY), (log, os.O_WRONLY), (os.devnull, os.O_RDWR)):
        fd = os.open(path, flags)
        with pytest.raises(sdbus.Error, match="no files of the host"):
            two.call("root", "Exec", "sashhh", "work", ["/bin/busybox", "true"], fd, fd, fd)
        os.close(fd)


def libraries(program):
    """What a program of this machine is linked with, as files of an image."""
    out = harness.run(["ldd", program]).stdout
    return {path.lstrip("/"): path for path in re.findall(r"(/\S+)", out)}


def test_the_daemon_by_its_own_name_is_no_file_of_the_host():
    """A process that enters a VP is the daemon's program until it runs another: "itself", then, is the daemon's."""
    phone = Phone()
    try:
        phone.image = make_image(phone.folder, "itself", {"sbin/init": (0o755, INIT)}, libraries(harness.program("cellsd")))
        phone.digest = "sha256:" + hashlib.sha256(phone.image.read_bytes()).hexdigest()
        phone.start()
        phone.apply(["work"], [])
        phone.policy("Start", "s", "work")
        # With all its libraries at hand it would run, and the VP could open it as a file.
        status, out = phone.exec("work", "/proc/self/exe", "--help")
        assert (status, out) == (126, "cells: run /proc/self/exe: Permission denied\n")
        assert os.readlink(f"/proc/{phone.cellsd.child.pid}/exe") == "/memfd:cellsd (deleted)"
        assert pathlib.Path(f"/proc/{phone.cellsd.child.pid}/comm").read_text() == "cellsd\n"
    finally:
        phone.close()
