# SPDX-License-Identifier: Apache-2.0
"""A camera (vivid) through endpoints: taken away while it streams, and given back;
nothing that a program holds is a way round."""
import re

import pytest

CAMERA = ["camera"]
SHARED, NONE = {"camera": "shared"}, {"camera": "none"}


class Program:
    """camera.c in the phone."""

    def __init__(self, phone, tool, path):
        self.job = phone.spawn([tool("camera")])
        self.opened = self("open " + path)

    def __call__(self, command, seconds=30):
        self.job.send(command + "\n")
        return self.job.line(seconds)

    def end(self):
        self.job.eof()
        self.job.wait()


@pytest.fixture(scope="module")
def vivid(booted):
    booted.modprobe("vivid", "n_devs=2", "node_types=0x1,0x1")


@pytest.fixture
def two(vivid, ns):
    """Two namespaces that may use both cameras."""
    ns.personal, ns.work = ns.ns_add("personal"), ns.ns_add("work")
    ns.first = ns.give("/dev/video0", CAMERA)
    ns.second = ns.give("/dev/video1", CAMERA)
    ns.rights({ns.personal: SHARED, ns.work: SHARED})
    ns.events(0.05)
    return ns


@pytest.fixture
def program(phone, tool, two):
    made = []

    def make(path="/dev/video0.d1"):
        made.append(Program(phone, tool, path))
        return made[-1]
    yield make
    for p in made:
        p.end()


def seconds(said):
    assert said.startswith("ok "), said
    return float(said[3:])


def test_an_unmodified_program_is_cut_and_another_streams_at_once(phone, two):
    viewer = phone.spawn("v4l2-ctl -d /dev/video0.d1 --stream-mmap --stream-count 1000")
    viewer.expect("fps")
    cut = two.rights({two.work: SHARED})
    assert cut[two.personal, "camera"] | {"KILLED": 0} == \
        {"ID": two.personal, "CLASS": 3, "HANDLES": 1, "MAPPINGS": 4, "KILLED": 0}
    # It is denied where it just is: it waits for a picture, or gives a buffer back.
    assert re.search("DQBUF: failed: Permission denied|qbuf error", viewer.wait().out)
    said = phone.run("v4l2-ctl -d /dev/video0.d2 --stream-mmap --stream-count 8").out
    assert said.count("<") == 8
    refused = phone.run("v4l2-ctl -d /dev/video0.d1 --all", check=False)
    assert refused.rc and "Permission denied" in refused.out
    events = two.events()
    kinds = [e["EVENT"] for e in events]
    assert kinds.count("revoke") == 1 and {"open", "close", "deny", "mode"} <= set(kinds)
    assert [e["SEQ"] for e in events] == list(range(events[0]["SEQ"], events[0]["SEQ"] + len(events)))
    deny = [e for e in events if e["EVENT"] == "deny"]
    assert deny[0]["COMM"] == "v4l2-ctl" and deny[0]["ID"] == two.personal


def test_the_same_handle_starts_anew(program, two):
    viewer, other = program(), program("/dev/video0.d2")
    assert viewer("stream mmap") == "ok"
    assert viewer("take").startswith("ok") and viewer("peek 0") == "ok"
    two.rights({two.work: SHARED})
    assert viewer("take") == "EACCES"
    assert viewer("peek 0") == "Bus error" and viewer("poll") == "1 ERR HUP"
    # The device is free: the other one sets up a stream of its own.
    assert other("stream mmap") == "ok" and other("take").startswith("ok")
    assert other("stop") == "ok"
    two.rights({two.personal: SHARED, two.work: SHARED})
    allowed = seconds(viewer("now"))
    # What was set up before is gone, mappings included.
    assert viewer("take") == "EINVAL" and viewer("peek 0") == "Bus error"
    assert viewer("stream mmap") == "ok"
    assert seconds(viewer("take")) > allowed and viewer("peek 0") == "ok"


def test_a_blocked_call_ends_and_the_program_sees_no_signal(program, two):
    viewer = program()
    assert viewer("stream mmap") == "ok" and viewer("block") == "ok"
    viewer("poll")
    two.rights({})
    assert viewer("join", 5) == "EACCES"


def test_no_mapping_survives(program, two):
    viewer = program()
    assert viewer("stream mmap") == "ok" and viewer("take").startswith("ok")
    # A copy by the program itself works; nobody gets hold of the page.
    assert viewer("kernel 1") == "EFAULT ok EFAULT"
    assert viewer("fork") == "ok" and viewer("child peek 1") == "ok" and viewer("mremap 2") == "ok"
    cut = two.rights({})
    assert cut[two.personal, "camera"]["MAPPINGS"] == 8
    for what in ("peek 0", "peek 2", "mremap 1", "child peek 1", "child mremap 3"):
        assert viewer(what) == "Bus error", what
    assert viewer("kernel 1") == "EFAULT EFAULT EFAULT"


def test_no_descriptor_is_a_way_round(program, two):
    viewer = program()
    assert viewer("stream mmap") == "ok"
    assert viewer("export") == "ENOTTY", "a buffer's own descriptor would outlive a denial"
    two.rights({})
    assert viewer("reopen") == "EACCES" and viewer("fork") == "ok" and viewer("child take") == "EACCES"


# Only waits for an edge of epoll.
EDGES = """
import os, select
fd = os.open('/dev/video0.d1', os.O_RDWR | os.O_NONBLOCK)
e = select.epoll()
e.register(fd, select.EPOLLPRI | select.EPOLLIN | select.EPOLLET)
print('waiting', flush=True)
while True:
    for _, mask in e.poll():
        print('changed', mask, flush=True)
"""


def test_who_waits_for_edges_is_told_of_the_denial_and_of_its_end(phone, two):
    waiter = phone.spawn(["/usr/bin/python3", "-c", EDGES])
    waiter.expect("waiting")
    for table in ({}, {two.personal: SHARED}, {}, {two.personal: SHARED}):
        phone.pause(0.5)
        told = waiter.out.count("changed")
        two.rights(table)
        phone.until(lambda seen=told: waiter.out.count("changed") > seen, 20, f"word of {table}")
    waiter.kill()


def test_user_memory_is_filled_no_more(program, two):
    viewer, other = program(), program("/dev/video0.d2")
    assert viewer("stream userptr") == "ok" and viewer("take").startswith("ok")
    two.rights({two.work: SHARED})
    assert viewer("take") == "EACCES"
    assert other("stream userptr") == "ok" and other("take").startswith("ok")


def test_io_uring_is_no_way_round(phone, tool, two):
    ring = phone.spawn([tool("ring"), "/dev/video1.d1"])
    assert ring.line() == "open"

    def submit(*words):
        for w in words:
            ring.send(w + "\n")

    def ends(n):
        for _ in range(n):
            ring.send("wait\n")
        return sorted(ring.line(30) for _ in range(n))
    submit("fixed")
    assert ends(1) == ["fixed ok"]
    submit("poll", "async")
    two.rights({})
    assert ends(2)[1] == "poll ERR"
    submit("read", "fixed", "async")
    assert ends(3) == ["async EACCES", "fixed EACCES", "read EACCES"]
    ring.eof()
    ring.wait()


# What differs from the real node, and why that is as it should be.
KNOWN = {
    "test MC information": "the media device gives the real node's number, not the endpoint's",
}


def verdicts(text):
    found = re.findall(r"^\s*(test [^:\n]+): (OK|FAIL)", text, re.M)
    return {re.sub(r" \(see.*| /dev/\S+", "", name): outcome for name, outcome in found}


def test_compliance_is_that_of_the_real_node(phone, two):
    real = verdicts(phone.run("v4l2-compliance -d /dev/video1", 200, check=False).out)
    ours = verdicts(phone.run("v4l2-compliance -d /dev/video1.d1", 200, check=False).out)
    assert len(real) > 40
    assert {t for t in real.keys() | ours.keys() if ours.get(t) != real.get(t)} == set(KNOWN)
