# SPDX-License-Identifier: Apache-2.0
"""cells-image push against a server that breaks off, refuses, lies or is slow:
what a real one does only by accident; and against the real one."""
import datetime
import hashlib
import http.server
import ipaddress
import json
import os
import pathlib
import pty
import random
import signal
import ssl
import subprocess
import tempfile
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import forge
from harness import program, run, until
from office import Office

MIB = 1 << 20


class Server:
    """Speaks the part of /v1 that push and list use, and misbehaves on demand."""

    def __init__(self, folder):
        self.blobs, self.documents, self.puts = {}, [], 0
        self.cut_after = None   # so many more PUTs are answered, then each connection breaks
        self.cuts = 0           # how many breaks are left
        self.busy = 0           # so many answers are 503
        self.refusal = None     # (status, problem) for all
        self.extra = []         # digests to call missing unasked
        self.images = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def setup(self):
                self.request.do_handshake()
                super().setup()

            def do(self):
                outer.answer(self)

            do_GET = do_PUT = do_POST = do

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client):
                pass

        ca_key, ca = forge.make_ca("acme")
        (folder / "ca.pem").write_bytes(ca.public_bytes(forge.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate(folder, ca_key, ca))
        self.listener = Listener(("127.0.0.1", 0), Handler)
        self.listener.socket = context.wrap_socket(self.listener.socket, server_side=True,
                                                   do_handshake_on_connect=False)
        config = folder / "config"
        (config / "servers").mkdir(parents=True)
        (config / "admin.conf").write_text("default = test\n")
        (config / "servers/test.conf").write_text(
            f"host = 127.0.0.1\nport = {self.listener.server_port}\nca = {folder}/ca.pem\ntoken = secret\n")
        self.config = config
        self.thread = threading.Thread(target=self.listener.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @staticmethod
    def certificate(folder, ca_key, ca):
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.utcnow()
        cert = (x509.CertificateBuilder()
                .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")]))
                .issuer_name(ca.subject).public_key(key.public_key()).serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=9))
                .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
                .sign(ca_key, hashes.SHA256()))
        (folder / "server.pem").write_bytes(cert.public_bytes(forge.PEM))
        (folder / "server.key").write_bytes(forge.Signer("server", key).pem())
        return folder / "server.pem", folder / "server.key"

    def answer(self, h):
        body = h.rfile.read(int(h.headers.get("Content-Length") or 0))
        if h.command == "PUT" and self.cut_after is not None and self.cuts:
            if self.cut_after == 0:
                self.cuts -= 1
                h.close_connection = True
                h.connection.close()
                return
            self.cut_after -= 1
        status, reply, headers = self.decide(h, body)
        data = json.dumps(reply).encode()
        h.send_response(status)
        h.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
        h.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            h.send_header(name, value)
        h.end_headers()
        h.wfile.write(data)

    def decide(self, h, body):
        if h.headers.get("Authorization") != "Bearer secret":
            return 401, {"title": "who are you"}, {}
        if self.refusal:
            return (*self.refusal, {})
        if self.busy and h.command == "PUT":
            self.busy -= 1
            return 503, {"title": "busy"}, {"Retry-After": "1"}
        if h.path == "/v1/chunks/missing":
            asked = json.loads(body)["digests"]
            assert len(asked) == len(set(asked)) <= 10000
            return 200, {"missing": [d for d in asked if d not in self.blobs] + self.extra}, {}
        if h.command == "PUT":
            name = h.path.removeprefix("/v1/chunks/")
            assert name == "sha256:" + hashlib.sha256(body).hexdigest()
            self.puts += 1
            known = name in self.blobs
            self.blobs[name] = body
            return 200 if known else 201, {}, {}
        if h.path == "/v1/documents":
            self.documents.append(json.loads(body))
            return 201, {"state": "valid"}, {}
        assert h.path.startswith("/v1/images?limit=")
        page = int(h.path.partition("cursor=")[2] or 0)
        more = str(page + 1) if page + 1 < len(self.images) else None
        return 200, {"items": self.images[page:page + 1], "next": more}, {}

    def close(self):
        self.listener.shutdown()
        self.listener.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def signed():
    """An image of some MiB that does not compress, signed."""
    with tempfile.TemporaryDirectory(prefix="cells-push-") as name:
        folder = pathlib.Path(name)
        (folder / "root/sbin").mkdir(parents=True)
        for name in ("etc", "usr"):
            (folder / "root" / name).mkdir()
        (folder / "root/sbin/init").write_bytes(random.Random(1).randbytes(4 * MIB))
        (folder / "key.pem").write_bytes(forge.Signer("image").pem())
        run([program("cells-image"), "build", folder / "root", "-o", folder / "image", "--org", "acme", "--id", "work",
             "--key", folder / "key.pem"])
        yield folder / "image"


@pytest.fixture
def server():
    with tempfile.TemporaryDirectory(prefix="cells-push-") as name:
        s = Server(pathlib.Path(name))
        yield s
        s.close()


def push(server, image, *args, check=True):
    return run([program("cells-image"), "push", image, "--config", server.config, *args], check=check)


def stored(image):
    return {"sha256:" + p.name: p.read_bytes() for p in (image / "chunks").iterdir()}


def complete(server, image):
    return server.blobs == stored(image) and server.documents == [json.loads((image / "image.json").read_text())]


def test_push_sends_all_and_again_nothing(server, signed):
    r = push(server, signed)
    assert complete(server, signed) and r.stderr == "" and "valid at the server" in r.stdout
    sent = server.puts
    assert "0 of" in push(server, signed).stdout
    assert server.puts == sent == len(stored(signed))


def test_push_goes_on_after_cut_connections(server, signed):
    server.cut_after, server.cuts = 9, 3
    push(server, signed)
    assert complete(server, signed)


def test_push_waits_when_the_server_is_busy(server, signed):
    server.busy = 2
    start = time.monotonic()
    push(server, signed)
    assert complete(server, signed) and time.monotonic() - start >= 2


def test_killed_push_resumes(server, signed):
    argv = [program("cells-image"), "push", signed, "--config", server.config, "--limit", "2M"]
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    until(lambda: server.puts >= 10)
    child.kill()
    child.wait()
    before = len(server.blobs)
    assert 10 <= before < len(stored(signed)) and not server.documents
    server.puts = 0
    push(server, signed)
    assert complete(server, signed) and server.puts <= len(stored(signed)) - before


def test_interrupted_push_says_so(server, signed):
    child = subprocess.Popen([program("cells-image"), "push", signed, "--config", server.config, "--limit", "100K"],
                             stderr=subprocess.PIPE, text=True)
    until(lambda: server.puts >= 1)
    start = time.monotonic()
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=10)
    assert child.returncode == 1 and err == "cells-image: cancelled\n" and time.monotonic() - start < 2


def test_limit_holds(server, signed):
    size = sum(map(len, stored(signed).values()))
    start = time.monotonic()
    push(server, signed, "--limit", "2M")
    assert time.monotonic() - start > size / (2 * MIB) * 0.9


@pytest.mark.parametrize("refusal,words", [
    ((403, {"title": "forbidden", "detail": "token may not push", "code": "err.forbidden"}),
     ("token may not push", "err.forbidden", "403")),
    ((500, {}), ("500",)),
    ((200, {"missing": 7}), ("answer",)),
    ((200, []), ("answer",)),
])
def test_refusal_is_one_line(server, signed, refusal, words):
    server.refusal = refusal
    r = push(server, signed, check=False)
    assert r.returncode == 1 and r.stderr.count("\n") == 1
    assert all(w in r.stderr for w in words), r.stderr


def test_server_cannot_ask_for_other_files(server, signed):
    server.extra = ["sha256:" + "0" * 64]
    r = push(server, signed, check=False)
    assert r.returncode == 1 and "not asked" in r.stderr and server.puts == 0


def test_server_of_another_ca_is_not_spoken_to(server, signed):
    _, other = forge.make_ca("acme")
    conf = server.config / "servers/test.conf"
    (server.config / "other.pem").write_bytes(other.public_bytes(forge.PEM))
    conf.write_text(conf.read_text().replace("ca.pem", "config/other.pem"))
    r = push(server, signed, check=False)
    assert r.returncode == 1 and r.stderr.count("\n") == 1 and server.puts == 0


def test_damaged_or_unsigned_image_is_not_sent(server, signed):
    chunk = next((signed / "chunks").iterdir())
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        r = push(server, signed, check=False)
    finally:
        chunk.write_bytes(whole)
    assert r.returncode == 1 and server.puts == 0
    assert "digest" in r.stderr or "other bytes" in r.stderr
    hidden = signed / "image.json"
    hidden.rename(signed / "image.xml")
    try:
        r = push(server, signed, check=False)
    finally:
        (signed / "image.xml").rename(hidden)
    assert r.returncode == 1 and server.puts == 0


def test_progress_is_for_terminals(server, signed):
    leader, follower = pty.openpty()
    child = subprocess.Popen([program("cells-image"), "push", signed, "--config", server.config, "--limit", "8M"],
                             stdout=subprocess.DEVNULL, stderr=follower)
    os.close(follower)
    shown = b""
    while True:
        try:
            data = os.read(leader, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    os.close(leader)
    assert child.wait() == 0 and b"pushing" in shown and b"%" in shown


def test_list_walks_all_pages(server):
    server.images = [{"id": f"image-{i}", "version": i, "state": "valid", "architecture": "amd64", "size": 1 << 20,
                      "complete": i != 2} for i in range(1, 4)]
    argv = [program("cells-image"), "list", "--config", server.config]
    assert json.loads(run([*argv, "--format", "json"]).stdout) == server.images
    lines = run(argv).stdout.splitlines()
    assert len(lines) == 4 and "image-3" in lines[3] and "missing" in lines[2]


def test_unknown_server_is_said(server, signed):
    r = push(server, signed, "--server", "nowhere", check=False)
    assert r.returncode == 1 and "nowhere" in r.stderr


def test_real_server_takes_and_lists_the_image(world):
    office = Office(world)
    office.submit(office.root())
    folder = world.folder
    (folder / "root/sbin").mkdir(parents=True)
    for name in ("etc", "usr"):
        (folder / "root" / name).mkdir()
    (folder / "root/sbin/init").write_bytes(random.Random(1).randbytes(MIB))
    for name, role in (("image", "image"), ("other", "policy")):
        (folder / f"{name}.pem").write_bytes(office.forge.keys[role][0].pem())
        run([program("cells-image"), "build", folder / "root", "-o", folder / name, "--org", "acme", "--id", name,
             "--key", folder / f"{name}.pem"])
    (folder / "config/servers").mkdir(parents=True)
    (folder / "config/admin.conf").write_text("default = s\n")
    (folder / "config/servers/s.conf").write_text(
        f"host = 127.0.0.1\nport = {office.admin_port}\nca = {office.ca}\ntoken = {office.token}\n")
    at = ["--config", folder / "config"]
    assert "valid at the server" in run([program("cells-image"), "push", folder / "image", *at]).stdout
    assert " 0 of " in run([program("cells-image"), "push", folder / "image", *at]).stdout
    (listed,) = json.loads(run([program("cells-image"), "list", "--format", "json", *at]).stdout)
    assert (listed["id"], listed["version"], listed["complete"]) == ("image", 1, True)
    # A chunk that the server's disk damages is found, thrown away and sent by the next push: it alone.
    store = office.dir / "chunks"
    for digest, find in zip(sorted(p.name for p in (folder / "image/chunks").iterdir()), ("served", "verified")):
        file = store / digest[:2] / digest
        file.write_bytes(file.read_bytes()[:-1] + b"?")
        if find == "served":
            office.refused("GET", f"/v1/chunks/sha256:{digest}", 404, "not-found")
        else:
            verify = run([program("cells-mgmtd"), "verify-store", "--dir", office.dir], check=False)
            assert verify.returncode == 1 and digest in verify.stderr and "1 damaged" in verify.stderr, verify
        assert not file.exists()
        assert " 1 of " in run([program("cells-image"), "push", folder / "image", *at]).stdout
        assert office.call("GET", f"/v1/chunks/sha256:{digest}").status_code == 200
    assert run([program("cells-mgmtd"), "verify-store", "--dir", office.dir]).stderr == ""
    r = run([program("cells-image"), "push", folder / "other", *at], check=False)
    assert r.returncode == 1 and r.stderr.count("\n") == 1 and "err." in r.stderr, r
