# SPDX-License-Identifier: Apache-2.0
"""Trouble of cells-policyd's own, with documents that are right: err.internal. Nothing is
half done, no document is blamed for it, and once the damage is mended what came meanwhile
is taken, with nobody's help."""
import contextlib
import os
import pathlib
import sqlite3
import time

import pytest

import forge
import harness
from busclient import BusClient, Failed
from scene import Scene, busybox_layer

# Tables that say what the device has accepted, and what it has said.
TOLD = ("meta", "root", "document", "in_force", "staged", "floor", "job", "receipt", "audit", "refusal")


def unreadable(name):
    """One value of the store cannot be read, and what puts that right."""
    return (f"""BEGIN; ALTER TABLE meta RENAME TO lost;
                CREATE VIEW meta AS SELECT name, CASE name WHEN '{name}' THEN abs(-9223372036854775807 - 1)
                                                 ELSE value END AS value FROM lost;
                CREATE TRIGGER put INSTEAD OF INSERT ON meta
                BEGIN INSERT OR REPLACE INTO lost VALUES (NEW.name, NEW.value); END; COMMIT""",
            "BEGIN; DROP VIEW meta; ALTER TABLE lost RENAME TO meta; COMMIT")


# Statements that damage the store as it is, and those that mend it.
DAMAGES = {
    "table missing": ("ALTER TABLE staged RENAME TO lost", "ALTER TABLE lost RENAME TO staged"),
    # No number is read any more: a floor that cannot be read is not a floor of nothing.
    "column missing": ("ALTER TABLE meta RENAME COLUMN value TO lost",
                       "ALTER TABLE meta RENAME COLUMN lost TO value"),
    # One of the last things written: all before it in the transaction has to go again.
    "row refused": ("CREATE TRIGGER refuse BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no row'); END",
                    "DROP TRIGGER refuse"),
    # The chain must not restart.
    "head unreadable": unreadable("audit-head"),
}


def store(scene):
    return scene.phone.folder / "cells-policyd/policyd.db"


def execute(scene, sql):
    with contextlib.closing(sqlite3.connect(store(scene), timeout=20)) as db, db:
        db.executescript(sql)


def contents(scene):
    """All that is reported, but for secure time, which goes on."""
    found = {}
    with contextlib.closing(sqlite3.connect(store(scene), timeout=20)) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if name in TOLD or name == "lost":
                found[name] = sorted(r for r in db.execute(f"SELECT * FROM {name}") if r[0] != "time")
    return found


@pytest.fixture(scope="module")
def scene():
    with harness.World() as w:
        yield Scene(w)


def log(scene):
    return pathlib.Path(scene.phone.agent.log).read_text()


def settled(scene):
    """What the last document set going has been recorded: the contents, which stay."""
    found = contents(scene)
    while True:
        time.sleep(1)
        later = contents(scene)
        if later == found:
            return found
        found = later


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_store_takes_nothing_by_halves(scene, name):
    damage, repair = DAMAGES[name]
    docs = {**scene.docs, "policy": scene.policy()}
    docs["group"] = scene.group(docs)
    scene.server.keep(*docs.values())
    snapshot = scene.snapshot(docs)
    settled(scene)
    before, in_force = scene.server.last_seq(), scene.phone.status()["state"]
    agent = BusClient(scene.phone.bus.address, "cells-agent")
    execute(scene, damage)
    with contextlib.ExitStack() as undo:
        undo.callback(agent.close)
        undo.callback(execute, scene, repair)
        was = contents(scene)
        with pytest.raises(Failed) as told:
            agent.call("Policy1", "Submit", snapshot.envelope)
        assert told.value.name == "internal" and "database: " in str(told.value), told.value
        logged = log(scene).count("database: ")
        scene.server.publish(snapshot)
        harness.until(lambda: log(scene).count("database: ") > logged)
        assert contents(scene) == was
        with contextlib.suppress(harness.Failed):  # it says that, or nothing
            assert scene.phone.status()["state"] == in_force
        assert scene.server.last_seq() == before, "a receipt that nothing supports"
    scene.server.receipt(type="applied", document=snapshot, after=before)
    assert all(r["reason"] is None for r in scene.server.receipts[before:])
    scene.docs = docs
    scene.still_takes_the_right_one()


@pytest.mark.parametrize("damage, repair, life", [
    # Is it one that is known, or too late? Is there such a VP, or is it wiped?
    ("ALTER TABLE job RENAME TO lost", "ALTER TABLE lost RENAME TO job", -60),
    ("ALTER TABLE vp RENAME COLUMN gone TO lost", "ALTER TABLE vp RENAME COLUMN lost TO gone", 3600)])
def test_order_is_not_judged_by_what_cannot_be_read(scene, damage, repair, life):
    now = scene.org.now()
    order = scene.org.command(f"stop-{scene.next_version('command')}", scene.device, "stop", "work",
                              issued=now - 120, life=120 + life)
    settled(scene)
    with contextlib.ExitStack() as undo:
        agent = BusClient(scene.phone.bus.address, "cells-agent")
        undo.callback(agent.close)
        execute(scene, damage)
        undo.callback(execute, scene, repair)
        was = contents(scene)
        with pytest.raises(Failed) as told:
            agent.call("Policy1", "Submit", order.envelope)
        assert told.value.name == "internal" and "database: " in str(told.value), told.value
        assert contents(scene) == was
    scene.still_takes_the_right_one()


def test_agent_without_an_answer_asks_again(scene):
    """Without policyd's status it cannot say hello; nobody notifies it when there is one again."""
    settled(scene)
    damage, repair = DAMAGES["column missing"]
    execute(scene, damage)
    with contextlib.ExitStack() as undo:
        undo.callback(execute, scene, repair)
        logged = log(scene).count("cells-policyd: database: ")
        scene.phone.agent.restart()
        harness.until(lambda: log(scene).count("cells-policyd: database: ") > logged + 2)
        assert not scene.server.connected()
    harness.until(scene.server.connected, 60)
    scene.still_takes_the_right_one()


def test_secure_time_that_cannot_be_read_is_kept(scene):
    """A start that went on without it would have it begin at 0, and so saved."""
    settled(scene)
    before = scene.phone.status()["secure_time"]
    damage, repair = unreadable("secure-time")
    scene.phone.policyd.stop()
    execute(scene, damage)
    with pytest.raises(harness.Failed):
        scene.phone.policyd.start()
    assert "database: SELECT value FROM meta" in scene.phone.policyd.tail()
    execute(scene, repair)
    scene.phone.policyd.start()
    assert scene.phone.status()["secure_time"] >= before
    scene.still_takes_the_right_one()


def test_layer_that_cannot_be_checked_is_kept(scene):
    """One that has changed is deleted and fetched again; trouble of our own says nothing of it."""
    layer = scene.phone.folder / "cells-policyd/layers" / busybox_layer().digest.removeprefix("sha256:")
    policyd = scene.phone.policyd
    was = layer.stat()
    policyd.stop()
    layer.chmod(0)
    execute(scene, "DELETE FROM meta WHERE name = 'checked'")
    policyd.start()
    assert "check layer sha256:" in policyd.tail() and "Permission denied" in policyd.tail()
    policyd.stop()
    layer.chmod(was.st_mode)
    policyd.start()
    assert layer.stat().st_ino == was.st_ino
    scene.still_takes_the_right_one()


def test_image_that_cannot_be_put_together_is_told(scene):
    """A folder in the place of the file: the receipt says err.internal, and what it was."""
    layer = forge.Layer(b"\0" * 1024 + b"\xe2\xe1\xf5\xe0" + os.urandom(50000))  # with an EROFS file's mark
    part = scene.phone.folder / "cells-policyd/layers" / (layer.digest.removeprefix("sha256:") + ".part")
    before, in_force = scene.server.last_seq(), scene.phone.status()["state"]
    scene.server.keep(files=[layer.files()])
    image = scene.org.image("tiny", scene.next_version("image"), [busybox_layer(), layer])
    part.mkdir()
    scene.offer(image=image)
    receipt = scene.refused("err.internal", image, before)
    assert receipt["details"]["text"] == "put layer together: Is a directory"
    assert scene.phone.status()["state"] == in_force
    assert not list(part.parent.glob("*.have"))
    part.rmdir()
    scene.publish(image=image)
    scene.still_takes_the_right_one()
