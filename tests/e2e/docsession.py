# SPDX-License-Identifier: Apache-2.0
"""Runs the examples of a Markdown document as a reader would type them, on a machine of their own.

    docsession.py DOCUMENT WORLD

Fenced blocks with the info string `console` are one session of one shell: `$ ` and `# ` start a command (as
root both), white space behind a `\\` continues it, all else is what it prints. A line `...` matches any number of
lines, `…` for any text in a line; ids, digests and times may differ. Behind `console` may follow

    again       the block's last command is repeated until it prints that (what a device does takes a moment)
    elsewhere   not run: it needs what is not on one machine, such as DNS, a proxy or a phone

The session has mounts, a network, processes and a system bus of its own: what is installed is the build tree, and the
units of data/ are started by a systemctl of ours.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import harness

PROGRAMS = ("cellsadm", "cells-image", "cells-mgmtd", "cells-agent", "cells-policyd", "cellsd", "cellsctl", "devnsctl")
MARK = "=== status"
AGAIN_SECONDS = 240
VARIABLE = ((r"dev-[0-9a-f]{12}", "DEVICE"), (r"\b[0-9a-f]{16,}\b", "HEX"), (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z?", "TIME"),
            (r"[A-Za-z0-9_-]{40,}", "TOKEN"), (r"\s+", " "))


def blocks(text):
    """(words behind `console`, lines) of each fenced block of examples."""
    found = re.findall(r"^```console(.*?)\n(.*?)^```$", text, re.M | re.S)
    return [(info.split(), body.splitlines()) for info, body in found]


def commands(lines):
    """[(command, what it prints)] of a block."""
    found = []
    for line in lines:
        if line[:2] in ("$ ", "# "):
            found.append([line[2:], []])
        elif found and found[-1][0].endswith("\\") and not found[-1][1]:
            found[-1][0] += "\n" + line
        elif found:
            found[-1][1].append(line)
        else:
            raise harness.Failed(f"output without a command: {line}")
    return found


def plain(text):
    for pattern, word in VARIABLE:
        text = re.sub(pattern, word, text)
    return text.strip()


def pattern_of(wanted):
    parts = []
    for line in wanted:
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*".join(map(re.escape, plain(line).split("…"))) + r"\n")
    return "".join(parts)


def prints(wanted, got):
    """Is that what the document says? A document that shows nothing says nothing."""
    lines = [plain(line) for line in got.splitlines()]
    text = "".join(line + "\n" for line in lines if line)
    return not wanted or re.fullmatch(pattern_of([w for w in wanted if w.strip()]), text) is not None


class Shell:
    def __init__(self, folder, env):
        self.bash = subprocess.Popen(["bash", "--norc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                     text=True, cwd=folder, env=env)

    def run(self, command):
        """(output, exit code)"""
        self.bash.stdin.write(f"{{ {command}\n}} </dev/null 2>&1\nstatus=$?; echo; echo '{MARK}' $status\n")
        self.bash.stdin.flush()
        lines = []
        for line in self.bash.stdout:
            if line.startswith(MARK):
                return "".join(lines)[:-1], int(line.split()[-1])
            lines.append(line)
        raise harness.Failed(f"the shell ended at: {command}")


def mount(*args):
    harness.run(["mount", *args])


def make_machine(world):
    """A machine of its own, with the build tree installed: for --prefix=/usr and for the default prefix."""
    harness.run(["ip", "link", "set", "lo", "up"])
    scratch = world.subfolder("scratch")
    mount("-t", "tmpfs", "tmpfs", scratch)
    for name in ("etc", "var", "usr/share", "usr/local"):
        upper, work = (scratch / kind / name.replace("/", "-") for kind in ("upper", "work"))
        upper.mkdir(parents=True)
        work.mkdir(parents=True)
        mount("-t", "overlay", "overlay", "-o", f"lowerdir=/{name},upperdir={upper},workdir={work}", f"/{name}")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for link, target in (("etc", "/etc"), ("var", "/var"), ("share/cells", "/usr/share/cells")):
        path = pathlib.Path("/usr/local") / link
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    share = pathlib.Path("/usr/share/cells")
    shutil.rmtree(share, ignore_errors=True)
    shutil.copytree(harness.TOP / "images/recipes", share / "recipes")
    shutil.copytree(harness.TOP / "data/hardware.d", share / "hardware.d")
    (share / "hardware.d/default.conf").unlink()  # this machine's hardware stays its own
    shutil.copytree(harness.TOP / "schema", share / "schema")
    for folder in ("/etc/cells", "/var/lib/cells", "/run/cells", "/run/cells-mgmtd"):
        shutil.rmtree(folder, ignore_errors=True)
        pathlib.Path(folder).mkdir(mode=0o755, parents=True)
    mount("--bind", world.subfolder("state"), "/var/lib/cells")
    for daemon in ("cells-mgmtd", "cells-policyd", "cells-agent", "cellsd"):
        user = {"cells-mgmtd": "cells-mgmt", "cells-policyd": "cells-policy", "cells-agent": "cells-agent"}.get(daemon, "root")
        path = pathlib.Path("/var/lib/cells") / daemon
        path.mkdir(mode=0o700)
        shutil.chown(path, user, user)
    shutil.chown("/run/cells-mgmtd", "cells-mgmt", "cells-mgmt")
    # Links, filters and the pressure on memory would be this machine's.
    pathlib.Path("/etc/cells/cellsd.conf").write_text("network = no\npressure-ms = 0\nmerge-memory = no\n")


SYSTEMCTL = """#!/usr/bin/python3
import sys
sys.path.insert(0, {here!r})
import docsession
docsession.systemctl(sys.argv[1:])
"""


def unit_of(name):
    """What a unit starts: its command and its user."""
    text = (harness.BUILD / f"data/{name}.service").read_text()
    argv = re.search(r"^ExecStart=(.*)$", text, re.M)[1].split()
    user = re.search(r"^User=(.*)$", text, re.M)
    return argv, user[1] if user else None


def systemctl(args):
    """start, enable --now, stop and restart, as far as the documents use them."""
    verb, names = args[0], [a for a in args[1:] if not a.startswith("-")]
    folder = pathlib.Path(os.environ["DOC_FOLDER"])
    for name in names:
        name = name.removesuffix(".service")
        pidfile = folder / f"{name}.pid"
        if verb in ("stop", "restart") and pidfile.exists():
            pid = int(pidfile.read_text())
            os.kill(pid, 15)
            harness.until(lambda pid=pid: not pathlib.Path(f"/proc/{pid}/cmdline").read_bytes())
        if verb in ("start", "restart", "enable"):
            argv, user = unit_of(name)
            argv[0] = harness.program(name)
            if name == "cellsd":
                argv += ["--cgroup-root", os.environ["DOC_CGROUP"]]
            elif name != "cells-mgmtd":
                run_dir = pathlib.Path("/run/cells") / name
                run_dir.mkdir(exist_ok=True)
                shutil.chown(run_dir, user, user)
                argv += ["--run-dir", str(run_dir)]
            p = harness.Process(name, argv, folder / f"{name}.log", user, notify=folder / f"{name}.notify")
            p.start()
            pidfile.write_text(str(p.child.pid))


def check(shell, words, wanted_of):
    for n, (command, wanted) in enumerate(wanted_of):
        again = "again" in words and n == len(wanted_of) - 1
        end = time.monotonic() + (AGAIN_SECONDS if again else 0)
        while True:
            got, status = shell.run(command)
            if status == 0 and prints(wanted, got):
                break
            if time.monotonic() > end:
                raise harness.Failed(f"$ {command}\n{got}(exit {status}); the document says:\n" + "\n".join(wanted))
            time.sleep(0.3)
        print(f"$ {command}\n{got}", end="", flush=True)


def main(document, folder, cgroup):
    world = harness.World(folder)
    make_machine(world)
    home = world.subfolder("home", mode=0o700)
    tools = world.subfolder("tools")
    for name in PROGRAMS:
        (tools / name).symlink_to(harness.program(name))
    (tools / "systemctl").write_text(SYSTEMCTL.format(here=str(pathlib.Path(__file__).parent)))
    (tools / "systemctl").chmod(0o755)
    logs = world.subfolder("logs", mode=0o777)
    bus = harness.Bus(world.subfolder("bus"))
    env = dict(os.environ, PATH=f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin", HOME=str(home), DOC_FOLDER=str(logs), DOC_CGROUP=cgroup,
               DBUS_SYSTEM_BUS_ADDRESS=bus.address, CELLS_BUILD=str(harness.BUILD))
    env.pop("XDG_CONFIG_HOME", None)
    shell = Shell(home, env)
    try:
        for words, lines in blocks(pathlib.Path(document).read_text()):
            if "elsewhere" not in words:
                check(shell, words, commands(lines))
    except harness.Failed as e:
        print(e)
        for log in sorted(logs.glob("*.log")):
            print(f"--- {log.name}\n" + "\n".join(log.read_text().splitlines()[-15:]))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
