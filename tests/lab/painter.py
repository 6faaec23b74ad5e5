# SPDX-License-Identifier: Apache-2.0
"""Runs on the phone: programs with framebuffers, in as many namespaces as a test asks for.

talk.py has its protocol. A picture is made of rows: row y of frame f of namespace n has
the pixel (red, green, blue) = (5f, n, y + 3f), so each pixel of it shows whose it is."""
import ctypes
import errno
import fcntl
import json
import mmap
import os
import random
import signal
import struct
import sys
import time

import devns
import talk

GET_VAR, PUT_VAR, GET_FIX, GET_CMAP, PUT_CMAP, PAN, BLANK = 0x4600, 0x4601, 0x4602, 0x4604, 0x4605, 0x4606, 0x4611
VAR, FIX = "40I", "16sL4I3H2xIL2IH3H"


class Fb:
    """An open framebuffer with its mapping."""

    def __init__(self, path):
        self.path = path
        self.fd = os.open(path, os.O_RDWR)
        self.xres, self.yres, _, self.rows, *_ = self.var()
        self.bytes = self.var()[6] // 8
        fix = struct.unpack(FIX, fcntl.ioctl(self.fd, GET_FIX, bytes(struct.calcsize(FIX))))
        self.stride, self.size = fix[9], fix[2]
        self.map = mmap.mmap(self.fd, self.size)

    def var(self):
        return struct.unpack(VAR, fcntl.ioctl(self.fd, GET_VAR, bytes(160)))

    def set(self, request, **change):
        names = ("xres", "yres", "xres_virtual", "yres_virtual", "xoffset", "yoffset", "bits")
        var = list(self.var())
        for name, value in change.items():
            var[names.index(name)] = value
        return struct.unpack(VAR, fcntl.ioctl(self.fd, request, struct.pack(VAR, *var)))[:7]

    def picture(self, owner, frame):
        pad = bytes(self.stride - self.xres * self.bytes)
        return b"".join(bytes(((y + 3 * frame) & 255, owner, (5 * frame) & 255, 0)[:self.bytes]) * self.xres + pad
                        for y in range(self.yres))


nl = None
fbs = {}


def load():
    global nl
    nl = devns.Netlink()


def give(path, *names):
    """Namespaces of these names, and the framebuffer for all of them; {name: id}, and its source."""
    known = {n["NAME"]: n["ID"] for n in nl.namespaces()}
    ids = {name: known[name] if name in known else nl.ns_add(name) for name in names}
    return ids, nl.give(path, ["display"], "fb")


def node(number, source):
    """A node of the endpoint, as it would be in the /dev of the namespace."""
    for e in nl.endpoints(("ID", number)):
        if e["SOURCE"] == source:
            path = f"/tmp/{e['NODE']}-{number}-{source}-{e['MINOR']}"
            if not os.path.exists(path):
                os.mknod(path, 0o20600, os.makedev(e["MAJOR"], e["MINOR"]))
            return path
    return None


def policy(generation, table):
    answer = nl.policy(generation, {int(k): v for k, v in table.items()})
    return {f"{n} {name}": [c["HANDLES"], c["MAPPINGS"]] for (n, name), c in devns.cuts(answer).items()}


def switch(expected, number):
    return nl.activate(expected, number)["TOOK"]


def endpoint(number):
    return [e for e in nl.endpoints(("ID", number))]


def refused(path, kind="fb"):
    """What adding a source says."""
    try:
        number = nl.give(path, ["display"], kind)
    except devns.Refused as e:
        return [errno.errorcode[e.errno], e.why]
    nl.source_del(number)
    return None


def holders():
    """The programs of the host that hold a source."""
    return [(s["COMM"], s["PID"]) for s in nl.sources() if "PID" in s]


def active():
    return next((n["ID"] for n in nl.namespaces() if "ACTIVE" in n), 0)


def source_del(number):
    nl.source_del(number)


def ns_del(number):
    nl.ns_del(number)


def reset():
    close_all()
    nl.reset()


def use(name, path):
    fbs[name] = Fb(path)
    return [fbs[name].xres, fbs[name].yres, fbs[name].bytes, fbs[name].rows]


def close_all():
    for fb in fbs.values():
        fb.map.close()
        os.close(fb.fd)
    fbs.clear()


def paint(name, owner, frame, how, page=0):
    """A whole frame through the mapping or by write, on the panel when this returns."""
    fb = fbs[name]
    data = fb.picture(owner, frame)
    at = page * fb.yres * fb.stride
    if how == "map":
        fb.map[at:at + len(data)] = data
    else:
        done = 0
        while done < len(data):
            done += os.pwrite(fb.fd, data[done:], at + done)
    os.fsync(fb.fd)


def read(name, at, length):
    return os.pread(fbs[name].fd, length, at).hex()


def forever(owner, path, how):
    """Paints one frame after the other until it is killed."""
    fb = Fb(path)
    frames = [fb.picture(owner, f) for f in range(8)]
    n = 0
    while True:
        data = frames[n % 8]
        if how == "map":
            fb.map[:len(data)] = data
        else:
            os.pwrite(fb.fd, data, 0)
        n += 1
        if n == 2:
            print("painting", flush=True)


def restless(path, seconds):
    """Does everything a program can do with its framebuffer, in no order, and goes on where it is refused."""
    end = time.monotonic() + seconds
    done = refused = 0
    while time.monotonic() < end:
        try:
            fb = Fb(path)
        except OSError:
            refused += 1
            time.sleep(0.02)
            continue
        fbs["mine"] = fb
        data = fb.picture(77, done)
        acts = (lambda: fb.set(PAN, yoffset=random.randrange(fb.yres)), lambda: os.pwrite(fb.fd, data, 0),
                lambda: fcntl.ioctl(fb.fd, BLANK, random.choice((0, 0, 0, 4))), lambda: cmap("mine", 0, [[1, 2, 3]] * 16),
                lambda: touch("mine", "write"), lambda: touch("mine", "read"), lambda: os.fsync(fb.fd),
                lambda: fb.set(PUT_VAR, yres_virtual=random.choice((fb.yres, 2 * fb.yres))))
        for _ in range(8):
            try:
                random.choice(acts)()
                done += 1
            except OSError as e:
                if e.errno not in (errno.EACCES, errno.EINVAL):
                    raise
                refused += 1
        fb.map.close()
        os.close(fb.fd)
    print(json.dumps([done, refused]), flush=True)
    sys.exit()


def var(name):
    return fbs[name].var()[:7]


def put(name, **change):
    return fbs[name].set(PUT_VAR, **change)


def pan(name, row):
    return fbs[name].set(PAN, yoffset=row)


def blank(name, level):
    fcntl.ioctl(fbs[name].fd, BLANK, level)


def ioctl(name, request, size=0):
    fcntl.ioctl(fbs[name].fd, request, bytes(size) if size else 0)


def cmap(name, start, colours, length=None, shift=0):
    """Sets the colours [[r, g, b], ...] where given; answers what is there now."""
    n = len(colours) if colours else length
    parts = [(ctypes.c_uint16 * n)(*([c[i] for c in colours] if colours else [0] * n)) for i in range(3)]
    where = [ctypes.addressof(p) + shift for p in parts]
    request = struct.pack("2I4P", start, n, *where, 0)
    fcntl.ioctl(fbs[name].fd, PUT_CMAP if colours else GET_CMAP, request)
    return [list(c) for c in zip(*parts)]


def compat(name):
    """The calls of a program of 32 bits: what they say of the screen, and of colours 2 and 3 after setting them."""
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    # push rbx; mov eax, ioctl; mov ebx, edi; mov ecx, esi; int 0x80; movsxd rax, eax; pop rbx; ret
    code.write(bytes.fromhex("53b83600000089fb89f1cd804863c05bc3"))
    call = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint)(
        ctypes.addressof(ctypes.c_char.from_buffer(code)))
    low = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40)  # MAP_32BIT
    at = ctypes.addressof(ctypes.c_char.from_buffer(low))

    def ask(request, arg=at):
        code = call(fbs[name].fd, request, arg)
        if code:
            raise OSError(-code, os.strerror(-code))
    ask(GET_FIX)
    ident, _, size, _, _, _, _, step, _, stride, *_ = struct.unpack_from("=16s5I3H2x4I", low)
    ask(GET_VAR)
    xres, yres = struct.unpack_from("2I", low)
    ask(PAN)
    ask(BLANK, 0)
    colours = struct.pack("6H", 1, 2, 3, 4, 5, 6)
    low[:36] = struct.pack("6I", 2, 2, at + 24, at + 28, at + 32, 0) + colours
    ask(PUT_CMAP)
    low[24:36] = bytes(12)
    ask(GET_CMAP)
    return [ident.rstrip(b"\0").decode(), size, step, stride, xres, yres, list(struct.unpack_from("6H", low, 24))]


def touch(name, what):
    """Reads or writes the mapping in a child that inherited it: 0, or the signal that ended it."""
    pid = os.fork()
    if not pid:
        if what == "read":
            fbs[name].map[4096]
        else:
            fbs[name].map[4096] = 1
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def private(name):
    """A private mapping: what is written to it stays with it."""
    m = mmap.mmap(fbs[name].fd, 4096, flags=mmap.MAP_PRIVATE)
    before = bytes(m[:4])
    m[:4] = b"mine"
    return [bytes(m[:4]).decode(), os.pread(fbs[name].fd, 4, 0) == before]


def too_far(name):
    """Mappings that reach past the memory."""
    out = []
    for length, offset in ((fbs[name].size + 4096, 0), (4096, fbs[name].size), (8192, fbs[name].size - 4096)):
        try:
            mmap.mmap(fbs[name].fd, length, offset=offset).close()
            out.append("mapped")
        except OSError as e:
            out.append(errno.errorcode[e.errno])
    return out


def console(number):
    """Brings another text console to the front; nanoseconds."""
    fd = os.open("/dev/tty0", os.O_RDWR | os.O_NOCTTY)
    try:
        start = time.monotonic_ns()
        fcntl.ioctl(fd, 0x5606, number)  # VT_ACTIVATE
        fcntl.ioctl(fd, 0x5607, number)  # VT_WAITACTIVE
        return time.monotonic_ns() - start
    finally:
        os.close(fd)


def times(order, rounds):
    """Nanoseconds of each switch along the order of ids, round and round."""
    out, now = [], 0
    for n in range(rounds):
        then = order[n % len(order)]
        out.append(switch(now, then))
        now = then
        time.sleep(0.02)
    switch(now, 0)
    return out


def main():
    if len(sys.argv) == 3:
        restless(sys.argv[1], float(sys.argv[2]))
    if len(sys.argv) > 1:
        forever(int(sys.argv[1]), *sys.argv[2:])
    signal.signal(signal.SIGBUS, signal.SIG_DFL)
    talk.serve(globals())


if __name__ == "__main__":
    main()
