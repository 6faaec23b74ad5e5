# SPDX-License-Identifier: Apache-2.0
"""What the tests of the display share: the programs that paint, and how their
pictures look on the screen."""
import pathlib
import re

from emulator import Failed, Screen
from talk import Refused, Talk  # noqa: F401

PAINTER = pathlib.Path(__file__).parent / "painter.py"
EXCLUSIVE, NONE = {"display": "exclusive"}, {"display": "none"}


class Painter(Talk):
    """painter.py on the phone, or in a VP on it."""

    def __init__(self, phone, argv=("/usr/bin/python3", PAINTER)):
        super().__init__(phone, argv)
        self.generation = 0

    def rights(self, **table):
        self.generation += 1
        ids = {"one": self.one, "two": self.two}
        return self.policy(self.generation, {ids[k]: v for k, v in table.items()})


def start(phone, module):
    """The module loaded, and a painter that talks to it."""
    phone.run("echo 0 >/sys/class/graphics/fbcon/cursor_blink; dmesg -n 1; modprobe drm_kms_helper")
    phone.insmod(module)
    painter = Painter(phone)
    painter.load()
    return painter


def end(painter):
    painter.reset()
    painter.job.eof()
    painter.phone.run("rmmod devns")


def prepare(agent, path):
    """Two namespaces, each with a program that has its framebuffer open, the host in front."""
    agent.reset()
    agent.front = 0
    ids, agent.source = agent.give(path, "one", "two")
    agent.one, agent.two = ids["one"], ids["two"]
    agent.rights(one=EXCLUSIVE, two=EXCLUSIVE)
    for name, number in ids.items():
        width, height, agent.bytes, _ = agent.use(name, agent.node(number, agent.source))
    agent.width, agent.height = width, height
    return agent


def expected(agent, owner, frame):
    return Screen(agent.width, agent.height,
                  b"".join(bytes(((5 * frame) & 255, owner, (y + 3 * frame) & 255)) * agent.width
                           for y in range(agent.height)))


def drm_client(phone):
    """A program of the host's that is master of the card and shows a picture of its own until it reads a line; the picture."""
    said = phone.run("modetest -M virtio_gpu -c").out
    connector = re.search(r"^(\d+)\s+\d+\s+connected", said, re.M)[1]
    mode = re.search(r"^\s+#0 (\S+)", said, re.M)[1]
    before = theirs = phone.screen()
    client = phone.spawn(f"exec modetest -M virtio_gpu -s {connector}:{mode}")
    for _ in range(100):
        phone.pause(0.2)
        last, theirs = theirs, phone.screen()
        if theirs == last != before:
            return client, theirs
    raise Failed("the program shows nothing")


def same(shot, want, what=""):
    assert (shot.width, shot.height) == (want.width, want.height)
    assert shot == want, f"{what}: {shot.different(want)} pixels differ"
