# SPDX-License-Identifier: Apache-2.0
"""A real server and simulated devices, for the rows that are about fleets."""
import contextlib
import json
import os
import subprocess
import time

import harness
from mgmtd import Mgmtd, group_of_nothing


class Fleet:
    def __init__(self, world, devices):
        self.devices = int(os.environ.get("CELLS_BENCH_DEVICES", devices))
        self.server = Mgmtd(world)
        self.version = 1
        group_of_nothing(self.server)
        self.state = world.folder / "sim.json"
        self.sim("--uri", self.server.uri(uses=self.devices), "--devices", self.devices, "enroll")

    def argv(self, *args):
        return [harness.program("cells-sim"), "--state", self.state, *map(str, args)]

    def sim(self, *args):
        r = subprocess.run(self.argv(*args), check=True, capture_output=True, text=True)
        return json.loads(r.stdout)

    @property
    def pid(self):
        return self.server.process.child.pid

    def publish(self):
        """A new policy for all of them; the moment when it was submitted."""
        self.version += 1
        org = self.server.org
        policy = org.policy("baseline", self.version, {"work": [("*", "none"), ("camera", "shared")]})
        group = org.group("field", self.version, [policy])
        self.server.submit(policy)
        start = time.monotonic_ns()
        self.server.submit(group)
        return start

    def fan_out(self):
        """Seconds from the submission until each device's receipt was acknowledged."""
        with subprocess.Popen(self.argv("fanout"), stdout=subprocess.PIPE, text=True) as p:
            json.loads(p.stdout.readline())
            start = self.publish()
            end = json.loads(p.stdout.readline())
        if end["answered"] != end["devices"]:
            raise OSError(f"{end['answered']} of {end['devices']} devices answered")
        return (end["last_ns"] - start) / 1e9


@contextlib.contextmanager
def fleet(devices):
    with harness.World() as world:
        yield Fleet(world, devices)
