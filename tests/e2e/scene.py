# SPDX-License-Identifier: Apache-2.0
"""One device of an organisation, with its real daemons, whose server is a test's.

    scene = Scene(world)            # enrolled, group field, VPs work and personal
    scene.publish(policy={"camera": "none"})   # the next versions of everything, signed well
"""
import functools
import json
import pathlib
import shutil
import subprocess
import tempfile

import escrow
import forge
import harness
import stolen

INIT = """#!/bin/sh
trap 'exit 0' TERM
while :; do sleep 1000 & wait $!; done
"""
POLICY = {"work": [("*", "shared"), ("camera", "exclusive"), ("microphone", "exclusive")],
          "personal": [("*", "shared")]}


@functools.lru_cache
def busybox_layer():
    """A layer that a VP can run: busybox and an init that waits for SIGTERM."""
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch) / "root"
        for d in ("bin", "sbin", "dev", "proc", "sys", "tmp", "run", "etc", "root", "var"):
            (root / d).mkdir(parents=True)
        shutil.copy(shutil.which("busybox"), root / "bin/busybox")
        for name in subprocess.run(["busybox", "--list"], capture_output=True, text=True,
                                   check=True).stdout.split():
            if name not in ("busybox", "init"):
                (root / "bin" / name).symlink_to("busybox")
        init = root / "sbin/init"
        init.write_text(INIT)
        init.chmod(0o755)
        image = pathlib.Path(scratch) / "image"
        harness.run(["mkfs.erofs", "-T0", "-U", "00000000-0000-0000-0000-000000000001", image, root])
        return forge.Layer(image.read_bytes())


class Scene:
    """`versions` counts up what was published; `docs` is the set in force."""

    def __init__(self, world, start=True, org=None, enroll=True, **device):
        self.world = world
        self.org = org or forge.Org("acme")
        self.server = stolen.Server(world, self.org)
        self.phone = harness.Device(world, **device)
        self.snapshots = 0
        self.versions = {}
        self.docs = {}
        if start:
            self.phone.start()
        if start and enroll:
            self.enroll()
            self.publish()

    @property
    def device(self):
        return self.server.device

    def enroll(self, **kw):
        self.phone.ctl("enroll", self.server.uri(**kw))
        harness.until(self.server.connected)

    def next_version(self, name):
        self.versions[name] = self.versions.get(name, 0) + 1
        return self.versions[name]

    # ---- the documents of the scene, each in its next version
    def image(self, **kw):
        layer = busybox_layer()
        self.server.keep(files=[layer.files()])
        return self.org.image("tiny", self.next_version("image"), [layer], **kw)

    def config(self, name, **kw):
        return self.org.config(name, self.next_version(name), "tiny", **kw)

    def policy(self, vps=None, **kw):
        return self.org.policy("baseline", self.next_version("policy"), vps or POLICY, **kw)

    def group(self, docs=None, name="field", **kw):
        docs = docs or self.docs
        return self.org.group(name, self.next_version("group"), [docs["policy"]],
                              [d for d in docs.values() if d.type == "vp-config"], **kw)

    def snapshot(self, docs=None, **kw):
        self.snapshots += 1
        return self.org.snapshot(self.device, self.snapshots, list((docs or self.docs).values()), **kw)

    def offer(self, **docs):
        """Publishes the set in force with these documents in place of its own."""
        new = {**self.docs, **docs}
        self.server.keep(*new.values())
        return self.server.publish(self.snapshot(new))

    def publish(self, vps=None, **more):
        """A right set: makes what is not given, waits until the device has applied it."""
        docs = dict(self.docs)
        for name, make in (("image", self.image), ("work", lambda: self.config("work", on_boot=True)),
                           ("personal", lambda: self.config("personal", on_boot=True))):
            if name not in docs:
                docs[name] = make()
        if vps or "policy" not in docs:
            docs["policy"] = self.policy(vps)
        docs.update(more)
        docs["group"] = self.group(docs)
        before = self.server.last_seq()
        self.server.keep(*docs.values())
        snapshot = self.server.publish(self.snapshot(docs))
        self.docs = docs
        return self.server.receipt(type="applied", document=snapshot, after=before)

    def refused(self, reason, doc=None, after=0, **kw):
        """Waits for the receipt that refuses (that document, if given)."""
        if doc is not None:
            kw["document"] = doc
        return self.server.receipt(type="refused", reason=reason, after=after, **kw)

    def still_takes_the_right_one(self):
        """What each hostile test ends with: the device is not harmed."""
        return self.publish(POLICY)

    def command(self, action, vp=None, name=None, **kw):
        doc = self.org.command(name or f"{action}-{self.next_version('command')}", self.device, action, vp, **kw)
        self.server.command(doc)
        return doc

    def unlock(self, vp, after=0):
        """As the organisation does: by the key that the lock's receipt holds for it."""
        locked = self.server.receipt(type="locked", vp=vp, after=after)
        key = escrow.recover(self.org.recovery.key, vp, locked["details"])
        return self.command("unlock", vp, sealed_key=escrow.seal_to(self.device, vp, key))

    def list(self):
        """cellsctl's list, by VP."""
        rows = json.loads(self.phone.ctl("list", "--format", "json").stdout)
        rows = rows.get("vps", rows) if isinstance(rows, dict) else rows
        return {r.get("vp", r.get("name")): r for r in rows}

    def run_in(self, vp, *argv, check=True):
        return self.phone.ctl("exec", vp, "--", *argv, check=check)
