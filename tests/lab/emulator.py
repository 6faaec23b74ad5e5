# SPDX-License-Identifier: Apache-2.0
"""An emulated phone: power, console, screen, keys, and commands run on it.

Its root is this machine's own tree, read-only over 9p, under an overlay in memory,
so it runs the very programs that were just built. Success is said by the phone
through a port of its own; silence, a time-out, an oops or a warning on the console
is failure."""
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
import tempfile
import time

from kernel import TOP, Debian, Failed, Skip

SPLAT = re.compile(r"Oops|BUG:|WARNING: |Kernel panic|general protection|KASAN|UBSAN|lockdep|"
                   r"possible recursive locking|possible circular locking|inconsistent lock state|"
                   r"suspicious RCU|unreferenced object|Call Trace|ODEBUG|hung_task|soft lockup|blocked for more than")

# Not ours: vivid's thread asks for a time that is past when the phone was held up, and the kernel shows where.
VIVID_IS_LATE = re.compile(r"[^\n]*Call Trace:\n(?:[^\n]*(?:<TASK>|dump_stack\w*\+)[^\n]*\n)*"
                           r"[^\n]*schedule_timeout\+[^\n]*\n[^\n]*vivid_thread_vid_cap\+")


def busy():
    """How many times as long everything takes here as on a machine that does nothing else: at least once."""
    return max(1, os.getloadavg()[0] / os.cpu_count())


class Answer:
    """What a command on the phone said: its exit code and output."""

    def __init__(self, rc, out):
        self.rc, self.out = rc, out

    def __repr__(self):
        return f"exit {self.rc}\n{self.out}"


class Screen:
    """The pixels of one moment, three bytes each."""

    def __init__(self, width, height, data):
        self.width, self.height, self.data = width, height, data

    @classmethod
    def read(cls, path):
        """From a PPM, as QEMU writes it."""
        head = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", raw := pathlib.Path(path).read_bytes())
        return cls(int(head[1]), int(head[2]), raw[head.end():])

    def __eq__(self, other):
        return isinstance(other, Screen) and (self.width, self.data) == (other.width, other.data)

    __hash__ = None

    def pixel(self, x, y):
        at = (y * self.width + x) * 3
        return tuple(self.data[at:at + 3])

    def rows(self, first, last):
        """The bytes of rows first..last-1."""
        return self.data[first * self.width * 3:last * self.width * 3]

    def colours(self):
        """Every colour that is on it."""
        return set(zip(self.data[0::3], self.data[1::3], self.data[2::3]))

    def plain(self, rgb):
        """Whether each pixel of the whole screen is that colour."""
        return self.data == bytes(rgb) * (self.width * self.height)

    def different(self, other):
        """How many pixels differ."""
        if self == other:
            return 0
        return sum(a != b for a, b in zip(zip(self.data[0::3], self.data[1::3], self.data[2::3]),
                                          zip(other.data[0::3], other.data[1::3], other.data[2::3])))


class Qmp:
    """QEMU's control socket: keys, touches, screenshots, power."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
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
        """Presses the keys together, as "ctrl", "alt", "delete", and lets go."""
        self("send-key", keys=[{"type": "qcode", "data": n} for n in names])

    def hold(self, name, down=True):
        """Presses one key and keeps it so, or lets it go."""
        self("input-send-event", events=[{"type": "key", "data": {"down": down,
                                                                 "key": {"type": "qcode", "data": name}}}])

    def touch(self, x, y, down=None):
        """Touches at fractions (0..1) of the screen; None: and lets go."""
        for state in (True, False) if down is None else (down,):
            self("input-send-event", events=[
                {"type": "abs", "data": {"axis": "x", "value": int(x * 32767)}},
                {"type": "abs", "data": {"axis": "y", "value": int(y * 32767)}},
                {"type": "btn", "data": {"button": "left", "down": state}}])

    def shot(self, path):
        self("screendump", filename=str(pathlib.Path(path).resolve()), format="png")


class Job:
    """A command that runs on the phone while the test goes on."""

    def __init__(self, phone, number, command):
        self.phone, self.number, self.command = phone, number, command
        self.out, self.rc, self.sink = "", None, None
        self._seen = 0

    def wait(self, seconds=60):
        """Until it has ended; its Answer."""
        self.phone.until(lambda: self.rc is not None, seconds, self.command)
        return Answer(self.rc, self.out)

    def has_line(self):
        """Whether a line is there that line() did not answer yet."""
        return "\n" in self.out[self._seen:]

    def line(self, seconds=60):
        """The next whole line that it writes."""
        self.phone.until(lambda: self.has_line() or self.rc is not None, seconds, self.command)
        if not self.has_line():
            raise Failed(f"{self.command}: exit {self.rc}, and no further line\n{self.out}")
        end = self.out.index("\n", self._seen)
        line, self._seen = self.out[self._seen:end], end + 1
        return line

    def expect(self, text, seconds=60):
        """Waits until its output, past what was read already, holds the text."""
        def there():
            return text in self.out[self._seen:] or self.rc is not None
        self.phone.until(there, seconds, self.command)
        if text not in self.out[self._seen:]:
            raise Failed(f"{self.command}: exit {self.rc}, and never said '{text}'\n{self.out}")
        self._seen = self.out.index(text, self._seen) + len(text)

    def send(self, text):
        self.phone.tell(id=self.number, **{"in": text})

    def eof(self):
        self.phone.tell(id=self.number, eof=True)

    def kill(self, sig=signal.SIGKILL, seconds=20):
        """Ends its process group, and waits."""
        if self.rc is None:
            self.phone.tell(id=self.number, kill=int(sig))
            self.wait(seconds)


DISPLAYS = {"virtio": ["-device", "virtio-gpu-pci"], "bochs": ["-device", "bochs-display"], "none": []}


class Phone:
    """One emulated device. Times are of an idle machine and Debian's kernel; they
    are stretched by how much slower this one is."""

    def __init__(self, kernel=None, memory="2G", append="", devices=(), display="virtio", disk=None,
                 interactive=False):
        self.kernel = kernel or Debian()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cells-lab-"))
        self.console = self.folder / "console"
        self.options = (memory, append, list(devices), display, interactive)
        self.disk = disk
        self.child = None
        self.boots = 0
        self.boot()

    # ---- power
    def boot(self):
        memory, append, devices, display, interactive = self.options
        self.started = time.monotonic()
        self.jobs, self.number, self.text = {}, 0, b""
        self.console.touch()
        self.forgiven = len(self.console.read_text(errors="replace"))
        # On a busy machine a processor of the phone stops for long, which is not a fault of its kernel. The host's time
        # stamp counter, which the emulator passes on, may jump: the phone's time comes from the emulator's own clock.
        # What mitigations keep out, an emulator does not have, and each of their page tables' switches empties its TLB.
        line = (f"console={self.kernel.console} panic=-1 loglevel=5 watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120 "
                "clocksource=hpet tsc=unstable mitigations=off "
                f"cells.guest={TOP}/tests/lab/guest.sh cells.modules={self.kernel.modules.parent} "
                f"{self.kernel.words()} {append}")
        argv = [*self.kernel.machine(), "-m", memory, "-no-reboot", "-display", "none", "-nodefaults",
                "-kernel", self.kernel.image, "-initrd", self.kernel.initramfs(), "-append", line,
                *DISPLAYS[display], "-device", "virtio-keyboard-pci", "-device", "virtio-tablet-pci",
                "-nic", "user,model=virtio-net-pci", "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
                "-qmp", f"unix:{self.folder}/qmp,server=on,wait=off",
                "-chardev", f"socket,id=job,path={self.folder}/job,server=on,wait=off",
                "-device", "virtserialport,chardev=job,name=cells.job", *devices]
        if self.disk:
            argv += ["-drive", f"file={self.disk},format=raw,if=none,id=kept,cache=writeback",
                     "-device", "virtio-blk-pci,drive=kept"]
        if interactive:
            argv += ["-serial", "mon:stdio"]
        else:
            argv += ["-chardev", f"file,id=console,path={self.console},append=on", "-serial", "chardev:console"]
            # Its parent may be killed: no emulator stays behind.
            argv = ["setpriv", "--pdeathsig", "KILL", *argv]
        with open(self.folder / "emulator", "ab") as said:
            self.child = subprocess.Popen([str(a) for a in argv], start_new_session=not interactive,
                                          stdin=None if interactive else subprocess.DEVNULL,
                                          stderr=None if interactive else said)
        self.boots += 1
        try:
            self.port = self._connect("job")
            self.qmp = Qmp(self.folder / "qmp")
        except (OSError, ValueError) as e:
            said = (self.folder / "emulator").read_text(errors="replace").strip()
            raise Failed(f"the emulator did not start: {said or e}") from e

    def _connect(self, name):
        s = socket.socket(socket.AF_UNIX)
        for _ in range(600):
            with contextlib.suppress(OSError):
                s.connect(str(self.folder / name))
                return s
            if self.child.poll() is not None:
                break
            time.sleep(0.05)
        raise ConnectionError(f"no socket {name}")

    def cut(self):
        """A power cut: nothing is synced, nothing is notified."""
        self.child.kill()
        self.child.wait()
        self.port.close()
        self.qmp.sock.close()

    def reboot(self):
        """A power cut, and on again; what is left is the disk."""
        self.healthy()
        self.cut()
        (self.folder / "qmp").unlink(missing_ok=True)
        (self.folder / "job").unlink(missing_ok=True)
        self.boot()

    def close(self):
        if self.child:
            self.cut()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    # ---- the console
    def splat(self):
        """The first line on the console that no healthy kernel writes, or None."""
        text = self.console.read_text(errors="replace")[self.forgiven:]
        for line in VIVID_IS_LATE.sub("", text).splitlines():
            if SPLAT.search(line):
                return line
        return None

    def healthy(self):
        """Fails if the kernel complained since power-on."""
        line = self.splat()
        if line:
            time.sleep(1)  # the rest of it may be on its way
            line = self.splat()
        if line:
            # A test that follows shall not fail for this one.
            text = self.console.read_text(errors="replace")
            at, self.forgiven = text.index(line, self.forgiven), len(text)
            raise Failed(f"the console says: {text[at:at + 3000]}")

    def leaks(self):
        """Fails if kmemleak knows an object of ours; nothing where the kernel has none."""
        if self.run("test -e /sys/kernel/debug/kmemleak", check=False).rc != 0:
            return
        # Memory has to be unreferenced for a while before it counts as leaked.
        self.run("echo scan >/sys/kernel/debug/kmemleak; sleep 6; echo scan >/sys/kernel/debug/kmemleak", 300)
        out = self.run("cat /sys/kernel/debug/kmemleak").out
        if "devns" in out:
            raise Failed(f"kmemleak: {out[:6000]}")

    def tail(self, lines=25):
        return "\n".join(self.console.read_text(errors="replace").splitlines()[-lines:])

    # ---- commands
    def tell(self, **line):
        self.port.sendall(json.dumps(line).encode() + b"\n")

    def pump(self, seconds):
        """Takes in what the phone says, for at most so long."""
        ready, _, _ = select.select([self.port], [], [], seconds)
        if not ready:
            return
        data = b""
        with contextlib.suppress(ConnectionError):
            data = self.port.recv(1 << 20)
        if not data:
            raise Failed(f"the phone went off:\n{self.tail()}")
        *lines, self.text = (self.text + data).split(b"\n")
        for line in map(json.loads, lines):
            job = self.jobs[line["id"]]
            if "rc" in line:
                job.rc = line["rc"]
            else:
                raw = line["out"].encode("latin-1")
                job.out += raw.decode(errors="replace")
                if job.sink:
                    job.sink(raw)

    def until(self, what, seconds=60, name=""):
        """Waits for what() while the phone goes on; a broken kernel ends it at once."""
        seconds *= self.kernel.slow
        begin = looked = time.monotonic()
        while not what():
            if self.child.poll() is not None:
                raise Failed(f"the phone went off:\n{self.tail()}")
            if time.monotonic() > begin + seconds * busy():
                self.healthy()
                raise Failed(f"no answer in {seconds} s, {busy():.1f} times stretched: {name}\n{self.tail()}")
            self.pump(0.1)
            if time.monotonic() > looked + 2:
                looked = time.monotonic()
                self.healthy()

    def pause(self, seconds):
        """Lets so much time pass, taking in what comes."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.pump(max(0, end - time.monotonic()))

    def spawn(self, command, sink=None):
        """Starts a shell command, or a list of words, and goes on."""
        if not isinstance(command, str):
            command = shlex.join(str(a) for a in command)
        self.number += 1
        job = self.jobs[self.number] = Job(self, self.number, command)
        job.sink = sink
        self.tell(id=self.number, run=command)
        return job

    def run(self, command, seconds=60, check=True, sink=None):
        """Runs a shell command, or a list of words, to its end; `check` demands exit code 0."""
        job = self.spawn(command, sink)
        try:
            answer = job.wait(seconds)
        except Failed:
            with contextlib.suppress(OSError):
                self.tell(id=job.number, kill=9)
            raise
        self.healthy()
        if check and answer.rc != 0:
            raise Failed(f"{job.command}: {answer}\n{self.tail(8)}")
        return answer

    # ---- modules
    def modprobe(self, name, *parameters):
        """One of the kernel's own drivers; a Skip where it has none."""
        if self.run(f"modprobe -n {name}", check=False).rc != 0:
            raise Skip(f"the kernel {self.kernel.release} has no driver {name}")
        self.run(["modprobe", name, *parameters])

    def udev(self):
        """Starts the device manager, which names and announces what comes and goes. Drivers
        whose nodes a booted system has from the start come with it."""
        self.run("modprobe -a loop fuse tun; /lib/systemd/systemd-udevd --daemon && "
                 "udevadm trigger && udevadm settle --timeout 100", 120)

    def insmod(self, path=None, *parameters):
        """devns.ko, built for this kernel unless a path says otherwise."""
        if path is None:
            path = self.kernel.module()
        self.run(["insmod", path, *parameters])

    # ---- screen
    def screen(self):
        path = self.folder / "screen.ppm"
        self.qmp("screendump", filename=str(path))
        return Screen.read(path)
