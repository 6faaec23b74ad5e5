# SPDX-License-Identifier: Apache-2.0
"""A root file system from a folder to where devices can fetch it."""
import contextlib
import os
import pathlib
import random
import shutil
import subprocess

import forge
import harness
from bench import Side, Skip
from office import Office

NAME = "push"
WORK = "build and push an image of 64 MiB in 2,000 files, from a folder"
ROUNDS = 5
LIMIT = "tar and one zstd over the folder, written once: nothing named, nothing checked"
FILES, SIZE = 2000, 32 * 1024


def fill(root):
    """Half of it text-like, half of it noise, as programs are."""
    rnd = random.Random(1)
    words = [rnd.randbytes(rnd.randrange(3, 9)) for _ in range(500)]
    for i in range(FILES):
        path = root / f"usr/lib/d{i % 40}/f{i}"
        path.parent.mkdir(parents=True, exist_ok=True)
        half = rnd.randbytes(SIZE // 2)
        path.write_bytes(half + b"".join(rnd.choices(words, k=SIZE // 12))[:SIZE // 2])
    for name in ("etc", "sbin"):
        (root / name).mkdir()
    shutil.copy("/bin/busybox", root / "sbin/init")


def run(*argv, **kw):
    subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **kw)


class Ours:
    """Each round has an id of its own and an empty folder of chunks at the server."""

    def __init__(self, world, root):
        self.folder, self.root, self.n = world.folder, root, 0
        self.office = Office(world)
        self.office.submit(self.office.root())
        self.key = self.folder / "image.pem"
        self.key.write_bytes(self.office.forge.keys["image"][0].pem())
        self.config = self.folder / "config"
        (self.config / "servers").mkdir(parents=True)
        (self.config / "admin.conf").write_text("default = s\n")
        (self.config / "servers/s.conf").write_text(
            f"host = 127.0.0.1\nport = {self.office.admin_port}\nca = {self.office.ca}\ntoken = {self.office.token}\n")

    def before(self):
        self.n += 1
        shutil.rmtree(self.folder / "image", ignore_errors=True)
        # Other bytes each time, so that the server has none of them yet.
        for path in self.root.rglob("f*"):
            with open(path, "r+b") as f:
                f.write(os.urandom(8))
                f.seek(SIZE // 4)
                f.write(os.urandom(8))

    def build(self):
        run(harness.program("cells-image"), "build", self.root, "-o", self.folder / "image", "--org", "acme", "--id",
            f"image-{self.n}", "--key", self.key)

    def build_and_push(self):
        self.build()
        run(harness.program("cells-image"), "push", self.folder / "image", "--config", self.config)


class Theirs:
    def __init__(self, folder, root):
        self.layout, self.root, self.target = folder / "oci", root, folder / "target"

    def before(self):
        for path in (self.layout, self.target):
            shutil.rmtree(path, ignore_errors=True)

    def build_and_copy(self):
        run("umoci", "init", "--layout", self.layout)
        run("umoci", "new", "--image", f"{self.layout}:a")
        run("umoci", "insert", "--image", f"{self.layout}:a", self.root, "/")
        run("skopeo", "copy", "--insecure-policy", f"oci:{self.layout}:a", f"dir:{self.target}")


@contextlib.contextmanager
def sides():
    if os.geteuid() != 0:
        raise Skip("cells-image build has to be root")
    with harness.World() as world:
        root = world.folder / "root"
        fill(root)
        ours, theirs = Ours(world, root), Theirs(world.folder, root)
        out = world.folder / "out.tar.zst"
        yield [
            Side("cells-image", ours.build_and_push, ours=True, before=ours.before,
                 note="EROFS, chunks, signed, over TLS to cells-mgmtd"),
            Side("umoci, skopeo", theirs.build_and_copy, package="skopeo", needs=("umoci", "skopeo"),
                 before=theirs.before, note="gzip layer; copied to a local folder, no network, no signature"),
            Side("tar | zstd", lambda: run("tar", "--zstd", "-cf", out, "-C", root, "."), package="zstd",
                 needs=("zstd",), note="the limit"),
        ]
