# SPDX-License-Identifier: Apache-2.0
"""A Debian root with systemd as its init, made of the packages that this machine has installed: nothing is fetched."""
import os
import re
import subprocess

PACKAGES = ["systemd", "dbus", "bash", "coreutils", "util-linux", "base-files", "libc-bin", "mount", "procps"]
LEFT_OUT = re.compile(r"/usr/share/(doc|man|locale|info|lintian|bash-completion)(/|$)|/boot/")
USERS = {"root": (0, "/root"), "messagebus": (101, "/nonexistent"), "systemd-network": (998, "/"),
         "systemd-timesync": (997, "/"), "nobody": (65534, "/nonexistent")}


def query(packages, field):
    """{package: field} of those that are installed."""
    r = subprocess.run(["dpkg-query", "-W", "-f", "${Package}\t${Status}\t${%s}\n" % field, *packages], capture_output=True,
                       text=True, check=False)
    rows = [line.split("\t") for line in r.stdout.splitlines()]
    return {row[0]: row[2] for row in rows if row[1].endswith(" installed")}


def missing():
    return sorted(set(["systemd", "dbus"]) - set(query(["systemd", "dbus"], "Version")))


def closure(packages):
    found = {}
    new = set(packages)
    while new:
        more = query(sorted(new), "Pre-Depends}, ${Depends")
        found.update(more)
        names = {n for line in more.values() for n in re.findall(r"(?:^|[,|])\s*([a-z0-9.+-]+)", line)}
        new = names - set(found) - {"debconf", "cdebconf"}
        if not more:
            break
    return sorted(found)


def make(root):
    root.mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for name in ("dev", "proc", "sys", "run", "tmp", "root", "etc", "var/lib", "var/log"):
        (root / name).mkdir(parents=True)
    listing = subprocess.run(["dpkg", "-L", *closure(PACKAGES)], capture_output=True, text=True, check=True).stdout
    files = sorted({f for f in listing.splitlines() if f.startswith("/") and not LEFT_OUT.search(f)
                    and os.path.lexists(f) and (os.path.islink(f) or os.path.isfile(f))})
    tar = subprocess.Popen(["tar", "-C", "/", "-c", "--no-recursion", "-T", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    copy = subprocess.Popen(["tar", "-C", str(root), "-x", "--keep-directory-symlink"], stdin=tar.stdout)
    tar.stdin.write("\n".join(f.lstrip("/") for f in files).encode())
    tar.stdin.close()
    tar.stdout.close()
    assert copy.wait() == 0 and tar.wait() == 0
    (root / "usr/sbin/init").unlink(missing_ok=True)
    (root / "usr/sbin/init").symlink_to("../lib/systemd/systemd")
    (root / "etc/passwd").write_text("".join(f"{n}:x:{i}:{i}::{home}:/bin/sh\n" for n, (i, home) in USERS.items()))
    (root / "etc/group").write_text("tty:x:5:\n" + "".join(f"{n}:x:{i}:\n" for n, (i, _) in USERS.items()))
    (root / "etc/shadow").write_text("".join(f"{n}:*:19000::::::\n" for n in USERS))
    (root / "etc/machine-id").write_text("")
    (root / "etc/hostname").write_text("vp\n")
    return root
