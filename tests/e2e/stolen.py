# SPDX-License-Identifier: Apache-2.0
"""A server that says whatever a test wants: the device's real daemons talk to it
over real TLS. It has what a thief of the server gets: the CA, the director's key,
and every document that was ever signed (forge.Org makes them).
"""
import asyncio
import contextlib
import hashlib
import http.server
import json
import os
import ssl
import threading

import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import forge
import harness


def tls_context(org, folder, clients):
    """A certificate for localhost by the organisation's CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    cert = (x509.CertificateBuilder().subject_name(name).issuer_name(org.ca.subject)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(org.ca.not_valid_before).not_valid_after(org.ca.not_valid_after)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
            .sign(org.ca_key, hashes.SHA256()))
    pem = serialization.Encoding.PEM
    for file, text in (("server.pem", cert.public_bytes(pem)), ("ca.pem", org.ca.public_bytes(pem)),
                       ("server.key", forge.Signer("server", key).pem())):
        (folder / file).write_bytes(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / "ca.pem")
    return context


class Server:
    """Runs in threads of the test; everything it got is in lists."""
    protocol = websockets.WebSocketServerProtocol

    def __init__(self, world, org):
        self.org = org
        self.folder = world.subfolder("stolen", mode=0o700)
        self.documents, self.files = {}, {}
        self.snapshot = None
        self.commands = []
        self.receipts, self.batches, self.submitted, self.hellos, self.asked = [], [], [], [], []
        self.envelopes = []  # of the receipts
        self.device = self.enrolment = None
        self.answer_over = {}
        self.last_uri = None
        self.acks = self.shows = True
        self.records, self.says = 0, None  # the audit's last number; the position that it gives
        self.connection = None
        self.admin_port, self.device_port = harness.free_port(), harness.free_port()
        self._start_admin()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self._call(self._listen())
        world.closers.append(self.close)

    def close(self):
        self.admin.shutdown()
        self.admin.server_close()

        async def end():
            self.listener.close()
            await self.listener.wait_closed()
        with contextlib.suppress(Exception):
            self._call(end())
        self.loop.call_soon_threadsafe(self.loop.stop)

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    # ---- administrators' port: enrollment and renewal only
    def _start_admin(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def answer(self, status, body, kind):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.answer(200, outer.org.ca.public_bytes(serialization.Encoding.PEM), "application/x-pem-file")

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = outer.renew(body) if self.path == "/v1/renew" else outer.enroll(body)
                self.answer(201, json.dumps(answer).encode(), "application/json")

        self.admin = http.server.ThreadingHTTPServer(("127.0.0.1", self.admin_port), Handler)
        self.admin.socket = tls_context(self.org, self.folder, False).wrap_socket(self.admin.socket, server_side=True)
        threading.Thread(target=self.admin.serve_forever, daemon=True).start()

    def enroll(self, body):
        self.enrolment = body
        csr = x509.load_pem_x509_csr(body["identity_csr"].encode())
        identity = PublicIdentity(csr.public_key())
        self.device, answer = self.org.answer(body, identity, device_port=self.device_port, **self.answer_over)
        return answer

    def renew(self, body):
        csr = x509.load_pem_x509_csr(body["csr"].encode())
        return {"identity_cert": self.org.issue(csr.public_key(), body["device"])}

    # ---- devices' port
    async def _listen(self):
        self.listener = await websockets.serve(
            self._serve, "127.0.0.1", self.device_port, ssl=tls_context(self.org, self.folder, True),
            subprotocols=["cells.v1"], max_size=2**21, process_request=self._get, compression=None,
            create_protocol=self.protocol)

    async def _get(self, path, _headers):
        if not path.startswith("/v1/chunks/"):
            return None
        self.asked.append(path.rsplit("/", 1)[1])
        data = self.files.get(self.asked[-1])
        if data is None:
            return http.HTTPStatus.NOT_FOUND, [("Content-Type", "application/problem+json")], b'{"status":404}'
        return http.HTTPStatus.OK, [("Content-Type", "application/octet-stream")], data

    async def _send(self, kind, **members):
        if self.connection:
            with contextlib.suppress(websockets.ConnectionClosed):
                await self.connection.send(json.dumps({"type": kind, "id": 1, **members}))

    async def _serve(self, connection):
        self.connection = connection
        with contextlib.suppress(websockets.ConnectionClosed):
            async for text in connection:
                message = json.loads(text)
                handler = getattr(self, "_on_" + message["type"], None)
                if handler:
                    await handler(message)
        if self.connection is connection:
            self.connection = None

    async def _on_hello(self, message):
        self.hellos.append(message)
        if self.snapshot:
            await self._send("snapshot", envelope=self.snapshot.object)
        for command in self.commands:
            await self._send("command", envelope=command.object, sha256=command.sha256)
        await self._stand()

    async def _stand(self):
        """The server's position, and the newest that the device signed."""
        shown = {"last": self.envelopes[-1]} if self.envelopes and self.shows else {}
        await self._send("ack", stream="receipts", seq=len(self.receipts) if self.says is None else self.says, **shown)
        head = {"last": self.batches[-1]["head"]} if self.batches and self.shows else {}
        await self._send("ack", stream="audit", seq=self.records, **head)

    async def _on_get(self, message):
        found = [self.documents[d].object for d in message["documents"] if d in self.documents]
        missing = [d for d in message["documents"] if d not in self.documents]
        await self._send("documents", documents=found, missing=missing, re=message["id"])

    async def _on_roots(self, message):
        newer = [r.object for r in self.org.roots if r.version > message["after"]]
        await self._send("documents", documents=newer, missing=[], re=message["id"])

    async def _on_receipt(self, message):
        for row in message["receipts"]:
            receipt = self.device.open(json.dumps(row["envelope"]))
            assert receipt["seq"] == row["seq"], row
            if not any(r["seq"] == row["seq"] for r in self.receipts):
                assert row["seq"] == len(self.receipts) + 1, "a receipt is missing"
                self.receipts.append(receipt)
                self.envelopes.append(row["envelope"])
        if self.acks:
            await self._send("ack", stream="receipts", seq=len(self.receipts))

    async def _on_audit(self, message):
        batch = message["batch"]
        last = json.loads(batch["records"][-1])["seq"]
        self.batches.append(batch)
        self.records = last
        if self.acks:
            await self._send("ack", stream="audit", seq=last)

    async def _on_submitted(self, message):
        self.submitted.append(message)

    # ---- what a test does
    def uri(self, group="field", group_min=1):
        self.last_uri = self.org.uri(group, group_min, port=self.admin_port)[0]
        return self.last_uri

    def keep(self, *docs, files=()):
        """Makes documents and files available to who asks for their digest."""
        for d in docs:
            self.documents[d.sha256] = d
        for f in files:
            self.files.update(f)

    def publish(self, snapshot):
        """Sends the snapshot now, and to each device that says hello."""
        self.snapshot = snapshot
        self._call(self._send("snapshot", envelope=snapshot.object))
        return snapshot

    def command(self, *docs):
        self.commands += docs
        for d in docs:
            self._call(self._send("command", envelope=d.object, sha256=d.sha256))

    def say(self, kind, **members):
        self._call(self._send(kind, **members))

    def drop(self):
        """Cuts the connection."""
        async def cut():
            if self.connection:
                await self.connection.close()
        self._call(cut())

    def connected(self):
        return self.connection is not None and bool(self.hellos)

    def receipt(self, seconds=int(os.environ.get("CELLS_WAIT", "60")), after=0, **want):
        """Waits for a receipt (behind seq `after`) whose members are as wanted."""
        def found():
            for r in self.receipts:
                if r["seq"] > after and all(matches(r.get(k), v) for k, v in want.items()):
                    return r
            return None
        try:
            return harness.until(found, seconds)
        except harness.Failed:
            raise harness.Failed(f"no receipt {want}; there are: {json.dumps(self.receipts[after:], indent=1)}; "
                                 f"submitted: {self.submitted[-5:]}") from None

    def last_seq(self):
        return len(self.receipts)


def matches(value, want):
    if isinstance(want, forge.Doc):
        return isinstance(value, dict) and value.get("sha256") == want.sha256
    return value == want


class PublicIdentity:
    """What forge.Device needs of an identity of which only the public half is known."""

    def __init__(self, public):
        self.spki = public.public_bytes(forge.DER, forge.SPKI)
        self.keyid = hashlib.sha256(self.spki).hexdigest()
        self.key = self

    def public_key(self):
        return serialization.load_der_public_key(self.spki)


