# SPDX-License-Identifier: Apache-2.0
"""D-Bus calls with descriptors, which busctl cannot pass: libsystemd's sd-bus by ctypes."""
import contextlib
import ctypes
import json
import os
import pwd
import socket

LIB = ctypes.CDLL("libsystemd.so.0", use_errno=True)
BASIC = {"y": ctypes.c_uint8, "b": ctypes.c_int, "n": ctypes.c_int16, "q": ctypes.c_uint16, "i": ctypes.c_int32,
         "u": ctypes.c_uint32, "x": ctypes.c_int64, "t": ctypes.c_uint64, "d": ctypes.c_double, "h": ctypes.c_int}
OPEN_OF = {"a": b"a", "(": b"r", "{": b"e"}


class Error(Exception):
    def __init__(self, name, text):
        super().__init__(f"{name}: {text}")
        self.name, self.text = name, text


class SdBusError(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("message", ctypes.c_char_p), ("need_free", ctypes.c_int)]


def check(r):
    if r < 0:
        raise OSError(-r, os.strerror(-r))
    return r


def split(signature):
    """The first complete type of a signature, and the rest."""
    if signature[0] == "a":
        head, rest = split(signature[1:])
        return "a" + head, rest
    if signature[0] in "({":
        depth = 0
        for i, c in enumerate(signature):
            depth += (c in "({") - (c in ")}")
            if depth == 0:
                return signature[:i + 1], signature[i + 1:]
    return signature[0], signature[1:]


def append(m, signature, values):
    values = list(values)
    while signature:
        head, signature = split(signature)
        put(m, head, values.pop(0))


def put(m, kind, value):
    if kind in BASIC:
        check(LIB.sd_bus_message_append_basic(m, ctypes.c_char(kind.encode()), ctypes.byref(BASIC[kind](value))))
    elif kind in "sog":
        check(LIB.sd_bus_message_append_basic(m, ctypes.c_char(kind.encode()), ctypes.c_char_p(value.encode())))
    elif kind == "v":
        inner, value = value
        check(LIB.sd_bus_message_open_container(m, ctypes.c_char(b"v"), inner.encode()))
        append(m, inner, [value])
        check(LIB.sd_bus_message_close_container(m))
    else:
        inner = kind[1:] if kind[0] == "a" else kind[1:-1]
        check(LIB.sd_bus_message_open_container(m, ctypes.c_char(OPEN_OF[kind[0]]), inner.encode()))
        if kind[0] == "a":
            items = value.items() if isinstance(value, dict) else value
            for item in items:
                append(m, inner, [item])
        else:
            append(m, inner, value)
        check(LIB.sd_bus_message_close_container(m))


def get(m, kind):
    if kind in BASIC:
        v = BASIC[kind]()
        check(LIB.sd_bus_message_read_basic(m, ctypes.c_char(kind.encode()), ctypes.byref(v)))
        return os.dup(v.value) if kind == "h" else v.value
    if kind in "sog":
        v = ctypes.c_char_p()
        check(LIB.sd_bus_message_read_basic(m, ctypes.c_char(kind.encode()), ctypes.byref(v)))
        return v.value.decode()
    if kind == "v":
        t, inner = ctypes.c_char(), ctypes.c_char_p()
        check(LIB.sd_bus_message_peek_type(m, ctypes.byref(t), ctypes.byref(inner)))
        inner = inner.value.decode()
        check(LIB.sd_bus_message_enter_container(m, ctypes.c_char(b"v"), inner.encode()))
        value = get(m, inner)
        check(LIB.sd_bus_message_exit_container(m))
        return value
    inner = kind[1:] if kind[0] == "a" else kind[1:-1]
    check(LIB.sd_bus_message_enter_container(m, ctypes.c_char(OPEN_OF[kind[0]]), inner.encode()))
    value = []
    if kind[0] == "a":
        while not LIB.sd_bus_message_at_end(m, 0):
            value.append(get(m, inner))
        if inner[0] == "{":
            value = dict(value)
    else:
        while inner:
            head, inner = split(inner)
            value.append(get(m, head))
    check(LIB.sd_bus_message_exit_container(m))
    return value


def call_here(address, interface, method, signature, args, seconds):
    bus, m, reply = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    error = SdBusError()
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = address
    check(LIB.sd_bus_open_system(ctypes.byref(bus)))
    name = f"org.cells.{interface}"
    check(LIB.sd_bus_message_new_method_call(bus, ctypes.byref(m), name.encode(), f"/org/cells/{interface}".encode(),
                                             name.encode(), method.encode()))
    append(m, signature, args)
    r = LIB.sd_bus_call(bus, m, ctypes.c_uint64(seconds * 1000000), ctypes.byref(error), ctypes.byref(reply))
    if r < 0:
        raise Error((error.name or b"").decode(), (error.message or os.strerror(-r).encode()).decode())
    LIB.sd_bus_message_get_signature.restype = ctypes.c_char_p
    answer, rest = [], LIB.sd_bus_message_get_signature(reply, 1).decode()
    fds = []
    while rest:
        head, rest = split(rest)
        value = get(reply, head)
        if head == "h":
            fds.append(value)
        answer.append(value)
    return answer, fds


def become(user):
    if user == "root":
        return
    entry = pwd.getpwnam(user)
    os.setgroups(os.getgrouplist(user, entry.pw_gid))
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)


@contextlib.contextmanager
def owned(address, user, interface):
    """Somebody who has the name, and does nothing with it."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        try:
            become(user)
            os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = address
            bus = ctypes.c_void_p()
            check(LIB.sd_bus_open_system(ctypes.byref(bus)))
            check(LIB.sd_bus_request_name(bus, f"org.cells.{interface}".encode(), ctypes.c_uint64(0)))
            theirs.send(b"1")
            theirs.recv(1)
        finally:
            os._exit(0)
    theirs.close()
    try:
        if not ours.recv(1):
            raise Error("", f"{user} cannot take the name of {interface}")
        yield
    finally:
        ours.close()
        os.waitpid(pid, 0)


def call(address, user, interface, method, signature="", *args, seconds=60):
    """Calls as that user, in a process of its own. A single value of the answer comes alone; a descriptor is one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        fds = []
        try:
            become(user)
            answer, fds = call_here(address, interface, method, signature, args, seconds)
            text = json.dumps({"answer": answer})
        except Error as e:
            text = json.dumps({"name": e.name, "text": e.text})
        except BaseException as e:  # a child has nobody to raise to
            text = json.dumps({"name": "", "text": repr(e)})
        socket.send_fds(theirs, [text.encode()], fds)
        os._exit(0)
    theirs.close()
    text, fds, _, _ = socket.recv_fds(ours, 1 << 20, 4)
    ours.close()
    os.waitpid(pid, 0)
    answer = json.loads(text)
    if "answer" not in answer:
        raise Error(answer["name"], answer["text"])
    if fds:
        return fds[0]
    values = answer["answer"]
    return values[0] if len(values) == 1 else (tuple(values) or None)
