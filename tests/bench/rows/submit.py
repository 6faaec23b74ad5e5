# SPDX-License-Identifier: Apache-2.0
"""A signed policy posted to the server, until the device's receipt is verified there."""
import contextlib
import time

import harness
from bench import Side
from plant import Plant

NAME = "submit"
WORK = "REST submit of a policy to the verified receipt, device connected, two VPs running"
ROUNDS = 40
LIMIT = "the aim is a median under 60 ms"


@contextlib.contextmanager
def sides():
    with harness.World() as world:
        plant = Plant(world)
        state = {}

        def prepare():
            time.sleep(0.05)
            state["policy"] = plant.policy()
            state["applied"] = len(plant.server.receipts(plant.device, type="applied"))
            while not plant.events.empty():
                plant.events.get()

        def run():
            start = time.perf_counter()
            plant.server.submit(state["policy"])
            plant.wait(lambda e: e.get("type") == "receipt" and "applied" in str(e))
            return time.perf_counter() - start
        yield [Side("cells", run, ours=True, before=prepare)]
