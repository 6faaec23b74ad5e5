# SPDX-License-Identifier: Apache-2.0
"""Runs on the phone: 20 namespaces, 200 endpoints, 10,000 open handles, and how long a policy
and a switch take by the kernel's own clock. Prints JSON; times are in microseconds."""
import fcntl
import json
import os
import resource
import statistics
import struct

import devns

# Not each kernel has all of them: the first ten that are there. Some may not be opened; then the others have more.
NODES = [name for name in ("null", "zero", "full", "random", "urandom", "kmsg", "mem", "port", "ptmx", "tty", "tty5", "tty6",
                           "tty7", "tty8") if os.path.exists("/dev/" + name)][:10]
VPS, HANDLES = 20, 10000


def times(answers):
    took = [a["TOOK"] / 1000 for a in answers]
    return {"median": round(statistics.median(took)), "max": round(max(took))}


def paint(client, source):
    """A whole frame of its own for each namespace, so that each switch has all of the screen to move."""
    for e in client.endpoints(("SOURCE", source)):
        fd = os.open(f"/dev/{e['NODE']}.d{e['ID']}", os.O_RDWR)
        size = struct.unpack_from("I", fcntl.ioctl(fd, 0x4602, bytes(80)), 24)[0]  # FBIOGET_FSCREENINFO: smem_len
        os.pwrite(fd, bytes([e["ID"] * 10 % 256]) * size, 0)
        os.close(fd)


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
    client = devns.Netlink()
    generation = client.ns_add("first") and client.namespaces()[0]["GENERATION"]
    ids = [n["ID"] for n in client.namespaces()] + [client.ns_add(f"vp{i}") for i in range(VPS - 1)]
    classes = ("camera", "gps", "sensors", "usb", "nfc")
    for i, node in enumerate(NODES):
        client.give("/dev/" + node, [classes[i % len(classes)]], "suspend" if i % 2 else "cut")
    all_shared = {i: {c: "shared" for c in classes} for i in ids}
    camera_front = {i: {**all_shared[i], "camera": "exclusive"} for i in ids}
    out = {"namespaces": len(ids), "endpoints": len(client.endpoints())}

    def load(table):
        nonlocal generation
        generation += 1
        return client.policy(generation, table)

    def measure(name):
        out[name] = {
            "policy, nothing turns": times([load(all_shared) for _ in range(20)]),
            "switch, nothing turns": times([client.activate(a, b) for a, b in ((0, ids[0]), (ids[0], ids[1]), (ids[1], 0)) * 5])}
    load(all_shared)
    measure("no handle is open")
    held, paths = [], [f"/dev/{e['NODE']}.d{e['ID']}" for e in client.endpoints()]
    while len(held) < HANDLES:
        for path in list(paths):
            try:
                held.append(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
            except OSError:
                paths.remove(path)
    out["handles"] = len(held)
    measure("all handles are open")
    client.activate(0, ids[0])
    answers = [load(camera_front)]
    out["policy, a class is cut from 19"] = {**times(answers), "handles": sum(c["HANDLES"] for c in devns.cuts(answers[0]).values())}
    answers, at = [], 0
    for _ in range(20):
        answers.append(client.activate(ids[at % VPS], ids[(at + 1) % VPS]))
        at += 1
    out["switch, a class moves"] = times(answers)
    if os.path.exists("/dev/fb0"):
        screen = client.give("/dev/fb0", ["display"], "fb")
        load({i: {**camera_front[i], "display": "exclusive"} for i in ids})
        paint(client, screen)
        answers = []
        for _ in range(20):
            answers.append(client.activate(ids[at % VPS], ids[(at + 1) % VPS]))
            at += 1
        out["switch, a class and the display move"] = times(answers)
    answers = [load({})]
    out["policy, all is cut"] = {**times(answers), "handles": sum(c["HANDLES"] for c in devns.cuts(answers[0]).values())}
    for fd in held:
        os.close(fd)
    client.reset()
    print(json.dumps(out))


main()
