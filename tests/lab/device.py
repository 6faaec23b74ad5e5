# SPDX-License-Identifier: Apache-2.0
"""Runs on the emulated phone: bus and daemons as harness.py starts them, until its
standard input ends. Its first line says where they are."""
import json
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/e2e"))

import harness  # noqa: E402


def main():
    with harness.World() as world:
        device = harness.Device(world, hardware=TOP / "data/hardware.d/default.conf")
        try:
            device.start()
        except harness.Failed as e:
            print(json.dumps({"failed": str(e)}), flush=True)
            return 1
        print(json.dumps({"bus": device.bus.address,
                          "logs": {p.name: str(p.log) for p in (device.cellsd, device.policyd, device.agent)}}),
              flush=True)
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
