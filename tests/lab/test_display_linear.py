# SPDX-License-Identifier: Apache-2.0
"""The display on a plain framebuffer of the firmware, which has no driver to notify
of what was drawn, and on the driver that throws it out while it is in use."""
import statistics

import pytest
from emulator import Screen
from pictures import end, expected, prepare, same, start

# 1024x768 in three bytes a pixel; the phone's usual screen is beside it.
PHONE = {"devices": ["-device", "VGA,id=second"], "append": "vga=0x318"}


@pytest.fixture(scope="module")
def agent(booted, module):
    if booted.run("grep -q VESA /proc/fb", check=False).rc:
        pytest.skip("the phone's firmware sets no graphics mode")
    painter = start(booted, module)
    yield painter
    end(painter)


def screen(phone):
    path = phone.folder / "second.ppm"
    phone.qmp("screendump", filename=str(path), device="second")
    return Screen.read(path)


def node(phone, driver):
    number = phone.run(f"grep -i {driver} /proc/fb").out.split()[0]
    return f"/dev/fb{number}"


def switches(phone, two, rounds):
    for n in range(rounds):
        name, owner, how = (("one", two.one, "map"), ("two", two.two, "write"))[n % 2]
        two.paint(name, owner, n, how)
        two.to(owner)
        same(screen(phone), expected(two, owner, n), f"switch {n}")
        two.paint(name, owner, n + 1, how)
        same(screen(phone), expected(two, owner, n + 1), f"drawn after switch {n}")


def table(two):
    """Not asserted: for people."""
    two.to(0)
    took = sorted(t / 1e6 for t in two.times([two.one, two.two], 40)[1:])
    print(f"\nswitch {two.width}x{two.height} of {two.bytes} bytes, ms: median {statistics.median(took):.1f}, "
          f"p95 {took[int(len(took) * .95)]:.1f}, max {took[-1]:.1f}")


def test_a_linear_framebuffer(phone, agent):
    two = prepare(agent, node(phone, "vesa"))
    assert two.bytes == 3
    phone.run("printf 'the host' >/dev/tty1")
    before = screen(phone)
    switches(phone, two, 10)
    two.pan("two", 5)
    two.to(0)
    phone.pause(0.5)
    assert screen(phone).different(before) < 20000
    table(two)


def test_another_driver_takes_the_hardware_in_front(phone, agent):
    two = prepare(agent, node(phone, "vesa"))
    two.paint("one", two.one, 1, "map")
    two.to(two.one)
    phone.modprobe("bochs")
    phone.run("sleep 0.5; ! grep -q VESA /proc/fb")
    two.paint("one", two.one, 2, "map")
    two.paint("two", two.two, 2, "write")
    two.to(two.two)
    two.blank("two", 1)
    assert two.two not in screen(phone).data[1::3]
    two.to(0)
    two.source_del(two.source)


def test_bochs(phone, agent):
    two = prepare(agent, node(phone, "bochs"))
    switches(phone, two, 10)
    two.paint("one", two.one, 50, "map", 1)
    two.to(two.one)
    two.pan("one", two.height)
    same(screen(phone), expected(two, two.one, 50))
    two.blank("two", 4)
    same(screen(phone), expected(two, two.one, 50))
    two.to(two.two)
    two.to(two.one)
    same(screen(phone), expected(two, two.one, 50))
    table(two)


def test_two_screens_at_once(phone, agent):
    """Both belong to the one in front."""
    two = prepare(agent, node(phone, "bochs"))
    _, other = two.give(node(phone, "virtio"), "one", "two")
    width, height, _, _ = two.use("wide one", two.node(two.one, other))
    two.use("wide two", two.node(two.two, other))
    two.rights(one={"display": "exclusive"}, two={"display": "exclusive"})
    for name, owner, frame in (("one", two.one, 1), ("two", two.two, 2)):
        two.paint(name, owner, frame, "map")
        two.paint(f"wide {name}", owner, frame + 10, "map")
    for owner, frame in ((two.one, 1), (two.two, 2), (two.one, 1)):
        two.to(owner)
        same(screen(phone), expected(two, owner, frame))
        wide = phone.screen()
        assert (wide.width, wide.height) == (width, height)
        assert wide.pixel(0, 7) == ((5 * (frame + 10)) & 255, owner, (7 + 3 * (frame + 10)) & 255)
    two.source_del(other)
