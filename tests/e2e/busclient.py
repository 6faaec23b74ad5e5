# SPDX-License-Identifier: Apache-2.0
"""Calls D-Bus methods as another user, with descriptors, over one connection.

    agent = BusClient(bus.address, "cells-agent")
    agent.call("Policy1", "Submit", bytes)       # bytes become ay; File(bytes) an fd
    agent.signals                                # (member, arguments) heard so far

Run as a program it is the child that holds the connection: JSON lines in and out.
"""
import base64
import json
import os
import pathlib
import pwd
import subprocess
import sys
import threading


class Failed(Exception):
    """A method answered with an error: name without org.cells.Error., and text."""

    def __init__(self, name, text):
        super().__init__(f"{name}: {text}")
        self.name, self.text = name.replace("org.cells.Error.", ""), text


class File(bytes):
    """Is passed as a descriptor of a file with these bytes."""


def pack(value):
    if isinstance(value, File):
        return {"fd": base64.b64encode(value).decode()}
    if isinstance(value, bytes):
        return {"ay": base64.b64encode(value).decode()}
    if isinstance(value, int):
        return {"n": value}
    return {"s": value}


class BusClient:
    def __init__(self, address, user=None):
        who = {}
        if user and user != "root":
            entry = pwd.getpwnam(user)
            who = {"user": entry.pw_uid, "group": entry.pw_gid,
                   "extra_groups": os.getgrouplist(user, entry.pw_gid)}
        self.child = subprocess.Popen([sys.executable, pathlib.Path(__file__), address],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **who)
        self.signals = []
        self.answers = []
        self.arrived = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            o = json.loads(line)
            with self.arrived:
                (self.signals if "signal" in o else self.answers).append(o)
                self.arrived.notify_all()

    def send(self, name, method, *args):
        """Sends a call; its answer is taken by answer()."""
        self.child.stdin.write(json.dumps({"name": name, "method": method,
                                           "args": [pack(a) for a in args]}) + "\n")
        self.child.stdin.flush()

    def answer(self, seconds=120):
        with self.arrived:
            if not self.arrived.wait_for(lambda: self.answers, seconds):
                raise Failed("timeout", "no answer")
            o = self.answers.pop(0)
        if "error" in o:
            raise Failed(o["error"], o["text"])
        return o["values"]

    def call(self, name, method, *args):
        self.send(name, method, *args)
        return self.answer()

    def heard(self, what):
        """Was Pending(what) signalled?"""
        with self.arrived:
            return any(s["args"] == [what] for s in self.signals)

    def close(self):
        self.child.stdin.close()
        self.child.wait(20)


# Where the number's type is not uint64.
SIGNATURES = {"Wants": "u", "Receipts": "tu"}


def child(address):
    import dbus
    import dbus.mainloop.glib
    from gi.repository import GLib

    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    bus = dbus.bus.BusConnection(address)
    lock = threading.Lock()

    def say(o):
        with lock:
            print(json.dumps(o), flush=True)

    def plain(v):
        if isinstance(v, (dbus.Array, list)) and getattr(v, "signature", None) == "y":
            return base64.b64encode(bytes(bytearray(v))).decode()
        if isinstance(v, (list, tuple)):
            return [plain(x) for x in v]
        if isinstance(v, dict):
            return {str(k): plain(x) for k, x in v.items()}
        if isinstance(v, dbus.Boolean):
            return bool(v)
        if isinstance(v, int):
            return int(v)
        return str(v)

    def unpack(a):
        (kind, value), = a.items()
        if kind == "ay":
            return dbus.ByteArray(base64.b64decode(value))
        if kind == "fd":
            fd = os.memfd_create("file")
            os.write(fd, base64.b64decode(value))
            return dbus.types.UnixFd(fd)
        return value

    def signature_of(a):
        return {"ay": "ay", "fd": "h", "s": "s", "n": "t"}[next(iter(a))]

    def take(line):
        o = json.loads(line)
        signature = SIGNATURES.get(o["method"], "".join(signature_of(a) for a in o["args"]))
        bus.call_async(f"org.cells.{o['name']}", f"/org/cells/{o['name']}", f"org.cells.{o['name']}", o["method"],
                       signature, [unpack(a) for a in o["args"]],
                       lambda *v: say({"values": plain(v)}),
                       lambda e: say({"error": e.get_dbus_name(), "text": e.get_dbus_message()}), timeout=300)

    def on_line(source, _condition):
        line = source.readline()
        if not line:
            loop.quit()
            return False
        take(line)
        return True

    bus.add_signal_receiver(lambda *a, member=None: say({"signal": member, "args": plain(a)}),
                            member_keyword="member", path="/org/cells/Policy1")
    GLib.io_add_watch(sys.stdin, GLib.IO_IN | GLib.IO_HUP, on_line)
    loop = GLib.MainLoop()
    loop.run()


if __name__ == "__main__":
    child(sys.argv[1])
