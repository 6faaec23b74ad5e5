# SPDX-License-Identifier: Apache-2.0
"""From a policy's submission at the server to the last handle dead in the kernel, on the phone itself: the real
server, agent, policyd and cellsd with the module. Prints JSON: seconds of each round, all by the kernel's clock."""
import json
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
for folder in ("../../e2e", "..", "../../bench"):
    sys.path.insert(0, str(HERE / folder))

import devns  # noqa: E402
import harness  # noqa: E402
from plant import Plant  # noqa: E402
from sensor import Camera  # noqa: E402


def boot_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def cut(plant, audit):
    """One round: the camera is open and mapped in the VP work, taken, and given back."""
    harness.until(lambda: all(e["ALLOWED"] for e in audit.endpoints() if e["NODE"] == "video0"), 60, 0.1)
    pid = next(v["pid"] for v in plant.vps() if v["name"] == "work")
    known = len(plant.server.receipts(plant.device, type="revoked"))
    with Camera(f"/proc/{pid}/root/dev"):
        audit.events()
        begin = boot_ns()
        plant.server.submit(plant.policy())
        answered = boot_ns()
        receipts = harness.until(lambda: plant.server.receipts(plant.device, type="revoked")[known:], 120, 0.2)
        dead = [e for e in audit.events() if e["EVENT"] == "revoke" and e["HANDLES"]]
    details = receipts[-1]["details"]
    assert details["revoked"] == [{"vp": "work", "class": "camera", "handles": 1, "mappings": 1, "kept": 0}], details
    plant.server.submit(plant.policy())
    return {"chain": (dead[-1]["TIME"] - begin) / 1e9, "answered": (answered - begin) / 1e9, "receipt": details["ns"] / 1e9}


def main(rounds):
    with harness.World() as world:
        plant = Plant(world, hardware=harness.TOP / "data/hardware.d/default.conf")
        audit = devns.Audit()
        for _ in range(rounds):
            print(json.dumps(cut(plant, audit)), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
