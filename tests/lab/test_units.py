# SPDX-License-Identifier: Apache-2.0
"""What `make install` leaves, on a phone that systemd boots: users, bus policy, units
and their sandboxes."""
import re
import subprocess

import kernel
import pytest

ORDER = ("cellsd", "cells-policyd", "cells-agent")
USER = {"cellsd": "root", "cells-policyd": "cells-policy", "cells-agent": "cells-agent"}


@pytest.fixture(scope="module")
def installed():
    """The tree as a package would hold it."""
    makefile = (kernel.BUILD / "Makefile").read_text()
    if not re.search(r"^prefix = /usr$", makefile, re.M):
        pytest.skip(f"{kernel.BUILD} is not configured with --prefix=/usr")
    target = kernel.BUILD / "lab/installed"
    subprocess.run(["rm", "-rf", target], check=True)
    subprocess.run(["make", "-s", "-C", kernel.BUILD, "install", f"DESTDIR={target}"], check=True,
                   capture_output=True)
    return target


@pytest.fixture(scope="module")
def options(installed):
    return {"append": f"cells.init={kernel.TOP}/tests/lab/systemd.sh cells.installed={installed}"}


@pytest.fixture(scope="module")
def started(booted):
    booted.run("systemctl start " + " ".join(ORDER), 300)
    return booted


def test_sysusers_makes_the_users(phone):
    for name in ("cells-agent", "cells-policy", "cells-mgmt"):
        assert phone.run(["getent", "passwd", name]).out.split(":")[6].strip() == "/usr/sbin/nologin"
    phone.run("getent group cells")


def test_units_are_sound(phone):
    out = phone.run("systemd-analyze verify --man=no cellsd.service cells-policyd.service cells-agent.service "
                    "cells-mgmtd.service 2>&1").out
    assert "cells" not in out, out


def test_daemons_come_up_under_their_users(phone, started):
    for name in ORDER:
        pid = phone.run(["systemctl", "show", "-P", "MainPID", name]).out.strip()
        assert phone.run(["systemctl", "is-active", name]).out.strip() == "active"
        assert phone.run(["stat", "-c", "%U", f"/proc/{pid}"]).out.strip() == USER[name]
    assert phone.run("cellsctl list").out.startswith("VP")
    assert "root version" in phone.run("cellsctl status", check=False).out.lower() or \
        phone.run("cellsctl status --format json").rc == 0


def test_the_sandboxes_hold(phone, started):
    policyd, agent = (phone.run(["systemctl", "show", "-P", "MainPID", n]).out.strip() for n in ORDER[1:])
    for pid in (policyd, agent):
        status = phone.run(["cat", f"/proc/{pid}/status"]).out
        assert re.search(r"CapEff:\s+0{16}", status) and re.search(r"NoNewPrivs:\s+1", status) \
            and re.search(r"Seccomp:\s+2", status)
    assert phone.run(f"nsenter -t {policyd} -n ip -o link").out.count("\n") == 1  # lo alone
    folder = "/var/lib/cells/cells-policyd"
    assert phone.run(["ls", "-A", folder]).out
    assert not phone.run(f"nsenter -t {agent} -m ls -A {folder}").out  # an empty one hides it


def test_the_agents_envoy_may_go(phone, started):
    """Its child finds nobody at that port, which it could not know if its sandbox stopped it."""
    uri = f"cells://127.0.0.1:9/?t={'1' * 64}&root={'2' * 64}&ca={'3' * 64}&group=field:1"
    assert "Connection refused" in phone.run(f"cellsctl enroll '{uri}' 2>&1", check=False).out


def test_one_that_dies_comes_back(phone, started):
    for name in ORDER:
        before = phone.run(["systemctl", "show", "-P", "MainPID", name]).out.strip()
        phone.run(f"kill -9 {before}")
        phone.run(f"for i in $(seq 100); do p=$(systemctl show -P MainPID {name}); "
                  f"[ $p != 0 ] && [ $p != {before} ] && systemctl -q is-active {name} && exit 0; sleep 0.2; done; exit 1", 200)
    phone.run("cellsctl list")


def test_the_server_waits_for_its_init(phone):
    phone.run("systemctl start cells-mgmtd", check=False)
    assert phone.run("systemctl is-active cells-mgmtd", check=False).out.strip() == "inactive"


def test_they_stop_when_asked(phone, started):
    phone.run("systemctl stop cells-agent cells-policyd cellsd", 120)
    for name in ORDER:
        assert phone.run(["systemctl", "show", "-P", "Result", name]).out.strip() == "success"
