# SPDX-License-Identifier: Apache-2.0
"""A client of the module's generic netlink family, for tests in the phone.

Numbers and names are read from the header, so that there is one place of them.
"""
import errno
import json
import os
import pathlib
import re
import socket
import struct
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
UAPI = TOP / "kernel/uapi/cells"


def _header():
    text = re.sub(r"/\*.*?\*/", "", (UAPI / "devns.h").read_text(), flags=re.S)
    enums = {}
    for name, body in re.findall(r"enum (\w+) \{(.*?)\}", text, re.S):
        enums[name] = {symbol.strip(): n for n, symbol in enumerate(body.split(",")) if symbol.strip()}
    return enums


def _classes():
    return {name: n for n, name in enumerate(re.findall(r'X\(\w+, "([\w-]+)"', (UAPI / "class.h").read_text()))}


_ENUMS = _header()
CMD = {k.removeprefix("DEVNS_CMD_"): v for k, v in _ENUMS["devns_cmd"].items()}
ATTR = {k.removeprefix("DEVNS_A_"): v for k, v in _ENUMS["devns_attr"].items()}
KIND = {k.removeprefix("DEVNS_KIND_").lower(): v for k, v in _ENUMS["devns_kind"].items()}
EVENT = {v: k.removeprefix("DEVNS_EVENT_").lower() for k, v in _ENUMS["devns_event"].items()}
CLASS = _classes()
NAME_OF = {v: k for k, v in ATTR.items()}
USE = {"none": 0, "front": 1, "any": 2}
MODES = {"none": ("none", 0), "exclusive": ("front", 1), "shared": ("any", 0)}

TEXT = {"NAME", "NODE", "COMM"}
NESTED = {"RIGHTS", "RIGHT", "CUTS", "CUT"}
WIDTH = {"GENERATION": "Q", "USE": "B", "BLOCK": "B", "ACTIVE": "", "ALLOWED": "B"}
REPEATED = {"CUTS", "CUT"}
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NETLINK_EXT_ACK, NETLINK_CAP_ACK = 270, 1, 11, 10
CTRL = {"id": 1, "name": 2, "mcast": 7, "mcast_name": 1, "mcast_id": 2}


class Refused(OSError):
    """What the kernel said no to: errno, the message, and the attribute it names."""

    def __init__(self, code, why, at):
        super().__init__(code, f"{os.strerror(code)}: {why}")
        self.why, self.at = why, at


def attr(number, data):
    pad = -len(data) % 4
    return struct.pack("=HH", 4 + len(data), number) + data + b"\0" * pad


def split(data):
    at = 0
    while at + 4 <= len(data):
        length, number = struct.unpack_from("=HH", data, at)
        if length < 4:
            break
        yield number & 0x3FFF, data[at + 4:at + length]
        at += (length + 3) & ~3


def pack(name, value):
    if name in TEXT:
        return attr(ATTR[name], value.encode() + b"\0")
    if name in NESTED:
        return attr(ATTR[name] | 0x8000, b"".join(pack(n, v) for n, v in value))
    return attr(ATTR[name], struct.pack("=" + WIDTH.get(name, "I"), value))


def unpack(data):
    out = {}
    for number, body in split(data):
        name = NAME_OF.get(number, number)
        if name in TEXT:
            value = body.rstrip(b"\0").decode()
        elif name in NESTED:
            value = unpack(body)
        else:
            value = int.from_bytes(body, "little") if body else True
        if name in REPEATED:
            out.setdefault(name, []).append(value)
        elif name != "PAD":
            out[name] = value
    return out


class Netlink:
    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
        self.sock.bind((0, 0))
        self.sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self.seq = 0
        self.family, self.group = self._resolve()

    def close(self):
        self.sock.close()

    def _resolve(self):
        body = attr(CTRL["name"], b"devns\0")
        found = dict(split(self._talk(16, struct.pack("=BBH", 3, 1, 0) + body, 0)[0]))
        groups = [dict(split(g)) for _, g in split(found[CTRL["mcast"]])]
        return (int.from_bytes(found[CTRL["id"]], "little"),
                int.from_bytes(groups[0][CTRL["mcast_id"]], "little"))

    def _talk(self, family, body, flags):
        """Sends one request; answers the attributes of each message that came."""
        self.seq += 1
        self.sock.send(struct.pack("=IHHII", 16 + len(body), family, NLM_F_REQUEST | NLM_F_ACK | flags,
                                   self.seq, 0) + body)
        answers = []
        while True:
            data = self.sock.recv(1 << 18)
            at = 0
            while at + 16 <= len(data):
                length, kind, mflags, seq, _ = struct.unpack_from("=IHHII", data, at)
                message = data[at + 16:at + length]
                at += (length + 3) & ~3
                if seq != self.seq:
                    continue
                if kind == 2:
                    self._verdict(message, mflags)
                    return answers
                if kind == 3:
                    return answers
                answers.append(message[4:])

    @staticmethod
    def _verdict(message, flags):
        code = -struct.unpack_from("=i", message)[0]
        if not code:
            return
        why, at = "", None
        if flags & 0x200:
            skip = 20 if flags & 0x100 else 4 + struct.unpack_from("=I", message, 4)[0]
            for number, body in split(message[skip:]):
                if number == 1:
                    why = body.rstrip(b"\0").decode()
                elif number == 2:
                    at = int.from_bytes(body, "little")
        raise Refused(code, why, at)

    def ask(self, command, *attrs, dump=False, raw=b""):
        body = struct.pack("=BBH", CMD[command], 1, 0) + b"".join(pack(n, v) for n, v in attrs) + raw
        return [unpack(m) for m in self._talk(self.family, body, NLM_F_DUMP if dump else 0)]

    # -- the commands, by name
    def ns_add(self, name):
        return self.ask("NS_ADD", ("NAME", name))[0]["ID"]

    def ns_del(self, number):
        self.ask("NS_DEL", ("ID", number))

    def namespaces(self):
        return self.ask("NS_GET", dump=True)

    def source_add(self, node, classes, kind, devt=None):
        attrs = [("NODE", node), ("KIND", KIND.get(kind, kind)),
                 ("CLASSES", classes if isinstance(classes, int) else sum(1 << CLASS[c] for c in classes))]
        if devt is not None:
            attrs += [("MAJOR", os.major(devt)), ("MINOR", os.minor(devt))]
        return self.ask("DEVICE_ADD", *attrs)[0]["SOURCE"]

    def give(self, path, classes, kind="cut"):
        """A real node as a source, under its own name."""
        return self.source_add(path.removeprefix("/dev/"), classes, kind, os.stat(path).st_rdev)

    def source_del(self, number):
        self.ask("DEVICE_DEL", ("SOURCE", number))

    def sources(self):
        return self.ask("DEVICE_GET", dump=True)

    def endpoints(self, *attrs):
        return self.ask("ENDPOINT_GET", *attrs, dump=True)

    def stats(self, *attrs):
        return self.ask("STAT_GET", *attrs, dump=True)

    def policy(self, generation, table):
        """table: {ns: {class: mode}}."""
        rights = []
        for ns, modes in table.items():
            for name, mode in modes.items():
                use, block = MODES[mode] if isinstance(mode, str) else mode
                rights.append(("RIGHT", [("ID", ns), ("CLASS", CLASS[name]), ("USE", USE.get(use, use)),
                                         ("BLOCK", block)]))
        parts = [("RIGHTS", rights[i:i + 1000]) for i in range(0, len(rights), 1000)]
        return self.ask("POLICY_SET", ("GENERATION", generation), *parts)[0]

    def activate(self, expected, number):
        return self.ask("ACTIVE_SET", ("EXPECTED", expected), ("ID", number))[0]

    def reset(self):
        for ns in self.namespaces():
            self.ns_del(ns["ID"])
        for source in self.sources():
            self.source_del(source["SOURCE"])


class Audit(Netlink):
    """A member of the audit group."""

    def __init__(self, size=1 << 22):
        super().__init__()
        self.sock.setsockopt(socket.SOL_SOCKET, 33, size)  # SO_RCVBUFFORCE
        self.sock.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, self.group)

    def events(self, seconds=0.3):
        """What comes until nothing has come for a while."""
        self.sock.settimeout(seconds)
        out = []
        while True:
            try:
                data = self.sock.recv(1 << 16)
            except (TimeoutError, BlockingIOError):
                return out
            except OSError as e:
                if e.errno != errno.ENOBUFS:
                    raise
                continue
            at = 0
            while at + 20 <= len(data):
                length = struct.unpack_from("=I", data, at)[0]
                event = unpack(data[at + 20:at + length])
                event["EVENT"] = EVENT[event["EVENT"]]
                out.append(event)
                at += (length + 3) & ~3


def cuts(answer):
    """{(ns, class): cut} of an answer."""
    names = list(CLASS)
    return {(c["ID"], names[c["CLASS"]]): c for nest in answer.get("CUTS", ()) for c in nest["CUT"]}


def serve():
    """Lines of [method, arguments] in, lines of JSON out: how a test on the host drives this."""
    client, audit = Netlink(), Audit()

    def table(what):
        return {int(k): v for k, v in what.items()}
    calls = {"policy": lambda generation, what: client.policy(generation, table(what)),
             "events": lambda *a: audit.events(*a)}
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        name, args = json.loads(line)
        try:
            answer = calls.get(name, getattr(client, name, None))(*args)
        except Refused as e:
            answer = {"refused": errno.errorcode[e.errno], "why": e.why, "at": e.at}
        except OSError as e:
            answer = {"refused": errno.errorcode[e.errno], "why": str(e), "at": None}
        print(json.dumps(answer), flush=True)


class No(Exception):
    """The kernel refused what a test asked for: errno's name, reason, whether an attribute is named."""

    def __init__(self, code, why, at):
        super().__init__(f"{code}: {why}")
        self.code, self.why, self.at = code, why, at


class Remote:
    """serve() on the phone: the methods of Netlink, and `events`, are methods here."""

    def __init__(self, phone):
        self.phone, self.generation = phone, 0
        self.again()

    def again(self):
        """A new client; the old one has ended."""
        self.job = self.phone.spawn(["/usr/bin/python3", __file__])
        assert json.loads(self.job.line()) == "ready"
        self.front = 0

    def __getattr__(self, name):
        def call(*args):
            self.job.send(json.dumps([name, args]) + "\n")
            answer = json.loads(self.job.line())
            if isinstance(answer, dict) and "refused" in answer:
                raise No(answer["refused"], answer["why"], answer["at"])
            return answer
        return call

    def rights(self, table):
        """A new policy: {ns: {class: mode}}; answers {(ns, class): cut}."""
        self.generation += 1
        return cuts(self.policy(self.generation, table))

    def to(self, number):
        """Switches the foreground; answers {(ns, class): cut}."""
        answer = self.activate(self.front, number)
        self.front = number
        return cuts(answer)

    def clean(self):
        self.reset()
        self.front = 0
        self.events(0.05)

    def end(self):
        self.job.eof()
        self.job.wait()


if __name__ == "__main__":
    serve()
