# SPDX-License-Identifier: Apache-2.0
"""Power and lights: what the background does to them is remembered and changes nothing."""
import pytest
from hands import Refused, typist

POLLIN, POLLPRI, POLLERR, POLLHUP = 1, 2, 8, 16
FBIOBLANK, KEY_A = 0x4611, 30
NODES = ("wake_lock", "wake_unlock", "screen", "state")


@pytest.fixture(scope="module")
def agent(booted, module):
    # A suspend as far as all programs are frozen, and back after a second.
    booted.run("echo freezer >/sys/power/pm_test; echo 1 >/sys/module/suspend/parameters/pm_test_delay")
    yield from typist(booted, module)


class Nodes:
    def __init__(self, agent, classes):
        self.agent, self.classes = agent, classes
        self.one, self.two = agent.ns_add("one"), agent.ns_add("two")
        self.path = {}

    def add(self, node, kind):
        source = self.agent.source_add(node, self.classes, kind)
        for who, number in (("one", self.one), ("two", self.two)):
            self.path[who, node.split("/")[-1]] = self.agent.node(number, source)
        return source

    def allow(self, **modes):
        self.agent.rights({getattr(self, who): {c: modes.get(who, "exclusive") for c in self.classes}
                           for who in ("one", "two")})

    def put(self, who, node, text):
        self.agent.put(self.path[who, node], text)

    def get(self, who, node):
        return self.agent.get(self.path[who, node]).rstrip("\n")


@pytest.fixture
def power(agent):
    agent.front = 0
    n = Nodes(agent, ["power"])
    for node in NODES:
        n.add(f"power/{node}", "power")
    n.allow()
    yield n
    agent.reset()


def suspends(agent):
    """Whether the host can suspend the device now."""
    try:
        agent.put("/sys/power/state", "freeze")
    except Refused as e:
        assert e.args[0] == "EBUSY", e
        return False
    return True


def test_only_the_foreground_s_and_the_host_s_locks_keep_it_awake(agent, power):
    assert suspends(agent)
    power.put("two", "wake_lock", "music")
    agent.to(power.one)
    assert suspends(agent), "a lock in the background"
    power.put("one", "wake_lock", "video\n")
    assert not suspends(agent), "a lock in front"
    power.put("one", "wake_unlock", "video")
    agent.put("/dev/devns/wake_lock", "update")
    assert not suspends(agent), "the host's lock"
    agent.put("/dev/devns/wake_unlock", "update")
    assert suspends(agent)
    agent.to(power.two)
    assert not suspends(agent), "what came to the front with its lock"
    agent.to(0)
    assert suspends(agent)


def test_locks_have_names_and_times(phone, agent, power):
    agent.to(power.one)
    assert power.get("one", "wake_lock") == ""
    power.put("one", "wake_lock", "a")
    power.put("one", "wake_lock", "b 400000000")
    power.put("one", "wake_lock", "a")
    assert power.get("one", "wake_lock") == "a b" and power.get("two", "wake_lock") == ""
    phone.pause(0.6)
    assert power.get("one", "wake_lock") == "a"
    for node, bad in (("wake_unlock", "b"), ("wake_lock", ""), ("wake_lock", "\n"), ("wake_lock", "x" * 128),
                      ("wake_lock", "a\0b"), ("wake_lock", "a 0"), ("wake_lock", "a -1"), ("wake_lock", "a b"),
                      ("wake_lock", "a 99999999999999999999")):
        with pytest.raises(Refused, match="EINVAL"):
            power.put("one", node, bad)
    for n in range(99):
        power.put("one", "wake_lock", f"n{n}")
    with pytest.raises(Refused, match="ENOSPC"):
        power.put("one", "wake_lock", "more")
    power.put("two", "wake_lock", "more")


def test_locks_end_with_the_right_and_with_the_namespace(agent, power):
    agent.to(power.one)
    power.put("one", "wake_lock", "a")
    agent.use("held", power.path["one", "wake_lock"])
    power.allow(one="none")
    for call in (lambda: power.put("one", "wake_lock", "b"), lambda: agent.tell("held", "b"),
                 lambda: agent.fetch("held")):
        with pytest.raises(Refused, match="EACCES"):
            call()
    assert agent.ready("held") == POLLERR | POLLHUP
    assert suspends(agent)
    power.allow()
    assert power.get("one", "wake_lock") == "" and agent.tell("held", "b") == 1
    assert not suspends(agent)
    agent.ns_del(power.one)
    agent.front = 0
    assert suspends(agent)
    with pytest.raises(Refused, match="EACCES"):
        agent.fetch("held")


def test_a_namespace_learns_when_its_screen_goes_dark(agent, power):
    for who in ("one", "two"):
        agent.use(who, power.path[who, "screen"])
        assert agent.fetch(who) == "off\n" and not agent.ready(who) & POLLPRI
    agent.to(power.one)
    assert agent.ready("one") & POLLPRI and not agent.ready("two") & POLLPRI
    assert power.get("one", "screen") == "on" and power.get("two", "screen") == "off"
    agent.rewind("one")
    assert agent.fetch("one") == "on\n" and not agent.ready("one") & POLLPRI
    agent.to(power.two)
    assert agent.ready("one") & POLLPRI and agent.ready("two") & POLLPRI
    assert power.get("one", "screen") == "off" and power.get("two", "screen") == "on"
    agent.rewind("two")
    agent.fetch("two")
    assert suspends(agent)
    assert agent.ready("two") & POLLPRI, "it was dark for a while"
    with pytest.raises(Refused, match="ENOTSUP"):
        power.put("two", "screen", "on")


def test_a_display_that_is_blanked_is_dark(phone, agent):
    if phone.run("test -e /dev/fb0", check=False).rc:
        pytest.skip("the phone has no framebuffer")
    agent.front = 0
    n = Nodes(agent, ["power", "display"])
    n.add("power/screen", "power")
    source = agent.give("/dev/fb0", ["display"], "fb")
    n.allow()
    agent.use("fb", agent.node(n.one, source))
    agent.to(n.one)
    assert n.get("one", "screen") == "on"
    agent.ask("fb", FBIOBLANK, 4)
    assert n.get("one", "screen") == "off"
    agent.ask("fb", FBIOBLANK, 0)
    assert n.get("one", "screen") == "on"
    agent.reset()


def suspended(phone):
    """How often it was, since power-on."""
    return int(phone.run("cat /sys/power/suspend_stats/success 2>/dev/null || "
                         "sed -n 's/^success: //p' /sys/kernel/debug/suspend_stats").out)


def test_only_the_foreground_suspends_the_device(phone, agent, power):
    agent.to(power.one)
    before = suspended(phone)
    power.put("two", "state", "mem")
    phone.pause(2)
    assert suspended(phone) == before, "in the background it only seems to"
    power.put("one", "wake_lock", "a")
    with pytest.raises(Refused, match="EBUSY"):
        power.put("one", "state", "mem")
    power.put("one", "wake_unlock", "a")
    power.put("one", "state", "freeze\n")
    for _ in range(50):
        phone.pause(0.2)
        if suspended(phone) != before:
            break
    assert suspended(phone) == before + 1
    with pytest.raises(Refused, match="EINVAL"):
        power.put("one", "state", "disk")


# ---- lights

@pytest.fixture
def lamp(phone, agent):
    """A keyboard's light, by the kernel's own LED driver for them."""
    agent.front = 0
    event = agent.plug("lamp", {"key": [KEY_A], "led": [0, 1]})
    name = phone.run(f"ls /sys/class/input/{event.split('/')[-1]}/device | grep ::numlock").out.strip()
    n = Nodes(agent, ["led"])
    n.name, n.real = name, f"/sys/class/leds/{name}/brightness"
    agent.put(n.real, "0")
    n.add(f"leds/{name}", "led")
    n.allow()
    yield n
    agent.reset()


def test_a_light_shows_the_foreground_s_state(agent, lamp):
    def real():
        return agent.get(lamp.real)
    lamp.put("one", lamp.name, "1\n")
    assert real() == "0\n" and lamp.get("one", lamp.name) == "1" and lamp.get("two", lamp.name) == "0"
    agent.to(lamp.one)
    assert real() == "1\n"
    assert agent.told("lamp")["led 0"] == 1, "and the device was notified"
    agent.to(lamp.two)
    assert real() == "0\n"
    lamp.put("one", lamp.name, "0")
    lamp.put("two", lamp.name, "0x1")
    assert real() == "1\n"
    agent.to(lamp.one)
    assert real() == "0\n"
    agent.to(0)
    agent.put(lamp.real, "1")
    agent.to(lamp.one)
    assert real() == "0\n"
    agent.to(0)
    assert real() == "1\n", "the host's own"
    for who in ("one", "two"):
        for bad in ("2", "-1", "x", ""):
            with pytest.raises(Refused, match="EINVAL"):
                lamp.put(who, lamp.name, bad)


def test_a_light_that_is_not_allowed_is_the_host_s(agent, lamp):
    lamp.put("one", lamp.name, "1")
    agent.to(lamp.one)
    lamp.allow(one="none")
    assert agent.get(lamp.real) == "0\n"
    with pytest.raises(Refused, match="EACCES"):
        lamp.put("one", lamp.name, "1")
    lamp.allow()
    assert agent.get(lamp.real) == "1\n", "what it had set before"
    agent.ns_del(lamp.one)
    agent.front = 0
    assert agent.get(lamp.real) == "0\n"


def test_a_light_that_goes_away_hurts_nobody(agent, lamp):
    agent.to(lamp.one)
    agent.unplug("lamp")
    with pytest.raises(Refused, match="ENODEV"):
        lamp.put("one", lamp.name, "1")
    agent.to(lamp.two)
    lamp.put("one", lamp.name, "1")
    agent.to(0)


def test_bad_sources_are_refused(agent):
    for node, classes, kind, why in (
            ("leds/none", ["led"], "led", "ENOENT.*no such light"), ("backlight/none", ["backlight"], "backlight", "ENOENT"),
            ("backlight/x", ["led"], "led", "EINVAL.*begins with leds"), ("leds/x", ["led"], "backlight", "EINVAL"),
            ("power/other", ["power"], "power", "EINVAL.*wake_lock"), ("leds/../x", ["led"], "led", "EINVAL")):
        with pytest.raises(Refused, match=why):
            agent.source_add(node, classes, kind)
