# SPDX-License-Identifier: Apache-2.0
"""Runs on the emulated phone: VPs under SELinux. The policy is the lab's small base, which allows the host everything,
and data/selinux/cells.cil; it is loaded here, for good."""
import os
import pathlib
import re
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(TOP / "tests/e2e"), str(TOP / "tests/lab")]

import harness  # noqa: E402
import makebase  # noqa: E402
from vpdevice import BOTH, Phone  # noqa: E402

SELINUXFS = makebase.SELINUXFS


def enforce(on):
    (SELINUXFS / "enforce").write_text("1" if on else "0")


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("policy")
    if not os.path.ismount(SELINUXFS):
        subprocess.run(["mount", "-t", "selinuxfs", "none", SELINUXFS], check=True)
    (folder / "base.cil").write_text(makebase.base())
    subprocess.run(["secilc", "-M", "true", "-c", "33", "-o", folder / "policy", "-f", "/dev/null", folder / "base.cil",
                    TOP / "data/selinux/cells.cil"], check=True)
    fd = os.open(SELINUXFS / "load", os.O_WRONLY)
    os.write(fd, (folder / "policy").read_bytes())  # as a whole, or not at all
    os.close(fd)
    # libselinux takes a machine without this file for one without SELinux.
    pathlib.Path("/etc/selinux").mkdir(exist_ok=True)
    pathlib.Path("/etc/selinux/config").write_text("SELINUX=enforcing\nSELINUXTYPE=cells\n")
    enforce(True)
    yield
    enforce(False)


@pytest.fixture(scope="module")
def two(policy):
    phone = Phone()
    try:
        phone.start()
        phone.apply(["work", "personal"], BOTH)
        phone.policy("Start", "s", "work")
        phone.policy("Start", "s", "personal")
        yield phone
    finally:
        phone.close()


def context(pid):
    return pathlib.Path(f"/proc/{pid}/attr/current").read_text().strip("\0\n")


def test_each_vp_has_the_type_and_a_pair_of_its_own(two):
    assert (SELINUXFS / "enforce").read_text() == "1"
    assert context("self").startswith("system_u:system_r:kernel_t:")
    found = {vp: context(p["pid"]) for vp, p in two.list().items()}
    pairs = {vp: re.fullmatch(r"system_u:system_r:cells_vp_t:s0:(c\d+),(c\d+)", c) for vp, c in found.items()}
    assert all(pairs.values()), found
    assert pairs["work"].groups() != pairs["personal"].groups()
    # What comes in later is in it as well, and the list says that it is enforced.
    assert two.exec("work", "/bin/busybox", "cat", "/proc/self/attr/current")[1].strip("\0\n") == found["work"]
    assert all("selinux" not in p["not-enforced"] for p in two.list().values())
    assert "selinux" not in {row[0] for row in two.policy("Status")}
    enforce(False)
    try:
        assert all("selinux" in p["not-enforced"] for p in two.list().values())
        assert "permissive" in {row[0]: row[1] for row in two.policy("Status")}["selinux"]
    finally:
        enforce(True)


def test_a_vp_without_new_privileges_has_its_label_too(policy):
    phone = Phone()
    try:
        phone.start()
        phone.apply(["work"], BOTH[:2], **{"no-new-privileges": ("b", True)})
        phone.policy("Start", "s", "work")
        assert ":cells_vp_t:" in context(phone.list()["work"]["pid"])
        out = phone.exec("work", "/bin/busybox", "cat", "/proc/self/attr/current", "/proc/self/status")[1]
        assert ":cells_vp_t:" in out and "NoNewPrivs:\t1" in out
    finally:
        phone.close()


def test_files_bear_the_label_of_their_vp(two):
    two.exec("work", "/bin/sh", "-c", "echo mine > /mine; echo run > /run/mine; echo shm > /dev/shm/mine")
    pid = two.list()["work"]["pid"]
    labels = {os.getxattr(f"/proc/{pid}/root/{f}", "security.selinux").decode().strip("\0")
              for f in ("mine", "run/mine", "dev/shm/mine", "dev/null", "dev/console", "marker")}
    assert len(labels) == 1
    label = labels.pop()
    assert label.replace("object_r:cells_vp_file_t", "system_r:cells_vp_t") == context(pid)


def test_a_vp_cannot_change_its_label(two):
    for text, file in (("system_u:system_r:kernel_t:s0-s0:c0.c1023", "current"), ("system_u:system_r:kernel_t:s0", "exec"),
                       ("system_u:system_r:cells_vp_t:s0:c1000,c1001", "current")):
        status, _ = two.exec("work", "/bin/sh", "-c", f"printf '%s' {text} > /proc/self/attr/{file}")
        assert status != 0, text


def test_vps_work_under_it(two):
    script = ("busybox mkdir /d && echo x > /d/f && busybox ln -s f /d/l && busybox cat /d/l && busybox mkfifo /d/p && "
              "busybox mount -t tmpfs none /tmp && echo y > /tmp/y && busybox umount /tmp && busybox ps > /dev/null && "
              "busybox kill -0 1 && busybox ip link > /dev/null && busybox ls /sys /proc/sys /dev/pts > /dev/null && "
              ": < /dev/null && : < /dev/urandom && echo said > /dev/console && busybox rm -r /d")
    status, out = two.exec("work", "/bin/sh", "-ec", script)
    assert (status, out) == (0, "x\n"), out
    assert two.opens("personal", "hwrng") and not two.opens("work", "hwrng")
    for vp in ("work", "personal"):
        two.policy("Stop", "s", vp)
        assert two.state(vp) == "stopped"
        two.policy("Start", "s", vp)
