# SPDX-License-Identifier: Apache-2.0
"""Runs on the phone: a bus and cellsd with VPs, with a test on the host in policyd's place. talk.py has its protocol.

VPs are of busybox, and have the programs of VISITORS with a Python to run them."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path.insert(0, str(TOP / "tests/e2e"))

import harness  # noqa: E402
import sdbus  # noqa: E402
import talk  # noqa: E402
import vpdevice  # noqa: E402

VISITORS = ("painter", "typist")
# What a Python with these programs has loaded, as seen by itself.
LOADED = f"""
import json, sys
sys.path.insert(0, {str(HERE)!r})
import {", ".join(VISITORS)}
print(json.dumps([m.__file__ for m in sys.modules.values() if getattr(m, "__file__", None)]))
"""

phone = place = None
held = []


def output(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def visitors():
    """For make_image(): the programs, and all that they need, where they look for it."""
    python = "/usr/bin/python3"
    modules = json.loads(output(python, "-c", LOADED))
    linked = re.findall(r"(/\S+) \(0x", output("ldd", python, *(m for m in modules if m.endswith(".so"))))
    copies = {path.lstrip("/"): path for path in (python, *linked)}
    for path in map(pathlib.Path, [*modules, *(TOP / "kernel/uapi/cells").glob("*.h")]):
        cached = path.parent / f"__pycache__/{path.stem}.{sys.implementation.cache_tag}.pyc"
        if path.is_relative_to(TOP):
            copies[f"cells/{path.relative_to(TOP)}"] = path
        elif cached.exists():  # it is neither read nor compiled, whatever its time
            copies[str(path.with_suffix(".pyc")).lstrip("/")] = cached
        else:
            copies[str(path).lstrip("/")] = path
    return copies


def image(path, with_visitors):
    """Made once: it stays what it was over a power cut."""
    if not path.exists():
        with tempfile.TemporaryDirectory() as scratch:
            made = vpdevice.make_image(pathlib.Path(scratch), "base", {"sbin/init": (0o755, vpdevice.INIT)},
                                       visitors() if with_visitors else None)
            shutil.copy(made, path)
        os.sync()
    return path


def start(folder, backend, with_visitors=False):
    """cellsd, with its state and the image in that folder. Says where it is to be found."""
    global phone, place
    folder = pathlib.Path(folder)
    place = folder / "state"
    place.mkdir(exist_ok=True)
    phone = vpdevice.Phone("default", backend, place,
                            image=image(folder / "base.image", with_visitors))
    phone.generation = int(time.time())
    phone.start()
    return {"bus": phone.bus.address, "cellsctl": harness.program("cellsctl")}


def asked(call, *args):
    try:
        return call(*args)
    except sdbus.Error as e:
        raise OSError(e.name.removeprefix("org.cells.Error."), e.text) from e


def policy(method, signature="", *args):
    return asked(phone.policy, method, signature, *args)


def secrets(method, vp, *hexes):
    return asked(vpdevice.secret_call, phone, method, vp, *map(bytes.fromhex, hexes))


def apply(vps, rights, conf):
    return asked(lambda: phone.apply(vps, rights, **conf))


def state(vp):
    return phone.state(vp)


def states():
    return {name: row["state"] for name, row in phone.list().items()}


def row(vp):
    return phone.list()[vp]


def until(vp, wanted):
    harness.until(lambda: phone.state(vp) == wanted, 60)


def sh(vp, script):
    return asked(phone.exec, vp, "/bin/sh", "-c", script)


def visit(vp, program):
    """Starts one of VISITORS in a VP, where it outlives cellsd; answers what the pipes to it are called, less .in and .out."""
    pipes = f"/tmp/{program}"
    phone.background(vp, f"busybox mkfifo {pipes}.in {pipes}.out; "
                         f"exec /usr/bin/python3 /cells/tests/lab/{program}.py <{pipes}.in >{pipes}.out 2>&1")
    seen = f"/proc/{row(vp)['pid']}/root{pipes}"
    harness.until(lambda: os.path.exists(f"{seen}.out"))
    return seen


def keys(vp):
    """The file of a VP's slots; None: there is none."""
    found = list(place.glob(f"keys/{vp}.*"))
    return found[0].read_bytes().hex() if found else None


def unlockable(vp, wanted):
    """Waits until the device has, or has not, what opens the VP's data."""
    harness.until(lambda: ("device" in row(vp)["slots"].split()) == wanted)


def hold(vp, path):
    """Keeps a file of a VP's folder open from outside: the key stays in use."""
    held.append(open(next(place.glob(f"vps/{vp}.*/upper/{path}")), "rb"))  # noqa: SIM115


def left(vp):
    """What there is of a VP's data on the disk."""
    return [p.name for p in place.glob(f"vps/{vp}.*")]


def device_key():
    return (place / "device.key").read_bytes().hex()


def kill():
    phone.cellsd.kill()


def again():
    phone.cellsd.start()
    phone.give()
    phone.generation += 10


if __name__ == "__main__":
    try:
        talk.serve(globals())
    finally:
        if phone:
            phone.close()
