# SPDX-License-Identifier: Apache-2.0
"""vpdevice's device as fixtures: a test file imports those that it wants."""
import pytest

from vpdevice import BOTH, Phone


@pytest.fixture(name="phone")
def fixture_phone():
    p = Phone()
    try:
        yield p.start()
    finally:
        p.close()


@pytest.fixture(name="two")
def fixture_two(phone):
    phone.apply(["work", "personal"], BOTH)
    phone.policy("Start", "s", "work")
    phone.policy("Start", "s", "personal")
    return phone
