# SPDX-License-Identifier: Apache-2.0
"""Bytes of our own choice over TLS, and a probe that checks whether the server still answers.

    with rawport.Probe(office) as probe:
        with rawport.connect(office, phone=phone) as s:
            s.sendall(...)
    probe.longest                           # seconds of the slowest answer
"""
import contextlib
import os
import socket
import ssl
import statistics
import threading
import time

WORST = 2.0  # seconds within which the server answers, whatever others do


def context(office, cert=None, key=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.load_verify_locations(office.ca)
    if cert:
        c.load_cert_chain(cert, key)
    return c


def connect(office, phone=None, cert=None, key=None, seconds=10):
    """To the devices' port with the phone's or the given certificate, else to the administrators'."""
    if phone:
        cert, key = phone.cert, phone.key
    s = socket.create_connection(("127.0.0.1", office.device_port if cert else office.admin_port), seconds)
    try:
        return context(office, cert, key).wrap_socket(s, server_hostname="localhost")
    except BaseException:
        s.close()
        raise


def send_all(s, data):
    """What the peer takes of it before it ends the connection."""
    with contextlib.suppress(OSError):
        s.sendall(data)


def read_all(s, seconds=10):
    """What comes until the peer ends the connection, or is silent for so long."""
    s.settimeout(seconds)
    got = b""
    try:
        while True:
            data = s.recv(65536)
            if not data:
                return got
            got += data
    except (OSError, ValueError):
        return got


def request(method, path, body=b"", token=None, **headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def upgrade(path="/v1/device", protocol="cells.v1", **headers):
    return request("GET", path, Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Version="13",
                   Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==", Sec_WebSocket_Protocol=protocol, **headers)


def frame(opcode, payload=b"", fin=True, mask=b"\x01\x02\x03\x04", rsv=0, length=None):
    """RFC 6455, section 5.2; `mask` None: none, `length`: what is said instead of the truth."""
    n = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask else 0
    if n < 126:
        head += bytes([bit | n])
    elif n < 65536:
        head += bytes([bit | 126]) + n.to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + n.to_bytes(8, "big")
    if not mask:
        return head + payload
    key = (mask * (len(payload) // 4 + 1))[:len(payload)]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(len(payload), "big")
    return head + mask + masked


def open_channel(office, phone):
    """A device channel after its upgrade."""
    s = connect(office, phone)
    s.sendall(upgrade())
    got = b""
    while b"\r\n\r\n" not in got:
        data = s.recv(4096)
        assert data, got
        got += data
    assert got.startswith(b"HTTP/1.1 101"), got
    return s


class Probe:
    """Asks /healthz over and over, on connections of its own."""

    def __init__(self, office, pause=0.05):
        self.office, self.pause = office, pause
        self.times, self.failure, self.asked = [], None, None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _ask(self, s):
        s.sendall(request("GET", "/healthz"))
        got = b""
        while b"\r\n\r\n" not in got:
            data = s.recv(4096)
            if not data:
                raise ConnectionError("closed")
            got += data
        assert got.startswith(b"HTTP/1.1 200"), got[:200]

    def _run(self):
        while not self.stop.is_set():
            self.asked = start = time.monotonic()
            try:
                with connect(self.office, seconds=30) as s:
                    self._ask(s)
            except (OSError, AssertionError) as e:
                if not self.stop.is_set():
                    self.failure = self.failure or repr(e)
            self.asked = None
            self.times.append(time.monotonic() - start)
            self.stop.wait(self.pause)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.stop.set()
        self.thread.join(60)

    @property
    def waiting(self):
        """How long the question that is under way has been waiting."""
        asked = self.asked
        return time.monotonic() - asked if asked else 0

    @property
    def longest(self):
        return max([*self.times, self.waiting])

    @property
    def median(self):
        return statistics.median(self.times) if self.times else 0

    def verdict(self):
        if self.failure:
            return self.failure
        return f"no answer for {self.longest:.1f} s" if self.longest > WORST * patience() else None

    def is_well(self):
        return self.verdict() is None

    def check(self):
        assert self.is_well(), self.verdict()


def patience():
    """A machine with more to do than it has processors is slower by so much."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
