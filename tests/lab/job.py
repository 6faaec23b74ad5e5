# SPDX-License-Identifier: Apache-2.0
"""Runs on the phone what the host asks for, over a virtio port of its own.

A line from the host is {"id": N, ...} with one of "run" (a shell command), "in"
(text for its standard input), "eof" and "kill" (a signal for its process group).
A line to the host is {"id": N, "out": text} or, last, {"id": N, "rc": code}.
Several run side by side. Text is bytes as Latin-1, so nothing is lost."""
import contextlib
import glob
import json
import os
import selectors
import subprocess
import time

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def port():
    for _ in range(200):
        for name in glob.glob("/sys/class/virtio-ports/*/name"):
            with open(name, encoding="ascii") as f:
                if f.read().strip() == "cells.job":
                    return os.open("/dev/" + name.split("/")[-2], os.O_RDWR)
        time.sleep(0.05)
    raise SystemExit("lab: the phone has no port for jobs")


class Jobs:
    def __init__(self):
        self.fd = port()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.fd, selectors.EVENT_READ, (self.asked, None))
        self.jobs = {}

    def tell(self, **line):
        data = json.dumps(line).encode() + b"\n"
        while data:
            data = data[os.write(self.fd, data):]

    def start(self, n, command):
        p = subprocess.Popen(["/bin/sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, start_new_session=True, cwd=TOP)
        os.set_blocking(p.stdout.fileno(), False)
        self.jobs[n] = p
        self.selector.register(p.stdout, selectors.EVENT_READ, (self.wrote, n))
        p.pidfd = os.pidfd_open(p.pid)
        self.selector.register(p.pidfd, selectors.EVENT_READ, (self.ended, n))

    def wrote(self, n):
        """Passes on what is there; answers if there may be more later."""
        with contextlib.suppress(BlockingIOError):
            while True:
                data = os.read(self.jobs[n].stdout.fileno(), 65536)
                if not data:
                    break
                self.tell(id=n, out=data.decode("latin-1"))
            self.selector.unregister(self.jobs[n].stdout)
            self.jobs[n].silent = True

    def ended(self, n):
        """Its children may live on and hold the pipe: they are not waited for."""
        p = self.jobs[n]
        rc = p.wait()
        if not getattr(p, "silent", False):
            self.wrote(n)
        with contextlib.suppress(KeyError):
            self.selector.unregister(p.stdout)
        self.selector.unregister(p.pidfd)
        os.close(p.pidfd)
        p.stdout.close()
        with contextlib.suppress(OSError):
            p.stdin.close()
        del self.jobs[n]
        self.tell(id=n, rc=rc)

    def obey(self, line):
        n = line["id"]
        if "run" in line:
            self.start(n, line["run"])
            return
        p = self.jobs.get(n)
        if not p:
            return
        with contextlib.suppress(OSError):
            if "in" in line:
                os.write(p.stdin.fileno(), line["in"].encode("latin-1"))
            elif "eof" in line:
                p.stdin.close()
            elif "kill" in line:
                os.killpg(p.pid, line["kill"])

    def asked(self, _):
        self.text += os.read(self.fd, 65536)
        *lines, self.text = self.text.split(b"\n")
        for line in lines:
            self.obey(json.loads(line))

    text = b""

    def loop(self):
        while True:
            for key, _ in self.selector.select():
                act, n = key.data
                if n is None or n in self.jobs:
                    act(n)


if __name__ == "__main__":
    Jobs().loop()
