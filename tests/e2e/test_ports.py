# SPDX-License-Identifier: Apache-2.0
"""The server's two ports: who gets in, and that nobody keeps others from being answered."""
import contextlib
import datetime
import json
import os
import sqlite3
import ssl
import time

import forge
import harness
import pytest
import rawport
import websocket
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage, NameOID
from office import Office, Phone, make_csr

DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def office():
    with harness.World() as world:
        yield Office(world).publish(groups=("field", "lab"))


@pytest.fixture
def phone(office):
    p = Phone(office).enroll()
    yield p
    if p.ws:
        p.close()


# ---- the devices' port: a certificate in which one thing is wrong, and the victim's own id
def ca_of(office):
    return (x509.load_pem_x509_certificate((office.dir / "ca.pem").read_bytes()),
            serialization.load_pem_private_key((office.dir / "ca.key").read_bytes(), None))


def certificate(office, name, signer, ca=None, since=-DAY, until=DAY, usage=Usage.CLIENT_AUTH):
    """A certificate and its key as files; `ca` is a pair, or "self"."""
    issuer, ca_key = ca_of(office) if ca is None else (None, signer.key) if ca == "self" else ca
    now = datetime.datetime.utcnow()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    b = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer.subject if issuer else subject)
         .public_key(signer.key.public_key()).serial_number(x509.random_serial_number())
         .not_valid_before(now + since).not_valid_after(now + until)
         .add_extension(x509.BasicConstraints(False, None), True))
    if usage:
        b = b.add_extension(x509.ExtendedKeyUsage([usage]), False)
    folder = office.world.subfolder(f"certificates/{os.urandom(4).hex()}")
    (folder / "cert.pem").write_bytes(b.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(signer.pem())
    return folder / "cert.pem", folder / "key.pem"


def answer(office, cert, key, data):
    """What the devices' port answers to these bytes: nothing, if the handshake was refused."""
    try:
        with rawport.connect(office, cert=cert, key=key) as s:
            s.sendall(data)
            s.settimeout(10)
            return s.recv(65536)
    except (ssl.SSLError, ConnectionError):
        return b""


def counted(office, name="device_identities_refused_total"):
    text = office.call("GET", "/metrics").text
    return next(int(line.split()[1]) for line in text.splitlines() if line.split()[0].endswith(name))


def alarms(office, phone):
    return office.device(phone)["alarms"]


FORGED = {
    "it signs itself": lambda o, p: certificate(o, p.id, p.identity, ca="self"),
    "another CA": lambda o, p: certificate(o, p.id, p.identity, ca=forge.make_ca("acme")[::-1]),
    "for servers": lambda o, p: certificate(o, p.id, p.identity, usage=Usage.SERVER_AUTH),
    "for anything": lambda o, p: certificate(o, p.id, p.identity, usage=None),
    "not yet valid": lambda o, p: certificate(o, p.id, p.identity, since=DAY, until=2 * DAY),
    "another key": lambda o, p: certificate(o, p.id, forge.Signer("thief")),
    "expired, another key": lambda o, p: certificate(o, p.id, forge.Signer("thief"), since=-2 * DAY, until=-DAY),
}


def test_the_right_certificate_is_let_in(office, phone):
    """So that the refusals below are for the one thing that is wrong in them."""
    cert, key = certificate(office, phone.id, phone.identity)
    assert answer(office, cert, key, rawport.upgrade()).startswith(b"HTTP/1.1 101")


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_certificate_is_refused_counted_and_an_alarm(office, phone, what):
    before = counted(office)
    cert, key = FORGED[what](office, phone)
    for data in (rawport.upgrade(), rawport.request("GET", "/v1/chunks/" + "0" * 64),
                 rawport.request("POST", "/v1/renew", b"{}")):
        assert answer(office, cert, key, data) == b"", what
    assert counted(office) == before + 3
    assert len(alarms(office, phone)) == 1, "one alarm of one kind"
    assert "connected" not in office.device(phone) or not office.device(phone)["connected"]


@contextlib.contextmanager
def locked(office):
    """Somebody else holds the write lock of the server's database, and writes nothing."""
    with contextlib.closing(sqlite3.connect(office.dir / "mgmtd.db", timeout=20, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


def test_alarms_wait_while_the_database_is_locked(office, phone):
    """Both of those that nobody would send again; once each, however often it was tried."""
    cert, key = FORGED["another key"](office, phone)
    with locked(office):
        for _ in range(3):
            assert answer(office, cert, key, rawport.upgrade()) == b""
        assert alarms(office, phone) == []
        assert "waits to be stored" in office.process.tail()
    harness.until(lambda: alarms(office, phone))
    phone.connect()
    twin = Phone.__new__(Phone)
    twin.__dict__.update(phone.__dict__, got=[])
    with locked(office):
        twin.open()
        assert phone.is_cut(10)
    harness.until(lambda: len(alarms(office, phone)) == 2)
    twin.close()
    told = [i["entry"]["after"]["text"] for i in office.get(
        f"/v1/audit?filter=action eq alarm and device eq {phone.id}")["items"]]
    assert sorted(told) == sorted(alarms(office, phone))


def test_no_certificate_is_refused(office):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        s = rawport.connect(type("Port", (), {"ca": office.ca, "admin_port": office.device_port}))
        s.sendall(rawport.upgrade())
        assert not s.recv(1)
        raise ConnectionError("ended")


def test_an_unknown_device_is_refused_and_no_alarm(office):
    before = counted(office)
    stranger = forge.Signer("stranger")
    cert, key = certificate(office, "dev-000000000000", stranger)
    assert answer(office, cert, key, rawport.upgrade()) == b""
    assert counted(office) == before + 1


def test_a_retired_device_is_refused_with_its_own_certificate(office, phone):
    assert answer(office, phone.cert, phone.key, rawport.upgrade()).startswith(b"HTTP/1.1 101")
    office.post(f"/v1/devices/{phone.id}/retire")
    assert answer(office, phone.cert, phone.key, rawport.upgrade()) == b""
    assert answer(office, phone.cert, phone.key, rawport.request("GET", "/v1/chunks/" + "0" * 64)) == b""
    assert alarms(office, phone) == [], "it is itself"


def test_a_session_does_not_outlive_the_device(office, phone):
    """A resumed session is not verified again, so each request asks."""
    context = rawport.context(office, phone.cert, phone.key)

    def ask(session=None):
        s = context.wrap_socket(rawport.socket.create_connection(("127.0.0.1", office.device_port), 10),
                                server_hostname="localhost", session=session)
        with s:
            s.sendall(rawport.request("GET", "/v1/chunks/" + "0" * 64))
            s.settimeout(10)
            return s.recv(4096), s.session
    got, session = ask()
    assert got.startswith(b"HTTP/1.1 404")
    office.post(f"/v1/devices/{phone.id}/retire")
    try:
        got, _ = ask(session)
    except (ssl.SSLError, ConnectionError):
        got = b""
    assert got == b""


def renewal(office, phone):
    """A body for POST /v1/renew, as cells-agent makes it."""
    csr, now = make_csr(phone.identity), forge.stamp(time.time())
    text = f"cells-renew\n{phone.id}\n{now}\n{forge.hashlib.sha256(csr.encode()).hexdigest()}"
    return json.dumps({"csr": csr, "cert": phone.cert.read_text(), "device": phone.id, "time": now,
                       "sig": forge.b64(phone.identity.sign(text.encode()))}).encode()


def test_an_expired_identity_reaches_renewal_only(office, phone):
    cert, key = certificate(office, phone.id, phone.identity, since=-2 * DAY, until=-DAY)
    for data in (rawport.upgrade(), rawport.request("GET", "/v1/chunks/" + "0" * 64)):
        assert b" 403 " in answer(office, cert, key, data)[:13]
    got = answer(office, cert, key, rawport.request("POST", "/v1/renew", renewal(office, phone)))
    assert got.startswith(b"HTTP/1.1 201"), got
    assert alarms(office, phone) == []


def test_two_connections_with_one_identity_are_an_alarm(office, phone):
    phone.connect()
    twin = Phone.__new__(Phone)
    twin.__dict__.update(phone.__dict__, got=[])
    twin.open()
    assert phone.is_cut(10), "the first answers, and is ended"
    harness.until(lambda: any("two connections" in a for a in alarms(office, phone)))
    twin.close()


def test_a_connection_that_died_unseen_is_no_alarm(office, phone):
    """Its network went away: the same device comes again, and nobody answers on the first."""
    with rawport.open_channel(office, phone) as dead:
        phone.connect()
        assert rawport.read_all(dead, 20) is not None
    assert alarms(office, phone) == []
    assert office.device(phone)["connected"]


# ---- nobody stops the loop
def test_two_requests_with_bodies_in_one_write_stop_nothing(office):
    body = json.dumps({"user": "nobody", "password": "x" * 20}).encode()
    with rawport.Probe(office) as probe:
        for two in (rawport.request("POST", "/v1/login", body) * 2,
                    rawport.request("GET", "/healthz") + rawport.request("POST", "/v1/login", body),
                    rawport.request("POST", "/v1/login", body) + rawport.request("GET", "/healthz"),
                    rawport.request("GET", "/healthz") * 3):
            with rawport.connect(office) as s:
                s.sendall(two)
                assert rawport.read_all(s, 3).startswith(b"HTTP/1.1 ")
    probe.check()


def test_bytes_behind_a_refused_message_stop_nothing(office, phone):
    with rawport.Probe(office) as probe:
        with rawport.open_channel(office, phone) as s:
            rawport.send_all(s, rawport.frame(1, b"{" * 70000) + rawport.frame(1, b"x" * 1_100_000))
            rawport.read_all(s, 5)
    probe.check()


def locked(office):
    """Another process that holds the write lock of the database."""
    db = sqlite3.connect(office.dir / "mgmtd.db", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    return contextlib.closing(db)


def test_a_lock_of_another_process_stops_nothing(office, phone):
    phone.connect()
    receipt = phone.receipt("locked", vp="work")
    with rawport.Probe(office) as probe:
        with locked(office):
            r = office.call("POST", "/v1/tokens", {"name": "waits", "role": "viewer"})
            assert (r.status_code, r.json()["code"]) == (503, "overloaded") and r.headers["retry-after"]
            phone.send("receipt", receipts=[{"seq": receipt.version, "envelope": receipt.object}])
            assert office.get(f"/v1/devices/{phone.id}/receipts")["items"] == []
            r = office.call("GET", "/readyz", token="")
            assert r.status_code == 503
        ack = phone.wait("ack", want=lambda m: m["stream"] == "receipts")
    probe.check()
    assert ack["seq"] == receipt.version, "it waited, and nothing had to be sent again"
    assert len(office.get(f"/v1/devices/{phone.id}/receipts")["items"]) == 1
    office.new_token("viewer", name="after")


def test_what_grows_with_the_fleet_is_done_in_slices(world):
    """Others are answered while a plan and a question to the fleet are being worked out."""
    office = Office(world).publish()
    office.process.stop()
    with contextlib.closing(sqlite3.connect(office.dir / "mgmtd.db")) as db, db:
        db.executemany("INSERT INTO device (id, name, grp, state, epoch, enrolled) VALUES (?, 'x', 'field', 'active', 'e', 1)",
                       [(f"dev-{n:012x}",) for n in range(400)])
        db.executemany("INSERT INTO epoch (device, epoch, enrolment, identity_spki, receipt_spki, identity_cert, receipt_cert,"
                       " bind, enrolled) VALUES (?, 'e', '', x'', x'', '', '', '', 1)",
                       [(f"dev-{n:012x}",) for n in range(400)])
    office.restart()
    draft = office.forge.policy("baseline", 2, {"work": [("*", "none")], "personal": [("camera", "none")]})
    with rawport.Probe(office, pause=0.001) as probe:
        before = len(probe.times)
        plan = office.post("/v1/plan", {"documents": [draft.object]})
        during = len(probe.times) - before
        assert plan["changes"] > 0 and len(plan["devices"]) == 400
        assert {d["device"] for d in plan["devices"]} == {f"dev-{n:012x}" for n in range(400)}
        page = office.get("/v1/access?verdict=any&limit=1000")
    assert [(i["vp"], i["verdict"]) for i in page["items"]] == [(None, "unknown")] * 400, "none of them has reported what it runs"
    assert during >= 3, "the plan was one turn"
    probe.check()


# ---- streams and tokens
def listen(office, token):
    ws = websocket.WebSocket(sslopt={"context": rawport.context(office)})
    ws.connect(f"wss://localhost:{office.admin_port}/v1/events", subprotocols=["cells.events.v1"], timeout=20,
               header=[f"Authorization: Bearer {token}"])
    return ws


def is_ended(ws):
    try:
        return not ws.recv()
    except (OSError, websocket.WebSocketException) as e:
        return not isinstance(e, websocket.WebSocketTimeoutException)


def test_a_stream_ends_with_its_token(office):
    t = office.post("/v1/tokens", {"name": "listens", "role": "viewer"})
    ws = listen(office, t["token"])
    assert office.call("DELETE", f"/v1/tokens/{t['id']}").status_code == 204
    assert is_ended(ws)


def test_a_stream_ends_with_its_account(office):
    office.post("/v1/users", {"name": "listener", "role": "viewer", "password": "correct horse battery"})
    token = office.post("/v1/login", {"user": "listener", "password": "correct horse battery"}, token="")["token"]
    ws = listen(office, token)
    assert office.call("DELETE", "/v1/users/listener").status_code == 204
    assert is_ended(ws)


def test_a_stream_ends_when_its_token_expires(office):
    ws = listen(office, office.post("/v1/tokens", {"name": "brief", "role": "viewer", "ttl": 4})["token"])
    assert is_ended(ws)
