# SPDX-License-Identifier: Apache-2.0
"""What hangs on the machine, on one that has all of it: cgroup v2 with every controller, memory that may run
short, nftables of Debian's own kernel. The tests are those of tests/e2e; here they find what they need."""
import os

import pytest

import kernel

PHONE = {"memory": "1G"}


@pytest.fixture(scope="module")
def ready(booted):
    booted.udev()
    return booted


def there(phone, name, seconds, *more):
    words = " ".join(("-q", "-rs", "-p", "no:cacheprovider", *more))
    answer = phone.run(f"cd {kernel.TOP} && CELLS_LAB=1 CELLS_BUILD={kernel.BUILD} PYTHONDONTWRITEBYTECODE=1 "
                       f"CELLS_LONG={os.environ.get('CELLS_LONG', '')} "
                       f"/usr/bin/python3 -m pytest {words} tests/e2e/{name}.py", seconds, check=False)
    assert answer.rc == 0, answer.out[-6000:]
    return answer.out


def test_nobody_has_the_kernel_load_modules(ready, phone):
    """First: what cellsd itself needs is not loaded yet."""
    out = there(phone, "test_modules", 300)
    assert "1 passed" in out, out


def test_limits_weights_and_short_memory(ready, phone):
    # A process that is ended for its memory is reported with a stack, as what the lab takes for a fault: not on the
    # console then. Worse than a warning is still printed.
    phone.run("dmesg -n 4")
    out = there(phone, "test_resources", 500)
    phone.run("dmesg -n 7")
    assert "controller" not in out, out


def test_who_takes_all_memory_and_processes_hurts_itself(ready, phone, long):
    """In the short form the bombs of test_resources cover it."""
    if not long:
        pytest.skip("the long form (CELLS_LONG)")
    phone.run("dmesg -n 4")
    out = there(phone, "test_exhaustion", 600, "-s", "-k", "'itself and (memory or processes) and not shared'")
    phone.run("dmesg -n 7")
    print(out)
    assert "2 passed" in out, out


def test_the_network_by_this_kernel_s_nftables(ready, phone):
    there(phone, "test_net", 500, "-k", "'nothing_near or outlive'")
