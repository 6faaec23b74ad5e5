# SPDX-License-Identifier: Apache-2.0
"""A disk that is full to its last block. The device's daemons start on it, and a lock, an unlock
and a wipe are still taken, done and reported, for room is kept for them. The server starts on it, and
serves reads."""
import contextlib
import os
import signal
import sqlite3

import forge
import harness
from office import Office, Phone
from scene import Scene


class Disk:
    """A small file system, which a test fills."""

    def __init__(self, world, size, place):
        self.image, self.place = world.folder / "disk.img", place
        with open(self.image, "wb") as f:
            f.truncate(size)
        harness.run(["mkfs.ext4", "-q", "-m", "0", "-F", self.image])
        harness.run(["mount", "-o", "loop", self.image, self.place])
        self.places = [self.place]
        world.closers.insert(0, self._unmount)

    def _unmount(self):
        for place in self.places:
            harness.run(["umount", "-l", place], check=False)

    def bind(self, folder):
        """What is in the folder goes onto the disk."""
        inside = self.place / folder.name
        harness.run(["cp", "-a", folder, inside])
        harness.run(["mount", "--bind", inside, folder])
        self.places.insert(0, folder)

    def fill(self):
        """Large files, then small ones, until not one byte more is taken."""
        for n, size in enumerate((1 << 20, 4096, 1)):
            with contextlib.suppress(OSError), open(self.place / f"fill-{n}", "wb", buffering=0) as f:
                while True:
                    f.write(os.urandom(size))
        with contextlib.suppress(OSError):
            for n in range(200):
                (self.place / f"small-{n}").write_bytes(b"x" * 4096)
        os.sync()
        assert os.statvfs(self.place).f_bavail == 0
        try:
            (self.place / "more").write_bytes(b"x" * 65536)
        except OSError:
            return
        raise harness.Failed("the disk is not full")

    def free(self):
        for f in [*self.place.glob("fill-*"), *self.place.glob("small-*"), *self.place.glob("more")]:
            f.unlink()


def leave_free(scene, size):
    """As if what may be refused had used the room within the file up to the reserve."""
    with contextlib.closing(sqlite3.connect(scene.phone.folder / "cells-policyd/policyd.db", timeout=20)) as db, db:
        free = db.execute("PRAGMA freelist_count").fetchone()[0] * 4096
        assert free >= 3 << 20, "nothing is kept"
        db.execute("CREATE TABLE used (filler BLOB)")
        db.execute("INSERT INTO used VALUES (zeroblob(?))", (free - size,))


def test_lock_unlock_and_wipe_on_a_full_disk(world):
    scene = Scene(world, start=False)
    disk = Disk(world, 192 << 20, world.subfolder("disk"))
    for name in ("cells-policyd", "cellsd"):
        disk.bind(scene.phone.folder / name)
    scene.phone.start()
    scene.enroll()
    scene.publish()
    disk.fill()
    leave_free(scene, 400 << 10)
    # A new set is refused, in words; and the agent does not hang up before the order behind it.
    in_force = scene.phone.status()["state"]
    scene.offer(image=scene.org.image("tiny", scene.next_version("image"), [forge.Layer(os.urandom(3 << 20))]))
    harness.until(lambda: any(s["reason"] == "err.storage-full" for s in scene.server.submitted))
    before = scene.server.last_seq()
    scene.command("lock", "work")
    scene.server.receipt(type="locked", vp="work", after=before)
    scene.unlock("work", before)
    scene.server.receipt(type="unlocked", vp="work", after=before)
    # Both start again, and what was done is still known.
    for daemon in ("policyd", "cellsd"):
        getattr(scene.phone, daemon).restart()
    harness.until(scene.server.connected)
    before = scene.server.last_seq()
    for n in range(3):
        at = scene.server.last_seq()
        scene.command("lock", "work")
        scene.server.receipt(type="locked", vp="work", after=at)
        scene.unlock("work", at)
        scene.server.receipt(type="unlocked", vp="work", after=at)
    scene.command("wipe", "work")
    scene.server.receipt(type="wiped", vp="work", after=before)
    assert scene.phone.status()["state"] == in_force
    disk.free()
    scene.still_takes_the_right_one()


FILLER = "x" * 60
HOW = ("runs", "starts", "is killed and starts", "starts without its log")


def test_server_serves_reads_on_a_full_disk_and_writes_again_when_there_is_room(world):
    disk = Disk(world, 32 << 20, world.subfolder("server/state"))
    office = Office(world).publish()
    phone = Phone(office).enroll()
    phone.connect()
    phone.apply(phone.snapshot())
    phone.close()
    token = office.new_token("admin", name="mine")
    everything = ("/v1/devices", "/v1/documents", "/v1/groups", "/v1/audit",
                  f"/v1/devices/{phone.id}/receipts", "/v1/tokens")

    def seen():
        rows = {path: office.get(path, token=token)["items"] for path in everything}
        # One that was made with the last room may have found none to go.
        rows["/v1/tokens"] = [t for t in rows["/v1/tokens"] if not t["name"].startswith(FILLER)]
        return rows

    def refused(method, path, body=None, data=None):
        r = office.call(method, path, body, token=token, data=data)
        assert (r.status_code, r.json()["code"]) == (507, "err.storage-full"), (path, r.text)
    before = seen()
    layer = forge.Layer(os.urandom(3 << 20))
    policy = office.forge.policy("baseline", 2, {"work": [("*", "none")]})
    for how in HOW:
        if how == "starts without its log":  # as after a copy of the database alone
            disk.free()
            office.process.stop()
            for path in office.dir.glob("mgmtd.db-*"):
                path.unlink()
        disk.fill()
        if how == "is killed and starts":
            office.restart(sig=signal.SIGKILL)
        elif how != "runs":
            office.restart()
        # What does not fit is refused; nothing of it stays, and what is there is served.
        for n in range(200):
            r = office.call("POST", "/v1/tokens", {"name": f"{FILLER}-{n}", "role": "viewer"}, token=token)
            if r.status_code == 507:
                break
            office.call("DELETE", f"/v1/tokens/{r.json()['id']}", token=token)
        assert (r.status_code, r.json()["code"]) == (507, "err.storage-full"), (how, r.text)
        refused("POST", "/v1/documents", policy.object)
        for sha256, data in layer.files().items():
            if len(data) > 65536:
                refused("PUT", f"/v1/chunks/{sha256}", data=data)
        now = seen()
        assert all(now[p] == before[p] for p in everything if p != "/v1/audit")
        assert [i for i in before["/v1/audit"] if i not in now["/v1/audit"]] == []
        assert office.call("GET", "/healthz").status_code == 200
        assert office.call("GET", "/readyz").status_code == 503
        lines = [x for x in office.process.tail(2000).splitlines() if "only reads are served" in x]
        assert len(lines) == HOW.index(how) + 1, lines
    disk.free()
    harness.until(lambda: office.call("GET", "/readyz").status_code == 200)
    assert "writes are taken again" in office.process.tail()
    office.submit(policy, token=token)
    office.put_layer(layer, token=token)
    phone.connect()
    phone.apply(phone.snapshot())
    assert office.device(phone)["compliant"]
    phone.close()
    assert harness.run([harness.program("cells-mgmtd"), "verify-store", "--dir", office.dir]).returncode == 0
