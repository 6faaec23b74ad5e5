# SPDX-License-Identifier: Apache-2.0
"""What programs pay for being in a VP: the same work inside and outside, with 1, 5 and 20 VPs running."""
import contextlib
import os
import shutil
import subprocess
import types

import harness
import rival
from bench import Side, Skip

GROUP = "overhead"
WORKS = {"syscall": "one system call", "fork": "fork, exec, exit", "pipe": "a byte to another process and back",
         "switch": "one context switch", "fault": "one page of new memory", "read": "4 KiB from the page cache"}
ROUNDS = 25
VPS = (1, 5, 20)
FILE_SIZE = 1 << 20


class Worker:
    """worker.c, started once; each side asks its own, in turns."""

    def __init__(self, argv, env=None):
        self.p = subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                  stderr=subprocess.DEVNULL, env=dict(os.environ, **(env or {})))

    def ask(self, work):
        try:
            self.p.stdin.write(work + "\n")
            self.p.stdin.flush()
            line = self.p.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise Skip("its worker ended")
        return float(line) * 1e-9

    def close(self):
        self.p.stdin.close()
        try:
            self.p.wait(5)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()


class Scene:
    """A cellsd with as many VPs as the row wants; made by the first row, ended after the last."""

    def __init__(self):
        self.phone, self.workers, self.running = None, {}, 0

    def open(self):
        if os.geteuid() != 0:
            raise Skip("cellsd is the root daemon")
        from vpdevice import Phone, make_image
        self.phone = Phone()
        self.phone.start()
        program = harness.BUILD / "tests/bench/worker"
        data = self.phone.folder / "data"
        data.write_bytes(os.urandom(FILE_SIZE))
        image = make_image(self.phone.folder, "work", {})
        root = self.phone.folder / "work.root"
        shutil.copy(program, root / "bin/worker")
        shutil.copy(data, root / "data")
        image.unlink()
        subprocess.run(["mkfs.erofs", "-T0", "--quiet", image, root], check=True, stdout=subprocess.DEVNULL)
        with open(image, "rb") as f:
            self.phone.policy("Layer", "sh", "sha256:" + "e" * 64, f.fileno())
        self.phone.apply([f"vp{i}" for i in range(max(VPS))], [], layers=("as", [self.phone.digest, "sha256:" + "e" * 64]))
        self.want(1)
        bus = {"DBUS_SYSTEM_BUS_ADDRESS": self.phone.bus.address}
        self.workers = {
            "VP": Worker([harness.program("cellsctl"), "exec", "vp0", "--", "/bin/worker", "/data"], bus),
            "native": Worker([program, data]),
            "filter": Worker([harness.BUILD / "tests/bench/filtered", program, data]),
            "least": Worker([harness.BUILD / "tests/bench/filtered", "--least", program, data])}
        if shutil.which("crun"):
            merged = rival.overlay(self.phone.folder / "overlay", root)
            self.phone.world.closers.append(lambda: subprocess.run(["umount", merged], check=True))
            folder = rival.bundle(self.phone.folder / "bundle", merged, ["/bin/worker", "/data"])
            self.workers["crun"] = Worker([*rival.UNIFIED, "crun", "--root", self.phone.folder / "crun", "--cgroup-manager=disabled",
                                           "run", "--bundle", folder, f"overhead-{os.getpid()}"])

    def want(self, n):
        for i in range(self.running, n):
            self.phone.policy("Start", "s", f"vp{i}")
        self.running = max(self.running, n)

    def close(self):
        for w in self.workers.values():
            w.close()
        if self.phone:
            self.phone.close()
        self.__init__()


SCENE = Scene()


@contextlib.contextmanager
def sides(work, n, last):
    try:
        if not SCENE.phone:
            SCENE.open()
        SCENE.want(n)

        def side(name, worker, **more):
            return Side(name, lambda: SCENE.workers[worker].ask(work), **more)
        yield [side("in a VP", "VP", ours=True, note=f"{n} running"), side("native", "native", note="the limit"),
               *([side("native, our filter", "filter", note="what seccomp costs"),
                  side("native, the least filter", "least", note="one instruction: what seccomp itself costs"),
                  side("crun", "crun", package="crun", needs=("crun",), note="a container on overlayfs, as podman has them")] if n == 1 else [])]
    except BaseException:
        SCENE.close()
        raise
    else:
        if last:
            SCENE.close()


def rows(wanted):
    """One row for each work and number of VPs."""
    pairs = [(n, work) for n in VPS for work in WORKS]
    return [types.SimpleNamespace(
        NAME=f"{GROUP}-{work}-{n}", GROUP=GROUP, WORK=f"{WORKS[work]}, {n} VP{'s' if n > 1 else ''} running", ROUNDS=ROUNDS,
        LIMIT="native", sides=lambda n=n, work=work, last=(i == len(pairs) - 1 or wanted): sides(work, n, last))
        for i, (n, work) in enumerate(pairs)]
