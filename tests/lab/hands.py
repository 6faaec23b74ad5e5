# SPDX-License-Identifier: Apache-2.0
"""typist.py on the phone, as an object of the test on the host."""
import pathlib

from talk import Refused, Talk  # noqa: F401

TYPIST = pathlib.Path(__file__).parent / "typist.py"


def typist(booted, module):
    """For a fixture: the module loaded and a typist, and all gone at the end."""
    booted.run("modprobe uinput; dmesg -n 5")
    booted.insmod(module)
    t = Talk(booted, ["/usr/bin/python3", TYPIST], 30)
    t.load()
    yield t
    t.reset()
    t.job.eof()
    booted.run("rmmod devns")
