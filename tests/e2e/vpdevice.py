# SPDX-License-Identifier: Apache-2.0
"""A bus and a cellsd alone: VPs from a busybox image, by the D-Bus interface. A test plays policyd."""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess

import harness
import sdbus

CLASSES = re.findall(r'X\([A-Z_]+, "([a-z-]+)"', (harness.TOP / "kernel/uapi/cells/class.h").read_text())
NONE, FRONT, ANY = 0, 1, 2
BUSYBOX = pathlib.Path("/bin/busybox")
if os.geteuid() != 0 or not BUSYBOX.exists():
    import pytest  # only here: on the emulated phone it takes seconds
    pytest.skip("needs root and busybox-static", allow_module_level=True)
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
trap 'echo bye > /stopped; exit 0' TERM
echo started >> /starts
while :; do sleep 1000 & wait $!; done
"""
BOTH = [("work", "camera", FRONT, True), ("work", "gps", ANY, False), ("personal", "camera", ANY, False),
        ("personal", "gps", ANY, False)]


def make_image(folder, name, files, copies=None):
    """files: {path: (mode, text)}; copies: {path: a file of this machine}."""
    root = folder / f"{name}.root"
    for d in ("bin", "sbin", "dev", "proc", "sys", "run", "tmp", "root"):
        (root / d).mkdir(parents=True)
    (root / "bin/busybox").write_bytes(BUSYBOX.read_bytes())
    os.chmod(root / "bin/busybox", 0o755)
    (root / "bin/sh").symlink_to("busybox")
    for path, (mode, text) in files.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_bytes(text if isinstance(text, bytes) else text.encode())
        os.chmod(root / path, mode)
    for path, source in (copies or {}).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, root / path)
    image = folder / f"{name}.erofs"
    subprocess.run(["mkfs.erofs", "-T0", "--quiet", str(image), str(root)], check=True, stdout=subprocess.DEVNULL)
    return image


def data_of(cellsd, run_dir, vp):
    """The folder of an unlocked VP's data, as cellsd sees it."""
    return next(pathlib.Path(f"/proc/{cellsd.child.pid}/root{run_dir}/stage").glob(f"vaults/{vp}.*.vault/data"))


def stay(phone, vp, script):
    """Runs a script in the VP that stays; returns cellsctl, which waits for it."""
    p = subprocess.Popen([harness.program("cellsctl"), "exec", vp, "--", "/bin/sh", "-c", script],
                         env=dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=phone.bus.address),
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    phone.world.closers.append(lambda: end(p))
    return p


class Phone:
    """A bus and a cellsd."""

    def __init__(self, hardware="demo", backend="auto", state=None, prepared=0, image=None):
        self.world = harness.World()
        self.folder = self.world.folder
        self.bus = harness.Bus(self.folder)
        self.world.closers.append(self.bus.process.stop)
        self.root = f"cells-{os.getpid()}-{self.folder.name[-6:]}".lower()
        self.world.closers.append(lambda: harness.end_vps(self.root))
        self.cgroup = harness.cgroup2_mount() / self.root
        config = self.folder / "cellsd.conf"
        config.write_text("stop-seconds = 3\nnetwork = no\npressure-ms = 0\nmerge-memory = no\n"
                          f"prepared-starts = {prepared}\n")
        self.cellsd = self.world.daemon(
            "cellsd", [harness.program("cellsd"), "--config", config, "--state-dir", state or self.world.subfolder("cellsd"),
                       "--run-dir", self.world.subfolder("run"), "--cgroup-root", self.root,
                       "--hardware", harness.TOP / f"data/hardware.d/{hardware}.conf", "--backend", backend, "--debug"],
            env={"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address})
        self.image = image or make_image(self.folder, "base", {"sbin/init": (0o755, INIT), "marker": (0o644, "base\n")})
        self.digest = "sha256:" + hashlib.sha256(self.image.read_bytes()).hexdigest()
        self.generation = 0

    def start(self):
        self.cellsd.start()
        self.give()
        return self

    def give(self):
        with open(self.image, "rb") as f:
            self.policy("Layer", "sh", self.digest, f.fileno())

    def call(self, user, method, signature="", *args, **more):
        return sdbus.call(self.bus.address, user, "Device1", method, signature, *args, **more)

    def policy(self, method, signature="", *args, **more):
        return self.call("cells-policy", method, signature, *args, **more)

    def apply(self, vps, rights, **conf):
        """rights: (vp, class name, use, block[, kill])"""
        self.generation += 1
        props = {"layers": ("as", [self.digest]), "init": ("s", "/sbin/init"), "label": ("s", "A label"),
                 "stop-signal": ("i", int(signal.SIGTERM)), "memory-max": ("t", 256 << 20), "pids-max": ("u", 64),
                 "cpu-weight": ("u", 100), **conf}
        rows = [(vp, CLASSES.index(c), use, block, kill[0] if kill else True) for vp, c, use, block, *kill in rights]
        return self.policy("Apply", "ta(sa{sv})a(suybb)s", self.generation, [(v, props) for v in vps], rows, "test")

    def list(self):
        return {name: props for name, props in self.policy("List")[0]}

    def state(self, vp):
        return self.list().get(vp, {}).get("state", "absent")

    def exec(self, vp, *argv):
        r, w = os.pipe()
        nothing, end = os.pipe()
        os.close(end)
        try:
            status = self.call("root", "Exec", "sashhh", vp, list(argv), nothing, w, w)
        finally:
            os.close(nothing)
            os.close(w)
        with os.fdopen(r, "rb") as f:
            return status, f.read().decode(errors="replace")

    def opens(self, vp, node):
        """Can the node be opened for reading in the VP?"""
        status, out = self.exec(vp, "/bin/sh", "-c", f": < /dev/{node}")
        assert status == 0 or "not permitted" in out, (vp, node, status, out)
        return status == 0

    def background(self, vp, script):
        return stay(self, vp, script)

    def data(self, vp):
        return data_of(self.cellsd, self.folder / "run", vp)

    def leaves(self):
        return sorted(p.name for p in self.cgroup.iterdir() if p.is_dir())

    def prepared(self):
        """Who waits prepared: a leaf, and not running."""
        names = [leaf.rsplit("-", 2)[0] for leaf in self.leaves()]
        vps = self.list()  # answered when what is being prepared is done
        return sorted(name for name in names if not vps[name]["pid"])

    def await_prepared(self, *vps):
        harness.until(lambda: self.prepared() == sorted(vps), 20)

    def waiting(self, vp):
        """The first process of a VP that is prepared."""
        leaf = next(n for n in self.leaves() if n.startswith(vp + "-"))
        return int((self.cgroup / leaf / "cgroup.procs").read_text())

    def close(self):
        self.world.close()


def end(p):
    p.kill()
    p.wait()


def reap(pid):
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@contextlib.contextmanager
def signals(phone):
    log = phone.folder / "signals"
    with open(log, "wb") as out:
        # dbus-monitor needs no root and writes each signal as it comes.
        p = subprocess.Popen(["dbus-monitor", "--address", phone.bus.address,
                              "type='signal',interface='org.cells.Device1'"], stdout=out, stderr=subprocess.DEVNULL)
    try:
        harness.until(lambda: log.stat().st_size > 0)
        with sdbus.owned(phone.bus.address, "cells-policy", "Policy1"):
            yield lambda: log.read_text(errors="replace")
    finally:
        p.kill()
        p.wait()


def memfd(data):
    fd = os.memfd_create("secret", os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
    return fd


def secret_call(phone, method, vp, *secrets):
    fds = [memfd(s) for s in secrets]
    try:
        return phone.policy(method, "s" + "h" * len(fds), vp, *fds)
    finally:
        for fd in fds:
            os.close(fd)


def unlock(phone, vp, passcode=b""):
    secret_call(phone, "Unlock", vp, passcode)


def sleeps(phone, vp):
    """Has a script come to its end, "exec sleep 4711", and is not ended itself?"""
    return re.search(r"\d +sleep 4711$", phone.exec(vp, "/bin/busybox", "ps")[1], re.M) is not None


def mounts_of(phone):
    return len(pathlib.Path(f"/proc/{phone.cellsd.child.pid}/mountinfo").read_text().splitlines())


def ctl(phone, *args, **more):
    return harness.run([harness.program("cellsctl"), *args], env={"DBUS_SYSTEM_BUS_ADDRESS": phone.bus.address}, **more)
