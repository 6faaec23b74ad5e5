# SPDX-License-Identifier: Apache-2.0
"""cells-mgmtd over its public interfaces: REST and the device channel, real TLS."""
import base64
import concurrent.futures
import contextlib
import hashlib
import json
import os
import signal
import socket
import sqlite3
import ssl
import time

import pytest
import requests
import websocket

import forge
import harness
import rawport
from office import Office, Phone


@pytest.fixture(scope="module")
def office():
    with harness.World() as world:
        yield Office(world).publish(groups=("field", "lab"))


@pytest.fixture
def phone(office):
    p = Phone(office).enroll()
    yield p
    if p.ws:
        p.close()


# ---- the way of documents
def test_a_document_waits_for_its_threshold(office):
    doc = office.forge.policy("waits", 1, {"work": [("*", "none")]}, sign=office.forge.keys["policy"][:1])
    first = office.submit(doc)
    assert (first["state"], first["threshold"]) == ("proposed", 2)
    assert [s["name"] for s in first["signers"]] == ["policy-1"]
    second = office.submit(doc.resigned([office.forge.keys["policy"][1]]))
    assert second["state"] == "valid" and len(second["signers"]) == 2
    env = office.get(f"/v1/documents/{doc.sha256}/envelope")
    assert len(env["signatures"]) == 2 and env["payload"] == doc.object["payload"]
    assert office.get("/v1/documents/device-policy/waits/latest")["sha256"] == doc.sha256


def test_one_administrators_junk_keeps_no_right_submission_out(office):
    """64 proofs of nothing, and 15 signatures of strangers: another's signature and proof are still merged."""
    f, password = office.forge, forge.Password("correct horse battery staple")
    held = f.config("guarded", 1, "tiny", password=password)
    assert office.submit(held)["state"] in ("valid", "active")
    new = f.config("guarded", 2, "tiny", sign=f.keys["policy"][:1])
    junk = new.with_proofs(*({"over": forge.digest(os.urandom(8)), "mac": forge.b64(os.urandom(32))} for _ in range(64)))
    junk.signatures = junk.signatures + new.resigned([forge.Signer(f"s{n}") for n in range(15)]).signatures
    assert office.submit(junk)["state"] == "proposed"
    right = new.resigned([f.keys["policy"][1]]).with_proofs(password.proof(held, new))
    assert office.submit(right)["state"] == "valid"
    env = office.get(f"/v1/documents/{new.sha256}/envelope")
    assert right.proofs[0] in env["proofs"] and len(env["signatures"]) == 2
    # Nor does junk that comes afterwards push it out.
    office.submit(new.with_proofs(*junk.proofs))
    assert right.proofs[0] in office.get(f"/v1/documents/{new.sha256}/envelope")["proofs"]


def test_an_unsigned_document_is_a_proposal_and_can_be_withdrawn(office):
    doc = office.forge.policy("unsigned", 1, {"work": [("*", "none")]}, sign=[])
    assert office.submit(doc)["state"] == "proposed"
    r = office.call("GET", f"/v1/documents/{doc.sha256}")
    office.refused("POST", f"/v1/documents/{doc.sha256}/withdraw", 412, "changed",
                   headers={"If-Match": '"77"'})
    assert office.post(f"/v1/documents/{doc.sha256}/withdraw", headers={"If-Match": r.headers["etag"]})[
        "state"] == "withdrawn"
    office.refused("POST", "/v1/documents", 409, "conflict", doc.object)


@pytest.mark.parametrize("code, status, make", [
    ("err.unknown-key", 422, lambda f: f.policy("bad", 1, {"work": []}, sign=[forge.Signer("mallory")])),
    ("err.signature", 422, lambda f: f.policy("bad", 1, {"work": []}).damaged()),
    ("err.wrong-org", 422, lambda f: f.policy("bad", 1, {"work": []}, attrs={"org": "other"})),
    ("err.schema", 422, lambda f: f.policy("bad", 1, {"work": []}, attrs={"colour": "red"})),
    ("err.unknown-class", 422, lambda f: f.policy("bad", 1, {"work": [("teapot", "none")]})),
    ("err.expired", 422, lambda f: f.policy("bad", 1, {"work": []}, issued=1, expires=2)),
    ("err.not-yet-valid", 422, lambda f: f.policy("bad", 1, {"work": []}, issued=time.time() + 3600)),
    ("err.equivocation", 409, lambda f: f.policy("baseline", 1, {"work": [("*", "none")]})),
    ("err.envelope", 422, lambda f: f.policy("bad", 1, {"work": []}).typed("text/plain")),
])
def test_what_a_device_would_refuse_is_refused_here(office, code, status, make):
    assert office.refused("POST", "/v1/documents", status, code, make(office.forge).object)["remedy"]


def test_an_older_version_is_a_rollback(office):
    office.submit(office.forge.policy("rolls", 5, {"work": [("*", "none")]}))
    office.refused("POST", "/v1/documents", 409, "err.rollback",
                   office.forge.policy("rolls", 4, {"work": [("*", "none")]}).object)


def test_junk_signatures_do_not_fill_the_envelope(office):
    junk = [forge.Signer(f"junk-{i}") for i in range(14)]
    doc = office.forge.policy("junk", 1, {"work": [("*", "none")]},
                              sign=[office.forge.keys["policy"][0], *junk])
    office.submit(doc)
    assert len(office.get(f"/v1/documents/{doc.sha256}/envelope")["signatures"]) == 1
    assert office.submit(doc.resigned(office.forge.keys["policy"][1:2]))["state"] == "valid"


def test_a_key_s_junk_beside_its_signature_is_dropped(office):
    doc = office.forge.policy("beside", 1, {"work": [("*", "none")]}, sign=office.forge.keys["policy"][:1])
    good = doc.signatures[0]
    bad = {"keyid": good["keyid"], "sig": base64.b64encode(b"0" * 70).decode()}
    doc.signatures = [bad, good, bad]
    r = office.call("POST", "/v1/documents", doc.object)
    assert r.status_code in (201, 422)
    if r.status_code == 201:
        assert office.get(f"/v1/documents/{doc.sha256}/envelope")["signatures"] == [good]


def test_states_follow_the_groups(office):
    states = {(d["type"], d["version"]): d["state"] for d in
              office.get("/v1/documents?filter=id eq baseline or id eq field")["items"]}
    assert states[("device-policy", 1)] == "active" and states[("group", 1)] == "active"
    office.policy()
    states = {(d["type"], d["version"]): d["state"] for d in
              office.get('/v1/documents?filter=(id eq "baseline")')["items"]}
    assert states[("device-policy", 1)] == "superseded" and states[("device-policy", 2)] == "active"
    office.refused("POST", "/v1/documents/" + office.get("/v1/documents/device-policy/baseline/2")["sha256"]
                   + "/withdraw", 409, "conflict")


def test_a_group_says_what_it_lacks(office):
    office.submit(office.forge.group("hollow", 1, [("nowhere", 3)], [("work", 1)]))
    g = office.get("/v1/groups/hollow")
    assert "nowhere" in g["problem"] and g["documents"] == []
    types = [d["type"] for d in office.get("/v1/groups/field")["documents"]]
    assert sorted(types) == ["device-policy", "group", "image", "vp-config", "vp-config"]


# ---- enrollment and the channel
def test_enrollment_gives_certificates_and_roots(office, phone):
    assert [r["payloadType"] for r in phone.answer["roots"]] == [forge.type_xml("root")]
    assert phone.answer["device_port"] == office.device_port
    keys = office.get(f"/v1/devices/{phone.id}/keys")["items"][0]
    assert base64.b64decode(keys["receipt_spki"]) == phone.receipts.spki
    assert keys["bind"] == phone.body()["bind"] and keys["checked"] is None
    office.post(f"/v1/devices/{phone.id}/checked", {"epoch": phone.epoch, "bound": True})
    assert office.device(phone)["checked"] is True


def test_an_enrollment_token_admits_once(office, phone):
    other = Phone(office)
    other.token = phone.token
    office.refused("POST", "/v1/enroll", 403, "forbidden", other.body(), token="")
    e = office.get(f"/v1/enrolments/{office.get(f'/v1/devices/{phone.id}/keys')['items'][0]['enrolment']}")
    assert (e["state"], e["used"], e["devices"]) == ("used", 1, [phone.id])


def test_a_revoked_enrollment_admits_nobody(office):
    p = Phone(office)
    body = p.request()
    e = office.get("/v1/enrolments?limit=1")["items"][0]
    assert office.post(f"/v1/enrolments/{e['id']}/revoke")["state"] == "revoked"
    office.refused("POST", "/v1/enroll", 403, "forbidden", body, token="")


def test_a_device_gets_its_snapshot_and_what_it_names(office, phone):
    phone.open()
    phone.hello()
    assert phone.wait("documents")["documents"][0]["payloadType"] == forge.type_xml("root")
    s = phone.snapshot()
    assert (s["device"], s["epoch"], s["version"]) == (phone.id, phone.epoch, 1)
    assert sorted(d["type"] for d in s["documents"]) == ["device-policy", "group", "image", "vp-config",
                                                         "vp-config"]
    n = phone.send("get", documents=[d["sha256"] for d in s["documents"]] + ["sha256:" + "0" * 64])
    m = phone.wait("documents", want=lambda m: m.get("re") == n)
    assert len(m["documents"]) == 5 and m["missing"] == ["sha256:" + "0" * 64]
    image = office.get("/v1/images")["items"][0]
    assert image["complete"]
    chunks = phone.chunk(f"/v1/chunks/{image['layers'][0]['chunks']}")
    assert chunks.text.startswith("cells-chunks 1")
    one = chunks.text.split("\n")[1].split()[0]
    whole = phone.chunk(f"/v1/chunks/{one}")
    assert forge.digest(whole.content) == one and "immutable" in whole.headers["cache-control"]
    part = phone.chunk(f"/v1/chunks/{one}", headers={"Range": "bytes=100-199"})
    assert part.status_code == 206 and part.content == whole.content[100:200]
    tail = phone.chunk(f"/v1/chunks/{one}", headers={"Range": f"bytes={len(whole.content) - 5}-"})
    assert tail.content == whole.content[-5:]
    assert phone.chunk(f"/v1/chunks/{one}", headers={"Range": "bytes=99999999-"}).status_code == 416


def test_a_new_policy_reaches_a_connected_device(office, phone):
    phone.connect()
    before = phone.snapshot()
    policy = office.policy()
    after = phone.snapshot()
    assert after["version"] > before["version"]
    assert policy.ref in after["documents"]


def test_compliance_and_the_matrix_come_from_receipts(office, phone):
    phone.connect()
    assert office.device(phone)["compliant"] in (None, False)
    phone.apply(phone.snapshot())
    d = office.device(phone)
    assert d["compliant"] is True and d["enforcement"] == "open" and d["connected"] is True
    phone.switch("work")
    m = office.get(f"/v1/devices/{phone.id}/access")
    cells = {(v["vp"], c["class"]): c for v in m["vps"] for c in v["cells"]}
    assert m["foreground"] == "work"
    assert cells["work", "camera"]["verdict"] == "allowed" and cells["work", "camera"]["mode"] == "exclusive"
    assert cells["personal", "camera"]["verdict"] == "denied"
    assert cells["personal", "gps"]["verdict"] == "allowed"
    assert cells["work", "microphone"]["mode"] == "none"
    assert cells["work", "nfc"]["verdict"] == "absent"
    assert cells["work", "display"]["verdict"] == "allowed"
    e = office.get(f"/v1/devices/{phone.id}/access/personal/camera")
    assert e["verdict"] == "denied" and e["front_mode"] == "exclusive" and e["foreground"] == "work"
    assert {s["name"] for s in e["rules"][0]["signers"]} == {"policy-1", "policy-2"}
    who = office.get(f"/v1/access?class=camera&device={phone.id}")["items"]
    assert [(w["vp"], w["verdict"]) for w in who] == [("work", "allowed")]
    office.refused("GET", f"/v1/devices/{phone.id}/access/nobody/camera", 404, "err.no-such-vp")
    vps = {v["vp"]: v for v in office.get(f"/v1/devices/{phone.id}/vps")["items"]}
    assert vps["work"]["state"] == "foreground" and vps["work"]["image"] == {"id": "tiny", "version": 1}
    phone.send_receipts(phone.receipt("locked", vp="personal"))
    assert office.get(f"/v1/devices/{phone.id}/vps")["items"][0]["vp"] in vps


def test_access_at_a_time_is_that_time_s(office, phone):
    phone.connect()
    s = phone.snapshot()
    t = time.time()
    phone.apply(s, at=t - 1000)
    phone.switch("personal", at=t - 900)
    phone.switch("work", at=t - 100)
    def front(at):
        return office.get(f"/v1/devices/{phone.id}/access?at={forge.stamp(at)}")["foreground"]
    assert front(t - 500) == "personal" and front(t - 50) == "work" and front(t - 5000) is None


def test_two_receipts_with_one_seq_are_an_alarm(office, phone):
    phone.connect()
    first = phone.receipt("started", vp="work", details={"cause": "boot"})
    phone.send_receipts(first, ack=1)
    phone.send_receipts(first, ack=1)
    assert office.device(phone)["alarms"] == []
    phone.send_receipts(phone.receipt("stopped", vp="work", seq=1), ack=1)
    assert "two receipts with seq 1" in office.device(phone)["alarms"][0]


def test_a_forged_receipt_is_not_taken(office, phone):
    phone.connect()
    phone.send_receipts(phone.receipt("wiped", vp="work", seq=1, sign=forge.Signer("server")), ack=0)
    assert len(office.device(phone)["alarms"]) == 1
    assert office.get(f"/v1/devices/{phone.id}/receipts")["items"] == []


def test_a_gap_in_the_receipts_is_not_jumped(office, phone):
    phone.connect()
    phone.send_receipts(phone.receipt("started", vp="work", seq=2), ack=0)
    phone.send_receipts(*[phone.receipt("started", vp="work", seq=n) for n in (1, 2, 3)], ack=3)
    items = office.get(f"/v1/devices/{phone.id}/receipts?filter=type eq started&limit=2")
    assert [r["seq"] for r in items["items"]] == [1, 2]
    rest = office.get(f"/v1/devices/{phone.id}/receipts?cursor={items['next']}")
    assert [r["seq"] for r in rest["items"]] == [3] and rest["next"] is None


def test_audit_batches_are_chained(office, phone):
    phone.connect()
    records = [phone.record("open", "work", "camera", {"pid": 7}), phone.record("deny", "personal", "camera")]
    batch = phone.batch(records)
    phone.send_batch(batch, ack=2)
    phone.send_batch(batch, ack=2)
    more = [phone.record("close", "work", "camera")]
    phone.send_batch(phone.batch(records[1:] + more), ack=3)
    used = office.get(f"/v1/access/used?class=camera&device={phone.id}")["items"]
    assert [(u["event"], u["vp"]) for u in used] == [("open", "work"), ("close", "work")]
    denied = office.get(f"/v1/access/denied?device={phone.id}")["items"]
    assert [(u["event"], u["vp"]) for u in denied] == [("deny", "personal")]
    assert len(office.get(f"/v1/devices/{phone.id}/audit")["items"]) == 3
    batches = office.get(f"/v1/devices/{phone.id}/batches")["items"]
    assert [(b["first"], b["seq"]) for b in batches] == [(1, 2), (3, 3)]
    assert office.device(phone)["alarms"] == []
    phone.audit_head = bytes(32)
    phone.send_batch(phone.batch([phone.record("open", "work", "gps")]), ack=3)
    assert len(office.device(phone)["alarms"]) == 1


# ---- actions
def test_a_command_is_done_by_its_receipt_alone(office, phone):
    phone.connect()
    doc = office.forge.command("lock-1", phone.device, "lock", "work")
    a = office.action(phone, doc)
    assert a["state"] == "sent" and a["action"] == "lock"
    m = phone.wait("command")
    assert m["sha256"] == doc.sha256
    phone.send("submitted", sha256=doc.sha256, outcome="accepted", reason="", text="")
    path = f"/v1/devices/{phone.id}/actions/lock-1"
    harness.until(lambda: office.get(path)["state"] == "received")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(office.get, path + "?wait=30")
        phone.send_receipts(phone.receipt("switched", document=doc.ref, details={"to": "personal"}))
        assert office.get(path)["state"] == "received"
        phone.send_receipts(phone.receipt("locked", vp="work", document=doc.ref,
                                          details={"method": "evicted", "command": "lock-1"}))
        done = waiting.result(20)
    assert done["state"] == "done" and done["receipt"]["details"]["method"] == "evicted"


def test_a_wipe_waits_for_two_operators(office, phone):
    phone.connect()
    doc = office.forge.command("wipe-1", phone.device, "wipe", "work", sign=office.forge.keys["destroy"][:1])
    a = office.action(phone, doc)
    assert (a["state"], a["threshold"]) == ("proposed", 2)
    a = office.action(phone, doc.resigned(office.forge.keys["destroy"][1:2]))
    assert a["state"] == "sent" and len(a["signers"]) == 2
    assert len(phone.wait("command")["envelope"]["signatures"]) == 2
    phone.send_receipts(phone.receipt("refused", document=doc.ref, reason="err.no-such-vp",
                                      details={"text": "no VP work"}))
    a = office.get(f"/v1/devices/{phone.id}/actions/wipe-1")
    assert (a["state"], a["reason"], a["text"]) == ("refused", "err.no-such-vp", "no VP work")


def test_an_operator_s_key_does_not_wipe(office, phone):
    doc = office.forge.command("wipe-2", phone.device, "wipe", "work", role="command")
    r = office.call("POST", f"/v1/devices/{phone.id}/actions", {"envelope": doc.object})
    assert r.status_code == 422 or r.json()["state"] == "proposed"


@pytest.mark.parametrize("code, status, over", [
    ("err.wrong-device", 422, {"device": "dev-000000000000"}),
    ("err.epoch", 422, {"epoch": "0" * 32}),
    ("err.expired", 422, {"issued": "2026-01-01T00:00:00Z", "expires": "2026-01-02T00:00:00Z"}),
])
def test_a_command_for_somebody_else_is_refused(office, phone, code, status, over):
    doc = office.forge.command("odd", phone.device, "lock", "work", attrs=over)
    office.refused("POST", f"/v1/devices/{phone.id}/actions", status, code, {"envelope": doc.object})


def test_an_id_with_other_bytes_is_a_replay(office, phone):
    office.action(phone, office.forge.command("twice", phone.device, "lock", "work"))
    office.refused("POST", f"/v1/devices/{phone.id}/actions", 409, "err.replay",
                   {"envelope": office.forge.command("twice", phone.device, "start", "work").object})


def test_a_pending_action_is_cancelled_and_a_sent_one_asked_back(office, phone):
    a, b = (office.forge.command(n, phone.device, "start", "work") for n in ("c1", "c2"))
    assert office.action(phone, a)["state"] == "pending"
    assert office.post(f"/v1/devices/{phone.id}/actions/c1/cancel")["state"] == "cancelled"
    phone.connect()
    office.action(phone, b)
    assert phone.wait("command")["sha256"] == b.sha256
    assert office.post(f"/v1/devices/{phone.id}/actions/c2/cancel")["state"] == "sent"
    assert phone.wait("cancel")["sha256"] == b.sha256
    phone.send("submitted", sha256=b.sha256, outcome="cancelled", reason="err.cancelled", text="")
    path = f"/v1/devices/{phone.id}/actions/c2"
    harness.until(lambda: office.get(path)["state"] == "received")
    # Nobody signed that word: it is shown, and the receipt decides.
    told = office.get(path)
    assert (told["cancel"], told["reason"], told["text"]) == (True, None, "the agent says: cancelled, err.cancelled")
    phone.send("submitted", sha256=b.sha256, outcome="refused", reason="err.vp-state", text="says who?")
    harness.until(lambda: "says who?" in office.get(path)["text"])
    assert office.get(path)["state"] == "received"
    phone.send_receipts(phone.receipt("started", document=b.ref, vp="work"))
    assert office.get(path)["state"] == "done"
    office.refused("POST", path + "/cancel", 409, "conflict")


def test_an_action_that_finds_no_device_expires(office, phone):
    office.action(phone, office.forge.command("late", phone.device, "start", "work"), ttl=1)
    harness.until(lambda: office.get(f"/v1/devices/{phone.id}/actions/late")["state"] == "expired", 10)
    phone.connect()
    assert not [m for m in phone.got if m["type"] == "command"]


def test_a_membership_moves_the_device_when_done(office, phone):
    phone.connect()
    phone.snapshot()
    doc = office.forge.membership("move-1", phone.device, "lab")
    assert office.action(phone, doc)["action"] == "move"
    phone.wait("command")
    assert office.device(phone)["group"] == "field"
    phone.send_receipts(phone.receipt("applied", document=doc.ref, details={"documents": []}))
    assert office.device(phone)["group"] == "lab"
    assert "lab" in [d["id"] for d in phone.snapshot()["documents"]]


# ---- who may what
READS = ["/v1/devices", "/v1/documents", "/v1/groups", "/v1/roots", "/v1/images", "/v1/access", "/v1/self"]
WRITES = [("POST", "/v1/documents"), ("POST", "/v1/roots"), ("POST", "/v1/enrolments"),
          ("POST", "/v1/tokens"), ("POST", "/v1/users"), ("POST", "/v1/chunks/missing"),
          ("PUT", "/v1/chunks/sha256:" + "0" * 64), ("GET", "/v1/audit"), ("GET", "/v1/users")]


def test_a_viewer_reads_and_writes_nothing(office, phone):
    viewer = office.new_token("viewer")
    for path in READS:
        office.get(path, token=viewer)
    more = [("PATCH", f"/v1/devices/{phone.id}"), ("POST", f"/v1/devices/{phone.id}/retire"),
            ("POST", f"/v1/devices/{phone.id}/actions"), ("GET", f"/v1/devices/{phone.id}/audit")]
    for method, path in WRITES + more:
        office.refused(method, path, 403, "forbidden", {}, token=viewer)
        office.refused(method, path, 401, "unauthorized", {}, token="")
    assert office.device(phone)["state"] == "active"


def test_a_token_of_one_group_does_not_see_another(office, phone):
    lab = office.new_token("operator", ["lab"])
    other = Phone(office).enroll(group="lab", admin=lab)
    assert [d["id"] for d in office.get("/v1/devices", token=lab)["items"]] and \
        phone.id not in [d["id"] for d in office.get("/v1/devices", token=lab)["items"]]
    office.get(f"/v1/devices/{other.id}", token=lab)
    doc = office.forge.command("x", phone.device, "lock", "work")
    for method, path, body in (("GET", "", None), ("GET", "/vps", None), ("GET", "/access", None),
                               ("GET", "/receipts", None), ("GET", "/keys", None), ("GET", "/snapshot", None),
                               ("GET", "/actions", None), ("POST", "/actions", {"envelope": doc.object}),
                               ("POST", "/retire", {}), ("PATCH", "", {"name": "mine"})):
        office.refused(method, f"/v1/devices/{phone.id}{path}", 404, "not-found", body, token=lab)
    assert {g["id"] for g in office.get("/v1/groups", token=lab)["items"]} == {"lab"}
    office.refused("GET", "/v1/groups/field", 404, "not-found", token=lab)
    office.refused("POST", "/v1/enrolments", 403, "forbidden",
                   {"admit_sha256": "0" * 64, "group": "field", "ttl": 60}, token=lab)
    ids = {d["id"] for d in office.get("/v1/documents?filter=type eq group", token=lab)["items"]}
    assert ids == {"lab"}
    mine = {d["id"] for d in office.get("/v1/devices?limit=1000", token=lab)["items"]}
    asked = {i["device"] for i in office.get("/v1/access?verdict=any&limit=1000", token=lab)["items"]}
    assert phone.id not in mine and other.id in asked and asked <= mine


def test_a_scoped_administrator_hands_out_nothing(office):
    token = office.new_token("admin", ["lab"])
    office.refused("POST", "/v1/tokens", 403, "forbidden", {"name": "wide", "role": "admin"}, token=token)


def test_a_user_logs_in_and_is_cut_off(office):
    for wrong in ({"password": "eleven-11-c"}, {"role": "king"}, {"groups": ["No Id"]}):
        r = office.call("POST", "/v1/users", {"name": "bob", "password": "correct horse battery", "role": "viewer", **wrong})
        assert r.status_code == 400, r.text
    office.post("/v1/users", {"name": "bob", "password": "correct horse battery", "role": "viewer"})
    office.refused("POST", "/v1/login", 401, "unauthorized", {"user": "bob", "password": "wrong horse bat"},
                   token="")
    office.refused("POST", "/v1/login", 401, "unauthorized", {"user": "eve", "password": "wrong horse bat"},
                   token="")
    token = office.post("/v1/login", {"user": "bob", "password": "correct horse battery"}, token="")["token"]
    assert office.get("/v1/self", token=token)["user"] == "bob"
    r = office.call("POST", "/v1/login", {"user": "bob", "password": "correct horse battery", "ttl": 86401}, token="")
    assert r.status_code == 400, r.text
    # What was handed out for the old password ends with it.
    assert office.call("PATCH", "/v1/users/bob", {"password": "another horse battery"}).status_code == 200
    office.refused("GET", "/v1/self", 401, "unauthorized", token=token)
    office.refused("POST", "/v1/login", 401, "unauthorized", {"user": "bob", "password": "correct horse battery"}, token="")
    token = office.post("/v1/login", {"user": "bob", "password": "another horse battery"}, token="")["token"]
    entries = [e["entry"] for e in office.get("/v1/audit?filter=action eq login&order=desc")["items"]]
    assert [e["outcome"] for e in entries[-3:]] == ["ok", "unauthorized", "unauthorized"]
    assert office.call("DELETE", "/v1/users/bob").status_code == 204
    office.refused("GET", "/v1/self", 401, "unauthorized", token=token)


def test_a_hash_of_a_password_is_renewed_at_a_login(office):
    words = {"user": "old", "password": "correct horse battery"}
    time.sleep(2)  # The whole server takes two log-ins a second.
    office.post("/v1/users", {"name": "old", "password": words["password"], "role": "viewer"})
    with contextlib.closing(sqlite3.connect(office.dir / "mgmtd.db", isolation_level=None)) as db:
        def stored():
            return db.execute("SELECT hash FROM user WHERE name = 'old'").fetchone()[0]

        def store(text):
            db.execute("UPDATE user SET hash = ? WHERE name = 'old'", [text])

        current = "$argon2id$v=19$m=65536,t=3,p=4$"
        first = stored()
        assert first.startswith(current) and words["password"] not in first
        office.post("/v1/login", words, token="")
        assert stored() == first
        # By argon2(1), with the salt "0123456789abcdef".
        older = "$argon2id$v=19$m=1024,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$9osgF9Vj/OWKKHDH0I89IVwT2taN4B89WCPCiZ5aS1Q"
        store(older)
        office.refused("POST", "/v1/login", 401, "unauthorized", {**words, "password": "wrong horse bat"}, token="")
        assert stored() == older
        office.post("/v1/login", words, token="")
        assert stored().startswith(current) and stored() != first
        # An account that has no password yet.
        store("")
        office.refused("POST", "/v1/login", 401, "unauthorized", words, token="")
        assert office.call("PATCH", "/v1/users/old", {"password": words["password"]}).status_code == 200
        office.post("/v1/login", words, token="")


def test_a_deleted_token_is_dead(office):
    t = office.post("/v1/tokens", {"name": "brief", "role": "viewer"})
    office.get("/v1/self", token=t["token"])
    assert office.call("DELETE", f"/v1/tokens/{t['id']}").status_code == 204
    office.refused("GET", "/v1/self", 401, "unauthorized", token=t["token"])


# ---- a device may only be itself
def test_retiring_cuts_at_once(office, phone):
    phone.connect()
    assert office.post(f"/v1/devices/{phone.id}/retire")["state"] == "retired"
    assert phone.is_cut()
    with pytest.raises((websocket.WebSocketException, OSError)):
        phone.open()
        phone.hello()
        phone.receive()
    with pytest.raises(requests.RequestException):
        phone.chunk("/v1/chunks/sha256:" + "0" * 64)
    assert office.device(phone)["state"] == "retired"


def test_a_device_cannot_speak_for_another(office, phone):
    other = Phone(office).enroll()
    phone.open()
    phone.hello(device=other.id, epoch=other.epoch)
    assert phone.is_cut()
    phone.connect()
    phone.send_receipts(other.receipt("locked", vp="work"), ack=0)
    assert office.get(f"/v1/devices/{other.id}/receipts")["items"] == []
    doc = office.policy({"work": [("*", "none")]}, did="secret")
    n = phone.send("get", documents=[doc.sha256])
    assert phone.wait("documents", want=lambda m: m.get("re") == n)["missing"] == [doc.sha256]


def test_without_a_certificate_nobody_comes_to_the_device_port(office):
    with pytest.raises((requests.RequestException, ssl.SSLError)):
        office.call("GET", "/v1/chunks/sha256:" + "0" * 64, port=office.device_port)


def test_a_certificate_is_renewed_by_proof_of_the_key(office, phone):
    from office import make_csr
    def body(signer, **over):
        o = {"csr": make_csr(phone.identity), "cert": phone.cert.read_text(), "device": phone.id,
             "time": forge.stamp(time.time()), **over}
        text = f"cells-renew\n{o['device']}\n{o['time']}\n" + hashlib.sha256(o["csr"].encode()).hexdigest()
        o["sig"] = base64.b64encode(signer.sign(text.encode())).decode()
        return o
    office.refused("POST", "/v1/renew", 403, "forbidden", body(forge.Signer("eve")), token="")
    office.refused("POST", "/v1/renew", 403, "forbidden", body(phone.identity, time="2026-01-01T00:00:00Z"),
                   token="")
    answer = office.post("/v1/renew", body(phone.identity), token="")
    phone.cert.write_text(answer["identity_cert"])
    phone.connect()


# ---- hostile input
def test_a_huge_body_is_refused_early(office):
    for token, status in ((office.token, 413), ("", 401)):
        with raw(office.admin_port, office) as s:
            rawport.send_all(s, b"POST /v1/documents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token.encode() +
                             b"\r\nContent-Length: 1073741824\r\n\r\n" + b"x" * 65536)
            assert f" {status} ".encode() in s.recv(200)


def raw(port, office):
    c = ssl.create_default_context(cafile=str(office.ca))
    s = c.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost")
    s.settimeout(40)
    return s


BODIES = [b"", b"{", b"null", b"[]", b"42", b'"x"', b"\xff\xfe", b"{}", b'{"payloadType":1}', b"[" * 100000,
          b'{"a":' * 5000 + b"1" + b"}" * 5000, b'{"envelope":{}}', b'{"envelope":null,"ttl":1e400}',
          b'{"digests":[1,{}]}', b'{"name":"x","name":"y"}', b'{"ttl":9223372036854775808}', b"\x00"]


def test_garbage_is_a_problem_and_nothing_more(office, phone):
    paths = [("POST", p) for p in ("/v1/documents", "/v1/roots", "/v1/enrolments", "/v1/tokens", "/v1/users",
                                   "/v1/plan", "/v1/chunks/missing", "/v1/enroll", "/v1/renew",
                                   f"/v1/devices/{phone.id}/actions", f"/v1/devices/{phone.id}/checked")]
    before = len(office.get("/v1/devices")["items"])
    for method, path in paths + [("PATCH", f"/v1/devices/{phone.id}")]:
        for body in BODIES:
            r = office.call(method, path, data=body)
            assert r.status_code in (400, 413, 422) or (method == "PATCH" and body == b"{}"), (path, body[:40], r.text)
    assert len(office.get("/v1/devices")["items"]) == before


@pytest.mark.parametrize("text", ["id", "id eq", "id is x", "(id eq x", "id eq x)", 'id eq "x', "nope eq x",
                                  "id eq x or", "state like", "enrolled gt yesterday", "(" * 50 + "id eq x",
                                  "id eq x; drop table device", "connected eq maybe"])
def test_a_bad_filter_is_told_so(office, text):
    office.refused("GET", "/v1/devices", 400, "bad-filter", params={"filter": text})


def test_filters_select(office, phone):
    office.call("PATCH", f"/v1/devices/{phone.id}", {"name": "front desk", "labels": {"site": "b-2"}})
    def ids(text):
        return [d["id"] for d in office.get("/v1/devices", params={"filter": text})["items"]]
    assert ids('name eq "front desk" and label.site eq b-2') == [phone.id]
    assert phone.id in ids("name like front* and (state eq retired or connected eq false)")
    # It said nothing yet: not compliant, never seen, no level.
    for text in ("compliant eq false", "compliant ne true", "seen lt 2020-01-01T00:00:00Z", "enforcement ne live",
                 "label.floor ne 3", "connected ne true"):
        assert phone.id in ids(text), text
    for text in ("compliant eq true", "compliant ne false", "seen gt 2020-01-01T00:00:00Z", "enforcement eq live",
                 "enforcement like *", "label.floor eq 3"):
        assert phone.id not in ids(text), text
    assert ids(f"id eq {phone.id} and label.site ne b-2") == []
    assert ids('name like "%"') == []


def test_if_match_and_idempotency_keys(office, phone):
    path = f"/v1/devices/{phone.id}"
    etag = office.call("GET", path).headers["etag"]
    assert office.call("PATCH", path, {"name": "a"}, headers={"If-Match": etag}).status_code == 200
    office.refused("PATCH", path, 412, "changed", {"name": "b"}, headers={"If-Match": etag})
    doc = office.forge.command("once", phone.device, "lock", "work")
    key = {"Idempotency-Key": "k1"}
    first = office.call("POST", path + "/actions", {"envelope": doc.object}, headers=key)
    again = office.call("POST", path + "/actions", {"envelope": doc.object}, headers=key)
    assert first.status_code == again.status_code == 201 and first.json() == again.json()
    office.refused("POST", path + "/actions", 422, "key-reused", {"envelope": doc.object, "ttl": 5}, headers=key)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"type":1}', '{"type":"hello"}', "[" * 5000,
                                  '{"type":"get","documents":"all"}'])
def test_a_garbled_message_ends_the_connection(office, phone, text):
    phone.connect()
    phone.ws.send(text if text else " ")
    assert phone.is_cut()
    phone.connect()


def test_unknown_messages_are_ignored_and_fragments_joined(office, phone):
    phone.connect()
    phone.send("weather", sky="blue")
    text = json.dumps({"type": "roots", "id": 99, "after": 0, "pad": "x" * 3000})
    parts = [text[i:i + 7] for i in range(0, len(text), 7)]
    for i, part in enumerate(parts):
        frame = websocket.ABNF.create_frame(part, websocket.ABNF.OPCODE_TEXT if i == 0
                                            else websocket.ABNF.OPCODE_CONT, 1 if i + 1 == len(parts) else 0)
        phone.ws.send_frame(frame)
    assert phone.wait("documents", want=lambda m: m.get("re") == 99)["documents"]


def test_an_endless_message_is_cut(office, phone):
    phone.connect()
    with contextlib.suppress(OSError, websocket.WebSocketException):
        for i in range(400):
            phone.ws.send_frame(websocket.ABNF.create_frame(
                "x" * 8192, websocket.ABNF.OPCODE_TEXT if i == 0 else websocket.ABNF.OPCODE_CONT, 0))
    assert phone.is_cut()
    phone.connect()


def test_messages_before_hello_are_refused(office, phone):
    phone.open()
    phone.send("receipt", receipts=[])
    assert phone.is_cut()


# ---- chunks
def test_a_wrong_chunk_is_not_stored(office):
    name = forge.digest(b"right")
    office.refused("PUT", f"/v1/chunks/{name}", 422, "err.chunk", data=b"wrong")
    office.refused("GET", f"/v1/chunks/{name}", 404, "not-found")
    assert office.post("/v1/chunks/missing", {"digests": [name]})["missing"] == [name]
    assert office.call("PUT", f"/v1/chunks/{name}", data=b"right").status_code == 201
    assert office.post("/v1/chunks/missing", {"digests": [name]})["missing"] == []
    head = office.call("HEAD", f"/v1/chunks/{name}")
    assert head.status_code == 200 and head.headers["content-length"] == "5" and head.content == b""


def test_an_image_is_used_when_its_chunks_are_here(office):
    layer = forge.Layer(os.urandom(70000))
    doc = office.forge.image("slow", 1, [layer])
    office.submit(doc)
    assert office.get("/v1/images/slow/1")["complete"] is False
    office.put_layer(layer)
    harness.until(lambda: office.get("/v1/images/slow/1")["complete"])


def test_newest_image_is_shown_without_its_version(office):
    for version in (1, 2, 10):
        layer = forge.Layer(os.urandom(1000))
        office.put_layer(layer)
        office.submit(office.forge.image("newest", version, [layer]))
    assert office.get("/v1/images/newest/latest")["version"] == 10
    office.refused("GET", "/v1/images/nothing/latest", 404, "not-found")


# ---- audit
def merkle_root(leaves):
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + merkle_root(leaves[:k]) + merkle_root(leaves[k:])).digest()


def test_the_tree_is_what_its_head_says(office):
    head = office.get("/v1/audit/head")
    director = base64.b64decode(office.get("/v1/server")["director"]["spki"])
    assert head["signatures"][0]["keyid"] == hashlib.sha256(director).hexdigest()
    body = json.loads(base64.b64decode(head["payload"]))
    r = office.call("GET", f"/v1/audit/export?format=jsonl&to={body['size']}")
    leaves = r.content.split(b"\n")[:-1]
    assert len(leaves) == body["size"]
    assert body["root"] == "sha256:" + merkle_root(leaves).hex()
    proof = office.get(f"/v1/audit/inclusion?index=3&size={body['size']}")
    assert proof["text"].encode() == leaves[3] and len(proof["path"]) >= 1
    office.get(f"/v1/audit/consistency?first=2&second={body['size']}")
    office.refused("GET", f"/v1/audit/inclusion?index=9999999&size={body['size']}", 404, "not-found")
    for fmt, start in (("cef", b"CEF:0|Cells|"), ("syslog", b"<109>1 ")):
        assert office.call("GET", f"/v1/audit/export?format={fmt}&to=1").content.startswith(start)


def test_refusals_and_writes_are_entries(office, phone):
    viewer = office.new_token("viewer", name="nosy")
    office.refused("POST", "/v1/roots", 403, "forbidden", {}, token=viewer)
    e = office.get("/v1/audit?filter=who eq nosy")["items"][0]["entry"]
    assert (e["action"], e["outcome"], e["from"]) == ("root-submit", "forbidden", "127.0.0.1")
    office.call("PATCH", f"/v1/devices/{phone.id}", {"name": "renamed"})
    e = office.get(f"/v1/audit?filter=device eq {phone.id} and action eq device-change")["items"][0]["entry"]
    assert (e["before"]["name"], e["after"]["name"]) == ("phone", "renamed")


# ---- what-if
def test_a_plan_tells_what_would_change_and_stores_nothing(office, phone):
    phone.connect()
    phone.apply(phone.snapshot())
    phone.switch("work")
    n = len(office.get("/v1/documents")["items"])
    doc = office.forge.policy("baseline", 999, {"work": [("*", "none")], "personal": [("*", "shared")]}, sign=[])
    plan = office.post("/v1/plan", {"documents": [doc.object]})
    mine = [d for d in plan["devices"] if d["device"] == phone.id][0]
    cells = {(c["vp"], c["class"]): c for c in mine["cells"]}
    assert cells["work", "camera"] == {"vp": "work", "class": "camera", "before": "exclusive", "after": "none",
                                       "verdict_before": "allowed", "verdict_after": "denied", "cuts": True}
    assert cells["personal", "camera"]["verdict_after"] == "allowed"
    assert plan["documents"][0]["valid"] is False and plan["changes"] >= 3
    assert {"type": "device-policy", "id": "baseline", "before": office.versions["baseline"], "after": 999} in \
        mine["documents"]
    assert len(office.get("/v1/documents")["items"]) == n
    same = office.post("/v1/plan", {"documents": []})
    assert [d for d in same["devices"] if d["device"] == phone.id] == []


# ---- roots
def test_a_new_root_needs_the_old_one_s_threshold():
    with harness.World() as world:
        office = Office(world).publish()
        f = office.forge
        old = f.keys["root"]
        f.keys["root"] = [forge.Signer("root-new")]
        office.refused("POST", "/v1/roots", 422, "err.root-chain", office.root(3, sign=f.keys["root"]).object)
        lone = office.root(2, sign=f.keys["root"])
        assert office.submit(lone)["state"] == "proposed"
        assert office.get("/v1/server")["root"]["version"] == 1
        assert office.submit(lone.resigned(old))["state"] == "active"
        assert office.get("/v1/server")["root"]["version"] == 2
        assert [r["version"] for r in office.get("/v1/roots")["items"]] == [1, 2]
        # A connected device hears of a root at once, before what is signed under it.
        phone = Phone(office).enroll()
        phone.connect(status={"root": 2})
        # Documents that the new root's keys did not sign count no more.
        f.keys["policy"] = [forge.Signer("fresh-1"), forge.Signer("fresh-2")]
        office.submit(office.root(3))
        assert office.get("/v1/documents?filter=type eq group")["items"][0]["state"] == "proposed"
        (pushed,) = phone.wait("documents")["documents"]
        assert b'version="3"' in base64.b64decode(pushed["payload"])


# ---- events
def test_events_tell_what_happens(office, phone):
    c = ssl.create_default_context(cafile=str(office.ca))
    ws = websocket.WebSocket(sslopt={"context": c})
    ws.connect(f"wss://127.0.0.1:{office.admin_port}/v1/events", subprotocols=["cells.events.v1"],
               header=[f"Authorization: Bearer {office.token}"], timeout=10)
    office.action(phone, office.forge.command("seen", phone.device, "lock", "work"))
    m = json.loads(ws.recv())
    assert (m["type"], m["device"], m["state"]) == ("action", phone.id, "pending")
    ws.close()
    with pytest.raises(websocket.WebSocketException):
        websocket.create_connection(f"wss://127.0.0.1:{office.admin_port}/v1/events",
                                    subprotocols=["cells.events.v1"], sslopt={"context": c})


# ---- what was answered survives
def test_an_answered_write_survives_kill():
    with harness.World() as world:
        office = Office(world).publish()
        phone = Phone(office).enroll()
        for n in range(5):
            phone.connect()
            phone.send_receipts(phone.receipt("started", vp="work"), ack=n + 1)
            doc = office.forge.command(f"k-{n}", phone.device, "lock", "work")
            office.action(phone, doc)
            chunk = os.urandom(1000)
            assert office.call("PUT", f"/v1/chunks/{forge.digest(chunk)}", data=chunk).status_code == 201
            size = json.loads(base64.b64decode(office.get("/v1/audit/head")["payload"]))["size"]
            office.restart(sig=signal.SIGKILL)
            assert office.device(phone)["receipts"] == n + 1
            assert office.get(f"/v1/devices/{phone.id}/actions/k-{n}")["sha256"] == doc.sha256
            assert office.call("GET", f"/v1/chunks/{forge.digest(chunk)}").content == chunk
            head = json.loads(base64.b64decode(office.get("/v1/audit/head")["payload"]))
            assert head["size"] >= size
        leaves = office.call("GET", "/v1/audit/export").content.split(b"\n")[:-1]
        head = json.loads(base64.b64decode(office.get("/v1/audit/head")["payload"]))
        assert head["root"] == "sha256:" + merkle_root(leaves[:head["size"]]).hex()


# ---- slow and many
def test_slow_clients_are_cut_and_harm_nobody():
    with harness.World() as world:
        office = Office(world, config="stall-seconds = 2\n").publish()
        phone = Phone(office).enroll()
        half = [raw(office.admin_port, office) for _ in range(20)]
        for s in half:
            s.sendall(b"GET /v1/devices HTTP/1.1\r\nHost: x\r\n")
        big = os.urandom(30 * 1024 * 1024)
        assert office.call("PUT", f"/v1/chunks/{forge.digest(big)}", data=big).status_code == 201
        slow = raw(office.admin_port, office)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(f"GET /v1/chunks/{forge.digest(big)} HTTP/1.1\r\nHost: x\r\n"
                     f"Authorization: Bearer {office.token}\r\n\r\n".encode())
        start = time.monotonic()
        office.get("/v1/devices")
        phone.connect()
        assert time.monotonic() - start < 2
        def open_connections():
            text = office.call("GET", "/metrics", token="").text
            return int(text.split("\ncells_mgmtd_connections ")[1].split()[0])
        assert open_connections() >= 22
        # The phone's and the one that asks are left.
        harness.until(lambda: open_connections() <= 2, 60, step=0.5)
        phone.send("roots", after=0)
        phone.wait("documents")


def test_a_storm_is_admitted_at_a_rate():
    with harness.World() as world:
        office = Office(world, config="admit-rate = 2\n").publish()
        phones = [Phone(office).enroll() for _ in range(8)]
        codes = []
        for p in phones:
            try:
                p.open()
                codes.append(101)
            except websocket.WebSocketBadStatusException as e:
                codes.append(e.status_code)
                assert 1 <= int(e.resp_headers["retry-after"]) <= 60
        assert 503 in codes and 101 in codes
        time.sleep(1)
        phones[-1].connect()


def test_rates_are_limited():
    with harness.World() as world:
        office = Office(world, config="token-rate = 5\naddress-rate = 3\nlogin-rate = 3\n")
        codes = [office.call("GET", "/v1/self").status_code for _ in range(40)]
        assert 200 in codes and 429 in codes
        assert 429 in [office.call("GET", "/v1/self", token="").status_code for _ in range(30)]
        time.sleep(2)
        r = [office.call("POST", "/v1/login", {"user": "x", "password": "y" * 12}, token="") for _ in range(6)]
        assert [x.status_code for x in r].count(401) <= 3
        assert [x for x in r if x.status_code == 429 and x.headers["retry-after"]]


def test_one_loop_forgets_nothing_of_many_devices(office):
    phones = [Phone(office).enroll() for _ in range(20)]
    for p in phones:
        p.connect()
    for p in phones:
        p.snapshot()
    policy = office.policy()
    for p in phones:
        assert policy.ref in p.snapshot()["documents"]
        p.close()


def test_the_server_s_own_rules(office):
    routes = harness.run([harness.program("cells-mgmtd"), "--print-routes"]).stdout.splitlines()
    assert len(routes) > 50
    assert office.call("GET", "/healthz", token="").text == "ok\n"
    assert office.call("GET", "/readyz", token="").text == "ready\n"
    assert office.call("GET", "/v1/ca", token="").text.startswith("-----BEGIN CERTIFICATE")
    office.refused("DELETE", "/v1/devices", 405, "method-not-allowed")
    bad = office.world.folder / "bad.conf"
    bad.write_text("admin-port = 1\nshape = round\n")
    r = harness.run([harness.program("cells-mgmtd"), "--config", bad, "--check-config"], check=False)
    assert r.returncode == 1 and "bad.conf:2: unknown key 'shape'" in r.stderr


@pytest.fixture
def small_disk(world):
    """A server whose folder is on a file system of 3 MiB."""
    office = Office(world).publish()
    office.process.stop()
    folder = world.subfolder("small")
    harness.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder])
    try:
        harness.run(["cp", "-a", f"{office.dir}/.", folder])
        office.process.argv = [str(folder) if a == str(office.dir) else a for a in office.process.argv]
        office.process.start()
        office.read_ports()
        yield office, folder
    finally:
        office.process.stop()
        harness.run(["umount", folder])


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
def test_a_full_disk_is_told_and_survived(small_disk):
    office, folder = small_disk
    phone = Phone(office).enroll()
    phone.connect()
    ballast = folder / "ballast"
    space = os.statvfs(folder)
    ballast.write_bytes(b"x" * (space.f_bavail * space.f_bsize - 8192))
    answers = [office.call("POST", "/v1/tokens", {"name": f"t{i}", "role": "viewer"}) for i in range(8)]
    made = [r.json()["id"] for r in answers if r.status_code == 201]
    assert answers[-1].status_code == 507 and answers[-1].json()["code"] == "err.storage-full"
    data = os.urandom(100000)
    office.refused("PUT", f"/v1/chunks/{forge.digest(data)}", 507, "err.storage-full", data=data)
    # A receipt that could not be kept is not acknowledged.
    phone.send("receipt", receipts=[{"seq": 1, "envelope": phone.receipt("started", vp="work").object}])
    assert phone.is_cut()
    ballast.unlink()
    assert office.call("POST", "/v1/tokens", {"name": "after", "role": "viewer"}).status_code == 201
    here = {t["id"] for t in office.get("/v1/tokens")["items"]}
    assert set(made) <= here and len(here) == len(made) + 2
    phone.seq = 0
    phone.connect()
    phone.send_receipts(phone.receipt("started", vp="work"), ack=1)
    head = json.loads(base64.b64decode(office.get("/v1/audit/head")["payload"]))
    leaves = office.call("GET", f"/v1/audit/export?to={head['size']}").content.split(b"\n")[:-1]
    assert head["root"] == "sha256:" + merkle_root(leaves).hex()


# ---- time
def test_a_device_that_was_off_gets_a_fresh_snapshot(world):
    """Its secure time is where it was; a command of today would come from its future."""
    phone = Phone(Office(world).publish()).enroll()
    phone.connect()
    first = phone.snapshot()
    phone.close()
    world.move_clock(wall=3600)
    phone.connect(status={"secure_time": forge.stamp(time.time() + 3600)})
    assert phone.snapshot()["version"] == first["version"], "a device in time needs no new signature"
    phone.close()
    phone.connect(status={"secure_time": first["issued"]})
    assert phone.snapshot()["version"] == first["version"] + 1
    phone.close()
