#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The device lab: boots an emulated phone and runs things on it.

The phone's kernel is Debian's, unpacked into a cache; its root is this
machine's own tree, read-only over 9p, under an overlay in memory, so it runs the
very programs that were just built. Success is said by the phone through a port
of its own; silence, a time-out, an oops or a warning on the console is failure.
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("CELLS_LAB_CACHE",
                                    pathlib.Path.home() / ".cache/cells-lab"))
# What the phone needs at once. It comes in the initramfs, with what it depends
# on: over 9p each module costs a second of emulated time.
BOOT_MODULES = ("virtio_pci", "9p", "9pnet_virtio", "overlay", "virtio_console", "virtio_net",
                "virtio_input", "evdev", "virtio_gpu")
SPLAT = re.compile(r"Oops|BUG:|WARNING: CPU|Kernel panic|general protection|KASAN|lockdep|"
                   r"possible recursive locking|unreferenced object|Call Trace")
PORTS = ("job", "out", "result")


class Skip(Exception):
    """Something that this machine lacks."""


class Failed(Exception):
    """The phone did not do what was asked."""


def need(*programs):
    for name in programs:
        if not shutil.which(name):
            raise Skip(f"{name} is not installed")


def sh(*argv, **more):
    return subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True, **more)


def kernel():
    """Fetches and unpacks Debian's kernel once; answers (image, modules folder)."""
    need("apt-get", "dpkg", "cpio", "busybox")
    depends = sh("apt-cache", "depends", "linux-image-amd64").stdout
    found = re.search(r"Depends: (linux-image-(\S+))", depends)
    if not found:
        raise Skip("apt knows no linux-image-amd64: run apt-get update")
    package, release = found.groups()
    tree = CACHE / release
    if not (tree / "done").exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        print(f"lab: fetching {package}", file=sys.stderr)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            try:
                sh("apt-get", "-o", "APT::Sandbox::User=root", "download", package, cwd=scratch)
            except subprocess.CalledProcessError as e:
                raise Skip(f"cannot download {package}: {e.stderr.strip()}") from e
            shutil.rmtree(tree, ignore_errors=True)
            sh("dpkg", "-x", next(pathlib.Path(scratch).glob("*.deb")), tree)
        sh("depmod", "-b", tree, release)
        (tree / "done").touch()
    return tree / f"boot/vmlinuz-{release}", tree / "lib/modules" / release


INIT = """#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
for m in {modules}; do insmod /modules/$m || echo "lab: no module $m"; done
mkdir -p /host /memory /root
mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,msize=512000,ro host /host || exec sh
mount -t tmpfs -o mode=755 memory /memory
mkdir /memory/upper /memory/work
mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work root /root
mount -t devtmpfs dev /root/dev
umount /proc /dev
exec switch_root /root {guest} {tree}
"""


def initramfs(modules):
    """Built anew when this file or the kernel changed."""
    release = modules.name
    target = CACHE / release / "initramfs"
    if target.exists() and target.stat().st_mtime > pathlib.Path(__file__).stat().st_mtime:
        return target
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)
        for d in ("bin", "dev", "proc", "modules"):
            (root / d).mkdir()
        shutil.copy(shutil.which("busybox"), root / "bin/busybox")
        names = []
        for name in BOOT_MODULES:
            listing = sh("modprobe", "-d", modules.parents[2], "-S", release, "--show-depends", name).stdout
            for path in re.findall(r"insmod (\S+)", listing):
                if pathlib.Path(path).name not in names:
                    names.append(pathlib.Path(path).name)
                    shutil.copy(path, root / "modules")
        init = root / "init"
        init.write_text(INIT.format(modules=" ".join(names), guest=TOP / "tests/lab/guest.sh",
                                    tree=CACHE / release / "lib/modules"))
        init.chmod(0o755)
        listing = sh("find", ".", cwd=root).stdout
        with open(target, "wb") as out:
            subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, input=listing.encode(),
                           stdout=out, check=True)
    return target


class Qmp:
    """QEMU's control socket: keys, touches, screenshots, power."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(path))
        self.file = self.sock.makefile("rw")
        self.file.readline()
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise Failed(f"qmp {command}: {answer['error']['desc']}")

    def key(self, *names):
        """Presses the keys together, as "ctrl", "alt", "delete"."""
        self("send-key", keys=[{"type": "qcode", "data": n} for n in names])

    def touch(self, x, y):
        """Touches at fractions (0..1) of the screen."""
        for down in (True, False):
            self("input-send-event", events=[
                {"type": "abs", "data": {"axis": "x", "value": int(x * 32767)}},
                {"type": "abs", "data": {"axis": "y", "value": int(y * 32767)}},
                {"type": "btn", "data": {"button": "left", "down": down}}])

    def shot(self, path):
        self("screendump", filename=str(pathlib.Path(path).resolve()), format="png")


class Phone:
    """One emulated device, from power-on to power-off."""

    def __init__(self, memory="2G", append="", more=(), interactive=False):
        need("qemu-system-x86_64")
        image, modules = kernel()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cells-lab-"))
        self.console = self.folder / "console"
        self.console.touch()
        line = f"console=ttyS0 panic=-1 quiet loglevel=4 {append}"
        argv = ["qemu-system-x86_64", "-M", "q35", "-cpu", "Nehalem", "-accel", "tcg,thread=multi",
                "-smp", "2", "-m", memory, "-no-reboot", "-display", "none", "-nodefaults",
                "-kernel", image, "-initrd", initramfs(modules), "-append", line,
                "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
                "-device", "virtio-gpu-pci", "-device", "virtio-keyboard-pci", "-device", "virtio-tablet-pci",
                "-nic", "user,model=virtio-net-pci", "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
                "-qmp", f"unix:{self.folder}/qmp,server=on,wait=off"]
        if interactive:
            argv += ["-serial", "mon:stdio"]
        else:
            argv += ["-serial", f"file:{self.console}"]
        for name in PORTS:
            argv += ["-chardev", f"socket,id={name},path={self.folder}/{name},server=on,wait=off",
                     "-device", f"virtserialport,chardev={name},name=cells.{name}"]
        self.started = time.monotonic()
        self.child = subprocess.Popen([str(a) for a in (*argv, *more)], start_new_session=not interactive,
                                      stdin=None if interactive else subprocess.DEVNULL)
        self.port = {name: self._connect(name) for name in PORTS}
        self.qmp = Qmp(self.folder / "qmp")

    def _connect(self, name):
        s = socket.socket(socket.AF_UNIX)
        for _ in range(200):
            with contextlib.suppress(OSError):
                s.connect(str(self.folder / name))
                return s
            if self.child.poll() is not None:
                break
            time.sleep(0.05)
        raise Failed("the emulator did not start")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def cut(self):
        """A power cut: nothing is synced, nothing is told."""
        self.child.kill()
        self.child.wait()

    def close(self):
        self.cut()
        for s in self.port.values():
            s.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def splat(self):
        """The first line on the console that no healthy kernel writes, or None."""
        for line in self.console.read_text(errors="replace").splitlines():
            if SPLAT.search(line):
                return line
        return None

    def run(self, command, seconds=120, out=None):
        """Runs a shell command on the phone; answers its exit code. Output goes to `out` as it comes."""
        out = out or sys.stdout.buffer
        self.port["job"].sendall(command.encode() + b"\0")
        result = b""
        end = time.monotonic() + seconds
        while not result.endswith(b"\n"):
            if self.child.poll() is not None:
                raise Failed(f"the phone went off:\n{self.tail()}")
            if time.monotonic() > end:
                raise Failed(f"no answer in {seconds} s:\n{self.tail()}")
            ready, _, _ = select.select([self.port["out"], self.port["result"]], [], [], 0.5)
            if self.port["out"] in ready:
                out.write(self.port["out"].recv(65536))
                out.flush()
            elif self.port["result"] in ready:
                result += self.port["result"].recv(64)
        if self.splat():
            raise Failed(f"the console says: {self.splat()}")
        return int(result)

    def tail(self, lines=25):
        return "\n".join(self.console.read_text(errors="replace").splitlines()[-lines:])


def interactive():
    """A shell on the serial console; leave with exit, or Ctrl-a x."""
    print("lab: a shell on the phone; 'exit' or Ctrl-a x ends it", file=sys.stderr)
    phone = Phone(append="cells.shell", interactive=True)
    # The emulator has the terminal; Ctrl-c belongs to the phone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=phone.child.wait, daemon=True).start()
    phone.child.wait()
    shutil.rmtree(phone.folder, ignore_errors=True)
    return 0


def main():
    ap = argparse.ArgumentParser(prog="./run lab", description="Boots the emulated phone; without a command, a shell on it.")
    ap.add_argument("--shot", metavar="FILE.png", help="a picture of the screen when the command has ended")
    ap.add_argument("--key", action="append", default=[], metavar="A-B", help="press keys before the picture, as ctrl-alt-f1")
    ap.add_argument("--seconds", type=int, default=120, help="how long the command may take")
    ap.add_argument("command", nargs="*", help="runs on the phone as root")
    args = ap.parse_args()
    try:
        if not args.command:
            return interactive()
        with Phone() as phone:
            code = phone.run(shlex.join(args.command), args.seconds)
            for combination in args.key:
                phone.qmp.key(*combination.split("-"))
            if args.shot:
                phone.qmp.shot(args.shot)
            print(f"lab: exit {code}, {time.monotonic() - phone.started:.1f} s from power-on", file=sys.stderr)
            return code
    except Skip as e:
        print(f"lab: skipped: {e}", file=sys.stderr)
        return 77
    except Failed as e:
        print(f"lab: {e}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
