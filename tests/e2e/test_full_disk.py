# SPDX-License-Identifier: Apache-2.0
"""A disk that is full to its last block: both daemons start on it, and a lock, an unlock and
a wipe are still taken, done and told, for room is kept for them."""
import contextlib
import os
import sqlite3

import forge
import harness
from scene import Scene

SIZE = 192 << 20


class Disk:
    """A small file system over the device's state folders, which a test fills."""

    def __init__(self, scene):
        folder = scene.phone.folder
        self.image, self.place = scene.world.folder / "disk.img", scene.world.subfolder("disk")
        with open(self.image, "wb") as f:
            f.truncate(SIZE)
        harness.run(["mkfs.ext4", "-q", "-m", "0", "-F", self.image])
        self._mount(["-o", "loop", self.image, self.place])
        for name in ("cells-policyd", "cellsd"):
            inside = self.place / name
            harness.run(["cp", "-a", folder / name, inside])
            self._mount(["--bind", inside, folder / name])
        self.world = scene.world

        def undo():
            for place in (folder / "cells-policyd", folder / "cellsd", self.place):
                harness.run(["umount", "-l", place], check=False)
        scene.world.closers.insert(0, undo)

    @staticmethod
    def _mount(args):
        harness.run(["mount", *args])

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
        for f in self.place.iterdir():
            if f.is_file():
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
    disk = Disk(scene)
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
