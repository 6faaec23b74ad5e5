# SPDX-License-Identifier: Apache-2.0
"""An adversary against the real server: one device that lies, and administrators who go beyond
their role. `AttackedServer` has a second device that is honest, whose view is what must hold.
"""
import base64
import contextlib
import json
import socket

import websocket

import forge
from adversary import demand
from office import Office, Phone

DONE = {"lock": "locked", "wipe": "wiped", "stop": "stopped", "start": "started"}
VPS = ("work", "personal")
ENDED = (OSError, websocket.WebSocketException, socket.timeout)


class AttackedServer:
    def __init__(self, world):
        self.world = world
        self.office = Office(world, "address-rate = 100000\nadmit-rate = 100000\n").publish()
        self.honest = Phone(self.office, "honest").enroll()
        self.thief = Phone(self.office, "thief").enroll()
        self.tokens = {r: self.office.new_token(r) for r in ("viewer", "auditor", "operator", "policy-admin", "image-admin")}
        self.commands = {}   # id: (device, action, vp) of those that reached their threshold
        self.digests = {}
        self.thief_signed, self.cancelled = set(), set()  # commands: named by a receipt of the thief's; cancelled by us
        self.done = {}       # id: the state that the device's own signed word gave it
        self.signed = {self.honest.id: {}, self.thief.id: {}}  # seq: payload that the device meant
        self.proposed = {}   # digest: document below its threshold
        self.head = None
        self.n = 0
        self.connect(self.honest)
        self.honest.apply(self.honest.snapshot())
        self.thief.connect()
        self.check()

    def connect(self, phone):
        with contextlib.suppress(*ENDED):
            if phone.ws:
                phone.close()
        phone.connect()

    def _retry(self, phone, what):
        """On the channel, which the server may have closed after the last lie."""
        try:
            return what()
        except ENDED:
            phone.ws = None
            self.connect(phone)
            return what()

    # ---- the honest device goes on
    def honest_receipt(self, rtype, vp, **details):
        doc = self.honest.receipt(rtype, vp=vp, details=details)
        self.signed[self.honest.id][doc.version] = doc
        acked = self._retry(self.honest, lambda: self.honest.send_receipts(doc))
        demand(acked == doc.version, "a right receipt is not taken", acked, doc.version)

    def answer(self, command):
        """The honest device does as asked and says so."""
        device, action, vp = self.commands[command]
        if device == self.honest.id and command not in self.done:
            self.done[command] = "done"
            self.honest_receipt(DONE[action], vp, command=command)

    def answer_for_another(self, command, wrong_vp):
        """A rightly signed receipt that is of another VP or of another kind than the command."""
        device, action, vp = self.commands[command]
        if device == self.honest.id and command not in self.done:
            other = VPS[1 - VPS.index(vp)]
            kind = DONE[action] if wrong_vp else "switched"
            self.honest_receipt(kind, other if wrong_vp else vp, command=command)

    # ---- the thief
    def say(self, mtype, **members):
        """A message of the thief's, true or not; the server may end the channel for it."""
        with contextlib.suppress(*ENDED):
            if not self.thief.ws:
                self.thief.connect()
            self.thief.send(mtype, **members)
            self.thief.hello()
            self.thief.wait("ack", 5, lambda m: m["stream"] == "audit")
            return
        self.thief.ws = None

    def forged_receipt(self, rtype, vp, command, about_honest, signer, seq, epoch):
        """About itself or the other one, by any key, with any number."""
        who = self.honest if about_honest else self.thief
        o = {"format": 1, "type": rtype, "device": who.id, "epoch": epoch or who.epoch, "seq": seq,
             "time": forge.stamp(0), "reason": None, "document": None, "vp": vp, "enforcement": "mapped",
             "state": forge.digest(b""), "audit": {"seq": 0, "head": "sha256:" + "0" * 64},
             "details": {"command": command} if command else {}}
        if signer == "own" and command:
            self.thief_signed.add(command)
        key = {"own": self.thief.receipts, "stranger": forge.Signer("x"), "identity": self.thief.identity}[signer]
        doc = forge.Doc("receipt", who.id, seq, json.dumps(o).encode(), [key], forge.type_json("receipt"))
        self.say("receipt", receipts=[{"seq": seq, "envelope": doc.object}])

    def relayed_receipt(self, which):
        """The other device's own, from this channel."""
        if self.signed[self.honest.id]:
            docs = list(self.signed[self.honest.id].values())
            doc = docs[which % len(docs)]
            self.say("receipt", receipts=[{"seq": doc.version, "envelope": doc.object}])

    def hello_as(self, who, epoch):
        self.say("hello", device=who.id, epoch=epoch or who.epoch, agent="x", inventory={}, status={"root": 0})

    # ---- administrators
    def command(self, action, vp, to_honest, enough, name=None):
        self.n += 1
        who = self.honest if to_honest else self.thief
        signers = self.office.forge.signers("destroy" if action in forge.DESTROY else "command")
        if not enough:
            signers = [forge.Signer("stranger")]
        doc = self.office.forge.command(name or f"{action}-{self.n}", who.device, action, vp, sign=signers)
        r = self.office.call("POST", f"/v1/devices/{who.id}/actions", {"envelope": doc.object}, token=self.tokens["operator"])
        if enough:
            demand(r.status_code in (200, 201), "a right command is not taken", r.text)
            self.commands[doc.id] = (who.id, action, vp)
            self.digests[doc.id] = doc.sha256
        else:
            demand(r.status_code >= 400 or r.json()["state"] == "proposed", "a command of nobody's was taken", r.text)

    def cancel(self, which):
        if self.commands:
            name = sorted(self.commands)[which % len(self.commands)]
            r = self.office.call("POST", f"/v1/devices/{self.commands[name][0]}/actions/{name}/cancel",
                                 token=self.tokens["operator"])
            if r.status_code == 200 and r.json()["state"] == "cancelled":  # it had not been sent
                self.cancelled.add(name)

    def document(self, dtype, role, enough):
        """By somebody whose role may or may not hand it in."""
        self.n += 1
        o = self.office.forge
        sign = None if enough else [o.keys[forge.ROLE_OF[dtype]][0]] if dtype != "image" else [forge.Signer("x")]
        kw = {"sign": sign} if sign else {}
        name = f"d{self.n}"
        doc = {"device-policy": lambda: o.policy(name, 1, {"work": [("*", "none")]}, **kw),
               "vp-config": lambda: o.config(name, 1, "tiny", **kw),
               "group": lambda: o.group(name, 1, [("baseline", 1)], [("work", 1)], **kw)}[dtype]()
        r = self.office.call("POST", "/v1/documents", doc.object, token=self.tokens[role])
        may = role == "policy-admin"
        if not may:
            demand(r.status_code == 403, "a document was taken from who may not hand it in", role, r.status_code)
        elif enough:
            demand(r.status_code in (200, 201) and r.json()["state"] in ("valid", "active"), "a right document is not taken", r.text)
        else:
            demand(r.status_code >= 400 or r.json()["state"] == "proposed", "below its threshold, and valid", r.text)
            self.proposed[doc.sha256] = doc

    def restart(self):
        self.office.process.kill()
        for p in (self.honest, self.thief):
            p.ws = None
        self.office.restart()
        self.connect(self.honest)

    # ---- what must hold
    def check(self):
        demand(self.office.process.alive(), "the server ended", self.office.process.tail())
        demand(self.office.call("GET", "/healthz", token="").status_code == 200, "the server does not answer")
        self._check_receipts()
        self._check_actions()
        self._check_tree()
        for sha256 in list(self.proposed)[-3:]:
            state = self.office.get(f"/v1/documents/{sha256}")["state"] \
                if self.office.call("GET", f"/v1/documents/{sha256}").status_code == 200 else "absent"
            demand(state in ("proposed", "absent", "withdrawn"), "below its threshold, and valid", sha256, state)

    def _check_receipts(self):
        items = self.office.get(f"/v1/devices/{self.honest.id}/receipts?limit=500")["items"]
        listed = {i["seq"]: i["receipt"] for i in items}
        for seq, doc in self.signed[self.honest.id].items():
            demand(listed.get(seq) == json.loads(doc.payload), "a receipt is not as it was signed", seq, listed.get(seq))
        demand(len(listed) == self.honest.seq, "receipts of nobody's are listed", len(listed), self.honest.seq)

    def _check_actions(self):
        for name, (device, action, vp) in list(self.commands.items())[-8:]:
            r = self.office.get(f"/v1/devices/{device}/actions/{name}")
            if device == self.honest.id:
                want = ("done",) if name in self.done else ("pending", "sent", "received", "cancelled")
                demand(r["state"] in want, "an action ended by nobody's word", name, action, vp, r["state"])
            elif name not in self.thief_signed | self.cancelled:
                demand(r["state"] in ("pending", "sent", "received"), "an unsigned word ended an action", name, r["state"])

    def _check_tree(self):
        head = self.office.get("/v1/audit/head")
        payload = json.loads(base64.b64decode(head["payload"])) if "payload" in head else head
        size = payload.get("size", 0)
        demand(self.head is None or size >= self.head, "the audit tree shrank", self.head, size)
        self.head = size
