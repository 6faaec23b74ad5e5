# SPDX-License-Identifier: Apache-2.0
"""Raw bytes over TLS to both ports of the server, valid and invalid in any order, while a probe beside them is
answered within two seconds. CELLS_LONG makes it half an hour a port, CELLS_FUZZ_SECONDS any time;
CELLS_SEED=N begins with case N, which each failure names, CELLS_FUZZ_CASES=1 plays that one alone."""
import contextlib
import json
import os
import random
import socket
import ssl
import struct
import threading
import time

import harness
import pytest
import rawport
from office import Office, Phone
from rawport import frame, request

SECONDS = float(os.environ.get("CELLS_FUZZ_SECONDS") or (1800 if os.environ.get("CELLS_LONG") else 8))
FIRST = int(os.environ.get("CELLS_SEED") or random.SystemRandom().randrange(10**9))
CASES = int(os.environ.get("CELLS_FUZZ_CASES") or 10**9)
AT_ONCE = 3  # connections that send at the same time


# ---- what is sent: each maker draws from the case's own generator
def junk(r, most=300):
    return r.randbytes(r.randrange(1, most))


def damaged(r, data):
    data = bytearray(data)
    for _ in range(r.randrange(1, 4)):
        at = r.randrange(len(data))
        how = r.randrange(3)
        if how == 0:
            data[at] = r.randrange(256)
        elif how == 1:
            del data[at:at + r.randrange(1, 20)]
        else:
            data[at:at] = junk(r, 20)
        if not data:
            return b"\0"
    return bytes(data)


def odd_request(r):
    return r.choice([
        lambda: request("GET", "/" + "a" * r.choice([10, 511, 512, 4000, 20000])),
        lambda: request("GET", "/healthz", X_Long="b" * r.choice([100, 4096, 30000])),
        lambda: request("GET", "/healthz?" + "&".join(f"a{i}=1" for i in range(r.choice([1, 16, 300])))),
        lambda: b"GET /healthz HTTP/1.0\r\n\r\n",
        lambda: b"GET /healthz\r\n\r\n",
        lambda: b"get /healthz http/1.1\r\nhost: x\r\n\r\n",
        lambda: b"GET https://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        lambda: b"\r\n\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        lambda: b"GET /healthz HTTP/1.1\nHost: x\n\n",
        lambda: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + junk(r),
        lambda: request("POST", "/v1/login", Transfer_Encoding="chunked") + b"5\r\nhello\r\n0\r\n\r\n",
        lambda: request("OPTIONS", "*"), lambda: request("CONNECT", "localhost:1"),
        lambda: request("HEAD", "/v1/ca"), lambda: request("TRACE", "/"),
    ])()


def odd_length(r, path):
    body = junk(r)
    said = r.choice(["-1", "0", "1", "99999999999999999999", "abc", "+5", "0x10", "", str(len(body) + 9),
                     str(max(0, len(body) - 9)), "4194305", "9" * 40])
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {said}\r\n"
    if r.random() < 0.3:
        head += f"Content-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def json_body(r):
    return r.choice([b"{}", b"{", b"[" * 40, b'{"user":"nobody","password":"' + b"x" * r.choice([5, 20, 2000]) + b'"}',
                     json.dumps({"admit": "0" * 64, "bind": "0" * 64}).encode(), junk(r), b"x" * 70000])


class Admin:
    """The administrators' port: anonymous and with a token."""

    def __init__(self, office):
        self.office, self.cert = office, {}
        self.token = office.new_token("operator", name="fuzz")

    def message(self, r):
        token = r.choice([None, self.token, "0" * 64])
        return r.choice([
            lambda: request("GET", r.choice(["/healthz", "/readyz", "/metrics", "/v1/ca", "/nowhere", "/v1/self",
                                             "/v1/devices", "/v1/devices?limit=1", "/v1/audit/export"]), token=token),
            lambda: request(r.choice(["POST", "PUT", "PATCH", "DELETE"]),
                            r.choice(["/v1/login", "/v1/enroll", "/v1/renew", "/v1/plan", "/v1/documents",
                                      "/v1/chunks/sha256:" + "0" * 64, "/v1/tokens", "/nowhere"]), json_body(r), token),
            lambda: rawport.upgrade("/v1/events", "cells.events.v1", Authorization=f"Bearer {token}") + frames(r),
            lambda: odd_request(r), lambda: odd_length(r, "/v1/login"), lambda: junk(r)])()


class Device:
    """The devices' port, with a certificate that is let in."""

    def __init__(self, office):
        self.office, self.phone = office, Phone(office).enroll()
        self.cert = {"cert": self.phone.cert, "key": self.phone.key}

    def message(self, r):
        return r.choice([
            lambda: rawport.upgrade() + self.talk(r), lambda: rawport.upgrade() + self.talk(r),
            lambda: rawport.upgrade() + self.talk(r) + frames(r), lambda: rawport.upgrade() + frames(r),
            lambda: request("GET", r.choice(["/v1/chunks/sha256:" + "0" * 64, "/v1/device", "/v1/devices"])),
            lambda: request("POST", "/v1/renew", json_body(r)),
            lambda: rawport.upgrade(protocol=r.choice(["cells.v1", "", "rest", "x" * 2000])),
            lambda: odd_request(r), lambda: odd_length(r, "/v1/renew"), lambda: junk(r)])()

    def talk(self, r):
        """A channel that begins well, and goes on somehow."""
        hello = {"type": "hello", "id": 1, "device": self.phone.id, "epoch": self.phone.epoch, "agent": "test",
                 "inventory": {}, "status": {"root": 0}}
        more = [hello, {"type": "get", "id": 2, "documents": ["sha256:" + "0" * 64] * r.choice([1, 256, 257])},
                {"type": "roots", "id": 3, "after": r.choice([0, -1, 2**62])}, {"type": "receipt", "id": 4, "receipts": []},
                {"type": "status", "id": 5, "documents": [{}] * r.randrange(9)}, {"type": "unknown"}, {"type": 7},
                {"type": "progress", "image": "x" * r.choice([3, 300]), "done": 1, "total": 2},
                {"type": "audit", "batch": {}}, {"type": "submitted", "sha256": "", "outcome": "refused"}]
        chosen = [hello, *r.choices(more, k=r.randrange(5))]
        return b"".join(frame(1, json.dumps(m).encode()) for m in chosen)


def frames(r):
    """WebSocket frames of all kinds (RFC 6455, section 5), in any order."""
    size = r.choice([0, 1, 125, 126, 1000, 65535, 65536, 70000, 1_100_000])
    kinds = [lambda: frame(1, b"{" * size), lambda: frame(2, junk(r)), lambda: frame(1, b"\xff\xfe" + junk(r)),
             lambda: frame(0, b"goes on"), lambda: frame(1, b"be", fin=False) + frame(9, b"ping") + frame(0, b"gun"),
             lambda: frame(1, b"never", fin=False) + frame(1, b"ends"), lambda: frame(9, junk(r, 126)) * r.choice([1, 50]),
             lambda: frame(10, b"?"), lambda: frame(9, b"x" * 126), lambda: frame(9, b"", fin=False),
             lambda: frame(8, struct.pack(">H", r.choice([1000, 1001, 999, 5000, 0]))), lambda: frame(8, b"x"), lambda: frame(8),
             lambda: frame(r.choice([3, 7, 11, 15]), b"reserved"), lambda: frame(1, b"{}", rsv=r.randrange(1, 8)),
             lambda: frame(1, b"{}", mask=None), lambda: frame(1, b"{}", length=r.choice([5, 2**31, 2**62, 2**63 + 1])),
             lambda: junk(r), lambda: request("GET", "/healthz")]
    return b"".join(r.choice(kinds)() for _ in range(r.randrange(1, 5)))


class Case:
    """What one connection sends, all of it drawn from its number."""

    def __init__(self, port, number):
        r = random.Random(number)
        self.number, self.port = number, port
        data = [port.message(r) for _ in range(r.choice([1, 1, 1, 2, 3, 6]))]
        if r.random() < 0.3:
            data[-1] = damaged(r, data[-1])
        if r.random() < 0.2:
            data.append(junk(r))
        self.writes = [b"".join(data)] if r.random() < 0.5 else data
        if r.random() < 0.3:
            whole = b"".join(self.writes)
            cuts = sorted(r.randrange(len(whole) + 1) for _ in range(r.randrange(1, 6)))
            self.writes = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)])]
        self.pause = r.choice([0, 0, 0.001, 0.02])
        self.linger = r.choice([0, 0.05, 0.3])
        self.end = r.choice(["close", "notify", "half", "reset", "read"])

    def play(self):
        with contextlib.suppress(OSError, ValueError), \
             rawport.connect(self.port.office, seconds=5, **self.port.cert) as s:
            s.settimeout(1)
            for data in self.writes:
                s.sendall(data)
                time.sleep(self.pause)
            self.finish(s)

    def finish(self, s):
        if self.end == "read":
            rawport.read_all(s, 0.3)
        if self.end == "notify":
            with contextlib.suppress(ssl.SSLError, socket.timeout):
                s.unwrap()
        if self.end == "half":
            s.shutdown(socket.SHUT_WR)
        if self.end == "reset":
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        time.sleep(self.linger)


def ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return sum(int(n) for n in f.read().rsplit(")", 1)[1].split()[11:13])


def is_idle(pid):
    before = ticks(pid)
    time.sleep(0.5)
    return ticks(pid) - before < 0.1 * os.sysconf("SC_CLK_TCK")


class Run:
    def __init__(self, port):
        self.port, self.lock = port, threading.Lock()
        self.next, self.recent = FIRST, []
        self.stop = threading.Event()

    def _take(self):
        with self.lock:
            number, self.next = self.next, self.next + 1
            self.recent = [*self.recent[-11:], number]
            return number

    def _send(self):
        while not self.stop.is_set() and self.next < FIRST + CASES:
            Case(self.port, self._take()).play()

    def run(self):
        threads = [threading.Thread(target=self._send, daemon=True) for _ in range(min(AT_ONCE, CASES))]
        with rawport.Probe(self.port.office) as probe:
            for t in threads:
                t.start()
            end = time.monotonic() + SECONDS
            while time.monotonic() < end and probe.is_well() and any(t.is_alive() for t in threads):
                time.sleep(0.1)
            self.stop.set()
            for t in threads:
                t.join(60)
        return probe


@pytest.fixture(scope="module")
def office():
    with harness.World() as world:
        yield Office(world, "admit-rate = 100000\naddress-rate = 100000\nlogin-rate = 100000\nstall-seconds = 20\n").publish()


@pytest.mark.parametrize("kind", [Admin, Device])
def test_no_bytes_keep_the_server_from_answering(office, kind, capsys):
    run = Run(kind(office))
    probe = run.run()
    with capsys.disabled():
        print(f"\n{kind.__name__}: {run.next - FIRST} cases from {FIRST}; probe {len(probe.times)} times, "
              f"median {probe.median * 1000:.0f} ms, most {probe.longest * 1000:.0f} ms")
    assert office.process.alive(), f"it died of one of {run.recent}:\n{office.process.tail()}"
    assert probe.is_well(), f"cases {run.recent}: {probe.verdict()}"
    harness.until(lambda: is_idle(office.process.child.pid), 120)


def test_a_channel_that_ends_inside_a_record_holds_nobody_up(office):
    """Found by the search above: a message that is refused, a frame that no WebSocket has, and more behind it in one write."""
    port = Device(office)
    hello = {"type": "hello", "id": 1, "device": port.phone.id, "epoch": port.phone.epoch, "agent": "test", "inventory": {},
             "status": {"root": 0}}
    with rawport.Probe(office) as probe:
        for more in (1, 3000, 200_000):
            with contextlib.suppress(OSError), rawport.connect(office, seconds=5, **port.cert) as s:
                s.sendall(rawport.upgrade() + frame(1, json.dumps(hello).encode()) + frame(1, b"{" * 70000) +
                          frame(1, b"{}", rsv=3) + b"x" * more)
                rawport.read_all(s, 0.3)
            asked = len(probe.times)
            harness.until(lambda asked=asked: len(probe.times) > asked + 2 or not probe.is_well(), 60)
            assert probe.is_well(), probe.verdict()
    harness.until(lambda: is_idle(office.process.child.pid), 30)
