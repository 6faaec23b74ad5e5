# SPDX-License-Identifier: Apache-2.0
"""Real inits in VPs: Debian's systemd to multi-user and down again, busybox's init."""
import hashlib
import os
import signal
import subprocess

import pytest

import debroot
import harness
from vpdevice import make_image
from vpfixtures import fixture_phone  # noqa: F401

RTMIN_3 = signal.SIGRTMIN + 3
INITTAB = "::sysinit:/bin/busybox --install -s /bin\n::respawn:/bin/sleep 1000\n::shutdown:/bin/touch /halted\n" \
          "::restart:/bin/true\n"
BYE = """[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/touch /bye
"""


def give(phone, image):
    digest = "sha256:" + hashlib.sha256(image.read_bytes()).hexdigest()
    with open(image, "rb") as f:
        phone.policy("Layer", "sh", digest, f.fileno())
    return digest


@pytest.mark.skipif(bool(debroot.missing()), reason=f"not installed: {' '.join(debroot.missing())}")
def test_systemd_comes_up_and_goes_down(phone):
    root = debroot.make(phone.folder / "debian")
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants.parent / "bye.service").write_text(BYE)
    (wants / "bye.service").symlink_to("../bye.service")
    image = phone.folder / "debian.erofs"
    subprocess.run(["mkfs.erofs", "-T0", "--quiet", image, root], check=True, stdout=subprocess.DEVNULL)
    phone.apply(["work"], [], layers=("as", [give(phone, image)]),
                **{"stop-signal": ("i", int(RTMIN_3)), "pids-max": ("u", 512)})
    for again in (False, True):
        phone.policy("Start", "s", "work")
        assert (phone.exec("work", "/bin/test", "-e", "/bye")[0] == 0) == again, "the first end was an orderly one"
        harness.until(lambda: phone.exec("work", "/bin/systemctl", "is-system-running")[1].strip() in ("running", "degraded"), 60)
        status, failed = phone.exec("work", "/bin/systemctl", "--failed", "--no-legend", "--plain")
        assert status == 0 and failed.strip() == "", failed
        for unit in ("multi-user.target", "dbus.service", "systemd-logind.service", "systemd-journald.service"):
            assert phone.exec("work", "/bin/systemctl", "is-active", unit) == (0, "active\n"), unit
        assert phone.exec("work", "/bin/systemd-detect-virt") == (0, "container-other\n")
        # It manages cgroups of its own, below the VP's.
        assert list(phone.cgroup.glob("*/system.slice/dbus.service"))
        phone.policy("Stop", "s", "work")
        assert phone.state("work") == "stopped" and phone.leaves() == []
    assert "multi-user.target" in phone.cellsd.tail(400), "it writes on its console"


def test_busybox_init(phone):
    image = make_image(phone.folder, "inittab", {"sbin/init": (0o755, ""), "root/inittab": (0o644, INITTAB)})
    root = phone.folder / "inittab.root"
    (root / "sbin/init").unlink()
    (root / "sbin/init").symlink_to("../bin/busybox")
    (root / "etc").mkdir()
    os.rename(root / "root/inittab", root / "etc/inittab")
    image.unlink()
    subprocess.run(["mkfs.erofs", "-T0", "--quiet", image, root], check=True, stdout=subprocess.DEVNULL)
    # As the recipe has it: no VP may reboot, so its init ends by becoming another program.
    phone.apply(["work"], [], layers=("as", [give(phone, image)]), **{"stop-signal": ("i", int(signal.SIGQUIT))})
    phone.policy("Start", "s", "work")
    harness.until(lambda: phone.exec("work", "/bin/pidof", "sleep")[0] == 0)
    assert "init" in phone.exec("work", "/bin/busybox", "cat", "/proc/1/comm")[1]
    pid = int(phone.exec("work", "/bin/busybox", "pidof", "sleep")[1])
    phone.exec("work", "/bin/busybox", "kill", "-9", str(pid))
    harness.until(lambda: phone.exec("work", "/bin/busybox", "pidof", "sleep")[1].strip() not in ("", str(pid)))
    phone.policy("Stop", "s", "work")
    assert phone.state("work") == "stopped" and phone.leaves() == []
    phone.policy("Start", "s", "work")
    assert phone.exec("work", "/bin/busybox", "test", "-e", "/halted")[0] == 0
