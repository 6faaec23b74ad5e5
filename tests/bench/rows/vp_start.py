# SPDX-License-Identifier: Apache-2.0
"""From the request to start a VP until its init has written its first byte: of one that is made then, and of one
that was prepared while the daemon had nothing to do."""
import contextlib
import ctypes
import hashlib
import multiprocessing
import os
import pathlib
import pwd
import re
import shutil
import signal
import struct
import subprocess
import time
import types

import harness
import rival
import sdbus
from bench import Side, Skip

GROUP = "vp-start"
WORK = "request to start until init's first byte: namespaces, root, /dev, limits, seccomp"
ROUNDS = 30
LIMIT = "unshare(1) with six namespaces and a chroot"
FIRST = "first"
INIT = f"""#!/bin/busybox sh
echo x
{{ echo x > /{FIRST}; }} 2>/dev/null
trap 'exit 0' TERM
[ "$1" ] || while :; do /bin/busybox sleep 1000 & wait $!; done
"""
IN_CREATE = 0x100
SETTLE = 0.05  # from the cgroup of one that is being prepared until it is
PAUSE = 0.3  # namespaces go in the background, under locks that every start takes: each side starts when all are gone


def fill(root):
    for name in ("bin", "sbin", "dev", "proc", "sys", "run", "tmp", "root", "etc"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    (root / "sbin/init").write_text(INIT)
    os.chmod(root / "sbin/init", 0o755)


def caller(pipe, address):
    """Runs as cells-policy with one connection; answers when each call began."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    entry = pwd.getpwnam("cells-policy")
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = address
    bus = ctypes.c_void_p()
    sdbus.check(sdbus.LIB.sd_bus_open_system(ctypes.byref(bus)))
    while True:
        method, signature, args = pipe.recv()
        m, reply, error = ctypes.c_void_p(), ctypes.c_void_p(), sdbus.SdBusError()
        sdbus.check(sdbus.LIB.sd_bus_message_new_method_call(
            bus, ctypes.byref(m), b"org.cells.Device1", b"/org/cells/Device1", b"org.cells.Device1", method.encode()))
        sdbus.append(m, signature, args)
        began = time.monotonic()
        r = sdbus.LIB.sd_bus_call(bus, m, ctypes.c_uint64(60000000), ctypes.byref(error), ctypes.byref(reply))
        pipe.send((began, (error.message or b"").decode() if r < 0 else None))


class Watch:
    """Reports when a file appears in a folder (inotify)."""

    def __init__(self, folder):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_CLOEXEC)
        if libc.inotify_add_watch(self.fd, os.fsencode(folder), IN_CREATE) < 0:
            raise OSError(ctypes.get_errno(), f"watch {folder}")

    def wait(self, name):
        while True:
            data = os.read(self.fd, 4096)
            now = time.monotonic()
            while data:
                length = struct.unpack("iIII", data[:16])[3]
                if data[16:16 + length].rstrip(b"\0") == name.encode():
                    return now
                data = data[16 + length:]

    def close(self):
        os.close(self.fd)


def unified():
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup2 " in line:
            return pathlib.Path(line.split()[4])
    raise Skip("no cgroup v2 here")


class Ours:
    """A running cellsd and one VP, asked over the bus as cells-policyd asks."""

    def __init__(self, world, root, prepared):
        self.world, self.bus = world, harness.Bus(world.folder)
        world.closers.append(self.bus.process.stop)
        group = f"cells-bench-{os.getpid()}"
        self.cgroup = unified() / group
        config = world.folder / "cellsd.conf"
        config.write_text(f"stop-seconds = 3\nprepared-starts = {prepared:d}\n")
        daemon = world.daemon("cellsd", [
            harness.program("cellsd"), "--config", config, "--state-dir", world.subfolder("cellsd"), "--run-dir",
            world.subfolder("run"), "--cgroup-root", group, "--hardware", harness.TOP / "data/hardware.d/demo.conf"],
            env={"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address})
        daemon.start()
        world.closers.append(self.remove_group)
        world.closers.append(daemon.stop)
        image = world.folder / "base.erofs"
        subprocess.run(["mkfs.erofs", "--quiet", "-T0", image, root], check=True, capture_output=True)
        self.digest = "sha256:" + hashlib.sha256(image.read_bytes()).hexdigest()
        with open(image, "rb") as f:
            sdbus.call(self.bus.address, "cells-policy", "Device1", "Layer", "sh", self.digest, f.fileno())
        self.pipe, other = multiprocessing.Pipe()
        self.caller = multiprocessing.Process(target=caller, args=(other, self.bus.address), daemon=True)
        self.caller.start()
        world.closers.append(self.end_caller)
        self.apply()
        self.call("Start", "s", "work")
        stage = pathlib.Path(f"/proc/{daemon.child.pid}/root{world.folder}/run/stage")
        self.upper = next(stage.glob("vaults/work.*.vault/data/upper"))
        self.call("Stop", "s", "work")

    def remove_group(self):
        with contextlib.suppress(OSError):
            self.cgroup.rmdir()

    def end_caller(self):
        with contextlib.suppress(Exception):
            self.call("Stop", "s", "work")
        self.caller.terminate()
        self.caller.join()

    def call(self, method, signature, *args):
        self.pipe.send((method, signature, args))
        return self.answer()

    def answer(self):
        began, error = self.pipe.recv()
        if error:
            raise Skip(error)
        return began

    def apply(self):
        classes = re.findall(r'X\([A-Z_]+, "([a-z-]+)"', (harness.TOP / "kernel/uapi/cells/class.h").read_text())
        props = {"layers": ("as", [self.digest]), "init": ("s", "/sbin/init"), "label": ("s", "bench"),
                 "stop-signal": ("i", int(signal.SIGTERM)), "memory-max": ("t", 256 << 20), "pids-max": ("u", 64),
                 "cpu-weight": ("u", 100)}
        self.call("Apply", "ta(sa{sv})a(suybb)s", 1, [("work", props)],
                  [("work", classes.index("gps"), 2, False, True)], "bench")

    def start(self):
        with contextlib.suppress(FileNotFoundError):
            (self.upper / FIRST).unlink()
        with contextlib.closing(Watch(self.upper)) as watch:
            self.pipe.send(("Start", "s", ("work",)))
            if not self.caller.is_alive():
                raise Skip("the caller ended")
            seen = watch.wait(FIRST)
        return seen - self.answer()

    def stop(self):
        self.call("Stop", "s", "work")

    def await_prepared(self):
        pause()
        harness.until(lambda: list(self.cgroup.glob("work-*")))
        time.sleep(SETTLE)


def pause():
    time.sleep(PAUSE)


def spawn(*argv):
    """The time from exec to the first byte on its standard output."""
    r, w = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, w, 1), (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)]
    start = time.monotonic()
    pid = os.posix_spawnp(argv[0], [str(a) for a in argv], os.environ, file_actions=actions)
    os.close(w)
    first = os.read(r, 1)
    took = time.monotonic() - start
    os.close(r)
    _, status = os.waitpid(pid, 0)
    if not first:
        raise Skip(f"{argv[0]}: ended with {os.waitstatus_to_exitcode(status)} and wrote nothing")
    return took


def spawner(pipe):
    """crun refuses machines with both versions of cgroups: it sees version 2 only."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x20000) < 0 or libc.mount(b"none", b"/", None, 0x44000, None) < 0 or \
            libc.mount(b"cgroup2", b"/sys/fs/cgroup", b"cgroup2", 0, None) < 0:
        os._exit(1)
    while True:
        argv = pipe.recv()
        try:
            pipe.send(spawn(*argv))
        except (OSError, Skip) as e:
            pipe.send(str(e))


def crun(world, bundle, state):
    pipe, other = multiprocessing.Pipe()
    child = multiprocessing.Process(target=spawner, args=(other,), daemon=True)
    child.start()
    other.close()
    world.closers.append(child.join)
    world.closers.append(child.terminate)

    def start():
        start.n += 1
        try:
            pipe.send(["crun", "--root", state, "--cgroup-manager=disabled", "run", "--bundle", bundle,
                       f"bench-{os.getpid()}-{start.n}"])
            took = pipe.recv()
        except (EOFError, BrokenPipeError):
            raise Skip("its mount namespace could not be made") from None
        if isinstance(took, str):
            raise Skip(took)
        return took
    start.n = 0
    return start


@contextlib.contextmanager
def sides(prepared):
    if os.geteuid() != 0:
        raise Skip("cellsd is the root daemon")
    if not pathlib.Path("/bin/busybox").exists():
        raise Skip("no busybox (package busybox-static)")
    with harness.World() as world:
        root = world.folder / "root"
        fill(root)
        ours = Ours(world, root, prepared)
        bundle = rival.bundle(world.folder / "bundle", root, ["/sbin/init", "once"]) if shutil.which("crun") else None
        yield [
            Side("cellsd, prepared" if prepared else "cellsd", ours.start, ours=True,
                 before=ours.await_prepared if prepared else pause, after=ours.stop,
                 note="all: overlay, network, cgroup, device program, seccomp"),
            Side("crun", crun(world, bundle, world.folder / "crun"), package="crun", needs=("crun",),
                 before=pause,
                 note="user namespace, seccomp, root as it is; no cgroup, no network"),
            Side("bubblewrap", lambda: spawn("bwrap", "--unshare-all", "--uid", "0", "--gid", "0", "--ro-bind", root,
                                             "/", "--proc", "/proc", "--dev", "/dev", "/sbin/init", "once"),
                 package="bubblewrap", needs=("bwrap",), before=pause, note="no seccomp, no cgroup, no network"),
            Side("unshare", lambda: spawn("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork",
                                          "--ipc", "--uts", "--net", "chroot", root, "/sbin/init", "once"),
                 package="util-linux", needs=("unshare",), before=pause, note="the limit"),
        ]


def rows(wanted):
    del wanted
    return [types.SimpleNamespace(NAME=name, GROUP=GROUP, WORK=WORK, ROUNDS=ROUNDS, LIMIT=LIMIT,
                                  sides=lambda prepared=prepared: sides(prepared))
            for name, prepared in ((f"{GROUP}-normal", False), (f"{GROUP}-prepared", True))]
