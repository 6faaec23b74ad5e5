# SPDX-License-Identifier: Apache-2.0
"""What it takes to run the real daemons with VPs on the phone: the module, a camera, a sound card, and a disk."""
import pathlib

import kernel
from talk import Talk

INSIDE = kernel.TOP / "tests/lab/inside"
STEWARD = pathlib.Path(__file__).parent / "steward.py"
DISK = (("loop",), ("ext4",), ("erofs",))
DRIVERS = (("vivid", "n_devs=1"), ("snd-dummy",), *DISK)


def prepare(phone, module, drivers=DRIVERS):
    phone.insmod(module)
    for driver, *parameters in drivers:
        phone.modprobe(driver, *parameters)
    # A tmpfs of 6.1 cannot be id-mapped, so VPs' data lies on ext4.
    phone.run("truncate -s 900M /run/disk && mkfs.ext4 -q -O encrypt /run/disk && mkdir /run/data && "
              "mount -o loop /run/disk /run/data && chmod 1777 /run/data")


def environment(phone):
    """For what runs there, as words of a command."""
    return f"TMPDIR=/run/data CELLS_BUILD={phone.kernel.programs()} PYTHONDONTWRITEBYTECODE=1"


def steward(phone):
    """steward.py on the phone."""
    return Talk(phone, ["env", f"CELLS_BUILD={phone.kernel.programs()}", "/usr/bin/python3", STEWARD], 200)
