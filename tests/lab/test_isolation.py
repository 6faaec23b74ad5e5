# SPDX-License-Identifier: Apache-2.0
"""What keeps VPs in, where the kernel has all of it: every controller of cgroup v2, and SELinux."""
import os
import re
import shutil

import kernel
import pytest

PHONE = {"append": "lsm=landlock,selinux,bpf selinux=1 cryptomgr.notests=1", "display": "none"}
BUILD = os.environ.get("CELLS_BUILD", str(kernel.TOP / "build"))


def inside(phone, *names, seconds=400):
    """pytest on the phone; what it skipped, by reason."""
    phone.run("modprobe -a loop erofs fuse tun")
    r = phone.run(f"cd {kernel.TOP} && CELLS_BUILD={BUILD} /usr/bin/python3 -m pytest -q -rs -p no:cacheprovider {' '.join(names)}",
                  seconds, check=False)
    assert r.rc == 0, r.out[-6000:]
    return re.findall(r"^SKIPPED .*", r.out, re.M)


def test_nothing_gets_out_where_limits_hold(phone):
    """The escape suite with its bombs, which need controllers of cgroup v2."""
    controllers = phone.run("cat /sys/fs/cgroup/cgroup.controllers").out.split()
    assert {"memory", "pids", "cpu"} <= set(controllers)
    # A VP that runs out of its memory is reported with a trace, which is not a fault of the kernel.
    phone.run("dmesg -n 3")
    assert not [line for line in inside(phone, "tests/e2e/test_escape.py") if "controller" in line]
    phone.run("dmesg -n 5")


def test_selinux_in_enforcing_mode(phone):
    if not shutil.which("secilc"):
        pytest.skip("secilc is not installed (package secilc)")
    assert phone.run("grep -c selinuxfs /proc/filesystems", check=False).out.strip() == "1"
    assert not inside(phone, "tests/lab/inside/vplabels.py")
    # And the attempts once more, under the label; without the bombs.
    inside(phone, "tests/e2e/test_escape.py", "-k", "nothing_gets_out")
