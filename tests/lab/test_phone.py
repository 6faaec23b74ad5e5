# SPDX-License-Identifier: Apache-2.0
"""The lab itself: what its other tests count on."""
import kernel
import lab
import pytest
from emulator import Failed, Skip


def test_a_command_gives_its_code_and_its_output(phone):
    assert phone.run("echo said; echo too >&2; exit 3", check=False).rc == 3
    assert phone.run("printf 'one\\ntwo'").out == "one\ntwo"
    with pytest.raises(Failed, match="exit 1"):
        phone.run("false")


def test_one_word_is_a_line_for_the_shell(phone):
    assert phone.run(lab.line_of(["echo one; echo two"])).out == "one\ntwo\n"
    assert phone.run(lab.line_of(["echo", "one; echo two"])).out == "one; echo two\n"


def test_a_file_that_the_host_has_just_made_is_there(phone):
    late = kernel.BUILD / "lab/late"
    late.unlink(missing_ok=True)
    try:
        for text in ("first", "second, longer"):
            assert phone.run(["cat", late], check=False).out != text
            late.parent.mkdir(parents=True, exist_ok=True)
            late.write_text(text)
            assert phone.run(["cat", late]).out == text
    finally:
        late.unlink(missing_ok=True)


def test_much_output_comes_whole(phone):
    assert phone.run("seq 200000 | tail -c 1000000 | wc -c").out.strip() == "1000000"
    assert len(phone.run("head -c 300000 /dev/zero | tr '\\0' x").out) == 300000


def test_programs_run_side_by_side_and_are_talked_to(phone):
    echo = phone.spawn("while read -r x; do echo got $x; done; echo over")
    sleeper = phone.spawn(["sleep", "1000"])
    echo.send("a\n")
    assert echo.line() == "got a"
    echo.send("b\n")
    echo.expect("got b")
    sleeper.kill()
    assert sleeper.rc == -9
    echo.eof()
    assert echo.wait().out.endswith("over\n")


def test_keys_reach_the_phone(phone):
    events = phone.spawn("for e in /dev/input/event*; do stdbuf -oL od -An -v -tu2 -w24 $e & done; echo reading; wait")
    events.expect("reading")
    pressed = [["1", "30", "1"], ["1", "30", "0"]]  # EV_KEY, KEY_A, down and up

    def seen():
        return [w[8:11] for w in map(str.split, events.out.splitlines()) if len(w) == 12 and w[8] == "1"][:2]
    for _ in range(20):  # od takes a moment to open
        phone.qmp.key("a")
        phone.pause(0.5)
        if len(seen()) == 2:
            break
    events.kill()
    assert seen() == pressed, events.out


def test_the_screen_is_what_was_drawn(phone):
    size = phone.run("cat /sys/class/graphics/fb0/virtual_size").out.split(",")
    width, height = int(size[0]), int(size[1])
    # In one write: the kernel's own driver forgets one that ends a line and began in it.
    phone.run("echo 0 >/sys/class/vtconsole/vtcon1/bind; tr '\\0' '\\377' </dev/zero | "
              f"dd of=/dev/fb0 bs={width * height * 4} count=1 iflag=fullblock status=none")
    for _ in range(50):
        shot = phone.screen()
        if shot.plain((255, 255, 255)):
            break
        phone.pause(0.1)
    assert (shot.width, shot.height) == (width, height) and shot.plain((255, 255, 255))
    phone.run(f"dd if=/dev/zero of=/dev/fb0 bs={width * 8} count=1 status=none; sleep 1")
    black = phone.screen()
    assert black.colours() == {(255, 255, 255), (0, 0, 0)} and black.different(shot) == 2 * width


def test_a_driver_that_the_kernel_lacks_is_a_skip(phone):
    with pytest.raises(Skip, match="no driver"):
        phone.modprobe("no_such_driver")


def test_a_complaint_on_the_console_is_a_failure(phone):
    with pytest.raises(Failed, match="WARNING: made up"):
        phone.run("echo '<4>WARNING: made up' >/dev/kmsg; sleep 0.3")


def test_a_power_cut_leaves_the_disk_only(phone, tmp_path):
    disk = tmp_path / "disk"
    with open(disk, "wb") as f:
        f.truncate(32 << 20)
    phone.disk = disk
    phone.reboot()
    phone.run("mkfs.ext4 -q /dev/vda; mkdir /tmp/d; mount /dev/vda /tmp/d; echo kept >/tmp/d/f; sync; echo lost >/tmp/f")
    phone.reboot()
    assert phone.run("mkdir /tmp/d; mount /dev/vda /tmp/d; cat /tmp/d/f; test -e /tmp/f || echo gone").out.split() == ["kept", "gone"]
    phone.run("umount /tmp/d")
