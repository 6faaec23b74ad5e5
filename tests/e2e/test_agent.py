# SPDX-License-Identifier: Apache-2.0
"""cells-agent between a real cells-mgmtd and a real cells-policyd."""
import json
import os
import pathlib
import signal
import socket
import ssl
import stat
import threading
import time

import forge
import harness
import jsonschema
import mgmtd
import pytest
import stolen
from busclient import BusClient, Failed
from cryptography import x509
from test_http import Authority

DAY = 86400
AGENT = "cells-agent"


class Phone:
    """policyd and agent of one device; cellsd is not needed for what is tested here."""

    def __init__(self, world, server, config=""):
        self.world, self.server = world, server
        self.folder = world.subfolder("phone")
        self.bus = harness.Bus(self.folder)
        world.closers.append(self.bus.process.stop)
        env = {"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address}
        self.config = self.folder / "agent.conf"
        self.config.write_text(config)
        empty = self.folder / "policyd.conf"
        empty.touch()
        self.agent_state = world.subfolder("phone/agent", AGENT, 0o700)
        self.policyd_state = world.subfolder("phone/policyd", "cells-policy", 0o700)
        self.policyd = world.daemon("phone/policyd", [
            harness.program("cells-policyd"), "--config", empty, "--state-dir", self.policyd_state],
            "cells-policy", env)
        self.agent = world.daemon("phone/agent", [
            harness.program("cells-agent"), "--config", self.config, "--state-dir", self.agent_state,
            "--debug"], AGENT, env)
        self.root = BusClient(self.bus.address, "root")
        world.closers.append(self.root.close)
        self.policyd.start()
        self.agent.start()

    def enroll(self, uri=None):
        self.id = self.root.call("Policy1", "Enroll", uri or self.server.uri())[0]
        harness.until(self.connected)
        return self.id

    def connected(self):
        return self.server.device(self.id)["connected"]

    def enrolment(self):
        return json.loads((self.agent_state / "enrolment.json").read_text())

    def move_to(self, **kw):
        """Changes where the agent looks for the server, and starts it again."""
        self.agent.stop()
        path = self.agent_state / "enrolment.json"
        path.write_text(json.dumps({**self.enrolment(), **kw}))
        self.agent.start()

    def log(self):
        return pathlib.Path(self.agent.log).read_text()

    def refused_command(self):
        """A command that policyd answers by itself: the VP does not exist."""
        device = self.server.device(self.id)
        doc = self.server.act(device, "lock", "nowhere")
        harness.until(lambda: self.server.receipts(self.id, document=doc.sha256))
        return doc


@pytest.fixture
def server(world):
    s = mgmtd.Mgmtd(world)
    mgmtd.group_of_nothing(s)
    return s


@pytest.fixture
def phone(world, server):
    p = Phone(world, server)
    p.enroll()
    return p


def process_status(process, field):
    for line in pathlib.Path(f"/proc/{process.child.pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return line.split()[1:]
    raise AssertionError(field)


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- enrollment
def test_enrollment_connects_and_keeps_its_keys_private(phone):
    assert phone.enrolment()["device"] == phone.id
    for f in phone.agent_state.iterdir():
        assert stat.S_IMODE(f.stat().st_mode) == 0o600, f
    assert not (phone.agent_state / "enrolment.next").exists()
    assert process_status(phone.agent, "CapEff") == ["0000000000000000"]
    assert phone.server.device(phone.id)["state"] == "active"


def test_agent_cannot_read_what_policyd_keeps(phone):
    r = harness.run(["ls", phone.policyd_state], user=AGENT, check=False)
    assert r.returncode != 0


def test_refused_token_is_told_to_who_asked(world, server):
    phone = Phone(world, server)
    uri, _ = server.org.uri("field", host="localhost", port=server.admin_port)
    with pytest.raises(Failed) as e:
        phone.root.call("Policy1", "Enroll", uri)
    assert "server refuses" in str(e.value) or "403" in str(e.value), str(e.value)
    phone.enroll()


def test_another_ca_is_not_talked_to(world, server):
    phone = Phone(world, server)
    uri = server.uri()
    pinned = uri.split("ca=")[1][:64]
    with pytest.raises(Failed) as e:
        phone.root.call("Policy1", "Enroll", uri.replace(pinned, "0" * 64))
    assert "pinned" in str(e.value), str(e.value)
    assert server.get("/v1/devices")["items"] == []


def test_enrolling_again_is_a_new_epoch_of_the_same_device(phone):
    before = phone.enrolment()
    assert phone.enroll() == before["device"]
    harness.until(lambda: phone.enrolment()["epoch"] != before["epoch"])
    harness.until(lambda: phone.server.device(phone.id)["epoch"] == phone.enrolment()["epoch"])
    harness.until(phone.connected)
    phone.refused_command()


# ---- coming back
def test_idle_agent_sleeps(world, server):
    phone = Phone(world, server)
    before = cpu_seconds(phone.agent)
    time.sleep(2)
    assert cpu_seconds(phone.agent) - before < 0.1
    phone.enroll()
    time.sleep(1)
    before = cpu_seconds(phone.agent)
    time.sleep(2)
    assert cpu_seconds(phone.agent) - before < 0.1


def test_killed_agent_comes_back_without_enrolling(phone):
    enrollment = phone.enrolment()
    for _ in range(3):
        phone.agent.restart(signal.SIGKILL)
        harness.until(lambda: f"connected to localhost:{phone.server.device_port}" in phone.log())
    harness.until(phone.connected)
    assert phone.enrolment() == enrollment
    phone.refused_command()


def test_agent_killed_while_it_enrolls_ends_enrolled_or_not(world, server):
    phone = Phone(world, server)
    for n in range(8):
        phone.root.send("Policy1", "Enroll", server.uri())
        time.sleep(0.03 * n)
        phone.agent.restart(signal.SIGKILL)
        try:
            phone.root.answer()
        except Failed:
            pass
    phone.enroll()
    assert phone.enrolment()["epoch"] == server.device(phone.id)["epoch"]
    phone.refused_command()


def test_server_that_restarts_gets_its_devices_back(phone):
    phone.server.process.restart(signal.SIGKILL)
    harness.until(phone.connected, 60)
    phone.refused_command()


def test_policyd_that_restarts_gets_what_was_not_answered(phone):
    phone.policyd.kill()
    harness.until(lambda: not phone.connected())
    doc = phone.server.act(phone.server.device(phone.id), "lock", "nowhere")
    phone.policyd.start()
    harness.until(lambda: phone.server.receipts(phone.id, document=doc.sha256), 60)


def test_receipts_wait_for_the_server(phone):
    target = phone.server.device(phone.id)
    who = type("Target", (), {"id": target["id"], "epoch": target["epoch"]})
    phone.server.process.kill()
    client = BusClient(phone.bus.address, AGENT)
    phone.world.closers.append(client.close)
    # More than one message holds, and of neither more than are reported in an hour.
    docs = [phone.server.org.command(f"lock-{i}", who, "lock", "nowhere") for i in range(90)]
    docs += [phone.server.org.command(f"x-{i}", who, "lock", "nowhere", sign=[forge.Signer("x")]) for i in range(50)]
    for d in docs:
        client.call("Policy1", "Submit", d.envelope)
    phone.agent.restart(signal.SIGKILL)
    phone.server.process.start()
    harness.until(lambda: len(phone.server.receipts(phone.id, reason="err.unknown-key")) >= 50, 90)
    assert len(phone.server.receipts(phone.id, reason="err.no-such-vp")) == 90
    seqs = [r["seq"] for r in phone.server.receipts(phone.id)]
    assert seqs == list(range(1, len(seqs) + 1))


# ---- chunks
class Relay:
    """Passes TCP on, and can cut all that it carries after some bytes down."""

    def __init__(self, world, port):
        self.port, self.target = harness.free_port(), port
        self.down, self.cut_after, self.cuts = 0, None, 0
        self.open = set()
        self.listener = socket.create_server(("127.0.0.1", self.port))
        world.closers.append(self.close)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()
        self.cut()

    def cut(self):
        for s in list(self.open):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.open.clear()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            self.open |= {near, far}
            for a, b, down in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._pass, args=(a, b, down), daemon=True).start()

    def _pass(self, a, b, down):
        try:
            while data := a.recv(8192):
                if down:
                    self.down += len(data)
                    if self.cut_after and self.down > self.cut_after:
                        self.cut_after = None
                        self.cuts += 1
                        self.cut()
                        return
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def publish_image(server, size, part):
    """A group with one VP whose image has random, so incompressible, bytes."""
    layer = forge.Layer(os.urandom(size), size=part)
    server.keep(layer)
    image = server.org.image("tiny", 1, [layer])
    work = server.org.config("work", 1, "tiny")
    policy = server.org.policy("baseline", 2, {"work": [("*", "none")]})
    server.submit(image, work, policy, server.org.group("field", 2, [policy], [work]))
    return layer


def has_layer(phone):
    """policyd has all the chunks: it wants nothing any more."""
    return phone.bus.policy("Wants", "u", 10, user=AGENT)[0] == [] and \
        any(d["type"] == "group" and d["version"] == 2 for d in status(phone)["documents"])


def status(phone):
    return json.loads(phone.bus.policy("Status", user=AGENT)[0])


def test_image_is_pulled_chunk_by_chunk(phone):
    publish_image(phone.server, 3_000_000, 100_000)
    harness.until(lambda: has_layer(phone), 60)


def test_chunk_that_the_server_lost_keeps_no_other_one_back(phone):
    """Three rounds of wants with a bad chunk near the front; then it is there again."""
    layer = forge.Layer(os.urandom(1_500_000), size=10_000)
    bad = list(layer.chunks)[5]
    data = layer.files()[bad]
    phone.server.keep(layer)
    stored = phone.server.dir / "chunks" / bad[7:9] / bad[7:]
    stored.write_bytes(data[:-1] + b"?")
    image = phone.server.org.image("tiny", 1, [layer])
    work = phone.server.org.config("work", 1, "tiny")
    policy = phone.server.org.policy("baseline", 2, {"work": [("*", "none")]})
    phone.server.submit(image, work, policy, phone.server.org.group("field", 2, [policy], [work]))
    harness.until(lambda: [list(w) for w in phone.bus.policy("Wants", "u", 10, user=AGENT)[0]] == [["chunk", bad]], 60)
    assert not stored.exists()
    phone.server.call("PUT", f"/v1/chunks/{bad}", data=data)
    harness.until(lambda: has_layer(phone), 90)


@pytest.mark.parametrize("killed", [False, True], ids=["cut", "killed"])
def test_download_goes_on_where_it_broke_off(world, server, killed):
    size = 2_000_000
    phone = Phone(world, server, "speed-limit = 1500000\nparallel = 2\n")
    phone.enroll()
    relay = Relay(world, server.device_port)
    phone.move_to(device_port=relay.port)
    harness.until(phone.connected)
    quiet = relay.down
    relay.cut_after = quiet + size // 3
    publish_image(server, size, 250_000)
    harness.until(lambda: relay.cuts == 1, 60)
    if killed:
        phone.agent.restart(signal.SIGKILL)
    harness.until(lambda: has_layer(phone), 90)
    # A chunk that was cut goes on; with the agent killed, two at most come again.
    again = 500_000 if killed else 150_000
    assert size < relay.down - quiet < size * 1.05 + again


def test_speed_limit_holds(world, server):
    phone = Phone(world, server, "speed-limit = 400000\n")
    phone.enroll()
    start = time.monotonic()
    publish_image(server, 1_000_000, 200_000)
    harness.until(lambda: has_layer(phone), 60)
    took = time.monotonic() - start
    assert 1.8 < took < 20


# ---- certificates
class Impostor:
    """Who listens where the server was: what it hears after the handshake, or why there was none."""

    def __init__(self, port, cert, key):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        self.heard, self.refused = [], []
        self.socket = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                plain = self.socket.accept()[0]
            except OSError:
                return
            plain.settimeout(30)
            try:
                with self.context.wrap_socket(plain, server_side=True) as s:
                    data = s.recv(4096)
                    (self.heard if data else self.refused).append(data)
            except OSError as e:
                self.refused.append(e)

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def test_channel_is_for_a_server_of_its_ca_and_name(phone, tmp_path):
    phone.agent.stop()
    phone.server.process.stop()
    own, other = Authority(tmp_path, "own"), Authority(tmp_path, "other")
    own.key, own.cert = phone.server.org.ca_key, phone.server.org.ca
    for ca, name, is_it in ((own, "example.org", False), (other, "localhost", False), (own, "localhost", True)):
        there = Impostor(phone.server.device_port, *ca.issue(f"{name}-{is_it}", [x509.DNSName(name)]))
        phone.agent.start()
        harness.until(lambda there=there: there.heard or there.refused)
        phone.agent.stop()
        there.close()
        assert bool(there.heard) == is_it, (name, there.heard, there.refused)
    assert there.heard[0].startswith(b"GET ")


def test_certificate_is_renewed_at_two_thirds_of_its_life(world):
    world.move_clock(-61 * DAY)  # TLS looks at the real clock: so it was issued 61 days ago
    server = mgmtd.Mgmtd(world, now=time.time() - 61 * DAY)
    mgmtd.group_of_nothing(server)
    phone = Phone(world, server)
    phone.enroll()
    before = phone.enrolment()
    phone.agent.restart()
    time.sleep(1)
    assert phone.enrolment() == before
    world.move_clock(0)
    phone.agent.restart()
    harness.until(lambda: phone.enrolment()["cert"] != before["cert"])
    after = phone.enrolment()
    assert {**after, "cert": ""} == {**before, "cert": ""}
    harness.until(lambda: phone.log().count("connected to") >= 3)
    harness.until(phone.connected)


# ---- messages
class Tap:
    """A WebSocket whose incoming messages are kept."""

    def __init__(self, connection, kept):
        self.connection, self.kept = connection, kept
        self.send, self.close = connection.send, connection.close

    async def __aiter__(self):
        async for text in self.connection:
            self.kept.append(json.loads(text))
            yield text


class Recorder(stolen.Server):
    def __init__(self, *args):
        self.kept = []
        super().__init__(*args)

    async def _serve(self, connection):
        await super()._serve(Tap(connection, self.kept))


def test_messages_follow_their_schema(world):
    schema = json.loads((harness.TOP / "schema/ws/cells.v1.json").read_text())
    org = forge.Org("acme")
    server = Recorder(world, org)
    phone = Phone(world, server)
    phone.root.call("Policy1", "Enroll", server.uri())
    harness.until(server.connected)
    layer = forge.Layer(os.urandom(200_000))
    image = org.image("tiny", 1, [layer])
    work = org.config("work", 1, "tiny")
    policy = org.policy("baseline", 1, {"work": [("*", "none")]})
    group = org.group("field", 1, [policy], [work])
    server.keep(image, work, policy, group, files=[layer.files()])
    server.say("news", what="an unknown type")
    server.command(org.command("lock-1", server.device, "lock", "nowhere"))
    server.publish(org.snapshot(server.device, 1, [image, work, policy, group]))
    types = {"hello", "get", "receipt", "audit", "submitted", "status", "progress"}
    harness.until(lambda: types <= {m["type"] for m in server.kept}, 60)
    for m in server.kept:
        jsonschema.validate(m, {**schema, "oneOf": [{"$ref": f"#/$defs/{m['type']}"}]})
    assert [m["id"] for m in server.kept] == list(range(1, len(server.kept) + 1))
