# SPDX-License-Identifier: Apache-2.0
"""The foreground: VPs that learn of it and ask for it, and switches whose target dies."""
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

import harness
import sdbus
from vpdevice import BOTH, ctl, signals
from vpfixtures import fixture_phone  # noqa: F401

SOCKET = "/run/cells/front"


def asking_layer(phone):
    """A layer with the client in it; answers its digest."""
    root = phone.folder / "ask.root"
    (root / "bin").mkdir(parents=True)
    shutil.copy(harness.BUILD / "tests/e2e/ask", root / "bin/ask")
    image = phone.folder / "ask.erofs"
    subprocess.run(["mkfs.erofs", "-T0", "--quiet", image, root], check=True, stdout=subprocess.DEVNULL)
    digest = "sha256:" + hashlib.sha256(image.read_bytes()).hexdigest()
    with open(image, "rb") as f:
        phone.policy("Layer", "sh", digest, f.fileno())
    return digest


def apply(phone, **conf):
    phone.apply(["work", "personal"], BOTH, layers=("as", [phone.digest, phone.asking]), **conf)


@pytest.fixture(name="two")
def fixture_two(phone):
    phone.asking = asking_layer(phone)
    apply(phone, attention=("as", ["call"]), notify=("as", ["sms"]))
    for vp in ("work", "personal"):
        phone.policy("Start", "s", vp)
    return phone


def ask(phone, vp, *lines, seconds=0.5):
    return phone.exec(vp, "/bin/ask", str(seconds), SOCKET, *lines)[1].splitlines()


def recorded(heard):
    """The causes of all attention events in what dbus-monitor wrote."""
    return re.findall(r'string "attention"\n(?:.*\n){6} +uint32 (\d+)\n +string "([a-z ]+)"', heard())


def test_the_config_decides(two):
    with signals(two) as heard:
        assert ask(two, "work", "attention sms") == ["background", "attention notified"]
        assert two.state("work") == "background"
        assert ask(two, "work", "attention alarm") == ["background", "attention ignored"]
        assert ask(two, "work", "attention call") == ["background", "foreground", "attention switched"]
        assert two.state("work") == "foreground"
        harness.until(lambda: len(recorded(heard)) == 3)
        assert [c for _, c in recorded(heard)] == ["sms notified", "alarm ignored", "call switched"]
        assert "attention" in re.findall(r'member=Switched\n(?:.*\n){3} +string "(\w+)"', heard())
    # No config that names it: nothing.
    apply(two)
    assert ask(two, "personal", "attention call") == ["background", "attention ignored"]


def test_who_is_in_front_need_not_ask(two):
    two.call("root", "Switch", "s", "work")
    assert ask(two, "work", "attention call") == ["foreground", "attention foreground"]


def test_the_user_is_not_interrupted(two):
    two.call("root", "Switch", "s", "personal")
    assert ask(two, "work", "attention call")[-1] == "attention notified"
    assert two.state("personal") == "foreground"
    time.sleep(5.1)
    assert ask(two, "work", "attention call")[-1] == "attention switched"


def test_too_many_are_limited_and_counted(two):
    with signals(two) as heard:
        answers = ask(two, "work", *["attention sms"] * 20, seconds=1)
        assert answers.count("attention notified") == 3 and answers.count("attention limited") == 17
        # The other VP has its own measure.
        assert ask(two, "personal", "attention sms")[-1] == "attention notified"
        time.sleep(10)
        assert ask(two, "work", "attention sms")[-1] == "attention notified"
        harness.until(lambda: ("17", "any limited") in recorded(heard))


def test_a_vp_learns_where_it_is(two):
    p = subprocess.Popen([harness.program("cellsctl"), "exec", "work", "--", "/bin/ask", "4", SOCKET],
                         env=dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=two.bus.address), stdout=subprocess.PIPE, text=True)
    try:
        assert p.stdout.readline() == "background\n"
        two.call("root", "Switch", "s", "work")
        assert p.stdout.readline() == "foreground\n"
        two.call("root", "Next")
        assert p.stdout.readline() == "background\n"
    finally:
        p.kill()
        p.wait()
        p.stdout.close()


def test_bad_requests_cost_nothing(two):
    for lines in (["hello"], ["attention"], ["attention mail"], ["attention call sms"], [""], ["attention  call"]):
        assert ask(two, "work", *lines) == ["background", "attention unknown"], lines
    # Longer than a line may be: cut off.
    assert ask(two, "work", "x" * 200, seconds=5) == ["background"]
    fds = len(os.listdir(f"/proc/{two.cellsd.child.pid}/fd"))
    for _ in range(3):
        two.exec("work", "/bin/ask", "0.5", SOCKET, "flood")
    assert two.state("personal") == "background"
    harness.until(lambda: len(os.listdir(f"/proc/{two.cellsd.child.pid}/fd")) <= fds)
    # Eight at a time.
    out = two.exec("work", "/bin/sh", "-c", f"i=0; while [ $i -lt 12 ]; do /bin/ask 2 {SOCKET} > /tmp/$i & i=$((i+1)); done; wait;"
                   " busybox cat /tmp/[0-9]* | busybox wc -l")[1]
    assert out.strip() == "8", out
    # Nobody but the VP's root.
    assert two.exec("work", "/bin/busybox", "stat", "-c", "%a %u", SOCKET)[1] == "600 0\n"


def test_the_socket_is_there_after_a_restart(two):
    two.cellsd.restart()
    two.give()
    with open(two.folder / "ask.erofs", "rb") as f:
        two.policy("Layer", "sh", two.asking, f.fileno())
    assert ask(two, "work", "attention call")[-1] == "attention switched"
    # A VP that covered its /run has none; cellsd does not look into what it mounted.
    assert two.exec("work", "/bin/busybox", "mount", "-t", "ramfs", "none", "/run")[0] == 0
    two.cellsd.restart()
    assert two.state("work") == "foreground"
    assert "open /run of the VP" in two.cellsd.tail(60)
    two.give()
    assert ask(two, "personal", "attention sms")[-1] == "attention notified"


def test_links_and_folders_in_its_place(two):
    """What the VP puts where the socket goes is not followed."""
    two.exec("work", "/bin/busybox", "sh", "-c", f"busybox rm {SOCKET}; busybox ln -s /etc/victim {SOCKET}")
    two.exec("personal", "/bin/busybox", "sh", "-c", "busybox rm -r /run/cells; busybox ln -s /etc /run/cells")
    two.cellsd.restart()
    two.give()
    assert ask(two, "work", "attention sms")[-1] == "attention notified"
    assert two.exec("work", "/bin/busybox", "ls", "/etc/victim")[0] == 1
    assert two.exec("personal", "/bin/busybox", "ls", "/etc/front")[0] == 1
    assert two.state("personal") == "background"


def test_a_target_that_dies_leaves_no_hole(two):
    """Killed at any moment of a switch to it, the host is in front or the target was; then it falls back."""
    rng = random.Random(7)
    for _ in range(15):
        pid = two.list()["work"]["pid"]
        timer = threading.Timer(rng.random() * 0.02, os.kill, (pid, signal.SIGKILL))
        timer.start()
        try:
            two.call("root", "Switch", "s", "work")
        except sdbus.Error as e:
            assert e.name == "org.cells.Error.vp_state", e
        timer.join()
        harness.until(lambda: two.state("work") == "stopped")
        states = [p["state"] for p in two.list().values()]
        assert "foreground" not in states
        two.call("root", "Switch", "s", "personal")
        assert two.state("personal") == "foreground" and two.opens("personal", "hwrng")
        two.call("root", "Switch", "s", "")
        two.policy("Start", "s", "work")
    generation = two.policy("List")[1]
    two.call("root", "Switch", "s", "work")
    assert two.policy("List")[1] == generation + 1


def test_next_and_previous_skip_what_does_not_run(two):
    ctl(two, "switch", "personal")
    two.policy("Stop", "s", "work")
    assert ctl(two, "next", check=False).returncode == 1
    assert two.state("personal") == "foreground"
