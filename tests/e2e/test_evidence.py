# SPDX-License-Identifier: Apache-2.0
"""What cellsadm believes of a server whose database somebody changed: records that
no device signed, histories that were cut or forked."""
import base64
import contextlib
import hashlib
import json
import re
import shutil
import sqlite3
import time

import pytest

import forge
from test_cellsadm import fixture_company, fixture_phone  # noqa: F401 pylint: disable=unused-import


def change(company, *statements):
    """What a thief with the server's own database can do."""
    db = sqlite3.connect(company.office.dir / "mgmtd.db")
    with db:
        for sql, *values in statements:
            assert db.execute(sql, values).rowcount > 0, sql
    db.close()


def put_record(company, phone, text):
    r = json.loads(text)
    change(company, ("INSERT INTO record (device, epoch, seq, time, event, vp, class, text)"
                     " VALUES (?, ?, ?, 0, ?, ?, ?, ?)", phone.id, phone.epoch, r["seq"], r["event"], r.get("vp"),
                     r.get("class"), text))


class Evening:
    """The database as it was, after each thing that was done to it."""

    def __init__(self, company, phone):
        self.company, self.phone = company, phone
        self.end = phone.audit_seq, phone.audit_head

    def __enter__(self):
        db = sqlite3.connect(self.company.office.dir / "mgmtd.db")
        self.rows = {t: db.execute(f"SELECT * FROM {t}").fetchall() for t in ("record", "batch")}
        db.close()

    def __exit__(self, *failed):
        db = sqlite3.connect(self.company.office.dir / "mgmtd.db")
        with db:
            for table, rows in self.rows.items():
                db.execute(f"DELETE FROM {table}")
                db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
        db.close()
        self.phone.audit_seq, self.phone.audit_head = self.end


@pytest.fixture(name="history")
def fixture_history(company, phone):
    """Four records in two batches; the first two were seen here."""
    phone.send_batch(phone.batch([phone.record("open", "work", "camera"), phone.record("close", "work", "camera")]))
    assert "verified: 2 records" in company.adm("audit", "verify", "--device", phone.id).stdout
    phone.send_batch(phone.batch([phone.record("open", "work", "camera"), phone.record("close", "work", "camera")]))
    return company


# ---- a device's chain
def test_a_chain_verifies_as_far_as_the_device_signed_it(history, phone):
    """The victim's own device, epoch and numbers; only signatures are between."""
    evening = Evening(history, phone)

    def refused(*statements):
        with evening:
            change(history, *statements)
            r = history.adm("audit", "verify", "--device", phone.id, check=False)
            assert r.returncode == 1 and "verified:" not in r.stdout, r
            return r.stderr
    other, _ = history.enrol("other")
    other.connect()
    other.send_batch(other.batch([other.record("open", "work", "camera"), other.record("close", "work", "camera")]))
    with evening:  # one more, behind what it signed
        put_record(history, phone, phone.record("open", "work", "microphone"))
        said = history.adm("audit", "verify", "--device", phone.id).stdout
        assert "verified: 4 records" in said and "unsigned yet: 1" in said
        told = history.json("audit", "verify", "--device", phone.id)
        assert (told["records"], told["unsigned"]) == (4, 1)
    # No head at all.
    assert "no signed head" in refused(("DELETE FROM batch WHERE device = ?", phone.id))
    # The newest records are gone, and what signs them is not; or one is between the others.
    assert "record 4" in refused(("DELETE FROM record WHERE seq > 2 AND device = ?", phone.id))
    assert "audit record 2" in refused(("DELETE FROM record WHERE seq = 2 AND device = ?", phone.id))
    # The heads of another record, and of another device.
    newest = "(SELECT head FROM batch WHERE device = ? ORDER BY number DESC LIMIT 1)"
    assert "err.signature" in refused((f"UPDATE batch SET head = {newest} WHERE device = ?", phone.id, phone.id))
    assert "err.signature" in refused((f"UPDATE batch SET head = {newest} WHERE device = ?", other.id, phone.id))
    # Of an epoch that nobody knows.
    assert "no key" in refused(("UPDATE record SET epoch = ? WHERE seq = 4 AND device = ?", "00" * 16, phone.id))
    # Somebody without the device's key continues where record 2 ends.
    with evening:
        db = sqlite3.connect(history.office.dir / "mgmtd.db")
        second = db.execute("SELECT text FROM record WHERE seq = 2 AND device = ?", (phone.id,)).fetchone()[0]
        db.close()
        change(history, ("DELETE FROM record WHERE seq > 2 AND device = ?", phone.id))
        phone.audit_seq, phone.audit_head = 2, hashlib.sha256(second.encode()).digest()
        for event in ("deny", "deny"):
            put_record(history, phone, phone.record(event, "work", "camera"))
        assert "err.signature" in history.refused("audit", "verify", "--device", phone.id)
    # Both gone: the tail is cut, and only who saw it notices.
    cut = [(f"DELETE FROM {t} WHERE seq > 2 AND device = ?", phone.id) for t in ("record", "batch")]
    for _ in range(2):  # what was seen is not forgotten by the refusal
        said = refused(*cut)
        assert "err.rollback" in said and "4" in said and "accept-restore" in said
    with evening:
        change(history, *cut)
        history.adm("audit", "accept-restore", "--device", phone.id, "--reason", "as in the backup", "--yes")
        assert "verified: 2 records" in history.adm("audit", "verify", "--device", phone.id).stdout
    entry = history.json("audit", "query", "--filter", f"action eq audit-restored and device eq {phone.id}")
    assert entry["items"][0]["entry"]["after"]["reason"] == "as in the backup"
    assert "verified: 4 records" in history.adm("audit", "verify", "--device", phone.id).stdout
    fork_by_the_device(history, phone)


def fork_by_the_device(history, phone):
    """The device was restored, or its key copied: another record 2, rightly signed; then it is reset."""
    change(history, ("DELETE FROM record",), ("DELETE FROM batch",),
           ("UPDATE epoch SET audit_seq = 0, audit_head = NULL WHERE device = ?", phone.id))
    phone.audit_seq, phone.audit_head = 0, bytes(32)
    phone.send_batch(phone.batch([phone.record("deny", "work", "camera") for _ in range(5)]))
    said = history.refused("audit", "verify", "--device", phone.id)
    assert "err.equivocation" in said and "accept-restore" in said
    history.adm("audit", "accept-restore", "--device", phone.id, "--reason", "reset", "--yes")
    first = phone.epoch
    phone.close()
    uri = history.json("enroll", "create", "--group", "field")["uri"]
    phone.again(bytes.fromhex(uri.split("t=")[1][:64]))
    phone.connect()
    phone.send_batch(phone.batch([phone.record("open", "work", "camera")]))
    told = history.json("audit", "verify", "--device", phone.id)
    assert {(c["epoch"], c["records"]) for c in told["chains"]} == {(first, 5), (phone.epoch, 1)}
    change(history, ("UPDATE record SET text = replace(text, 'camera', 'vibra') WHERE epoch = ? AND seq = 2", first))
    assert "audit record 2" in history.refused("audit", "verify", "--device", phone.id)


# ---- receipts, and what follows from them
def gap(phone, stream, first, last, digest, **kw):
    return phone.receipt("gap", details={"stream": stream, "from": first, "to": last, "digest": digest,
                                         "cause": "acknowledged"}, **kw)


def test_what_the_server_says_of_receipts_and_access_is_worked_out_again(company, phone):
    access_is_verified_row_by_row(company, phone)
    another_view_is_found_out(company, phone)
    gaps_are_shown(company, phone)
    orders_are_for_vps_of_the_device(company, phone)
    a_group_that_lapses_soon_is_told_of(company)
    a_new_root_says_what_it_takes(company)


def access_is_verified_row_by_row(company, phone):
    rows = company.json("access", "query", "--class", "camera")["items"]
    assert [(r["vp"], r["verified"], r["receipt"]["seq"]) for r in rows] == [("work", True, 1), ("personal", True, 1)]
    assert all(r["receipt"]["time"].endswith("Z") for r in rows)
    shown = company.adm("access", "query", "--class", "camera").stdout
    assert "VERIFIED" in shown and rows[0]["receipt"]["time"] in shown
    company.adm("access", "query", "--class", "camera", "--max-age", "1h")
    later = forge.stamp(time.time() + 7200)
    said = company.refused("access", "query", "--class", "camera", "--max-age", "1h", "--at", later)
    assert "2 rows rest on receipts older than 1h" in said
    # A root, a membership: they say nothing of the set.
    phone.send_receipts(phone.receipt("applied", document={"type": "root", "id": "acme", "version": 2,
                                                           "sha256": "sha256:" + "0" * 64}))
    assert company.json("access", "matrix", phone.id)["verified"] is True
    assert len(company.json("access", "query", "--class", "camera")["items"]) == 2
    change(company, ("UPDATE receipt SET describes = 1 WHERE seq = 3 AND device = ?", phone.id))
    said = company.refused("access", "matrix", phone.id)
    assert "says nothing of what is in force" in said
    change(company, ("UPDATE receipt SET describes = 0 WHERE seq = 3 AND device = ?", phone.id))


def another_view_is_found_out(company, phone):
    """The server's own copy of the payload is changed; the envelopes are the device's."""
    db = sqlite3.connect(company.office.dir / "mgmtd.db")
    was = dict(db.execute("SELECT seq, payload FROM receipt WHERE device = ?", (phone.id,)))
    db.close()
    first, second = (json.loads(was[n]) for n in (1, 2))
    without = [d for d in first["details"]["documents"] if d["id"] != "personal"]
    views = [(2, {"details": {**second["details"], "to": "personal"}}, "in front"),
             (1, {"details": {**first["details"], "documents": without}}, "leaves VP personal out"),
             (1, {"enforcement": "mapped"}, "level"),
             (1, {"details": {**first["details"], "lacking": ["camera"]}}, "camera")]
    for seq, over, why in views:
        change(company, ("UPDATE receipt SET payload = ? WHERE seq = ? AND device = ?",
                         json.dumps({**json.loads(was[seq]), **over}), seq, phone.id))
        said = company.refused("access", "matrix", phone.id)
        assert "err.signature" in said and why in said, said
        if "leaves" not in why:
            r = company.adm("access", "query", "--verdict", "any", "--format", "json", check=False)
            assert r.returncode == 1 and "not verified" in r.stderr
            assert not all(i["verified"] for i in json.loads(r.stdout)["items"])
        change(company, ("UPDATE receipt SET payload = ? WHERE seq = ? AND device = ?", was[seq], seq, phone.id))
    # No receipt at all: nothing is verified, and the exit code says so.
    other, _ = company.enrol("new")
    assert company.adm("access", "matrix", other.id, check=False).returncode == 1
    r = company.adm("access", "query", "--class", "camera", check=False)
    assert r.returncode == 1 and f"no receipt says what is in force on {other.id}, so who can there is not known (devices: 1)" in r.stderr
    assert any(line.split()[:1] == [other.id] and "unknown" in line for line in r.stdout.splitlines())
    rows = json.loads(company.adm("access", "query", "--format", "json", check=False).stdout)["items"]
    assert {r["device"]: r["verified"] for r in rows} == {phone.id: True, other.id: False}
    # Not of others, of the time before it was enrolled, or once it is retired.
    for less in (("--device", phone.id), ("--device", other.id, "--at", forge.stamp(time.time() - 3600))):
        assert company.adm("access", "query", "--class", "camera", *less).returncode == 0
    company.adm("device", "retire", other.id, "--yes")
    assert company.adm("access", "query", "--class", "camera").returncode == 0


def gaps_are_shown(company, phone):
    first = company.json("receipt", "list", phone.id, "--limit", "1")["items"]
    assert [r["seq"] for r in first] == [phone.seq]  # the newest
    lost = [phone.receipt("started", vp="work") for _ in range(2)][-1]
    bridge = gap(phone, "receipts", phone.seq - 1, phone.seq, lost.sha256, prev=lost.sha256)
    phone.send_receipts(bridge)
    rows = company.json("receipt", "list", phone.id)["items"]
    missing = [r for r in rows if r["type"] == "missing"]
    assert [(r["seq"], r["to"], r["bridged"]) for r in missing] == [(4, 5, True)]
    assert "4 to 5, bridged by 6" in company.adm("receipt", "list", phone.id).stdout
    change(company, ("DELETE FROM receipt WHERE seq <= 1 AND device = ?", phone.id))
    r = company.adm("receipt", "list", phone.id, check=False)
    assert r.returncode == 1 and "1 to 1, NOT bridged" in r.stdout
    assert company.adm("receipt", "list", phone.id, "--limit", "2").returncode == 0
    # The audit: two records are gone, which the device says.
    phone.send_batch(phone.batch([phone.record("open", "work", "camera")]))
    assert "verified: 1 records" in company.adm("audit", "verify", "--device", phone.id).stdout
    for _ in range(2):
        phone.record("open", "work", "camera")
    phone.send_receipts(gap(phone, "audit", 2, 3, "sha256:" + phone.audit_head.hex()))
    phone.send_batch(phone.batch([phone.record("close", "work", "camera")]))
    said = company.adm("audit", "verify", "--device", phone.id).stdout
    assert "verified: 2 records" in said and "gone: 2 records" in said
    # The device's own signature, of something else.
    change(company, ("UPDATE receipt SET envelope = json_set(envelope, '$.signatures', json((SELECT"
                     " json_extract(envelope, '$.signatures') FROM receipt WHERE type = 'applied' AND device = ?1 LIMIT 1)))"
                     " WHERE type = 'gap' AND device = ?1", phone.id))
    assert company.adm("audit", "verify", "--device", phone.id, check=False).returncode == 1


def orders_are_for_vps_of_the_device(company, phone):
    phone.send_receipts(phone.receipt("applied", details={
        "documents": [d for d in company.office.get("/v1/groups/field")["documents"] if d["id"] != "personal"],
        "lacking": [], "not_enforced": []}))
    before = len(company.json("action", "list", phone.id)["items"])
    said = company.refused("vp", "lock", phone.id, "personal", *company.key("alice"))
    assert "err.no-such-vp" in said and "--any-vp" in said
    assert len(company.json("action", "list", phone.id)["items"]) == before
    assert company.json("vp", "lock", phone.id, "personal", "--any-vp", *company.key("alice"))["state"] == "sent"
    assert company.json("image", "show", "tiny")["version"] == 1


def a_new_root_says_what_it_takes(company):
    """alice's key is replaced: what only she and carol signed is said, and asked, before."""
    r = company.adm("root", "new", "--from", "root.json", "--remove-key", "alice", "--role", "root=bob,carol:2",
                    "--role", "policy=bob,carol:2", "--role", "command=bob", "--role", "destroy=bob",
                    "--out", "root2.xml")
    lines = [line for line in r.stderr.splitlines() if "takes the threshold from" in line]
    assert len(lines) == 4 and any("group field version 2 (1 of 2" in line for line in lines), r.stderr
    r = company.adm("root", "sign", "root2.xml", "--yes", *company.key("alice", "bob", "carol"))
    assert "takes the threshold from device-policy baseline version 1" in r.stderr
    before = company.office.get("/v1/roots")["items"]
    r = company.adm("root", "submit", "root2.json", check=False)
    assert r.returncode == 1 and "4 documents in force turn into proposals" in r.stderr
    assert company.office.get("/v1/roots")["items"] == before
    assert company.office.get("/v1/groups")["items"]
    company.adm("root", "submit", "root2.json", "--yes")
    assert {d["state"] for d in company.json("doc", "list")["items"] 
            if d["type"] not in ("root", "image")} == {"proposed"}


def a_group_that_lapses_soon_is_told_of(company):
    """At the end of whatever was done."""
    assert "lapses" not in company.adm("device", "list").stderr
    company.adm("doc", "new", "group", "--id", "field", "--version-number", 2, "--days", 5, "--policy", "baseline",
                "--vp-config", "work", "--vp-config", "personal", "--out", "field2.xml")
    company.publish("field2.xml")
    said = company.adm("device", "list").stderr
    assert re.search(r"^note: group 'field' lapses 20\d\d-\d\d-\d\dT[0-9:]*Z", said, re.M), said


# ---- the tree
def export(company, name="all"):
    company.adm("audit", "export", "--out", f"{name}.jsonl", "--head", f"{name}.head")
    return company.folder / f"{name}.jsonl", company.folder / f"{name}.head"


def offline(company, lines, head, code=0):
    r = company.adm("audit", "verify", "--file", lines, "--head", head, check=False)
    assert r.returncode == code, r.stdout + r.stderr
    return r.stdout if code == 0 else r.stderr.strip().splitlines()[-1]


def size_of(head):
    return json.loads(base64.b64decode(json.loads(head.read_text())["payload"]))["size"]


def test_the_tree_continues_what_was_seen_here(company, phone):
    export_holds_what_its_head_signs(company, phone)
    restored_server_is_accepted_with_a_reason(company)
    fork_is_noticed(company)


def export_holds_what_its_head_signs(company, phone):
    lines, head = export(company)
    assert len(lines.read_text().splitlines()) == size_of(head)
    assert "verified" in offline(company, lines, head)
    forged = json.loads(lines.read_text().splitlines()[-1])
    for more in (json.dumps({**forged, "action": "login"}) + "\n", "\n", "\0", json.dumps(forged)):
        longer = company.write("longer.jsonl", lines.read_text() + more)
        assert "err.signature" in offline(company, longer, head, 1), more
    company.adm("device", "rename", phone.id, "later")
    company.adm("audit", "verify")
    said = offline(company, lines, head, 1)  # a right one, but shorter than what was seen
    assert "err.rollback" in said and "accept-restore" in said


def rewrite_last_leaf(path):
    """Somebody else was it: the leaf, and the tree over it, as the server itself would write them."""
    db = sqlite3.connect(path)
    leaves = [row[0] for row in db.execute("SELECT text FROM leaf ORDER BY number")]
    last = json.loads(leaves[-1])
    last["who"] = "mallory"
    leaves[-1] = json.dumps(last, sort_keys=True, separators=(",", ":"))
    put_tree(db, leaves)


def put_tree(db, leaves):
    hashes, peaks, nodes = [], {}, []
    for i, text in enumerate(leaves):
        h, level, number = hashlib.sha256(b"\0" + text.encode()).digest(), 0, i
        hashes.append(h)
        while number & 1:
            h = hashlib.sha256(b"\1" + peaks.pop(level) + h).digest()
            level, number = level + 1, number >> 1
            nodes.append((level, number, h))
        peaks[level] = h
    with db:
        db.execute("DELETE FROM node")
        db.execute("DELETE FROM leaf WHERE number >= ?", (len(leaves),))
        db.executemany("INSERT INTO node (level, number, hash) VALUES (?, ?, ?)", nodes)
        db.executemany("UPDATE leaf SET text = ?, hash = ? WHERE number = ?",
                       [(t, h, i) for i, (t, h) in enumerate(zip(leaves, hashes))])
        packed = b"".join(peaks[level] for level in sorted(peaks, reverse=True)).ljust(64 * 32, b"\0")
        db.execute("UPDATE tree SET size = ?, peaks = ?", (len(leaves), packed))
    db.close()


def restore(company, leaves):
    """The server as it was when the tree had so many leaves."""
    office = company.office
    office.process.stop()
    db = sqlite3.connect(office.dir / "mgmtd.db")
    put_tree(db, [r[0] for r in db.execute("SELECT text FROM leaf ORDER BY number LIMIT ?", (leaves,))])
    office.restart()
    company.adm("server", "add", "main", "--port", office.admin_port)


def restored_server_is_accepted_with_a_reason(company):
    viewer = company.office.new_token("viewer")
    before = company.json("audit", "verify")["size"]
    assert "nothing to accept" in company.refused("audit", "accept-restore", "--reason", "none", "--yes")
    restore(company, before - 2)
    said = company.refused("audit", "verify")
    assert "err.rollback" in said and str(before) in said and "accept-restore" in said
    assert "err.rollback" in company.refused("audit", "verify")
    assert "reason" in company.refused("audit", "accept-restore", "--yes")
    # Who may not write the entry accepts nothing.
    company.adm("server", "add", "main", "--token", viewer)
    kept = next((company.config / "state/heads").glob("*.json"))
    was = kept.read_text()
    assert company.adm("audit", "accept-restore", "--reason", "mine", "--yes", check=False).returncode == 1
    marks = {m: {"size": 3, "root": "sha256:" + "0" * 64} for m in ("before", "after")}
    company.office.refused("POST", "/v1/audit/restored", 403, "forbidden", {"reason": "x", **marks}, token=viewer)
    for bad in ({"reason": ""}, {"reason": "x" * 501}, {"before": {"size": -1, "root": marks["after"]["root"]}},
                {"after": {"size": 1, "root": "x"}}, {"after": {**marks["after"], "more": 1}}):
        company.office.refused("POST", "/v1/audit/restored", 400, "bad-request", {"reason": "x", **marks, **bad})
    assert kept.read_text() == was
    company.adm("server", "add", "main", "--token", company.office.token)
    # Nor does who may, while the server does not write it down.
    with contextlib.closing(sqlite3.connect(company.office.dir / "mgmtd.db", isolation_level=None)) as db:
        db.execute("CREATE TRIGGER refuse BEFORE INSERT ON leaf BEGIN SELECT RAISE(ABORT, 'refused'); END")
        assert company.adm("audit", "accept-restore", "--reason", "unwritten", "--yes", check=False).returncode == 1
        assert kept.read_text() == was
        db.execute("DROP TRIGGER refuse")
    company.adm("audit", "accept-restore", "--reason", "disk of 12 May failed", "--yes")
    entry = company.json("audit", "query", "--filter", "action eq audit-restored")["items"][-1]["entry"]
    assert entry["outcome"] == "ok" and entry["after"]["reason"] == "disk of 12 May failed"
    assert entry["before"]["size"] == before and entry["who"]
    assert "consistent with" in company.adm("audit", "verify").stdout
    assert "disk of 12 May failed" in next((company.config / "state/heads").glob("*.json")).read_text()


def fork_is_noticed(company):
    """The director's key signs a second history: only what was seen here contradicts it."""
    company.adm("audit", "verify")
    office = company.office
    office.process.stop()
    shutil.copytree(office.dir, company.folder / "copy", dirs_exist_ok=True)
    seen = sqlite3.connect(office.dir / "mgmtd.db").execute("SELECT size FROM tree").fetchone()[0]
    rewrite_last_leaf(office.dir / "mgmtd.db")
    office.restart()
    company.adm("server", "add", "main", "--port", office.admin_port)
    lines, head = export(company, "forked")
    assert size_of(head) >= seen
    said = offline(company, lines, head, 1)
    assert "err.equivocation" in said and "accept-restore" in said
    assert "err.equivocation" in company.refused("audit", "verify")
    # A machine that never saw the other one has nothing to hold against it.
    kept = company.config / "state/heads"
    shutil.rmtree(kept)
    assert "verified" in offline(company, lines, head)
