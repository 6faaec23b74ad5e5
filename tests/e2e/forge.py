# SPDX-License-Identifier: Apache-2.0
"""Makes roots, documents, snapshots and commands with keys of its own, right ones
and wrong ones: what administrators, a server and a thief of its keys can send.

    org = Org("acme")                       # keys for each role, root version 1
    doc = org.policy("acme-baseline", 12, {"work": [("camera", "shared")]})
    doc.envelope                            # bytes to submit
    org.policy(..., sign=[org.keys["policy"][0]])      # below the threshold
    org.policy(..., attrs={"org": "other"})            # any attribute replaced
    doc.resigned(sign=[Signer("mallory")]) / doc.damaged() / doc.typed("...")

Everything is a Doc; nothing here is checked, since a fault is often the point.
"""
import base64
import copy
import datetime
import hashlib
import hmac
import json
import os
import platform
import struct
import time
from xml.sax.saxutils import quoteattr, escape

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID

DAY = 86400
# The device's: that of this machine, or of the emulated phone.
ARCHITECTURE = "arm64" if "arm64" in (os.environ.get("CELLS_LAB_KERNEL"), {"aarch64": "arm64"}.get(platform.machine())) \
    else "amd64"
DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
ROLES = ("root", "policy", "image", "command", "destroy", "director")
ROLE_OF = {"root": "root", "vp-config": "policy", "device-policy": "policy",
           "group": "policy", "membership": "policy", "image": "image"}
DESTROY = ("wipe", "remove", "rotate-keys")
# The last test of a snapshot's life is in the device.
SNAPSHOT_LIFE = DAY


def stamp(t):
    """RFC 3339 UTC; a string passes as it is, so that a wrong one can be sent."""
    if isinstance(t, str):
        return t
    return datetime.datetime.utcfromtimestamp(int(t)).strftime("%Y-%m-%dT%H:%M:%SZ")


def b64(data):
    return base64.b64encode(data).decode()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def pae(ptype, body):
    t = ptype.encode()
    return b"DSSEv1 %d %s %d %s" % (len(t), t, len(body), body)


def type_xml(name):
    return f"application/vnd.cells.{name}+xml"


def type_json(name):
    return f"application/vnd.cells.{name}+json"


class Signer:
    """An EC P-256 key of a person or a server."""

    def __init__(self, name, key=None):
        self.name = name
        self.key = key or ec.generate_private_key(ec.SECP256R1())

    @property
    def spki(self):
        return self.key.public_key().public_bytes(DER, SPKI)

    @property
    def keyid(self):
        return hashlib.sha256(self.spki).hexdigest()

    def sign(self, data):
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))

    def pem(self):
        return self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption())


class Doc:
    """Some payload with its type and signers; `envelope` is what travels."""

    def __init__(self, dtype, did, version, payload, sign, ptype=None,
                 proofs=None):
        self.type, self.id, self.version = dtype, did, version
        self.payload = payload
        self.ptype = ptype or type_xml(dtype)
        self.proofs = list(proofs or [])
        self.signatures = []
        self.sign(*sign)

    def sign(self, *signers):
        data = pae(self.ptype, self.payload)
        for s in signers:
            self.signatures.append({"keyid": s.keyid, "sig": b64(s.sign(data))})
        return self

    @property
    def sha256(self):
        return digest(self.payload)

    @property
    def object(self):
        o = {"payloadType": self.ptype, "payload": b64(self.payload),
             "signatures": self.signatures}
        if self.proofs:
            o["proofs"] = self.proofs
        return o

    @property
    def envelope(self):
        return json.dumps(self.object).encode()

    @property
    def ref(self):
        """As a snapshot or a receipt names it."""
        return {"type": self.type, "id": self.id, "version": self.version,
                "sha256": self.sha256}

    # ---- faults: each gives a changed copy
    def resigned(self, sign):
        d = copy.copy(self)
        d.signatures = []
        return d.sign(*sign)

    def damaged(self):
        """The same keys, but signatures over something else."""
        d = copy.copy(self)
        d.payload = self.payload + b"\n"
        return d

    def typed(self, ptype):
        d = copy.copy(self)
        d.ptype = ptype
        return d

    def with_proofs(self, *proofs):
        d = copy.copy(self)
        d.proofs = list(proofs)
        return d


def element(name, attrs=(), children=()):
    a = "".join(f" {k}={quoteattr(str(v))}" for k, v in dict(attrs).items()
                if v is not None)
    if isinstance(children, str):
        inner = escape(children)
    else:
        inner = "".join(children)
    return f"<{name}{a}>{inner}</{name}>" if inner else f"<{name}{a}/>"


class Password:
    """A config password's keys for one salt."""

    def __init__(self, password, iterations=210000, salt=None):
        self.iterations = iterations
        self.salt = salt or os.urandom(16)
        k = hashlib.pbkdf2_hmac("sha512", password.encode(), self.salt,
                                min(iterations, 5000000), 64)
        self.auth, self.enc = k[:32], k[32:]
        self.verifier = hmac.digest(self.auth, b"cells-verifier", "sha256")

    def protection(self):
        return element("protection", {
            "kdf": "pbkdf2-hmac-sha512", "iterations": self.iterations,
            "salt": b64(self.salt), "verifier": b64(self.verifier)})

    def secrets(self, plain, org, did, version):
        nonce = os.urandom(12)
        aad = f"vp-config\n{org}\n{did}\n{version}".encode()
        sealed = AESGCM(self.enc).encrypt(nonce, plain, aad)
        return element("secrets", {"cipher": "aes-256-gcm",
                                   "nonce": b64(nonce)}, b64(sealed))

    def proof(self, held, new):
        """That the password of `held` was known to the author of `new`."""
        mask = hmac.digest(self.verifier,
                           held.sha256.encode() + pae(new.ptype, new.payload),
                           "sha256")
        mac = bytes(a ^ b for a, b in zip(self.auth, mask))
        return {"over": held.sha256, "mac": b64(mac)}


class Layer:
    """A layer's bytes cut into chunks as the device fetches them."""

    def __init__(self, data, size=65536):
        self.data = data
        self.digest = digest(data)
        self.chunks = {}
        lines = ["cells-chunks 1"]
        for at in range(0, len(data), size):
            part = data[at:at + size]
            stored = zstd_frame(part)
            self.chunks[digest(stored)] = stored
            lines.append(f"{digest(stored)} {len(stored)} {len(part)}")
        self.list = ("\n".join(lines) + "\n").encode()

    def files(self):
        """Everything that can be asked for, by digest."""
        return {digest(self.list): self.list, **self.chunks}

    def xml(self):
        return element("layer", {"digest": self.digest,
                                 "size": len(self.data),
                                 "chunks": digest(self.list)})


def zstd_frame(data):
    """RFC 8878: one frame of raw blocks, with its content size."""
    out = [struct.pack("<IBI", 0xFD2FB528, 0xA0, len(data))]
    blocks = [data[i:i + 131072] for i in range(0, len(data), 131072)] or [b""]
    for i, block in enumerate(blocks):
        head = len(block) << 3 | (i == len(blocks) - 1)
        out += [struct.pack("<I", head)[:3], block]
    return b"".join(out)


class Org:
    """An organisation: its keys, its root, and a clock that tests may move."""

    def __init__(self, org="acme", counts=None, thresholds=None, now=None):
        counts = {"policy": 3, "destroy": 3, **(counts or {})}
        self.org = org
        self.thresholds = {"policy": 2, "destroy": 2, **(thresholds or {})}
        self.keys = {r: [Signer(f"{r}-{i + 1}") for i in range(counts.get(r, 1))]
                     for r in ROLES}
        self.recovery = Signer("recovery")
        self.ca_key, self.ca = make_ca(org)
        self._now = now
        self.roots = [self.root(1)]

    def now(self):
        return int(self._now if self._now is not None else time.time())

    def signers(self, role):
        return self.keys[role][:self.thresholds.get(role, 1)]

    # ---- documents
    def document(self, dtype, did, version, children=(), issued=None, expires=None,
                 life=30 * DAY, attrs=None, more=None, sign=None, xml=None,
                 ptype=None, proofs=None, role=None):
        """Any document. `attrs` replaces or adds attributes (None removes),
        `xml` replaces the whole payload, `sign` the signers."""
        issued = self.now() if issued is None else issued
        if expires is None:
            expires = (self.now() if isinstance(issued, str) else issued) + life
        a = {"xmlns": f"urn:cells:{dtype}:1", "org": self.org, "id": did,
             "version": version, "issued": stamp(issued),
             "expires": stamp(expires), **(more or {}), **(attrs or {})}
        text = xml if xml is not None else element(dtype, a, children)
        if sign is None:
            sign = self.signers(role or ROLE_OF[dtype])
        body = text if isinstance(text, bytes) else text.encode()
        return Doc(dtype, did, version, body, sign, ptype, proofs)

    def root(self, version, keys=None, thresholds=None, old=None, cas=None,
             sign=None, **kw):
        """`old`: the Org state before, whose root keys have to sign as well."""
        keys = keys or self.keys
        thresholds = thresholds or self.thresholds
        people = {s.keyid: s for r in ROLES for s in keys[r]}
        children = [element("key", {"id": s.keyid, "name": s.name,
                                    "spki": b64(s.spki)}) for s in people.values()]
        for r in ROLES:
            children.append(element(
                "role", {"name": r, "threshold": thresholds.get(r, 1)},
                [element("keyid", (), s.keyid) for s in keys[r]]))
        ca = self.ca.public_bytes(DER)
        for d in cas if cas is not None else [hashlib.sha256(ca).hexdigest()]:
            children.append(element("ca", {"sha256": d}))
        children.append(element("recovery", {"spki": b64(self.recovery.spki)}))
        if sign is None:
            need = keys["root"][:thresholds.get("root", 1)]
            need += [s for s in (old or []) if s not in need]
            sign = need
        kw.setdefault("life", 365 * DAY)
        return self.document("root", "root", version, children, sign=sign, **kw)

    def rotate(self, *roles, **kw):
        """The next root with new keys for these roles; it is then in force here."""
        old = list(self.signers("root"))
        keys = {r: [Signer(f"{r}-{len(self.roots) + 1}.{i}") for i in
                    range(len(self.keys[r]))] if r in roles else self.keys[r]
                for r in ROLES}
        self.keys = keys
        self.roots.append(self.root(len(self.roots) + 1, old=old, **kw))
        return self.roots[-1]

    def policy(self, did, version, vps, require=None, **kw):
        """vps: {name: [rule, ...]}; a rule is (class, mode[, {attr: value,
        "only": [(days, from, to), ...]}]); class "*" is the default, which goes
        last."""
        children = []
        if require:
            children.append(element("require", {"enforcement": require}))
        for name, rules in vps.items():
            parts = []
            for rule in sorted(rules, key=lambda r: r[0] == "*"):
                cls, mode = rule[:2]
                a = dict(rule[2]) if len(rule) > 2 else {}
                only = [element("only", {"days": d, "from": f, "to": t})
                        for d, f, t in a.pop("only", [])]
                if cls == "*":
                    parts.append(element("default", {"mode": mode, **a}, only))
                else:
                    parts.append(element("class", {"name": cls, "mode": mode,
                                                   **a}, only))
            children.append(element("vp", {"id": name}, parts))
        kw.setdefault("life", 365 * DAY)
        return self.document("device-policy", did, version, children, **kw)

    def config(self, did, version, image, image_min=1, label=None, password=None,
               secrets=None, on_boot=False, network="none", lock=None,
               offline=None, attention=None, notify=None, resources=None, hardening=None, **kw):
        """lock and offline: dicts of attributes; network: the mode, or attributes and those of its <allow>s."""
        attributes, rows = network if isinstance(network, tuple) else ({"mode": network}, ())
        r = {"memory-max": 268435456, "cpu-weight": 100, "pids-max": 256,
             **(resources or {})}
        children = [element("label", (), label or did.capitalize()),
                    element("image", {"id": image, "min-version": image_min}),
                    element("resources", r),
                    element("network", attributes, [element("allow", r) for r in rows]),
                    element("start", {"on-boot": str(on_boot).lower()})]
        if hardening is not None:
            children.append(element("hardening", {"no-new-privileges": str(hardening).lower()}))
        if attention or notify:
            children.append(element("foreground", {"attention": attention or "", **({"notify": notify} if notify else {})}))
        if lock:
            children.append(element("lock", lock))
        if offline:
            children.append(element("offline", offline))
        if password:
            children.append(password.protection())
            if secrets is not None:
                children.append(password.secrets(secrets, self.org, did, version))
        kw.setdefault("life", 365 * DAY)
        return self.document("vp-config", did, version, children, **kw)

    def image(self, did, version, layers, architecture=None, init="/sbin/init",
              stop_signal="TERM", min_agent=1, **kw):
        more = {"architecture": architecture or ARCHITECTURE, "init": init,
                "stop-signal": stop_signal, "min-agent": min_agent}
        kw.setdefault("life", 365 * DAY)
        return self.document("image", did, version, [x.xml() for x in layers],
                             more=more, **kw)

    def group(self, did, version, policies=(), configs=(), **kw):
        """policies and configs: Docs, or (id, minimum version)."""
        children = []
        for tag, refs in (("policy", policies), ("vp-config", configs)):
            for ref in refs:
                i, v = (ref.id, ref.version) if isinstance(ref, Doc) else ref
                children.append(element(tag, {"id": i, "min-version": v}))
        return self.document("group", did, version, children, **kw)

    def membership(self, did, device, group, min_version=1, after=None, **kw):
        more = {"device": device.id, "epoch": device.epoch, "group": group,
                "min-version": min_version, "after": after.sha256 if after else None}
        return self.document("membership", did, 1, more=more, **kw)

    def command(self, did, device, action, vp=None, sealed_key=None, **kw):
        more = {"device": device.id, "epoch": device.epoch, "vp": vp,
                "action": action}
        kw.setdefault("role", "destroy" if action in DESTROY else "command")
        kw.setdefault("life", DAY)
        children = [element("sealed-key", (), b64(sealed_key))] \
            if sealed_key else []
        return self.document("command", did, 1, children, more=more, **kw)

    def snapshot(self, device, version, docs, issued=None, expires=None,
                 sign=None, members=None, documents=None):
        """docs: Docs to name; `documents` replaces the list, `members` any member
        (None removes it)."""
        issued = self.now() if issued is None else issued
        o = {"format": 1, "org": self.org, "device": device.id,
             "epoch": device.epoch, "version": version, "issued": stamp(issued),
             "expires": stamp(issued + SNAPSHOT_LIFE if expires is None
                              else expires),
             "documents": documents if documents is not None
             else [d.ref for d in docs], **(members or {})}
        o = {k: v for k, v in o.items() if v is not None}
        return Doc("snapshot", device.id, version, json.dumps(o).encode(),
                   self.signers("director") if sign is None else sign,
                   type_json("snapshot"))

    # ---- enrollment, the server's and the administrator's part
    def uri(self, group="field", group_min=1, token=None, host="localhost",
            port=8443, root=None):
        token = token or os.urandom(32)
        pin = root or self.roots[0].sha256[7:]
        ca = hashlib.sha256(self.ca.public_bytes(DER)).hexdigest()
        return (f"cells://{host}:{port}/?t={token.hex()}&root={pin}&ca={ca}"
                f"&group={group}:{group_min}"), token

    def answer(self, request, identity, **over):
        """What POST /v1/enroll gives for EnrollStart's request (parsed JSON)."""
        csr = x509.load_pem_x509_csr(request["receipt_csr"].encode())
        receipts = csr.public_key()
        device = Device(identity, receipts)
        o = {"device": device.id, "epoch": device.epoch,
             "identity_cert": self.issue(identity.key.public_key(), device.id),
             "receipt_cert": self.issue(receipts, device.id),
             "ca": self.ca_pem(),
             "roots": [r.object for r in self.roots], "device_port": 8444}
        o.update(over)
        return device, o

    def ca_pem(self):
        return self.ca.public_bytes(PEM).decode()

    def issue(self, key, name, days=90, age=0):
        """`age`: issued so many days ago."""
        now = datetime.datetime.utcfromtimestamp(self.now())
        cert = (x509.CertificateBuilder()
                .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME,
                                                            name)]))
                .issuer_name(self.ca.subject).public_key(key)
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(days=age, minutes=5))
                .not_valid_after(now + datetime.timedelta(days=days - age))
                .sign(self.ca_key, hashes.SHA256()))
        return cert.public_bytes(PEM).decode()


def make_ca(org):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{org} CA")])
    now = datetime.datetime.utcnow()
    cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=3650))
            .add_extension(x509.BasicConstraints(True, None), True)
            .sign(key, hashes.SHA256()))
    return key, cert


class Device:
    """How the rest of the world knows a device: by its two public keys. Tests that
    forge may set id and epoch to anything."""

    def __init__(self, identity=None, receipts=None, did=None, epoch=None):
        if identity is not None:
            did = "dev-" + hashlib.sha256(identity.spki).hexdigest()[:12]
        self.receipts = receipts
        if receipts is not None:
            spki = receipts.public_bytes(DER, SPKI)
            epoch = hashlib.sha256(spki).hexdigest()[:32]
        self.id, self.epoch = did, epoch

    def open(self, envelope, ptype=type_json("receipt")):
        """The payload of what the device signed, after verifying it."""
        o = json.loads(envelope)
        body = base64.b64decode(o["payload"])
        assert o["payloadType"] == ptype, o["payloadType"]
        self.receipts.verify(base64.b64decode(o["signatures"][0]["sig"]),
                             pae(o["payloadType"], body),
                             ec.ECDSA(hashes.SHA256()))
        return json.loads(body)


def state_digest(docs):
    """The digest of all that is in force, as receipts give it."""
    lines = sorted(f"{d['type']} {d['id']} {d['version']} {d['sha256']}\n"
                   for d in docs)
    return digest("".join(lines).encode())


def check_audit(batch, device, seq=0, head=bytes(32)):
    """Follows a batch's chain from (seq, head); returns records and the new end."""
    records = []
    for text in batch["records"]:
        r = json.loads(text)
        assert r["seq"] == seq + 1, (r["seq"], seq)
        assert r["prev"] == "sha256:" + head.hex(), r["seq"]
        seq, head = r["seq"], hashlib.sha256(text.encode()).digest()
        records.append(r)
    signed = device.open(json.dumps(batch["head"]), type_json("audit-head"))
    assert signed["seq"] == seq and signed["head"] == "sha256:" + head.hex()
    assert signed["device"] == device.id and signed["epoch"] == device.epoch
    return records, seq, head
