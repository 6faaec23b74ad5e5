# SPDX-License-Identifier: Apache-2.0
"""cellsd and cells-policyd with the real module: inside/*.py, run on the phone by its own pytest."""
import pytest
import vpphone

PHONE = {"devices": ["-device", "qemu-xhci", "-chardev", "null,id=port", "-device", "usb-serial,chardev=port,always-plugged=on"]}


@pytest.fixture(scope="module", name="ready")
def fixture_ready(booted, module):
    vpphone.prepare(booted, module)
    return booted


def inside(phone, name, *words):
    answer = phone.run(f"cd {vpphone.kernel.TOP} && {vpphone.environment(phone)} CELLS_ROUNDS=1 /usr/bin/python3 -m pytest -v -p no:cacheprovider "
                       f"{vpphone.INSIDE / name} {' '.join(words)}", 900, check=False)
    print(answer.out)
    assert answer.rc == 0, answer.out[-12000:]
    return answer.out


def test_the_backend_holds_vps_to_their_classes(ready):
    inside(ready, "devnsgate.py")


def test_receipts_and_audit_tell_of_it(ready):
    inside(ready, "receipts.py")


# As a package for a modem may bring them.
RULES = 'SUBSYSTEM=="tty", ENV{ID_MM_DEVICE_PROCESS}="1", ENV{ID_CELLS_GPS}="1"'


def test_no_class_gives_a_console(ready):
    ready.run(f"mkdir -p /run/udev/rules.d && echo '{RULES}' >/run/udev/rules.d/70-modem.rules; "
              "modprobe -a uinput uhid hci_vhci rfkill; modprobe i2c-stub chip_addr=0x4c,0x4d; modprobe mma7660")
    ready.udev()
    inside(ready, "consoles.py")


def test_a_terminal_is_found_by_its_other_name(ready):
    ready.run("modprobe -a xhci_pci ftdi_sio; for i in $(seq 50); do test -e /dev/ttyUSB0 && exit; sleep 0.2; done; exit 1")
    assert "1 passed" in inside(ready, "../../e2e/test_cellsd.py", "-k", "other_name")
