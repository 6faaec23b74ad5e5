# SPDX-License-Identifier: Apache-2.0
"""A server, and then a device, put back to a copy one hour old, in a fleet that went on in
between: all receipts are there again or bridged by what the device signed, actions end, and
nobody touches a device. CELLS_LONG makes it the full size."""
import contextlib
import os
import shutil
import sqlite3

import harness
from mgmtd import Mgmtd
from scene import POLICY, busybox_layer

LONG = bool(os.environ.get("CELLS_LONG"))
DEVICES, ROUNDS = (20, 5) if LONG else (4, 2)
SECONDS = 600 if LONG else 180
OPEN = ("proposed", "pending", "sent", "received")


class Copy:
    """Folders as they were; who writes there is stopped meanwhile."""

    def __init__(self, daemons, folders):
        self.daemons, self.folders = daemons, folders
        with self.stopped():
            for f in folders:
                harness.run(["cp", "-a", f, f"{f}.copy"])

    @contextlib.contextmanager
    def stopped(self):
        for d in reversed(self.daemons):
            d.stop()
        yield
        for d in self.daemons:
            d.start()

    def restore(self):
        with self.stopped():
            for f in self.folders:
                for old in f.iterdir():
                    shutil.rmtree(old) if old.is_dir() else old.unlink()
                harness.run(["cp", "-a", f"{f}.copy/.", f])


class Fleet:
    def __init__(self, world):
        self.world, self.server = world, Mgmtd(world)
        self.org, self.version = self.server.org, 1
        layer = busybox_layer()
        self.server.keep(layer)
        configs = [self.org.config(name, 1, "tiny") for name in ("work", "personal")]
        self.server.submit(self.org.image("tiny", 1, [layer]), *configs, self.org.policy("baseline", 1, POLICY))
        self.server.submit(self.org.group("field", 1, [("baseline", 1)], configs))
        self.devices = [harness.Device(world, f"phone{i}") for i in range(DEVICES)]
        for d in self.devices:
            d.start()
            d.ctl("enroll", self.server.uri())
        self.ids = [d.status()["device"] for d in self.devices]
        self.applied()

    def database(self, sql, *values):
        with contextlib.closing(sqlite3.connect(self.server.dir / "mgmtd.db", timeout=20)) as db:
            return db.execute(sql, values).fetchall()

    def until(self, found):
        return harness.until(found, SECONDS)

    def applied(self):
        """Every device has the newest policy in force, and said so."""
        for device in self.ids:
            self.until(lambda d=device: any(
                (doc["type"], doc["version"]) == ("device-policy", self.version)
                for doc in self.server.device(d)["documents"] or ()))

    def publish(self):
        self.version += 1
        rules = {vp: [("*", "shared"), ("camera", "none" if self.version % 2 else "shared")] for vp in POLICY}
        self.server.submit(self.org.policy("baseline", self.version, rules))

    def act(self, device, action, vp="work"):
        return self.server.act(self.server.device(device), action, vp).id

    def state(self, device, action):
        return self.server.get(f"/v1/devices/{device}/actions/{action}")["state"]

    def go_on(self):
        """Orders to each, and a policy."""
        for action in ("start", "stop"):
            made = [(d, self.act(d, action)) for d in self.ids]
            for d, name in made:
                self.until(lambda d=d, n=name: self.state(d, n) == "done")
        self.publish()
        self.applied()

    def evidence(self):
        """What the server holds, by device, stream and number."""
        rows = self.database("SELECT device, 'receipts', seq, sha256 FROM receipt UNION ALL"
                             " SELECT device, 'audit', seq, text FROM record")
        return {(d, stream, seq): text for d, stream, seq, text in rows}

    def settled(self):
        """All that was signed is here: numbers up to those that the devices are at."""
        for phone, device in zip(self.devices, self.ids):
            self.until(lambda p=phone, d=device: self.has(d, p.status()["seq"]))
        return self.evidence()

    def has(self, device, seq):
        told = self.server.device(device)
        return told["connected"] and (told["receipts"], told["audit"]) == (seq["receipts"], seq["audit"])

    def check_whole(self):
        """Each number is there, or a statement of the device bridges it."""
        held = self.evidence()
        for device in self.ids:
            for stream in ("receipts", "audit"):
                last = self.server.device(device)[stream]
                gone = {n for first, end in self.database(
                    "SELECT first, last FROM gap WHERE device = ? AND stream = ?", device, stream)
                    for n in range(first, end + 1)}
                lacking = [n for n in range(1, last + 1) if (device, stream, n) not in held and n not in gone]
                assert not lacking, (device, stream, lacking)


def alarms(fleet, device, text):
    return [a for a in fleet.server.device(device)["alarms"] if text in a]


def test_fleet_outlasts_a_server_and_a_device_put_back_to_a_copy(world):
    fleet = Fleet(world)
    fleet.go_on()
    first = fleet.ids[0]
    # In the copies: an order that is on its way, and a device that has just been given a policy.
    fleet.devices[1].agent.stop()
    waiting = fleet.act(fleet.ids[1], "start")
    phone = fleet.devices[0]
    server = Copy([fleet.server.process], [fleet.server.dir])
    device = Copy([phone.policyd, phone.agent], [phone.folder / "cells-policyd", phone.folder / "cells-agent"])
    fleet.devices[1].agent.start()
    fleet.until(lambda: fleet.state(fleet.ids[1], waiting) == "done")
    world.move_clock(3600)
    for _ in range(ROUNDS):
        fleet.go_on()
    before = fleet.settled()

    with contextlib.closing(sqlite3.connect(f"{fleet.server.dir}.copy/mgmtd.db")) as db:
        assert db.execute("SELECT count(*) FROM receipt").fetchone()[0] < len([k for k in before if k[1] == "receipts"])
    server.restore()
    after = fleet.settled()
    assert before.items() <= after.items(), "what was there is not there again"
    fleet.until(lambda: fleet.state(fleet.ids[1], waiting) == "done")
    for d in fleet.ids:
        assert alarms(fleet, d, "the server was restored from a backup"), d
    assert not fleet.database("SELECT 1 FROM gap"), "all of it could be sent again"
    # The policies of in between are gone from the server: its next one is above them all.
    fleet.publish()
    fleet.applied()
    fleet.go_on()

    before = fleet.settled()
    device.restore()
    fleet.until(lambda: alarms(fleet, first, "(restored), which are here"))
    fleet.go_on()
    after = fleet.settled()
    assert before.items() <= after.items(), "a number was signed twice"
    fleet.check_whole()
    states = {s for d in fleet.ids for (s,) in fleet.database("SELECT state FROM action WHERE device = ?", d)}
    assert not states & set(OPEN), states
    assert alarms(fleet, first, "restored from an older copy")
