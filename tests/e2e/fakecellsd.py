# SPDX-License-Identifier: Apache-2.0
"""Plays cellsd towards cells-policyd: a test answers each call, when it likes.

    cellsd = FakeCellsd(bus.address)
    cellsd.own()                                  # takes the name org.cells.Device1
    cellsd.answer(cellsd.await_call("Inventory"), "ssa(uas)", "none", "open", [])
    cellsd.members                                # of the calls that came

Run as a program it is the child that holds the connection: JSON lines in and out.
"""
import json
import pathlib
import subprocess
import sys
import threading

NAME = "org.cells.Device1"


class FakeCellsd:
    def __init__(self, address):
        self.child = subprocess.Popen([sys.executable, pathlib.Path(__file__), address],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.calls, self.asked, self.done = [], 0, 0
        self.arrived = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            o = json.loads(line)
            with self.arrived:
                if "call" in o:
                    self.calls.append((o["member"], o["call"]))
                else:
                    self.done += 1
                self.arrived.notify_all()

    def _do(self, **what):
        """Returns when the bus has it."""
        self.child.stdin.write(json.dumps(what) + "\n")
        self.child.stdin.flush()
        with self.arrived:
            self.asked += 1
            assert self.arrived.wait_for(lambda: self.done == self.asked, 20), what

    def own(self):
        self._do(do="own")

    def release(self):
        self._do(do="release")

    def answer(self, call, signature="", *args):
        self._do(do="answer", call=call, signature=signature, args=args)

    def fail(self, call, name="org.freedesktop.DBus.Error.NoReply"):
        self._do(do="fail", call=call, name=name)

    @property
    def members(self):
        with self.arrived:
            return [member for member, _ in self.calls]

    def await_call(self, member, seconds=60):
        """The call of that method that came last."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: self.calls and self.calls[-1][0] == member, seconds), self.calls
            return self.calls[-1][1]

    def close(self):
        self.child.stdin.close()
        self.child.wait(20)


def child(address):
    import dbus
    import dbus.lowlevel
    import dbus.mainloop.glib
    from gi.repository import GLib

    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    bus = dbus.bus.BusConnection(address)
    calls = {}

    def say(**o):
        print(json.dumps(o), flush=True)

    def on_message(_connection, m):
        if isinstance(m, dbus.lowlevel.MethodCallMessage) and m.get_interface() == NAME:
            calls[m.get_serial()] = m
            say(call=m.get_serial(), member=m.get_member())
            return dbus.lowlevel.HANDLER_RESULT_HANDLED
        return dbus.lowlevel.HANDLER_RESULT_NOT_YET_HANDLED

    def do(o):
        if o["do"] == "own":
            bus.request_name(NAME)
            return
        if o["do"] == "release":
            bus.release_name(NAME)
            return
        if o["do"] == "answer":
            m = dbus.lowlevel.MethodReturnMessage(calls[o["call"]])
            m.append(*o["args"], signature=o["signature"])
        else:
            m = dbus.lowlevel.ErrorMessage(calls[o["call"]], o["name"], "as a test wants it")
        bus.send_message(m)
        bus.get_name_owner(NAME)  # what was sent before it has arrived

    def on_line(source, _condition):
        line = source.readline()
        if not line:
            loop.quit()
            return False
        do(json.loads(line))
        say()
        return True

    bus.add_message_filter(on_message)
    GLib.io_add_watch(sys.stdin, GLib.IO_IN | GLib.IO_HUP, on_line)
    loop = GLib.MainLoop()
    loop.run()


if __name__ == "__main__":
    child(sys.argv[1])
