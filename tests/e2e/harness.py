# SPDX-License-Identifier: Apache-2.0
"""Runs the real programs side by side on one machine, each under its real user.

A `World` is a folder with a private system bus, a server and devices. Every
path and port is its own, so worlds run side by side; close() ends exactly the
processes that the world started.
"""
import atexit
import contextlib
import functools
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CELLS_BUILD", TOP / "build")).resolve()
# AddressSanitizer keeps 1 MiB of what was freed, to find who still uses it; with its default of 256 MiB all takes a sixth longer.
os.environ.setdefault("ASAN_OPTIONS", "quarantine_size_mb=1")
READY_SECONDS = 60  # long, for sanitized builds on a busy machine

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>{policy}</include>
</busconfig>
"""


class Failed(Exception):
    """A program did not do what the caller counts on."""


@functools.cache
def stage():
    """Where the daemons' own users can run programs: None, if they can in the build
    tree; root's home, for one, is closed to them."""
    if all(p.stat().st_mode & 0o001 for p in [BUILD, *BUILD.parents]):
        return None
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cells-programs-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def program(name):
    """The built program of that name, wherever in the build tree it is."""
    for folder in ("agent", "policyd", "cellsd", "cellsctl", "devnsctl", "mgmt-server",
                   "cellsadm", "images", "tests/bench"):
        path = BUILD / folder / name
        if path.is_file():
            return str(shutil.copy(path, stage()) if stage() else path)
    raise Failed(f"{name} is not built under {BUILD}")


def sanitized(pid):
    """Is it built with AddressSanitizer, which keeps what is freed for a while?"""
    return "asan" in pathlib.Path(f"/proc/{pid}/maps").read_text() \
        or b"__asan_init" in pathlib.Path(f"/proc/{pid}/exe").read_bytes()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, seconds=30, step=0.02):
    """Calls what() until it answers something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Failed(f"waited {seconds} s for {getattr(what, '__name__', what)}")
        time.sleep(step)


def as_user(user, groups):
    """What a command begins with to run as that user, `groups` being setpriv's option for the other groups. Popen's own
    way makes a copy of this whole process each time."""
    entry = pwd.getpwnam(user)
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", groups, "--"]


def run(argv, user=None, check=True, stdin=None, env=None, timeout=300, cwd=None):
    """Runs a command to its end; `check` demands exit code 0."""
    prefix = as_user(user, "--init-groups") if user and user != "root" else []
    r = subprocess.run([*prefix, *map(str, argv)], input=stdin, capture_output=True, text=True,
                       env=dict(os.environ, **(env or {})), timeout=timeout, cwd=cwd, check=False)
    if check and r.returncode != 0:
        raise Failed(f"{' '.join(map(str, argv))}: exit {r.returncode}\n{r.stdout}{r.stderr}")
    return r


class Process:
    """One daemon. Its log is a file; ready means it said so with sd_notify."""

    def __init__(self, name, argv, log, user=None, env=None, notify=None):
        self.name, self.argv, self.log = name, [str(a) for a in argv], log
        self.user, self.env, self.notify = user, env or {}, notify
        self.inside = []  # what it begins with to be in namespaces of its own
        self.child = None

    def start(self, wait=True):
        env = dict(os.environ, **self.env)
        listener = None
        if self.notify and wait:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.notify)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            listener.bind(str(self.notify))
            os.chmod(self.notify, 0o777)
            env["NOTIFY_SOCKET"] = str(self.notify)
        prefix = as_user(self.user, "--clear-groups") if self.user else []
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen([*self.inside, *prefix, *self.argv], stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=out, env=env, start_new_session=True)
        if listener:
            try:
                self._await_ready(listener)
            finally:
                listener.close()
        return self

    def _await_ready(self, listener):
        listener.settimeout(0.2)
        end = time.monotonic() + READY_SECONDS
        while True:
            with contextlib.suppress(socket.timeout):
                if b"READY=1" in listener.recv(4096):
                    return
            if self.child.poll() is not None or time.monotonic() > end:
                raise Failed(f"{self.name} did not get ready:\n{self.tail()}")

    def tail(self, lines=30):
        if not self.child:
            return "was not started"
        text = pathlib.Path(self.log).read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def kill(self, sig=signal.SIGKILL):
        if self.alive():
            self.child.send_signal(sig)
        if self.child:
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()

    def stop(self):
        self.kill(signal.SIGTERM)

    def restart(self, sig=signal.SIGKILL):
        self.kill(sig)
        return self.start()


class Bus:
    """A private system bus with the project's own policy file."""

    def __init__(self, folder):
        self.socket = folder / "bus"
        config = folder / "bus.conf"
        config.write_text(BUS_CONFIG.format(socket=self.socket, policy=TOP / "data/org.cells.conf"))
        self.address = f"unix:path={self.socket}"
        self.process = Process("dbus-daemon",
                               ["dbus-daemon", "--nofork", "--nopidfile", f"--config-file={config}"],
                               folder / "bus.log")
        self.process.start(wait=False)
        until(self._listens)

    def _listens(self):
        """The socket is there a moment before anybody listens on it."""
        with socket.socket(socket.AF_UNIX) as s:
            return s.connect_ex(str(self.socket)) == 0

    def call(self, user, name, method, signature="", *args, timeout=120):
        """busctl as that user; the list of the answer's values, as JSON has them."""
        argv = ["busctl", f"--address={self.address}", f"--timeout={timeout}", "--json=short", "call",
                f"org.cells.{name}", f"/org/cells/{name}", f"org.cells.{name}", method]
        if signature:
            argv += [signature, "--"] + [str(a) for a in args]
        r = run(argv, user=user, check=False)
        if r.returncode != 0:
            raise Failed(f"{name}.{method}: {r.stderr.strip()}")
        return json.loads(r.stdout)["data"] if r.stdout.strip() else None

    def policy(self, method, signature="", *args, user="cells-agent"):
        return self.call(user, "Policy1", method, signature, *args)

    def device(self, method, signature="", *args, user="cells-policy"):
        return self.call(user, "Device1", method, signature, *args)


def bytes_args(data):
    """How busctl wants an `ay` argument."""
    return [len(data), *data]


def has_test_clock():
    """On the phone there is no config.h; a test that needs the clock runs here only."""
    header = BUILD / "config.h"
    return not header.exists() or "#define TEST_CLOCK 1" in header.read_text()


class World:
    """A folder in which a server, devices and administrators live."""

    def __init__(self, folder=None):
        self.own = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="cells-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        os.chmod(self.folder, 0o755)
        self.clock = self.folder / "clock"
        self.clock.write_text("0 0\n")
        self.closers = []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        while self.closers:
            self.closers.pop()()
        if self.own:
            shutil.rmtree(self.folder, ignore_errors=True)

    def subfolder(self, name, user=None, mode=0o755):
        path = self.folder / name
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        os.chmod(path, mode)
        if user:
            entry = pwd.getpwnam(user)
            os.chown(path, entry.pw_uid, entry.pw_gid)
        return path

    def move_clock(self, wall=0, boot=None):
        """All later readings of a --enable-test-clock build are moved by so many seconds. On another build the
        test is skipped: its daemons would not hear of it."""
        if (wall or boot) and not has_test_clock():
            import pytest  # what runs without it moves no clock
            pytest.skip(f"{BUILD} is not configured with --enable-test-clock")
        new = self.folder / "clock.new"
        new.write_text(f"{wall} {wall if boot is None else boot}\n")
        os.chmod(new, 0o644)
        os.replace(new, self.clock)

    def daemon(self, name, argv, user=None, env=None):
        flat = name.replace("/", "-")
        p = Process(name.split("/")[-1], argv, self.folder / f"{flat}.log", user,
                    dict(env or {}, CELLS_TEST_CLOCK=str(self.clock)), self.folder / f"{flat}.notify")
        self.closers.append(p.stop)
        return p


def cgroup2_mount():
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[fields.index("-") + 1] == "cgroup2":
            return pathlib.Path(fields[4])
    raise Failed("no cgroup2 is mounted")


def end_vps(cgroup_root):
    """Ends what runs below a root cgroup that a cellsd of ours made: VPs outlive their daemon."""
    root = cgroup2_mount() / cgroup_root
    if not cgroup_root.startswith(f"cells-{os.getpid()}-") or not root.is_dir():
        return
    for leaf in [d for d in root.iterdir() if d.is_dir()]:
        (leaf / "cgroup.kill").write_text("1")
        until(lambda leaf=leaf: "populated 0" in (leaf / "cgroup.events").read_text())
    for folder, _, _ in os.walk(root, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


class Device:
    """One device: its bus, cellsd, policyd and agent. Nothing but the bus is started yet."""

    def __init__(self, world, name="phone", hardware=None):
        self.world, self.name = world, name
        self.folder = world.subfolder(name)
        self.bus = Bus(self.folder)
        world.closers.append(self.bus.process.stop)
        self.env = {"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address}
        self.cgroup_root = f"cells-{os.getpid()}-{world.folder.name[-6:]}-{name}"
        world.closers.append(lambda: end_vps(self.cgroup_root))
        self.hardware = hardware or TOP / "data/hardware.d/demo.conf"
        world.subfolder(f"{name}/run")
        self.cellsd = self._daemon("cellsd", None, ["--cgroup-root", self.cgroup_root,
                                                   "--hardware", self.hardware])
        self.policyd = self._daemon("cells-policyd", "cells-policy")
        self.agent = self._daemon("cells-agent", "cells-agent")

    def _daemon(self, name, user, more=()):
        state = self.world.subfolder(f"{self.name}/{name}", user, 0o700)
        run_dir = self.world.subfolder(f"{self.name}/run/{name}", user, 0o755)
        config = self.folder / f"{name}.conf"
        # Links and filters, and the pressure on memory, would be this machine's: tests of them have machines of their own.
        config.write_text("network = no\npressure-ms = 0\nmerge-memory = no\n" if name == "cellsd" else "")
        return self.world.daemon(f"{self.name}/{name}",
                                 [program(name), "--config", config, "--state-dir", state,
                                  "--run-dir", run_dir, *more], user, self.env)

    def start(self):
        for d in (self.cellsd, self.policyd, self.agent):
            d.start()
        return self

    def ctl(self, *args, check=True, stdin=None, user=None):
        return run([program("cellsctl"), *args], check=check, stdin=stdin, env=self.env, user=user)

    def status(self):
        return json.loads(self.bus.policy("Status", user="cells-agent")[0])


if __name__ == "__main__":
    sys.exit("a library: run the tests with ./run check")
