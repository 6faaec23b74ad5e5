# SPDX-License-Identifier: Apache-2.0
"""A switch of the foreground, as cellsd measures it and as the caller sees it."""
import contextlib
import time

import harness
from bench import Side
from busclient import BusClient
from plant import Plant

NAME = "switch"
WORK = "foreground switch between two running VPs, request to done (no display here)"
ROUNDS = 100
LIMIT = "the aim is under 5 ms; a frame lasts 16.7 ms"


@contextlib.contextmanager
def sides():
    with harness.World() as world:
        plant = Plant(world)
        bus = BusClient(plant.phone.bus.address, "cells-policy")
        world.closers.append(bus.close)
        names = ["work", "personal"]

        def turn():
            names.reverse()
            return bus.call("Device1", "Switch", names[0])[0]

        def whole():
            turn()

        def pause():
            """The receipt of the switch before is signed, sent and stored by then."""
            time.sleep(0.1)
        yield [Side("in cellsd", lambda: turn() / 1e9, ours=True, before=pause),
               Side("as the caller sees it", whole, before=pause)]
