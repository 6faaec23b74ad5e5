# SPDX-License-Identifier: Apache-2.0
"""What the server makes of devices' receipts: which of them describe the device,
which end an action, and how both sides find together after one was restored."""
import base64
import hashlib
import json
import sqlite3

import pytest

import forge
import harness
from office import Office, Phone


@pytest.fixture(scope="module")
def office():
    with harness.World() as world:
        yield Office(world).publish(groups=("field", "lab"))


@pytest.fixture
def phone(office):
    p = Phone(office).enroll().connect()
    yield p
    if p.ws:
        p.close()


def vps(office, phone):
    return [v["vp"] for v in office.get(f"/v1/devices/{phone.id}/vps")["items"]]


# ---- what describes a device
def test_a_receipt_that_says_nothing_of_the_set_does_not_empty_the_device(office, phone):
    """As the device writes them for a new root, a membership and a command."""
    phone.apply(phone.snapshot())
    phone.switch("work")

    def view():
        return (vps(office, phone), office.device(phone)["compliant"],
                office.get(f"/v1/access?class=camera&device={phone.id}")["items"],
                office.get(f"/v1/devices/{phone.id}/access")["vps"], office.device(phone)["documents"])
    before = view()
    assert before[0] == ["work", "personal"] and before[1] is True and before[2]
    root = {"type": "root", "id": "acme", "version": 2, "sha256": forge.digest(b"root")}
    other = dict(root, type="membership", id="m1")
    for document, details in ((root, {}), (other, {"group": "field", "documents": []}),
                              (dict(root, type="command", id="c1"), {"command": "c1"})):
        phone.send_receipts(phone.receipt("applied", document=document, details=details))
        assert view() == before, document
    # What the snapshot applied is the state again.
    phone.send_receipts(phone.receipt("applied", details={"documents": [], "lacking": [], "not_enforced": []}))
    assert vps(office, phone) == [] and office.device(phone)["compliant"] is False


# ---- what ends an action
def test_an_action_is_ended_by_its_own_receipt_alone(office, phone):
    """Each one of the device itself, rightly signed, with one thing changed."""
    doc = office.forge.command("wipe-1", phone.device, "wipe", "work")
    office.action(phone, doc)
    phone.wait("command")
    path = f"/v1/devices/{phone.id}/actions/wipe-1"
    for over in ({"vp": "personal"}, {"vp": None}, {"document": dict(doc.ref, id="wipe-2")},
                 {"details": {"command": "wipe-2"}}, {"document": dict(doc.ref, sha256=forge.digest(b"other"))},
                 {"document": None}, {"document": None, "details": {"command": "wipe-1"}, "vp": "personal"}):
        want = {"document": doc.ref, "vp": "work", "details": {"command": "wipe-1"}, **over}
        if over == {"document": None}:
            want["details"] = {"command": "wipe-2"}
        phone.send_receipts(phone.receipt("wiped", **want))
        assert office.get(path)["state"] == "sent", over
    phone.send_receipts(phone.receipt("locked", document=doc.ref, vp="work"))
    phone.send_receipts(phone.receipt("refused", document=doc.ref, vp="personal", reason="err.vp-state"))
    assert office.get(path)["state"] == "sent"
    alarms = office.device(phone)["alarms"]
    assert any("receipt 1 answers wipe-1, but not for its VP" in a for a in alarms), alarms
    phone.send_receipts(phone.receipt("wiped", document=doc.ref, vp="work", details={"command": "wipe-1"}))
    done = office.get(path)
    assert (done["state"], done["receipt"]["seq"]) == ("done", phone.seq)


# ---- alarms
def test_an_alarm_is_text_of_ours_whatever_came(office, phone):
    """Also a receipt of another device with this one's key, and what is not UTF-8 when it is cut."""
    bad = [phone.receipt("started", vp="work", seq=1, device="dev-0123456789ab"),
           phone.receipt("started", vp="work", seq=1, sign=forge.Signer("thief")),
           phone.receipt("started", vp="work", seq=1, device="\u00e9" * 100),
           phone.receipt("started", vp="work", seq=1, reason="\u20ac" * 90)]
    for receipt in bad:
        phone.send_receipts(receipt, ack=0)
    phone.send("receipt", receipts=[{"seq": 1}])
    phone.wait("ack", want=lambda m: m["stream"] == "receipts")
    alarms = office.device(phone)["alarms"]
    assert len(alarms) >= 4 and all(a.startswith("a receipt after 0: ") and len(a) > 20 for a in alarms), alarms
    assert any("dev-0123456789ab" in a for a in alarms)
    # What an older server wrote is shown all the same; other damage is an error and never null.
    with sqlite3.connect(office.dir / "mgmtd.db") as db:
        db.execute("INSERT INTO alarm (device, time, text) VALUES (?, 1, CAST(x'61ff62' AS TEXT))", (phone.id,))
    db.close()
    assert office.device(phone)["alarms"][-1] == "a?b"
    with sqlite3.connect(office.dir / "mgmtd.db") as db:
        db.execute("UPDATE device SET labels = '{' WHERE id = ?", (phone.id,))
    db.close()
    assert office.call("GET", f"/v1/devices/{phone.id}").status_code == 500
    with sqlite3.connect(office.dir / "mgmtd.db") as db:
        db.execute("UPDATE device SET labels = '{}' WHERE id = ?", (phone.id,))
    db.close()


# ---- restored from a copy
def gap(phone, stream, first, last, digest, cause="acknowledged", **kw):
    return phone.receipt("gap", details={"stream": stream, "from": first, "to": last, "digest": digest,
                                         "cause": cause}, **kw)


def again(phone, **holds):
    """Connects once more; the two acks, by stream."""
    if phone.ws:
        phone.close()
    phone.open()
    phone.got.clear()
    phone.hello(**holds)
    phone.wait("ack", want=lambda m: m["stream"] == "audit")
    return {m["stream"]: m for m in phone.got if m["type"] == "ack"}


def payload(envelope):
    return json.loads(base64.b64decode(envelope["payload"]))


def held(phone, **over):
    return {"receipts": {"first": 1, "last": phone.seq}, "audit": {"first": 1, "last": phone.audit_seq},
            "snapshot": 1, **over}


def test_the_acks_after_hello_show_what_the_server_holds(office, phone):
    acks = again(phone, holds=held(phone))
    assert "last" not in acks["receipts"] and "last" not in acks["audit"]
    phone.send_receipts(phone.receipt("started", vp="work"), phone.receipt("stopped", vp="work"), ack=2)
    phone.send_batch(phone.batch([phone.record("open", "work", "camera")]), ack=1)
    acks = again(phone, holds=held(phone))
    assert payload(acks["receipts"]["last"])["seq"] == 2 and payload(acks["audit"]["last"])["seq"] == 1
    phone.send_receipts(phone.receipt("started", vp="work"), ack=3)
    assert "last" not in phone.got[-1]
    assert office.device(phone)["alarms"] == []


def test_a_statement_bridges_what_is_gone(office, phone):
    """The server has one receipt and one record, and the device lost up to six and to four."""
    phone.send_receipts(phone.receipt("started", vp="work"), ack=1)
    phone.send_batch(phone.batch([phone.record("open", "work", "camera")]), ack=1)
    lost = [phone.receipt("started", vp="work") for _ in range(5)][-1]
    for _ in range(3):
        phone.record("open", "work", "camera")
    digest = "sha256:" + phone.audit_head.hex()
    left = [phone.receipt("stopped", vp="work", prev=lost.sha256)]
    bridge = gap(phone, "receipts", 2, 6, lost.sha256, prev=left[-1].sha256)
    records = gap(phone, "audit", 2, 4, digest, prev=bridge.sha256)
    # Not for a place that is none of its own, and not by another hand.
    assert phone.send_receipts(gap(phone, "receipts", 3, 6, lost.sha256, seq=20)) == 1
    assert phone.send_receipts(gap(phone, "receipts", 2, 6, lost.sha256, seq=8, sign=forge.Signer("x"))) == 1
    assert phone.send_receipts(gap(phone, "records", 2, 6, lost.sha256, seq=8)) == 1
    phone.send_receipts(bridge, *left, bridge, records, ack=9)
    phone.send_batch(phone.batch([phone.record("close", "work", "camera")]), ack=5)
    seqs = [r["seq"] for r in office.get(f"/v1/devices/{phone.id}/receipts")["items"]]
    assert seqs == [1, 7, 8, 9]
    alarms = office.device(phone)["alarms"]
    assert sum("receipts 2 to 6 are gone for good (acknowledged)" in a for a in alarms) == 1, alarms
    assert sum("audit records 2 to 4 are gone for good" in a for a in alarms) == 1, alarms
    assert not any("does not continue" in a for a in alarms)
    entries = office.get(f"/v1/audit?filter=action eq alarm and device eq {phone.id}")["items"]
    assert [e for e in entries if "receipts 2 to 6" in e["entry"]["after"]["text"]]
    # Another one for the same place, once all is there, moves nothing.
    phone.send_receipts(gap(phone, "audit", 2, 4, digest), ack=10)
    # A later statement from the first one on covers the rest only.
    lost = [phone.receipt("started", vp="work") for _ in range(3)][-1]
    phone.send_receipts(gap(phone, "receipts", 1, 13, lost.sha256, prev=lost.sha256), ack=14)
    assert any("receipts 11 to 13 are gone" in a for a in office.device(phone)["alarms"])
    assert not any("does not continue" in a for a in office.device(phone)["alarms"])
    assert again(phone, holds=held(phone))["audit"]["seq"] == 5


def test_a_receipt_after_another_one_than_it_names_is_an_alarm(office, phone):
    first = phone.receipt("started", vp="work")
    phone.send_receipts(first, phone.receipt("stopped", vp="work", prev=first.sha256), ack=2)
    assert office.device(phone)["alarms"] == []
    phone.send_receipts(phone.receipt("started", vp="work", prev=first.sha256), ack=3)
    assert "receipt 3 does not continue" in office.device(phone)["alarms"][0]


def test_a_restored_server_is_told_and_goes_on_above_the_device(office, phone):
    version = phone.snapshot()["version"]
    phone.send_receipts(phone.receipt("started", vp="work"), ack=1)
    again(phone, holds=held(phone, snapshot=version + 40), status={"acked": {"receipts": 9, "audit": 0}})
    assert phone.snapshot()["version"] == version + 41
    alarms = office.device(phone)["alarms"]
    assert any("receipts: the device was acknowledged more than the 1" in a for a in alarms), alarms
    assert any("goes on above it" in a for a in alarms)
    # The same hello again: nothing new to say, and the same snapshot.
    again(phone, holds=held(phone, snapshot=version + 41), status={"acked": {"receipts": 9, "audit": 0}})
    assert phone.snapshot()["version"] == version + 41 and office.device(phone)["alarms"] == alarms
    # An agent cannot use the numbers up.
    again(phone, holds=held(phone, snapshot=2**31 - 2))
    assert phone.snapshot()["version"] == version + 41
    assert any("not believed" in a for a in office.device(phone)["alarms"])


def test_a_restored_device_is_told(office, phone):
    phone.send_receipts(*[phone.receipt("started", vp="work") for _ in range(3)], ack=3)
    acks = again(phone, holds=held(phone, receipts={"first": 1, "last": 2}))
    last = acks["receipts"]["last"]
    assert payload(last)["seq"] == 3
    assert any("receipts: the device holds fewer than the 3" in a for a in office.device(phone)["alarms"])
    digest = "sha256:" + hashlib.sha256(base64.b64decode(last["payload"])).hexdigest()
    phone.send_receipts(gap(phone, "receipts", 3, 3, digest, "restored", prev=digest), ack=4)
    assert any("the device lost receipts 3 to 3 (restored), which are here" in a for a in office.device(phone)["alarms"])


# ---- writes that are refused
def test_a_refused_write_leaves_nothing(office, phone):
    """Keys that are enrolled already come with the token of another group: found out after the first writes."""
    before, entries = office.device(phone), len(office.get("/v1/audit?filter=action eq enroll")["items"])
    body = phone.request(group="lab")
    office.refused("POST", "/v1/enroll", 409, "conflict", body, token="")
    after = office.device(phone)
    assert {k: after[k] for k in ("group", "epoch", "enrolled")} == {k: before[k] for k in ("group", "epoch", "enrolled")}
    newest = office.get("/v1/enrolments?order=desc")["items"][0]
    assert (newest["group"], newest["used"]) == ("lab", 0)
    told = office.get("/v1/audit?filter=action eq enroll")["items"][entries:]
    assert [t["entry"]["outcome"] for t in told] == ["conflict"]


def test_an_idempotency_key_is_of_its_token_and_its_body(office, phone):
    path, key = f"/v1/devices/{phone.id}/actions", {"Idempotency-Key": "one"}
    doc = office.forge.command("once", phone.device, "lock", "work")

    def post(body, **kw):
        return office.call("POST", path, body, headers=key, **kw)
    first, again = post({"envelope": doc.object}), post({"envelope": doc.object})
    assert (first.status_code, again.status_code) == (201, 201) and first.json() == again.json()
    assert post({"envelope": doc.object, "ttl": 5}).json()["code"] == "key-reused"
    # Of somebody else it is another one: the action is known then.
    assert post({"envelope": doc.object}, token=office.new_token("operator")).status_code == 200
