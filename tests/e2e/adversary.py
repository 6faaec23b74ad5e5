# SPDX-License-Identifier: Apache-2.0
"""An adversary against one device: what it can send, and what must hold all the same.

The adversary holds the director's key, the CA, the keys of administrators who were
removed, every document that was ever signed, the agent's socket and the power button.
An `AttackedDevice` is one (real cells-policyd and cellsd) under it; each method is one
thing that the adversary or the organisation does, and check() looks at what must be
true after each. test_adversary.py chooses the steps.
"""
import base64
import copy
import json
import pathlib
import time

import escrow
import forge
import harness
from busclient import Failed, File
from phone import Phone
from scene import busybox_layer

HOUR = 3600
GROUPS = ("field", "office", "guest")
VPS = ("work", "personal")
LOCK_HOURS, WIPE_HOURS = 72, 720
HIGHEST = 2**31 - 1
# Of whom a signature is: the role that it takes, or somebody who has no say.
RIGHTFUL, TOO_FEW, DIRECTOR, STRANGER = range(4)
RULES = {"field": [("*", "shared"), ("camera", "none")], "office": [("*", "shared")], "guest": [("*", "none")]}
TWISTS = ("none", "replace", "relabel", "drop", "add", "double", "understate", "empty")


class Handset(Phone):
    """policyd and cellsd; the adversary is the agent."""

    def __init__(self, world, org):
        hardware = harness.Device(world, "phone")
        self.cellsd, self.policyd, self.bus = hardware.cellsd, hardware.policyd, hardware.bus
        self.world, self.org, self.folder = world, org, hardware.folder
        self.state = self.folder / "cells-policyd"
        self.agent, self.root = self.client("cells-agent"), self.client("root")
        self.device = None
        self.identity = forge.Signer("identity")
        self.cellsd.start()
        self.policyd.start()


def new_org(cache=[]):  # noqa: B006 (made once; each run works on a copy)
    """An organisation as it was founded. Keys are the same in each run."""
    if not cache:
        cache.append(forge.Org("acme"))
    org = copy.copy(cache[0])
    org.roots, org.keys = list(org.roots), dict(org.keys)
    return org


class Violation(AssertionError):
    """Something that must hold did not."""


def demand(truth, what, *facts):
    if not truth:
        raise Violation(": ".join([what, *map(str, facts)]))


class AttackedDevice:
    def __init__(self, world):
        self.world, self.org = world, new_org()
        self.phone = Handset(world, self.org)
        self.layer = busybox_layer()
        self.boot_base = int(pathlib.Path("/proc/uptime").read_text().split(".", 1)[0])
        self.passed = self.off = self.wall_jump = self.boot_moved = 0
        self.org._now = time.time()
        self.eras = [dict(self.org.keys)]  # keys by version of the root
        self.roots = [self.org.roots[0]]
        self.docs, self.by_digest = [], {}
        self.commands, self.right_commands = [], {}
        self.snapshots = 0
        self.measured = 0.0  # seconds that the device has counted since its last contact
        self.longest = 0.0   # the most that this was before a contact in the present step
        self.last_seen = self.jumped = time.monotonic()
        self.tampered = False  # time or version was run ahead: only a new root brings the device back
        self.spent = set()  # (type, id) whose highest version was signed
        self.seq, self.told = 0, []
        self.state = None
        self.membership_from = None
        self.unlocks, self.run = 0, set()
        for g in GROUPS:
            self.found(g)
        self.phone.enroll(self.org.uri("field", 1)[0])
        self.group = ("field", 1)
        self.check()

    # ---- time
    def now(self):
        """The right time: the organisation's."""
        return int(self.org._now)

    def _tick(self):
        """Counts real time that went by."""
        t = time.monotonic()
        self.org._now += t - self.last_seen
        self.measured += t - self.last_seen
        self.last_seen = t

    def _set_clock(self):
        self.world.move_clock(self.passed + self.wall_jump, self.boot_moved)

    def pass_time(self, seconds):
        """The device is on all the while."""
        self.passed += seconds
        self.boot_moved += seconds
        self.org._now += seconds
        self.measured += seconds
        self._set_clock()
        if self.measured >= LOCK_HOURS * HOUR:
            time.sleep(0.6)  # its tick may find an offline rule due: in this step, not a later one

    def jump_wall(self, seconds):
        """Somebody sets the wall clock, or NTP does."""
        self.wall_jump = seconds
        self.jumped = time.monotonic()
        self._set_clock()

    def reboot(self, off):
        """Power is gone for `off` seconds; the boot clock begins at nothing."""
        # A clock that was set just before is seen at a tick.
        time.sleep(max(0, self.jumped + 1 - time.monotonic()))
        self.phone.policyd.kill()
        self.phone.cellsd.kill()
        self.passed += off
        self.org._now += off
        self.off += off
        self.boot_moved = -int(float(pathlib.Path("/proc/uptime").read_text().split()[0])) + 1
        self._set_clock()
        self.phone.cellsd.start()
        self._start_policyd()

    def kill_policyd(self):
        self.phone.policyd.kill()
        self._start_policyd()

    def _start_policyd(self):
        try:
            self.phone.policyd.start()
        except harness.Failed as e:
            raise Violation(f"policyd does not start: {e}") from e

    # ---- keys and roots
    @property
    def era(self):
        return len(self.eras) - 1

    def signers(self, role, whose, era):
        keys = self.eras[era % len(self.eras)]
        if whose == RIGHTFUL:
            return keys[role][:self.org.thresholds.get(role, 1)]
        if whose == TOO_FEW:
            return keys[role][:1] * 2 if self.org.thresholds.get(role, 1) > 1 else [forge.Signer("x")]
        if whose == DIRECTOR:
            return keys["director"] * 2
        return [forge.Signer("stranger"), forge.Signer("stranger")]

    def counts(self, doc, root_version=None):
        """Does it reach the threshold of its role under that root?"""
        role = "director" if doc.type == "snapshot" else forge.ROLE_OF.get(doc.type) or doc.role
        keys = {k.keyid for k in self.eras[(root_version or self.root_version()) - 1][role]}
        return len(keys & {s["keyid"] for s in doc.signatures}) >= self.org.thresholds.get(role, 1)

    def root_version(self):
        return self.status["root_version"]

    def rotate(self, *roles):
        """The organisation replaces these roles' keys; the old ones are the adversary's from now on."""
        root = self.org.rotate(*roles, issued=self.now())
        self.eras.append(dict(self.org.keys))
        self.roots.append(root)
        return root

    def send_root(self, version):
        return self.submit(self.roots[(version - 1) % len(self.roots)])

    def forge_root(self, whose):
        """A root that gives every role to the thief, signed by who may not."""
        thief = {r: [forge.Signer("thief") for _ in range(3)] for r in forge.ROLES}
        keys = {RIGHTFUL: self.eras[0]["root"][:0], TOO_FEW: [], DIRECTOR: self.eras[-1]["director"],
                STRANGER: [forge.Signer("s")]}[whose]
        root = self.org.root(len(self.roots) + 1, keys=thief, sign=thief["root"][:1] + list(keys))
        self.submit(root)

    # ---- documents
    def keep(self, doc):
        self.docs.append(doc)
        self.by_digest[doc.sha256] = doc
        return doc

    def of(self, dtype, did=None, least=0):
        return [d for d in self.docs if d.type == dtype and did in (None, d.id) and d.version >= least]

    def next_version(self, dtype, did):
        return max((d.version for d in self.of(dtype, did) if d.version < HIGHEST), default=0) + 1

    def make(self, dtype, did, whose=RIGHTFUL, era=None, version=None):
        """Any document, signed by anybody; those of the organisation's own are marked by nothing but their keys."""
        era = self.era if era is None else era
        version = version or self.next_version(dtype, did)
        kw = {"sign": self.signers(forge.ROLE_OF[dtype], whose, era), "issued": self.now()}
        if dtype == "image":
            doc = self.org.image(did, version, [self.layer], **kw)
        elif dtype == "device-policy":
            doc = self.org.policy(did, version, dict.fromkeys(VPS, RULES.get(did, RULES["field"])), **kw)
        elif dtype == "vp-config":
            offline = {"after-hours": LOCK_HOURS, "then": "lock"} if did == "personal" else \
                {"after-hours": WIPE_HOURS, "then": "wipe"}
            doc = self.org.config(did, version, "tiny", offline=offline, on_boot=did == "personal",
                                  label=f"{did} {version}", **kw)
        elif dtype == "group":
            policies = [(did, self.least("device-policy", did))]
            doc = self.org.group(did, version, policies, [(v, 1) for v in VPS], **kw)
        else:
            raise ValueError(dtype)
        doc.role, doc.whose = forge.ROLE_OF[dtype], whose
        if version == HIGHEST and whose == RIGHTFUL:
            self.spent.add((dtype, did))
        return self.keep(doc)

    def least(self, dtype, did):
        """What a group document asks for at the least: the newest but one."""
        return max(1, self.next_version(dtype, did) - 2)

    def found(self, group):
        self.make("device-policy", group)
        self.make("device-policy", group)
        if group == "field":
            self.make("image", "tiny")
            self.make("image", "other")
            for vp in VPS:
                self.make("vp-config", vp)
        self.make("group", group)

    # ---- what comes to the device
    def submit(self, doc):
        before = self.phone.status()
        outcome, reason = self.phone.submit(doc)
        if doc.type in ("root", "snapshot") and outcome != "refused":
            self._contact()
        if doc.type == "membership" and outcome not in ("refused", "known"):
            demand(self.counts(doc, before["root_version"]) and doc.device is self.phone.device,
                   "a membership of nobody's was taken", doc.id, outcome)
            self.group = (doc.group, doc.least)
        return outcome, reason

    def _contact(self):
        self._tick()
        self.longest = max(self.longest, self.measured)
        self.measured = 0.0

    def snapshot(self, group_pick, picks, twist, where, ahead, version_ahead, era):
        """Any snapshot by a director's key, of any documents, issued at any time."""
        groups = self.of("group")
        g = groups[group_pick % len(groups)]
        refs = self.compose(g, picks)
        refs = self.twisted(refs, twist, where)
        version = min(HIGHEST, self.held_version() + 1 + version_ahead)
        issued = self.now() + ahead
        doc = self.org.snapshot(self.phone.device, version, [], issued=issued, documents=refs,
                                sign=self.signers("director", RIGHTFUL, era))
        if self.counts(doc):
            # It may be taken, and then only a later one, by version and time, can follow.
            self.tampered |= ahead > 240 or version_ahead > 1000
        outcome = self.submit(doc)
        return doc, outcome

    def compose(self, g, picks):
        """A group document's set, each at any version that exists."""
        def pick(dtype, did, n):
            found = self.of(dtype, did)
            return [found[n % len(found)].ref] if found else []
        refs = [g.ref]
        refs += pick("device-policy", g.id, picks)
        for i, vp in enumerate(VPS):
            refs += pick("vp-config", vp, picks >> (i + 1))
        return refs + pick("image", "tiny", picks >> 3)

    def twisted(self, refs, twist, where):
        refs = [dict(r) for r in refs]
        at = where % len(refs)
        other = self.docs[where % len(self.docs)].ref
        if twist == "replace":  # other bytes under the name of the right ones
            refs[at]["sha256"] = other["sha256"]
        elif twist == "relabel":
            refs[at].update({k: other[k] for k in ("type", "id", "version")})
        elif twist == "drop":
            del refs[at]
        elif twist == "add":
            refs.append(other)
        elif twist == "double":
            refs.append(dict(refs[at], id=refs[at]["id"] + "-2"))
        elif twist == "understate":
            refs[at]["version"] += 1
        elif twist == "empty":
            refs = []
        return refs

    def feed(self, most=1000):
        """Brings what is wanted, as the agent does; what nobody has stays wanted."""
        files = self.layer.files()
        failed = set()
        for _ in range(most):
            wanted = [w for w in self.phone.wants() if w not in failed]
            if not wanted:
                return
            for kind, digest in wanted:
                doc = self.by_digest.get(digest)
                if kind == "document" and doc:
                    if self.submit(doc)[0] == "refused":
                        failed.add((kind, digest))
                elif kind != "document" and digest in files:
                    self.phone.agent.call("Policy1", "PutChunk", digest, File(files[digest]))
                else:
                    failed.add((kind, digest))

    def membership(self, group, whose, era, own_device=True):
        device = self.phone.device if own_device else forge.Device(did="dev-000000000000", epoch="0" * 32)
        sign = self.signers("policy", whose, era)
        doc = self.org.membership(f"move-{len(self.commands)}-{len(self.docs)}", device, group,
                                  issued=self.now(), sign=sign)
        doc.role, doc.whose, doc.device, doc.group, doc.least = "policy", whose, device, group, 1
        self.docs.append(doc)
        self.by_digest[doc.sha256] = doc
        return doc, self.submit(doc)

    def command(self, action, vp, whose, era, own_device=True):
        device = self.phone.device if own_device else forge.Device(did="dev-000000000000", epoch="0" * 32)
        role = "destroy" if action in forge.DESTROY else "command"
        doc = self.org.command(f"{action}-{len(self.commands)}", device, action, vp, issued=self.now(),
                               sign=self.signers(role, whose, era))
        doc.role, doc.whose, doc.vp, doc.action, doc.device = role, whose, vp, action, device
        self.commands.append(doc)
        return self.send_command(doc, own_device)

    def send_command(self, doc, own_device=True):
        if own_device and self.counts(doc):
            self.right_commands[doc.id] = doc
        outcome = self.phone.submit(doc)
        demand(outcome[0] == "refused" or doc.id in self.right_commands, "a command of nobody's was taken", doc.id)
        if outcome[0] not in ("refused", "known"):
            self.settle(doc)
        return outcome

    def repeat_command(self, which):
        """One that the device had before, or that was refused then."""
        doc = self.commands[which % len(self.commands)]
        self.send_command(doc, doc.device is self.phone.device)

    def settle(self, doc):
        """Until there is an answer to it."""
        harness.until(lambda: any(r.get("details", {}).get("command") == doc.id or
                                  (r.get("document") or {}).get("sha256") == doc.sha256
                                  for r in self.hear()), 60)

    def unlock(self, vp):
        """As the organisation does, with its recovery key."""
        locked = [r for r in self.told if r["type"] == "locked" and r["vp"] == vp]
        if not locked or not locked[-1]["details"]["recovery"]:  # it had no data, and so no key
            return
        key = escrow.recover(self.org.recovery.key, vp, locked[-1]["details"])
        self.unlocks += 1
        doc = self.org.command(f"unlock-{self.unlocks}", self.phone.device, "unlock", vp, issued=self.now(),
                               sealed_key=escrow.seal_to(self.phone.device, vp, key))
        doc.role, doc.whose, doc.vp, doc.action, doc.device = "command", RIGHTFUL, vp, "unlock", self.phone.device
        self.commands.append(doc)
        self.send_command(doc)

    def acknowledge(self, stream, seq):
        try:
            self.phone.agent.call("Policy1", "Ack", stream, seq)
        except Failed:
            pass

    def junk(self, data):
        try:
            self.phone.agent.call("Policy1", "Submit", data)
        except Failed:
            pass

    def put_junk(self, digest, data):
        try:
            self.phone.agent.call("Policy1", "PutChunk", digest, File(data))
        except Failed:
            pass

    # ---- the organisation goes on
    def recover(self):
        """The right next snapshot is taken: after a new root, if the director's key was misused."""
        stuck = self.tampered or self.spent
        if stuck:
            self.rotate("director", "policy", "image")
            self.tampered, self.spent = False, set()
        behind = self.root_version() < len(self.roots)
        while self.root_version() < len(self.roots):
            outcome = self.submit(self.roots[self.root_version()])
            self.refresh()
            demand(outcome[0] != "refused", "the right next root is refused", outcome)
        group = self.status["group"]["id"]
        if behind or not self.status["documents"] or stuck:
            self.make("image", "tiny")
            for vp in VPS:
                self.make("vp-config", vp)
        policy = self.make("device-policy", group)
        docs = [self.make("group", group), policy, *(self.newest("vp-config", vp) for vp in VPS),
                self.newest("image", "tiny")]
        doc = self.org.snapshot(self.phone.device, self.held_version() + 1, docs, issued=self.now())
        outcome = self.submit(doc)
        demand(outcome[0] != "refused", "the right next snapshot is refused", outcome)
        self.feed()
        want = forge.state_digest([d.ref for d in docs])
        try:
            harness.until(lambda: self.phone.status()["state"] == want, 30)
        except harness.Failed as e:
            raise Violation(f"the right next snapshot does not go in force: {self.phone.status()} {want}") from e

    def held_version(self):
        """The newest snapshot that the device says it took, which a membership may have dropped since."""
        return self.phone.status()["holds"]["snapshot"]

    def newest(self, dtype, did):
        """The newest that holds under the root in force; signed again where none does."""
        return max((d for d in self.of(dtype, did) if d.version < HIGHEST and self.counts(d)),
                   key=lambda d: d.version, default=None) or self.make(dtype, did)

    # ---- what must hold
    def hear(self):
        """The receipts so far; each verifies, and none is missing but where a signed gap says so."""
        rows = self.phone.agent.call("Policy1", "Receipts", self.seq, 100)[0]
        for seq, envelope in rows:
            r = self.phone.device.open(base64.b64decode(envelope))
            if seq <= self.seq:  # a command that came again is answered by its first receipt
                demand(r in self.told, "two receipts with one number", r)
                continue
            bridged = r["type"] == "gap" and r.get("details", {}).get("to") == seq - 1
            demand(r["seq"] == seq and (seq == self.seq + 1 or bridged), "a receipt is missing", self.seq, seq)
            self.seq = seq
            self.told.append(r)
        return self.told

    def refresh(self):
        self.status = self.phone.status()

    def check(self):
        demand(self.phone.policyd.alive(), "policyd ended", self.phone.policyd.tail())
        demand(self.phone.cellsd.alive(), "cellsd ended", self.phone.cellsd.tail())
        self._tick()
        before = len(self.told)
        self.refresh()
        self.hear()
        self._check_set(self.status)
        for r in self.told[before:]:
            self._check_receipt(r)
        if self.status["state"] != self.state:
            for d in self.in_force():
                demand(self.counts(d), "went in force without the keys of the root", d.ref)
            self.state = self.status["state"]
        self.longest = self.measured

    def in_force(self):
        out = []
        for ref in self.status["documents"]:
            if ref["type"] == "root":
                continue
            doc = self.by_digest.get(ref["sha256"])
            demand(doc is not None, "in force, and nobody made it", ref)
            demand(doc.ref == ref, "is called otherwise than its head says", ref, doc.ref)
            out.append(doc)
        return out

    def _check_set(self, status):
        force = self.in_force()
        demand((status["group"]["id"], status["group"]["min_version"]) == self.group,
               "the device is in another group", status["group"], self.group)
        if not force:
            return
        names = [(d.type, d.id) for d in force]
        demand(len(names) == len(set(names)), "two versions of one document", names)
        groups = [d for d in force if d.type == "group"]
        demand(len(groups) == 1, "not one group document", names)
        g = groups[0]
        if self.state != status["state"]:
            demand(g.id == self.group[0] and g.version >= self.group[1], "not the enrolled group's", g.ref, self.group)
        text = g.payload.decode()
        named = {("device-policy", g.id), *(("vp-config", v) for v in VPS)}
        got = {n for n in names if n[0] in ("device-policy", "vp-config")}
        demand(got == named, "not what the group names", got, named)
        for d in force:
            if d.type in ("device-policy", "vp-config"):
                tag = "policy" if d.type == "device-policy" else d.type
                least = int(text.split(f'<{tag} id="{d.id}" min-version="', 1)[1].split('"', 1)[0])
                demand(d.version >= least, "below the signed minimum", d.ref, least)
        demand([d.id for d in force if d.type == "image"] == ["tiny"], "not the images of the configs", names)

    def _check_receipt(self, r):
        if r["type"] not in ("locked", "wiped", "removed"):
            return
        command = r.get("details", {}).get("command") or ""
        doc = self.right_commands.get(command)
        if doc:
            demand(command not in self.run, "a command ran twice", r)
            self.run.add(command)
            demand(doc.vp == r["vp"], "a command for another VP", r)
            return
        waited = max(self.longest, self.measured)
        if r["type"] == "locked":
            # Time that it was off may count for a lock.
            demand(r["vp"] == "personal" and waited + self.off >= LOCK_HOURS * HOUR, "locked by nobody", r, waited)
        else:
            demand(r["vp"] == "work" and waited >= WIPE_HOURS * HOUR, "wiped by nobody", r, waited)
