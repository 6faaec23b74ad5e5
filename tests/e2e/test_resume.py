# SPDX-License-Identifier: Apache-2.0
"""What the device signed outlasts a server, or a device, that was put back to an older copy:
everything is sent again, or a signed gap covers it, and no number is given twice."""
import base64
import contextlib
import json
import shutil
import sqlite3

import forge
import harness
import pytest
from phone import Fleet, Phone
from scene import Scene

RING = 64 << 20  # policyd/receipt/receipt_issuer.h, policyd/receipt/audit_log.h
HOUR = 3600
ROOM = {"receipt_bytes": RING - (256 << 10) + 1, "audit_bytes": RING - 2 * 8192 + 1}  # for one entry less than what is free


@pytest.fixture
def phone(world):
    p = Phone(world)
    p.enroll()
    return p


class Copy:
    """The device's storage at one moment."""

    def __init__(self, daemon, state, name):
        self.daemon, self.state = daemon, state
        self.copy = state.parent / name
        daemon.stop()
        harness.run(["cp", "-a", state, self.copy])
        daemon.start()

    def restore(self):
        self.daemon.stop()
        for old in self.state.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        harness.run(["cp", "-a", f"{self.copy}/.", self.state])
        self.daemon.start()


class Witness:
    """A server's half: keeps what was signed, and holds it against what comes."""

    def __init__(self, phone):
        self.phone, self.receipts, self.envelopes, self.records, self.heads = phone, {}, {}, {}, []
        self.head = bytes(32)

    def take(self):
        after = max(self.receipts, default=0)
        for seq, envelope in self.phone.agent.call("Policy1", "Receipts", after, 100)[0]:
            text = base64.b64decode(envelope)
            receipt = self.phone.device.open(text)
            assert receipt["seq"] == seq and self.receipts.setdefault(seq, receipt) == receipt, "a number was signed twice"
            self.envelopes[seq] = text
        while batch := self.phone.agent.call("Policy1", "Audit", max(self.records, default=0))[0]:
            batch = json.loads(base64.b64decode(batch))
            new, _, self.head = forge.check_audit(batch, self.phone.device, max(self.records, default=0), self.head)
            self.records.update({r["seq"]: r for r in new})
            self.heads.append(json.dumps(batch["head"]).encode())
        assert list(self.receipts) == list(range(1, len(self.receipts) + 1))

    def ack(self):
        for stream, held in (("receipts", self.receipts), ("audit", self.records)):
            self.phone.agent.call("Policy1", "Ack", stream, max(held))

    def shows(self):
        self.phone.agent.call("Policy1", "Resume", self.envelopes[max(self.receipts)], self.heads[-1])


def refuse(phone, fleet, n=1):
    for _ in range(n):
        assert phone.submit(fleet.make("work").damaged())[0] == "refused"


def digest_of(envelope):
    return forge.digest(base64.b64decode(json.loads(envelope)["payload"]))


def test_device_put_back_to_a_copy_signs_no_number_twice(phone):
    fleet, server = Fleet(phone.org, phone.device), Witness(phone)
    refuse(phone, fleet, 2)
    server.take()
    server.ack()
    refuse(phone, fleet)  # in the copy, and the server gets it afterwards
    copy = Copy(phone.policyd, phone.state, "copy")
    refuse(phone, fleet, 2)
    server.take()
    server.ack()
    had, had_records = max(server.receipts), max(server.records)
    copy.restore()
    refuse(phone, fleet)
    ghost = phone.org.command("ghost", phone.device, "stop", "ghost")
    assert phone.submit(ghost) == ("refused", "err.no-such-vp")
    server.shows()
    server.take()
    new = [r for seq, r in server.receipts.items() if seq > had]
    assert [(r["type"], r["details"].get("stream")) for r in new[:1]] == [("gap", "receipts")]
    gap = new[0]
    assert gap["details"] == {"stream": "receipts", "from": 3, "to": had, "cause": "restored",
                              "digest": digest_of(server.envelopes[had])}
    assert gap["prev"] == gap["details"]["digest"]
    audit, = [r for r in new if r["type"] == "gap" and r["details"]["stream"] == "audit"]
    assert audit["details"]["to"] == had_records and audit["details"]["cause"] == "restored"
    told = [r for r in new if r["type"] == "refused"]
    assert [r["document"]["id"] for r in told] == ["unknown", "unknown", "ghost"], "what was written meanwhile is there"
    assert told[-1]["details"]["was"] < told[-1]["seq"]
    for before, after in zip(new, new[1:]):
        assert after["prev"] == digest_of(server.envelopes[before["seq"]])
        assert after["audit"]["head"] == "sha256:" + server.head.hex() or after["audit"]["seq"] in server.records
    # The order's receipt is found by the order under its new number.
    assert phone.submit(ghost) == ("known", "")
    assert phone.agent.call("Policy1", "Receipts", told[-1]["seq"], 100)[0][0][0] == told[-1]["seq"]
    server.shows()
    server.take()
    refuse(phone, fleet)
    server.take()
    assert len([r for r in server.receipts.values() if r["type"] == "gap"]) == 2, "once"


def test_device_put_back_hears_only_its_own_word(phone):
    """A server cannot drive the numbers up with what this device did not sign."""
    fleet, server = Fleet(phone.org, phone.device), Witness(phone)
    refuse(phone, fleet, 2)
    server.take()
    before = phone.status()["holds"]
    stranger = forge.Signer("stranger")
    own = json.loads(base64.b64decode(json.loads(server.envelopes[2])["payload"]))
    head = json.loads(base64.b64decode(json.loads(server.heads[-1])["payload"]))
    for receipt, end in ((b"", b""), (b"{", b"x"), (server.envelopes[1], server.heads[0]),
                         (forged(stranger, "receipt", {**own, "seq": 900}), forged(stranger, "audit-head", {**head, "seq": 900})),
                         (server.heads[-1], server.envelopes[2])):
        phone.agent.call("Policy1", "Resume", receipt, end)
        assert phone.status()["holds"] == before


def forged(signer, kind, payload):
    body = json.dumps(payload, separators=(",", ":"), sort_keys=True).encode()
    ptype = forge.type_json(kind)
    return json.dumps({"payloadType": ptype, "payload": forge.b64(body),
                       "signatures": [{"keyid": signer.keyid, "sig": forge.b64(signer.sign(forge.pae(ptype, body)))}]}).encode()


def test_what_was_acknowledged_is_sent_again(phone):
    """A server that was restored, or one that is not the thief's who acknowledged."""
    fleet, server = Fleet(phone.org, phone.device), Witness(phone)
    refuse(phone, fleet, 3)
    server.take()
    server.ack()
    phone.policyd.restart()
    refuse(phone, fleet)
    again = Witness(phone)
    again.take()
    assert {s: r for s, r in again.receipts.items() if s in server.receipts} == server.receipts
    assert len(again.receipts) == 4 and len(again.records) == len(server.records) + 1


def set_meta(phone, **values):
    phone.policyd.stop()
    with contextlib.closing(sqlite3.connect(phone.state / "policyd.db", isolation_level=None)) as db:
        for name, value in values.items():
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name.replace("_", "-"), value))
    phone.policyd.start()


@pytest.mark.parametrize("acked", [True, False])
def test_what_is_gone_for_good_is_bridged(phone, acked):
    fleet, server = Fleet(phone.org, phone.device), Witness(phone)
    refuse(phone, fleet, 3)
    server.take()
    if acked:
        server.ack()
    set_meta(phone, **{n: v for n, v in ROOM.items() if acked or n == "receipt_bytes"})
    refuse(phone, fleet)
    rows = phone.agent.call("Policy1", "Receipts", 0, 100)[0]
    gap = phone.device.open(base64.b64decode(rows[0][1]))
    cause = "acknowledged" if acked else "full"
    floor = gap["details"]["to"]
    assert gap["type"] == "gap" and gap["details"] == {
        "stream": "receipts", "from": 1, "to": floor, "cause": cause, "digest": digest_of(server.envelopes[floor])}
    rest = [phone.device.open(base64.b64decode(e)) for _, e in rows[1:]]
    assert rest[0]["seq"] == floor + 1 and rest[0]["prev"] == gap["details"]["digest"]
    assert rest[-1] == gap, "in its turn as well"
    assert phone.status()["holds"]["receipts"]["first"] == floor + 1
    phone.policyd.restart()
    again = phone.agent.call("Policy1", "Receipts", 0, 100)[0]
    assert [seq for seq, _ in again] == [seq for seq, _ in rows], "sent once"
    if not acked:
        return
    batch = json.loads(base64.b64decode(phone.agent.call("Policy1", "Audit", 0)[0]))
    first = json.loads(batch["records"][0])
    bridge = [r for r in phone.receipts(floor) if r["type"] == "gap" and r["details"]["stream"] == "audit"]
    assert len(bridge) == 1 and bridge[0]["details"]["to"] == first["seq"] - 1
    assert bridge[0]["details"]["digest"] == first["prev"]


# ---- with the agent between
def test_thief_acknowledged_what_was_never_kept(world):
    scene = Scene(world)
    server = scene.server
    kept = server.last_seq()
    server.receipts[kept:], server.envelopes[kept:] = [], []
    del server.receipts[2:], server.envelopes[2:]
    del server.batches[1:]
    server.records = json.loads(server.batches[0]["records"][-1])["seq"]
    server.drop()
    harness.until(lambda: server.last_seq() >= kept)
    harness.until(lambda: len(server.batches) > 1)
    assert json.loads(server.batches[1]["records"][0])["seq"] == json.loads(server.batches[0]["records"][-1])["seq"] + 1
    scene.still_takes_the_right_one()


def test_device_restored_from_a_copy_goes_on(world):
    """Nobody touches it: it comes, is shown what it signed, and continues above it."""
    scene = Scene(world)
    harness.until(lambda: scene.phone.status()["acked"]["receipts"] == scene.server.last_seq())
    copy = Copy(scene.phone.policyd, scene.phone.folder / "cells-policyd", "copy")
    scene.publish({"work": [("*", "none")], "personal": [("*", "shared")]})
    scene.command("stop", "work")
    scene.server.receipt(type="stopped", vp="work")
    before = scene.server.last_seq()
    copy.restore()
    gap = scene.server.receipt(type="gap", after=before)
    assert gap["details"]["cause"] == "restored" and gap["seq"] == before + 1
    scene.command("start", "work")
    scene.server.receipt(type="started", vp="work", after=before)
    scene.still_takes_the_right_one()


def test_thief_replays_an_order_to_a_copy_until_it_lapses(world):
    """README says so: to a device whose storage was rolled back, and no longer than the order lives."""
    scene = Scene(world)
    harness.until(lambda: scene.phone.status()["acked"]["receipts"] == scene.server.last_seq())
    copy = Copy(scene.phone.policyd, scene.phone.folder / "cells-policyd", "copy")
    order = scene.command("stop", "work", life=HOUR)
    for restored in (False, True):
        before = scene.server.last_seq()
        if restored:
            copy.restore()
            assert scene.server.receipt(type="gap", after=before)["details"]["cause"] == "restored"
        scene.server.command(order)
        assert scene.server.receipt(type="stopped", vp="work", after=before)["document"]["sha256"] == order.sha256
        scene.command("start", "work")
        scene.server.receipt(type="started", vp="work", after=before)
    scene.server.commands.clear()
    before = scene.server.last_seq()
    scene.world.move_clock(wall=2 * HOUR, boot=2 * HOUR)
    copy.restore()
    scene.server.receipt(type="gap", after=before)
    scene.server.command(order)
    scene.refused("err.expired", order, before)
    assert not [r for r in scene.server.receipts if r["seq"] > before and r["type"] == "stopped"]
    scene.still_takes_the_right_one()
