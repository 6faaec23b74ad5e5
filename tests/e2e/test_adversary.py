# SPDX-License-Identifier: Apache-2.0
"""A stateful search for a way round the contract: adversary.py says what may be done and
what must hold, hypothesis chooses. What it found once, shrunk, is below as tests."""
import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

import harness
from adversary import DIRECTOR, GROUPS, HIGHEST, HOUR, RIGHTFUL, STRANGER, TOO_FEW, TWISTS, VPS, AttackedDevice
from adversaryserver import AttackedServer

LONG = bool(os.environ.get("CELLS_LONG"))
RUNS = int(os.environ.get("CELLS_RUNS", 500 if LONG else 15))  # the first ten that hypothesis tries are short
SHRINK = bool(os.environ.get("CELLS_SHRINK", LONG))
STEPS = int(os.environ.get("CELLS_STEPS", 50 if LONG else 20))

pick = st.integers(0, 63)
era = st.integers(0, 3)
wrong = st.sampled_from([TOO_FEW, DIRECTOR, STRANGER])
anybody = st.sampled_from([RIGHTFUL, TOO_FEW, DIRECTOR, STRANGER])


def search(machine):
    """The same short look each time; with seeds of its own, and shrunk, behind CELLS_LONG."""
    run_state_machine_as_test(machine, settings=settings(
        max_examples=RUNS, stateful_step_count=STEPS, deadline=None, derandomize=not LONG, database=None,
        phases=[Phase.generate, Phase.shrink] if SHRINK else [Phase.generate], print_blob=True,
        suppress_health_check=list(HealthCheck)))


class Adversary(RuleBasedStateMachine):
    @initialize()
    def found(self):
        self.world = harness.World()
        self.device = AttackedDevice(self.world)

    def teardown(self):
        try:
            if hasattr(self, "device"):
                self.device.check()
                self.device.recover()
                self.device.check()
        finally:
            if hasattr(self, "world"):
                self.world.close()

    @invariant()
    def holds(self):
        if hasattr(self, "device"):
            self.device.check()

    # ---- the director's key
    @rule(group=pick, picks=pick, twist=st.sampled_from(TWISTS), where=pick,
          ahead=st.sampled_from([0, 0, 0, -HOUR, 2 * HOUR, 61 * 24 * HOUR, 500 * 24 * HOUR]),
          version=st.sampled_from([0, 0, 1, HIGHEST]), era=era, fed=st.booleans())
    def snapshot(self, group, picks, twist, where, ahead, version, era, fed):
        self.device.snapshot(group, picks, twist, where, ahead, version, era)
        if fed:
            self.device.feed()

    @rule(group=pick, picks=pick)
    def plain_snapshot(self, group, picks):
        """Nothing twisted: any versions there are of what a group's document names."""
        self.device.snapshot(group, picks, "none", 0, 0, 0, self.device.era)

    @rule()
    def feed(self):
        self.device.feed()

    @rule(which=pick)
    def old_document(self, which):
        self.device.submit(self.device.docs[which % len(self.device.docs)])

    # ---- documents
    @rule(dtype=st.sampled_from(["device-policy", "vp-config", "group", "image"]), name=pick, whose=anybody, era=era,
          highest=st.sampled_from([False, False, False, True]))
    def sign(self, dtype, name, whose, era, highest):
        ids = {"vp-config": VPS, "image": ("tiny", "other")}.get(dtype, GROUPS)
        self.device.make(dtype, ids[name % len(ids)], whose, era, HIGHEST if highest else None)

    @rule(group=st.sampled_from(GROUPS), whose=anybody, era=era, own=st.booleans())
    def membership(self, group, whose, era, own):
        self.device.membership(group, whose, era, own)

    @rule(roles=st.sampled_from([("policy",), ("director",), ("policy", "director"), ("root", "destroy", "command")]))
    def new_root(self, roles):
        if len(self.device.roots) < 6:
            self.device.rotate(*roles)

    @rule(version=st.integers(1, 6))
    def send_root(self, version):
        self.device.send_root(version)

    @rule(whose=wrong)
    def forged_root(self, whose):
        self.device.forge_root(whose)

    # ---- commands
    @rule(action=st.sampled_from(["lock", "wipe", "stop", "start"]), vp=st.sampled_from(VPS), whose=anybody, era=era,
          own=st.sampled_from([True, True, False]))
    def command(self, action, vp, whose, era, own):
        self.device.command(action, vp, whose, era, own)

    @precondition(lambda self: self.device.commands)
    @rule(which=pick)
    def old_command(self, which):
        self.device.repeat_command(which)

    @precondition(lambda self: any(r["type"] == "locked" for r in self.device.told))
    @rule(vp=st.sampled_from(VPS))
    def unlock(self, vp):
        self.device.unlock(vp)

    # ---- the agent's socket
    @rule(stream=st.sampled_from(["receipts", "audit"]), seq=st.sampled_from([0, 1, 5, 2**62, 2**63 - 1]))
    def acknowledge(self, stream, seq):
        self.device.acknowledge(stream, seq)

    @rule(data=st.binary(max_size=64), which=pick)
    def junk(self, data, which):
        self.device.junk(data)
        self.device.put_junk(self.device.docs[which % len(self.device.docs)].sha256, data)

    # ---- power and time
    @rule()
    def kill(self):
        self.device.kill_policyd()

    @rule(off=st.sampled_from([0, 0, 60, 80 * HOUR, 800 * HOUR]))
    def reboot(self, off):
        self.device.reboot(off)

    @rule(seconds=st.sampled_from([60, HOUR, 25 * HOUR, 80 * HOUR]))
    def wait(self, seconds):
        self.device.pass_time(seconds)

    @rule(seconds=st.sampled_from([0, 50 * HOUR, 24 * 61 * HOUR, -50 * HOUR]))
    def set_wall_clock(self, seconds):
        self.device.jump_wall(seconds)

    # ---- the organisation
    @rule()
    def publish(self):
        self.device.recover()


def test_no_step_breaks_the_contract():
    search(Adversary)


class ServersAdversary(RuleBasedStateMachine):
    @initialize()
    def found(self):
        self.world = harness.World()
        self.server = AttackedServer(self.world)

    def teardown(self):
        try:
            if hasattr(self, "server"):
                for command in list(self.server.commands):
                    self.server.answer(command)
                self.server.check()
        finally:
            if hasattr(self, "world"):
                self.world.close()

    @invariant()
    def holds(self):
        if hasattr(self, "server"):
            self.server.check()

    def named(self, which):
        names = sorted(self.server.commands)
        return names[which % len(names)]

    # ---- a device that lies
    @rule(rtype=st.sampled_from(["locked", "wiped", "applied", "refused", "gap", "started"]), vp=st.sampled_from(VPS),
          which=pick, about_honest=st.booleans(), signer=st.sampled_from(["own", "stranger", "identity"]),
          seq=st.sampled_from([0, 1, 2, 3, 9, 2**31, 2**53]), old=st.booleans())
    def forged_receipt(self, rtype, vp, which, about_honest, signer, seq, old):
        command = self.named(which) if self.server.commands else None
        self.server.forged_receipt(rtype, vp, command, about_honest, signer, seq,
                                   "0" * 32 if old else None)

    @rule(which=pick)
    def relayed_receipt(self, which):
        self.server.relayed_receipt(which)

    @rule(honest=st.booleans(), old=st.booleans())
    def hello(self, honest, old):
        self.server.hello_as(self.server.honest if honest else self.server.thief, "0" * 32 if old else None)

    @precondition(lambda self: self.server.commands)
    @rule(outcome=st.sampled_from(["cancelled", "refused", "accepted", "known", "staged", "x" * 300]), which=pick)
    def unsigned_word(self, outcome, which):
        self.server.say("submitted", sha256=self.server.digests[self.named(which)], outcome=outcome, reason="", text="")

    @rule(stream=st.sampled_from(["status", "progress", "get", "roots", "audit", "nonsense"]), number=st.integers(-1, 2**63))
    def odd_message(self, stream, number):
        self.server.say(stream, documents=[], after=number, done=number, total=number, image="", batch={}, sha256="")

    # ---- administrators
    @rule(action=st.sampled_from(["lock", "wipe", "stop", "start"]), vp=st.sampled_from(VPS), to_honest=st.booleans(),
          enough=st.booleans())
    def command(self, action, vp, to_honest, enough):
        self.server.command(action, vp, to_honest, enough)

    @precondition(lambda self: self.server.commands)
    @rule(which=pick)
    def answer(self, which):
        self.server.answer(self.named(which))

    @rule(dtype=st.sampled_from(["device-policy", "vp-config", "group"]),
          role=st.sampled_from(["viewer", "auditor", "operator", "policy-admin", "image-admin"]), enough=st.booleans())
    def document(self, dtype, role, enough):
        self.server.document(dtype, role, enough)

    @precondition(lambda self: self.server.commands)
    @rule(which=pick, wrong_vp=st.booleans())
    def answer_for_another(self, which, wrong_vp):
        self.server.answer_for_another(self.named(which), wrong_vp)

    @precondition(lambda self: self.server.commands)
    @rule(which=pick)
    def cancel(self, which):
        self.server.cancel(which)

    @rule(vp=st.sampled_from(VPS))
    def own_receipt(self, vp):
        self.server.honest_receipt("started", vp)

    @rule()
    def restart(self):
        self.server.restart()


def test_no_lie_moves_the_server():
    search(ServersAdversary)
