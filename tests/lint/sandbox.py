#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Units of daemons that are not root: systemd's own list of what a sandbox can have, set but for what is said here."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# cellsd is root and its VPs inherit: it has none.
ANY = {"RootDirectoryOrRootImage": "libraries and the bus are the host's", "PrivateMounts": "ProtectSystem= makes them so",
       "PrivateUsers": "the bus knows callers by their ids", "DeviceAllow": "those that every program needs",
       "RestrictAddressFamilies_AF_UNIX": "the bus, or the log"}
NET = {"RestrictAddressFamilies_AF_INET_INET6": "what it is for", "PrivateNetwork": "what it is for",
       "IPAddressDeny": "addresses are the configuration's"}
UNITS = {
    "cells-agent": {**ANY, **NET, "RestrictAddressFamilies_AF_NETLINK": "sees networks come",
                    "ProcSubset": "the model of the device is in /proc/device-tree"},
    "cells-policyd": {**ANY, "ProcSubset": "asks for the boot id"},
    "cells-mgmtd": {**ANY, **NET, "SystemCallFilter_resources": "sets how many files it may open"},
}
# What the list does not know.
LINES = {
    "cells-agent": [r"^InaccessiblePaths=-/var/lib/cells/cells-policyd -/var/lib/cells/cellsd$", r"^StateDirectoryMode=0700$",
                    r"^MemoryMax=", r"^TasksMax="],
    "cells-policyd": [r"^StateDirectoryMode=0700$", r"^LimitMEMLOCK=0$", r"^MemoryMax=", r"^TasksMax="],
    "cells-mgmtd": [r"^StateDirectoryMode=0700$", r"^TasksMax="],
}


def unset(unit):
    r = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", "--json=short", unit],
                       capture_output=True, text=True, check=False)
    try:
        return {row["json_field"] for row in json.loads(r.stdout) if row["set"] is not True}
    except ValueError:
        sys.exit(f"systemd-analyze: {r.stderr.strip()}")


def faults(name, text, folder):
    unit = pathlib.Path(folder) / f"{name}.service"
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.M))
    open_ones = unset(unit)
    yield from (f"{x} is not set" for x in sorted(open_ones - set(UNITS[name])))
    yield from (f"{x} is set now: take it off the list" for x in sorted(set(UNITS[name]) - open_ones))
    yield from (f"no line {x}" for x in LINES[name] if not re.search(x, text, re.M))


def main():
    if not shutil.which("systemd-analyze"):
        print("1..0 # SKIP systemd-analyze is not installed")
        return
    top = pathlib.Path(os.environ.get("srcdir", "."))
    print(f"1..{len(UNITS)}")
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(UNITS, 1):
            found = list(faults(name, (top / f"data/{name}.service.in").read_text(), folder))
            print(f"{'not ok' if found else 'ok'} {number} - {name}.service is as closed as systemd can make it, but for what has a reason")
            for f in found:
                print(f"# {f}")


if __name__ == "__main__":
    main()
