# SPDX-License-Identifier: Apache-2.0
"""Hostile input through the whole device: a server that sends garbage, an agent gone
wrong, and documents that are signed well and made to harm. Each time there is a clear
answer, memory stays bounded, nothing changes, and the right document is still taken."""
import asyncio
import contextlib
import json
import os
import pathlib
import struct
import zlib

import pytest

import busclient
import forge
import harness
from scene import POLICY, Scene, busybox_layer

LONG = bool(os.environ.get("CELLS_LONG"))
MIB = 1024 * 1024
# What a daemon may need more than before. Sanitizers keep what was freed.
ROOM = 40 * MIB
SANITIZED_ROOM = 600 * MIB


@pytest.fixture(scope="module")
def scene():
    with harness.World() as w:
        yield Scene(w)


def memory(pid, what):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) * 1024
    raise harness.Failed(f"no {what} of {pid}")


def room(pid):
    return SANITIZED_ROOM if harness.sanitized(pid) else ROOM


@contextlib.contextmanager
def unharmed(scene, same=True):
    """Each daemon lives on, its peak of memory is bounded, and what was in force still is."""
    daemons = (scene.phone.cellsd, scene.phone.policyd, scene.phone.agent)
    pids = [d.child.pid for d in daemons]
    in_force = scene.phone.status()["state"]
    before = []
    for pid in pids:
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak is measured again
        before.append(memory(pid, "VmRSS"))
    yield
    for d, pid, was in zip(daemons, pids, before):
        assert d.alive() and d.child.pid == pid, f"{d.name} ended:\n{d.tail()}"
        grown = memory(pid, "VmHWM") - was
        assert grown < room(pid), f"{d.name} grew by {grown / MIB:.0f} MiB"
    assert not same or scene.phone.status()["state"] == in_force
    # Of refusals so many are reported in an hour, and no more.
    scene.hours = getattr(scene, "hours", 0) + 0.05
    scene.world.move_clock(int(scene.hours) * 3600)
    scene.phone.agent.restart()  # it waits longer each time that a server misbehaves
    scene.still_takes_the_right_one()


def on_loop(scene, coroutine):
    """Runs in the server's loop; that the device hangs up in the middle is expected."""
    with contextlib.suppress(Exception):
        asyncio.run_coroutine_threadsafe(coroutine, scene.server.loop).result(30)


def raw(scene, data):
    async def write():
        scene.server.connection.transport.write(data)
    on_loop(scene, write())


def is_cut(scene):
    """The device hangs up, since what came was not a message."""
    harness.until(lambda: scene.server.connection is None, 20)


def frame(opcode, data, final=True, length=None, rsv=0, mask=False):
    """RFC 6455, 5.2; `length` may lie."""
    n = len(data) if length is None else length
    head = bytes([(0x80 if final else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask else 0
    if n < 126:
        head += bytes([bit | n])
    elif n < 65536:
        head += struct.pack(">BH", bit | 126, n)
    else:
        head += struct.pack(">BQ", bit | 127, n)
    return head + (b"\0\0\0\0" if mask else b"") + data


# ---- the server's WebSocket
def test_message_of_many_megabytes_is_not_collected(scene):
    with unharmed(scene):
        async def push():
            piece = "x" * MIB
            await scene.server.connection.send('{"type":"snapshot","envelope":{"payload":"' + piece * 100 + '"}}')
        connection = scene.server.connection
        on_loop(scene, push())
        harness.until(lambda: scene.server.connection is not connection, 20)


def test_message_of_endless_fragments_is_not_collected(scene):
    with unharmed(scene):
        connection = scene.server.connection
        raw(scene, frame(1, b"{", final=False))
        for _ in range(80):
            raw(scene, frame(0, b" " * MIB, final=False))
        harness.until(lambda: scene.server.connection is not connection, 20)


@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_fragments_are_joined(scene, pieces):
    with unharmed(scene, same=False):
        docs = {**scene.docs, "policy": scene.policy()}
        docs["group"] = scene.group(docs)
        scene.server.keep(*docs.values())
        snapshot = scene.snapshot(docs)
        before = scene.server.last_seq()
        text = json.dumps({"type": "snapshot", "id": 1, "envelope": snapshot.object}).encode()
        step = -(-len(text) // pieces)
        parts = [text[i:i + step] for i in range(0, len(text), step)]
        raw(scene, b"".join(frame(0 if i else 1, p, final=i == len(parts) - 1) for i, p in enumerate(parts)))
        scene.server.receipt(type="applied", document=snapshot, after=before)
        scene.docs = docs


GARBAGE = {
    "binary": frame(2, b'{"type":"ack","stream":"audit","seq":1}'),
    "unknown opcode": frame(5, b"x"),
    "reserved bits": frame(1, b"{}", rsv=7),
    "masked by a server": frame(1, b"{}", mask=True),
    "control frame in pieces": frame(9, b"ping", final=False),
    "control frame too long": frame(9, b"p" * 1000),
    "continues nothing": frame(0, b"{}"),
    "length of 2^63": frame(1, b"{", length=2**63 - 1),
    "length with the top bit": frame(1, b"{", length=2**64 - 1),
    "no UTF-8": frame(1, b'{"type":"\xff\xfe\xc0\x80"}'),
    "no frame at all": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "random": bytes(zlib.crc32(bytes([i])) & 255 for i in range(256)) * 64,
    "close with rubbish": frame(8, b"\x00\x01garbage"),
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=[k.replace(" ", "-") for k in GARBAGE])
def test_garbage_on_the_socket(scene, data):
    with unharmed(scene):
        raw(scene, data)
        for _ in range(3):  # whatever became of the connection
            scene.server.say("ack", stream="audit", seq=0)


DEEP = "[" * 100000 + "]" * 100000
SHAPES = ["null", "true", "0", "-1", "9223372036854775807", "99999999999999999999999", "1e400", "-1.5", '""',
          '"' + "x" * 100000 + '"', '"\\u0000"', '"\\ud800"', "[]", "[[[]]]", "{}", '{"payload":[]}', DEEP,
          '[' + ",".join(["{}"] * 5000) + ']']
MESSAGES = {"snapshot": ("envelope",), "command": ("envelope", "sha256"), "documents": ("documents", "missing", "re"),
            "cancel": ("sha256",), "ack": ("stream", "seq"), "retry": ("after", "reconnect")}


@pytest.mark.parametrize("kind", MESSAGES)
def test_json_of_all_shapes_to_the_agent(scene, kind):
    """A message that is none ends the connection; no message ends the agent."""
    texts = ["", "null", "[]", '{"type":1}', '{"type":"%s"}' % kind, '{"type":"%s","type":"ack"}' % kind, "{" * 5000,
             '{"type":"%s"' % kind, "\0", '{"type":"nonsense"}']
    for member in MESSAGES[kind]:
        others = "".join(f',"{m}":1' for m in MESSAGES[kind] if m != member)
        texts += [f'{{"type":"{kind}","id":1,"{member}":{shape}{others}}}' for shape in SHAPES]
    with unharmed(scene):
        for text in texts:
            raw(scene, frame(1, text.encode()))


@pytest.mark.parametrize("text", ['{"type":"snapshot","envelope":[]}', "[]", '{"type":"documents","documents":[1]}', DEEP],
                         ids=["no-object", "array", "number", "deep"])
def test_wrong_message_is_answered_by_hanging_up(scene, text):
    with unharmed(scene):
        raw(scene, frame(1, text.encode()))
        is_cut(scene)


# ---- an agent gone wrong
def test_calls_of_all_shapes_to_policyd(scene):
    agent = busclient.BusClient(scene.phone.bus.address, "cells-agent")
    file = busclient.File
    envelope = json.dumps(scene.docs["policy"].object)
    calls = [("Submit", s.encode()) for s in SHAPES + ["", "\0", '{"payloadType":1}', envelope + envelope,
                                                       envelope[:-1], envelope.replace('"sig"', '"sig":"","sig"')]]
    calls += [("Submit", b" " * n) for n in (MIB, MIB + 1, 8 * MIB)]
    calls += [("Submit", json.dumps({**scene.docs["policy"].object, **over}).encode()) for over in (
        {"signatures": [scene.docs["policy"].object["signatures"][0]] * 17}, {"signatures": {}}, {"payload": "****"},
        {"payload": "A"}, {"payload": "QQ"}, {"payload": 1}, {"payloadType": "x" * 100000}, {"payloadType": ""},
        {"proofs": [{}]}, {"more": 1})]
    calls += [("PutChunk", d, file(b"x")) for d in ("", "sha256:", "sha256:" + "0" * 64, "../../etc/passwd",
                                                    "sha256:" + "../" * 21 + "x", "x" * 100000)]
    calls += [("Wants", 2**32 - 1), ("Receipts", 2**64 - 1, 2**32 - 1), ("Receipts", 0, 2**32 - 1),
              ("Audit", 2**64 - 1), ("Ack", "receipts", 2**64 - 1), ("Ack", "audit", 2**63), ("Ack", "x" * 1000, 1),
              ("EnrollStart", b""), ("EnrollStart", b"\x30" * 100000), ("EnrollFinish", DEEP, ""),
              ("EnrollFinish", "{}", "x" * 100000)]
    calls += [(m,) for m in ("Submit", "PutChunk", "Ack", "Nonsense")]
    with unharmed(scene):
        for name, *args in calls:
            with contextlib.suppress(busclient.Failed):
                values = agent.call("Policy1", name, *args)
                assert name != "Submit" or values[0] in ("refused", "known"), (name, args[0][:80], values)
    agent.close()


@pytest.mark.parametrize("size, row", [(MIB + 1, 1), (4 * MIB, 3)] + LONG * [(20 * MIB, 1), (31 * MIB, 1), (15 * MIB, 5)])
def test_message_beyond_any_envelope_is_given_back(scene, size, row):
    """sd-bus takes in what the bus lets pass, 32 MiB, and of a row the next one while the bus is
    asked who the caller is; nothing makes more of it, and nothing keeps it."""
    agent = busclient.BusClient(scene.phone.bus.address, "cells-agent")
    pid, spare = scene.phone.policyd.child.pid, 4 * MIB
    with unharmed(scene):
        agent.call("Policy1", "Submit", b"{}")
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")
        before = memory(pid, "VmRSS")
        for _ in range(row):
            agent.send("Policy1", "Submit", b" " * size)
        for _ in range(row):
            assert agent.answer()[:2] == ["refused", "err.too-large"]
        if not harness.sanitized(pid):
            assert memory(pid, "VmHWM") - before < min(row, 2) * size + spare
            harness.until(lambda: memory(pid, "VmRSS") - before < spare)
    agent.close()


def test_chunk_from_a_file_without_end(scene):
    """A descriptor of 64 GiB of nothing, and one that never ends."""
    script = """
import dbus, os, sys
bus = dbus.bus.BusConnection(sys.argv[1])
policy = dbus.Interface(bus.get_object("org.cells.Policy1", "/org/cells/Policy1"), "org.cells.Policy1")
huge = os.memfd_create("huge")
os.ftruncate(huge, 64 << 30)
read, write = os.pipe()
for fd in (huge, os.open("/dev/zero", os.O_RDONLY), read, os.open("/", os.O_RDONLY)):
    try:
        policy.PutChunk("sha256:" + "0" * 64, dbus.types.UnixFd(fd), timeout=20)
        sys.exit("taken")
    except dbus.DBusException as e:
        print(e.get_dbus_name())
"""
    with unharmed(scene):
        r = harness.run(["/usr/bin/python3", "-c", script, scene.phone.bus.address], user="cells-agent", timeout=100)
        assert "NoReply" not in r.stdout and len(r.stdout.split()) == 4, r.stdout


# ---- documents that are signed well
HEAD = '<device-policy xmlns="urn:cells:device-policy:1" org="acme" id="baseline" version="{v}" ' \
       'issued="{i}" expires="{e}"{a}>{body}</device-policy>'
LAUGHS = "<!DOCTYPE x [<!ENTITY a0 'ha'>" + "".join(
    f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 12)) + "]>"
XML = {
    "entity bomb": (LAUGHS, "<vp id='work'><default mode='&a11;'/></vp>", ""),
    "quadratic bomb": ("<!DOCTYPE x [<!ENTITY a '" + "b" * 100000 + "'>]>", "&a;" * 50000, ""),
    "external entity": ("<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>", "&a;", ""),
    "external subset": ("<!DOCTYPE x SYSTEM 'http://127.0.0.1:9/x.dtd'>", "", ""),
    "parameter entity": ("<!DOCTYPE x [<!ENTITY % p SYSTEM 'file:///dev/zero'> %p;]>", "", ""),
    "depth": ("", "<vp>" * 60000 + "</vp>" * 60000, ""),
    "attributes": ("", "", "".join(f' a{n}="1"' for n in range(40000))),
    "long attribute": ("", "", ' label="' + "x" * 400000 + '"'),
    "namespaces": ("", "", "".join(f' xmlns:n{n}="urn:{n}"' for n in range(12000))),
    "elements": ("", "<vp id='work'/>" * 30000, ""),
    "xinclude": ("", "<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='/etc/passwd'/>", ""),
    "stylesheet": ("<?xml-stylesheet href='http://127.0.0.1:9/'?>", "<x/>", ""),
    "schema hint": ("", "<x/>", " xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' "
                                "xsi:schemaLocation='urn:cells:device-policy:1 http://127.0.0.1:9/x.xsd'"),
    "nil": ("", "<vp id='work'><default mode='shared' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' "
                "xsi:nil='true'/></vp>", ""),
}


def refuse(scene, before, reasons):
    """The receipt of the refusal, whose reason is one of these."""
    def found():
        return next((r for r in scene.server.receipts[before:] if r["type"] == "refused"), None)
    receipt = harness.until(found, int(os.environ.get("CELLS_WAIT", "60")))
    assert receipt["reason"] in reasons, receipt
    assert receipt["details"]["text"]
    return receipt


def offer(scene, before, reasons, **docs):
    scene.offer(**docs, group=scene.group({**scene.docs, **docs}))
    return refuse(scene, before, reasons)


@pytest.mark.parametrize("name", XML)
def test_signed_policy_made_to_harm(scene, name):
    prolog, body, attrs = XML[name]
    now = scene.org.now()
    with unharmed(scene):
        version = scene.next_version("policy")
        text = prolog + HEAD.format(v=version, i=forge.stamp(now), e=forge.stamp(now + forge.DAY), a=attrs, body=body)
        bad = scene.org.policy("baseline", version, {}, xml=text)
        offer(scene, scene.server.last_seq(), {"err.schema", "err.too-large", "err.unsupported-mode"}, policy=bad)


ENCODED = {
    "utf-16": lambda t: t.encode("utf-16"), "utf-7": lambda t: b"<?xml version='1.0' encoding='UTF-7'?>" + t.encode(),
    "ebcdic": lambda t: ("<?xml version='1.0' encoding='IBM037'?>" + t).encode("cp037"),
    "no utf-8": lambda t: t.encode().replace(b"baseline", b"base\xff\xfe"),
    "nul": lambda t: t.encode().replace(b"baseline", b"base\0line"), "empty": lambda t: b"", "half": lambda t: t.encode()[:-9],
    "twice": lambda t: (t + t).encode(), "text behind": lambda t: t.encode() + b"more",
    "spaces": lambda t: b" " * 1000 + b"<?xml version='1.0'?>" + t.encode(), "json": lambda t: b'{"org":"acme"}',
}


@pytest.mark.parametrize("name", ENCODED)
def test_signed_policy_in_wrong_bytes(scene, name):
    with unharmed(scene):
        right = scene.policy()
        bad = scene.org.policy("baseline", right.version, {}, xml=ENCODED[name](right.payload.decode()))
        offer(scene, scene.server.last_seq(), {"err.schema", "err.envelope", "err.incomplete"}, policy=bad)


ATTRIBUTES = [("version", v) for v in ("0", "-1", "1.5", "abc", "2147483648", "99999999999999999999", "", "+5", "0x10")] \
    + [("id", v) for v in ("", "../x", "A", "a" * 65, "a/b", "\u0430")] \
    + [("issued", v) for v in ("", "2026", "2026-13-45T99:99:99Z", "2026-11-20T08:00:00+01:00", "9999999999")] \
    + [("org", v) for v in ("", "x" * 100000)]


@pytest.mark.parametrize("name, value", ATTRIBUTES, ids=[f"{n}-{i}" for i, (n, _) in enumerate(ATTRIBUTES)])
def test_signed_policy_with_wrong_types(scene, name, value):
    with unharmed(scene):
        bad = scene.policy(attrs={name: value})
        offer(scene, scene.server.last_seq(), {"err.schema", "err.wrong-org"}, policy=bad)


class Raw(forge.Password):
    """A protection whose attributes say anything."""

    def __init__(self, **over):
        super().__init__("correct horse battery", iterations=210000)
        self.over = over

    def protection(self):
        return forge.element("protection", {
            "kdf": "pbkdf2-hmac-sha512", "iterations": self.iterations, "salt": forge.b64(self.salt),
            "verifier": forge.b64(self.verifier), **self.over})


CONFIGS = {
    "a billion iterations": {"password": Raw(iterations=10**9)}, "iterations that overflow": {"password": Raw(iterations=2**64)},
    "one iteration": {"password": Raw(iterations=1)}, "negative iterations": {"password": Raw(iterations=-5000000)},
    "no salt": {"password": Raw(salt="")}, "a salt of megabytes": {"password": Raw(salt="A" * 300000)},
    "short salt": {"password": Raw(salt="AAAA")}, "wrong kdf": {"password": Raw(kdf="none")},
    "memory that overflows": {"resources": {"memory-max": 2**64}}, "negative memory": {"resources": {"memory-max": -1}},
    "no memory": {"resources": {"memory-max": 0}}, "too many processes": {"resources": {"pids-max": 2**32}},
    "weight": {"resources": {"cpu-weight": 0}}, "network": {"network": "host"},
    "offline at once": {"offline": {"after-hours": 1, "then": "wipe"}},
    "negative attempts": {"lock": {"attempts": -1, "then": "wipe"}},
    "image by path": {"attrs": {}, "path": True}, "a long label": {"label": "x" * 100000},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_signed_config_with_wrong_values(scene, name):
    with unharmed(scene):
        over = dict(CONFIGS[name])
        version = scene.next_version("work")
        bad = scene.org.config("work", version, "../tiny" if over.pop("path", False) else "tiny", on_boot=True, **over)
        offer(scene, scene.server.last_seq(), {"err.schema"}, work=bad)


# ---- snapshots by the director's key
SNAPSHOTS = {
    "deep": b'{"format":1,"x":' + DEEP.encode() + b"}", "array": b"[]", "number": b"1", "space": b" ",
    "no utf-8": b'{"format":"\xff"}',
}
MEMBERS = [{"format": 2}, {"format": "1"}, {"version": -1}, {"version": 2**63}, {"version": "1"}, {"version": 0},
           {"documents": {}}, {"documents": [1]}, {"documents": [[]]}, {"documents": [{}]}, {"documents": None},
           {"documents": [{"type": "root", "id": "root", "version": 1, "sha256": "sha256:" + "0" * 64}]},
           {"documents": [{"type": "device-policy", "id": "../..", "version": 1, "sha256": "sha256:" + "0" * 64}]},
           {"documents": [{"type": "device-policy", "id": "a", "version": 1, "sha256": "x"}]},
           {"documents": [{"type": "device-policy", "id": f"p{n}", "version": 1, "sha256": "sha256:" + "0" * 64}
                          for n in range(3000)]},
           {"issued": 5}, {"expires": "never"}, {"device": 1}, {"more": 1}]


@pytest.mark.parametrize("n", range(len(SNAPSHOTS) + len(MEMBERS)))
def test_signed_snapshot_of_any_shape(scene, n):
    with unharmed(scene):
        before = scene.server.last_seq()
        if n < len(SNAPSHOTS):
            bad = forge.Doc("snapshot", scene.device.id, 1, list(SNAPSHOTS.values())[n],
                            scene.org.signers("director"), forge.type_json("snapshot"))
        else:
            bad = scene.snapshot(members=MEMBERS[n - len(SNAPSHOTS)])
        scene.server.publish(bad)
        refuse(scene, before, {"err.schema", "err.envelope", "err.incomplete", "err.wrong-device", "err.too-large"})


# ---- images
def zstd_rle(size, declared=None):
    """A frame of RLE blocks: some bytes that become `size` of them."""
    out = struct.pack("<IBI", 0xFD2FB528, 0xA0, declared if declared is not None else size)
    left = size
    while left > 0:
        n = min(left, 128 * 1024)
        left -= n
        out += struct.pack("<I", n << 3 | 1 << 1 | (left == 0))[:3] + b"\0"
    return out


def line(stored, size, announced=None):
    return f"{forge.digest(stored)} {len(stored) if announced is None else announced} {size}\n"


def layer_of(text, chunks=(), size=None, digest=None):
    data = os.urandom(64)
    made = forge.Layer(data)
    made.list = text if isinstance(text, bytes) else ("cells-chunks 1\n" + text).encode()
    made.chunks = {forge.digest(c): c for c in chunks}
    made.digest = digest or made.digest
    made.xml = lambda: forge.element("layer", {"digest": made.digest, "size": len(data) if size is None else size,
                                               "chunks": forge.digest(made.list)})
    return made


BOMB = zstd_rle(512 * MIB)
LIAR = zstd_rle(512 * MIB, declared=64)
ONE = forge.zstd_frame(b"x" * 64)
WINDOW = struct.pack("<IBBI", 0xFD2FB528, 0x80, 0xF8, 64) + struct.pack("<I", 64 << 3 | 1)[:3] + b"x" * 64
LAYERS = {
    "no list": b"", "binary list": os.urandom(5000), "other words": b"cells-chunks 2\n" + b"x",
    "negative size": line(ONE, -64), "negative stored": line(ONE, 64, -1), "zero": line(ONE, 0),
    "2^32": line(ONE, 2**32), "2^64": line(ONE, 2**64 + 64), "huge stored": line(ONE, 64, 2**31),
    "size of a mebibyte": line(ONE, MIB), "no line end": line(ONE, 64)[:-1], "more words": line(ONE, 64)[:-1] + " 1\n",
    "nul": line(ONE, 64)[:-1] + "\0\n", "half a million lines": line(ONE, 1) * 100000,
    "another size": line(ONE, 63),
}
CHUNKS = {
    "bomb": (BOMB, 64), "lying bomb": (LIAR, 64), "large window": (WINDOW, 64), "two frames": (ONE + ONE, 64),
    "skippable": (struct.pack("<II", 0x184D2A50, 4) + b"skip", 64), "not zstd": (os.urandom(300), 64),
    "cut": (ONE[:-5], 64), "less than announced": (forge.zstd_frame(b"x" * 10), 64), "empty frame": (forge.zstd_frame(b""), 64),
    "other bytes": (ONE, 64),
}
IMAGE_REASONS = {"err.chunk", "err.image-digest", "err.schema", "err.storage-full", "err.too-large"}


def offer_layer(scene, layer):
    before = scene.server.last_seq()
    scene.server.keep(files=[layer.files()])
    image = scene.org.image("tiny", scene.next_version("image"), [busybox_layer(), layer])
    scene.offer(image=image)
    return refuse(scene, before, IMAGE_REASONS)


@pytest.mark.parametrize("name", LAYERS)
def test_signed_image_with_a_wrong_chunk_list(scene, name):
    with unharmed(scene):
        offer_layer(scene, layer_of(LAYERS[name]))


@pytest.mark.parametrize("name", CHUNKS)
def test_signed_image_with_wrong_chunks(scene, name):
    stored, size = CHUNKS[name]
    with unharmed(scene):
        offer_layer(scene, layer_of(line(stored, size), [stored]))


@pytest.mark.parametrize("size", [-1, 0, 2**62, 2**63, 2**64, "x", "1e9"])
def test_signed_image_of_a_wrong_size(scene, size):
    with unharmed(scene):
        offer_layer(scene, layer_of(line(ONE, 64), [ONE], size=size))


def test_server_that_answers_a_chunk_with_endless_bytes(scene):
    """It is asked again, and the right bytes complete the image."""
    with unharmed(scene, same=False):
        good = forge.Layer(b"\0" * 1024 + b"\xe2\xe1\xf5\xe0" + os.urandom(100000))
        right = good.files()
        scene.server.keep(files=[{d: os.urandom(70 * MIB) for d in right}])
        before = scene.server.last_seq()
        image = scene.org.image("tiny", scene.next_version("image"), [busybox_layer(), good])
        scene.offer(image=image)
        wanted = forge.digest(good.list)
        harness.until(lambda: scene.server.asked.count(wanted) > 1)
        scene.server.keep(files=[right])
        scene.server.receipt(type="applied", after=before)
        scene.docs["image"] = image
