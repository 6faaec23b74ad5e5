# SPDX-License-Identifier: Apache-2.0
"""What tests of the lab get. A file test_*.py here drives one booted phone:

    PHONE = {"display": "bochs"}       # optional: arguments of emulator.Phone

    def test_it(phone):                # the file's one phone, already on
        phone.insmod()                 # devns.ko, built for its kernel
        assert phone.run("uname -r").out ...

After each test the console is looked at, so the test that broke the kernel fails.
A Skip, wherever it comes from, skips with its reason. CELLS_LONG is set for the
long form."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import devns  # noqa: E402
import emulator  # noqa: E402
import kernel  # noqa: E402


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    names = pyfuncitem._fixtureinfo.argnames
    try:
        pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    except kernel.Skip as e:
        pytest.skip(str(e))
    return True


@pytest.fixture(scope="session")
def long():
    """Whether this is the long form."""
    return bool(os.environ.get("CELLS_LONG"))


@pytest.fixture(scope="module")
def options(request):
    """Arguments of emulator.Phone for this file; one that makes them overrides this."""
    return getattr(request.module, "PHONE", {})


@pytest.fixture(scope="module")
def booted(options):
    try:
        p = emulator.Phone(kernel.chosen(), **options)
        with p:
            p.run("true", 240)
            yield p
    except kernel.Skip as e:
        pytest.skip(str(e))


@pytest.fixture
def phone(booted):
    if booted.child.poll() is not None:
        booted.reboot()
    yield booted
    booted.healthy()


@pytest.fixture(scope="module")
def module(booted):
    """The path of devns.ko for the phone's kernel."""
    try:
        return booted.kernel.module()
    except kernel.Skip as e:
        pytest.skip(str(e))


@pytest.fixture(scope="session")
def tool():
    """The path of a helper program of the lab, built by `make lab`."""
    try:
        folder = kernel.chosen().programs() / "tests/lab"
    except kernel.Skip as e:
        pytest.skip(str(e))

    def find(name):
        path = folder / name
        assert path.exists(), f"{path} is missing: make lab"
        return path
    return find


@pytest.fixture(scope="module")
def loaded(booted, module):
    """The module in the phone, and a client of its netlink family."""
    booted.insmod(module)
    client = devns.Remote(booted)
    yield client
    client.clean()
    client.end()
    booted.run("rmmod devns")


@pytest.fixture
def ns(loaded):
    """The same, with nothing left of the test before."""
    loaded.clean()
    return loaded
