# SPDX-License-Identifier: Apache-2.0
"""make install over an installation: what an administrator changed stays."""
import pathlib
import tempfile

import pytest

from harness import BUILD, run

CONFIGURATION = ["cells-agent.conf", "cells-mgmtd.conf", "cells-policyd.conf", "cellsd.conf"]


@pytest.fixture(name="root")
def fixture_root():
    with tempfile.TemporaryDirectory(prefix="cells-install-") as name:
        yield pathlib.Path(name)


def make(target, root):
    return run(["make", "-s", "-C", BUILD, target, f"DESTDIR={root}"])


def test_changed_configuration_is_kept(root):
    if not (BUILD / "Makefile").exists():
        pytest.skip(f"{BUILD} has no Makefile")
    make("install-configuration", root)
    files = {p.name: p for p in root.rglob("*.conf")}
    assert sorted(files) == CONFIGURATION
    shipped = files["cells-agent.conf"].read_text()
    files["cellsd.conf"].write_text("merge-memory = no\n")
    files["cells-agent.conf"].unlink()
    said = make("install-configuration", root)
    assert files["cellsd.conf"].read_text() == "merge-memory = no\n" and "cellsd.conf is kept" in said.stdout
    assert files["cells-agent.conf"].read_text() == shipped
    make("uninstall-configuration", root)
    assert [p.name for p in root.rglob("*.conf")] == ["cellsd.conf"]
