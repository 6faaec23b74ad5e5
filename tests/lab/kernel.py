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


KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
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
def locked(target):
    """Two runs at once must not fetch or build the same file or folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{target}.lock", "w", encoding="ascii") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


class Archive:
    """Debian's archive as apt of this machine knows it, or, with a list of its own,
    another architecture of it, or its backports. Nothing of the machine's is changed."""

    def __init__(self, arch=None, suffix=""):
        self.options = ["-o", "APT::Sandbox::User=root"]
        if not arch:
            return
        self.uri, suite = self._mirror()
        self.suite = suite + suffix
        self.folder = CACHE / f"apt-{arch}{suffix}"
        for name in ("state/lists/partial", "cache/archives/partial", "etc"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "state/status").touch()
        (self.folder / "etc/sources.list").write_text(f"deb [signed-by={KEYRING}] {self.uri} {self.suite} main\n")
        self.options += ["-o", f"Dir::State={self.folder}/state", "-o", f"Dir::State::status={self.folder}/state/status",
                         "-o", f"Dir::Cache={self.folder}/cache", "-o", f"Dir::Etc={self.folder}/etc",
                         "-o", f"APT::Architecture={arch}", "-o", f"APT::Architectures={arch}"]
        if not list((self.folder / "state/lists").glob("*Packages*")):
            self("apt-get", "update", "-qq")

    @staticmethod
    def _mirror():
        """Where the machine gets its own Debian from, and which one."""
        lines = sh("apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI) $(SUITE) $(CODENAME)",
                   "Created-By: Packages").stdout.splitlines()
        for origin, uri, *names in (line.split() for line in lines if len(line.split()) == 4):
            if origin == "Debian" and "-" not in names[1] and "-" not in names[0]:
                return uri, names[1]
        raise Skip("apt knows no Debian archive: run apt-get update")

    def __call__(self, *argv, **more):
        try:
            return sh(argv[0], *self.options, *argv[1:], **more).stdout
        except subprocess.CalledProcessError as e:
            raise Skip(f"{' '.join(map(str, argv))}: {(e.stderr or e.stdout).strip()[-300:]}") from e

    def depends(self, package, pattern):
        """The one package that a metapackage depends on."""
        found = re.search(rf"Depends: ({pattern})", self("apt-cache", "depends", package))
        if not found:
            raise Skip(f"apt knows no {package}: run apt-get update")
        return found[1]

    def fetch(self, target, *packages):
        """Unpacks packages into one tree, without installing them."""
        print(f"lab: fetching {', '.join(packages)}", file=sys.stderr)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            self("apt-get", "download", *packages, cwd=scratch)
            for deb in pathlib.Path(scratch).glob("*.deb"):
                sh("dpkg", "-x", deb, target)


class Kernel:
    """One kernel: its image, its modules and, once asked for, its headers."""

    arch, console, slow = "amd64", "ttyS0", 1

    def __init__(self, release, tree, image):
        self.release, self.tree, self.image = release, tree, image
        self.modules = tree / "lib/modules" / release

    def machine(self):
        """The emulator and what it plays. Its memory is not for the host to merge: that would hold up who tests merging."""
        need("qemu-system-x86_64")
        return ["qemu-system-x86_64", "-M", "q35,mem-merge=off", "-cpu", "Nehalem", "-accel", "tcg,thread=multi", "-smp", "2",
                "-virtfs", SHARE.format(path="/", tag="host"), "-virtfs", SHARE.format(path=TOP, tag="tree")]

    def headers(self):
        """The folder that `make -C` takes to build a module for this kernel."""
        raise NotImplementedError

    def initramfs(self):
        """Made again when what goes into it changed."""
        init = INIT.read_text(encoding="ascii")
        mark = hashlib.sha256((init + " ".join(BOOT_MODULES)).encode()).hexdigest()[:12]
        target = self.tree / f"initramfs-{mark}"
        with locked(target):
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

    def words(self):
        """More for the kernel's command line."""
        return f"cells.shares=tree:{TOP}"

    def programs(self):
        """The folder of programs that run on it."""
        return BUILD

    def test_module(self, name):
        """Builds tests/lab/NAME/NAME.ko, a driver of the lab's own, for this kernel; answers its path."""
        source, folder = TOP / "tests/lab" / name, BUILD / "lab" / self.release / name
        with locked(folder):
            shutil.copytree(source, folder, dirs_exist_ok=True)
            r = subprocess.run(["make", "-s", "-C", str(self.headers()), f"M={folder}", *self.make_arguments(), "modules"],
                               capture_output=True, text=True, check=False)
        if r.returncode != 0 or "warning:" in r.stderr:
            raise Failed(f"{name} for {self.release}: {r.stdout[-3000:]}{r.stderr[-3000:]}")
        return folder / f"{name}.ko"

    def module(self):
        """Builds devns.ko for this kernel, if the tree has one; answers its path."""
        if not (TOP / "kernel/Kbuild").exists():
            raise Skip("the tree has no kernel/Kbuild")
        need("make", "gcc")
        folder = BUILD / "lab" / self.release
        headers = self.headers()
        folder.mkdir(parents=True, exist_ok=True)
        argv = ["make", "-s", "-C", TOP / "kernel", f"KDIR={headers}", f"MO={folder}", "W=1", *self.make_arguments()]
        with locked(folder):
            r = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False)
        if r.returncode != 0 or "warning:" in r.stderr:
            raise Failed(f"devns for {self.release}: {r.stdout[-3000:]}{r.stderr[-3000:]}")
        return folder / "devns.ko"


INIT = pathlib.Path(__file__).parent / "init.sh"


class Debian(Kernel):
    """Debian's own kernel of this distribution."""

    flavour, suffix, foreign = "amd64", "", False

    def __init__(self):
        need("apt-get", "dpkg", "cpio", "busybox", "modprobe")
        self.archive = Archive(self.arch if self.foreign or self.suffix else None, self.suffix)
        package = self.archive.depends(f"linux-image-{self.flavour}", r"linux-image-\d\S+")
        release = package.removeprefix("linux-image-")
        tree = CACHE / release
        with locked(tree):
            if not (tree / "done").exists():
                shutil.rmtree(tree, ignore_errors=True)
                self.archive.fetch(tree, package)
                sh("depmod", "-b", tree, release)
                (tree / "done").touch()
        super().__init__(release, tree, tree / f"boot/vmlinuz-{release}")

    def headers(self):
        package = f"linux-headers-{self.release}"
        tree = CACHE / f"{self.release}-headers"
        made = tree / f"usr/src/{package}"
        with locked(tree):
            if not (tree / "done").exists():
                shutil.rmtree(tree, ignore_errors=True)
                common = self.archive.depends(package, r"linux-headers-\S+-common\S*")
                self.archive.fetch(tree, package, common)
                # These are programs, so they have to be this machine's.
                (Archive() if self.foreign else self.archive).fetch(tree, re.search(
                    r"Depends: (linux-kbuild-\S+)", self.archive("apt-cache", "depends", package))[1])
                # It names its other half by where that would be installed.
                makefile = made / "Makefile"
                makefile.write_text(makefile.read_text().replace("/usr/src", str(tree / "usr/src")))
                (tree / "done").touch()
        return made


class Newer(Debian):
    """The newest kernel that this Debian's backports have: for the module's build."""

    suffix = "-backports"

    def make_arguments(self):
        return ["CONFIG_DEBUG_INFO_BTF_MODULES="]  # it takes a tool of its own


class Arm64(Debian):
    """A phone with another processor: its root is a sysroot of Debian's packages, and
    this tree, with programs built by a cross compiler, is in it."""

    arch = flavour = "arm64"
    console, slow, foreign = "ttyAMA0", 2, True
    host = "aarch64-linux-gnu"
    GUEST = ("base-passwd base-files bash coreutils dash findutils grep sed mount libc-bin netbase python3 python3-pytest "
             "busybox-static iproute2 kmod util-linux procps e2fsprogs erofs-utils udev systemd dbus dbus-daemon "
             "v4l-utils alsa-utils fbset evtest libc6-dev")

    def __init__(self):
        need("qemu-system-aarch64", "mmdebstrap", f"{self.host}-gcc")
        super().__init__()
        self.root = CACHE / "arm64-root"
        done = self.root / "etc/cells-done"
        with locked(self.root):
            if not done.exists() or done.read_text() != self.GUEST:
                self._extract()
                done.write_text(self.GUEST)

    def _extract(self):
        """Packages are unpacked and not set up: nothing of theirs runs here."""
        print("lab: unpacking a root for arm64", file=sys.stderr)
        shutil.rmtree(self.root, ignore_errors=True)
        build = " ".join(re.findall(r"^build (.*)$", (TOP / "packages.txt").read_text(), re.M)).split()
        include = [*self.GUEST.split(), *(p for p in build if p.startswith("lib") and p.endswith("-dev"))]
        try:
            sh("mmdebstrap", "--variant=extract", "--architectures=arm64", f"--include={','.join(include)}",
               self.archive.suite, self.root, self.archive.uri)
            for name in ("passwd", "group"):
                shutil.copy(self.root / f"usr/share/base-passwd/{name}.master", self.root / f"etc/{name}")
            sh("systemd-sysusers", f"--root={self.root}", TOP / "data/cells.sysusers.conf")
        except subprocess.CalledProcessError as e:
            raise Skip(f"a root for arm64: {e.stderr.strip()[-500:]}") from e

    def busybox(self):
        return self.root / "bin/busybox"

    def make_arguments(self):
        return ["ARCH=arm64", f"CROSS_COMPILE={self.host}-"]

    def machine(self):
        shares = {"host": self.root, "tree": TOP, "modules": self.tree}
        argv = ["qemu-system-aarch64", "-M", "virt,mem-merge=off", "-cpu", "cortex-a72", "-accel", "tcg,thread=multi", "-smp", "2"]
        for tag, path in shares.items():
            argv += ["-virtfs", SHARE.format(path=path, tag=tag)]
        return argv

    def words(self):
        return f"cells.shares=tree:{TOP},modules:{self.tree}"

    def programs(self):
        """Builds ours for it: the folder to name as CELLS_BUILD on the phone."""
        folder = BUILD / "lab/arm64"
        pkg = f"usr/lib/{self.host}/pkgconfig"
        environment = dict(os.environ, PKG_CONFIG_SYSROOT_DIR=str(self.root),
                           PKG_CONFIG_LIBDIR=f"{self.root}/{pkg}:{self.root}/usr/share/pkgconfig")
        with locked(folder):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                if not (folder / "config.status").exists():
                    sh(TOP / "configure", f"--host={self.host}", f"CC={self.host}-gcc --sysroot={self.root}",
                       "--enable-werror", cwd=folder, env=environment)
                sh("make", "-s", f"-j{os.cpu_count()}", "all", "lab", cwd=folder, env=environment)
            except subprocess.CalledProcessError as e:
                raise Failed(f"programs for arm64: {e.stdout[-1000:]}{e.stderr[-2000:]}") from e
        return folder


class Debug(Kernel):
    """Debian's sources with debug.config: KASAN, lockdep, kmemleak and more. Built
    once, which takes a quarter of an hour, and kept."""

    slow = 5
    config = pathlib.Path(__file__).parent / "debug.config"

    def __init__(self, build=False):
        need("apt-get", "dpkg", "cpio", "busybox", "modprobe")
        folder = CACHE / "source"
        self.built = folder / "build"
        mark = hashlib.sha256(self.config.read_bytes()).hexdigest()
        done = folder / "done"
        if not done.exists() or done.read_text() != mark:
            if not build:
                raise Skip("the debug kernel is not built: ./run lab --debug builds it")
            with locked(folder):
                self._build(folder)
                done.write_text(mark)
        release = (self.built / "include/config/kernel.release").read_text().strip()
        super().__init__(release, CACHE / release, self.built / "arch/x86/boot/bzImage")

    def _build(self, folder):
        need("make", "gcc", "flex", "bison", "bc")
        tarball = folder / "usr/src/linux-source-6.1.tar.xz"
        if not tarball.exists():
            Archive().fetch(folder, "linux-source-6.1")
        source = folder / "linux-source-6.1"
        if not (source / "Makefile").exists():
            sh("tar", "-xJf", tarball, cwd=folder)
        make = ["nice", "-n", "19", "make", "-s", f"-j{os.cpu_count()}", "-C", source, f"O={self.built}"]
        print("lab: building the debug kernel; this takes a quarter of an hour", file=sys.stderr)
        self.built.mkdir(exist_ok=True)
        try:
            sh(*make, f"KCONFIG_ALLCONFIG={self.config}", "allnoconfig")
            sh(*make, "bzImage", "modules")
            release = (self.built / "include/config/kernel.release").read_text().strip()
            shutil.rmtree(CACHE / release, ignore_errors=True)
            sh(*make, f"INSTALL_MOD_PATH={CACHE / release}", "modules_install")
        except subprocess.CalledProcessError as e:
            raise Failed(f"the debug kernel: {e.stdout[-1000:]}{e.stderr[-2000:]}") from e

    def headers(self):
        return self.built


KINDS = {"amd64": Debian, "debug": Debug, "backports": Newer, "arm64": Arm64}


def chosen(**more):
    """The kernel that the environment asks for."""
    name = os.environ.get("CELLS_LAB_KERNEL", "amd64")
    if name not in KINDS:
        raise Failed(f"CELLS_LAB_KERNEL={name} is none of {', '.join(KINDS)}")
    return KINDS[name](**more)
