# SPDX-License-Identifier: Apache-2.0
"""A lock of a running VP, until its key is no longer in the kernel: what it wrote is on the disk then."""
import contextlib
import time

from bench import Side
from vpdevice import BOTH, Phone, end, unlock

NAME = "lock"
WORK = "lock of a running VP that just wrote 1 MiB"
ROUNDS = 20
LIMIT = "at most 10 ms from the end of its processes to the key absent"

WRITE = "busybox dd if=/dev/zero of=/root/new bs=64k count=16 2>/dev/null"
BUSY = "while :; do busybox dd if=/dev/zero of=/root/busy bs=64k count=256 2>/dev/null; done"


@contextlib.contextmanager
def sides():
    phone = Phone()
    try:
        phone.start()
        phone.apply(["work", "personal"], BOTH)
        for vp in ("work", "personal"):
            phone.policy("Start", "s", vp)

        def before():
            if phone.state("work") == "locked":
                unlock(phone, "work")
            phone.policy("Start", "s", "work")
            assert phone.exec("work", "/bin/sh", "-c", WRITE)[0] == 0

        def lock():
            details = phone.policy("Lock", "s", "work")
            assert details["keys"] == 1 and not details["incomplete"]
            return details["ns"] / 1e9

        def whole():
            start = time.perf_counter()
            lock()
            return time.perf_counter() - start

        writers = []

        def begin_writing():
            before()
            writers.append(phone.background("personal", BUSY))
            time.sleep(0.2)

        def end_writing():
            end(writers.pop())
        yield [Side("processes gone to key absent", lock, ours=True, before=before),
               Side("the same, request to answer", whole, before=before),
               Side("gone to absent, while another VP writes all it can", lock, before=begin_writing, after=end_writing)]
    finally:
        phone.close()
