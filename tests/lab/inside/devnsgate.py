# SPDX-License-Identifier: Apache-2.0
"""cellsd with the devns backend, on the phone itself: test_devnsgate.py runs this file there, with pytest,
after it has loaded devns.ko and vivid. VPs are of busybox, as in the e2e tests of cellsd."""
import json
import os
import pathlib
import stat
import subprocess
import sys
import time

for folder in ("e2e", "lab"):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / folder))

import devns  # noqa: E402
import harness  # noqa: E402
import pytest  # noqa: E402
import vpdevice  # noqa: E402
from sensor import Camera  # noqa: E402
from vpdevice import ANY, CLASSES, FRONT, end  # noqa: E402

HOLDERS = []
RIGHTS = [("work", "camera", ANY, False), ("work", "gps", ANY, False), ("personal", "camera", ANY, False)]


@pytest.fixture(name="phone", scope="module")
def fixture_phone():
    """One for all tests: on the phone a start of everything takes ten seconds."""
    p = vpdevice.Phone("default", "devns")
    try:
        p.start()
        apply(p, RIGHTS)
        for vp in ("work", "personal"):
            p.policy("Start", "s", vp)
        yield p
    finally:
        p.close()


@pytest.fixture(name="two")
def fixture_two(phone):
    """Both VPs run, the host is in front, nobody holds anything."""
    for vp in ("work", "personal"):
        phone.policy("Start", "s", vp)
    phone.policy("Switch", "s", "")
    apply(phone, RIGHTS)
    try:
        yield phone
    finally:
        for p in HOLDERS:
            end(p)
        HOLDERS.clear()


def apply(phone, rights):
    return phone.apply(["work", "personal"], rights)


def opens(phone, vp, node):
    return sh(phone, vp, f": </dev/{node}")[0] == 0


def without(*classes):
    return [r for r in RIGHTS if r[:2] not in classes]


def sh(phone, vp, script):
    return phone.exec(vp, "/bin/sh", "-c", script)


def number(phone, vp, node):
    """major:minor of a node in the VP's /dev; None: it is not there."""
    code, out = sh(phone, vp, f"busybox stat -c %t:%T /dev/{node}")
    return tuple(int(x, 16) for x in out.strip().split(":")) if code == 0 else None


def real(node):
    st = os.stat(f"/dev/{node}")
    return os.major(st.st_rdev), os.minor(st.st_rdev)


def dev(phone, vp):
    """The VP's /dev, from outside."""
    return pathlib.Path(f"/proc/{phone.list()[vp]['pid']}/root/dev")


def devnsctl(*args, check=True):
    r = harness.run([harness.program("devnsctl"), *args], check=check)
    return json.loads(r.stdout) if "json" in args and check else r


def rows(verb, vp=None):
    return devnsctl(verb, "--format", "json", *([vp] if vp else []))


def endpoint(vp, node):
    return next((r for r in rows("endpoints", vp) if r["node"] == node), None)


class Holder:
    """A shell in the VP that has a node open as descriptor 3 and reads on request."""

    def __init__(self, phone, vp, node):
        self.phone, self.vp = phone, vp
        sh(phone, vp, "busybox rm -f /go /result /held; busybox mkfifo /go")
        self.process = phone.background(vp, f"exec 3</dev/{node}; echo >/held; while read -r x </go; do "
                                            "busybox dd bs=4096 count=1 <&3 >/dev/null 2>/error; echo $? >/result.new; "
                                            "busybox mv /result.new /result; done")
        HOLDERS.append(self.process)
        harness.until(lambda: sh(phone, vp, "[ -e /held ]")[0] == 0)

    def read(self):
        """0: a frame came; or what dd said."""
        sh(self.phone, self.vp, "busybox rm -f /result; echo go >/go")
        harness.until(lambda: sh(self.phone, self.vp, "[ -e /result ]")[0] == 0)
        code = sh(self.phone, self.vp, "busybox cat /result")[1].strip()
        return 0 if code == "0" else sh(self.phone, self.vp, "busybox cat /error")[1]

    def alive(self):
        return self.process.poll() is None


def test_inventory_names_backend_and_level(phone):
    backend, level, classes = phone.policy("Inventory")
    assert (backend, level) == ("devns", "mapped")
    have = {CLASSES[c[0]] for c in classes}
    assert {"camera", "microphone", "speaker", "display"} <= have


def test_each_vp_has_an_endpoint_of_its_own_under_the_usual_name(two):
    for node in ("video0", "snd/pcmC0D0c", "snd/controlC0"):
        mine, theirs = number(two, "work", node), number(two, "personal", node)
        assert mine and theirs and len({mine, theirs, real(node)}) == 3, node
    assert opens(two, "work", "video0") and opens(two, "personal", "video0")


def test_a_vp_opens_its_own_endpoints_only(two):
    """Also where it came by another node, which it cannot make itself."""
    for name, numbers in (("real", real("video0")), ("theirs", number(two, "personal", "video0"))):
        node = dev(two, "work") / name
        os.mknod(node, stat.S_IFCHR | 0o666, os.makedev(*numbers))
        os.chmod(node, 0o666)
        assert not opens(two, "work", name), name
    assert opens(two, "work", "video0")


def test_a_policy_cuts_an_open_handle_and_gives_it_back(two):
    holder = Holder(two, "work", "video0")
    assert holder.read() == 0
    revoked, ns = apply(two, without(("work", "camera")))
    assert revoked == [["work", CLASSES.index("camera"), 1, 0, 0]] and 0 < ns < 10 * 10**9
    assert "Permission denied" in holder.read() and holder.alive()
    assert not opens(two, "work", "video0") and opens(two, "personal", "video0")
    assert apply(two, RIGHTS)[0] == []
    assert holder.read() == 0


def test_mappings_are_cut_and_counted(two):
    """By a process outside the VP: what counts is the endpoint that it has open."""
    with Camera(dev(two, "work")):
        assert [endpoint("work", "video0")[k] for k in ("handles", "mappings")] == [1, 1]
        holder = [r for r in rows("holders", "work") if r["pid"] == os.getpid()]
        assert [(r["node"], r["mappings"]) for r in holder] == [("video0", 1)]
        assert holder[0]["descriptors"] == 2  # mmap has one of its own, of the same handle
        revoked, _ = apply(two, without(("work", "camera")))
        assert revoked == [["work", CLASSES.index("camera"), 1, 1, 0]]


def test_a_switch_moves_what_is_exclusive(two):
    exclusive = [("work", "camera", FRONT, True), ("personal", "camera", FRONT, True)]
    apply(two, exclusive)
    two.policy("Switch", "s", "work")
    holder = Holder(two, "work", "video0")
    assert holder.read() == 0 and not opens(two, "personal", "video0")
    with vpdevice.signals(two) as heard:
        assert two.policy("Switch", "s", "personal") > 0
        harness.until(lambda: "Revoked" in heard())
    assert "Permission denied" in holder.read() and opens(two, "personal", "video0")
    assert [r["devns"] for r in rows("endpoints") if r["node"] == "video0" and r["allowed"]] == ["personal"]
    assert [r["name"] for r in rows("list") if r["foreground"]] == ["personal"]
    two.policy("Switch", "s", "work")
    assert holder.read() == 0 and not opens(two, "personal", "video0")
    two.policy("Switch", "s", "")
    assert "Permission denied" in holder.read() and not any(r["foreground"] for r in rows("list"))


def test_hardware_that_goes_and_comes_while_vps_run(two):
    holder = Holder(two, "work", "video0")
    assert holder.read() == 0
    # A driver cannot go from under an open handle, but its device can.
    assert subprocess.run(["rmmod", "vivid"], stderr=subprocess.PIPE, check=False).returncode == 1
    driver = pathlib.Path("/sys/bus/platform/drivers/vivid")
    (driver / "unbind").write_text("vivid.0")
    try:
        harness.until(lambda: number(two, "work", "video0") is None)
        assert not [r for r in rows("sources") if r["node"].startswith("video")]
        assert holder.read() != 0 and holder.alive()
    finally:
        (driver / "bind").write_text("vivid.0")
    harness.until(lambda: number(two, "work", "video0"))
    assert holder.read() != 0
    end(holder.process)
    holder = Holder(two, "work", "video0")
    assert holder.read() == 0
    assert apply(two, without(("work", "camera")))[0] == [["work", CLASSES.index("camera"), 1, 0, 0]]


def test_killed_and_started_again_it_takes_over_what_runs(two):
    two.policy("Switch", "s", "personal")
    camera = os.open(dev(two, "work") / "video0", os.O_RDONLY)
    before = [rows(v) for v in ("list", "sources", "endpoints")]
    two.cellsd.kill()
    assert os.read(camera, 4096)
    two.cellsd.start()
    two.give()
    after = [rows(v) for v in ("list", "sources", "endpoints")]
    for old, new in zip(before, after):
        assert [{k: v for k, v in r.items() if k != "generation"} for r in new] == \
               [{k: v for k, v in r.items() if k != "generation"} for r in old]
    assert os.read(camera, 4096)
    assert apply(two, without(("work", "camera")))[0] == [["work", CLASSES.index("camera"), 1, 0, 0]]
    with pytest.raises(PermissionError):
        os.read(camera, 4096)
    apply(two, RIGHTS)
    assert os.read(camera, 4096)
    os.close(camera)


def test_a_vp_takes_its_devns_along(two):
    Holder(two, "work", "video0")
    two.policy("Switch", "s", "work")
    two.policy("Stop", "s", "work")
    harness.until(lambda: [r["name"] for r in rows("list")] == ["personal"])
    assert {r["devns"] for r in rows("endpoints")} == {"personal"}
    two.policy("Start", "s", "work")
    assert opens(two, "work", "video0")


def test_a_devns_that_stayed_gives_way_to_its_vp_s_next(two):
    two.policy("Stop", "s", "work")
    harness.until(lambda: [r["name"] for r in rows("list")] == ["personal"])
    client = devns.Netlink()
    client.ns_add("work")
    client.close()
    two.policy("Start", "s", "work")
    assert sorted(r["name"] for r in rows("list")) == ["personal", "work"]
    assert opens(two, "work", "video0")


def test_a_devns_of_nobody_is_removed_at_the_start(two):
    two.cellsd.kill()
    client = devns.Netlink()
    client.ns_add("stray")
    client.close()
    assert "stray" in [r["name"] for r in rows("list")]
    two.cellsd.start()
    two.give()
    assert [r["name"] for r in rows("list")] == ["work", "personal"]


def test_devnsctl_says_what_is_there(two):
    two.policy("Switch", "s", "work")
    table = devnsctl("list").stdout.splitlines()
    assert table[0].split() == ["ID", "DEVNS", "FOREGROUND", "HANDLES", "MAPPINGS", "GENERATION"]
    assert [line.split()[1:3] for line in table[1:]] == [["work", "yes"], ["personal", "no"]]
    camera = next(r for r in rows("sources") if r["node"] == "video0")
    assert camera["classes"] == ["camera"] and camera["kind"] == "cut" and camera["device"] == "%d:%d" % real("video0")
    assert {(r["devns"], r["class"], r["mode"]) for r in rows("modes")} == {
        ("work", "camera", "shared"), ("work", "gps", "shared"), ("personal", "camera", "shared")}
    opens(two, "work", "video0")
    stat_row = next(r for r in rows("stat", "work") if r["node"] == "video0")
    assert stat_row["opens"] >= 1 and stat_row["handles"] == 0
    r = devnsctl("endpoints", "nobody", check=False)
    assert (r.returncode, r.stderr) == (1, "devnsctl: there is no devns 'nobody'\n")
    assert devnsctl("nonsense", check=False).returncode == 64
    assert devnsctl("list", "--format", "xml", check=False).returncode == 64
    assert harness.run([harness.program("devnsctl"), "list"], user="nobody", check=False).returncode == 1


def test_events_are_told_and_followed(two):
    follow = subprocess.Popen([harness.program("devnsctl"), "events", "--format", "json", "work"],
                              stdout=subprocess.PIPE, text=True)
    try:
        with vpdevice.signals(two) as heard:
            time.sleep(1)
            opens(two, "work", "video0")
            apply(two, [])
            opens(two, "work", "video0")
            seen = []
            while not {"open", "close", "mode", "deny"} <= {e["event"] for e in seen}:
                seen.append(json.loads(follow.stdout.readline()))
            for event in ("open", "close", "deny", "mode"):
                harness.until(lambda word=event: f'string "{word}"' in heard())
    finally:
        follow.kill()
        follow.wait()
    numbers = [e["seq"] for e in seen]
    assert numbers == sorted(numbers) and all(e["devns"] == "work" for e in seen)
    opened = next(e for e in seen if e["event"] == "open")
    assert (opened["class"], opened["node"]) == ("camera", "video0") and opened["pid"] > 0 and opened["uid"] >= 65536
