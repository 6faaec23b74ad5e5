# SPDX-License-Identifier: Apache-2.0
"""cells-policyd starts with whatever is in force: no row on its disk, and no lack of
room, keeps it from taking commands. What it cannot explain it reports once."""
import contextlib
import os
import sqlite3

import pytest

import forge
import harness
from phone import Fleet, Phone

ROW = "UPDATE document SET envelope = ? WHERE digest = ?"


@pytest.fixture
def phone(world):
    p = Phone(world)
    p.enroll()
    p.fleet = Fleet(p.org, p.device)
    p.fleet.publish(p)
    return p


def spoil(phone, *statements):
    """What a disk does while nobody looks."""
    phone.policyd.kill()
    with sqlite3.connect(phone.state / "policyd.db") as db:
        for sql, *args in statements:
            db.execute(sql, args)
    phone.policyd.start()


def raw(doc):
    return bytes.fromhex(doc.sha256[7:])


def stage(phone):
    """A set that waits for a layer."""
    fleet = phone.fleet
    fleet.layer = forge.Layer(b"new" * 50000)
    fleet.make("image")
    fleet.make("policy")
    fleet.group()
    assert phone.submit(fleet.snapshot()) == ("staged", "")
    for doc in fleet.docs.values():
        phone.submit(doc)


SPOILED = {
    "a policy's envelope": lambda f: [(ROW, "{", raw(f.docs["policy"]))],
    "another document's envelope": lambda f: [(ROW, f.docs["work"].envelope, raw(f.docs["policy"]))],
    "a policy that is gone": lambda f: [("DELETE FROM document WHERE digest = ?", raw(f.docs["policy"]))],
    "the group": lambda f: [(ROW, "", raw(f.docs["group"]))],
    "a config under another name": lambda f: [("UPDATE in_force SET id = 'other' WHERE id = 'work'",)],
    "the snapshot in force": lambda f: [("UPDATE meta SET value = '{' WHERE name = 'snapshot'",)],
}


def test_rows_that_cannot_be_explained(phone):
    for what, how in SPOILED.items():
        before = phone.status()["seq"]["receipts"]
        spoil(phone, *how(phone.fleet))
        told = phone.receipts(before)
        assert [(r["type"], r["reason"]) for r in told] == [("refused", "err.internal")], (what, told)
        if what != "the snapshot in force":
            assert phone.explain("personal", "camera")["mode"] == "none", f"{what}: a policy may be missing"
        phone.policyd.restart()
        assert len(phone.receipts(before)) == 1, f"{what}: reported once"
        order = phone.org.command(f"stop-{before}", phone.device, "stop", "personal")
        assert phone.submit(order) == ("accepted", ""), what
        phone.fleet.make("policy")
        phone.fleet.publish(phone)
        assert phone.explain("personal", "camera")["mode"] == "shared"


def test_what_is_missing_is_asked_for(phone):
    spoil(phone, ("DELETE FROM document WHERE digest = ?", raw(phone.fleet.docs["policy"])))
    want = forge.state_digest([d.ref for d in phone.fleet.docs.values()])
    assert phone.status()["state"] != want
    phone.fetch(phone.fleet.docs.values(), {})
    harness.until(lambda: phone.status()["state"] == want)
    assert phone.explain("work", "camera")["mode"] == "shared"


def test_broken_staged_set(phone):
    stage(phone)
    state = phone.status()["state"]
    for statements in ([("UPDATE meta SET value = 'x' WHERE name = 'staged'",)],
                       [("UPDATE document SET envelope = 'x' WHERE digest = ?", raw(phone.fleet.docs["policy"]))],
                       [("UPDATE staged SET accepted = 7",)],
                       [("DELETE FROM staged",)]):
        spoil(phone, *statements)
        assert phone.status()["state"] == state
        phone.fleet.group()
        phone.submit(phone.fleet.snapshot())
        for doc in phone.fleet.docs.values():
            phone.submit(doc)
    phone.fetch(phone.fleet.docs.values(), phone.fleet.layer.files())
    want = forge.state_digest([d.ref for d in phone.fleet.docs.values()])
    harness.until(lambda: phone.status()["state"] == want)


def test_roots_and_identity(phone):
    phone.submit(phone.org.rotate("command"))
    spoil(phone, ("UPDATE root SET envelope = 'x' WHERE version = 2",))
    assert phone.status()["root_version"] == 1
    assert phone.submit(phone.org.roots[1]) == ("accepted", ""), "the next root comes once more"
    for name in ("secure-time", "epoch", "receipt-key", "audit-head", "group"):
        spoil(phone, ("UPDATE meta SET value = 'x' WHERE name = ?", name))
        assert phone.status()["enrolled"], name
    spoil(phone, ("DELETE FROM root",))
    assert not phone.status()["enrolled"]


def test_floor_that_cannot_be_read_keeps_no_root_out(phone):
    spoil(phone, ("UPDATE document SET envelope = 'x'",))
    assert phone.submit(phone.org.rotate("command")) == ("accepted", "")


def test_full_disk(world):
    """The state folder is a file system of its own, and there is no byte left."""
    folder = world.subfolder("phone/state", "cells-policy", 0o700)
    harness.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700,uid=" + str(folder.stat().st_uid), "tmpfs", folder])
    world.closers.insert(0, lambda: harness.run(["umount", "-l", folder]))
    phone = Phone(world)
    phone.enroll()
    fleet = Fleet(phone.org, phone.device)
    fleet.publish(phone)
    state = phone.status()["state"]
    phone.policyd.kill()
    filler = os.open(folder / "filler", os.O_CREAT | os.O_WRONLY)
    with contextlib.suppress(OSError):
        while True:
            os.write(filler, b"x" * 4096)
    os.close(filler)
    phone.policyd.start()
    assert phone.status()["state"] == state
    (folder / "filler").unlink()
    fleet.make("policy")
    fleet.publish(phone)


@pytest.mark.parametrize("what", ["beginning", "all", "schema"])
def test_a_damaged_database_is_named_and_left_as_it_is(phone, what):
    """It does not start empty, for then every floor would be gone; nothing of the file is changed."""
    phone.policyd.kill()
    file = phone.state / "policyd.db"
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    good = file.read_bytes()
    bad = {"beginning": b"x" * 100 + good[100:], "all": os.urandom(len(good)),
           "schema": good[:100] + os.urandom(4096 - 100) + good[4096:]}[what]
    file.write_bytes(bad)
    with pytest.raises(harness.Failed):
        phone.policyd.start()
    (line,) = [x for x in phone.policyd.tail().splitlines() if "damaged" in x]
    assert str(file) in line and "put a good copy in its place" in line, line
    assert file.read_bytes() == bad
    file.write_bytes(good)
    phone.policyd.start()
    phone.fleet.publish(phone)
