# SPDX-License-Identifier: Apache-2.0
"""What a device runs out of: room, ids, cgroups. Each is a reason, and it recovers."""
import contextlib
import json
import os
import pathlib
import re
import sqlite3

import forge
import harness
from phone import Fleet, Phone
from scene import Scene

COMMANDS_MAX = 4096 if os.environ.get("CELLS_LONG") else 600
HELD_MAX = 2048  # policyd/store/store.h


def test_full_disk_keeps_what_was_there(world):
    scene = Scene(world, start=False)
    state = scene.phone.folder / "cells-policyd"
    harness.run(["mount", "-t", "tmpfs", "-o", "size=24M,mode=700", "small", state])
    world.closers.insert(0, lambda: harness.run(["umount", "-l", state], check=False))
    uid = harness.pwd.getpwnam("cells-policy").pw_uid
    os.chown(state, uid, -1)
    scene.phone.start()
    scene.enroll()
    scene.publish()
    in_force = scene.phone.status()["state"]
    before = scene.server.last_seq()
    large = forge.Layer(os.urandom(40 * 1024 * 1024))
    scene.server.keep(files=[large.files()])
    scene.offer(image=scene.org.image("tiny", scene.next_version("image"), [large]))
    scene.refused("err.storage-full", after=before)
    assert scene.phone.status()["state"] == in_force
    scene.still_takes_the_right_one()


def test_refused_commands_of_one_operator_keep_no_wipe_out(world):
    """Seen: 4,096 of them, and a rightly signed wipe was refused with err.busy."""
    phone = Phone(world)
    phone.enroll()
    Fleet(phone.org, phone.device).publish(phone)
    before = phone.status()["seq"]
    for n in range(COMMANDS_MAX):
        assert phone.submit(phone.org.command(f"ghost-{n}", phone.device, "stop", "ghost")) == ("refused", "err.no-such-vp")
    assert phone.submit(phone.org.command("right", phone.device, "stop", "work")) == ("accepted", "")
    assert phone.submit(phone.org.command("wipe", phone.device, "wipe", "work")) == ("accepted", "")
    # A hundred an hour are reported: the audit and the receipts keep room for the rest.
    assert phone.status()["seq"]["receipts"] <= before["receipts"] + 100
    phone.world.move_clock(3700)
    last = phone.status()["seq"]["receipts"]
    assert phone.submit(phone.org.command("ghost-x", phone.device, "stop", "ghost"))[0] == "refused"
    assert phone.receipts(last)[0]["details"]["untold"] == COMMANDS_MAX - 100


def test_held_commands_keep_no_wipe_out(world):
    """2,048 that are right, and wait: one more is refused, what destroys is not, nor a move."""
    phone = Phone(world)
    phone.enroll()
    Fleet(phone.org, phone.device).publish(phone)
    phone.policyd.stop()
    with contextlib.closing(sqlite3.connect(phone.state / "policyd.db", isolation_level=None)) as db:
        db.execute("BEGIN")
        for n in range(HELD_MAX):
            db.execute("INSERT INTO job (id, number, type, version, digest, expires, action, vp, cause, role) "
                       "VALUES (?, ?, 'command', 1, zeroblob(32), ?, 'stop', 'work', 'command', 'command')",
                       (f"held-{n}", 10000 + n, phone.org.now() + 86400))
        db.execute("COMMIT")
    phone.policyd.start()
    assert phone.submit(phone.org.command("more", phone.device, "stop", "work")) == ("refused", "err.busy")
    assert phone.submit(phone.org.command("wipe", phone.device, "wipe", "work")) == ("accepted", "")
    assert phone.submit(phone.org.membership("move", phone.device, "office")) == ("accepted", "")


def test_junk_takes_no_receipt_from_what_is_signed(world):
    """Anybody may bring bytes: sixty kinds of them are reported an hour, the rest is counted."""
    phone = Phone(world)
    phone.enroll()
    fleet = Fleet(phone.org, phone.device)
    fleet.publish(phone)
    before = phone.status()["seq"]["receipts"]
    for n in range(80):
        assert phone.submit(b"junk %d" % n) == ("refused", "err.envelope")
        assert phone.submit(b"junk 0") == ("refused", "err.envelope")
    assert phone.status()["seq"]["receipts"] == before + 60
    assert phone.submit(phone.org.command("ghost", phone.device, "stop", "ghost")) == ("refused", "err.no-such-vp")
    told = phone.receipts(before + 60)
    assert [r["document"]["id"] for r in told] == ["ghost"] and told[0]["details"]["untold"] == 20
    phone.world.move_clock(3700)
    assert phone.submit(b"junk 0") == ("refused", "err.envelope")
    assert phone.receipts(before + 61)[0]["details"]["again"] == 80


def test_no_cgroup_is_an_error_and_never_another_cgroup(world):
    scene = Scene(world)
    before = scene.server.last_seq()
    scene.command("stop", "work")
    scene.server.receipt(type="stopped", vp="work", after=before)
    root = harness.cgroup2_mount() / scene.phone.cgroup_root
    limit = root / "cgroup.max.descendants"
    limit.write_text("0")
    with contextlib.ExitStack() as undo:
        undo.callback(limit.write_text, "max")
        scene.refused("err.kernel", scene.command("start", "work"), before)
    before = scene.server.last_seq()
    scene.command("start", "work")
    scene.server.receipt(type="started", vp="work", after=before)
    scene.still_takes_the_right_one()


def test_what_this_machine_does_not_enforce_is_said(world):
    """In cellsctl's list and status, and in the signed receipt of a start, by command or not."""
    scene = Scene(world)
    controllers = (harness.cgroup2_mount() / scene.phone.cgroup_root / "cgroup.controllers").read_text().split()
    lacking = set() if "/sys/fs/selinux" in pathlib.Path("/proc/mounts").read_text() else {"selinux"}
    wanted = next(v for v in json.loads(scene.phone.ctl("list", "--format", "json").stdout)["vps"] if v["name"] == "work")
    said = set(wanted["not-enforced"])
    assert lacking <= said and ("memory" in controllers or wanted["pid"])
    assert json.loads(scene.phone.ctl("status", "--format", "json").stdout)["not_enforced"]["work"] == wanted["not-enforced"]
    table = scene.phone.ctl("status").stdout
    assert "NOT ENFORCED" in table and all(name in table for name in said)
    # Of the machine as a whole: a line each, with cause and remedy.
    here = json.loads(scene.phone.ctl("status", "--format", "json").stdout)["not_enforced_here"]
    assert lacking <= {row["what"] for row in here} and "enforcement" in {row["what"] for row in here}
    lines = table.split("\nNot enforced here\n")[1].split("\n\n")[0].splitlines()
    assert lines[0].split() == ["WHAT", "WHY", "REMEDY"] and len(lines) == 1 + len(here)
    for line, row in zip(lines[1:], here):
        assert line.startswith(row["what"] + " ") and row["why"] in line and line.endswith(row["remedy"])
    assert set(scene.server.receipt(type="started", vp="work")["details"]["not_enforced"]) == said
    before = scene.server.last_seq()
    scene.command("stop", "work")
    assert "not_enforced" not in scene.server.receipt(type="stopped", vp="work", after=before)["details"]
    scene.command("start", "work")
    details = scene.server.receipt(type="started", vp="work", after=before)["details"]
    assert set(details["not_enforced"]) == said and "command" in details


def test_the_manual_explains_each_word_of_what_is_not_enforced():
    manual = (harness.TOP / "man/cellsctl.1").read_text().split(".Ss What is not enforced")[1].split(".Sh")[0]
    explained = {w for line in re.findall(r"^\.It Cm (.*)$", manual, re.M) for w in line.split(" , ")}
    told = {w for name in ("unsupported", "unsupported_vp") for w in re.findall(r'\{ "([a-z-]+)",', (harness.TOP / f"cellsd/lifecycle/{name}.c").read_text())}
    assert len(told) > 12 and told == explained


def records(scene):
    return [json.loads(r) for batch in scene.server.batches for r in batch["records"]]


def test_what_happens_while_policyd_is_away_comes_to_the_audit(world):
    scene = Scene(world)
    scene.phone.policyd.stop()
    scene.run_in("personal", "/bin/sh", "-c", ": < /dev/hwrng")
    scene.phone.policyd.start()
    harness.until(lambda: any(r["event"] == "open" and r["vp"] == "personal" for r in records(scene)))


def test_what_a_config_says_of_network_and_front_reaches_cellsd(world):
    scene = Scene(world)
    network = ({"mode": "nat", "rate": 65536}, [{"host": "192.0.2.10", "protocol": "tcp", "port": 443}, {"net": "10.0.0.0/8"}])
    scene.publish(work=scene.config("work", on_boot=True, network=network, attention="call", notify="sms alarm",
                                    resources={"io-weight": 50, "io-read-max": 2048, "io-write-max": 4096}))
    log = (scene.phone.folder / "cellsd/log").read_text()
    for words in (("allow", f"{192 << 24 | 2 << 8 | 10}", "443"), ("allow", f"{10 << 24}"), ("net-rate", "65536"),
                  ("io-weight", "50"), ("io-read-max", "2048"), ("io-write-max", "4096"), ("attention", "call"), ("notify", "sms", "alarm"), ("nat", "1")):
        assert any("work" in line and all(w in line for w in words) for line in log.splitlines()), words
