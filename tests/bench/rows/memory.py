# SPDX-License-Identifier: Apache-2.0
"""What one more idle VP on the same base takes."""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import time

import rival
from bench import Side, Skip

NAME = "memory"
WORK = "memory of one more idle VP on a base that others run on (busybox init)"
UNIT = "KiB"
ROUNDS = 8
LIMIT = "its one process's own pages"
MORE = 8
SETTLE_SECONDS = 0.3


def proportional(pids):
    """Pages of processes, each page divided among those that have it mapped."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += int(re.search(r"^Pss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])
    return total


class Vps:
    def __init__(self, phone):
        self.phone = phone
        self.names = [f"vp{i}" for i in range(MORE)]

    def start(self):
        for name in self.names:
            self.phone.policy("Start", "s", name)
        time.sleep(SETTLE_SECONDS)

    def stop(self):
        for name in self.names:
            self.phone.policy("Stop", "s", name)

    def pids(self):
        return [int(pid) for leaf in self.phone.leaves() if not leaf.startswith("first")
                for pid in (self.phone.cgroup / leaf / "cgroup.procs").read_text().split()]

    def counted(self):
        return sum(int((self.phone.cgroup / leaf / "memory.current").read_text()) >> 10
                   for leaf in self.phone.leaves() if not leaf.startswith("first"))


class Containers:
    def __init__(self, phone):
        self.root, self.children = phone.folder / "crun", []
        self.bundle = rival.bundle(phone.folder / "bundle", phone.folder / "base.root", ["/bin/busybox", "sleep", "1000"])
        self.crun = [*rival.UNIFIED, "crun", "--root", str(self.root), "--cgroup-manager=disabled"]

    def start(self):
        for i in range(MORE):
            self.children.append(subprocess.Popen([*self.crun, "run", "--bundle", str(self.bundle), f"memory-{os.getpid()}-{i}"],
                                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        time.sleep(SETTLE_SECONDS * 3)

    def stop(self):
        for i, child in enumerate(self.children):
            subprocess.run([*self.crun, "delete", "--force", f"memory-{os.getpid()}-{i}"], capture_output=True, check=False)
            child.kill()
            child.wait()
        self.children = []

    def pids(self):
        """crun itself stays as the parent: it counts as well."""
        found = []
        for child in self.children:
            found.append(child.pid)
            with contextlib.suppress(OSError):
                found += [int(p) for p in pathlib.Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()]
        return found


def measure(scene, count):
    try:
        scene.start()
        return count() / MORE
    finally:
        scene.stop()


@contextlib.contextmanager
def sides():
    if os.geteuid() != 0:
        raise Skip("cellsd is the root daemon")
    from vpdevice import Phone
    phone = Phone()
    try:
        phone.start()
        phone.apply(["first", *(f"vp{i}" for i in range(MORE))], [])
        phone.policy("Start", "s", "first")
        vps = Vps(phone)
        found = [Side("VP", lambda: measure(vps, lambda: proportional(vps.pids())), ours=True,
                      note="PSS of its processes, without the kernel's part")]
        if "memory" in (phone.cgroup / "cgroup.controllers").read_text().split():
            found.append(Side("VP, all", lambda: measure(vps, vps.counted), note="as its cgroup counts, kernel included"))
        if shutil.which("crun"):
            containers = Containers(phone)
            found.append(Side("crun", lambda: measure(containers, lambda: proportional(containers.pids())), package="crun",
                              note="the same, and crun's own process, which waits"))
        yield found
    finally:
        phone.close()
