# SPDX-License-Identifier: Apache-2.0
"""Memory of a driver that does what a driver may do and few do (faulty.c), mapped through an endpoint: nothing is used
after it is gone, and a change of policy waits for it no longer than for anything else. On the kernel with KASAN and lockdep
the console says more."""
import json
import shlex

import pytest

MODE = "/sys/module/faulty/parameters/mode"


@pytest.fixture(scope="module")
def driver(booted):
    booted.modprobe("videodev")
    booted.run(["insmod", booted.kernel.test_module("faulty")])
    yield
    booted.run("rmmod faulty")


@pytest.fixture
def one(driver, ns):
    ns.work = ns.ns_add("work")
    ns.give("/dev/video40", ["camera"])
    ns.rights({ns.work: {"camera": "shared"}})
    return ns


@pytest.fixture
def toucher(phone, tool, one):
    made = []

    def start(mode):
        phone.run(f"echo {mode} >{MODE}")
        job = phone.spawn([tool("toucher"), "/dev/video40.d1"])
        made.append(job)
        assert job.line() == "mapped", job.out
        return job

    yield start
    for job in made:
        job.kill()
    phone.run(f"echo 0 >{MODE}")


def tell(job, word, seconds=30):
    job.send(word + "\n")
    return job.line(seconds)


def begin(phone, job):
    """Its thread is in the driver's fault handler."""
    assert tell(job, "touch") == "touching"
    for _ in range(100):
        if phone.run("cat /sys/module/faulty/parameters/under_way").out == "1\n":
            return
        phone.pause(0.1)
    raise AssertionError("the handler was never called")


def test_a_page_comes_and_is_cut(toucher, one):
    """The driver finds its own file in the area, at its beginning and at its end, also when it is cut."""
    job = toucher(0)
    assert tell(job, "touch") == "touching" and tell(job, "join") == "read"
    one.rights({})
    assert tell(job, "touch") == "touching" and tell(job, "join") == "Bus error"


def test_an_area_that_goes_while_its_lock_is_let_go_of(phone, toucher, one):
    job = toucher(1)
    begin(phone, job)
    assert tell(job, "unmap") == "unmapped"
    assert one.endpoints()[0]["HANDLES"] == 0, "its file is gone, the fault is not over"
    assert tell(job, "join") == "Segmentation fault"


def test_a_slow_fault_holds_no_change_of_policy(phone, toucher, one):
    job = toucher(2)
    begin(phone, job)
    one.generation += 1
    answer = one.policy(one.generation, {})
    print(json.dumps(answer))
    assert [c["KILLED"] for nest in answer["CUTS"] for c in nest["CUT"]] == [1]
    assert phone.run("cat /sys/module/faulty/parameters/under_way").out == "1\n", "the handler has not yet answered"
    assert job.wait(60).rc == 128 + 9


def test_a_process_that_is_gone_when_its_memory_is_cut(phone, one, tool, toucher):
    """The area is inherited by a child, which alone is left."""
    phone.run(f"echo 0 >{MODE}")
    child = phone.spawn(shlex.join(["/usr/bin/python3", "-c", (
        "import mmap, os, sys, time\n"
        "fd = os.open('/dev/video40.d1', os.O_RDWR)\n"
        "m = mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ); m[0]\n"
        "if os.fork(): os._exit(0)\n"
        "print('child', flush=True); time.sleep(1000)\n")]) + "; sleep 1000")
    child.expect("child")
    phone.pause(1)
    one.rights({})
    assert one.endpoints()[0]["MAPPINGS"] == 0
    child.kill()
