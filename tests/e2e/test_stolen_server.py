# SPDX-License-Identifier: Apache-2.0
"""A stolen server: it has the CA, the director's key and every document that was
ever signed. Each attempt comes to nothing, and the rightful server, with a new
root where the director's key was lost, recovers the device."""
import hashlib
import json

import pytest
from cryptography import x509

import forge
import harness
from scene import POLICY, Scene

FAR = 300 * forge.DAY


@pytest.fixture
def scene(world):
    return Scene(world)


def verdict(scene, vp, cls):
    return json.loads(scene.phone.ctl("explain", vp, cls, "--format", "json").stdout)["verdict"]


def test_omitting_a_policy_grants_nothing(scene):
    before = scene.server.last_seq()
    scene.server.publish(scene.snapshot({k: v for k, v in scene.docs.items() if k != "policy"}))
    scene.refused("err.incomplete", after=before)
    scene.still_takes_the_right_one()


def test_group_of_other_devices_is_not_taken(scene):
    office = scene.org.policy("office", 1, {"work": [("*", "shared")], "personal": [("*", "shared")]})
    docs = {**scene.docs, "policy": office}
    docs["group"] = scene.group(docs, name="office")
    scene.server.keep(*docs.values())
    before = scene.server.last_seq()
    scene.server.publish(scene.snapshot(docs))
    scene.refused("err.incomplete", after=before)
    scene.still_takes_the_right_one()


def test_no_signed_document_stands_in_for_another(scene):
    """The snapshot names the group's policy, and gives the bytes of one that was signed for others."""
    scene.publish({"work": [("*", "none")], "personal": [("*", "none")]})
    shared = {"work": [("*", "shared")], "personal": [("*", "shared")]}
    office = scene.org.policy("office", 1, shared)
    for lie in ("policy", "group"):
        docs = {**scene.docs, "policy": scene.policy({"work": [("*", "none")]})}
        docs["group"] = scene.group(docs)
        bytes_of = office if lie == "policy" else scene.org.group("office", 1, [office], [docs["work"], docs["personal"]])
        scene.server.keep(office, bytes_of, *docs.values())
        references = [{**d.ref, "sha256": bytes_of.sha256} if n == lie else
                      office.ref if lie == "group" and n == "policy" else d.ref for n, d in docs.items()]
        before = scene.server.last_seq()
        snapshot = scene.server.publish(scene.snapshot(docs, documents=references))
        scene.refused("err.mix-and-match", snapshot, before)
        assert verdict(scene, "work", "camera") == "denied"
        scene.phone.policyd.restart()
        scene.publish({"work": [("*", "none")], "personal": [("*", "none")]})
    assert verdict(scene, "work", "camera") == "denied"


def test_only_a_signed_membership_moves_the_device(scene):
    before = scene.server.last_seq()
    forged = scene.org.membership("move-1", scene.device, "office", sign=scene.org.keys["director"])
    scene.server.command(forged)
    scene.refused("err.unknown-key", forged, before)
    other = scene.org.membership("move-2", forge.Device(did="dev-000000000000", epoch=scene.device.epoch), "office")
    scene.server.command(other)
    scene.refused("err.wrong-device", other, before)
    scene.still_takes_the_right_one()
    before = scene.server.last_seq()
    right = scene.org.membership("move-3", scene.device, "office")
    scene.server.command(right)
    scene.server.receipt(type="applied", document=right, after=before)
    docs = dict(scene.docs)
    docs["group"] = scene.org.group("office", 1, [docs["policy"]], [docs["work"], docs["personal"]])
    scene.server.keep(*docs.values())
    snapshot = scene.server.publish(scene.snapshot(docs))
    scene.server.receipt(type="applied", document=snapshot, after=before)


def test_old_snapshots_and_documents_do_not_come_back(scene):
    old_snapshot, old_docs = scene.server.snapshot, dict(scene.docs)
    scene.publish({"work": [("*", "none")], "personal": [("*", "none")]})
    before = scene.server.last_seq()
    scene.server.publish(old_snapshot)
    scene.refused("err.rollback", after=before)
    scene.offer(policy=old_docs["policy"], group=old_docs["group"])
    scene.refused("err.rollback", after=before)
    assert verdict(scene, "work", "camera") == "denied"
    scene.still_takes_the_right_one()


def test_documents_made_for_two_devices_do_not_pair(scene):
    other = forge.Device(did="dev-0123456789ab", epoch="f" * 32)
    before = scene.server.last_seq()
    scene.snapshots += 1
    scene.server.publish(scene.org.snapshot(other, scene.snapshots, list(scene.docs.values())))
    scene.refused("err.wrong-device", after=before)
    wipe = scene.org.command("wipe-other", other, "wipe", "work")
    scene.server.command(wipe)
    scene.refused("err.wrong-device", wipe, before)
    scene.still_takes_the_right_one()


def test_director_cannot_wipe_or_grant(scene):
    director = scene.org.keys["director"]
    before = scene.server.last_seq()
    wipe = scene.org.command("wipe-1", scene.device, "wipe", "work", sign=director)
    scene.server.command(wipe)
    scene.refused("err.unknown-key", wipe, before)
    operator = scene.org.command("wipe-2", scene.device, "wipe", "work", sign=scene.org.keys["command"])
    scene.server.command(operator)
    scene.refused("err.unknown-key", operator, before)
    grant = scene.policy({"work": [("*", "shared")]}, sign=director * 2)
    scene.offer(policy=grant, group=scene.group({**scene.docs, "policy": grant}))
    scene.refused("err.unknown-key", after=before)
    assert scene.list()["work"]["state"] in ("foreground", "background")
    scene.still_takes_the_right_one()


def test_server_can_make_no_image_and_no_lock(scene):
    """Both are the right set and the right device; only the keys are what the server has."""
    director = scene.org.keys["director"]
    image = scene.image(sign=director)
    before = scene.server.last_seq()
    scene.offer(image=image)
    scene.refused("err.unknown-key", after=before)
    before = scene.server.last_seq()
    lock = scene.org.command("lock-1", scene.device, "lock", "work", sign=director)
    scene.server.command(lock)
    scene.refused("err.unknown-key", lock, before)
    assert scene.list()["work"]["state"] in ("foreground", "background")
    scene.still_takes_the_right_one()


def test_server_reads_what_is_not_sealed_and_no_secret(scene):
    """All that a stolen server has of a config with secrets, which the device then opens."""
    password = forge.Password("correct horse battery staple")
    secret = b"wifi=swordfish\n"
    work = scene.config("work", on_boot=True, password=password, secrets=secret)
    scene.publish(work=work)
    stolen = [*scene.server.files.values(), *(json.dumps(d).encode() for d in scene.server.envelopes),
              *(d.payload for d in scene.docs.values())]
    assert [s for s in stolen if b'"exclusive"' in s and b'"camera"' in s], "a policy is open to it"
    assert not [s for s in stolen if b"swordfish" in s or forge.b64(secret).encode() in s]
    # It was in there: who knows the config password has it.
    harness.until(lambda: scene.list()["work"]["state"] in ("background", "foreground"))
    scene.phone.ctl("unlock-config", "work", "--password-stdin", stdin="correct horse battery staple\n")
    show = ("cat", "/run/cells/secrets")
    harness.until(lambda: scene.run_in("work", *show, check=False).stdout == secret.decode())


def test_time_and_version_run_ahead_and_a_new_root_brings_them_back(scene):
    before = scene.server.last_seq()
    ahead = scene.org.now() + FAR
    jump = scene.org.snapshot(scene.device, 2**31 - 1, list(scene.docs.values()), issued=ahead)
    scene.server.publish(jump)
    harness.until(lambda: scene.server.last_seq() > before)
    # Now whatever the rightful server says is stale ...
    scene.server.publish(scene.snapshot())
    scene.refused("err.freeze", after=before)
    # ... until the organisation replaces the director's key.
    root = scene.org.rotate("director")
    before = scene.server.last_seq()
    scene.server.say("documents", documents=[root.object], missing=[])
    scene.server.receipt(type="applied", document=root, after=before)
    scene.snapshots = 0
    scene.publish(POLICY)


def test_snapshot_beyond_the_root_is_refused(scene):
    before = scene.server.last_seq()
    beyond = scene.org.snapshot(scene.device, 2**31 - 2, list(scene.docs.values()),
                                issued=scene.org.now() + 400 * forge.DAY)
    scene.server.publish(beyond)
    scene.refused("err.not-yet-valid", after=before)
    scene.still_takes_the_right_one()


def test_spoiled_proofs_lock_nobody_out(scene):
    password = forge.Password("correct horse battery staple")
    work = scene.config("work", password=password, on_boot=True)
    scene.publish(work=work)
    wrong = forge.Password("something else entirely")
    for attempt in range(15):
        before = scene.server.last_seq()
        bad = scene.config("work", on_boot=True, label=f"try {attempt}")
        bad = bad.with_proofs(wrong.proof(work, bad))
        scene.offer(work=bad, group=scene.group({**scene.docs, "work": bad}))
        scene.refused("err.password", after=before)
    good = scene.config("work", on_boot=True, label="right")
    scene.publish(work=good.with_proofs(password.proof(work, good)))


def test_withheld_acknowledgements_lose_no_receipt(scene):
    """The device sends one batch and waits; what is not acknowledged it keeps."""
    scene.server.acks = False
    before = scene.server.last_seq()
    scene.command("stop", "personal")
    harness.until(lambda: scene.list()["personal"]["state"] == "stopped")
    for _ in range(3):
        hellos = len(scene.server.hellos)
        scene.server.drop()
        harness.until(lambda n=hellos: len(scene.server.hellos) > n)
    scene.phone.agent.restart()
    scene.phone.policyd.restart()
    scene.server.acks = True
    scene.command("start", "personal")
    scene.server.receipt(type="stopped", vp="personal", after=before)
    scene.server.receipt(type="started", vp="personal", after=before)
    assert [r["seq"] for r in scene.server.receipts] == list(range(1, len(scene.server.receipts) + 1))
    scene.still_takes_the_right_one()


def test_batches_acknowledged_ahead_of_time_lose_no_receipt(scene):
    """It may claim to hold what never came; its word is then all that is lost by it."""
    before = scene.server.last_seq()
    for stream in ("receipts", "audit"):
        for seq in (2**62, 2**63 - 1, 0, 1):
            scene.server.say("ack", stream=stream, seq=seq)
    scene.command("stop", "personal")
    scene.server.receipt(type="stopped", vp="personal", after=before)
    scene.command("start", "personal")
    scene.server.receipt(type="started", vp="personal", after=before)
    scene.still_takes_the_right_one()


def test_forged_receipt_of_a_wipe_does_not_verify(scene):
    """The CA certifies any key, but only the right one is bound to the enrollment's token."""
    folder = scene.world.subfolder("auditor")
    thief = forge.Signer("thief")
    wiped = {**scene.server.receipts[-1], "type": "wiped", "vp": "work", "seq": scene.server.last_seq() + 1}
    forged = forge.Doc("receipt", "wiped", 1, json.dumps(wiped).encode(), [thief], forge.type_json("receipt")).object
    identity = x509.load_pem_x509_csr(scene.server.enrolment["identity_csr"].encode()).public_key()
    right = {"device": scene.device.id, "epoch": scene.device.epoch, "bind": scene.server.enrolment["bind"],
             "identity_spki": forge.b64(identity.public_bytes(forge.DER, forge.SPKI)),
             "receipt_spki": forge.b64(scene.device.receipts.public_bytes(forge.DER, forge.SPKI))}
    put_in = {**right, "epoch": hashlib.sha256(thief.spki).hexdigest()[:32], "receipt_spki": forge.b64(thief.spki)}

    def verify(envelope, keys):
        for name, value in (("receipt.json", envelope), ("keys.json", keys)):
            (folder / name).write_text(json.dumps(value))
        return harness.run([harness.program("cellsadm"), "receipt", "verify", "--config-dir", folder / "config",
                            "--keys", folder / "keys.json", "--bind", scene.server.last_uri,
                            folder / "receipt.json"], check=False)
    genuine = verify(scene.server.envelopes[-1], right)
    assert genuine.returncode == 0 and "key: bound" in genuine.stdout, genuine
    for envelope, keys in ((forged, right), (forged, {**put_in, "epoch": scene.device.epoch}),
                           (forge.Doc("receipt", "wiped", 1, json.dumps({**wiped, "epoch": put_in["epoch"]}).encode(),
                                      [thief], forge.type_json("receipt")).object, put_in)):
        answer = verify(envelope, keys)
        assert answer.returncode == 1 and "NOT VALID" in answer.stdout, answer
    assert scene.list()["work"]["state"] in ("foreground", "background")
