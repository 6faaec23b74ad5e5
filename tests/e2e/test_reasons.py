# SPDX-License-Identifier: Apache-2.0
"""Each reason code of the contract, produced by exactly its fault through the whole
chain of the device, and afterwards the device still takes the right document."""
import copy
import pathlib
import re
import time

import pytest

import forge
import harness
from scene import Scene, busybox_layer

DAY = forge.DAY
DEFINED = re.findall(r'^REASON\(\w+, "(err\.[a-z-]+)"', (harness.TOP / "schema/reasons.def").read_text(), re.M)
# Reported to the caller, not in a receipt: nothing was submitted; other files of this
# folder produce these.
ELSEWHERE = {
    "err.busy": "test_limits.py: too many commands",
    "err.cancelled": "test_mgmtd.py: cancelled in time",
    "err.chunk": "test_hostile.py: chunks that are not what their list says",
    "err.display-held": "tests/lab/test_foreground.py: a switch that would not be seen",
    "err.internal": "test_fault.py: trouble of policyd's own",
    "err.kernel": "test_limits.py: no cgroup can be made",
    "err.locked-out": "test_policyd.py: passwords typed at the device",
    "err.storage-full": "test_limits.py: a full disk",
}


@pytest.fixture(scope="module")
def scene():
    with harness.World() as w:
        yield Scene(w)


# ---- faults: each changes one thing of a right document, and answers (reason, document)
def too_large(s):
    return s.policy(xml=b"<device-policy>" + b" " * 600000 + b"</device-policy>")


def not_an_envelope(s):
    d = s.policy()
    d.signatures = [{"keyid": "xyz", "sig": "***"}]
    return d


def unknown_key(s):
    return s.policy(sign=[forge.Signer("mallory"), forge.Signer("mallet")])


def key_of_another_role(s):
    return s.policy(sign=s.org.keys["image"] + s.org.keys["command"])


def damaged(s):
    return s.policy().damaged()


def below_threshold(s):
    return s.policy(sign=s.org.keys["policy"][:1])


def one_key_twice(s):
    key = s.org.keys["policy"][0]
    return s.policy(sign=[key, key])


def unknown_attribute(s):
    return s.policy(attrs={"camera": "yes"})


def doctype(s):
    d = s.policy()
    return s.policy(xml=b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + d.payload)


def other_org(s):
    return s.policy(attrs={"org": "umbrella"})


def unknown_class(s):
    return s.policy({"work": [("teleporter", "shared")]})


def unsupported_mode(s):
    return s.policy({"work": [("modem", "shared")]})


def expired(s):
    return s.policy(issued=s.org.now() - 3 * DAY, expires=s.org.now() - 2 * DAY)


def issued_in_future(s):
    return s.policy(issued=s.org.now() + 2 * DAY)


def older_version(s):
    s.versions["policy"] -= 1
    d = s.policy(attrs={"version": 1})
    d.version = 1
    return d


def same_version_other_bytes(s):
    held = s.docs["policy"]
    s.versions["policy"] = held.version - 1
    return s.policy({"work": [("*", "shared")], "personal": [("*", "shared"), ("gps", "none")]})


DOCUMENT_FAULTS = [
    ("err.too-large", too_large), ("err.envelope", not_an_envelope), ("err.unknown-key", unknown_key),
    ("err.unknown-key", key_of_another_role), ("err.signature", damaged), ("err.threshold", below_threshold),
    ("err.threshold", one_key_twice), ("err.schema", unknown_attribute), ("err.schema", doctype),
    ("err.wrong-org", other_org), ("err.unknown-class", unknown_class),
    ("err.unsupported-mode", unsupported_mode), ("err.expired", expired),
    ("err.not-yet-valid", issued_in_future), ("err.rollback", older_version),
    ("err.equivocation", same_version_other_bytes),
]


@pytest.mark.parametrize("reason, fault", DOCUMENT_FAULTS, ids=[f"{r[4:]}-{f.__name__}" for r, f in DOCUMENT_FAULTS])
def test_faulty_policy_is_refused(scene, reason, fault):
    if not scene.docs:
        scene.publish()
    scene.still_takes_the_right_one()
    before = scene.server.last_seq()
    in_force = scene.phone.status()["state"]
    bad = fault(scene)
    held = dict(scene.docs)
    # The group must name it, else the set would be refused for being incomplete.
    if bad.version >= held["policy"].version and bad.type == "device-policy":
        scene.offer(policy=bad, group=scene.group({**held, "policy": bad}))
    else:
        scene.offer(policy=bad)
    receipt = scene.refused(reason, after=before)
    assert receipt["details"]["text"]
    assert scene.phone.status()["state"] == in_force
    scene.still_takes_the_right_one()


# ---- the snapshot's own faults
def stale(s):
    return s.snapshot(issued=s.org.now() - 3 * DAY)


def other_device(s):
    return s.snapshot(members={"device": "dev-000000000000"})


def other_epoch(s):
    return s.snapshot(members={"epoch": "0" * 32})


def older_snapshot(s):
    return s.org.snapshot(s.device, 1, list(s.docs.values()))


def without_policy(s):
    return s.snapshot({k: v for k, v in s.docs.items() if k != "policy"})


def with_a_stranger(s):
    extra = s.org.policy("extra", 1, {"work": [("*", "shared")]})
    s.server.keep(extra)
    return s.snapshot({**s.docs, "extra": extra})


def other_digest(s):
    """Names the right version with the digest of other bytes that a thief also has."""
    twin = s.org.policy("baseline", s.next_version("policy"), {"work": [("*", "shared")]})
    right = copy.copy(twin)
    rows = [d.ref for n, d in s.docs.items() if n != "policy"] + [{**right.ref, "sha256": forge.digest(b"other")}]
    s.server.documents[forge.digest(b"other")] = twin
    return s.snapshot(documents=rows)


SNAPSHOT_FAULTS = [
    ("err.freeze", stale), ("err.wrong-device", other_device), ("err.epoch", other_epoch),
    ("err.rollback", older_snapshot), ("err.incomplete", without_policy), ("err.incomplete", with_a_stranger),
    ("err.mix-and-match", other_digest),
]


@pytest.mark.parametrize("reason, fault", SNAPSHOT_FAULTS, ids=[f"{r[4:]}-{f.__name__}" for r, f in SNAPSHOT_FAULTS])
def test_faulty_snapshot_is_refused(scene, reason, fault):
    scene.still_takes_the_right_one()
    before = scene.server.last_seq()
    in_force = scene.phone.status()["state"]
    scene.server.publish(fault(scene))
    scene.refused(reason, after=before)
    assert scene.phone.status()["state"] == in_force
    scene.still_takes_the_right_one()


# ---- commands
def test_command_for_another_device_is_refused(scene):
    scene.still_takes_the_right_one()
    before = scene.server.last_seq()
    doc = scene.org.command("stray", forge.Device(did="dev-000000000000", epoch=scene.device.epoch), "stop", "work")
    scene.server.command(doc)
    scene.refused("err.wrong-device", doc, before)
    scene.still_takes_the_right_one()


def test_command_for_an_old_epoch_is_refused(scene):
    before = scene.server.last_seq()
    doc = scene.org.command("old", forge.Device(did=scene.device.id, epoch="0" * 32), "stop", "work")
    scene.server.command(doc)
    scene.refused("err.epoch", doc, before)
    scene.still_takes_the_right_one()


def test_command_id_with_other_bytes_is_a_replay(scene):
    before = scene.server.last_seq()
    first = scene.command("stop", "work", name="once")
    scene.server.receipt(type="stopped", vp="work", after=before)
    twin = scene.org.command("once", scene.device, "start", "personal")
    scene.server.command(twin)
    scene.refused("err.replay", twin, before)
    count = scene.server.last_seq()
    scene.server.command(first)
    time.sleep(1)
    assert scene.server.last_seq() == count, "the same command changes nothing"
    before = scene.server.last_seq()
    scene.command("start", "work")
    scene.server.receipt(type="started", vp="work", after=before)
    scene.still_takes_the_right_one()


def test_command_on_a_vp_that_is_not_there(scene):
    before = scene.server.last_seq()
    scene.refused("err.no-such-vp", scene.command("stop", "ghost"), before)
    scene.still_takes_the_right_one()


def test_command_that_the_state_forbids(scene):
    before = scene.server.last_seq()
    scene.command("lock", "personal")
    scene.server.receipt(type="locked", vp="personal", after=before)
    scene.refused("err.vp-state", scene.command("switch", "personal"), before)
    scene.unlock("personal", after=before)
    scene.server.receipt(type="unlocked", vp="personal", after=before)
    scene.still_takes_the_right_one()


# ---- configs, images, roots
def test_protected_config_needs_its_password(scene):
    password = forge.Password("correct horse battery staple")
    work = scene.config("work", password=password, on_boot=True)
    scene.publish(work=work)
    before = scene.server.last_seq()
    bad = scene.config("work", on_boot=True, label="Without proof")
    scene.offer(work=bad, group=scene.group({**scene.docs, "work": bad}))
    scene.refused("err.password", after=before)
    good = scene.config("work", on_boot=True, label="With proof")
    scene.publish(work=good.with_proofs(password.proof(work, good)))
    scene.still_takes_the_right_one()


def test_image_for_a_newer_agent_is_refused(scene):
    before = scene.server.last_seq()
    scene.offer(image=scene.image(min_agent=9999))
    scene.refused("err.agent-too-old", after=before)
    scene.still_takes_the_right_one()


def test_image_of_another_architecture_is_refused(scene):
    """Its own image, valid in every other way."""
    before = scene.server.last_seq()
    scene.offer(image=scene.image(architecture="s390x" if forge.ARCHITECTURE != "s390x" else "arm64"))
    scene.refused("err.architecture", after=before)
    scene.still_takes_the_right_one()


def test_image_whose_layer_is_another_is_refused(scene):
    before = scene.server.last_seq()
    layer = copy.copy(busybox_layer())
    layer.digest = forge.digest(b"something else")
    bad = scene.org.image("tiny", scene.next_version("image"), [layer])
    scene.server.keep(files=[layer.files()])
    scene.offer(image=bad)
    scene.refused("err.image-digest", after=before)
    scene.still_takes_the_right_one()


def test_policy_that_needs_more_than_the_kernel_gives(scene):
    before = scene.server.last_seq()
    policy = scene.policy(require="mapped")
    docs = {**scene.docs, "policy": policy}
    docs["group"] = scene.group(docs)
    scene.server.keep(*docs.values())
    snapshot = scene.server.publish(scene.snapshot(docs))
    receipt = scene.server.receipt(type="applied", document=snapshot, after=before)
    assert receipt["reason"] == "err.enforcement"
    scene.docs = docs
    scene.still_takes_the_right_one()


def test_root_that_does_not_follow_is_refused(scene):
    before = scene.server.last_seq()
    thief = forge.Org("acme")
    stray = thief.root(len(scene.org.roots) + 1)
    scene.server.say("documents", documents=[stray.object], missing=[])
    scene.refused("err.root-chain", stray, before)
    scene.still_takes_the_right_one()


def test_every_reason_has_its_test():
    text = "".join(p.read_text() for p in pathlib.Path(__file__).parent.glob("test_*.py"))
    missing = [c for c in DEFINED if c not in ELSEWHERE and f'"{c}"' not in text]
    assert not missing
