# SPDX-License-Identifier: Apache-2.0
"""cells-policyd over its bus, with a test as agent and server: what it takes, what it
refuses and in which order it looks, and what is left after kill -9."""
import base64
import contextlib
import json
import os
import random
import sqlite3
import threading
import time

import pytest

import forge
import harness
from busclient import Failed, File
from fakecellsd import FakeCellsd
from phone import ROOMS, Fleet, Phone

DAY = forge.DAY


@pytest.fixture
def phone(world):
    p = Phone(world)
    p.enroll()
    return p


@pytest.fixture
def fleet(phone):
    f = Fleet(phone.org, phone.device)
    f.publish(phone)
    return f


def reload_time(phone):
    return forge_time(phone.status()["secure_time"])


def forge_time(text):
    import calendar
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


# ---- enrollment
def test_enrolls_and_says_who_it_is(phone):
    s = phone.status()
    assert s["enrolled"] and s["org"] == "acme" and s["device"] == phone.device.id
    assert s["epoch"] == phone.device.epoch and s["group"] == {"id": "field", "min_version": 1}
    assert phone.agent.heard("hello")


ANSWERS = {
    "another root than the pinned one": lambda a, o: a.update(roots=[forge.Org("acme").roots[0].object]),
    "no root": lambda a, o: a.update(roots=[]),
    "another device": lambda a, o: a.update(device="dev-000000000000"),
    "another epoch": lambda a, o: a.update(epoch="0" * 32),
    "another receipt key": lambda a, o: a.update(receipt_cert=o.issue(forge.Signer("x").key.public_key(), "x")),
    "another CA": lambda a, o: a.update(ca=forge.Org("acme").ca_pem()),
    "a root that skips": lambda a, o: a.update(roots=[o.roots[0].object, o.root(3).object]),
    "a root signed by nobody before": lambda a, o: a.update(roots=[o.roots[0].object, forge.Org("acme").root(2).object]),
    "a member missing": lambda a, o: a.pop("receipt_cert"),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_wrong_answer_enrolls_nothing(world, what):
    phone = Phone(world)
    with pytest.raises(Failed):
        phone.enroll(change=lambda a: ANSWERS[what](a, phone.org))
    assert not phone.status()["enrolled"]
    phone.enroll()
    assert phone.status()["enrolled"]


def test_walks_the_roots_at_enrolment(world):
    phone = Phone(world)
    phone.org.rotate("policy")
    phone.org.rotate("root", "director")
    phone.enroll()
    assert phone.status()["root_version"] == 3
    Fleet(phone.org, phone.device).publish(phone)


def test_device_starts_from_the_root_that_the_uri_pins(world):
    """Who was removed before the URI was made signs nothing for a new device, whatever the server withholds."""
    phone = Phone(world)
    removed = phone.org.signers("policy")
    phone.org.rotate("policy", "root")
    uri = phone.org.uri("field", root=phone.org.roots[-1].sha256[7:])[0]
    with pytest.raises(Failed):
        phone.enroll(uri, change=lambda a: a.update(roots=[phone.org.roots[0].object]))
    phone.enroll(uri)
    assert phone.status()["root_version"] == 2
    fleet = Fleet(phone.org, phone.device)
    group = fleet.group()
    assert phone.submit(phone.org.group("field", 9, [], [], sign=removed))[1] == "err.unknown-key" and group
    fleet.publish(phone)
    # Only the pinned one: the server may have forgotten those before.
    phone.enroll(uri, change=lambda a: a.update(roots=[phone.org.roots[-1].object]))


def test_enrolling_again_is_a_new_epoch(phone, fleet):
    old = phone.device.epoch
    state = phone.status()["state"]
    phone.submit(fleet.docs["work"].damaged())
    assert phone.receipts()
    phone.enroll(phone.org.uri("field")[0])
    assert phone.device.epoch != old
    assert phone.receipts() == [] and phone.status()["seq"] == {"receipts": 0, "audit": 1}
    assert phone.status()["state"] == state, "what is in force stays"
    assert phone.submit(forge.Org.snapshot(phone.org, forge.Device(did=phone.device.id, epoch=old), 900,
                                           list(fleet.docs.values()))) == ("refused", "err.epoch")


def test_another_organisation_needs_a_reset(phone):
    other = forge.Org("umbrella")
    mine, phone.org = phone.org, other
    with pytest.raises(Failed) as e:
        phone.enroll()
    assert e.value.name == "wrong_org"
    phone.org = mine
    assert phone.status()["org"] == "acme"


@pytest.mark.parametrize("user, method, args", [
    ("cells-agent", "Enroll", ["cells://x"]), ("cells-agent", "Reset", []),
    ("cells-agent", "UnlockConfig", ["work", b"x"]), ("root", "Submit", [b"x"]), ("root", "Ack", ["receipts", 1]),
    ("root", "EnrollStart", [b"x"]), ("root", "Wants", [1]), ("root", "Receipts", [0, 1]), ("root", "Audit", [0]),
    ("root", "EnrollFinish", ["", "x"]), ("cells-agent", "Explain", ["work", "camera"]),
    ("cells-agent", "Unlock", ["work", b"x"]), ("cells-agent", "SetPasscode", ["work", b"", b"12345678"]), ("nobody", "Status", []), ("nobody", "Submit", [b"x"]),
])
def test_methods_are_for_whom_they_are(phone, user, method, args):
    with pytest.raises(Failed):
        phone.client(user).call("Policy1", method, *args)


# ---- what is taken
def test_a_set_goes_into_force_whole(phone):
    fleet = Fleet(phone.org, phone.device)
    fleet.group()
    empty = phone.status()["state"]
    assert phone.submit(fleet.snapshot()) == ("staged", "")
    order = list(fleet.docs.values())
    random.shuffle(order)
    for doc in order:
        assert phone.submit(doc) == ("staged", "")
        assert phone.status()["state"] == empty
    assert phone.wants() == [("chunk-list", forge.digest(fleet.layer.list))]
    phone.fetch(order, fleet.layer.files())
    harness.until(lambda: phone.status()["state"] == forge.state_digest([d.ref for d in order]))
    assert phone.wants() == []


def test_the_same_again_is_no_news(phone, fleet):
    seq = phone.status()["seq"]
    assert phone.submit(phone.org.roots[0]) == ("known", "")
    assert phone.submit(fleet.docs["policy"]) == ("known", "")
    assert phone.status()["seq"] == seq


def test_explain_names_the_rule(phone, fleet):
    why = phone.explain("work", "camera-front")
    assert why["verdict"] == "allowed" and why["mode"] == "shared" and why["until"] is None
    assert [(r["policy"], r["class"], r["signers"]) for r in why["rules"]] == \
        [("baseline", "camera", "policy-1, policy-2")]
    assert phone.explain("work", "gps")["verdict"] == "denied"
    for args, reason in ((("ghost", "gps"), "no_such_vp"), (("work", "teleporter"), "unknown_class")):
        with pytest.raises(Failed) as e:
            phone.explain(*args)
        assert e.value.name == reason


# ---- the order of tests: of two faults, the earlier is named
def both(org, device, fleet):
    """(reason, document) with that fault and all later ones."""
    now = org.now()
    wrong = forge.Password("wrong password entirely")
    later = {"version": 1, "issued": forge.stamp(now - 9 * DAY), "expires": forge.stamp(now - 8 * DAY)}
    yield "err.too-large", forge.Doc("vp-config", "x", 1, b"x" * 600000, [])
    yield "err.unknown-key", org.config("work", 9, "tiny", attrs={"org": "other", **later}, sign=[forge.Signer("x")])
    yield "err.threshold", org.config("work", 9, "tiny", attrs={"org": "other", **later}, sign=org.keys["policy"][:1])
    yield "err.schema", org.config("work", 9, "tiny", attrs={"org": "other", "odd": "1", **later})
    yield "err.wrong-org", org.config("work", 9, "tiny", attrs={"org": "other", **later})
    yield "err.expired", org.config("work", 9, "tiny", attrs=later)
    yield "err.not-yet-valid", org.config("work", 9, "tiny", attrs={"version": 1}, issued=now + DAY)
    doc = org.config("work", 9, "tiny", attrs={"version": 1})
    yield "err.rollback", doc.with_proofs(wrong.proof(fleet.docs["work"], doc))
    doc = org.config("work", 9, "tiny")
    yield "err.password", doc.with_proofs(wrong.proof(fleet.docs["work"], doc))
    doc = org.config("work", 9, "tiny")
    yield "err.mix-and-match", doc.with_proofs(fleet.password.proof(fleet.docs["work"], doc))


def test_the_earlier_fault_is_named(phone):
    fleet = Fleet(phone.org, phone.device)
    fleet.password = forge.Password("correct horse battery staple")
    fleet.make("work", password=fleet.password)
    fleet.publish(phone)
    state = phone.status()["state"]
    seq = phone.status()["seq"]["receipts"]
    for reason, doc in both(phone.org, phone.device, fleet):
        assert phone.submit(doc) == ("refused", reason)
        seq += 1
        last = phone.receipts(seq - 1)
        assert [r["reason"] for r in last] == [reason]
        assert last[0]["document"]["sha256"] == doc.sha256 or reason == "err.too-large"
        assert phone.submit(doc) == ("refused", reason), "again, with no second receipt"
        assert phone.status()["seq"]["receipts"] == seq
    assert phone.status()["state"] == state
    held, new = fleet.docs["work"], fleet.make("work")
    fleet.docs["work"] = new.with_proofs(fleet.password.proof(held, new))
    fleet.publish(phone)


# ---- passwords typed at the device
def test_unlocked_config_may_be_replaced(phone):
    password = forge.Password("correct horse battery staple")
    fleet = Fleet(phone.org, phone.device)
    fleet.make("work", password=password, secrets=b"wifi")
    fleet.publish(phone)
    fleet.make("work", label="no proof")
    fleet.group()
    phone.submit(fleet.snapshot())
    assert phone.submit(fleet.docs["work"]) == ("refused", "err.password")
    assert phone.wants() == [], "not asked for again and again"
    for tries in range(3):
        with pytest.raises(Failed) as e:
            phone.root.call("Policy1", "UnlockConfig", "work", b"wrong")
        assert e.value.name == "password"
    with pytest.raises(Failed) as e:
        phone.root.call("Policy1", "UnlockConfig", "work", b"correct horse battery staple")
    assert e.value.name == "locked_out"
    assert 0 < phone.status()["locked_out"]["config"]["work"] <= 30
    phone.policyd.restart()
    with pytest.raises(Failed) as e:
        phone.root.call("Policy1", "UnlockConfig", "work", b"correct horse battery staple")
    assert e.value.name == "locked_out", "a restart gives nothing back"
    phone.world.move_clock(40)
    phone.root.call("Policy1", "UnlockConfig", "work", b"correct horse battery staple")
    assert phone.fetch(fleet.docs.values(), {}) == ("accepted", "")
    assert phone.status()["locked_out"]["config"] == {}


def test_window_closes(phone):
    password = forge.Password("correct horse battery staple")
    fleet = Fleet(phone.org, phone.device)
    fleet.make("work", password=password)
    fleet.publish(phone)
    phone.root.call("Policy1", "UnlockConfig", "work", b"correct horse battery staple")
    phone.world.move_clock(601)
    fleet.make("work")
    fleet.group()
    phone.submit(fleet.snapshot())
    assert phone.submit(fleet.docs["work"]) == ("refused", "err.password")


def test_root_threshold_replaces_a_config(phone):
    fleet = Fleet(phone.org, phone.device)
    fleet.make("work", password=forge.Password("forgotten forever and ever"))
    fleet.publish(phone)
    fleet.make("work", sign=phone.org.signers("policy") + phone.org.signers("root"))
    fleet.publish(phone)


def test_protection_outlasts_absence(phone):
    """A config that a snapshot leaves out is not free to be replaced afterwards."""
    org = phone.org
    fleet = Fleet(org, phone.device)
    fleet.make("work", password=forge.Password("correct horse battery staple"))
    fleet.publish(phone)
    work = fleet.docs.pop("work")
    fleet.docs["group"] = org.group("field", fleet.version("group"), [fleet.docs["policy"]], [fleet.docs["personal"]])
    phone.submit(fleet.snapshot())
    assert phone.submit(fleet.docs["group"]) == ("accepted", "")
    fleet.docs["work"] = org.config("work", work.version + 1, "tiny")
    fleet.group()
    phone.submit(fleet.snapshot())
    assert phone.submit(fleet.docs["work"]) == ("refused", "err.password")


# ---- secure time
def test_secure_time_follows_snapshots_and_boot_clock(phone, fleet):
    start = reload_time(phone)
    phone.world.move_clock(wall=-30 * DAY, boot=7200)
    assert reload_time(phone) >= start + 7200, "the wall clock has no say"
    phone.world.move_clock(wall=300 * DAY, boot=7200)
    assert reload_time(phone) < start + 7300
    phone.policyd.restart()
    assert reload_time(phone) >= start + 7200 + 300


def test_expiry_is_by_secure_time(phone, fleet):
    policy = fleet.make("policy", {"work": ROOMS}, life=3600)
    phone.world.move_clock(wall=0, boot=7200)
    fleet.group()
    assert phone.submit(fleet.snapshot(issued=phone.org.now() + 7200))[0] == "staged"
    assert phone.submit(policy) == ("refused", "err.expired")


# ---- orders without cellsd
def test_orders_wait_for_cellsd_and_ids_are_kept(phone, fleet):
    stop = phone.org.command("stop-1", phone.device, "stop", "work")
    seq = phone.status()["seq"]["receipts"]
    assert phone.submit(stop) == ("accepted", "")
    assert phone.submit(stop) == ("known", "")
    assert phone.submit(phone.org.command("stop-1", phone.device, "start", "work")) == ("refused", "err.replay")
    phone.policyd.restart()
    assert phone.submit(stop) == ("known", "")
    assert phone.status()["seq"]["receipts"] == seq + 1


def test_commands_need_their_own_role(phone, fleet):
    org = phone.org
    for doc, reason in (
            (org.command("w1", phone.device, "wipe", "work", sign=org.keys["command"]), "err.unknown-key"),
            (org.command("w2", phone.device, "wipe", "work", sign=org.keys["destroy"][:1]), "err.threshold"),
            (org.command("w3", phone.device, "stop", "work", sign=org.keys["destroy"]), "err.unknown-key"),
            (org.command("w4", phone.device, "stop", "work", life=31 * DAY), "err.schema"),
            (org.command("w5", phone.device, "reboot"), "err.agent-too-old"),
            (org.command("w6", phone.device, "stop", "ghost"), "err.no-such-vp")):
        assert phone.submit(doc) == ("refused", reason), doc.id


def test_refused_order_is_told_once_more(phone, fleet):
    doc = phone.org.command("ghost-1", phone.device, "stop", "ghost")
    phone.submit(doc)
    first = phone.receipts()[-1]
    phone.agent.call("Policy1", "Ack", "receipts", first["seq"])
    assert phone.receipts(first["seq"]) == []
    assert phone.submit(doc) == ("known", "")
    assert phone.receipts(first["seq"]) == [first]
    assert phone.receipts(first["seq"]) == []


def test_protected_vp_is_not_removed_without_its_password(phone):
    fleet = Fleet(phone.org, phone.device)
    fleet.make("work", password=forge.Password("correct horse battery staple"))
    fleet.publish(phone)
    assert phone.submit(phone.org.command("r1", phone.device, "remove", "work")) == ("refused", "err.password")
    assert phone.submit(phone.org.command("w1", phone.device, "wipe", "work")) == ("accepted", "")


def test_memberships_come_in_the_order_they_were_made(phone, fleet):
    now = phone.org.now()
    older = phone.org.membership("move-1", phone.device, "field", issued=now - 100)
    newer = phone.org.membership("move-2", phone.device, "office", issued=now - 50)
    assert phone.submit(newer) == ("accepted", "")
    assert phone.submit(older) == ("refused", "err.rollback")
    assert phone.status()["group"] == {"id": "office", "min_version": 1}
    assert phone.submit(newer) == ("known", "")
    fleet.group()
    assert phone.submit(fleet.snapshot()) == ("refused", "err.incomplete")


def test_two_moves_of_one_second_have_one_order(phone, fleet):
    """The carrier does not choose in which of two groups the device ends."""
    org, now = phone.org, phone.org.now()
    first = org.membership("move-1", phone.device, "office", issued=now)
    second = org.membership("move-2", phone.device, "field", issued=now, after=first)
    stray = org.membership("move-3", phone.device, "lab", issued=now)
    assert phone.submit(second) == ("refused", "err.replay"), "what it follows was not taken"
    assert phone.submit(first) == ("accepted", "")
    assert phone.submit(stray) == ("refused", "err.replay"), "of the same second, and names none"
    assert phone.submit(org.membership("move-4", phone.device, "lab", issued=now, after=stray)) == ("refused", "err.replay")
    assert phone.submit(second) == ("accepted", "")
    assert phone.submit(org.membership("move-5", phone.device, "lab", issued=now + 1, after=first)) == ("refused", "err.replay")
    assert phone.submit(first) == ("known", "")
    assert phone.status()["group"]["id"] == "field"
    assert phone.submit(org.membership("move-6", phone.device, "office", issued=now + 1)) == ("accepted", "")


# ---- roots
def test_roots_come_one_after_the_other(phone, fleet):
    org = phone.org
    second = org.rotate("policy")
    third = org.rotate("root")
    assert phone.submit(third) == ("refused", "err.root-chain")
    assert phone.submit(second) == ("accepted", "")
    assert phone.submit(second) == ("known", "")
    assert phone.submit(third) == ("accepted", "")
    assert phone.submit(org.roots[0]) == ("refused", "err.root-chain")
    with_old_key = org.root(3, sign=org.signers("root"), life=300 * DAY)
    assert phone.submit(with_old_key) == ("refused", "err.equivocation")
    fleet.make("policy", {"work": [("*", "none")]})
    for name in ("work", "personal"):
        fleet.make(name)
    fleet.publish(phone)


def test_floor_of_a_lost_key_does_not_bind(phone, fleet):
    """An attacker with the policy keys used up the versions: a new root gives them back."""
    fleet.n["policy"] = 2**31 - 2
    fleet.make("policy", {"work": [("*", "shared")]})
    fleet.publish(phone)
    phone.submit(phone.org.rotate("policy"))
    fleet.n["policy"] = 3
    for name in ("policy", "work", "personal"):
        fleet.make(name)
    fleet.n["group"] = 100
    fleet.publish(phone)
    assert phone.explain("work", "camera")["mode"] == "shared"


# ---- images
def test_chunk_with_other_bytes_is_refused(phone):
    fleet = Fleet(phone.org, phone.device)
    fleet.group()
    phone.submit(fleet.snapshot())
    for d in fleet.docs.values():
        phone.submit(d)
    (kind, digest), = phone.wants()
    assert kind == "chunk-list"
    for bad in (b"", b"x", fleet.layer.list + b"\n", os.urandom(70 * 1024)):
        with pytest.raises(Failed) as e:
            phone.agent.call("Policy1", "PutChunk", digest, File(bad))
        assert e.value.name == "chunk"
    phone.agent.call("Policy1", "PutChunk", digest, File(fleet.layer.list))
    kind, digest = phone.wants()[0]
    assert kind == "chunk"
    with pytest.raises(Failed) as e:
        phone.agent.call("Policy1", "PutChunk", digest, File(b"x" * 100))
    assert e.value.name == "chunk"
    phone.fetch([], fleet.layer.files())
    harness.until(lambda: phone.status()["staged"] is None)


def test_half_a_layer_is_taken_up_after_a_restart(phone):
    fleet = Fleet(phone.org, phone.device)
    fleet.group()
    phone.submit(fleet.snapshot())
    for d in fleet.docs.values():
        phone.submit(d)
    files = fleet.layer.files()
    phone.agent.call("Policy1", "PutChunk", phone.wants()[0][1], File(fleet.layer.list))
    wanted = phone.wants()
    phone.agent.call("Policy1", "PutChunk", wanted[0][1], File(files[wanted[0][1]]))
    phone.policyd.restart()
    assert phone.wants() == wanted[1:]
    phone.fetch([], files)
    harness.until(lambda: phone.status()["staged"] is None)


def test_next_image_fetches_only_what_is_new(phone, fleet):
    old = fleet.layer
    fleet.layer = forge.Layer(old.data[:131072] + os.urandom(65536) + old.data[196608:])
    fleet.make("image")
    fleet.group()
    phone.submit(fleet.snapshot())
    for kind, digest in phone.wants():
        phone.submit({d.sha256: d for d in fleet.docs.values()}[digest])
    phone.agent.call("Policy1", "PutChunk", phone.wants()[0][1], File(fleet.layer.list))
    assert len(phone.wants()) == 1
    phone.fetch([], fleet.layer.files())
    harness.until(lambda: phone.status()["staged"] is None)


def test_list_that_makes_another_layer_is_refused(phone, fleet):
    state = phone.status()["state"]
    layer = forge.Layer(os.urandom(100000))
    layer.digest = forge.digest(b"something else")
    right, fleet.layer = fleet.layer, layer
    fleet.make("image")
    fleet.group()
    phone.submit(fleet.snapshot())
    phone.fetch(fleet.docs.values(), layer.files())
    harness.until(lambda: phone.receipts() and phone.receipts()[-1]["reason"] == "err.image-digest")
    assert phone.status()["state"] == state
    fleet.layer = right
    fleet.make("image")
    fleet.publish(phone)


def test_layer_that_changed_on_the_disk_is_fetched_again(phone, fleet):
    file = phone.state / "layers" / fleet.layer.digest[7:]
    data = bytearray(file.read_bytes())
    data[1000] ^= 1
    file.write_bytes(data)
    phone.policyd.restart()
    assert phone.wants() == [], "not within one boot"
    phone.world.move_clock(wall=0, boot=-100)
    phone.policyd.restart()
    assert phone.wants()
    phone.fetch([], fleet.layer.files())
    harness.until(lambda: phone.status()["staged"] is None)
    assert file.read_bytes() == fleet.layer.data


# ---- the audit
def test_audit_is_a_signed_chain(phone, fleet):
    phone.submit(fleet.docs["work"].damaged())
    batch = base64.b64decode(phone.agent.call("Policy1", "Audit", 0)[0])
    records, seq, head = forge.check_audit(json.loads(batch), phone.device)
    assert [r["event"] for r in records][:2] == ["enrolled", "accepted"]
    assert records[-1]["event"] == "refused"
    last = phone.receipts()[-1]
    assert last["audit"] == {"seq": seq, "head": "sha256:" + head.hex()}
    assert phone.agent.call("Policy1", "Audit", seq)[0] == ""


AUDIT_MAX = 64 << 20  # policyd/receipt/audit_log.h
ROOM = 2 * 8192  # of two records: lib/document/audit.h


def pretend_audit_has(phone, size):
    """The bound without writing as much."""
    phone.policyd.stop()
    with contextlib.closing(sqlite3.connect(phone.state / "policyd.db", isolation_level=None)) as db:
        assert db.execute("UPDATE meta SET value = ? WHERE name = 'audit-bytes'", (size,)).rowcount == 1
    phone.policyd.start()


def audit_after(phone, seq):
    batch = base64.b64decode(phone.agent.call("Policy1", "Audit", seq)[0])
    return json.loads(batch)["records"] if batch else []


def test_full_audit_counts_what_it_cannot_keep(phone, fleet):
    last = json.loads(audit_after(phone, 0)[-1])["seq"]
    pretend_audit_has(phone, AUDIT_MAX)
    for _ in range(3):
        assert phone.submit(fleet.make("work").damaged())[0] == "refused"
    assert audit_after(phone, last) == []
    assert phone.receipts()[-1]["type"] == "refused"  # receipts are not the audit's business
    pretend_audit_has(phone, 0)
    assert phone.submit(fleet.make("work").damaged())[0] == "refused"
    batch = json.loads(base64.b64decode(phone.agent.call("Policy1", "Audit", 0)[0]))
    records, _, _ = forge.check_audit(batch, phone.device)
    assert [r["event"] for r in records[-2:]] == ["lost", "refused"]
    assert records[-2]["detail"] == {"count": 3, "cause": "full"}


def test_full_audit_gives_up_first_what_the_server_has(phone, fleet):
    last = json.loads(audit_after(phone, 0)[-1])["seq"]
    phone.agent.call("Policy1", "Ack", "audit", last)
    pretend_audit_has(phone, AUDIT_MAX - ROOM + 1)
    assert phone.submit(fleet.make("work").damaged())[0] == "refused"
    assert [json.loads(r)["event"] for r in audit_after(phone, 0)] == ["refused"]


# ---- hostile bytes
HOSTILE = [b"", b"{}", b"[]", b"null", b"\0" * 100, b"{" * 5000, b'{"payloadType":1}', b"\xff" * 1000,
           b'{"payloadType":"x","payload":"","signatures":[],"a":1}', b"x" * (2 << 20),
           json.dumps({"payloadType": "application/vnd.cells.unheard-of+xml", "payload": "", "signatures": []}).encode()]


@pytest.mark.parametrize("n", range(len(HOSTILE)))
def test_hostile_bytes_are_refused(phone, n):
    before = phone.status()["state"]
    outcome, reason = phone.submit(HOSTILE[n])
    assert outcome == "refused" and reason in ("err.envelope", "err.too-large")
    assert phone.status()["state"] == before
    assert phone.receipts()[-1]["document"]["type"] == "unknown"


# ---- cellsd comes and goes
def answer_sync(cellsd):
    """Empty-handed, to all that policyd asks a cellsd that has come."""
    cellsd.answer(cellsd.await_call("Inventory"), "ssa(uas)", "none", "open", [])
    cellsd.answer(cellsd.await_call("Layers"), "as", [])
    cellsd.answer(cellsd.await_call("List"), "a(sa{sv})t", [], 0)


def test_late_error_of_a_cellsd_that_has_gone_disturbs_no_other(world):
    """The bus may report it when the next cellsd is being asked already: what comes into force then is sent once."""
    phone = Phone(world)
    phone.enroll()
    old, new = FakeCellsd(phone.bus.address), FakeCellsd(phone.bus.address)
    for cellsd in (old, new):
        world.closers.append(cellsd.close)
    old.own()
    unanswered = old.await_call("Inventory")
    old.release()
    new.own()
    new.await_call("Inventory")
    old.fail(unanswered)
    snapshot = Fleet(phone.org, phone.device).publish(phone)
    assert new.members == ["Inventory"]
    answer_sync(new)
    new.answer(new.await_call("Layer"))
    new.answer(new.await_call("Apply"), "a(suuuu)t", [], 1000)
    harness.until(lambda: [r for r in phone.receipts() if r["type"] == "applied" and r["document"]["sha256"] == snapshot.sha256])
    assert new.members == ["Inventory", "Layers", "List", "Layer", "Apply"]


def test_what_is_in_force_is_applied_though_its_snapshot_cannot_be_read(world):
    phone = Phone(world)
    phone.enroll()
    Fleet(phone.org, phone.device).publish(phone)
    phone.policyd.kill()
    with contextlib.closing(sqlite3.connect(phone.state / "policyd.db")) as db, db:
        db.execute("UPDATE meta SET value = '{' WHERE name = 'snapshot'")
    cellsd = FakeCellsd(phone.bus.address)
    world.closers.append(cellsd.close)
    cellsd.own()
    phone.policyd.start()
    answer_sync(cellsd)
    cellsd.answer(cellsd.await_call("Layer"))
    cellsd.answer(cellsd.await_call("Apply"), "a(suuuu)t", [], 1000)
    assert phone.status()["vps"] and phone.policyd.alive()


# ---- kill -9
def test_killed_at_any_point_it_holds_the_old_set_or_the_new(world):
    """No receipt is lost or changed, and a set is in force whole or not at all."""
    rounds = 200 if os.environ.get("CELLS_LONG") else 25
    seed = int(os.environ.get("CELLS_SEED", "0")) or random.randrange(1, 2**31)
    rng = random.Random(seed)
    phone = Phone(world)
    phone.enroll()
    fleet = Fleet(phone.org, phone.device)
    fleet.publish(phone)
    known, seen = {phone.status()["state"]}, []
    for n in range(rounds):
        modes = rng.choice(("none", "shared", "exclusive"))
        fleet.make("policy", {"work": [("camera", modes)], "personal": [("*", "shared")]})
        if rng.random() < 0.2:
            fleet.layer = forge.Layer(os.urandom(150000))
            fleet.make("image")
        fleet.group()
        known.add(forge.state_digest([d.ref for d in fleet.docs.values()]))
        snapshot = fleet.snapshot()
        strike = threading.Timer(rng.uniform(0, 0.06), phone.policyd.kill)
        strike.start()
        try:
            phone.submit(fleet.docs["policy"].damaged())
            phone.submit(snapshot)
            phone.fetch(fleet.docs.values(), fleet.layer.files())
        except (Failed, harness.Failed):
            pass
        strike.join()
        phone.policyd.start()
        assert phone.status()["state"] in known, f"CELLS_SEED={seed} round {n}"
        now = phone.receipts()
        assert now[:len(seen)] == seen[:len(now)] and len(now) >= min(len(seen), 100), f"CELLS_SEED={seed} round {n}"
        seen = now
        assert [r["seq"] for r in now] == list(range(1, len(now) + 1))
        assert phone.submit(snapshot)[0] in ("staged", "known")
        phone.fetch(fleet.docs.values(), fleet.layer.files())
        want = forge.state_digest([d.ref for d in fleet.docs.values()])
        harness.until(lambda: phone.status()["state"] == want)
