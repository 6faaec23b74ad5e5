# SPDX-License-Identifier: Apache-2.0
"""A policy and the snapshot that names it, from policyd's door to in force."""
import base64
import contextlib
import pathlib
import subprocess
import time

import forge
import harness
from bench import Side
from phone import Fleet, Phone

NAME = "verify"
WORK = "policy (2 signatures) and its snapshot (1): verify, parse, evaluate, activate"
ROUNDS = 40
LIMIT = "the aim is at most 1.5 x verifications + one fsync"
SIGNATURES = 3


class Ours:
    def __init__(self, world):
        self.phone = Phone(world)
        self.phone.enroll()
        self.fleet = Fleet(self.phone.org, self.phone.device)
        self.fleet.publish(self.phone)
        self.next = None

    def prepare(self):
        """The group is the one in force: it names a least version only."""
        policy = self.fleet.make("policy")
        self.next = self.fleet.snapshot(), policy

    def run(self):
        start = time.perf_counter()
        outcomes = [self.phone.submit(d) for d in self.next]
        took = time.perf_counter() - start
        if outcomes != [("staged", ""), ("accepted", "")]:
            raise OSError(f"policyd said {outcomes}")
        return took

    def cpu(self):
        """The daemon's own part: its time on a processor, as the kernel counts it. Waiting for the disk is not in it."""
        pid = self.phone.policyd.child.pid
        before = schedstat(pid)
        self.run()
        return schedstat(pid) - before

    def nothing(self):
        """What the same client and bus take for two calls that do nothing."""
        for _ in self.next:
            self.phone.agent.call("Policy1", "Audit", 2**62)


def schedstat(pid):
    """Seconds on a processor (Documentation/scheduler/sched-stats)."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def tools(world, org):
    """openssl and xmllint as separate runs over the same bytes."""
    folder = world.subfolder("tools")
    policy = org.policy("baseline", 1, {"work": [("camera", "shared")]})
    commands = []
    for n, row in enumerate(policy.signatures + policy.signatures[:1]):
        signer = next(s for s in org.keys["policy"] if s.keyid == row["keyid"])
        (folder / "pae").write_bytes(forge.pae(policy.ptype, policy.payload))
        (folder / f"sig{n}").write_bytes(base64.b64decode(row["sig"]))
        (folder / f"key{n}").write_bytes(signer.key.public_key().public_bytes(forge.PEM, forge.SPKI))
        commands.append(["openssl", "dgst", "-sha256", "-verify", folder / f"key{n}", "-signature", folder / f"sig{n}",
                         folder / "pae"])
    (folder / "policy.xml").write_bytes(policy.payload)
    schema = pathlib.Path(harness.TOP) / "schema/xsd/device-policy.xsd"
    commands.append(["xmllint", "--noout", "--nonet", "--schema", schema, folder / "policy.xml"])

    def run():
        for c in commands:
            subprocess.run(c, check=True, capture_output=True)
    return run


def floor(world, part):
    """One part of what nothing could do without: (verifications, fsync)."""
    folder = world.subfolder(f"floor{part}")

    def run():
        out = subprocess.run([harness.program("floor"), str(SIGNATURES), folder], check=True, capture_output=True,
                             text=True).stdout.split()
        return int(out[part]) / 1e9
    return run


@contextlib.contextmanager
def sides():
    with harness.World() as world:
        ours = Ours(world)
        yield [Side("cells-policyd", ours.run, ours=True, before=ours.prepare),
               Side("cells-policyd, cpu", ours.cpu, before=ours.prepare, note="of that, what it computes; no bus, no disk"),
               Side("two empty calls", ours.nothing, note="the test's client and the bus: part of ours"),
               Side("mbedtls", floor(world, 0), note=f"{SIGNATURES} verifications"),
               Side("fsync", floor(world, 1), note="of one page"),
               Side("openssl, xmllint", tools(world, ours.phone.org), package="openssl",
                    needs=("openssl", "xmllint"), note="separate runs, nothing made durable")]
