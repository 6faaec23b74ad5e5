# SPDX-License-Identifier: Apache-2.0
"""typist.py on the phone, as an object of the test on the host."""
import json
import pathlib

TYPIST = pathlib.Path(__file__).parent / "typist.py"


class Refused(Exception):
    """What the phone's kernel said no to: the name of the errno, and its words."""


class Typist:
    """typist.py's functions are methods here."""

    def __init__(self, phone):
        self.phone, self.front = phone, 0
        self.job = phone.spawn(["/usr/bin/python3", TYPIST])

    def __getattr__(self, name):
        def call(*args):
            self.job.send(json.dumps([name, *args]) + "\n")
            answer = json.loads(self.job.line(30))
            if isinstance(answer, dict) and "errno" in answer:
                raise Refused(answer["errno"], answer["why"])
            return answer
        return call

    def to(self, number):
        """Switches the foreground."""
        took = self.switch(self.front, number)
        self.front = number
        return took


def typist(booted, module):
    """For a fixture: the module loaded and a typist, and all gone at the end."""
    booted.run("modprobe uinput; dmesg -n 5")
    booted.insmod(module)
    t = Typist(booted)
    t.load()
    yield t
    t.reset()
    t.job.eof()
    booted.run("rmmod devns")
