# SPDX-License-Identifier: Apache-2.0
"""cellsd and cells-policyd with the real module: inside/*.py, run on the phone by its own pytest."""
import pytest
import vpphone


@pytest.fixture(scope="module", name="ready")
def fixture_ready(booted, module):
    vpphone.prepare(booted, module)
    return booted


def inside(phone, name):
    answer = phone.run(f"cd {vpphone.kernel.TOP} && {vpphone.environment(phone)} CELLS_ROUNDS=1 /usr/bin/python3 -m pytest -v -p no:cacheprovider "
                       f"{vpphone.INSIDE / name}", 900, check=False)
    print(answer.out)
    assert answer.rc == 0, answer.out[-12000:]


def test_the_backend_holds_vps_to_their_classes(ready):
    inside(ready, "devnsgate.py")


def test_receipts_and_audit_tell_of_it(ready):
    inside(ready, "receipts.py")


# As a package for a modem may bring them.
RULES = 'SUBSYSTEM=="tty", ENV{ID_MM_DEVICE_PROCESS}="1", ENV{ID_CELLS_GPS}="1"'


def test_no_class_gives_a_console(ready):
    ready.run(f"mkdir -p /run/udev/rules.d && echo '{RULES}' >/run/udev/rules.d/70-modem.rules; "
              "modprobe -a uinput uhid hci_vhci rfkill")
    ready.udev()
    inside(ready, "consoles.py")
