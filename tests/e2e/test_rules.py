# SPDX-License-Identifier: Apache-2.0
"""What a device does by itself: windows open and close, VPs that were offline too
long or got too many wrong passcodes are locked or wiped. With the real daemons."""
import calendar
import contextlib
import json
import os
import signal
import sqlite3
import time

import pytest

import escrow
import forge
import harness
from busclient import BusClient, Failed
from scene import Scene, busybox_layer

HOUR = 3600


def records(scene, **want):
    """Audit records that came to the server."""
    out = []
    for batch in scene.server.batches:
        for text in batch["records"]:
            r = json.loads(text)
            if all(r.get(k) == v or r["detail"].get(k) == v for k, v in want.items()):
                out.append(r)
    return out


def seconds_until(minute, weekday=2):
    """From now to that minute of a coming Wednesday (local time is the device's too)."""
    now = time.localtime()
    midnight = calendar.timegm(now) - (now.tm_hour * 60 + now.tm_min) * 60 - now.tm_sec
    days = (weekday - now.tm_wday) % 7 or 7
    return midnight + days * 24 * HOUR + minute * 60 - calendar.timegm(now)


@pytest.fixture
def scene(world):
    return Scene(world)


def test_window_opens_and_closes_by_itself(scene):
    noon = seconds_until(12 * 60)
    scene.world.move_clock(wall=noon - 30, boot=0)
    rule = ("camera", "shared", {"only": [("mon-fri", "12:00", "13:00")]})
    scene.publish({"work": [rule, ("*", "none")], "personal": [("*", "none")]})
    why = json.loads(scene.phone.ctl("explain", "work", "camera", "--format", "json").stdout)
    assert why["verdict"] == "denied" and why["until"].endswith(":00:00Z")
    assert why["rules"][0]["window"] == "mon tue wed thu fri 12:00-13:00"

    def decided():
        """By policyd; cellsd's own record of the same comes before it or after."""
        modes = records(scene, event="mode", cause="window", vp="work", **{"class": "camera"})
        return [r["detail"]["to"] for r in modes if "to" in r["detail"]]

    for wall, modes in ((noon + 1, ["shared"]), (noon + HOUR - 2, None), (noon + HOUR + 1, ["shared", "none"])):
        scene.world.move_clock(wall=wall, boot=0)
        if modes:
            harness.until(lambda: len(decided()) >= len(modes))
            assert decided() == modes


def test_wall_clock_behind_secure_time_opens_no_window(scene):
    rule = ("camera", "shared", {"only": [("mon-sun", "00:00", "24:00")]})
    scene.publish({"work": [rule], "personal": [("*", "none")]})
    explain = lambda: json.loads(scene.phone.ctl("explain", "work", "camera", "--format", "json").stdout)  # noqa: E731
    assert explain()["mode"] == "shared"
    scene.world.move_clock(wall=-7 * 24 * HOUR, boot=0)
    assert explain()["mode"] == "none"
    harness.until(lambda: records(scene, event="clock"))
    scene.world.move_clock(0)
    assert explain()["mode"] == "shared"


def offline(scene, hours, then):
    work = scene.config("work", on_boot=True, offline={"after-hours": hours, "then": then})
    scene.publish(work=work)
    return scene.server.last_seq()


def test_vp_without_word_is_locked_by_what_was_measured(scene):
    before = offline(scene, 2, "lock")
    scene.world.move_clock(wall=0, boot=25 * HOUR)
    time.sleep(1)
    assert scene.list()["work"]["state"] != "locked", "the snapshot has lapsed, but not for two hours"
    scene.world.move_clock(wall=0, boot=26 * HOUR + 60)
    receipt = scene.server.receipt(type="locked", vp="work", after=before)
    assert receipt["details"]["cause"] == "offline" and receipt["document"] is None
    assert scene.list()["personal"]["state"] != "locked"
    scene.phone.policyd.restart()
    time.sleep(1)
    assert len([r for r in scene.server.receipts if r["type"] == "locked"]) == 1


def test_vp_that_was_off_without_word_is_locked(scene):
    """By the hardware clock: the boot clock restarted, and the wall clock is days ahead."""
    before = offline(scene, 2, "lock")
    scene.phone.policyd.kill()
    scene.world.move_clock(wall=3 * 24 * HOUR, boot=-100)
    scene.phone.policyd.start()
    receipt = scene.server.receipt(type="locked", vp="work", after=before)
    assert receipt["details"]["cause"] == "offline"


def test_wipe_is_by_what_was_measured(scene):
    before = offline(scene, 720, "wipe")
    scene.world.move_clock(wall=60 * 24 * HOUR, boot=0)
    time.sleep(1)
    assert scene.list()["work"]["state"] in ("foreground", "background", "stopped")
    scene.world.move_clock(wall=0, boot=32 * 24 * HOUR)
    receipt = scene.server.receipt(type="wiped", vp="work", after=before)
    assert receipt["details"]["cause"] == "offline"
    harness.until(lambda: scene.list().get("work", {"state": "absent"})["state"] == "absent")


def test_too_many_wrong_passcodes_lock(scene):
    work = scene.config("work", on_boot=True, lock={"attempts": 3, "then": "lock"})
    scene.publish(work=work)
    before = scene.server.last_seq()
    root = BusClient(scene.phone.bus.address, "root")
    scene.world.closers.append(root.close)
    for _ in range(3):
        with pytest.raises(Failed) as e:
            root.call("Policy1", "Unlock", "work", b"0000")
        assert e.value.name == "password"
    receipt = scene.server.receipt(type="locked", vp="work", after=before)
    assert receipt["details"]["cause"] == "attempts"
    assert scene.phone.status()["locked_out"]["passcode"]["work"] > 0


def test_wiped_vp_comes_back_with_a_newer_config_only(scene):
    before = scene.server.last_seq()
    scene.command("wipe", "work")
    scene.server.receipt(type="wiped", vp="work", after=before)
    scene.publish({"work": [("*", "shared")], "personal": [("*", "shared")]})
    scene.phone.policyd.restart()
    scene.phone.cellsd.restart()
    scene.publish({"work": [("*", "none")], "personal": [("*", "shared")]})
    assert scene.list().get("work", {"state": "absent"})["state"] == "absent"
    scene.publish(work=scene.config("work", on_boot=True))
    harness.until(lambda: scene.list().get("work", {}).get("state") in ("background", "foreground"))


def in_force(scene):
    return scene.phone.status()["snapshot"]["version"]


def test_a_set_that_comes_while_layers_go_to_cellsd_is_the_one_that_is_applied(scene):
    """cellsd is slow: two more sets go in force before it takes the first one's layer, and what it gets is the last one's."""
    scene.publish({"work": [("*", "shared")], "personal": [("*", "shared")]})
    before, policyd, cellsd = scene.server.last_seq(), scene.phone.policyd.child.pid, scene.phone.cellsd.child.pid
    layer = forge.Layer(busybox_layer().data + bytes(4096))
    scene.server.keep(files=[layer.files()])
    os.kill(cellsd, signal.SIGSTOP)
    try:
        for docs in ({"image": scene.org.image("tiny", scene.next_version("image"), [layer])},
                     {"policy": scene.policy({"work": [("*", "none")], "personal": [("*", "none")]})},
                     {"policy": scene.policy({"work": [("*", "none")], "personal": [("*", "shared")]}),
                      "personal": scene.config("personal", on_boot=True, label="Third")}):
            scene.docs.update(docs)
            snapshot = scene.offer(group=scene.group({**scene.docs, **docs}))
            harness.until(lambda: in_force(scene) == scene.snapshots)
    finally:
        os.kill(cellsd, signal.SIGCONT)
    scene.server.receipt(type="applied", document=snapshot, after=before)
    assert [r["document"]["version"] for r in scene.server.receipts[before:] if r["type"] == "applied"] == [scene.snapshots]
    assert scene.phone.policyd.child.pid == policyd and scene.phone.policyd.alive()
    assert scene.list()["personal"]["label"] == "Third"
    explain = json.loads(scene.phone.ctl("explain", "work", "camera", "--format", "json").stdout)
    assert explain["mode"] == "none"


def test_reset_wipes_and_forgets(scene):
    root = BusClient(scene.phone.bus.address, "root")
    scene.world.closers.append(root.close)
    root.call("Policy1", "Reset")
    assert not scene.phone.status()["enrolled"]
    assert all(v["state"] == "absent" for v in scene.list().values())
    scene.enroll()
    scene.docs = {}
    scene.snapshots = 0
    scene.server.receipts.clear()
    scene.publish()


def test_idle_vp_in_front_is_locked(scene):
    scene.publish(work=scene.config("work", on_boot=True, lock={"idle-seconds": 2}))
    before = scene.server.last_seq()
    scene.phone.ctl("switch", "personal")
    time.sleep(2.5)
    assert not [r for r in scene.server.receipts if r["type"] == "locked"]
    scene.phone.ctl("switch", "work")
    receipt = scene.server.receipt(type="locked", vp="work", after=before)
    assert receipt["details"]["cause"] == "idle" and receipt["details"]["keys"] == 1
    assert scene.list()["personal"]["state"] == "background"
    scene.unlock("work", after=before)
    scene.server.receipt(type="unlocked", vp="work", after=before)


def passcode(scene, *lines, verb="unlock"):
    r = scene.phone.ctl(verb, "work", "--password-stdin", stdin="".join(f"{line}\n" for line in lines), check=False)
    return r.returncode, r.stderr


def test_passcode_locks_and_unlocks(scene):
    before = scene.server.last_seq()
    assert passcode(scene, "", "abc", verb="passcode")[0] == 1, "too short"
    assert passcode(scene, "", "correct horse", verb="passcode") == (0, "")
    assert scene.list()["work"]["slots"] == "passcode recovery"
    said = scene.phone.ctl("status").stdout
    assert "vault on" in said and "fscrypt aes-256-xts" in said and "passcode recovery" in said
    code, text = passcode(scene, "wrong horse", "another horse", verb="passcode")
    assert code == 1 and "does not fit" in text
    scene.command("lock", "work")
    scene.server.receipt(type="locked", vp="work", after=before)
    code, text = passcode(scene, "wrong horse")
    assert code == 1 and "does not fit" in text
    assert passcode(scene, "correct horse") == (0, "")
    scene.server.receipt(type="unlocked", vp="work", after=before)
    assert scene.phone.status()["locked_out"]["passcode"] == {}
    # After a start of the machine there is no key; the organisation's resets the passcode.
    before = scene.server.last_seq()
    scene.command("lock", "work")
    scene.server.receipt(type="locked", vp="work", after=before)
    scene.unlock("work", after=before)
    scene.server.receipt(type="unlocked", vp="work", after=before)
    assert scene.list()["work"]["slots"] == "device recovery"


def test_wrong_passcodes_wait_and_wipe_at_the_limit(scene):
    work = scene.config("work", on_boot=True, lock={"attempts": 4, "then": "wipe"})
    scene.publish(work=work)
    assert passcode(scene, "", "correct horse", verb="passcode") == (0, "")
    before = scene.server.last_seq()
    scene.command("lock", "work")
    scene.server.receipt(type="locked", vp="work", after=before)
    for _ in range(3):
        assert "does not fit" in passcode(scene, "wrong")[1]
    for restart in (False, True):
        if restart:
            scene.phone.policyd.restart()
            harness.until(lambda: "cellsd is not there" not in passcode(scene, "wrong")[1])
        assert "wrong tries" in passcode(scene, "correct horse")[1]
    scene.world.move_clock(wall=40)
    assert "does not fit" in passcode(scene, "wrong")[1]
    receipt = scene.server.receipt(type="wiped", vp="work", after=before)
    assert receipt["details"]["cause"] == "attempts" and receipt["details"]["slots"] == 2
    assert scene.list()["personal"]["state"] in ("background", "foreground")


def test_secrets_come_with_the_config_password(scene):
    password = forge.Password("correct horse battery staple")
    work = scene.config("work", on_boot=True, password=password, secrets=b"wifi=swordfish\n")
    scene.publish(work=work)
    harness.until(lambda: scene.list()["work"]["state"] in ("background", "foreground"))
    show = ("cat", "/run/cells/secrets")
    assert scene.run_in("work", *show, check=False).returncode != 0
    scene.phone.ctl("unlock-config", "work", "--password-stdin", stdin="correct horse battery staple\n")
    harness.until(lambda: scene.run_in("work", *show, check=False).stdout == "wifi=swordfish\n")
    scene.phone.cellsd.restart()
    harness.until(lambda: scene.list().get("work", {}).get("state") in ("background", "foreground"))
    before = scene.server.last_seq()
    for action, done in (("stop", "stopped"), ("start", "started")):
        scene.command(action, "work")
        scene.server.receipt(type=done, vp="work", after=before)
    assert scene.run_in("work", *show).stdout == "wifi=swordfish\n"


def test_a_key_sealed_to_another_device_is_refused(scene):
    before = scene.server.last_seq()
    scene.command("lock", "work")
    details = scene.server.receipt(type="locked", vp="work", after=before)["details"]
    key = escrow.recover(scene.org.recovery.key, "work", details)
    for sealed in (escrow.seal_to(scene.device, "personal", key), bytes(145), b"x"):
        before = scene.server.last_seq()
        scene.refused("err.password", scene.command("unlock", "work", sealed_key=sealed), before)
    before = scene.server.last_seq()
    scene.refused("err.password", scene.command("unlock", "work",
                                                sealed_key=escrow.seal_to(scene.device, "work", bytes(64))), before)
    assert scene.list()["work"]["state"] == "locked"


def told_since(scene, before, vp):
    return [(r["type"], r["reason"]) for r in scene.server.receipts if r["seq"] > before and r["vp"] == vp]


def test_an_order_that_finds_its_work_done_says_nothing_else(scene):
    """The adversary found it: a VP that was locked was ordered to stop, and its device said at the next start of policyd
    that somebody had locked it; until then the fleet took it for stopped."""
    before = scene.server.last_seq()
    scene.command("lock", "work")
    scene.server.receipt(type="locked", vp="work", after=before)
    before = scene.server.last_seq()
    scene.command("stop", "work")
    assert scene.server.receipt(type="refused", vp="work", after=before)["reason"] == "err.vp-state"
    scene.command("unlock", "personal")
    scene.server.receipt(type="unlocked", vp="personal", after=before)
    states = {vp["name"]: vp["state"] for vp in scene.phone.status()["vps"]}
    assert states == {vp: row["state"] for vp, row in scene.list().items()} and states["work"] == "locked", states
    scene.phone.policyd.restart()
    scene.command("stop", "personal")
    scene.server.receipt(type="stopped", vp="personal", after=before)
    assert told_since(scene, before, "work") == [("refused", "err.vp-state")]
    assert told_since(scene, before, "personal") == [("unlocked", None), ("stopped", None)]


def was_given(scene, order):
    """policyd has noted that cellsd has the order."""
    with contextlib.closing(sqlite3.connect(scene.phone.folder / "cells-policyd/policyd.db", timeout=20)) as db:
        return db.execute("SELECT begun FROM job WHERE id = ?", (order.id,)).fetchone() == (1,)


def test_an_order_that_was_begun_ends_with_its_receipt_however_late(scene):
    """The power goes when cellsd has the order and policyd no answer, and comes back when the order has expired."""
    before = scene.server.last_seq()
    cellsd, policyd = scene.phone.cellsd, scene.phone.policyd
    cellsd.child.send_signal(signal.SIGSTOP)
    try:
        order = scene.command("lock", "work")
        harness.until(lambda: was_given(scene, order))
        time.sleep(0.5)  # it goes on its way after that
        policyd.child.send_signal(signal.SIGSTOP)
    finally:
        cellsd.child.send_signal(signal.SIGCONT)
    harness.until(lambda: scene.list()["work"]["state"] == "locked")
    policyd.kill()
    scene.world.move_clock(wall=3 * forge.DAY, boot=3 * forge.DAY)
    policyd.start()
    told = scene.server.receipt(vp="work", after=before, document=order)
    assert told["type"] == "locked" and told["details"]["command"] == order.id, told
    assert told_since(scene, before, "work") == [("locked", None)]
