# SPDX-License-Identifier: Apache-2.0
"""Runs on the phone beside stress.c: policies, switches, namespaces and devices that come and
go at random, for so many seconds. Prints what it did. Any refusal is fine."""
import collections
import contextlib
import pathlib
import random
import sys
import time

import devns

DRIVER = pathlib.Path("/sys/bus/platform/drivers/vivid")
MODES = ("none", "shared", "exclusive")


def main(seconds, seed):
    chance = random.Random(seed)
    client = devns.Netlink()
    did = collections.Counter()
    generation = client.namespaces()[0]["GENERATION"]
    sources = {s["NODE"]: s["SOURCE"] for s in client.sources()}
    nodes = sorted(sources)

    def policy():
        nonlocal generation
        generation += 1
        client.policy(generation, {n["ID"]: {"camera": chance.choice(MODES)} for n in client.namespaces()})

    def switch():
        active = next((n["ID"] for n in client.namespaces() if n.get("ACTIVE")), 0)
        client.activate(active, chance.choice([0] + [n["ID"] for n in client.namespaces()]))

    def namespace():
        known = [n["ID"] for n in client.namespaces()]
        if len(known) > 3:
            client.ns_del(chance.choice(known[1:]))
        else:
            client.ns_add(f"vp{chance.randrange(1000)}")

    def give(node):
        """What could not be given yet is given the next time."""
        sources[node] = client.give("/dev/" + node, ["camera"])

    def take(node):
        number = sources.pop(node, None)
        if number is not None:
            with contextlib.suppress(OSError):  # it went with its device
                client.source_del(number)

    def unplug():
        node = chance.choice(nodes)
        take(node)
        time.sleep(chance.random() / 20)
        give(node)

    def unbind():
        """The driver goes from under every handle, and comes back."""
        (DRIVER / "unbind").write_text("vivid.0", encoding="ascii")
        time.sleep(chance.random() / 10)
        (DRIVER / "bind").write_text("vivid.0", encoding="ascii")
        for node in nodes:
            take(node)
            give(node)

    steps = [policy] * 10 + [switch] * 10 + [namespace] * 2 + [unplug] * 2 + [unbind]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        step = chance.choice(steps)
        try:
            step()
            did[step.__name__] += 1
        except OSError as e:
            did[f"{step.__name__} refused: {e}"] += 1
    print(dict(did))


main(float(sys.argv[1]), int(sys.argv[2]))
