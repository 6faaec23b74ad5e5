# SPDX-License-Identifier: Apache-2.0
"""Kernel modules that load because somebody asked for what the kernel does not have. The kernel is the machine's, so the lab's
phone runs this: CELLS_LAB is set there."""
import os
import pathlib

import pytest

import harness
from test_net import DNS, NAT, SERVER, Connected

PROGRAM = pathlib.Path("/proc/sys/kernel/modprobe")
KIND = "minix"  # a file system that nobody has

if not os.environ.get("CELLS_LAB"):
    pytest.skip("loads modules: on the lab's phone only", allow_module_level=True)


def is_loaded():
    return any(line.split()[0] == KIND for line in pathlib.Path("/proc/modules").read_text().splitlines())


def ask(phone):
    """What a VP's root gets who mounts one."""
    return phone.exec("work", "/bin/sh", "-c", f"busybox mkdir -p /m; busybox mount -t {KIND} none /m 2>&1")[1]


def test_nobody_has_the_kernel_load_a_module_while_vps_run():
    ours = PROGRAM.read_text()
    assert ours.strip() and not is_loaded()
    phone = Connected()
    try:
        phone.configure(f"dns = {DNS}\nload-modules = no\n")
        phone.start()
        assert PROGRAM.read_text() == ours, "no VP runs"
        phone.apply(["work", "personal"], [], **NAT)
        for vp in ("work", "personal"):
            phone.policy("Start", "s", vp)
            assert PROGRAM.read_text() == "\n"
        # Everything of ours is there on a machine that has just booted.
        harness.until(lambda: phone.reaches("work", f"{SERVER}:80"))
        assert "No such device" in ask(phone) and not is_loaded()
        phone.cellsd.kill()
        phone.cellsd.start()
        assert PROGRAM.read_text() == "\n" and "No such device" in ask(phone) and not is_loaded()
        phone.policy("Stop", "s", "work")
        assert PROGRAM.read_text() == "\n", "one still runs"
        phone.policy("Stop", "s", "personal")
        assert PROGRAM.read_text() == ours
        phone.give()
        phone.policy("Start", "s", "work")
        phone.cellsd.kill()
        phone.configure(f"dns = {DNS}\n")
        phone.cellsd.start()
        assert PROGRAM.read_text() == ours, "the configuration says otherwise now"
        # What it is good for: so it would be without.
        ask(phone)
        assert is_loaded()
        # The other way round it holds for a VP that ran before.
        phone.cellsd.kill()
        phone.configure(f"dns = {DNS}\nload-modules = no\n")
        phone.cellsd.start()
        assert PROGRAM.read_text() == "\n"
        phone.policy("Stop", "s", "work")
        assert PROGRAM.read_text() == ours
    finally:
        phone.close()
        PROGRAM.write_text(ours)
