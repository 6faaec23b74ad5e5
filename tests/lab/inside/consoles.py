# SPDX-License-Identifier: Apache-2.0
"""No class gives a VP a terminal, console, memory or a maker of devices of the host, however udev has marked them, and
none reads a sensor in sysfs:
test_devnsgate.py runs this file on the phone, with ModemManager's rules and one that marks every terminal as a modem
and as a GPS receiver."""
import os
import pathlib
import stat
import subprocess
import sys

for folder in ("e2e", "lab"):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / folder))

import harness  # noqa: E402
import pytest  # noqa: E402
import vpdevice  # noqa: E402
from vpdevice import ANY, CLASSES, FRONT  # noqa: E402

MISC = ("uinput", "uhid", "vhci", "rfkill", "kmsg", "mem", "port", "loop-control", "snd/seq", "vcs", "vcsa1")
OWN = {(5, 0), (5, 2), (1, 3), (1, 5), (1, 7), (1, 8), (1, 9)}
NO_SHARED = {"display", "input", "vibrator", "led", "backlight", "modem", "power"}


def numbers(path):
    st = os.stat(path)
    return (os.major(st.st_rdev), os.minor(st.st_rdev)) if stat.S_ISCHR(st.st_mode) else None


def victims():
    """{path: number} of what the host has and no VP may have."""
    terminals = [p for p in pathlib.Path("/dev").glob("tty*") if (numbers(p) or (0,))[0] in (4, 5)]
    found = {p: numbers(p) for p in [*terminals, pathlib.Path("/dev/console"), *(pathlib.Path("/dev") / m for m in MISC)]
             if p.exists()}
    return {p: n for p, n in found.items() if n and n not in OWN}


def sensor(number):
    """An accelerometer that is not hardware, at a bus of the kernel's own; the attribute that it is read by."""
    bus = next(p.parent for p in pathlib.Path("/sys/bus/i2c/devices").glob("i2c-*/name") if "stub" in p.read_text())
    name = f"{bus.name.removeprefix('i2c-')}-{number:04x}"
    if not (bus / name).exists():
        (bus / "new_device").write_text(f"mma7660 {number:#x}")
    return next((pathlib.Path("/sys/bus/i2c/devices") / name).glob("iio:device*")) / "in_accel_x_raw"


@pytest.fixture(name="work", params=["devns", "cgroup"])
def fixture_work(request):
    """A VP in front that may use every class there is."""
    sensor(0x4C)
    phone = vpdevice.Phone("default", request.param)
    try:
        phone.start()
        phone.apply(["work"], [("work", c, FRONT if c in NO_SHARED else ANY, c in NO_SHARED) for c in CLASSES])
        phone.policy("Start", "s", "work")
        phone.policy("Switch", "s", "work")
        yield phone
    finally:
        phone.close()


def test_the_rules_have_marked_the_terminals():
    """Else the other test would show nothing."""
    said = subprocess.run(["udevadm", "info", "--query=property", "/dev/tty1"], capture_output=True, text=True, check=True).stdout
    assert {"ID_MM_CANDIDATE=1", "ID_MM_DEVICE_PROCESS=1", "ID_CELLS_GPS=1"} <= set(said.split())


def test_no_class_gives_what_is_the_host_s(work):
    closed = victims()
    assert {"tty1", "ttyS0", "console", "kmsg", "uinput"} <= {p.name for p in closed}
    dev = pathlib.Path(f"/proc/{work.list()['work']['pid']}/root/dev")
    node = dev / "theirs"
    opened = []
    for path, number in closed.items():
        os.mknod(node, stat.S_IFCHR | 0o666, os.makedev(*number))
        os.chmod(node, 0o666)
        if work.opens("work", "theirs"):
            opened.append(str(path))
        node.unlink()
    assert not opened
    # Nor are they there by name, and its own are where they were.
    there = {p for p in dev.rglob("*") if not p.is_symlink() and p.is_char_device()}
    assert not {p for p in there if numbers(p) in closed.values()}
    assert numbers(dev / "tty") == (5, 0) and numbers(dev / "console")[0] == 136
    assert os.readlink(dev / "ptmx") == "pts/ptmx"
    assert "class modem names /dev/tty1, which is given to no VP: a terminal of the host" in work.cellsd.log.read_text()
    # What a sensor says in sysfs is not for VPs, which need no node to read it: before the start, and plugged in later.
    early, late = sensor(0x4C), sensor(0x4D)
    assert early.read_text().strip().lstrip("-").isdigit() and late.read_text().strip().lstrip("-").isdigit()
    for attribute in (early, late):
        harness.until(lambda path=attribute: work.exec("work", "/bin/sh", "-c", f"cat {path}")[0] != 0)
    assert "Permission denied" in work.exec("work", "/bin/sh", "-c", f"cat {early} 2>&1")[1]
