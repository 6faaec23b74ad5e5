# SPDX-License-Identifier: Apache-2.0
"""What a VP learns of the host and of other VPs: by /proc and /sys, by what it can watch, by its ids."""
import os
import pathlib
import re

import pytest

import harness
from vpdevice import BOTH, INIT, Phone, make_image

BAKED = "0123456789abcdef0123456789abcdef"
# Of the kernel as a whole; the host has each, where it has it at all.
HIDDEN = ["/proc/diskstats", "/proc/partitions", "/proc/vmstat", "/proc/softirqs", "/proc/schedstat", "/proc/keys",
          "/proc/sys/fs/file-nr", "/proc/sys/fs/inode-nr", "/proc/pressure/cpu", "/sys/block", "/sys/class/block", "/sys/dev/block",
          "/sys/class/bdi", "/sys/fs/ext4", "/sys/kernel/mm/ksm", "/sys/kernel/irq", "/sys/devices/virtual/thermal"]


@pytest.fixture(name="two", scope="module")
def fixture_two():
    p = Phone()
    try:
        p.image = make_image(p.folder, "baked", {"sbin/init": (0o755, INIT), "etc/machine-id": (0o444, BAKED + "\n")},
                             {"bin/escape": harness.BUILD / "tests/e2e/escape"})
        p.digest = "sha256:" + harness.run(["sha256sum", p.image]).stdout.split()[0]
        p.start()
        p.apply(["work", "personal"], BOTH)
        p.policy("Start", "s", "work")
        p.policy("Start", "s", "personal")
        yield p
    finally:
        p.close()


def read(two, vp, path):
    return two.exec(vp, "/bin/busybox", "cat", path)[1].strip()


def test_a_boot_id_of_its_own(two):
    path = "/proc/sys/kernel/random/boot_id"
    ids = [read(two, "work", path), read(two, "personal", path), pathlib.Path(path).read_text().strip()]
    assert len(set(ids)) == 3 and all(len(i) == 36 and i.count("-") == 4 for i in ids), ids
    assert read(two, "work", path) == ids[0]


def test_a_machine_id_of_its_own_for_good(two):
    work, personal = (read(two, vp, "/etc/machine-id") for vp in ("work", "personal"))
    assert len({work, personal, BAKED}) == 3 and len(work) == len(personal) == 32, (work, personal)
    two.policy("Stop", "s", "work")
    two.policy("Start", "s", "work")
    assert read(two, "work", "/etc/machine-id") == work
    # What the VP has written itself stays, too.
    assert two.exec("personal", "/bin/busybox", "sh", "-c", f"echo {BAKED} > /etc/machine-id")[0] == 0
    two.policy("Stop", "s", "personal")
    two.policy("Start", "s", "personal")
    assert read(two, "personal", "/etc/machine-id") == BAKED


@pytest.mark.parametrize("path", HIDDEN)
def test_counters_of_everybody_are_hidden(two, path):
    if not os.path.exists(path):
        pytest.skip(f"this kernel has no {path}")
    assert os.path.isdir(path) or pathlib.Path(path).read_text()
    status, out = two.exec("work", "/bin/busybox", "sh", "-c", f"if [ -d {path} ]; then ls {path}; else cat {path}; fi")
    assert (status == 0 and out == "") or (status == 1 and ("denied" in out or "No such file" in out)), out


def test_memory_load_and_uptime_are_the_device_s(two):
    """README's list of what is not protected has them."""
    total = re.search(r"^MemTotal:.*$", pathlib.Path("/proc/meminfo").read_text(), re.M).group()
    assert total in read(two, "work", "/proc/meminfo")
    boot = re.search(r"^btime .*$", pathlib.Path("/proc/stat").read_text(), re.M).group()
    assert boot in read(two, "work", "/proc/stat")
    up, there = (float(t.split()[0]) for t in (pathlib.Path("/proc/uptime").read_text(), read(two, "work", "/proc/uptime")))
    assert 0 <= there - up < 60
    load, there = (float(t.split()[2]) for t in (pathlib.Path("/proc/loadavg").read_text(), read(two, "work", "/proc/loadavg")))
    assert abs(there - load) < 1


def test_no_disk_is_seen_anywhere(two):
    data = two.data("work")
    assert data.is_dir()
    # The host sees the images of all VPs by name.
    assert any("personal" in p.read_text() for p in pathlib.Path("/sys/block").glob("loop*/loop/backing_file"))
    out = two.exec("work", "/bin/busybox", "find", "/sys", "(", "-name", "backing_file", "-o", "-path", "*/block/*/stat", "-o",
                   "-name", "thermal_throttle", "-o", "-name", "lifetime_write_kbytes", ")")[1]
    assert out == "", out


@pytest.mark.parametrize("path", ["/proc/keys", "/proc/diskstats", "/sys/fs/ext4", "/proc/kcore"])
def test_a_mask_tells_of_nobody_else(two, path):
    """It is neither the host's /dev/null, nor a file that other VPs have as their masks, too."""
    watcher = two.background("work", f"exec /bin/escape watch {path} > /tmp/seen")
    harness.until(lambda: read(two, "work", "/tmp/seen"))
    for _ in range(3):
        pathlib.Path("/dev/null").write_bytes(b"")
        two.exec("personal", "/bin/busybox", "sh", "-c", f"cat {path}; ls {path}")
    said = read(two, "work", "/tmp/seen")
    watcher.kill()
    watcher.wait()
    assert "seen" not in said, said
