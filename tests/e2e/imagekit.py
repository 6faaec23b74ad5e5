# SPDX-License-Identifier: Apache-2.0
"""Images to build and look into: folders, tars, OCI layouts, mounts."""
import contextlib
import gzip
import hashlib
import io
import json
import os
import pathlib
import random
import stat
import struct
import subprocess
import tarfile
import tempfile

import pytest

import forge
from harness import program, run

NOW = 1700000000
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)  # cap_net_bind_service, effective
MIB = 1 << 20


@pytest.fixture(name="folder")
def fixture_folder():
    with tempfile.TemporaryDirectory(prefix="cells-image-") as name:
        yield pathlib.Path(name)


def cells_image(*args, check=True, **kw):
    return run([program("cells-image"), *args], check=check, **kw)


def build(source, out, *args, check=True, name="test", whole=False, **kw):
    """An image of anything; with `whole` only of a root file system."""
    force = [] if whole else ["--force"]
    return cells_image("build", source, "-o", out, "--org", "acme", "--id", name, *force, *args, check=check, **kw)


def layers(image):
    """The EROFS files of an image, lowest first."""
    about = json.loads(cells_image("inspect", image, "--format", "json").stdout)
    return [image / "layers" / (one["digest"][7:] + ".erofs") for one in about["layers"]]


@contextlib.contextmanager
def mounted(*argv):
    point = tempfile.mkdtemp(prefix="cells-mount-")
    try:
        run(["mount", *argv, point])
        try:
            yield pathlib.Path(point)
        finally:
            run(["umount", point])
    finally:
        os.rmdir(point)


def mounted_layer(path):
    return mounted("-t", "erofs", "-o", "loop,ro", path)


def describe(path):
    """All of one file that an image has to keep."""
    st = path.lstat()
    kind = stat.S_IFMT(st.st_mode)
    what = {"mode": stat.S_IMODE(st.st_mode), "kind": kind, "owner": (st.st_uid, st.st_gid),
            "mtime": int(st.st_mtime),
            "xattrs": {n: os.getxattr(path, n, follow_symlinks=False)
                       for n in os.listxattr(path, follow_symlinks=False)}}
    if kind == stat.S_IFREG:
        what["links"] = st.st_nlink
        what["data"] = hashlib.sha256(path.read_bytes()).hexdigest()
    elif kind == stat.S_IFLNK:
        what["target"] = os.readlink(path)
    elif kind == stat.S_IFCHR:
        what["device"] = st.st_rdev
    return what


def walk(top, skip=()):
    """{relative name: description}"""
    found = {} if "." in skip else {".": describe(top)}
    for where, folders, files in os.walk(top):
        for name in folders + files:
            path = pathlib.Path(where) / name
            relative = str(path.relative_to(top))
            if relative not in skip:
                found[relative] = describe(path)
    return found


def groups_of_links(top):
    """Which names are one file."""
    by_inode = {}
    for where, _, files in os.walk(top):
        for name in files:
            path = pathlib.Path(where) / name
            if path.lstat().st_nlink > 1:
                by_inode.setdefault(path.lstat().st_ino, set()).add(str(path.relative_to(top)))
    return sorted(map(sorted, by_inode.values()))


def set_times(top):
    for where, folders, files in os.walk(top, topdown=False):
        for name in files + folders:
            path = os.path.join(where, name)
            os.utime(path, (NOW, NOW - len(name) * 1000), follow_symlinks=False)
    os.utime(top, (NOW, NOW))


@pytest.fixture(name="source")
def fixture_source(folder):
    """A folder with one of everything that an image keeps, and what it drops."""
    top = folder / "source"
    (top / "etc/deep/er").mkdir(parents=True)
    (top / "bin").mkdir()
    (top / "sbin").mkdir()
    (top / "tmp").mkdir()
    os.chmod(top / "tmp", 0o1777)
    rnd = random.Random(7)
    (top / "bin/large").write_bytes(rnd.randbytes(3 * MIB + 17))
    (top / "bin/zeros").write_bytes(bytes(MIB))
    (top / "etc/empty").write_bytes(b"")
    (top / "etc/deep/er/mine").write_text("owned\n")
    os.chown(top / "etc/deep/er/mine", 1234, 70000)
    (top / "bin/su").write_bytes(b"\x7fELF su")
    os.chmod(top / "bin/su", 0o4755)
    (top / "sbin/init").write_bytes(b"\x7fELF init")
    os.chmod(top / "sbin/init", 0o755)
    os.setxattr(top / "sbin/init", "security.capability", CAPABILITY)
    os.setxattr(top / "etc/empty", "user.note", b"hello\0world")
    os.setxattr(top / "etc/deep", "trusted.mark", b"x")
    os.symlink("../outside/../../nowhere", top / "etc/dangling")
    os.symlink("/etc/passwd", top / "etc/absolute")
    os.link(top / "bin/large", top / "bin/large-too")
    os.link(top / "bin/large", top / "etc/large-three")
    os.mkfifo(top / "etc/pipe", 0o620)
    (top / "etc/sp ace \u00fc\u20ac").write_text("named\n")
    os.mkdir(os.fsencode(top / "etc") + b"/latin-\xe9")
    (top / ("etc/" + "n" * 254)).write_text("long\n")
    # Of nobody whom this machine has a name for: tar would write that, and not the number.
    run(["setfacl", "-m", "u:31000:rwx,g:32000:r", top / "etc/deep/er/mine"])
    os.chmod(top / "etc/deep", 0o710)
    set_times(top)
    return top


def tar_of(source, out, *args):
    run(["tar", "--xattrs", "--xattrs-include=*", "--acls", "--format=pax", "-cf", out, *args, "-C", source, "."])
    return out


def tar_bytes(*members):
    """A pax tar; a member is (name, what): bytes, None (folder), or TarInfo fields."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, what in members:
            info = tarfile.TarInfo(name)
            info.mtime = NOW
            data = b""
            if what is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(what, dict):
                for key, value in what.items():
                    setattr(info, key, value)
            else:
                data = what
            info.size = info.size or len(data)
            tar.addfile(info, io.BytesIO(data) if data else None)
    return out.getvalue()


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


PACKERS = {"": lambda d: d, "+gzip": lambda d: gzip.compress(d, mtime=0), "+zstd": zstd}


class Layout:
    """An OCI image layout made by hand."""

    def __init__(self, folder, *tars, pack="+gzip", architecture="amd64", config=None, tag=None):
        self.folder = folder
        (folder / "blobs/sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        self.layers = [self.blob(PACKERS[pack](t), "layer.v1.tar" + pack) for t in tars]
        self.config = {"architecture": architecture, "os": "linux", "config": config or {},
                       "rootfs": {"type": "layers", "diff_ids": [forge.digest(t) for t in tars]}}
        self.platform, self.tag = {"architecture": architecture, "os": "linux"}, tag
        self.write()

    def blob(self, data, kind):
        name = hashlib.sha256(data).hexdigest()
        (self.folder / "blobs/sha256" / name).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{name}", "size": len(data)}

    def write(self, **more):
        config = self.blob(json.dumps(self.config).encode(), "config.v1+json")
        self.manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                         "config": config, "layers": self.layers, **more}
        entry = self.blob(json.dumps(self.manifest).encode(), "manifest.v1+json")
        entry["platform"] = self.platform
        if self.tag:
            entry["annotations"] = {"org.opencontainers.image.ref.name": self.tag}
        self.entry = entry
        self.index([entry])

    def index(self, entries):
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))


LOWER = tar_bytes(("./", None), ("etc/", None), ("etc/keep", b"keep"), ("etc/gone", b"gone"), ("etc/over", b"old"),
                  ("opaque/", None), ("opaque/hidden", b"hidden"), ("opaque/deep/", None), ("opaque/deep/x", b"x"),
                  ("dir/", None), ("dir/inside", b"inside"), ("again/", None), ("again/old", b"old"),
                  ("sbin/", None), ("sbin/init", b"init"))
UPPER = tar_bytes(("etc/", None), ("etc/.wh.gone", b""), ("etc/over", b"new"), ("opaque/", None),
                  ("opaque/.wh..wh..opq", b""), ("/opaque/seen", b"seen"), ("/.wh.dir", b""),
                  (".wh.again", b""), ("again/", None), ("again/new", b"new"), (".wh..wh.plnk/x", b""))
MERGED = {"etc/keep": b"keep", "etc/over": b"new", "opaque/seen": b"seen", "again/new": b"new", "sbin/init": b"init"}


def files_of(top):
    return {str(p.relative_to(top)): p.read_bytes() for p in top.rglob("*") if p.is_file()}


@contextlib.contextmanager
def overlaid(image, options="ro"):
    """The layers as a device mounts them: EROFS below overlayfs."""
    with contextlib.ExitStack() as stack:
        points = [stack.enter_context(mounted_layer(p)) for p in layers(image)]
        if len(points) == 1:
            yield points[0]
            return
        lower = ":".join(str(p) for p in reversed(points))
        yield stack.enter_context(mounted("-t", "overlay", "overlay", "-o", f"{options},lowerdir={lower}"))


def refused(source, out, *args, **kw):
    """Builds what has to be refused: one line, and nothing is left."""
    r = build(source, out, *args, check=False, **kw)
    assert r.returncode == 1, r
    assert r.stderr.count("\n") == 1 and r.stdout == "", r
    assert not out.exists() and not pathlib.Path(f"{out}.part").exists()
    return r.stderr


LINK = {"type": tarfile.SYMTYPE}
HARD = {"type": tarfile.LNKTYPE}


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
