# SPDX-License-Identifier: Apache-2.0
"""lib/http.h against a TLS server that is known to be right: Python's."""
import datetime
import contextlib
import errno
import http.server
import ipaddress
import json
import socket
import ssl
import threading
import time

import forge
import harness
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER


class Authority:
    def __init__(self, folder, name="CA"):
        self.folder = folder
        self.key, self.cert = forge.make_ca(name)
        self.pem = folder / f"{name}.pem"
        self.pem.write_bytes(self.cert.public_bytes(PEM))
        self.digest = forge.digest(self.cert.public_bytes(DER))

    def issue(self, name, names=(), days=10):
        """Files of a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.utcnow()
        b = (x509.CertificateBuilder()
             .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
             .issuer_name(self.cert.subject).public_key(key.public_key())
             .serial_number(x509.random_serial_number())
             .not_valid_before(min(now, now + datetime.timedelta(days=days)) - datetime.timedelta(days=1))
             .not_valid_after(now + datetime.timedelta(days=days)))
        if names:
            b = b.add_extension(x509.SubjectAlternativeName(names), False)
        cert, private = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        cert.write_bytes(b.sign(self.key, hashes.SHA256()).public_bytes(PEM))
        private.write_bytes(forge.Signer(name, key).pem())
        return cert, private


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536

    def log_message(self, *args):
        pass

    def setup(self):
        self.server.connections += 1
        super().setup()

    def answer(self, status=200, body=b"{}", **headers):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def do_GET(self):
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        getattr(self, "get_" + self.path.strip("/").replace("/", "_"), self.echo)()

    do_HEAD = do_DELETE = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        self.answer(201, json.dumps({"length": len(body), "same": body == b"x" * len(body)}).encode())

    do_PUT = do_POST

    def echo(self):
        peer = self.connection.getpeercert()
        self.answer(body=json.dumps({"path": self.path, "client": bool(peer)}).encode(), ETag='"7"')

    def get_v1_ca(self):
        self.answer(body=self.server.authority.cert.public_bytes(PEM))

    def get_big(self):
        self.answer(body=b"x" * 3_000_000)

    def get_busy(self):
        self.answer(503, Retry_After="7")

    def get_nothing(self):
        self.send_response(204)
        self.end_headers()

    def get_elsewhere(self):
        self.answer(302, Location="/big")

    def get_slow(self):
        time.sleep(5)
        self.answer()

    def trickle(self, line):
        """Pieces of it for ten seconds."""
        with contextlib.suppress(OSError):
            for _ in range(50):
                self.wfile.write(line)
                self.wfile.flush()
                time.sleep(0.2)
        self.close_connection = True

    def get_trickle(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.trickle(b"x")

    def get_trickle_headers(self):
        self.send_response(200)
        self.flush_headers()
        self.trickle(b"X-More: y\r\n")

    def get_cut(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * 10)
        self.wfile.flush()
        self.close_connection = True

    def get_chunked(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"".join(b"3e8\r\n" + b"y" * 1000 + b"\r\n" for _ in range(50)) + b"0\r\n\r\n")
        self.wfile.flush()

    def get_last(self):
        self.answer(Connection="close")
        self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args):
        pass  # refused handshakes are what the tests are about


@pytest.fixture
def tls(tmp_path):
    """tls(names, clients=False) runs a server and returns it."""
    authority = Authority(tmp_path)
    running = []

    def run(*names, name="server", clients=False, days=10, by=None):
        cert, key = (by or authority).issue(name, names or [x509.DNSName("localhost")], days)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(authority.pem)
        s = Server(("127.0.0.1", 0), Handler)
        s.port, s.authority, s.connections, s.seen = s.server_address[1], authority, 0, []
        s.socket = context.wrap_socket(s.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=s.serve_forever, daemon=True).start()
        running.append(s)
        return s
    yield run
    for s in running:
        s.shutdown()
        s.server_close()


def call(s, path="/", method="GET", host="localhost", trust=None, count=1, body=0, within=(), **env):
    r = harness.run([*within, harness.BUILD / "tests/e2e/httpcall", host, s.port, trust or s.authority.pem, method, path,
                     count, body], env=env)
    answers = [json.loads(line) for line in r.stdout.splitlines()]
    return answers if count > 1 else answers[0]


# ---- whom it trusts
def test_server_of_the_ca_is_trusted_by_name_and_address(tls):
    s = tls(x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    assert call(s)["status"] == 200
    assert call(s, host="127.0.0.1")["status"] == 200


@pytest.mark.parametrize("host, why", [("localhost", "hostname mismatch"), ("127.0.0.1", "IP address mismatch")])
def test_certificate_for_another_name_is_not(tls, host, why):
    assert why in call(tls(x509.DNSName("example.org")), host=host)["text"]


def test_server_of_another_ca_is_not(tls, tmp_path):
    other = Authority(tmp_path, "other")
    assert "not trusted" in call(tls(), trust=other.pem)["text"]
    assert "not trusted" in call(tls(by=other))["text"]


def test_lapsed_certificate_is_not(tls):
    assert "expired" in call(tls(days=-1))["text"]


def test_certificate_that_signs_itself_is_not(tls, tmp_path):
    s = tls()
    own = Authority(tmp_path, "own")
    assert "not trusted" in call(s, trust=own.pem)["text"]


def test_client_certificate_that_is_refused_is_told(tls, tmp_path):
    s = tls(clients=True)
    cert, key = Authority(tmp_path, "other").issue("phone")
    # The server's alert is lost where its reset is faster, so it is asked for more than once.
    assert any("refuses this client" in call(s, CERT=str(cert), KEY=str(key))["text"] for _ in range(20))
    assert any("refuses this client: certificate required" in call(s)["text"] for _ in range(20))


def test_client_certificate_without_its_key_is_refused(tls):
    s = tls(clients=True)
    cert, key = s.authority.issue("phone")
    _, other = s.authority.issue("other")
    assert call(s, CERT=str(cert))["error"] == errno.EINVAL
    a = call(s, CERT=str(cert), KEY=str(other))
    assert (a["error"], "not usable" in a["text"]) == (errno.EINVAL, True)


def test_authorities_of_the_system_are_not_trusted(tls, tmp_path):
    """By the file and by the folder that libcurl was built with."""
    other, system = Authority(tmp_path, "other"), tmp_path / "certs"
    s = tls(by=other)
    system.mkdir()
    (system / "ca-certificates.crt").write_bytes(other.pem.read_bytes())
    (system / "other.pem").write_bytes(other.pem.read_bytes())
    harness.run(["openssl", "rehash", system])
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
               f'mount --bind {system} /etc/ssl/certs && exec "$@"', "sh"]
    if harness.run([*command, "true"]).returncode:
        pytest.skip("no user namespaces here")
    trusting = harness.run([*command, "curl", "-sS", f"https://localhost:{s.port}/"])
    assert trusting.returncode == 0, trusting.stderr
    assert "not trusted" in call(s, within=command)["text"]


# ---- proxies
class Proxy(http.server.BaseHTTPRequestHandler):
    """Joins two connections after CONNECT, as RFC 9110 has it (9.3.6)."""

    def log_message(self, *args):
        pass

    def do_CONNECT(self):
        self.server.seen.append((self.path, dict(self.headers)))
        if self.server.status != 200:
            self.send_error(self.server.status)
            return
        self.send_response(200)
        self.end_headers()
        host, port = self.path.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as far:
            threading.Thread(target=self.pump, args=(far, self.connection), daemon=True).start()
            self.pump(self.connection, far)
        self.close_connection = True

    @staticmethod
    def pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.fixture
def proxy():
    p = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    p.daemon_threads, p.seen, p.status = True, [], 200
    p.url = f"http://127.0.0.1:{p.server_address[1]}"
    threading.Thread(target=p.serve_forever, daemon=True).start()
    yield p
    p.shutdown()
    p.server_close()


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy"])
def test_proxy_of_the_environment_leads_to_the_server(tls, proxy, name):
    s = tls()
    assert call(s, **{name: proxy.url})["status"] == 200
    assert [path for path, _ in proxy.seen] == [f"localhost:{s.port}"]


def test_proxy_for_plain_http_is_not_used(tls):
    assert call(tls(), http_proxy="127.0.0.1:9")["status"] == 200


def test_name_that_needs_no_proxy_has_none(tls, proxy):
    assert call(tls(), https_proxy=proxy.url, no_proxy="localhost")["status"] == 200
    assert proxy.seen == []


def test_program_chooses_its_proxy(tls, proxy):
    assert call(tls(), https_proxy="127.0.0.1:9", no_proxy="localhost", PROXY=proxy.url)["status"] == 200
    assert len(proxy.seen) == 1
    assert call(tls(), https_proxy="127.0.0.1:9", PROXY="")["status"] == 200


def test_proxy_sees_no_secret_and_is_not_trusted(tls, proxy, tmp_path):
    s = tls()
    assert call(s, https_proxy=proxy.url, TOKEN="secret", HEADER="Idempotency-Key: mine")["status"] == 200
    assert s.seen[0][2]["Authorization"] == "Bearer secret"
    headers = {name.lower() for name in proxy.seen[0][1]}
    assert headers <= {"host", "proxy-connection", "user-agent"}
    assert "not trusted" in call(tls(by=Authority(tmp_path, "other")), https_proxy=proxy.url)["text"]


def test_pinned_ca_is_fetched_by_the_proxy(tls, proxy):
    s = tls()
    assert call(s, trust=s.authority.digest, https_proxy=proxy.url, TOKEN="secret")["status"] == 200
    assert len(proxy.seen) == 2


def test_proxy_that_refuses_is_told(tls, proxy):
    proxy.status = 403
    assert "the proxy answers HTTP status 403" in call(tls(), https_proxy=proxy.url)["text"]


def test_proxy_that_is_not_there_is_told(tls):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
    assert f"proxy 127.0.0.1 port {port}: Connection refused" in call(tls(), https_proxy=f"127.0.0.1:{port}")["text"]
    assert "proxy's name" in call(tls(), https_proxy="http://nowhere.invalid:1")["text"]


@pytest.mark.parametrize("host", ["::1", "[::1]", "", "a" * 200, "localhost:1"])
def test_host_whose_name_could_not_be_verified_is_refused(tls, host):
    assert call(tls(), host=host)["error"] == errno.EINVAL


# ---- first contact by digest
def test_pinned_ca_is_fetched_and_trusted(tls):
    s = tls()
    answers = call(s, trust=s.authority.digest, count=3, TOKEN="secret")
    assert [a["status"] for a in answers] == [200] * 3
    assert [path for _, path, _ in s.seen] == ["/v1/ca", "/", "/", "/"]


def test_first_contact_carries_nothing_secret(tls):
    s = tls()
    call(s, trust=s.authority.digest, TOKEN="secret")
    first, second = (headers for _, _, headers in s.seen)
    assert "Authorization" not in first
    assert second["Authorization"] == "Bearer secret"


def test_another_digest_gets_no_request(tls):
    s = tls()
    a = call(s, trust="sha256:" + "0" * 64, method="POST", body=10, TOKEN="secret")
    assert a["error"] == errno.EKEYREJECTED
    assert [path for _, path, _ in s.seen] == ["/v1/ca"]


def test_pinned_ca_does_not_excuse_another_servers_certificate(tls, tmp_path):
    """Who only passes the right CA's certificate on does not have its key."""
    other = Authority(tmp_path, "other")
    s = tls(by=other)
    a = call(s, trust=s.authority.digest)
    assert "not trusted" in a["text"]


# ---- requests and answers
def test_connection_is_kept_between_calls(tls):
    s = tls()
    assert all(a["status"] == 200 for a in call(s, count=20))
    assert s.connections == 1


def test_connection_that_the_server_ends_is_not_used_again(tls):
    s = tls()
    assert [a["status"] for a in call(s, "/last", count=5)] == [200] * 5
    assert s.connections == 5


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("size", [1, 1000, 3_000_000])
def test_body_arrives_whole_on_a_kept_connection(tls, method, size):
    s = tls()
    for a in call(s, "/x", method, count=3, body=size):
        assert a["status"] == 201
        assert json.loads(a["body"]) == {"length": size, "same": True}


def test_headers_of_request_and_answer(tls):
    s = tls()
    a = call(s, TOKEN="secret", HEADER="If-Match: \"6\"")
    assert (a["type"], a["etag"]) == ("application/json", '"7"')
    headers = s.seen[0][2]
    assert headers["Authorization"] == "Bearer secret"
    assert headers["If-Match"] == '"6"'


@pytest.mark.parametrize("env", [{"TOKEN": "a\r\nX: y"}, {"HEADER": "A: b\nX: y"}])
def test_line_ends_cannot_add_headers(tls, env):
    s = tls()
    assert call(s, **env)["error"] == errno.EINVAL
    assert s.seen == []


@pytest.mark.parametrize("path, status, length", [
    ("/busy", 503, 2), ("/nothing", 204, 0), ("/elsewhere", 302, 2), ("/chunked", 200, 50000),
    ("/big", 200, 3_000_000)])
def test_any_status_is_an_answer(tls, path, status, length):
    for a in call(tls(), path, count=2):
        assert (a["status"], a["length"]) == (status, length)
        assert a["retry_after"] == (7 if path == "/busy" else 0)


@pytest.mark.parametrize("method", ["HEAD", "DELETE"])
def test_other_methods(tls, method):
    assert [a["status"] for a in call(tls(), "/x", method, count=2)] == [200] * 2


@pytest.mark.parametrize("methods", ["DELETE,HEAD", "POST,HEAD", "HEAD,GET", "PUT,GET", "POST,DELETE"])
def test_a_method_leaves_nothing_for_the_next(tls, methods):
    s = tls()
    call(s, "/x", methods, count=2)
    assert [seen[0] for seen in s.seen] == methods.split(",")


def test_answer_is_bounded(tls):
    assert call(tls(), "/big", ANSWER_MAX="2999999")["error"] == errno.EFBIG
    assert call(tls(), "/big", ANSWER_MAX="3000000")["status"] == 200


# ---- what goes wrong
def test_silence_ends_by_the_timeout(tls):
    start = time.monotonic()
    a = call(tls(), "/slow", TIMEOUT="1")
    assert a["error"] == errno.ETIMEDOUT
    assert time.monotonic() - start < 4


@pytest.mark.parametrize("path", ["/trickle", "/trickle_headers"])
def test_a_byte_now_and_then_is_no_progress(tls, path):
    start = time.monotonic()
    assert call(tls(), path, TIMEOUT="2")["error"] == errno.ETIMEDOUT
    assert time.monotonic() - start < 8


def test_server_that_accepts_and_says_nothing(tls):
    s = tls()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        s.port = mute.getsockname()[1]
        assert call(s, TIMEOUT="1")["error"] == errno.ETIMEDOUT


def test_cut_answer_is_an_error(tls):
    for a in call(tls(), "/cut", count=2):
        assert "middle of the answer" in a["text"]


def test_client_certificate(tls):
    s = tls(clients=True)
    cert, key = s.authority.issue("phone")
    a = call(s, CERT=str(cert), KEY=str(key))
    assert json.loads(a["body"])["client"] is True
    assert call(s)["error"] > 0


def test_errors_say_what_where_and_why(tls):
    s = tls()
    s.shutdown()
    s.server_close()
    a = call(s)
    assert a == {"error": errno.ECONNREFUSED, "text": f"GET https://localhost:{s.port}/: Connection refused"}
    assert "look up the name" in call(s, host="nowhere.invalid")["text"]


def test_plain_server_is_told(tls):
    s = tls()
    plain = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    s.port = plain.server_address[1]
    assert "TLS" in call(s)["text"]
    plain.shutdown()
