# SPDX-License-Identifier: Apache-2.0
"""The real server, with administrators and devices played by tests over real TLS.

    office = Office(world)                  # cells-mgmtd of organisation acme
    office.publish()                        # root, image, configs, policy, group
    phone = Phone(office).enroll()          # a device with keys of its own
    phone.connect()                         # hello; what came down is in phone.got
"""
import base64
import hashlib
import hmac
import json
import os
import socket
import ssl
import time

import jsonschema
import requests
import websocket
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

import forge
import harness
import mgmtd

SCHEMA = json.loads((harness.TOP / "schema/ws/cells.v1.json").read_text())
POLICY = {"work": [("*", "none"), ("camera", "exclusive"), ("gps", "shared")],
          "personal": [("*", "shared")]}


class Public:
    """Somebody else's key, of which only the public half is here."""

    def __init__(self, name, spki):
        self.name, self.spki = name, spki

    @property
    def keyid(self):
        return hashlib.sha256(self.spki).hexdigest()


class Office(mgmtd.Server):
    def __init__(self, world, config="", org="acme"):
        super().__init__(world, org, "server", "admin-port = 0\ndevice-port = 0\nadmin-listen = 127.0.0.1\n"
                         "device-listen = 127.0.0.1\n" + config)
        self.forge = forge.Org(org)
        self.versions = {}

    def restart(self, **kw):
        self.process.restart(**kw)
        self.read_ports()

    # ---- REST
    def call(self, method, path, body=None, token=None, data=None, port=None, **kw):
        return self.request(method, f"https://127.0.0.1:{port or self.admin_port}{path}",
                            self.token if token is None else token, json=body, data=data, **kw)

    def get(self, path, **kw):
        r = self.call("GET", path, **kw)
        assert r.status_code == 200, (path, r.status_code, r.text)
        return r.json()

    def post(self, path, body=None, status=(200, 201), **kw):
        r = self.call("POST", path, body, **kw)
        assert r.status_code in status, (path, r.status_code, r.text)
        return r.json()

    def refused(self, method, path, status, code, body=None, **kw):
        r = self.call(method, path, body, **kw)
        assert (r.status_code, r.json()["code"]) == (status, code), (r.status_code, r.text)
        assert r.headers["content-type"] == "application/problem+json"
        return r.json()

    def new_token(self, role, groups=(), name=None):
        return self.post("/v1/tokens", {"name": name or f"t-{role}", "role": role,
                                        "groups": list(groups)})["token"]

    # ---- documents
    def root(self, version=1, **kw):
        server = self.get("/v1/server")
        self.forge.keys["director"] = [Public("server", base64.b64decode(server["director"]["spki"]))]
        return self.forge.root(version, cas=[server["ca_sha256"][7:]], **kw)

    def submit(self, doc, **kw):
        path = "/v1/roots" if doc.type == "root" else "/v1/documents"
        return self.post(path, doc.object, **kw)

    def next_version(self, name):
        self.versions[name] = self.versions.get(name, 0) + 1
        return self.versions[name]

    def put_layer(self, layer, token=None):
        for sha256, data in layer.files().items():
            r = self.call("PUT", f"/v1/chunks/{sha256}", data=data, token=token)
            assert r.status_code in (200, 201), r.text

    def image(self, did="tiny"):
        layer = forge.Layer(os.urandom(100000))
        self.put_layer(layer)
        doc = self.forge.image(did, self.next_version(did), [layer])
        self.submit(doc)
        return doc

    def policy(self, vps=None, did="baseline", **kw):
        doc = self.forge.policy(did, self.next_version(did), vps or POLICY, **kw)
        self.submit(doc)
        return doc

    def group(self, did="field", policies=(("baseline", 1),), configs=(("work", 1), ("personal", 1))):
        doc = self.forge.group(did, self.next_version(f"group {did}"), policies, configs)
        self.submit(doc)
        return doc

    def publish(self, groups=("field",)):
        self.submit(self.root())
        self.image()
        for vp in ("work", "personal"):
            self.submit(self.forge.config(vp, self.next_version(vp), "tiny"))
        self.policy()
        for g in groups:
            self.group(g)
        return self

    def device(self, phone):
        return self.get(f"/v1/devices/{phone.id}")

    def action(self, phone, doc, status=(200, 201), **more):
        return self.post(f"/v1/devices/{phone.id}/actions", {"envelope": doc.object, **more},
                         status=status)


def make_csr(signer):
    return (x509.CertificateSigningRequestBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "device")]))
            .sign(signer.key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM).decode())


class Phone:
    """A device as the server sees it: two keys, certificates, a channel."""

    def __init__(self, office, name="phone"):
        self.office, self.name = office, name
        self.identity, self.receipts = forge.Signer("identity"), forge.Signer("receipts")
        self.device = forge.Device(self.identity, self.receipts.key.public_key())
        self.seq = self.audit_seq = 0
        self.audit_head = bytes(32)
        self.ids = 0
        self.ws = None
        self.got = []
        self.foreground = ""
        self.folder = office.world.subfolder(f"phones/{self.id}")

    @property
    def id(self):
        return self.device.id

    @property
    def epoch(self):
        return self.device.epoch

    # ---- enrollment
    def request(self, token=None, group="field", ttl=600, uses=1, admin=None):
        self.token = token or os.urandom(32)
        admit = hmac.digest(self.token, b"admit", "sha256")
        self.office.post("/v1/enrolments", {"admit_sha256": hashlib.sha256(admit).hexdigest(),
                                            "group": group, "ttl": ttl, "uses": uses}, token=admin)
        return self.body()

    def body(self):
        bind = hmac.digest(self.token, b"bind" + self.identity.spki + self.receipts.spki, "sha256")
        return {"admit": hmac.digest(self.token, b"admit", "sha256").hex(), "bind": bind.hex(),
                "identity_csr": make_csr(self.identity), "receipt_csr": make_csr(self.receipts),
                "name": self.name}

    def enroll(self, **kw):
        self.take(self.office.post("/v1/enroll", self.request(**kw), token=""))
        return self

    def again(self, token):
        """The device was reset and enrolls again, with a new receipt key."""
        self.receipts, self.token = forge.Signer("receipts"), token
        self.device = forge.Device(self.identity, self.receipts.key.public_key())
        self.seq = self.audit_seq = 0
        self.audit_head = bytes(32)
        self.take(self.office.post("/v1/enroll", self.body(), token=""))

    def take(self, answer):
        assert (answer["device"], answer["epoch"]) == (self.id, self.epoch)
        self.answer = answer
        self.cert, self.key = self.folder / "cert.pem", self.folder / "key.pem"
        self.cert.write_text(answer["identity_cert"])
        self.key.write_bytes(self.identity.pem())

    # ---- the channel
    def tls(self):
        c = ssl.create_default_context(cafile=str(self.office.ca))
        c.load_cert_chain(self.cert, self.key)
        return c

    def open(self, **kw):
        self.ws = websocket.WebSocket(sslopt={"context": self.tls()}, **kw)
        self.ws.connect(f"wss://127.0.0.1:{self.office.device_port}/v1/device",
                        subprotocols=["cells.v1"], timeout=20)
        return self

    def send(self, mtype, **members):
        self.ids += 1
        self.ws.send(json.dumps({"type": mtype, "id": self.ids, **members}))
        return self.ids

    def hello(self, **over):
        self.send("hello", **{"device": self.id, "epoch": self.epoch, "agent": "test",
                              "inventory": {}, "status": {"root": 0}, **over})

    def connect(self, status=None):
        self.open()
        self.hello(**({"status": status} if status else {}))
        self.wait("ack", want=lambda m: m["stream"] == "audit")
        return self

    def close(self):
        self.ws.close()
        self.ws = None

    def receive(self, seconds=10):
        self.ws.settimeout(seconds)
        text = self.ws.recv()
        if not text:
            raise websocket.WebSocketConnectionClosedException("closed")
        m = json.loads(text)
        jsonschema.validate(m, SCHEMA)
        self.got.append(m)
        return m

    def wait(self, mtype, seconds=10, want=lambda m: True):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            m = self.receive(max(0.1, end - time.monotonic()))
            if m["type"] == mtype and want(m):
                return m
        raise harness.Failed(f"no {mtype}")

    def is_cut(self, seconds=5):
        """Nothing but what was on its way comes any more."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self.receive(max(0.1, end - time.monotonic()))
            except (websocket.WebSocketTimeoutException, socket.timeout):
                return False
            except (OSError, websocket.WebSocketException):
                return True
        return False

    def snapshot(self):
        m = self.wait("snapshot")
        return json.loads(base64.b64decode(m["envelope"]["payload"]))

    def chunk(self, path, **kw):
        return requests.get(f"https://127.0.0.1:{self.office.device_port}{path}",
                            verify=str(self.office.ca), cert=(str(self.cert), str(self.key)),
                            timeout=20, **kw)

    # ---- what it signs
    def receipt(self, rtype, document=None, vp=None, reason=None, details=None, seq=None, sign=None,
                at=None, **over):
        if seq is None:
            self.seq += 1
            seq = self.seq
        o = {"format": 1, "type": rtype, "device": self.id, "epoch": self.epoch, "seq": seq,
             "time": forge.stamp(at or time.time()), "reason": reason, "document": document, "vp": vp,
             "enforcement": "open", "state": forge.digest(b""),
             "audit": {"seq": self.audit_seq, "head": "sha256:" + self.audit_head.hex()},
             "details": details or {}, **over}
        return forge.Doc("receipt", self.id, seq, json.dumps(o).encode(), [sign or self.receipts],
                         forge.type_json("receipt"))

    def send_receipts(self, *docs, ack=None):
        self.send("receipt", receipts=[{"seq": d.version, "envelope": d.object} for d in docs])
        m = self.wait("ack", want=lambda m: m["stream"] == "receipts")
        if ack is not None:
            assert m["seq"] == ack, m
        return m["seq"]

    def apply(self, snapshot, **kw):
        """Says that the snapshot's documents are in force."""
        d = self.receipt("applied", details={"documents": snapshot["documents"], "lacking": ["nfc"],
                                             "not_enforced": []}, **kw)
        self.send_receipts(d, ack=self.seq)
        return d

    def switch(self, vp, **kw):
        d = self.receipt("switched", vp=vp, details={"from": self.foreground, "to": vp, "generation": 1,
                                                     "cause": "user", "ns": 1000}, **kw)
        self.foreground = vp
        self.send_receipts(d, ack=self.seq)
        return d

    def record(self, event, vp=None, cls=None, detail=None, at=None):
        self.audit_seq += 1
        r = {"event": event, "prev": "sha256:" + self.audit_head.hex(), "seq": self.audit_seq,
             "time": forge.stamp(at or time.time()), "detail": detail or {}}
        r.update({"vp": vp} if vp else {}, **({"class": cls} if cls else {}))
        text = json.dumps(r, sort_keys=True, separators=(",", ":"))
        self.audit_head = hashlib.sha256(text.encode()).digest()
        return text

    def batch(self, records, sign=None):
        head = {"format": 1, "device": self.id, "epoch": self.epoch, "seq": self.audit_seq,
                "head": "sha256:" + self.audit_head.hex(), "time": forge.stamp(time.time())}
        doc = forge.Doc("audit-head", self.id, self.audit_seq, json.dumps(head).encode(),
                        [sign or self.receipts], forge.type_json("audit-head"))
        return {"records": records, "head": doc.object}

    def send_batch(self, batch, ack=None):
        self.send("audit", batch=batch)
        m = self.wait("ack", want=lambda m: m["stream"] == "audit")
        if ack is not None:
            assert m["seq"] == ack, m
        return m["seq"]
