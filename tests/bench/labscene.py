# SPDX-License-Identifier: Apache-2.0
"""The emulated phone with devns, a camera, and one namespace that may use it, for
rows about what the module costs. Made by the first row, ended after the last."""
import pathlib
import sys

from bench import Skip

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))

import devns  # noqa: E402
from devns import cuts  # noqa: E402, F401
import emulator  # noqa: E402
import kernel  # noqa: E402

RIGHTS = {"camera": "shared", "sensors": "shared"}
NODE = {"read": "/dev/zero", "ioctl": "/dev/video0", "poll": "/dev/video0"}


class Scene:
    def __init__(self):
        self.phone = None

    def open(self):
        if self.phone:
            return
        try:
            self.phone = emulator.Phone(kernel.chosen(), memory="3G")
            self.phone.modprobe("vivid", "n_devs=1", "node_types=0x1")
            self.phone.insmod()
        except kernel.Skip as e:
            self.close()
            raise Skip(str(e)) from e
        self.devns = devns.Remote(self.phone)
        self.vp = self.devns.ns_add("vp")
        self.devns.give("/dev/video0", ["camera"])
        self.devns.give("/dev/zero", ["sensors"])
        self.devns.rights({self.vp: RIGHTS})
        self.program = self.phone.spawn([kernel.BUILD / "tests/lab/callcost"])

    def ask(self, command, seconds=300):
        self.program.send(command + "\n")
        answer = self.program.line(seconds)
        try:
            return float(answer) * 1e-9
        except ValueError:
            if answer != "ok":
                raise Skip(f"{command}: {answer}") from None
            return None

    def close(self):
        if self.phone:
            self.phone.close()
        self.phone = None


SCENE = Scene()
