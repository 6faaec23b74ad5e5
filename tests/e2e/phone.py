# SPDX-License-Identifier: Apache-2.0
"""cells-policyd alone on its bus: a test plays the agent, the server behind it, and
root. What needs cellsd as well is driven by scene.py."""
import json
import os

import forge
import harness
from busclient import BusClient, Failed, File

ROOMS = [("*", "none"), ("camera", "shared")]


class Phone:
    def __init__(self, world, org=None, name="phone", start=True):
        self.world, self.org = world, org or forge.Org("acme")
        self.folder = world.subfolder(name)
        self.bus = harness.Bus(self.folder)
        world.closers.append(self.bus.process.stop)
        self.state = world.subfolder(f"{name}/state", "cells-policy", 0o700)
        config = self.folder / "policyd.conf"
        config.touch()
        self.policyd = world.daemon(f"{name}/policyd",
                                    [harness.program("cells-policyd"), "--config", config,
                                     "--state-dir", self.state], "cells-policy",
                                    {"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address})
        self.agent = self.client("cells-agent")
        self.root = self.client("root")
        self.device = None
        self.identity = forge.Signer("identity")
        if start:
            self.policyd.start()

    def client(self, user):
        c = BusClient(self.bus.address, user)
        self.world.closers.append(c.close)
        return c

    # ---- enrollment
    def enroll(self, uri=None, change=None, group="field", group_min=1):
        """Plays agent and server; `change` may alter the server's answer."""
        self.root.send("Policy1", "Enroll", uri or self.org.uri(group, group_min)[0])
        request = json.loads(harness.until(self._request))
        self.device, answer = self.org.answer(request, self.identity)
        if change:
            change(answer)
        refused = None
        try:
            self.agent.call("Policy1", "EnrollFinish", json.dumps(answer), "")
        except Failed as e:
            refused = e
        try:
            return self.root.answer()[0]
        except Failed:
            assert refused
            raise

    def _request(self):
        try:
            return self.agent.call("Policy1", "EnrollStart", self.identity.spki)[0]
        except Failed as e:
            assert e.name == "busy", e
            return None

    # ---- documents
    def submit(self, doc):
        """(outcome, reason) of a Doc or of bytes."""
        data = doc.envelope if isinstance(doc, forge.Doc) else doc
        outcome, reason, text = self.agent.call("Policy1", "Submit", data)
        assert bool(text) == (outcome == "refused"), (outcome, reason, text)
        return outcome, reason

    def wants(self, most=100):
        return [tuple(row) for row in self.agent.call("Policy1", "Wants", most)[0]]

    def fetch(self, docs, files):
        """Gives what is wanted until nothing is; the last answer of a Submit."""
        last = None
        by_digest = {d.sha256: d for d in docs}
        for _ in range(1000):
            wanted = self.wants()
            if not wanted:
                return last
            for kind, digest in wanted:
                if kind == "document":
                    last = self.submit(by_digest[digest])
                else:
                    self.agent.call("Policy1", "PutChunk", digest, File(files[digest]))
        raise harness.Failed(f"still wanted: {self.wants()}")

    # ---- what it says
    def status(self):
        return json.loads(self.agent.call("Policy1", "Status")[0])

    def receipts(self, after=0):
        import base64
        rows = self.agent.call("Policy1", "Receipts", after, 100)[0]
        out = []
        for seq, envelope in rows:
            r = self.device.open(base64.b64decode(envelope))
            assert r["seq"] == seq
            out.append(r)
        return out

    def explain(self, vp, cls):
        return json.loads(self.root.call("Policy1", "Explain", vp, cls)[0])


class Fleet:
    """The documents of a small device in versions that count up."""

    def __init__(self, org, device):
        self.org, self.device = org, device
        self.layer = forge.Layer(os.urandom(300000))
        self.n = {}
        self.docs = {}
        for name in ("image", "work", "personal", "policy"):
            self.make(name)

    def version(self, name):
        self.n[name] = self.n.get(name, 0) + 1
        return self.n[name]

    def make(self, name, *args, **kw):
        """The next version of a document, which is then in `docs`."""
        v = self.version(name)
        if name == "image":
            doc = self.org.image("tiny", v, [self.layer], **kw)
        elif name == "policy":
            doc = self.org.policy("baseline", v, *(args or ({"work": ROOMS, "personal": [("*", "shared")]},)), **kw)
        else:
            doc = self.org.config(name, v, "tiny", **kw)
        self.docs[name] = doc
        return doc

    def group(self, **kw):
        d = self.docs
        self.docs["group"] = self.org.group("field", self.version("group"), [d["policy"]],
                                            [d["work"], d["personal"]], **kw)
        return self.docs["group"]

    def snapshot(self, **kw):
        return self.org.snapshot(self.device, self.version("snapshot"), list(self.docs.values()), **kw)

    def publish(self, phone):
        """The whole set, as the agent would bring it."""
        self.group()
        snapshot = self.snapshot()
        outcome = phone.submit(snapshot)
        if outcome == ("staged", ""):
            outcome = phone.fetch(self.docs.values(), self.layer.files()) or outcome
        want = forge.state_digest([d.ref for d in self.docs.values()])
        harness.until(lambda: phone.status()["state"] == want)
        return snapshot
