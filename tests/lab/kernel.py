# SPDX-License-Identifier: Apache-2.0
"""The kernels that the lab boots, and our module built for them.

What is fetched is Debian's: image and headers of one version by apt, unpacked
into a cache and not installed. Whatever is missing is a Skip with the reason."""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CELLS_BUILD", TOP / "build")).resolve()
CACHE = pathlib.Path(os.environ.get("CELLS_LAB_CACHE",
                                    pathlib.Path.home() / ".cache/cells-lab"))
# What the phone needs at once. It comes in the initramfs, with what it depends
# on: over 9p each module costs a second of emulated time.
BOOT_MODULES = ("virtio_pci", "9p", "9pnet_virtio", "overlay", "virtio_console", "virtio_net",
                "virtio_blk", "virtio_input", "evdev", "virtio_gpu")


SHARE = "local,path={path},mount_tag={tag},security_model=none,readonly=on,multidevs=remap"


class Skip(Exception):
    """Something that this machine lacks."""


class Failed(Exception):
    """The phone, or a build for it, did not do what was asked."""


def need(*programs):
    for name in programs:
        if not shutil.which(name):
            raise Skip(f"{name} is not installed")


def sh(*argv, **more):
    return subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True, **more)


@contextlib.contextmanager
def locked():
    """Two runs at once must not fetch or build the same thing."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w", encoding="ascii") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def fetch(target, *packages):
    """Unpacks Debian packages into one tree, without installing them."""
    print(f"lab: fetching {', '.join(packages)}", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        try:
            sh("apt-get", "-o", "APT::Sandbox::User=root", "download", *packages, cwd=scratch)
        except subprocess.CalledProcessError as e:
            raise Skip(f"cannot download {', '.join(packages)}: {e.stderr.strip()}") from e
        for deb in pathlib.Path(scratch).glob("*.deb"):
            sh("dpkg", "-x", deb, target)


class Kernel:
    """One kernel: its image, its modules and, once asked for, its headers."""

    arch, console, slow = "amd64", "ttyS0", 1

    def __init__(self, release, tree, image):
        self.release, self.tree, self.image = release, tree, image
        self.modules = tree / "lib/modules" / release

    def machine(self):
        """The emulator and what it plays."""
        need("qemu-system-x86_64")
        return ["qemu-system-x86_64", "-M", "q35", "-cpu", "Nehalem", "-accel", "tcg,thread=multi", "-smp", "2",
                "-virtfs", SHARE.format(path="/", tag="host")]

    def headers(self):
        """The folder that `make -C` takes to build a module for this kernel."""
        raise NotImplementedError

    def initramfs(self):
        """Made anew when what goes into it changed."""
        init = INIT.read_text(encoding="ascii")
        mark = hashlib.sha256((init + " ".join(BOOT_MODULES)).encode()).hexdigest()[:12]
        target = self.tree / f"initramfs-{mark}"
        with locked():
            if not target.exists():
                self._pack(target, init)
        return target

    def _pack(self, target, init):
        with tempfile.TemporaryDirectory() as scratch:
            root = pathlib.Path(scratch)
            for d in ("bin", "dev", "proc", "modules"):
                (root / d).mkdir()
            shutil.copy(self.busybox(), root / "bin/busybox")
            names = []
            for name in BOOT_MODULES:
                listing = sh("modprobe", "-d", self.tree, "-S", self.release, "--show-depends", name).stdout
                for path in re.findall(r"insmod (\S+)", listing):
                    if pathlib.Path(path).name not in names:
                        names.append(pathlib.Path(path).name)
                        shutil.copy(path, root / "modules")
            (root / "init").write_text(init.replace("@MODULES@", " ".join(names)), encoding="ascii")
            (root / "init").chmod(0o755)
            listing = sh("find", ".", cwd=root).stdout
            with open(f"{target}.new", "wb") as out:
                subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, input=listing.encode(),
                               stdout=out, check=True)
        os.replace(f"{target}.new", target)

    def busybox(self):
        return shutil.which("busybox")

    def make_arguments(self):
        return []

    def module(self):
        """Builds devns.ko for this kernel, if the tree has one; answers its path."""
        if not (TOP / "kernel/Kbuild").exists():
            raise Skip("the tree has no kernel/Kbuild")
        need("make", "gcc")
        folder = BUILD / "lab" / self.release
        headers = self.headers()
        with locked():
            folder.mkdir(parents=True, exist_ok=True)
            # Kbuild writes beside the sources, so it gets its own copy of them.
            sh("cp", "-ruT", TOP / "kernel", folder)
            for made in (TOP / "kernel").rglob("*.mod*"):
                (folder / made.name).unlink(missing_ok=True)
            argv = ["make", "-C", headers, f"M={folder}", "W=1", *self.make_arguments(), "modules"]
            r = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False)
            (folder / "make.log").write_text(r.stdout + r.stderr)
            if r.returncode != 0:
                raise Failed(f"devns for {self.release}: {r.stdout[-3000:]}{r.stderr[-3000:]}")
        return folder / "devns.ko"


INIT = pathlib.Path(__file__).parent / "init.sh"


class Debian(Kernel):
    """Debian's own kernel of this distribution."""

    def __init__(self):
        need("apt-get", "dpkg", "cpio", "busybox", "modprobe")
        depends = sh("apt-cache", "depends", f"linux-image-{self.arch}").stdout
        found = re.search(r"Depends: (linux-image-(\S+))", depends)
        if not found:
            raise Skip(f"apt knows no linux-image-{self.arch}: run apt-get update")
        package, release = found.groups()
        tree = CACHE / release
        with locked():
            if not (tree / "done").exists():
                shutil.rmtree(tree, ignore_errors=True)
                fetch(tree, package)
                sh("depmod", "-b", tree, release)
                (tree / "done").touch()
        super().__init__(release, tree, tree / f"boot/vmlinuz-{release}")

    def headers(self):
        flavour = self.release.rsplit("-", 1)
        common = f"{flavour[0]}-common"
        kbuild = f"linux-kbuild-{'.'.join(self.release.split('.')[:2])}"
        tree = CACHE / f"{self.release}-headers"
        made = tree / f"usr/src/linux-headers-{self.release}"
        with locked():
            if not (tree / "done").exists():
                shutil.rmtree(tree, ignore_errors=True)
                fetch(tree, f"linux-headers-{self.release}", f"linux-headers-{common}", kbuild)
                # It names its other half by where that would be installed.
                makefile = made / "Makefile"
                makefile.write_text(makefile.read_text().replace("/usr/src", str(tree / "usr/src")))
                (tree / "done").touch()
        return made


def chosen():
    """The kernel that the environment asks for."""
    return Debian()
