# SPDX-License-Identifier: Apache-2.0
"""What belongs to the VP in front, as cellsd gives it by policy: the screen, keys and touches, wake locks, lights. Programs
in two VPs use the nodes that they find under the usual names; the screen is looked at, and keys are pressed, from outside."""
import devns
import pytest
import vpphone
from hands import Refused
from pictures import Painter, drm_client, expected, same
from talk import Talk

CLASSES = ("display", "input", "power", "led")
DISPLAY = devns.CLASS["display"]
FRONT = 1  # use of a class that is exclusive
KEY, A, LEFTSHIFT, BTN_LEFT = 1, 30, 42, 0x110
DOWN_UP_A = [[KEY, A, 1], [KEY, A, 0]]
SIGBUS = -7
POLLPRI = 2
VPS = ("work", "personal")
# A reader of cards: it has a light that is not a keyboard's.
PHONE, LED = {"devices": ["-device", "sdhci-pci"]}, "mmc0::"


class Vp:
    """A VP with its programs."""

    def __init__(self, device, name, mark):
        self.device, self.name, self.mark = device, name, mark
        self.painter = Painter(device.phone, self.visit("painter"))
        self.typist = Talk(device.phone, self.visit("typist"), 30)
        self.inputs = [f"/dev/input/{n}" for n in self.sh("busybox ls /dev/input").split() if n.startswith("event")]
        self.open_inputs()
        self.painter.width, self.painter.height, *_ = self.painter.use("fb", "/dev/fb0")

    def visit(self, program):
        """Starts it; the command that talks to it."""
        pipes = self.device.cells.visit(self.name, program)
        return f"cat {pipes}.out & exec cat >{pipes}.in"

    def open_inputs(self):
        for path in self.inputs:
            self.typist.use(path, path)

    def sh(self, script):
        status, out = self.device.cells.sh(self.name, script)
        assert status == 0, out
        return out

    def number(self, node):
        return self.sh(f"busybox stat -c %t:%T /dev/{node}").strip()

    def paint(self, frame, how="map"):
        self.painter.paint("fb", self.mark, frame, how)

    def picture(self, frame):
        return expected(self.painter, self.mark, frame)

    def got(self, seconds=0.3):
        """What has come to any of its input devices."""
        return [e for n, path in enumerate(self.inputs) for e in self.typist.events(path, 0.02 if n else seconds)]


class Device:
    """cellsd, which runs the two VPs."""

    def __init__(self, phone):
        self.phone = phone
        self.cells = vpphone.steward(phone)
        said = self.cells.start("/run/data", "devns", True)
        self.ctl = ["env", f"DBUS_SYSTEM_BUS_ADDRESS={said['bus']}", said["cellsctl"]]
        self.rights()
        for name in VPS:
            self.cells.policy("Start", "s", name)
        self.vp = {name: Vp(self, name, n + 1) for n, name in enumerate(VPS)}

    def rights(self, without=()):
        """Applies a policy: each has all classes exclusively, but for those (vp, class); answers what was revoked."""
        rows = [(vp, c, FRONT, True) for vp in VPS for c in CLASSES if (vp, c) not in without]
        return self.cells.apply(list(VPS), rows, {})[0]

    def switch(self, name):
        """As the user does it; "": the host."""
        if name:
            self.phone.run([*self.ctl, "switch", name])
        else:
            self.cells.policy("Switch", "s", "")

    def front(self):
        return next((vp for vp, state in self.cells.states().items() if state == "foreground"), "")

    def until_front(self, name):
        for _ in range(50):
            if self.front() == name:
                return
            self.phone.pause(0.1)
        assert self.front() == name


@pytest.fixture(scope="module", name="device")
def fixture_device(booted, module):
    if booted.run("test -e /dev/fb0", check=False).rc:
        pytest.skip("the phone has no framebuffer")
    # Its console says nothing and blinks not, so the host's screen stays as it is; a suspend is one of programs only.
    booted.run("echo 0 >/sys/class/graphics/fbcon/cursor_blink; dmesg -n 1; modprobe drm_kms_helper; "
               "echo freezer >/sys/power/pm_test; echo 1 >/sys/module/suspend/parameters/pm_test_delay")
    vpphone.prepare(booted, module, (("sdhci_pci",), *vpphone.DISK))
    return Device(booted)


@pytest.fixture(name="two")
def fixture_two(phone, device):
    """Both may all, the host is in front, and nothing is left to read."""
    device.rights()
    device.switch("")
    for vp in device.vp.values():
        vp.got(0.05)
    return device


@pytest.fixture(name="work")
def fixture_work(two):
    return two.vp["work"]


@pytest.fixture(name="personal")
def fixture_personal(two):
    return two.vp["personal"]


def test_the_nodes_are_each_vp_s_own(phone, work, personal):
    for node in ("fb0", "input/event0", "power/wake_lock"):
        assert work.number(node) != personal.number(node), node
    assert phone.run("stat -c %t:%T /dev/fb0").out.strip() not in (work.number("fb0"), personal.number("fb0"))
    assert len(work.inputs) == len(personal.inputs) >= 2


@pytest.mark.parametrize("how", ["map", "write"])
def test_a_switch_shows_the_whole_last_frame(phone, two, work, personal, how):
    for n in range(4):
        vp = (work, personal)[n % 2]
        vp.paint(n, how)  # behind
        two.switch(vp.name)
        same(phone.screen(), vp.picture(n), f"switch {n}")
        vp.paint(n + 10, how)  # in front
        same(phone.screen(), vp.picture(n + 10), f"after switch {n}")
        (work, personal)[1 - n % 2].paint(n + 20, how)
        same(phone.screen(), vp.picture(n + 10), f"the other draws, {n}")


def test_the_host_has_its_screen_when_it_is_in_front(phone, two, work):
    before = phone.screen()
    work.paint(1)
    two.switch("work")
    same(phone.screen(), work.picture(1))
    two.switch("")
    phone.pause(0.5)
    assert phone.screen().different(before) < 20000
    after = phone.screen()
    work.paint(2)
    same(phone.screen(), after)


def test_a_switch_that_would_not_be_seen_is_refused(phone, two, work):
    """A program of the host that is master of the card shows buffers of its own: what a VP draws is on no glass."""
    work.paint(3)
    client, theirs = drm_client(phone)
    refused = phone.run([*two.ctl, "switch", "work"], check=False)
    assert refused.rc and "bring VP work to the front: modetest (pid " in refused.out and "/dev/fb0" in refused.out, refused
    assert two.front() == ""
    same(phone.screen(), theirs, "nothing was switched")
    client.send("\n")
    client.wait()
    two.switch("work")
    same(phone.screen(), work.picture(3))


def test_keys_and_touches_reach_only_the_front(phone, two, work, personal):
    for name in ("work", "personal", "", "work"):
        two.switch(name)
        phone.qmp.key("a")
        got = {vp.name: vp.got() for vp in (work, personal)}
        assert got == {vp: DOWN_UP_A if vp == name else [] for vp in VPS}, name
        phone.qmp.touch(0.25, 0.5)
        got = {vp.name: [e for e in vp.got() if e[:2] == [KEY, BTN_LEFT]] for vp in (work, personal)}
        assert got == {vp: [[KEY, BTN_LEFT, 1], [KEY, BTN_LEFT, 0]] if vp == name else [] for vp in VPS}, name


def test_a_held_key_is_released_by_a_switch(phone, two, work, personal):
    two.switch("work")
    phone.qmp.hold("shift")
    assert work.got() == [[KEY, LEFTSHIFT, 1]]
    two.switch("personal")
    assert work.got() == [[KEY, LEFTSHIFT, 0]] and personal.got() == []
    phone.qmp.hold("shift", False)
    assert work.got() == personal.got() == []


def test_the_key_combinations_switch(phone, two, work, personal):
    for keys, name in ((("home",), "work"), (("home",), "personal"), (("end",), "work"), (("esc",), "")):
        phone.qmp.key("ctrl", "alt", *keys)
        two.until_front(name)
    two.switch("work")
    personal.paint(7)
    phone.qmp.key("ctrl", "alt", "home")
    two.until_front("personal")
    same(phone.screen(), personal.picture(7))
    assert not [e for vp in (work, personal) for e in vp.got() if e[1] in (1, 102, 107)], "the combination is the host's"


def suspends(phone):
    """Whether the host can suspend the device now."""
    answer = phone.run("/bin/echo freeze >/sys/power/state", check=False)
    assert answer.rc == 0 or "busy" in answer.out, answer
    return answer.rc == 0


def test_only_the_front_s_wake_locks_keep_it_awake(phone, two, work, personal):
    assert suspends(phone)
    work.typist.put("/dev/power/wake_lock", "music")
    assert work.typist.get("/dev/power/wake_lock") == "music\n" and personal.typist.get("/dev/power/wake_lock").strip() == ""
    two.switch("personal")
    assert suspends(phone), "a lock in the background"
    two.switch("work")
    assert not suspends(phone), "a lock in front"
    work.typist.put("/dev/power/wake_unlock", "music")
    assert suspends(phone)


def test_a_vp_learns_when_its_screen_goes_dark(two, work, personal):
    for vp in (work, personal):
        vp.typist.use("screen", "/dev/power/screen")
        assert vp.typist.fetch("screen") == "off\n"
    two.switch("work")
    assert work.typist.ready("screen", 1) & POLLPRI and not personal.typist.ready("screen") & POLLPRI
    two.switch("personal")
    for vp, word in ((work, "off\n"), (personal, "on\n")):
        assert vp.typist.ready("screen", 1) & POLLPRI
        assert vp.typist.get("/dev/power/screen") == word
        vp.typist.close("screen")


def test_a_light_shows_the_front_s_state(phone, two, work, personal):
    real, node = f"/sys/class/leds/{LED}/brightness", f"/dev/leds/{LED}"

    def shines():
        return phone.run(["cat", real]).out.strip()
    phone.run(f"echo 0 >{real}")
    work.typist.put(node, "1\n")
    personal.typist.put(node, "0\n")
    assert shines() == "0" and work.typist.get(node) == "1\n" and personal.typist.get(node) == "0\n"
    for vp, wanted in (("work", "1"), ("personal", "0"), ("work", "1"), ("", "0")):
        two.switch(vp)
        assert shines() == wanted, vp
    two.switch("work")
    two.rights(without=[("work", "led")])
    assert shines() == "0"
    with pytest.raises(Refused, match="EACCES|EPERM"):
        work.typist.put(node, "1\n")


def test_the_lights_of_a_keyboard_are_its_event_node_s(phone, work):
    """Else two views of one light would overwrite each other at each switch."""
    assert "numlock" in phone.run("ls /sys/class/leds").out
    assert work.sh("busybox ls /dev/leds").split() == [LED]


def test_none_takes_the_screen_from_who_has_it_open(phone, two, work, personal):
    before = phone.screen()
    work.paint(3)
    two.switch("work")
    assert work.painter.touch("fb", "write") == 0
    revoked = two.rights(without=[("work", "display")])
    assert revoked == [["work", DISPLAY, 1, 1, 0]]
    phone.pause(0.5)
    shot = phone.screen()
    assert shot.plain((0, 0, 0)) or shot.different(before) < 20000, "no pixel of it is left"
    assert work.painter.touch("fb", "read") == work.painter.touch("fb", "write") == SIGBUS
    for call in (lambda: work.painter.var("fb"), lambda: work.paint(4, "write"), lambda: work.painter.use("new", "/dev/fb0")):
        with pytest.raises(Refused, match="EACCES|EPERM"):
            call()
    phone.qmp.key("a")
    assert work.got() == DOWN_UP_A, "it keeps its other classes"
    personal.paint(5)
    two.switch("personal")
    same(phone.screen(), personal.picture(5))
    # Given back, the handle and the mapping go on.
    assert two.rights() == []
    two.switch("work")
    work.paint(6)
    same(phone.screen(), work.picture(6))


def test_none_takes_the_keys(phone, two, work):
    two.switch("work")
    two.rights(without=[("work", "input")])
    phone.qmp.key("a")
    for path in work.inputs:
        with pytest.raises(Refused, match="EACCES"):
            work.typist.keys(path)
        with pytest.raises(Refused, match="EACCES|EPERM"):
            work.typist.use("new", path)
    two.rights()
    for path in work.inputs:
        work.typist.close(path)
    work.open_inputs()
    assert work.got() == []
    phone.qmp.key("a")
    assert work.got() == DOWN_UP_A


def test_killed_it_leaves_all_where_it_is_and_the_next_takes_over(phone, two, work, personal):
    work.paint(8)
    two.switch("work")
    two.cells.kill()
    same(phone.screen(), work.picture(8))
    work.paint(9)
    personal.paint(10)
    same(phone.screen(), work.picture(9), "with no cellsd")
    phone.qmp.key("a")
    assert work.got() == DOWN_UP_A and personal.got() == []
    two.cells.again()
    assert two.front() == "work"
    same(phone.screen(), work.picture(9), "started again")
    phone.qmp.key("a")
    assert work.got() == DOWN_UP_A and personal.got() == []
    assert two.rights() == []
    two.switch("personal")
    same(phone.screen(), personal.picture(10))
    phone.qmp.key("a")
    assert personal.got() == DOWN_UP_A and work.got() == []
    revoked = two.rights(without=[("personal", "display")])
    assert revoked == [["personal", DISPLAY, 1, 1, 0]]
