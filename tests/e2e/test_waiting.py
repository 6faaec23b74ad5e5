# SPDX-License-Identifier: Apache-2.0
"""cells-agent while others let it wait: a name server, an enrollment, a renewal. All else
goes on meanwhile, and what they leave behind does not add up."""
import asyncio
import functools
import http
import os
import pathlib
import socket
import threading
import time

import pytest
import websockets
from cryptography import x509

import forge
import harness
import mgmtd
import stolen
from busclient import Failed
from test_agent import AGENT, Phone, process_status

SOON = 10  # seconds; a wait for what is withheld here is longer
NAME_SERVER = "127.0.0.99"
RENEWALS = 50
ROOM = 10 * 1024  # for each renewal; a TLS set-up takes 25 KiB


def children(process):
    pid = process.child.pid
    return [int(c) for c in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


# ---- a name server that never answers
@pytest.fixture
def silence():
    """Takes queries, and answers none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((NAME_SERVER, 53))
        s.settimeout(30)
        yield s


def believe(phone, file, text):
    """From its next start on the agent finds that in the file's place."""
    own = phone.folder / pathlib.Path(file).name
    own.write_text(text)
    agent, entry = phone.agent, harness.pwd.getpwnam(AGENT)
    agent.argv = ["unshare", "--mount", "sh", "-c", f'mount --bind "$0" {file} && exec setpriv '
                  f'--reuid {entry.pw_uid} --regid {entry.pw_gid} --clear-groups -- "$@"', str(own), *agent.argv]
    agent.user = None


def ask(phone, server):
    believe(phone, "/etc/resolv.conf", f"nameserver {server}\noptions timeout:20 attempts:2\n")
    phone.move_to(host="server.example.org")


@pytest.fixture
def phone(world):
    server = mgmtd.Mgmtd(world)
    mgmtd.group_of_nothing(server)
    p = Phone(world, server)
    p.enroll()
    return p


def test_name_that_is_looked_up_keeps_nobody_waiting(phone, silence):
    ask(phone, NAME_SERVER)
    silence.recv(512)
    start = time.monotonic()
    phone.enroll()  # at localhost, which is in /etc/hosts
    assert time.monotonic() - start < SOON
    phone.refused_command()
    assert not children(phone.agent), "the look-up of a name that is of no use any more"


def test_agent_that_looks_a_name_up_ends_when_it_is_asked_to(phone, silence):
    ask(phone, NAME_SERVER)
    silence.recv(512)
    helpers = children(phone.agent)
    assert len(helpers) == 1
    start = time.monotonic()
    phone.agent.stop()
    assert time.monotonic() - start < SOON and phone.agent.child.returncode == 0
    harness.until(lambda: not any(alive(pid) for pid in helpers), SOON)


def test_name_that_nobody_has_is_told(phone):
    ask(phone, "127.0.0.98")  # where nobody listens
    harness.until(lambda: "server server.example.org:" in phone.log())
    assert "look up the name: " in phone.log()
    phone.enroll()


def test_each_address_of_the_server_is_tried(world):
    """At the first nobody listens; the certificate is tested for the name all the same."""
    server = mgmtd.Mgmtd(world, config="device-listen = 127.0.0.66\n")
    mgmtd.group_of_nothing(server)
    phone = Phone(world, server)
    believe(phone, "/etc/hosts", "127.0.0.1 localhost\n127.0.0.66 localhost\n")
    phone.agent.restart()
    phone.enroll()
    assert "next try" not in phone.log()
    phone.refused_command()


# ---- an enrollment that is never answered
def test_enrollment_that_is_not_answered_keeps_nobody_waiting(phone):
    server = phone.server
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        uri = server.uri().replace(f":{server.admin_port}/", f":{listener.getsockname()[1]}/")
        phone.root.send("Policy1", "Enroll", uri)
        connection, _ = listener.accept()
        start = time.monotonic()
        for _ in range(3):
            phone.refused_command()
        assert time.monotonic() - start < SOON
        connection.close()
    with pytest.raises(Failed):
        phone.root.answer()
    assert phone.enroll() == phone.id


# ---- renewals
class Registrar(stolen.Server):
    """Whose certificates are old from the beginning, so that each is to be renewed at once."""

    def __init__(self, *args):
        self.may_renew = threading.Event()
        self.may_renew.set()
        self.renewals = 0
        super().__init__(*args)

    def enroll(self, body):
        answer = super().enroll(body)
        return {**answer, **self.aged(body["identity_csr"], answer["device"])}

    def aged(self, csr, name):
        key = x509.load_pem_x509_csr(csr.encode()).public_key()
        return {"identity_cert": self.org.issue(key, name, age=70)}

    def renew(self, body):
        self.renewals += 1
        self.may_renew.wait(60)
        return self.aged(body["csr"], body["device"])


@pytest.fixture
def registrar(world):
    return Registrar(world, forge.Org("acme"))


def enrolled(world, server, config=""):
    phone = Phone(world, server, config)
    phone.root.call("Policy1", "Enroll", server.uri())
    harness.until(server.connected)
    return phone


def renew(phone):
    """A certificate's age is looked at when cells-policyd comes, and each minute."""
    before = phone.server.renewals
    phone.policyd.restart()
    harness.until(lambda: phone.server.renewals > before)


def publish(server, layer):
    """A group with one VP, of that layer."""
    org = server.org
    image = org.image("tiny", 1, [layer])
    work = org.config("work", 1, "tiny")
    policy = org.policy("baseline", 1, {"work": [("*", "none")]})
    docs = [image, work, policy, org.group("field", 1, [policy], [work])]
    server.keep(*docs, files=[layer.files()])
    server.publish(org.snapshot(server.device, 1, docs))


def test_renewal_that_takes_long_keeps_nobody_waiting(world, registrar):
    """A download and a command while it is asked for; then the download goes on over the new connection."""
    size = 2_000_000
    phone = enrolled(world, registrar, "speed-limit = 400000\nparallel = 2\n")
    org, before = registrar.org, phone.enrolment()["cert"]
    registrar.may_renew.clear()
    renew(phone)
    harness.until(registrar.connected)
    publish(registrar, forge.Layer(b"\0" * 1024 + b"\xe2\xe1\xf5\xe0" + os.urandom(size), size=250_000))
    harness.until(lambda: len(registrar.asked) > 2)
    start = time.monotonic()
    registrar.command(org.command("lock-1", registrar.device, "lock", "nowhere"))
    registrar.receipt(reason="err.no-such-vp")
    assert time.monotonic() - start < SOON and phone.enrolment()["cert"] == before
    hellos, asked = len(registrar.hellos), len(registrar.asked)
    registrar.may_renew.set()
    harness.until(lambda: len(registrar.hellos) > hellos and phone.enrolment()["cert"] != before)
    harness.until(lambda: phone.bus.policy("Wants", "u", 10, user=AGENT)[0] == [], 60)
    # No more than were under way came again.
    assert len(registrar.asked) > asked
    assert sum(registrar.asked.count(d) > 1 for d in set(registrar.asked)) <= 2, registrar.asked


# ---- chunks that do not come
EARLY = 10 * 1024
STALL_SECONDS = 60  # of agent/http_multi.c


class Slow(stolen.Server):
    """Whose chunks come as `manners` has it for their digests, until they are asked for again."""

    def __init__(self, *args):
        self.manners, self.offsets = {}, {}
        self.protocol = functools.partial(SlowConnection, self)
        super().__init__(*args)


class SlowConnection(websockets.WebSocketServerProtocol):
    def __init__(self, server, *args, **kw):
        self.server = server
        super().__init__(*args, **kw)

    async def process_request(self, path, request_headers):
        digest = path.rsplit("/", 1)[1]
        data = self.server.files.get(digest)
        if not path.startswith("/v1/chunks/") or data is None:
            return await super().process_request(path, request_headers)
        self.server.asked.append(digest)
        start = int(request_headers.get("Range", "bytes=0-")[6:-1])
        self.server.offsets.setdefault(digest, []).append(start)
        manner = self.server.manners.pop(digest, None)
        if manner:
            await manner(self, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data), data)
            raise ConnectionResetError
        status = http.HTTPStatus.PARTIAL_CONTENT if start else http.HTTPStatus.OK
        return status, [("Content-Type", "application/octet-stream")], data[start:]

    async def trickle(self, data):
        for n in range(len(data)):
            self.transport.write(data[n:n + 1])
            await asyncio.sleep(1)
            if self.transport.is_closing():
                return

    async def trickled(self, head, data):
        self.transport.write(head + data[:EARLY])
        await self.trickle(data[EARLY:])

    async def stopped(self, head, data):
        self.transport.write(head + data[:EARLY])
        await self.wait_closed_by_peer()

    async def trickled_from_the_start(self, head, data):
        await self.trickle(head + data)

    async def silent(self, _head, _data):
        await self.wait_closed_by_peer()

    async def wait_closed_by_peer(self):
        while not self.transport.is_closing():
            await asyncio.sleep(0.2)


def test_chunks_that_come_too_slowly_are_left_for_later(world):
    server = Slow(world, forge.Org("acme"))
    phone = enrolled(world, server)
    layer = forge.Layer(b"\0" * 1024 + b"\xe2\xe1\xf5\xe0" + os.urandom(800_000), size=200_000)
    chunks = list(layer.chunks)[:4]
    manners = (SlowConnection.trickled, SlowConnection.stopped, SlowConnection.trickled_from_the_start, SlowConnection.silent)
    server.manners = dict(zip(chunks, manners))
    start = time.monotonic()
    publish(server, layer)
    harness.until(lambda: set(chunks) <= set(server.asked))
    # All four lanes are held; what is not a chunk goes by.
    asked = time.monotonic()
    server.command(server.org.command("lock-1", server.device, "lock", "nowhere"))
    server.receipt(reason="err.no-such-vp")
    assert time.monotonic() - asked < SOON
    harness.until(lambda: phone.bus.policy("Wants", "u", 10, user=AGENT)[0] == [], 2 * STALL_SECONDS)
    assert time.monotonic() - start < STALL_SECONDS + 30
    for digest, began_well in zip(chunks, (True, True, False, False)):
        first, second = server.offsets[digest]
        assert first == 0 and (second >= EARLY) == began_well, server.offsets
    assert phone.policyd.alive() and phone.agent.alive()


def test_renewals_leave_nothing_behind(world, registrar):
    phone = enrolled(world, registrar)
    sizes = []
    for n in range(RENEWALS):
        hellos, cert = len(registrar.hellos), phone.enrolment()["cert"]
        renew(phone)
        harness.until(lambda hellos=hellos, cert=cert: len(registrar.hellos) > hellos and phone.enrolment()["cert"] != cert)
        if n % 10 == 9:
            time.sleep(1)  # what is taken down is taken down a moment later
            sizes.append(int(process_status(phone.agent, "VmRSS")[0]) * 1024)
    assert harness.sanitized(phone.agent.child.pid) or sizes[-1] - sizes[0] < (RENEWALS - 10) * ROOM, sizes
    assert not children(phone.agent)
