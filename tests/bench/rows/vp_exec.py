# SPDX-License-Identifier: Apache-2.0
"""A program in a VP that runs already."""
import contextlib
import os
import shutil
import subprocess
import time

import harness
import rival
from bench import Side, Skip

NAME = "vp-exec"
WORK = "run true in a running VP, from the command line until it has ended"
ROUNDS = 40
LIMIT = "fork and exec of the same program, outside"
TRUE = ["/bin/busybox", "true"]


def run(argv, env=None):
    # No time-out: with one, waiting is polling.
    r = subprocess.run([str(a) for a in argv], env=dict(os.environ, **(env or {})), stdin=subprocess.DEVNULL,
                       capture_output=True, check=False)
    if r.returncode != 0:
        raise Skip((r.stderr.decode().strip().splitlines() or [f"exit {r.returncode}"])[-1])


def crun_side(phone):
    """A container that sleeps, and `crun exec` into it."""
    root, name = phone.folder / "base.root", f"exec-{os.getpid()}"
    folder = rival.bundle(phone.folder / "bundle", root, ["/bin/busybox", "sleep", "1000"])
    crun = [*rival.UNIFIED, "crun", "--root", phone.folder / "crun", "--cgroup-manager=disabled"]
    child = subprocess.Popen([str(a) for a in [*crun, "run", "--bundle", folder, name]], stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.3)

    def end():
        subprocess.run([str(a) for a in [*crun, "delete", "--force", name]], capture_output=True, check=False)
        child.kill()
        child.wait()
    phone.world.closers.append(end)
    return Side("crun exec", lambda: run([*crun, "exec", name, *TRUE]), package="crun", needs=("crun",),
                note="and unshare(1), so that it sees cgroup v2 only")


@contextlib.contextmanager
def sides():
    if os.geteuid() != 0:
        raise Skip("cellsd is the root daemon")
    from vpdevice import BOTH, Phone
    phone = Phone()
    try:
        phone.start()
        phone.apply(["work", "personal"], BOTH)
        phone.policy("Start", "s", "work")
        pid = phone.list()["work"]["pid"]
        bus = {"DBUS_SYSTEM_BUS_ADDRESS": phone.bus.address}
        yield [Side("cellsctl exec", lambda: run([harness.program("cellsctl"), "exec", "work", "--", *TRUE], bus), ours=True,
                    note="over the bus, in the VP's cgroup, filtered"),
               *([crun_side(phone)] if shutil.which("crun") else []),
               Side("nsenter", lambda: run(["nsenter", "-t", pid, "-a", *TRUE]), package="util-linux", needs=("nsenter",),
                    note="as the host's root: no cgroup, no filter, all capabilities"),
               Side("fork and exec", lambda: run(TRUE), note="the limit")]
    finally:
        phone.close()
