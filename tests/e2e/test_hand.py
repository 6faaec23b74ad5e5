# SPDX-License-Identifier: Apache-2.0
"""What an administrator does on the server's own machine, and what the server does by itself over the years."""
import contextlib
import hashlib
import json
import re
import socket
import ssl

import websocket

import harness
import rawport
from office import Office, Phone

DAY = 86400


def contents(folder):
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.startswith("mgmtd.db-")}


def mgmtd(folder, *args):
    return harness.run([harness.program("cells-mgmtd"), *args, "--dir", folder], check=False)


def test_init_touches_nothing_of_a_server_that_is_there(world):
    """Nor of one of which a single file is left."""
    whole = world.folder / "whole"
    assert mgmtd(whole, "init", "--org", "acme").returncode == 0
    for left in (None, "mgmtd.db", "ca.key", "ca.pem", "director.key", "server.key", "server.pem"):
        folder = whole
        if left:
            folder = world.subfolder(f"only-{left}")
            (folder / left).write_bytes((whole / left).read_bytes())
        before = contents(folder)
        assert before
        r = mgmtd(folder, "init", "--org", "other", "--host", "elsewhere")
        assert r.returncode == 1 and "is there: nothing was touched" in r.stderr, r.stderr
        assert r.stdout == "" and contents(folder) == before, left


def test_a_new_director_s_key_overwrites_none_before(world):
    folder = world.folder / "server"
    assert mgmtd(folder, "init", "--org", "acme").returncode == 0
    keys = [(folder / "director.key").read_bytes()]
    for _ in range(3):
        assert mgmtd(folder, "new-director").returncode == 0
        keys.append((folder / "director.key").read_bytes())
    kept = {p.read_bytes() for p in folder.glob("director.key*")}
    assert kept == set(keys) and len(kept) == 4


def test_who_has_no_token_makes_one_on_the_machine(world):
    office = Office(world)
    r = mgmtd(office.dir, "new-token")
    assert r.returncode == 1 and "needs --admin" in r.stderr
    for _ in range(2):
        made = mgmtd(office.dir, "new-token", "--admin")
        assert made.returncode == 0, made.stderr
        token = made.stdout.strip()
        about = office.get("/v1/self", token=token)
        assert about["role"] == "admin" and about["groups"] == []
        # It is in the audit, and the audit goes on.
        harness.until(lambda: about["id"] in [i["entry"]["object"] for i in office.get(
            "/v1/audit?filter=who eq new-token")["items"]])
        office.new_token("viewer", name="after")
    assert "was made on this machine" in office.process.tail()
    assert mgmtd(world.subfolder("empty"), "new-token", "--admin").returncode == 1


def served(office, port):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 10) as s, c.wrap_socket(s) as tls:
        return tls.getpeercert(True)


def test_the_certificate_is_renewed_while_the_server_runs(world):
    office = Office(world)
    before = served(office, office.admin_port)
    pid = office.process.child.pid
    world.move_clock(wall=380 * DAY)
    harness.until(lambda: served(office, office.admin_port) != before)
    assert office.process.alive() and office.process.child.pid == pid
    assert "near its end" in office.process.tail()
    assert (office.dir / "ca.pem").read_bytes() == office.ca.read_bytes(), "the CA stays"


# ---- what ends is said before
class Events:
    """What /v1/events sends of one type."""

    def __init__(self, office, kind):
        self.kind, self.got = kind, []
        self.ws = websocket.WebSocket(sslopt={"context": ssl.create_default_context(cafile=str(office.ca))})
        self.ws.connect(f"wss://127.0.0.1:{office.admin_port}/v1/events", subprotocols=["cells.events.v1"],
                        header=[f"Authorization: Bearer {office.token}"], timeout=0.2)

    def has(self, **want):
        with contextlib.suppress(websocket.WebSocketTimeoutException):
            while True:
                event = json.loads(self.ws.recv())
                if event["type"] == self.kind:
                    self.got.append(event)
        return any(want.items() <= e.items() for e in self.got)


def gauge(office, name):
    return int(re.search(rf"^cells_mgmtd_{name} (\d+)$", office.call("GET", "/metrics").text, re.M).group(1))


def test_what_ends_is_said_before_it_does(world):
    """Log, event and metric, each step once: a group document, tokens, the root, the CA."""
    office = Office(world)
    office.token = office.post("/v1/tokens", {"name": "long", "role": "admin", "ttl": 365 * DAY})["token"]
    office.submit(office.root(life=200 * DAY))
    office.submit(office.forge.policy("baseline", 1, {"work": [("*", "none")]}, life=100 * DAY))
    office.submit(office.forge.group("field", 1, [("baseline", 1)], life=30 * DAY))
    events = Events(office, "lapse")

    def at(days):
        world.move_clock(wall=int(days * DAY))

    def said(kind, did, days):
        assert harness.until(lambda: events.has(kind=kind, id=did, days=days)), (kind, did, days)
        words = f"in less than {days} day" if days else "ended at"
        assert any(f"{kind} '{did}'" in line and words in line for line in office.process.tail(500).splitlines())

    assert gauge(office, "lapsing") == gauge(office, "lapsed") == 0
    at(16.5)
    said("group", "field", 14)
    assert gauge(office, "lapsing") >= 1 and gauge(office, "next_lapse_timestamp_seconds") > 0
    at(27.5)
    said("group", "field", 3)
    at(29.5)
    said("group", "field", 1)
    at(30.5)
    said("group", "field", 0)
    assert gauge(office, "lapsed") == 1
    # Its next version ends it; nothing is said twice.
    steps = [e["days"] for e in events.got if e["id"] == "field"]
    assert steps == [14, 3, 1, 0]
    office.submit(office.forge.group("field", 2, [("baseline", 1)], issued=office.forge.now() + int(30.4 * DAY),
                                     life=25 * DAY))
    at(31)
    harness.until(lambda: gauge(office, "lapsed") == 0)
    at(70.5)
    said("device-policy", "baseline", 30)
    at(171)
    said("root", "root", 30)
    at(340)
    said("token", "long", 30)
    # A start says it again.
    office.restart()
    harness.until(lambda: "token 'long'" in office.process.tail(5))


# ---- connections
def hold(office, port, n, source="127.0.0.1"):
    """Opens connections that say nothing; how many of them stay open."""
    held = []
    for _ in range(n):
        s = socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0))
        held.append(s)
    return held


def is_open(s):
    s.settimeout(0.5)
    try:
        return s.recv(1) != b""
    except socket.timeout:
        return True
    except OSError:
        return False


def test_an_address_has_its_part_of_the_connections(world):
    office = Office(world, "address-connections = 8\n").publish()
    phone = Phone(office).enroll()
    held = hold(office, office.admin_port, 30, "127.0.0.9")
    assert 1 <= sum(is_open(s) for s in held) <= 8
    office.get("/v1/self")
    more = hold(office, office.device_port, 30, "127.0.0.9")
    assert 1 <= sum(is_open(s) for s in more) <= 8
    phone.connect()
    for s in held + more:
        s.close()
    harness.until(lambda: is_open(hold(office, office.admin_port, 1, "127.0.0.9")[0]))
    # Devices that are known are not counted: a whole fleet may have one address.
    fleet = [rawport.open_channel(office, Phone(office).enroll()) for _ in range(12)]
    assert all(is_open(s) for s in fleet)
    phone.close()


def test_a_full_port_is_not_the_other_one_s_matter(world):
    office = Office(world, "admin-connections = 16\n").publish()
    phone = Phone(office).enroll()
    held = hold(office, office.admin_port, 40)
    assert sum(is_open(s) for s in held) <= 16
    phone.connect()
    for s in held:
        s.close()
    harness.until(lambda: re.search(r"connections 2$", office.call("GET", "/metrics").text, re.M))
    phone.close()
