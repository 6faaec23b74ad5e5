# SPDX-License-Identifier: Apache-2.0
"""Input: keys and touches are the foreground's and nobody else's, and no namespace can
press a key for another or for the host."""
import pytest
from hands import Refused, typist

KEY, ABS, LED, SND, REP, SW, FF = 1, 3, 17, 18, 20, 5, 21
RUMBLE, GAIN = 0x50, 0x60
A, B, LEFTSHIFT, LEFTCTRL, LEFTALT, HOME, SYSRQ = 30, 48, 42, 29, 56, 102, 99
SLOT, MT_X, MT_Y, TRACKING = 0x2F, 0x35, 0x36, 0x39
X, Y, BTN_TOUCH, BTN_LEFT = 0, 1, 0x14A, 0x110
DOWN_UP_A = [[KEY, A, 1], [KEY, A, 0]]


@pytest.fixture(scope="module")
def agent(booted, module):
    yield from typist(booted, module)


class Two:
    """Two namespaces, one and two, with the given devices: {name: source}."""

    def __init__(self, agent, **devices):
        self.agent, self.sources = agent, {}
        self.one, self.two = agent.ns_add("one"), agent.ns_add("two")
        for name, path in devices.items():
            self.sources[name] = agent.give(path, ["input"], "input")
        self.allow()
        for name in devices:
            for who, number in (("one", self.one), ("two", self.two)):
                agent.use(f"{who} {name}", agent.node(number, self.sources[name]))
            agent.use(f"host {name}", devices[name])

    def allow(self, one="exclusive", two="exclusive"):
        self.agent.rights({self.one: {"input": one}, self.two: {"input": two}})

    def got(self, name, **more):
        """Waits once: what has come to one has come to all."""
        return {who: self.agent.events(f"{who} {name}", 0.3 if who == "one" else 0.02, more.get("repeats", False))
                for who in ("one", "two", "host")}


@pytest.fixture
def clean(agent):
    """What a test makes goes with it."""
    agent.front = 0
    yield agent
    agent.reset()


@pytest.fixture
def two(clean):
    """The phone's own keyboard and tablet."""
    return Two(clean, keys=clean.find("QEMU Virtio Keyboard"), tablet=clean.find("QEMU Virtio Tablet"))


def only(who, events):
    return {"one": [], "two": [], "host": [], who: events}


def test_keys_reach_only_the_foreground(phone, agent, two):
    for number, who in ((0, "host"), (two.one, "one"), (two.two, "two"), (two.one, "one"), (0, "host")):
        if number != agent.front:
            agent.to(number)
        phone.qmp.key("a")
        assert two.got("keys") == only(who, DOWN_UP_A), who


def test_evtest_sees_the_foreground_s_keys(phone, agent, two):
    """An unmodified program, one in each namespace."""
    if phone.run("command -v evtest", check=False).rc:
        pytest.skip("evtest is not installed")
    readers = {n: phone.spawn(["stdbuf", "-oL", "evtest", agent.node(n, two.sources["keys"])])
               for n in (two.one, two.two)}
    for reader in readers.values():
        reader.expect("interrupt to exit")
    for front, key in ((two.one, "A"), (two.two, "B")):
        agent.to(front)
        phone.qmp.key(key.lower())
        readers[front].expect(f"(KEY_{key}), value 0")
    for reader in readers.values():
        reader.kill()
    assert "KEY_B), value" not in readers[two.one].out and "KEY_A), value" not in readers[two.two].out


def test_touches_reach_only_the_foreground(phone, agent, two):
    for number, who in ((two.one, "one"), (two.two, "two"), (0, "host")):
        agent.to(number)
        two.got("tablet")
        phone.qmp.touch(0.25, 0.5)
        got = two.got("tablet")
        assert [KEY, BTN_LEFT, 1] in got[who] and [KEY, BTN_LEFT, 0] in got[who], who
        assert all(not events for name, events in got.items() if name != who), (who, got)


def test_a_position_that_did_not_change_since_another_touch_is_told(phone, agent, two):
    agent.to(two.one)
    phone.qmp.touch(0.25, 0.5)
    first = two.got("tablet")["one"]
    agent.to(two.two)
    phone.qmp.touch(0.75, 0.5)
    second = two.got("tablet")["two"]
    place = [e for e in first if e[:2] == [ABS, Y]]
    assert place and [e for e in second if e[:2] == [ABS, Y]] == place, (first, second)


def test_a_key_held_over_a_switch_is_released_in_the_old(phone, agent, two):
    agent.to(two.one)
    phone.qmp.hold("shift")
    assert two.got("keys") == only("one", [[KEY, LEFTSHIFT, 1]])
    agent.to(two.two)
    assert two.got("keys") == only("one", [[KEY, LEFTSHIFT, 0]])
    assert agent.keys("one keys") == agent.keys("two keys") == []
    phone.qmp.hold("shift", False)
    assert two.got("keys") == only("two", [])


def test_a_key_that_the_host_holds_is_released_there(phone, agent, two):
    phone.qmp.hold("a")
    assert two.got("keys")["host"][:1] == [[KEY, A, 1]]
    agent.to(two.one)
    got = two.got("keys")
    assert got["host"][-1] == [KEY, A, 0] and got["one"] == got["two"] == []
    phone.qmp.hold("a", False)
    assert two.got("keys") == only("one", [])


def test_a_grab_is_per_namespace(phone, agent, two):
    agent.use("one second", agent.node(two.one, two.sources["keys"]))
    agent.grab("one keys")
    agent.grab("two keys")  # no EBUSY: it is another device
    agent.to(two.one)
    phone.qmp.key("a")
    assert agent.events("one keys") == DOWN_UP_A and agent.events("one second") == []
    agent.to(two.two)
    phone.qmp.key("a")
    assert two.got("keys") == only("two", DOWN_UP_A)


def test_the_combination_works_when_all_is_grabbed(phone, agent, two):
    agent.grab("one keys")
    agent.grab("one tablet")
    agent.to(two.one)
    agent.heard()
    phone.qmp.key("ctrl", "alt", "home")
    events = [e for e in agent.heard() if e["EVENT"] == "combo"]
    assert [(e["ID"], e["COMBO"]) for e in events] == [(two.one, 0)], events
    got = two.got("keys")
    assert not [e for e in got["one"] if e[1] == HOME], "the last key is the host's"
    assert got["host"] == got["two"] == [] and agent.keys("one keys") == []


def test_the_combinations_are_configured(phone, agent, two):
    at = "/sys/module/devns/parameters/combo"
    before = agent.get(at)
    assert before == "29+56+102,29+56+107,29+56+1\n"
    agent.put(at, "114+115,42+48")
    assert agent.get(at) == "114+115,42+48\n"
    agent.heard()
    phone.qmp.key("shift", "b")
    phone.qmp.key("ctrl", "alt", "home")
    assert [(e["ID"], e["COMBO"]) for e in agent.heard() if e["EVENT"] == "combo"] == [(0, 1)]
    for bad in ("x", "0", "1+", "+", "768", "1+2+3+4+5", "1,2,3,4,5,6,7,8,9", ","):
        with pytest.raises(Refused, match="EINVAL"):
            agent.put(at, bad)
    assert agent.get(at) == "114+115,42+48\n"
    agent.put(at, " ")
    assert agent.get(at) == "\n"
    agent.put(at, before)


def test_no_namespace_presses_keys(phone, agent, two):
    """Not for the host, whose SysRq shows it; not for another; not for itself."""
    phone.run("echo 1 >/proc/sys/kernel/sysrq")
    agent.to(two.one)
    for batch in ([[KEY, LEFTALT, 1], [KEY, SYSRQ, 1], [KEY, B, 1]], [[KEY, A, 1]], [[ABS, X, 1]], [[SW, 0, 1]]):
        for who in ("one", "two"):
            with pytest.raises(Refused, match="EPERM"):
                agent.write(f"{who} keys", batch)
    assert two.got("keys") == {"one": [], "two": [], "host": []}
    assert "sysrq" not in phone.run("dmesg | tail -5").out
    # And if something came through: the host's handlers are not attached to the device.
    listing = phone.run("cat /proc/bus/input/devices").out
    ours = [part for part in listing.split("\n\n") if "Phys=devns" in part]
    assert len(ours) == 4
    for part in ours:
        handlers = part.split("Handlers=")[1].splitlines()[0].split()
        assert len(handlers) == 1 and handlers[0].startswith("event"), part


def test_the_host_hears_nothing_of_a_namespace(phone, agent, two):
    """Neither the library of a display server, which takes every input device of its seat, nor root."""
    phone.udev()
    host = phone.spawn("exec stdbuf -oL libinput debug-events --show-keycodes --udev seat0 2>&1")
    host.expect("DEVICE_ADDED")
    phone.pause(2)
    agent.to(two.one)
    phone.qmp.key("a")
    assert two.got("keys") == only("one", DOWN_UP_A)
    agent.to(0)
    phone.qmp.key("b")
    host.expect("KEY_B")  # it does listen
    host.kill()
    assert "KEY_A" not in host.out
    added = [line for line in host.out.splitlines() if "DEVICE_ADDED" in line]
    assert sum("QEMU Virtio Keyboard" in line for line in added) == 1, "the views are not devices of the host"
    listing = phone.run("cat /proc/bus/input/devices").out
    nodes = [part.split("Handlers=")[1].split()[0] for part in listing.split("\n\n") if "Phys=devns" in part]
    assert len(nodes) == 4
    for node in nodes:
        assert "No such device" in phone.run(f": </dev/input/{node}", check=False).out, node


def test_lights_are_the_foreground_s(phone, clean):
    path = clean.plug("lit", {"key": [A, B], "led": [0, 1], "snd": [1, 2]})
    two = Two(clean, keys=path)
    clean.told("lit")
    clean.write("two keys", [[LED, 1, 1]])
    clean.write("one keys", [[LED, 0, 1], [SND, 2, 440]])
    assert clean.told("lit") == {}, "both are in the background"
    clean.to(two.one)
    assert clean.told("lit") == {"led 0": 1, "led 1": 0, "snd 1": 0, "snd 2": 440}
    clean.to(two.two)
    assert clean.told("lit") == {"led 0": 0, "led 1": 1, "snd 2": 0}
    clean.write("two keys", [[LED, 1, 0]])
    assert clean.told("lit") == {"led 1": 0}
    assert clean.leds("one keys") == [0] and clean.leds("two keys") == []
    clean.to(0)
    assert clean.leds("host keys") == []
    clean.to(two.one)
    clean.to(0)
    assert clean.leds("host keys") == [], "the host's are as they were"


def test_repeat_is_per_namespace(phone, agent, two):
    assert agent.repeat("one keys") == [250, 33]
    agent.repeat("one keys", [100, 20])
    assert agent.repeat("two keys") == agent.repeat("host keys") == [250, 33]
    agent.to(two.one)
    phone.qmp.hold("a")
    phone.pause(1)
    got = two.got("keys", repeats=True)
    assert [KEY, A, 1] in got["one"] and got["one"].count([KEY, A, 2]) > 4 and got["two"] == got["host"] == []
    agent.to(two.two)
    # Released at once, and the repeat ends with it.
    assert two.got("keys")["one"][-1] == [KEY, A, 0]
    phone.pause(0.5)
    assert two.got("keys") == {"one": [], "two": [], "host": []}
    phone.qmp.hold("a", False)


@pytest.fixture
def screen(clean):
    """A touch screen of four fingers."""
    path = clean.plug("screen", {"key": [BTN_TOUCH]}, [[X, 0, 1000], [Y, 0, 1000], [SLOT, 0, 3], [MT_X, 0, 1000],
                                                       [MT_Y, 0, 1000], [TRACKING, 0, 65535]])
    return Two(clean, touch=path)


def finger(slot, number, x=None, y=None):
    return [[ABS, SLOT, slot], [ABS, TRACKING, number]] + ([[ABS, MT_X, x], [ABS, MT_Y, y]] if x is not None else [])


def test_contacts_end_at_a_switch(agent, screen):
    agent.to(screen.one)
    agent.emit("screen", finger(0, 10, 100, 200) + finger(2, 11, 300, 400) + [[KEY, BTN_TOUCH, 1]])
    assert agent.slots("one touch", TRACKING, 4) == [10, -1, 11, -1]
    assert agent.slots("two touch", TRACKING, 4) == [-1] * 4
    screen.got("touch")
    agent.to(screen.two)
    got = screen.got("touch")
    assert got["one"].count([ABS, TRACKING, -1]) == 2 and [KEY, BTN_TOUCH, 0] in got["one"]
    assert agent.slots("one touch", TRACKING, 4) == [-1] * 4
    # Fingers that still lie there are nobody's until they are lifted.
    agent.emit("screen", [[ABS, SLOT, 0], [ABS, MT_X, 110], [ABS, SLOT, 2], [ABS, MT_X, 310]])
    assert screen.got("touch") == {"one": [], "two": [], "host": []}
    agent.emit("screen", finger(0, -1) + finger(2, -1) + [[KEY, BTN_TOUCH, 0]])
    # The same place as before: the device does not repeat it, the new one is sent.
    agent.emit("screen", [[ABS, SLOT, 2], [ABS, TRACKING, 12], [KEY, BTN_TOUCH, 1]])
    got = screen.got("touch")
    assert got["one"] == got["host"] == []
    assert [ABS, TRACKING, 12] in got["two"] and [ABS, MT_X, 310] in got["two"] and [ABS, MT_Y, 400] in got["two"]
    assert agent.slots("two touch", MT_X, 4)[2] == 310


def test_a_new_namespace_learns_no_place(agent, screen):
    agent.emit("screen", finger(0, 10, 700, 800) + [[ABS, X, 700], [ABS, Y, 800], [KEY, BTN_TOUCH, 1]])
    three = agent.ns_add("three")
    agent.rights({three: {"input": "exclusive"}})
    agent.use("three", agent.node(three, screen.sources["touch"]))
    assert agent.axis("three", X)[:3] == [0, 0, 1000] and agent.slots("three", TRACKING, 4) == [-1] * 4
    assert agent.keys("three") == []


def test_switches_are_everybody_s(clean):
    path = clean.plug("lid", {"key": [A], "sw": [0]})
    clean.emit("lid", [[SW, 0, 1]])
    two = Two(clean, lid=path)
    assert clean.switches("one lid") == [0], "as it was when it was given"
    clean.emit("lid", [[SW, 0, 0]])
    clean.to(two.one)
    assert clean.switches("one lid") == [] and clean.switches("two lid") == [0]
    clean.to(two.two)
    assert clean.switches("two lid") == []


def test_none_gets_nothing_and_the_host_neither(phone, agent, two):
    agent.to(two.one)
    phone.qmp.hold("a")
    two.got("keys")
    two.allow(one="none")
    phone.qmp.hold("a", False)
    phone.qmp.key("b")
    got = {"two": agent.events("two keys"), "host": agent.events("host keys")}
    assert got == {"two": [], "host": []}
    with pytest.raises(Refused, match="EACCES"):
        agent.use("late", agent.node(two.one, two.sources["keys"]))
    with pytest.raises(Refused, match="EACCES"):
        agent.keys("one keys")
    two.allow()
    agent.use("again", agent.node(two.one, two.sources["keys"]))
    phone.qmp.key("a")
    assert agent.events("again") == DOWN_UP_A


def test_a_source_that_comes_and_goes_while_in_use(phone, clean):
    two = Two(clean, keys=clean.find("QEMU Virtio Keyboard"))
    clean.to(two.one)
    path = clean.plug("late", {"key": [A, B]})
    source = clean.give(path, ["input"], "input")
    clean.use("one late", clean.node(two.one, source))
    clean.use("host late", path)
    clean.emit("late", [[KEY, A, 1]])
    assert clean.events("one late") == [[KEY, A, 1]] and clean.events("host late") == []
    clean.unplug("late")
    assert clean.events("one late", 0.1) == [[KEY, A, 0]]
    clean.source_del(source)
    with pytest.raises(Refused, match="ENODEV|EACCES|EIO"):
        clean.fetch("one late")
    # Its namespace goes while in front: the host is, and has its keyboard.
    clean.ns_del(two.one)
    clean.front = 0
    phone.qmp.key("a")
    assert clean.events("host keys") == DOWN_UP_A


@pytest.mark.parametrize("kind", ["input", "vibrator"])
def test_force_is_the_foreground_s(clean, kind):
    """What is uploaded and played in the background comes at the switch, if it still lasts."""
    path = clean.plug("pad", {"key": [A], "ff": [RUMBLE, GAIN]})
    clean.serve("pad")
    ids = {who: clean.ns_add(who) for who in ("one", "two")}
    source = clean.give(path, [kind], kind)
    clean.rights({n: {kind: "exclusive"} for n in ids.values()})
    for who, n in ids.items():
        clean.use(who, clean.node(n, source))
        assert clean.can(who, "ff") == [RUMBLE, GAIN]
    if kind == "vibrator":
        assert clean.can(who, "key") == []
    brief, ever = clean.effect("one", 100), clean.effect("one", 0)
    clean.write("one", [[FF, brief, 1], [FF, ever, 1]])
    assert clean.did("pad") == [], "in the background"
    clean.to(ids["one"])
    did = clean.did("pad")
    assert did[:2] == [["upload", 0, RUMBLE, 100], ["upload", 1, RUMBLE, 0]]
    assert ["play", 1, 1] in did and ["play", 0, 1] not in did, "the brief one is long over"
    clean.write("one", [[FF, brief, 2]])
    assert clean.did("pad") == [["play", 0, 2]]
    other = clean.effect("two", 500)
    clean.to(ids["two"])
    did = clean.did("pad")
    assert [d for d in did if d[0] != "play"] == [["erase", 0], ["erase", 1], ["upload", 0, RUMBLE, 500]]
    clean.forget("two", other)
    assert [d for d in clean.did("pad") if d[0] != "play"] == [["erase", 0]]
    with pytest.raises(Refused, match="EPERM"):
        clean.write("two", [[KEY, A, 1]])
    clean.to(0)
    assert not [d for d in clean.did("pad") if d[0] == "upload"]


def test_a_vibrator_has_force_feedback(clean):
    with pytest.raises(Refused, match="ENOTSUP.*no force feedback"):
        clean.give(clean.find("QEMU Virtio Keyboard"), ["vibrator"], "vibrator")


def test_bad_sources_are_refused(phone, agent, two):
    mice = ["/dev/input/mice"] if phone.run("test -e /dev/input/mice", check=False).rc == 0 else []
    for path in ["/dev/null", *mice]:
        with pytest.raises(Refused, match="ENXIO.*event device"):
            agent.give(path, ["input"], "input")
    with pytest.raises(Refused, match="EEXIST"):
        agent.give(agent.find("QEMU Virtio Keyboard"), ["input"], "input")
