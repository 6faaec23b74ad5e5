# SPDX-License-Identifier: Apache-2.0
"""The display: each namespace draws into a framebuffer of its own, and the screen
shows the last frame of the one in front, every pixel of it and no other."""
import json
import statistics

import pytest
from emulator import Failed
from pictures import EXCLUSIVE, NONE, PAINTER, Refused, drm_client, end, expected, prepare, same, start

SIGBUS = -7


@pytest.fixture(scope="module")
def agent(booted, module):
    if booted.run("test -e /dev/fb0", check=False).rc:
        pytest.skip("the phone has no framebuffer")
    painter = start(booted, module)
    yield painter
    end(painter)


@pytest.fixture
def two(agent):
    return prepare(agent, "/dev/fb0")


def test_geometry_is_the_panels(phone, two):
    phone.run("fbset -fb /dev/fb0 -i >/tmp/real")
    out = phone.run(["fbset", "-i", "-fb", two.node(two.one, two.source)]).out
    real = phone.run("cat /tmp/real").out
    mode = f"geometry {two.width} {two.height} {two.width} "
    assert mode + f"{two.height} 32" in real
    assert mode + f"{2 * two.height} 32" in out

    def lines(text, word):
        return [line.split() for line in text.splitlines() if word in line]
    for word in ("rgba", "LineLength", "PACKED"):
        assert lines(out, word) == lines(real, word)
    # What it sets is its own: neither the other's nor the host's.
    phone.run(["fbset", "-fb", two.node(two.one, two.source), "-vyres", str(two.height)])
    assert two.var("one")[3] == two.height
    assert two.var("two")[3] == 2 * two.height
    assert phone.run("fbset -fb /dev/fb0 -i").out == real


def test_what_a_panel_cannot_be_is_refused(two):
    for change in ({"xres": two.width + 1}, {"yres": two.height + 1}, {"yres_virtual": 2 * two.height + 1},
                   {"bits": 16}, {"xoffset": 1}, {"yoffset": two.height + 1}):
        with pytest.raises(Refused, match="EINVAL"):
            two.put("one", **change)
    assert two.put("one", xres=320, yres=200)[:2] == [two.width, two.height]
    with pytest.raises(Refused, match="EINVAL"):
        two.pan("one", two.height + 1)
    assert two.too_far("one") == ["EINVAL"] * 3


@pytest.mark.parametrize("first, second", [("map", "write"), ("write", "map")])
def test_each_of_many_switches_shows_the_whole_last_frame(phone, two, first, second):
    for n in range(50):
        owner, name, how = ((two.one, "one", first), (two.two, "two", second))[n % 2]
        if n % 3 == 0:  # drawn behind, shown by the switch
            two.paint(name, owner, n, how)
            two.to(owner)
        else:  # an old frame, then a new one in front
            two.to(owner)
            two.paint(name, owner, n, how)
        same(phone.screen(), expected(two, owner, n), f"switch {n}")


def test_no_pixel_of_another_while_both_draw(phone, two):
    jobs = [phone.spawn(["/usr/bin/python3", PAINTER, str(number), two.node(number, two.source), how])
            for number, how in ((two.one, "map"), (two.two, "write"))]
    for job in jobs:
        job.expect("painting")
    for n in range(30):
        front = (two.one, two.two)[n % 2]
        two.to(front)
        green = phone.screen().data[1::3]
        assert green.count(front) == len(green), f"switch {n}"
    for job in jobs:
        job.kill()


def test_the_host_gets_its_screen_back(phone, two):
    phone.run("printf 'the text of the host\\n\\n\\n' >/dev/tty1")
    phone.pause(0.5)
    before = phone.screen()
    assert not before.plain((0, 0, 0))
    two.paint("one", two.one, 1, "map")
    two.to(two.one)
    phone.run("printf 'said in the background' >/dev/tty1; echo '<0>the kernel speaks' >/dev/kmsg; sleep 0.5")
    two.console(2)
    two.console(1)
    same(phone.screen(), expected(two, two.one, 1), "the console paints over a namespace")
    two.to(0)
    phone.pause(0.5)
    after = phone.screen()
    assert 0 < after.different(before) < 20000
    assert len(after.colours()) < 5
    two.paint("one", two.one, 2, "write")
    same(phone.screen(), after, "a namespace paints over the host")


def test_no_namespace_is_in_front_of_a_program_that_shows_its_own(phone, two):
    """Nor is it said to be; one that is in front already stays there, and the next may not come."""
    two.paint("one", two.one, 1, "map")
    two.to(two.one)
    client, theirs = drm_client(phone)
    assert two.holders() == [["modetest", int(phone.run("pidof modetest").out)]]
    with pytest.raises(Refused, match="EBUSY"):
        two.to(two.two)
    assert two.active() == two.one
    same(phone.screen(), theirs, "nothing was switched")
    two.to(0)
    with pytest.raises(Refused, match="EBUSY"):
        two.to(two.one)
    client.send("\n")
    client.wait()
    assert two.holders() == []
    two.to(two.one)
    same(phone.screen(), expected(two, two.one, 1))


def test_a_picture_of_the_host_comes_back(phone, two):
    """Not text that the console can draw again, but pixels. (Two lines at once: of one
    whole line the kernel's own driver flushes nothing.)"""
    phone.run("echo 0 >/sys/class/vtconsole/vtcon1/bind; "
              f"dd if=/dev/urandom of=/dev/fb0 bs={two.width * 8} count=200 iflag=fullblock status=none; sleep 0.5")
    before = phone.screen()
    two.paint("two", two.two, 3, "map")
    two.to(two.two)
    same(phone.screen(), expected(two, two.two, 3))
    two.to(0)
    same(phone.screen(), before)
    # In the memory of the screen, but not on the glass: a switch finds nothing to copy, and still shows all.
    two.paint("one", two.one, 4, "map")
    phone.run(f"dd if={two.node(two.one, two.source)} of=/dev/fb0 bs={two.width * 4} count={two.height} status=none")
    two.to(two.one)
    same(phone.screen(), expected(two, two.one, 4))
    two.to(0)
    phone.run("echo 1 >/sys/class/vtconsole/vtcon1/bind")


def test_the_console_does_not_come_back_with_the_power(phone, two):
    """After a suspend the driver wakes the console, with any VP in front. What the driver does is done by hand here,
    since the phone's root would not survive a suspend; the end of a suspend is real."""
    if phone.run("test -w /sys/power/pm_test", check=False).rc:
        pytest.skip("the kernel has no test of suspending")
    two.paint("one", two.one, 1, "map")
    two.to(two.one)
    phone.run("printf 'a line\n' >/dev/tty1; echo 0 >/sys/class/graphics/fb0/state; printf 'more\n' >/dev/tty1; sleep 0.3")
    assert phone.screen().different(expected(two, two.one, 1))
    # It waits busily, which on a busy machine looks like a lockup.
    phone.run("echo 1 >/sys/module/suspend/parameters/pm_test_delay")
    phone.run("echo freezer >/sys/power/pm_test; echo freeze >/sys/power/state; echo none >/sys/power/pm_test")
    phone.run("printf 'and more\n' >/dev/tty1; sleep 0.3")
    same(phone.screen(), expected(two, two.one, 1))


def test_pan_is_kept_for_each(phone, two):
    two.paint("one", two.one, 1, "map", 0)
    two.paint("one", two.one, 2, "map", 1)
    two.paint("two", two.two, 3, "write", 0)
    two.to(two.one)
    same(phone.screen(), expected(two, two.one, 1))
    two.pan("one", two.height)
    same(phone.screen(), expected(two, two.one, 2))
    two.to(two.two)
    same(phone.screen(), expected(two, two.two, 3))
    two.pan("one", 0)
    same(phone.screen(), expected(two, two.two, 3))
    two.put("one", yoffset=two.height)
    two.to(two.one)
    same(phone.screen(), expected(two, two.one, 2))
    two.paint("one", two.one, 4, "write", 0)
    same(phone.screen(), expected(two, two.one, 2), "what is drawn off the screen shows")


def test_blank_is_kept_for_each(phone, two):
    two.paint("one", two.one, 1, "map")
    two.paint("two", two.two, 2, "map")
    two.to(two.one)
    two.blank("two", 4)
    same(phone.screen(), expected(two, two.one, 1), "a blank behind darkens the screen")
    two.to(two.two)
    dark = phone.screen()
    assert (dark.width, dark.height) != (two.width, two.height) or two.two not in dark.data[1::3]
    two.to(two.one)
    same(phone.screen(), expected(two, two.one, 1))
    two.to(two.two)
    two.paint("two", two.two, 3, "write")
    two.blank("two", 0)
    same(phone.screen(), expected(two, two.two, 3))
    with pytest.raises(Refused, match="EINVAL"):
        two.blank("two", 5)


def test_the_host_is_lit_after_a_dark_namespace(phone, two):
    phone.run("printf 'a line' >/dev/tty1")
    phone.pause(0.3)
    before = phone.screen()
    two.blank("one", 4)
    two.to(two.one)
    two.to(0)
    phone.pause(0.5)
    assert phone.screen().different(before) < 20000


def test_colours_are_kept_for_each(two):
    mine = [[n * 1000, n, 65535 - n] for n in range(16)]
    before = two.cmap("two", 0, None, 16)
    two.to(two.one)
    two.cmap("one", 0, mine)
    two.to(two.two)
    assert two.cmap("two", 0, None, 16) == before != mine
    assert two.cmap("one", 4, None, 8) == mine[4:12]
    for start, length in ((256, 1), (0, 257), (2, 255), (0, 0), (0xffffffff, 2)):
        with pytest.raises(Refused, match="EINVAL"):
            two.cmap("one", start, None, length)


def test_a_program_of_32_bits_gets_the_same(phone, two):
    if phone.run("uname -m").out.strip() != "x86_64":
        pytest.skip("the phone's processor has no such programs")
    stride = two.width * 4
    assert two.compat("one") == ["devns", 2 * two.height * stride, 1, stride, two.width, two.height,
                                 [1, 2, 3, 4, 5, 6]]
    assert two.cmap("one", 2, None, 2) == [[1, 3, 5], [2, 4, 6]]


def test_none_takes_the_screen_and_what_is_mapped(phone, two):
    two.paint("one", two.one, 1, "map")
    two.to(two.one)
    assert two.touch("one", "read") == two.touch("one", "write") == 0
    two.paint("one", two.one, 2, "map")
    assert two.rights(one=NONE, two=EXCLUSIVE) == {f"{two.one} display": [1, 1]}
    assert phone.screen().plain((0, 0, 0))
    assert two.touch("one", "read") == two.touch("one", "write") == SIGBUS
    for call in (lambda: two.var("one"), lambda: two.pan("one", 0), lambda: two.blank("one", 0),
                 lambda: two.read("one", 0, 4), lambda: two.paint("one", two.one, 3, "write"),
                 lambda: two.cmap("one", 0, None, 1), lambda: two.use("again", two.node(two.one, two.source))):
        with pytest.raises(Refused, match="EACCES"):
            call()
    assert phone.screen().plain((0, 0, 0))
    two.paint("two", two.two, 4, "map")
    two.to(two.two)
    same(phone.screen(), expected(two, two.two, 4))
    # Given back, handle and mapping go on where they were.
    two.rights(one=EXCLUSIVE, two=EXCLUSIVE)
    two.to(two.one)
    same(phone.screen(), expected(two, two.one, 2))
    two.paint("one", two.one, 5, "map")
    same(phone.screen(), expected(two, two.one, 5))
    assert [e["MAPPINGS"] for e in two.endpoint(two.one)] == [1]


def test_a_private_mapping_is_private(two):
    assert two.private("one") == ["mine", True]


def test_what_reaches_past_the_namespace_is_refused(two):
    for request in (0x460F, 0x4610):  # GET_CON2FBMAP, PUT_CON2FBMAP
        with pytest.raises(Refused, match="EINVAL"):
            two.ioctl("one", request, 80)
    with pytest.raises(Refused, match="ENOTTY"):
        two.ioctl("one", 0x46FF, 80)
    two.ioctl("one", 0x40044620, 4)  # WAITFORVSYNC


def test_everything_at_once(phone, two, long):
    seconds = 120 if long else 10
    jobs = [phone.spawn(["/usr/bin/python3", PAINTER, two.node(number, two.source), str(seconds)])
            for number in (two.one, two.two, two.one, two.two)]
    turn = 0
    while any(job.rc is None for job in jobs):
        turn += 1
        two.to((two.one, two.two, 0)[turn % 3])
        if turn % 5 == 0:
            two.rights(one=NONE, two=EXCLUSIVE)
        elif turn % 5 == 1:
            two.rights(one=EXCLUSIVE, two=EXCLUSIVE)
        phone.pause(0.02)
    for job in jobs:
        done, _ = json.loads(job.wait().out)
        assert done > 3
    assert turn > 3
    two.rights(one=EXCLUSIVE, two=EXCLUSIVE)
    for name, owner in (("one", two.one), ("two", two.two)):
        two.put(name, yoffset=0)
        two.blank(name, 0)
        two.paint(name, owner, 9, "map")
        two.to(owner)
        same(phone.screen(), expected(two, owner, 9))


def test_a_namespace_dies_in_front(phone, two):
    phone.run("printf 'host' >/dev/tty1")
    phone.pause(0.3)
    before = phone.screen()
    two.paint("one", two.one, 1, "map")
    two.to(two.one)
    two.ns_del(two.one)
    phone.pause(0.5)
    assert phone.screen().different(before) < 20000
    with pytest.raises(Refused, match="EACCES"):
        two.paint("one", two.one, 2, "write")
    assert two.touch("one", "write") == SIGBUS
    two.front = 0
    two.paint("two", two.two, 3, "map")
    two.to(two.two)
    same(phone.screen(), expected(two, two.two, 3))


def test_what_is_no_panel_is_refused(phone, two):
    assert two.refused("/dev/null") == ["EINVAL", "the device is not a framebuffer"]
    assert two.refused("/dev/fb0")[0] == "EEXIST"
    phone.run("mknod /dev/fb31 c 29 31")
    assert two.refused("/dev/fb31")[0] == "ENXIO"
    with pytest.raises(Failed, match="in use"):
        phone.run("rmmod devns")


def test_the_driver_goes_away_in_front(phone, two):
    phone.run("printf 'host' >/dev/tty1")
    two.paint("one", two.one, 1, "map")
    two.to(two.one)
    where = "/sys/bus/virtio/drivers/virtio_gpu"
    name = phone.run(f"cd {where}; ls -d virtio[0-9]*").out.strip()
    phone.run(f"echo {name} >{where}/unbind; test ! -e /dev/fb0")
    # Nothing shows; nothing fails either.
    two.paint("one", two.one, 2, "map")
    two.paint("two", two.two, 2, "write")
    two.blank("one", 4)
    two.pan("one", 3)
    two.to(two.two)
    two.to(0)
    two.to(two.one)
    two.source_del(two.source)
    with pytest.raises(Refused, match="EACCES"):
        two.var("one")
    phone.run(f"echo {name} >{where}/bind; sleep 1; test -e /dev/fb0")
    two.to(0)
    two = prepare(two, "/dev/fb0")
    two.paint("one", two.one, 4, "map")
    two.to(two.one)
    same(phone.screen(), expected(two, two.one, 4))


def test_how_long_a_switch_takes(two):
    """Not asserted: a table for people."""
    for n in range(6):
        two.paint("one", two.one, n, "map")
        two.paint("two", two.two, n + 100, "map")
    took = sorted(t / 1e6 for t in two.times([two.one, two.two], 60)[1:])
    print(f"\nswitch {two.width}x{two.height}, ms: median {statistics.median(took):.1f}, "
          f"p95 {took[int(len(took) * .95)]:.1f}, max {took[-1]:.1f}")
