# SPDX-License-Identifier: Apache-2.0
"""no-new-privileges: su works in a VP as it would anywhere, until its config forbids that a program gains rights."""
import hashlib
import json

import pytest

import harness
from scene import Scene
from vpdevice import BOTH, Phone, make_image

NOBODY = 1000
# A file with the set-user-id bit of root, run by nobody: who is it then?
GAIN = "/bin/busybox su nobody -c \"/bin/su root -c '/bin/busybox id -u'\""
INIT = f"""#!/bin/busybox sh
[ -e /bin/su ] || {{ /bin/busybox cp /bin/busybox /bin/su && /bin/busybox chmod 4755 /bin/su; }}
trap 'exit 0' TERM
{GAIN} > /by-init 2>&1
/bin/busybox mv /by-init /said
while :; do /bin/busybox sleep 1000 & wait $!; done
"""
FILES = {"sbin/init": (0o755, INIT), "etc/passwd": (0o644, f"root::0:0::/:/bin/sh\nnobody::{NOBODY}:{NOBODY}::/:/bin/sh\n"),
         "etc/group": (0o644, f"root::0:\nnobody::{NOBODY}:\n")}


@pytest.fixture(name="phone")
def fixture_phone():
    p = Phone()
    try:
        p.image = make_image(p.folder, "with-su", FILES)
        p.digest = "sha256:" + hashlib.sha256(p.image.read_bytes()).hexdigest()
        yield p.start()
    finally:
        p.close()


def wish(phone, hard):
    phone.apply(["work"], BOTH[:2], **({"no-new-privileges": ("b", hard)} if hard is not None else {}))


def begin(phone, hard):
    wish(phone, hard)
    phone.policy("Start", "s", "work")
    harness.until(lambda: phone.exec("work", "/bin/busybox", "cat", "/said")[0] == 0)


def shell(phone, script):
    return phone.exec("work", "/bin/sh", "-c", script)[1]


def flags(phone):
    """NoNewPrivs of the VP's init, and of what is run in it from outside."""
    return [line.split()[1] for line in shell(phone, "/bin/busybox cat /proc/1/status /proc/self/status").splitlines()
            if line.startswith("NoNewPrivs:")]


def gains(said):
    assert said == "0\n" or "su:" in said, said
    return said == "0\n"


def told(phone):
    work = phone.list()["work"]
    return work["no-new-privileges"], "no-new-privileges" in work["not-enforced"]


@pytest.mark.parametrize("hard", [None, False])
def test_su_works_where_nothing_is_said(phone, hard):
    begin(phone, hard)
    assert flags(phone) == ["0", "0"] and told(phone) == (False, False)
    assert gains(shell(phone, "/bin/busybox cat /said")) and gains(shell(phone, GAIN))


def test_a_set_user_id_program_gains_nothing(phone):
    begin(phone, True)
    assert flags(phone) == ["1", "1"] and told(phone) == (True, False)
    assert not gains(shell(phone, "/bin/busybox cat /said")) and not gains(shell(phone, GAIN))


def test_a_config_that_changes_holds_from_the_next_start_and_that_is_said(phone):
    begin(phone, False)
    wish(phone, True)
    assert told(phone) == (False, True)
    assert flags(phone) == ["0", "1"] and not gains(shell(phone, GAIN)), "what comes from outside is held to it at once"
    phone.policy("Stop", "s", "work")
    assert told(phone) == (True, False)
    phone.policy("Start", "s", "work")
    assert flags(phone) == ["1", "1"] and told(phone) == (True, False)
    # Laxer again: not before its next start, also by a daemon that came later.
    wish(phone, False)
    phone.cellsd.stop()
    phone.cellsd.start()
    phone.give()
    assert flags(phone) == ["1", "1"] and told(phone) == (True, False)


def test_the_signed_config_reaches_the_vp_and_the_user_sees_it(world):
    scene = Scene(world)
    scene.publish(work=scene.config("work", on_boot=True, hardening=True))
    scene.command("stop", "work")
    scene.command("start", "work")

    def status(vp):
        rows = json.loads(scene.phone.ctl("status", "--format", "json").stdout)["data"]
        return next(r["no-new-privileges"] for r in rows if r["name"] == vp)
    harness.until(lambda: status("work"))
    assert status("personal") is False and "NO NEW PRIVILEGES" in scene.phone.ctl("status").stdout
    assert "NoNewPrivs:\t1" in scene.run_in("work", "/bin/cat", "/proc/1/status").stdout
