# SPDX-License-Identifier: Apache-2.0
"""Power cuts while cellsd wipes or locks a VP. The phone goes off without a word, at a step that its log just recorded or
at any moment; after power-on the wipe is finished and the lock whole, and another VP's data is as it was. The disk is
read as a thief would, from outside. It is slow while it matters, so that there is a moment between any two writes."""
import mmap
import os
import random
import re
import subprocess
import sys

import kernel
import pytest
import vpphone
from talk import Refused

sys.path.insert(0, str(kernel.TOP / "tests/e2e"))

import escrow  # noqa: E402

FOLDER = "/run/kept"
LOG = f"{FOLDER}/state/log"
MARKER = "cells-marker-4711-"
WRITES = 40  # a second, while something is under way
# What the log records, and the seconds from then to the cut.
WIPE = [("step work shred", 0.15), ("job ", 0)]
LOCK = ("state work locked", 1, True)
WIPE_STEPS = ("job ", "destroying ", "step work evict", "step work shred", "step work delete", "measured ", "done ")
ROUNDS, SEED = int(os.environ.get("CELLS_ROUNDS", "100")), int(os.environ.get("CELLS_SEED", "1"))


def disk_of(folder):
    path = folder / "disk"
    with open(path, "wb") as f:
        f.truncate(256 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-O", "encrypt", path], check=True)
    return path


class Device:
    """cellsd on a phone with a kept disk."""

    def __init__(self, phone):
        self.phone = phone
        self.private, self.recovery = escrow.random_point()

    def on(self):
        """After power-on; `log` is what cellsd's log held before it was started."""
        self.phone.run(f"modprobe -a loop erofs ext4; mkdir {FOLDER} && mount /dev/vda {FOLDER}")
        self.log = self.phone.run(f"cat {LOG}", check=False).out
        self.cells = vpphone.steward(self.phone)

    def start(self):
        self.cells.start(FOLDER, "cgroup")

    def up(self, vault=False):
        """Both VPs run; what `work` gets again is a vault, or a folder."""
        self.cells.apply(["work", "personal"], [], {"recovery": ("s", self.recovery),
                                                    "storage-max": ("t", 48 << 20 if vault else 0)})
        for vp in ("work", "personal"):
            self.cells.policy("Start", "s", vp)

    def mark(self):
        """Both have data of their own, on disk; answers what identifies it."""
        self.run("work", f"m={MARKER}; busybox yes $m$m$m$m | busybox head -c 500000 >/root/marked; : >/root/$m")
        self.run("personal", "[ -e /root/data ] || busybox head -c 500000 /dev/urandom >/root/data; busybox sync")
        return {vp: self.sums(vp) for vp in ("work", "personal")}

    def run(self, vp, script):
        status, out = self.cells.sh(vp, script)
        assert status == 0, out
        return out

    def sums(self, vp):
        return self.run(vp, "cd /root; busybox find . -type f | busybox sort | busybox xargs busybox sha256sum")

    def slots(self):
        return escrow.Slots(bytes.fromhex(self.cells.keys("work")))

    def by_device(self):
        """The key of `work`, by the device's slot."""
        return self.slots().by_device(bytes.fromhex(self.cells.device_key()))

    def holds(self, data):
        """Whether it is anywhere on the disk."""
        with open(self.phone.disk, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
            return m.find(data) >= 0

    def cut(self, moment, seconds, name, *args):
        """Asks for it, and cuts the power. Answers what came back before, or None."""
        watch = self.phone.spawn(["tail", "-n", "1", "-F", LOG])
        watch.line()
        self.phone.qmp("block_set_io_throttle", device="kept", bps=0, bps_rd=0, bps_wr=0, iops=0, iops_rd=0, iops_wr=WRITES)
        self.cells.request(name, *args)
        if moment:
            watch.expect(moment)
        self.phone.pause(seconds)
        self.phone.cut()
        early = self.cells.reply() if self.cells.job.has_line() else None
        self.phone.reboot()
        self.on()
        return early

    def recorded(self, pattern):
        """The last record like this in the log that survived the cut; a batch counts with its seal."""
        sealed = self.log[:max((m.end() for m in re.finditer(r"^=[0-9a-f]{8}\n", self.log, re.M)), default=0)]
        return (re.findall(f"^{pattern}$", sealed, re.M) or [None])[-1]


@pytest.fixture(scope="module", name="options")
def fixture_options(tmp_path_factory):
    return {"display": "none", "disk": disk_of(tmp_path_factory.mktemp("kept"))}


@pytest.fixture(scope="module", name="device")
def fixture_device(booted):
    d = Device(booted)
    d.on()
    d.start()
    return d


def wipe(device, n, moment, seconds, twice=None):
    """One cut while it is wiped; `twice`: and another so long after the start that follows."""
    job, vault = f"job-{n}", n % 2
    device.up(vault)
    sums, slots = device.mark(), bytes.fromhex(device.cells.keys("work"))
    blocks = [slots[at:at + escrow.BLOCK] for at in range(escrow.HEAD, len(slots), escrow.BLOCK)]
    blocks = [b for b in blocks if any(b)]
    assert len(blocks) == 2 and all(map(device.holds, blocks)), "what is looked for later is to be found now"
    order = ("Wipe", "ss", "work", job)
    early = device.cut(moment, seconds, "policy", *order)
    if twice is not None:
        device.cut(None, twice, "start", FOLDER, "cgroup")
    begun = device.recorded(f"job {job} work 0")
    assert begun or not early, device.log
    device.start()
    if begun:
        device.cells.until("work", "absent")
    else:  # nothing has happened to it
        assert device.cells.keys("work") == slots.hex()
        device.up(vault)
        assert device.sums("work") == sums["work"]
    details = device.cells.policy(*order)
    assert early in (None, details) and device.cells.policy(*order) == details
    assert (details["slots"], details["key"], details["incomplete"]) == (2, escrow.Slots(slots).id, False)
    assert details["medium"] == ("vault on ext4" if vault else "folder on ext4")
    assert device.phone.run(["grep", "-c", f"^done {job}$", LOG]).out == "1\n"
    assert device.cells.state("work") == "absent" and device.cells.keys("work") is None and not device.cells.left("work")
    assert not any(map(device.holds, [*blocks, MARKER.encode()]))
    device.cells.policy("Forget", "s", job)
    device.cells.policy("Start", "s", "personal")
    assert device.sums("personal") == sums["personal"]
    return bool(begun), early is not None


def lock(device, moment, seconds, held=False):
    """`held`: a file is in use, so that the key cannot go before the cut, nor its slot."""
    device.up()
    sums, key = device.mark(), device.by_device()
    if held:
        device.cells.hold("work", "root/marked")
    early = device.cut(moment, seconds, "policy", "Lock", "s", "work")
    begun = device.recorded(r"state work \w+") == "state work locked"
    assert begun or not (early or held), device.log
    device.start()
    if begun:
        assert device.cells.state("work") == "locked"
        device.cells.unlockable("work", False)  # by itself
        details = device.cells.policy("Lock", "s", "work")
        assert not details["incomplete"] and not device.cells.row("work")["key-in-kernel"] and device.by_device() is None
        with pytest.raises(Refused, match="vp_state"):
            device.cells.policy("Start", "s", "work")
        assert escrow.recover(device.private, "work", details) == key
        device.cells.secrets("UnlockByKey", "work", key.hex())
    else:
        assert device.cells.state("work") == "stopped" and device.by_device() == key
    device.up()
    assert {vp: device.sums(vp) for vp in sums} == sums
    return begun, early is not None


@pytest.mark.parametrize("n", range(len(WIPE)))
def test_a_wipe_goes_on_after_a_power_cut(phone, device, n):
    wipe(device, n, *WIPE[n])


def test_a_lock_is_whole_or_was_not_begun(phone, device):
    lock(device, *LOCK)


def test_any_moment(phone, device, long):
    if not long:
        pytest.skip("the long form (CELLS_LONG)")
    rng, outcomes = random.Random(SEED), {}
    for n in range(ROUNDS):
        moment, seconds = rng.choice(WIPE_STEPS), rng.random() * 0.6
        if n % 4 == 3:
            outcome = lock(device, rng.choice(("state work locked", None)), seconds)
        else:
            outcome = wipe(device, 100 + n, moment, seconds, rng.random() * 3 if n % 4 == 1 else None)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    print(f"\n{ROUNDS} rounds, seed {SEED}; (recorded, answered before the cut): {outcomes}")
    assert sum(count for (started, _), count in outcomes.items() if started) > ROUNDS / 2
