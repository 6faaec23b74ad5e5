# SPDX-License-Identifier: Apache-2.0
"""Runs on the phone: programs that read input devices, hold wake locks and set lights, in as
many namespaces as a test asks for. talk.py has its protocol."""
import array
import fcntl
import os
import select
import struct
import threading
import time

import devns
import talk

EVENT = struct.Struct("qqHHi")
EV = {"syn": 0, "key": 1, "rel": 2, "abs": 3, "msc": 4, "sw": 5, "led": 17, "snd": 18, "rep": 20, "ff": 21}
ABS = {"x": 0, "y": 1, "slot": 0x2F, "mt_x": 0x35, "mt_y": 0x36, "id": 0x39}
BTN_TOUCH = 0x14A
UI = {"create": 0x5501, "destroy": 0x5502, "ev": 0x40045564, "key": 0x40045565, "abs": 0x40045567, "led": 0x40045569,
      "snd": 0x4004556A, "sw": 0x4004556D, "ff": 0x4004556B, "rep": None}
EVIOCGRAB = 0x40044590

nl = None
audit = None
generation = 0
files = {}
made = {}


def ioc_read(number, size):
    return 0x80004500 | size << 16 | number


def load():
    global nl, audit
    nl = devns.Netlink()
    audit = devns.Audit()


def ns_add(name):
    return nl.ns_add(name)


def ns_del(number):
    nl.ns_del(number)


def give(path, classes, kind):
    return nl.give(path, classes, kind)


def source_add(node, classes, kind):
    return nl.source_add(node, classes, kind)


def source_del(number):
    nl.source_del(number)


def rights(table):
    """{ns: {class: mode}}; what is not named is none."""
    global generation
    generation += 1
    nl.policy(generation, {int(k): v for k, v in table.items()})


def switch(expected, number):
    return nl.activate(expected, number)["TOOK"]


def reset():
    for name in list(files):
        close(name)
    for name in list(made):
        unplug(name)
    nl.reset()


def node(number, source):
    """A node of the endpoint, as it would be in the /dev of the namespace."""
    for e in nl.endpoints(("ID", number)):
        if e["SOURCE"] == source:
            path = f"/tmp/{e['NODE'].replace('/', '-')}-{number}-{source}-{e['MINOR']}"
            if not os.path.exists(path):
                os.mknod(path, 0o20600, os.makedev(e["MAJOR"], e["MINOR"]))
            return path
    return None


def find(name):
    """The event node of the input device with this name that is not one of ours."""
    for number in range(64):
        base = f"/sys/class/input/event{number}/device"
        if not os.path.exists(base):
            continue
        with open(f"{base}/name", encoding="utf-8") as f, open(f"{base}/phys", encoding="utf-8") as p:
            if f.read().strip() == name and not p.read().startswith("devns"):
                return f"/dev/input/event{number}"
    return None


# ---- programs with an event node open
def use(name, path, flags=os.O_RDWR):
    files[name] = os.open(path, flags | os.O_NONBLOCK)


def close(name):
    os.close(files.pop(name))


def events(name, seconds=0.3, repeats=False):
    """What has come, until nothing came for so long; without SYN and scan codes."""
    out = []
    fd = files[name]
    end = time.monotonic() + 10 * seconds
    while time.monotonic() < end and select.select([fd], [], [], seconds)[0]:
        try:
            data = os.read(fd, 65536)
        except BlockingIOError:
            continue
        for at in range(0, len(data), EVENT.size):
            _, _, kind, code, value = EVENT.unpack_from(data, at)
            if kind not in (EV["syn"], EV["msc"]) and (repeats or [kind, value] != [EV["key"], 2]):
                out.append([kind, code, value])
    return out


def grab(name, on=1):
    fcntl.ioctl(files[name], EVIOCGRAB, on)


def write(name, batch):
    """[[kind, code, value], ...] and a SYN in one write; how many were taken."""
    data = b"".join(EVENT.pack(0, 0, *e) for e in [*batch, [0, 0, 0]])
    return os.write(files[name], data) // EVENT.size


def bits(name, number, size=96):
    data = fcntl.ioctl(files[name], ioc_read(number, size), bytes(size))
    return [i for i in range(size * 8) if data[i // 8] >> i % 8 & 1]


def keys(name):
    return bits(name, 0x18)


def leds(name):
    return bits(name, 0x19, 8)


def switches(name):
    return bits(name, 0x1B, 8)


def can(name, kind):
    return bits(name, 0x20 + EV[kind])


def axis(name, code):
    return list(struct.unpack("6i", fcntl.ioctl(files[name], ioc_read(0x40 + code, 24), bytes(24))))


def slots(name, code, n):
    data = fcntl.ioctl(files[name], ioc_read(0x0A, 4 + 4 * n), struct.pack(f"i{n}i", code, *[0] * n))
    return list(struct.unpack(f"{n + 1}i", data))[1:]


def repeat(name, change=None):
    """[delay, period] in milliseconds."""
    if change:
        fcntl.ioctl(files[name], 0x40084503, struct.pack("2I", *change))
    return list(struct.unpack("2I", fcntl.ioctl(files[name], ioc_read(0x03, 8), bytes(8))))


def mutate(name, request, size):
    fcntl.ioctl(files[name], request, bytes(size))


# ---- devices made by uinput
def plug(name, can_do, axes=()):
    """can_do: {kind: codes}; axes: [[code, min, max], ...]. Its event node."""
    fd = os.open("/dev/uinput", os.O_RDWR | os.O_NONBLOCK)
    for kind, codes in can_do.items():
        fcntl.ioctl(fd, UI["ev"], EV[kind])
        for code in codes:
            fcntl.ioctl(fd, UI[kind], code)
    table = array.array("i", [0] * 256)
    if axes:
        fcntl.ioctl(fd, UI["ev"], EV["abs"])
    for code, low, high in axes:
        fcntl.ioctl(fd, UI["abs"], code)
        table[code], table[64 + code] = high, low
    os.write(fd, struct.pack("80s4HI", name.encode(), 3, 1, 1, 1, 4 if "ff" in can_do else 0) + table.tobytes())
    fcntl.ioctl(fd, UI["create"])
    made[name] = fd
    for _ in range(100):
        if find(name):
            break
        time.sleep(0.05)
    return find(name)


def unplug(name):
    fd = made.pop(name)
    fcntl.ioctl(fd, UI["destroy"])
    os.close(fd)


def emit(name, batch):
    for kind, code, value in [*batch, [0, 0, 0]]:
        os.write(made[name], EVENT.pack(0, 0, kind, code, value))


def told(name, seconds=0.3):
    """What the kernel sent to the device, last of all: lights, sounds."""
    files["made"] = made[name]
    names = {v: k for k, v in EV.items()}
    try:
        return {f"{names[kind]} {code}": value for kind, code, value in events("made", seconds)}
    finally:
        del files["made"]


# ---- force feedback: the device's side needs somebody who answers
EFFECT = struct.Struct("HhHHHHH2x32s")  # type, id, direction, button, interval, length, delay, the rest
FF_RUMBLE, FF_GAIN = 0x50, 0x60
UI_FF = {1: (0xC06855C8, 0x406855C9), 2: (0xC00C55CA, 0x400C55CB)}  # upload and erase: begin, end
motor = {}


def serve(name):
    """The device's driver: takes effects and plays them; what it has done is in motor[name]."""
    fd = os.dup(made[name])
    did = motor[name] = []

    def run():
        while True:
            try:
                select.select([fd], [], [])
                _, _, kind, code, value = EVENT.unpack(os.read(fd, EVENT.size))
            except OSError:
                os.close(fd)
                return
            if kind == EV["ff"]:
                did.append(["play", code, value])
            if kind != 0x0101:
                continue
            begin, end = UI_FF[code]
            size = begin >> 16 & 0x3FFF
            data = bytearray(struct.pack("I", value) + bytes(size - 4))
            fcntl.ioctl(fd, begin, data)
            if code == 1:
                kind, number, _, _, _, length, _, _ = EFFECT.unpack_from(data, 8)
                did.append(["upload", number, kind, length])
            else:
                did.append(["erase", struct.unpack_from("I", data, 8)[0]])
            fcntl.ioctl(fd, end, data)
    threading.Thread(target=run, daemon=True).start()


def did(name, seconds=0.3):
    time.sleep(seconds)
    out = motor[name][:]
    motor[name].clear()
    return out


def effect(name, length, number=-1):
    """Uploads a rumble that lasts so many milliseconds; its id."""
    data = bytearray(EFFECT.pack(FF_RUMBLE, number, 0, 0, 0, length, 0, struct.pack("HH", 0x8000, 0x8000)))
    fcntl.ioctl(files[name], 0x40304580, data)
    return EFFECT.unpack(data)[1]


def forget(name, number):
    fcntl.ioctl(files[name], 0x40044581, number)


# ---- the rest
def heard(seconds=0.3):
    return audit.events(seconds)


def stats(number):
    return nl.stats(("ID", number))


def put(path, text):
    """One write, as echo does it."""
    fd = os.open(path, os.O_WRONLY)
    try:
        return os.write(fd, text.encode())
    finally:
        os.close(fd)


def get(path):
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.read(fd, 4096).decode()
    finally:
        os.close(fd)


def fetch(name, size=4096):
    """A read of an open handle."""
    return os.read(files[name], size).decode()


def tell(name, text):
    return os.write(files[name], text.encode())


def rewind(name):
    os.lseek(files[name], 0, os.SEEK_SET)


def ask(name, request, value):
    """An ioctl with a number."""
    fcntl.ioctl(files[name], request, value)


def ready(name, seconds=0):
    p = select.poll()
    p.register(files[name], select.POLLIN | select.POLLPRI)
    return sum(mask for _, mask in p.poll(seconds * 1000))


if __name__ == "__main__":
    talk.serve(globals())
