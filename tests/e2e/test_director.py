# SPDX-License-Identifier: Apache-2.0
"""What the director's key alone can do to cells-policyd: a snapshot chooses among signed
documents, and no word of it counts against what a document says itself. Each document
here is signed well; only the snapshot lies."""
import sqlite3

import pytest

import forge
import harness
from busclient import File
from phone import Fleet, Phone

SHARED = {"work": [("*", "shared")], "personal": [("*", "shared")]}
NONE = {"work": [("*", "none")], "personal": [("*", "none")]}


@pytest.fixture
def phone(world):
    p = Phone(world)
    p.enroll()
    return p


@pytest.fixture
def fleet(phone):
    """In force: a policy of version 12, which is the minimum, and gives nothing."""
    f = Fleet(phone.org, phone.device)
    f.n["policy"] = 11
    f.make("policy", NONE)
    f.publish(phone)
    return f


def bring(phone, fleet, documents, *more):
    """Submits a snapshot with these references and every document that is then wanted."""
    snapshot = fleet.snapshot(documents=documents)
    outcome = phone.submit(snapshot)
    by_digest = {d.sha256: d for d in [*fleet.docs.values(), *more]}
    while outcome == ("staged", ""):
        wanted = [d for kind, d in phone.wants() if kind == "document" and d in by_digest]
        if not wanted:
            break
        outcome = phone.submit(by_digest[wanted[0]])
    return snapshot, outcome


def refs(fleet, **replaced):
    """The set's references; a replaced one keeps its name and version, and has that document's bytes."""
    return [{**d.ref, "sha256": replaced[name].sha256} if name in replaced else d.ref
            for name, d in fleet.docs.items()]


def nothing_changed(phone, fleet, state, snapshot, reason):
    """The lie was refused as a whole, a restart changes nothing, and the right one is taken."""
    assert phone.status()["state"] == state and phone.status()["staged"] is None
    last = phone.receipts()[-1]
    assert last["type"] == "refused" and last["reason"] == reason
    assert last["document"]["sha256"] == snapshot.sha256, "the snapshot is what was refused"
    phone.policyd.restart()
    assert phone.status()["state"] == state
    assert phone.explain("work", "camera")["mode"] == "none"
    fleet.publish(phone)


STAND_INS = {
    "another policy": ("policy", lambda f: f.org.policy("office", 12, SHARED)),
    "an older version than the minimum": ("policy", lambda f: f.org.policy("fresh", 1, SHARED)),
    "another config": ("work", lambda f: f.org.config("free", 1, "tiny")),
    "another image": ("image", lambda f: f.org.image("other", 1, [f.layer])),
    "a config as the policy": ("policy", lambda f: f.org.config("free", 1, "tiny")),
}


def test_no_document_stands_in_for_another(phone, fleet):
    for what, (name, make) in STAND_INS.items():
        other = make(fleet)
        fleet.make(name, *([NONE] if name == "policy" else []))
        fleet.group()
        state = phone.status()["state"]
        snapshot, outcome = bring(phone, fleet, refs(fleet, **{name: other}), other)
        assert outcome == ("refused", "err.mix-and-match"), what
        nothing_changed(phone, fleet, state, snapshot, "err.mix-and-match")


def test_older_version_does_not_pass_as_the_minimum(phone):
    """On a device that never held the newer one, so that no floor is in the way."""
    fleet = Fleet(phone.org, phone.device)
    old = fleet.make("policy", SHARED)
    fleet.n["policy"] = 11
    fleet.make("policy", NONE)
    fleet.group()
    state = phone.status()["state"]
    snapshot, outcome = bring(phone, fleet, refs(fleet, policy=old), old)
    assert outcome == ("refused", "err.mix-and-match")
    assert phone.status()["state"] == state
    fleet.publish(phone)
    assert phone.explain("work", "camera")["mode"] == "none"


def test_group_of_other_devices_does_not_pass_as_ours(phone, fleet):
    office_policy = phone.org.policy("office", 1, SHARED)
    office = phone.org.group("office", 1, [office_policy], [fleet.docs["work"], fleet.docs["personal"]])
    fleet.group()
    documents = [office_policy.ref if name == "policy" else r
                 for name, r in zip(fleet.docs, refs(fleet, group=office))]
    state = phone.status()["state"]
    snapshot, outcome = bring(phone, fleet, documents, office, office_policy)
    assert outcome == ("refused", "err.mix-and-match")
    nothing_changed(phone, fleet, state, snapshot, "err.mix-and-match")


def test_without_a_group_document_nothing_goes_in_force(phone, fleet):
    """The group's entry has a config's bytes: no group document is among what came."""
    other = phone.org.policy("office", 1, SHARED)
    group = {**fleet.group().ref, "sha256": fleet.docs["work"].sha256}
    documents = [group if n == "group" else other.ref if n == "policy" else d.ref for n, d in fleet.docs.items()]
    state = phone.status()["state"]
    snapshot, outcome = bring(phone, fleet, documents, other)
    assert outcome == ("refused", "err.mix-and-match")
    nothing_changed(phone, fleet, state, snapshot, "err.mix-and-match")


def test_two_versions_of_one_policy_stop_no_daemon(phone):
    """Two names in the group, both with bytes of 'baseline': seen to stop policyd at every start."""
    fleet = Fleet(phone.org, phone.device)
    first, second = fleet.docs["policy"], phone.org.policy("baseline", 2, SHARED)
    twin = {**second.ref, "id": "twin"}
    fleet.docs["group"] = phone.org.group("field", fleet.version("group"), [first, ("twin", 1)],
                                          [fleet.docs["work"], fleet.docs["personal"]])
    state = phone.status()["state"]
    snapshot, outcome = bring(phone, fleet, [d.ref for d in fleet.docs.values()] + [twin], second)
    assert outcome == ("refused", "err.mix-and-match")
    assert phone.status()["state"] == state
    phone.policyd.restart()
    fleet.publish(phone)


def test_held_document_does_not_pass_as_another(phone, fleet):
    """What is in force already need not come again: its name is looked at all the same."""
    state = phone.status()["state"]
    group = phone.org.group("field", fleet.version("group"), [("strict", 1)],
                            [fleet.docs["work"], fleet.docs["personal"]])
    strict = {**fleet.docs["policy"].ref, "id": "strict"}
    fleet.docs["group"] = group
    documents = [strict if n == "policy" else d.ref for n, d in fleet.docs.items()]
    snapshot, outcome = bring(phone, fleet, documents)
    assert outcome == ("refused", "err.mix-and-match")
    nothing_changed(phone, fleet, state, snapshot, "err.mix-and-match")


# ---- documents that wait
def bring_layers(phone, fleet):
    files = fleet.layer.files()
    while wanted := [digest for kind, digest in phone.wants() if kind != "document"]:
        for digest in wanted:
            phone.agent.call("Policy1", "PutChunk", digest, File(files[digest]))


def test_waiting_document_needs_the_root_in_force(phone, fleet):
    """It waits for a chunk; meanwhile a root removes its signers."""
    fleet.layer = forge.Layer(b"new" * 50000)
    fleet.make("image")
    fleet.make("policy", SHARED)
    fleet.group()
    state = phone.status()["state"]
    assert phone.submit(fleet.snapshot()) == ("staged", "")
    for doc in fleet.docs.values():
        phone.submit(doc)
    assert [kind for kind, _ in phone.wants()] == ["chunk-list"]
    assert phone.submit(phone.org.rotate("policy")) == ("accepted", "")
    wanted = {digest for kind, digest in phone.wants() if kind == "document"}
    assert {fleet.docs[n].sha256 for n in ("policy", "group", "work", "personal")} == wanted
    assert phone.submit(fleet.docs["policy"]) == ("refused", "err.unknown-key")
    phone.policyd.restart()
    assert phone.status()["state"] == state
    for name in ("policy", "work", "personal"):
        fleet.make(name)
    fleet.publish(phone)


def test_what_waits_is_verified_again_when_it_goes_in_force(phone, fleet):
    """The same over a restart, with the row that says 'accepted' left as it was: it is not evidence."""
    fleet.layer = forge.Layer(b"new" * 50000)
    fleet.make("image")
    fleet.make("policy", SHARED)
    fleet.group()
    state = phone.status()["state"]
    assert phone.submit(fleet.snapshot()) == ("staged", "")
    for doc in fleet.docs.values():
        phone.submit(doc)
    phone.policyd.kill()
    root = phone.org.rotate("policy")
    with sqlite3.connect(phone.state / "policyd.db") as db:
        db.execute("INSERT INTO root VALUES (2, ?, ?)", (bytes.fromhex(root.sha256[7:]), root.envelope))
    phone.policyd.start()
    assert phone.status()["root_version"] == 2 and phone.status()["state"] == state
    wanted = {digest for kind, digest in phone.wants() if kind == "document"}
    assert fleet.docs["policy"].sha256 in wanted
    bring_layers(phone, fleet)
    assert phone.status()["state"] == state and phone.explain("work", "camera")["mode"] == "none"


def test_what_expired_while_it_waited_does_not_go_in_force(phone, fleet):
    fleet.layer = forge.Layer(b"new" * 50000)
    fleet.make("image")
    fleet.make("policy", SHARED, life=3600)
    fleet.group()
    state = phone.status()["state"]
    snapshot = fleet.snapshot()
    assert phone.submit(snapshot) == ("staged", "")
    for doc in fleet.docs.values():
        phone.submit(doc)
    phone.world.move_clock(wall=0, boot=7200)
    bring_layers(phone, fleet)
    refused = harness.until(lambda: [r for r in phone.receipts()
                                     if r["type"] == "refused"])[0]
    assert (refused["reason"], refused["document"]["sha256"]) == ("err.expired", snapshot.sha256)
    assert phone.status()["state"] == state and phone.status()["staged"] is None


def test_signed_again_by_those_who_may_it_is_taken(phone, fleet):
    """The same bytes with signatures of the new root's keys; a config password is not asked for."""
    password = forge.Password("correct horse battery staple")
    work = phone.org.config("work", fleet.version("work"), "tiny", password=password)
    fleet.docs["work"] = work
    fleet.publish(phone)
    phone.submit(phone.org.rotate("policy"))
    assert phone.submit(fleet.snapshot()) == ("staged", "")
    assert phone.submit(fleet.docs["policy"]) == ("refused", "err.unknown-key")
    for name in ("policy", "group", "work", "personal"):
        fleet.docs[name] = fleet.docs[name].resigned(phone.org.signers("policy"))
    assert phone.submit(fleet.snapshot()) == ("staged", "")
    for name in ("policy", "group", "work"):
        assert phone.submit(fleet.docs[name]) == ("staged", "")
    assert phone.submit(fleet.docs["personal"]) == ("accepted", "")


def test_config_unlocked_at_the_device_may_wait(phone):
    """The window was open when it came; its image takes longer than the window."""
    fleet = Fleet(phone.org, phone.device)
    fleet.make("work", password=forge.Password("correct horse battery staple"))
    fleet.publish(phone)
    phone.root.call("Policy1", "UnlockConfig", "work", b"correct horse battery staple")
    fleet.make("work", label="no proof")
    fleet.layer = forge.Layer(b"new" * 50000)
    fleet.make("image")
    fleet.group()
    assert phone.submit(fleet.snapshot()) == ("staged", "")
    for doc in fleet.docs.values():
        phone.submit(doc)
    phone.world.move_clock(wall=0, boot=601)
    phone.policyd.restart()
    phone.fetch([], fleet.layer.files())
    want = forge.state_digest([d.ref for d in fleet.docs.values()])
    harness.until(lambda: phone.status()["state"] == want)


def test_floor_of_a_lost_key_does_not_come_back(phone, fleet):
    """A later snapshot names the document of the removed keys once more."""
    fleet.n["policy"] = 2**31 - 2
    fleet.make("policy", SHARED)
    fleet.publish(phone)
    phone.submit(phone.org.rotate("policy"))
    phone.submit(fleet.snapshot())
    for doc in fleet.docs.values():
        phone.submit(doc)
    phone.policyd.restart()
    fleet.n["policy"] = 20
    for name in ("policy", "work", "personal"):
        fleet.make(name)
    fleet.n["group"] = 100
    fleet.publish(phone)
