# SPDX-License-Identifier: Apache-2.0
"""A whole device on the emulated phone: the module, a camera, sound, and the daemons
under their real users. It answers as harness.Device does for one on this machine."""
import contextlib
import json
import pathlib
import shlex
import subprocess
import sys

import emulator
import kernel

sys.path.insert(0, str(kernel.TOP / "tests/e2e"))

import harness  # noqa: E402

DRIVERS = (("vivid", "n_devs=1", "node_types=0x1"), ("snd-dummy",))


class Hold:
    """A program in a VP that goes on."""

    def __init__(self, job):
        self.job = job
        self.line = job.line

    def wait(self, seconds=60):
        """Its exit code and all that it said."""
        answer = self.job.wait(seconds)
        return answer.rc, answer.out


class Handset:
    """The server is on this machine: the phone knows it as SERVER."""

    SERVER = "10.0.2.2"

    def __init__(self, **options):
        self.phone = emulator.Phone(kernel.chosen(), memory="3G", **options)
        try:
            self._start()
        except BaseException:
            self.phone.close()
            raise

    def _start(self):
        phone = self.phone
        for name, *parameters in DRIVERS:
            with contextlib.suppress(kernel.Skip):
                phone.modprobe(name, *parameters)
        phone.insmod()
        phone.udev()
        self.daemons = phone.spawn(f"CELLS_BUILD={phone.kernel.programs()} exec /usr/bin/python3 {kernel.TOP}/tests/lab/device.py")
        said = json.loads(self.daemons.line(120))
        if "failed" in said:
            raise kernel.Failed(said["failed"])
        self.address, self.logs = said["bus"], said["logs"]

    def command(self, argv, check=True, stdin=None, user=None, seconds=120):
        """A command on the phone, with its two outputs apart."""
        who = ["runuser", "-u", user, "--"] if user else []
        line = shlex.join(str(a) for a in [*who, "env", f"DBUS_SYSTEM_BUS_ADDRESS={self.address}", *argv])
        feed = f"printf %s {shlex.quote(stdin)} | " if stdin else ""
        answer = self.phone.run(f"e=$(mktemp); {feed}{line} 2>$e; rc=$?; printf '\\0'; cat $e; rm $e; exit $rc",
                                seconds, check=False)
        out, err = answer.out.split("\0", 1)
        if check and answer.rc != 0:
            raise harness.Failed(f"{line[:300]}: exit {answer.rc}\n{out}{err}")
        return subprocess.CompletedProcess(argv, answer.rc, out, err)

    def ctl(self, *args, check=True, stdin=None, user=None):
        return self.command([harness.program("cellsctl"), *args], check, stdin, user)

    def hold(self, vp, script):
        argv = ["env", f"DBUS_SYSTEM_BUS_ADDRESS={self.address}", harness.program("cellsctl"), "exec", vp, "--",
                "sh", "-c", script]
        return Hold(self.phone.spawn(argv))

    def policy(self, method, signature="", *args):
        """busctl as the agent; the list of the answer's values."""
        more = [signature, "--", *args] if signature else []
        r = self.command(["busctl", f"--address={self.address}", "--json=short", "call", "org.cells.Policy1",
                          "/org/cells/Policy1", "org.cells.Policy1", method, *more], user="cells-agent")
        return json.loads(r.stdout)["data"]

    def submit(self, envelope):
        return self.policy("Submit", "ay", *harness.bytes_args(envelope))

    def status(self):
        return json.loads(self.policy("Status")[0])

    def tails(self):
        for name, log in self.logs.items():
            yield name, self.phone.run(f"tail -n 12 {log}", check=False).out
        yield "console", self.phone.tail(12)

    def fetch(self, path):
        """A small text file of the phone."""
        return self.phone.run(["cat", path]).out

    def picture(self, path):
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.phone.qmp.shot(path)

    def close(self):
        self.phone.close()
