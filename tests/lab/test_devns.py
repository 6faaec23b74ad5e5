# SPDX-License-Identifier: Apache-2.0
"""The module's core over netlink: what it refuses and why, modes and the foreground, audit,
sound, what a fuzzer and a stress program do to it, and how long a change takes."""
import json
import pathlib
import re

import pytest
from devns import No

import kernel

HERE = pathlib.Path(__file__).parent
SHARED, NONE, EXCLUSIVE = {"camera": "shared"}, {"camera": "none"}, {"camera": "exclusive"}
MIC = ["microphone"]
PHONE = {"devices": ["-chardev", "null,id=line", "-device", "pci-serial,chardev=line"]}


@pytest.fixture
def two(ns):
    ns.personal, ns.work = ns.ns_add("personal"), ns.ns_add("work")
    return ns


def refused(code, why, call, *args, names=True):
    with pytest.raises(No) as no:
        call(*args)
    assert (no.value.code, no.value.why) == (code, why)
    assert bool(no.value.at) == names


# ---- requests

def test_names_and_ids(two):
    refused("EEXIST", "a namespace has this name already", two.ns_add, "work")
    for name in ("Work", "", ".hidden", "a b", "a/b"):
        refused("EINVAL", "a name has a-z, 0-9 and . _ - only", two.ns_add, name)
    assert two.ns_add("n" * 64) == 3
    refused("EINVAL", "Attribute failed policy validation", two.ns_add, "n" * 65)
    refused("ENOENT", "no namespace has this id", two.ns_del, 9)
    refused("ENOENT", "no source has this id", two.source_del, 99999)
    two.ns_del(two.personal)
    assert two.ns_add("next") == two.personal, "the least id that is free"
    refused("EINVAL", "an attribute is missing", two.ask, "NS_ADD", names=False)
    refused("EINVAL", "Unsupported attribute", two.ask, "NS_ADD", ["NAME", "x"], ["ID", 3])


def test_devices_that_cannot_be_passed_through(phone, two):
    phone.modprobe("brd", "rd_nr=1")
    before = two.endpoints()
    refused("ENXIO", "there is no character device of this number", two.source_add, "x", ["camera"], "cut", 60 << 8 | 7, names=False)
    refused("ENOTSUP", "a block device cannot be passed through", two.source_add, "x", ["camera"], "cut", 1 << 8, names=False)
    refused("EINVAL", "a source of this kind needs a device", two.source_add, "x", ["camera"], "cut", names=False)
    refused("EINVAL", "a bit is of an unknown class", two.source_add, "x", 1 << 20, "cut", 0x103)
    refused("EINVAL", "a bit is of an unknown class", two.source_add, "x", 0, "cut", 0x103)
    refused("EINVAL", "no such kind", two.source_add, "x", ["camera"], 77, 0x103)
    for node in ("../x", "/x", "a//b", "a/", ".x", "a b", "x!y"):
        refused("EINVAL", "not a path below /dev", two.source_add, node, ["camera"], "cut", 0x103)
    two.give("/dev/null", ["camera"])
    refused("EEXIST", "a source has this node already", two.give, "/dev/null", ["camera"], names=False)
    refused("EEXIST", "a source has this device already", two.source_add, "other", ["camera"], "cut", 0x103, names=False)
    refused("ENOTSUP", "an endpoint cannot be a source", two.give, "/dev/null.d1", ["camera"], names=False)
    assert before == [] and [e["NODE"] for e in two.endpoints()] == ["null", "null"]


def test_a_policy_is_taken_whole_or_not_at_all(two):
    two.give("/dev/null", ["camera"])
    two.policy(5, {two.work: SHARED})
    two.generation = 5
    refused("ESTALE", "a later generation is in force", two.policy, 4, {})
    refused("ENOTSUP", "this class has no mode shared", two.policy, 6, {two.work: NONE, two.personal: {"display": "shared"}})
    refused("EINVAL", "no mode is shared and blocks", two.policy, 6, {two.work: {"camera": ["any", 1]}})
    refused("ENOENT", "no namespace has this id", two.policy, 6, {9: SHARED})
    assert [n["GENERATION"] for n in two.namespaces()] == [5, 5]
    assert [e["ALLOWED"] for e in two.endpoints()] == [0, 1]


def test_only_the_host_s_root_may_ask_or_listen(phone, loaded):
    outside = ("import sys; sys.path.insert(0, 'tests/lab'); import devns\n"
               "for what in (lambda: devns.Netlink().ns_add('x'), lambda: devns.Netlink().namespaces(), devns.Audit):\n"
               "    try: what(); print('done')\n"
               "    except OSError as e: print(e.errno)\n")
    said = phone.run(["setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-c", outside]).out
    assert said.split() == ["1", "1", "1"]
    # Root of a user namespace of its own has every capability, but there.
    said = phone.run(["unshare", "-rU", "/usr/bin/python3", "-c", outside]).out
    assert said.split() == ["1", "1", "1"]


# ---- modes and the foreground

def opens(phone, number, node="null"):
    return phone.run(f": </dev/{node}.d{number}", check=False).rc == 0


def test_exclusive_follows_the_foreground(phone, two):
    two.give("/dev/null", ["camera"])
    two.rights({two.personal: SHARED, two.work: EXCLUSIVE})
    seen = []
    for front in (0, two.personal, two.work, 0):
        two.to(front)
        seen.append((opens(phone, two.personal), opens(phone, two.work)))
    assert seen == [(True, False), (True, False), (False, True), (True, False)]


def test_a_switch_needs_to_know_the_foreground(two):
    two.to(two.work)
    refused("ESTALE", "another namespace is active", two.activate, 0, two.personal)
    refused("ENOENT", "no namespace has this id", two.activate, two.work, 77)


def test_without_its_foreground_the_host_is_in_front(phone, two):
    two.give("/dev/null", ["camera"])
    two.rights({two.personal: SHARED, two.work: EXCLUSIVE})
    two.to(two.work)
    assert not opens(phone, two.personal)
    two.ns_del(two.work)
    assert not any(n.get("ACTIVE") for n in two.namespaces()) and opens(phone, two.personal)


def test_a_node_of_two_classes_needs_both(phone, two):
    two.give("/dev/null", ["microphone", "speaker"])
    two.rights({two.personal: {"microphone": "shared"}, two.work: {"microphone": "shared", "speaker": "shared"}})
    assert (opens(phone, two.personal), opens(phone, two.work)) == (False, True)


def test_what_is_new_follows_the_policy_in_force(phone, two):
    two.rights({two.work: SHARED})
    two.give("/dev/null", ["camera"])
    assert (opens(phone, two.personal), opens(phone, two.work)) == (False, True)


# ---- lives and ends

def test_in_use_it_cannot_be_unloaded(phone, two):
    assert "in use" in phone.run("rmmod devns", check=False).out
    two.give("/dev/null", ["camera"])
    two.rights({two.work: SHARED})
    holder = phone.spawn("exec 3</dev/null.d2; echo open; sleep 1000")
    holder.expect("open")
    two.clean()
    assert "in use" in phone.run("rmmod devns", check=False).out, "a handle is open still"
    holder.kill()


def test_a_device_that_goes_takes_its_endpoints_along(phone, two):
    source = two.give("/dev/zero", ["camera"], "suspend")
    two.rights({two.work: SHARED})
    reader = phone.spawn("exec 3</dev/zero.d2; echo open; read x; head -c 4 <&3 2>&1")
    reader.expect("open")
    two.source_del(source)
    reader.send("go\n")
    assert "No such device" in reader.wait().out
    assert two.endpoints() == [] and phone.run("test -e /dev/zero.d2", check=False).rc


def test_a_suspended_handle_goes_on(phone, two):
    two.give("/dev/zero", ["sensors"], "suspend")
    two.rights({two.work: {"sensors": "shared"}})
    reader = phone.spawn("exec 3</dev/zero.d2; echo open; while read x; do head -c 4 <&3 2>&1 | wc -c; done")
    reader.expect("open\n")
    reader.send("\n")
    assert reader.line() == "4"
    cut = two.rights({})
    assert cut[two.work, "sensors"]["HANDLES"] == 1
    reader.send("\n")
    assert reader.line() != "4"
    two.rights({two.work: {"sensors": "shared"}})
    reader.send("\n")
    assert reader.line() == "4"
    reader.kill()


def test_a_call_that_does_not_end_is_killed(phone, tool, two):
    two.give("/dev/zero", ["camera"])
    two.rights({two.work: SHARED})
    two.events(0.1)
    reader = phone.spawn([tool("stall"), "/dev/zero.d2"])
    said = reader.line()
    if "not implemented" in said:
        pytest.skip("the kernel has no userfaultfd")
    assert said == "reading"
    phone.pause(1)
    two.generation += 1
    answer = two.policy(two.generation, {})
    assert [c["KILLED"] for nest in answer["CUTS"] for c in nest["CUT"]] == [1]
    assert 150e6 < answer["TOOK"] and reader.wait().rc == 128 + 9
    killed = [e for e in two.events() if e["EVENT"] == "revoke" and "PID" in e]
    assert len(killed) == 1 and killed[0]["COMM"] == "stall" and killed[0]["KILLED"] == 1


def test_a_terminal_s_lock_is_the_namespace_s_own(phone, two):
    """TIOCEXCL shuts the terminal to those who share the namespace, not to others or the host."""
    name = phone.run("ls /sys/bus/pci/drivers/serial/*/tty/").out.strip()
    two.give(f"/dev/{name}", ["gps"], "suspend")
    two.rights({n: {"gps": "shared"} for n in (two.personal, two.work)})
    phone.run(f"chmod 666 /dev/{name} /dev/{name}.d*")
    locker = phone.spawn(["/usr/bin/python3", "-u", "-c", (
        "import fcntl, os, sys, time\n"
        f"fd = os.open('/dev/{name}.d1', os.O_RDWR)\n"
        "fcntl.ioctl(fd, 0x540C); print(int.from_bytes(fcntl.ioctl(fd, 0x80045440, bytes(4)), 'little'))\n"
        "time.sleep(1000)")])
    assert locker.line() == "1"

    def said(node):
        return phone.run(["setpriv", "--reuid=65534", "--clear-groups", "sh", "-c", f": <>/dev/{node}"], check=False)
    assert "Device or resource busy" in said(f"{name}.d1").out
    assert said(f"{name}.d2").rc == 0 and said(name).rc == 0
    locker.kill()
    assert said(f"{name}.d1").rc == 0


# ---- audit

def test_each_event_is_numbered_and_tells_who(phone, two):
    two.give("/dev/null", ["camera"])
    two.rights({two.work: SHARED})
    opens(phone, two.work)
    two.to(two.personal)
    two.rights({})
    phone.run("for i in 1 2 3 4 5; do true </dev/null.d2; done", check=False)
    events = two.events(1.5)
    seq = [e["SEQ"] for e in events]
    assert seq == list(range(seq[0], seq[0] + len(seq)))
    assert sorted(e["TIME"] for e in events) == [e["TIME"] for e in events]
    told = [(e["EVENT"], e["ID"]) for e in events]
    assert told[:4] == [("mode", two.work), ("open", two.work), ("close", two.work), ("switch", two.personal)]
    opened = events[1]
    assert opened["COMM"] == "sh" and opened["UID"] == 0 and opened["PID"] > 1 and opened["NODE"] == "null"
    denied = [e for e in events if e["EVENT"] == "deny"]
    assert len(denied) == 2 and denied[0]["COUNT"] == 1, "the first of a burst, then counted"
    assert sum(e["COUNT"] for e in denied) == 5
    stat = {s["ID"]: s for s in two.stats()}[two.work]
    assert stat["DENIALS"] == 5 and stat["OPENS"] == 1


def test_what_could_not_be_told_is_counted(phone, two):
    lost = ("import sys; sys.path.insert(0, 'tests/lab'); import devns, os\n"
            "client, audit = devns.Netlink(), devns.Audit(4096)\n"
            "for i in range(300): os.close(os.open('/dev/null.d2', os.O_RDONLY))\n"
            "got = audit.events(0.2); client.rights = None\n"
            "os.close(os.open('/dev/null.d2', os.O_RDONLY)); got += audit.events(0.2)\n"
            "print(len(got), sum(e['COUNT'] for e in got if e['EVENT'] == 'lost'))\n")
    two.give("/dev/null", ["camera"])
    two.rights({two.work: SHARED})
    two.job.eof()
    two.job.wait()
    said = phone.run(["/usr/bin/python3", "-c", lost]).out.split()
    two.again()
    told, counted = map(int, said)
    assert counted > 400 and told + counted >= 602, said


# ---- sound

@pytest.fixture
def card(phone):
    """A sound card without hardware; the name of its driver. Not every kernel has each."""
    for name, *parameters in (("snd_dummy", "hrtimer=1"), ("snd_aloop",)):
        try:
            phone.modprobe(name, *parameters)
        except kernel.Skip:
            continue
        yield name
        phone.run(["rmmod", name], check=False)
        return
    pytest.skip("the kernel has no sound card without hardware")


def test_a_recorder_in_the_background_is_cut(phone, card, two):
    phone.run("udevadm settle 2>/dev/null; ls /dev/snd", check=False)
    # Of both classes it would need both: then a player in the background has no card.
    two.give("/dev/snd/controlC0", ["speaker"])
    for node, classes in (("pcmC0D0c", MIC), ("pcmC0D0p", ["speaker"])):
        two.give("/dev/snd/" + node, classes)
    rights = {"microphone": "exclusive", "speaker": "shared"}
    two.rights({two.personal: rights, two.work: rights})
    two.to(two.personal)

    def view(number):
        """A /dev of one's own, in which the endpoints have their usual names."""
        return (f"unshare -m sh -c 'v=$(mktemp -d) && mount -t tmpfs t $v && for n in controlC0 pcmC0D0c pcmC0D0p; do "
                f"touch $v/$n && mount --bind /dev/snd/$n.d{number} $v/$n; done; mount --rbind $v /dev/snd && ")
    recorder = phone.spawn(view(1) + "exec arecord -q -D hw:0,0 -f S16_LE -r 8000 -c 2 -t raw /dev/null' 2>&1")
    player = phone.spawn(view(2) + "exec aplay -q -D hw:0,0 -f S16_LE -r 8000 -c 2 -t raw -d 2 /dev/zero' 2>&1")
    for _ in range(60):
        if {"pcmC0D0c", "pcmC0D0p"} <= {e["NODE"].split("/")[1] for e in two.endpoints() if e["HANDLES"]}:
            break
        phone.pause(0.5)
    phone.pause(0.5)
    assert recorder.rc is None, recorder.out
    cut = two.to(two.work)
    assert cut[two.personal, "microphone"]["HANDLES"] >= 1
    # alsa-lib looks at a mapped status page between its calls.
    assert recorder.wait().rc and re.search("Permission denied|read error|Bus error", recorder.out), recorder.out
    assert player.wait().rc == 0, player.out
    there = phone.run(view(2) + "exec arecord -q -M -D hw:0,0 -f S16_LE -r 8000 -c 2 -t raw -d 1 /tmp/heard'; stat -c %s /tmp/heard").out
    assert int(there.split()[-1]) >= 16000
    two.to(two.personal)
    phone.run(view(1) + "exec arecord -q -D hw:0,0 -f S16_LE -r 8000 -c 2 -t raw -d 1 /dev/null'")


def test_who_may_only_play_has_the_control_and_not_the_microphone_s_part(phone, card, two):
    if card != "snd_dummy":
        pytest.skip("only the dummy card has elements of both sorts")
    for node, kind in (("controlC0", "mixer"), ("pcmC0D0p", "cut"), ("pcmC0D0c", "cut")):
        classes = {"controlC0": ["microphone", "speaker"], "pcmC0D0p": ["speaker"], "pcmC0D0c": MIC}[node]
        two.give("/dev/snd/" + node, classes, kind)
    two.rights({two.personal: {"speaker": "shared"}, two.work: {"speaker": "shared", "microphone": "shared"}})

    def view(number, command):
        return phone.run(f"unshare -m sh -c 'v=$(mktemp -d) && mount -t tmpfs t $v && for n in controlC0 pcmC0D0c pcmC0D0p; do "
                         f"touch $v/$n && mount --bind /dev/snd/$n.d{number} $v/$n; done; mount --rbind $v /dev/snd && "
                         f"{command}' 2>&1", check=False)
    assert view(1, "aplay -q -D hw:0,0 -f S16_LE -r 8000 -c 2 -t raw -d 1 /dev/zero").rc == 0
    assert view(1, "arecord -q -D hw:0,0 -f S16_LE -r 8000 -c 2 -t raw -d 1 /dev/null").rc
    # By its number and by its name.
    listing = view(2, "amixer -c 0 controls").out
    found = {name: re.search(rf"numid=(\d+),.*name='{name}'", listing) for name in ("Master Volume", "Mic Capture Switch")}
    assert all(found.values()), listing
    for which in ("numid={}", "iface=MIXER,name=\"{}\""):
        def change(number, name, which=which):
            return view(number, f"amixer -c 0 cset {which.format(found[name][1] if 'numid' in which else name)} 1")
        assert change(1, "Master Volume").rc == 0
        refused = change(1, "Mic Capture Switch")
        assert refused.rc and "Operation not permitted" in refused.out, refused
        assert change(2, "Mic Capture Switch").rc == 0
    two.rights({two.work: {"microphone": "shared"}})
    assert not opens(phone, two.personal, "snd/controlC0")


# Waits for SIGIO only, and then asks how things are, as such programs do.
SIGNALS = """
import fcntl, os, select, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGIO})
fd = os.open('/dev/snd/controlC0.d1', os.O_RDONLY | os.O_NONBLOCK)
fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
ask = select.poll()
ask.register(fd, select.POLLIN)
print('waiting', flush=True)
while True:
    signal.sigwait({signal.SIGIO})
    print('changed', ask.poll(0), flush=True)
"""


def test_who_waits_for_signals_is_told_of_the_denial_and_of_its_end(phone, card, two):
    two.give("/dev/snd/controlC0", MIC)
    allowed = {two.personal: {"microphone": "shared"}}
    two.rights(allowed)
    waiter = phone.spawn(["/usr/bin/python3", "-c", SIGNALS])
    waiter.expect("waiting")
    for table in ({}, allowed, {}, allowed):
        phone.pause(0.5)
        told = waiter.out.count("changed")
        two.rights(table)
        phone.until(lambda seen=told: waiter.out.count("changed") > seen, 20, f"word of {table}")
    waiter.kill()


def test_a_card_that_is_unplugged_answers_errors(phone, card, two):
    source = two.give("/dev/snd/pcmC0D0c", MIC)
    two.rights({two.work: {"microphone": "shared"}})
    holder = phone.spawn(["/usr/bin/python3", "-c", (
        "import os, sys\n"
        "fd = os.open('/dev/snd/pcmC0D0c.d2', os.O_RDWR)\n"
        "print('open', flush=True); sys.stdin.readline()\n"
        "for call in (lambda: os.read(fd, 8), lambda: os.readv(fd, [bytearray(8)])):\n"
        "    try: call(); print('done', flush=True)\n"
        "    except OSError as e: print(e.errno, flush=True)\n"
        "sys.stdin.readline()")])
    holder.expect("open\n")
    # It waits for the last handle.
    unbind = phone.spawn(f"echo {card}.0 >/sys/bus/platform/drivers/{card}/unbind")
    for _ in range(40):
        if phone.run("test -e /dev/snd/pcmC0D0c", check=False).rc:
            break
        phone.pause(0.25)
    holder.send("\n")
    assert [holder.line() for _ in range(2)] == ["19", "19"]
    two.source_del(source)
    assert unbind.wait(30).rc == 0, "the endpoint's handle is open, the real one is closed"
    holder.kill()


# ---- under pressure

def test_a_fuzzer_gets_errors_only(phone, tool, ns, long):
    said = phone.run([tool("nlfuzz"), "1000000" if long else "20000", "7"], 1200).out
    assert int(re.search(r"(\d+) sent", said).group(1)) >= 20000 and "EINVAL" in said and "ok" in said
    ns.clean()
    ns.generation = 1 << 40
    assert ns.ns_add("alive") == 1


def test_stress_leaves_nothing_behind(phone, tool, ns, long):
    seconds = 600 if long else 6
    phone.modprobe("vivid", "n_devs=2", "node_types=0x1,0x1")
    for name in ("one", "two", "three"):
        ns.ns_add(name)
    for node in ("video0", "video1"):
        ns.give("/dev/" + node, ["camera"])
    nodes = [f"/dev/video{v}.d{n}" for v in (0, 1) for n in (1, 2, 3)]
    users = phone.spawn([tool("stress"), seconds, 12, *nodes])
    chaos = phone.spawn(["/usr/bin/python3", HERE / "upheaval.py", seconds, "11"])
    for job in (chaos, users):
        assert job.wait(seconds * 4 + 120).rc == 0, job.out
    print(chaos.out, users.out)
    ns.clean()
    # Idle: it goes and comes.
    phone.run("rmmod vivid")
    ns.job.eof()
    ns.job.wait()
    for _ in range(5):
        phone.run("rmmod devns")
        phone.insmod()
    ns.again()


def test_how_long_a_change_takes(phone, ns, long):
    table = json.loads(phone.run(["/usr/bin/python3", HERE / "scale.py"], 300).out)
    print(json.dumps(table, indent=1))
    assert table["endpoints"] == 200 and table["handles"] >= 10000
