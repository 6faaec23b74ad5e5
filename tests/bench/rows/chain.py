# SPDX-License-Identifier: Apache-2.0
"""How long a handle outlives the policy that takes it, in the lab's emulated phone with the module."""
import contextlib
import json
import pathlib
import sys

from bench import Side, Skip

LAB = pathlib.Path(__file__).resolve().parents[2] / "lab"

NAME = "chain"
WORK = "a policy that takes the camera: from its submission at the server to the last handle and mapping dead (emulated phone)"
ROUNDS = 9
LIMIT = "all by the kernel's clock; server and device share the emulated phone"


@contextlib.contextmanager
def sides():
    sys.path.insert(0, str(LAB))
    import emulator
    import kernel
    import vpphone
    try:
        phone = emulator.Phone(kernel.chosen())
    except kernel.Skip as e:
        raise Skip(str(e)) from e
    with phone:
        phone.run("true", 120)
        vpphone.prepare(phone, phone.kernel.module())
        rounds = phone.spawn(f"{vpphone.environment(phone)} /usr/bin/python3 {vpphone.INSIDE}/chain.py {ROUNDS}")
        seen = []

        def next_round():
            seen.append(json.loads(rounds.line(300)))
            return seen[-1]["chain"]
        yield [Side("until it is dead", next_round, ours=True),
               Side("server has answered", lambda: seen[-1]["answered"]),
               Side("device, by its receipt", lambda: seen[-1]["receipt"])]
