# SPDX-License-Identifier: Apache-2.0
"""cells-image from the outside: what goes in comes out again, mounted; what must
not come in does not; and nothing is ever half there."""
import contextlib
import gzip
import hashlib
import io
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tarfile
import tempfile
import time

import pytest

import forge
from harness import TOP, program, run, until

NOW = 1700000000
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)  # cap_net_bind_service, effective
MIB = 1 << 20


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="cells-image-") as name:
        yield pathlib.Path(name)


def cells_image(*args, check=True, **kw):
    return run([program("cells-image"), *args], check=check, **kw)


def build(source, out, *args, check=True, name="test", **kw):
    return cells_image("build", source, "-o", out, "--org", "acme", "--id", name, *args, check=check, **kw)


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
    found = {".": describe(top)}
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


@pytest.fixture
def source(folder):
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
    run(["setfacl", "-m", "u:1000:rwx,g:2000:r", top / "etc/deep/er/mine"]) if shutil.which("setfacl") else None
    os.chmod(top / "etc/deep", 0o710)
    set_times(top)
    return top


def tar_of(source, out, *args):
    run(["tar", "--xattrs", "--xattrs-include=*", "--acls", "--format=pax", "-cf", out, *args, "-C", source, "."])
    return out


def test_folder_comes_back_as_it_was(source, folder):
    build(source, folder / "image")
    with mounted_layer(layers(folder / "image")[0]) as got:
        assert walk(got) == walk(source)
        assert groups_of_links(got) == groups_of_links(source) == [
            ["bin/large", "bin/large-too", "etc/large-three"]]
    cells_image("verify", folder / "image")


def test_folder_that_is_copied_gives_the_same_bytes_as_one_that_is_not(source, folder):
    """What must be left out makes the difference, and hard links to elsewhere none."""
    os.link(source / "bin/su", folder / "elsewhere")
    build(source, folder / "one")
    os.mknod(source / "tmp/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    set_times(source)
    assert "left out" in build(source, folder / "two").stderr
    assert layers(folder / "one")[0].name == layers(folder / "two")[0].name


@pytest.mark.parametrize("pack", [[], ["-z"], ["-j"], ["-J"], ["--zstd"]], ids=["plain", "gzip", "bzip2", "xz", "zstd"])
def test_tar_of_any_compression_gives_the_same_bytes_as_the_folder(source, folder, pack):
    build(source, folder / "one")
    build(tar_of(source, folder / "source.tar", *pack), folder / "two")
    assert [p.name for p in layers(folder / "one")] == [p.name for p in layers(folder / "two")]


def test_tar_comes_from_standard_input(source, folder):
    data = tar_of(source, folder / "source.tar").read_bytes()
    subprocess.run([program("cells-image"), "build", "-", "-o", folder / "image", "--org", "acme", "--id", "x"],
                   input=data, check=True, capture_output=True)
    with mounted_layer(layers(folder / "image")[0]) as got:
        assert walk(got) == walk(source)


def test_same_input_gives_the_same_bytes(source, folder):
    """Also when the files were made in another order, elsewhere."""
    names = sorted(str(p.relative_to(source)) for p in source.rglob("*"))
    args = ["--issued", "2026-11-20T08:00:00Z"]
    build(source, folder / "one", *args)
    run(["tar", "-C", source, "--xattrs", "--xattrs-include=*", "--acls", "--format=pax", "--no-recursion", "-cf",
         folder / "back.tar", *reversed(names)])
    copy = folder / "copy"
    copy.mkdir()
    run(["tar", "-C", copy, "--xattrs", "--xattrs-include=*", "--acls", "-xpf", folder / "back.tar"])
    shutil.copystat(source, copy)
    assert walk(copy) == walk(source)
    build(copy, folder / "two", *args)
    one, two = ({str(p.relative_to(d)): p.read_bytes() for p in d.rglob("*") if p.is_file()}
                for d in (folder / "one", folder / "two"))
    assert one == two


def test_no_time_is_newer_than_source_date_epoch(source, folder):
    run([program("cells-image"), "build", source, "-o", folder / "image", "--org", "acme", "--id", "x"],
        env={"SOURCE_DATE_EPOCH": str(NOW - 20000)})
    with mounted_layer(layers(folder / "image")[0]) as got:
        times = [d["mtime"] for d in walk(got).values()]
    assert max(times) == NOW - 20000 and min(times) < NOW - 20000


def test_devices_and_sockets_are_left_out_with_a_note(source, folder):
    os.mknod(source / "etc/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(source / "etc/disk", stat.S_IFBLK | 0o660, os.makedev(8, 0))
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(source / "etc/sock"))
    set_times(source)
    r = build(source, folder / "image")
    assert "2 device nodes were left out" in r.stderr and "1 sockets" in r.stderr
    with mounted_layer(layers(folder / "image")[0]) as got:
        assert walk(got) == walk(source, ("etc/null", "etc/disk", "etc/sock"))


def test_xattrs_that_steer_overlayfs_are_left_out(source, folder):
    os.setxattr(source / "etc", "trusted.overlay.redirect", b"/secret")
    os.setxattr(source / "bin", "trusted.overlay.opaque", b"y")
    assert "2 xattrs of overlayfs" in build(source, folder / "image").stderr
    with mounted_layer(layers(folder / "image")[0]) as got:
        assert os.listxattr(got / "etc") == os.listxattr(got / "bin") == []


# ---- OCI

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
def overlaid(image):
    """The layers as a device mounts them: EROFS below overlayfs."""
    with contextlib.ExitStack() as stack:
        points = [stack.enter_context(mounted_layer(p)) for p in layers(image)]
        if len(points) == 1:
            yield points[0]
            return
        lower = ":".join(str(p) for p in reversed(points))
        yield stack.enter_context(mounted("-t", "overlay", "overlay", "-o", f"ro,lowerdir={lower}"))


@pytest.mark.parametrize("pack", list(PACKERS), ids=["plain", "gzip", "zstd"])
def test_oci_layers_and_whiteouts_under_overlayfs(folder, pack):
    Layout(folder / "oci", LOWER, UPPER, pack=pack)
    build(folder / "oci", folder / "image")
    assert len(layers(folder / "image")) == 2
    with overlaid(folder / "image") as got:
        assert files_of(got) == MERGED
        assert sorted(p.name for p in (got / "opaque").iterdir()) == ["seen"]
        assert not (got / "dir").exists()
    with mounted_layer(layers(folder / "image")[1]) as upper:
        gone = (upper / "etc/gone").lstat()
        assert stat.S_ISCHR(gone.st_mode) and gone.st_rdev == 0
        assert os.getxattr(upper / "opaque", "trusted.overlay.opaque") == b"y"
        assert not (upper / "dir").is_dir()


def test_whiteout_means_the_same_wherever_it_stands(folder):
    """image-spec: the order of a layer's entries does not matter."""
    swapped = tar_bytes(("again/", None), ("again/new", b"new"), (".wh.again", b""), ("etc/.wh.gone", b""),
                        ("opaque/seen", b"seen"), ("opaque/.wh..wh..opq", b""), (".wh.dir", b""), ("etc/over", b"new"))
    Layout(folder / "oci", LOWER, swapped)
    build(folder / "oci", folder / "image")
    with overlaid(folder / "image") as got:
        assert files_of(got) == MERGED


@pytest.mark.parametrize("names", [["oci-layout", "index.json", "blobs"], ["blobs", "index.json", "oci-layout"]])
def test_oci_layout_in_a_tar(folder, names):
    Layout(folder / "oci", LOWER, UPPER)
    run(["tar", "-C", folder / "oci", "-cf", folder / "oci.tar", *names])
    build(folder / "oci.tar", folder / "image")
    build(folder / "oci", folder / "other")
    assert [p.name for p in layers(folder / "image")] == [p.name for p in layers(folder / "other")]


def test_oci_config_says_init_and_stop_signal(folder):
    Layout(folder / "oci", LOWER, config={"Cmd": ["/sbin/init"], "StopSignal": "SIGRTMIN+3"}, architecture="arm64")
    build(folder / "oci", folder / "image")
    about = json.loads(cells_image("inspect", folder / "image", "--format", "json").stdout)
    assert (about["init"], about["stop-signal"], about["architecture"]) == ("/sbin/init", "RTMIN+3", "arm64")


def test_oci_index_of_several_images(folder):
    one = Layout(folder / "oci", LOWER, tag="one")
    two = Layout(folder / "more", UPPER, tag="two", architecture="arm64")
    shutil.copytree(two.folder / "blobs", one.folder / "blobs", dirs_exist_ok=True)
    one.index([one.entry, two.entry])
    build(one.folder, folder / "a", "--architecture", "arm64")
    build(one.folder, folder / "b", "--architecture", "amd64")
    assert layers(folder / "a")[0].name != layers(folder / "b")[0].name
    both = dict(two.entry, platform=one.entry["platform"])
    one.index([one.entry, both])
    assert "say which" in refused(one.folder, folder / "c", "--architecture", "amd64")
    build(one.folder, folder / "d", "--architecture", "amd64", "--tag", "one")
    assert layers(folder / "d")[0].name == layers(folder / "b")[0].name


@pytest.mark.skipif(not (shutil.which("umoci") and shutil.which("skopeo")), reason="umoci and skopeo are not installed")
def test_oci_layout_of_other_tools(source, folder):
    (source / "etc/pipe").unlink()  # umoci 0.4 stops at them
    set_times(source)
    run(["umoci", "init", "--layout", folder / "oci"])
    run(["umoci", "new", "--image", f"{folder}/oci:a"])
    run(["umoci", "insert", "--image", f"{folder}/oci:a", source, "/"])
    run(["skopeo", "copy", f"oci:{folder}/oci:a", f"oci-archive:{folder}/a.tar:a"])
    build(folder / "oci", folder / "one", "--tag", "a")
    build(folder / "a.tar", folder / "two")
    with overlaid(folder / "two") as got:
        assert files_of(got) == files_of(source)
        assert os.getxattr(got / "sbin/init", "security.capability") == CAPABILITY
        assert groups_of_links(got) == groups_of_links(source)


# ---- what must not come in

def refused(source, out, *args, **kw):
    """Builds what has to be refused: one line, and nothing is left."""
    r = build(source, out, *args, check=False, **kw)
    assert r.returncode == 1, r
    assert r.stderr.count("\n") == 1 and r.stdout == "", r
    assert not out.exists() and not pathlib.Path(f"{out}.part").exists()
    return r.stderr


LINK = {"type": tarfile.SYMTYPE}
HARD = {"type": tarfile.LNKTYPE}
HOSTILE = {
    "dotdot": ([("../cells-canary", b"evil")], "'..' in the name"),
    "dotdot inside": ([("a/", None), ("a/../../cells-canary", b"evil")], "'..' in the name"),
    "absolute": ([("/cells-canary", b"evil")], "an absolute name"),
    "through an absolute link": ([("a", {**LINK, "linkname": "/etc"}), ("a/cells-canary", b"evil")], "leads out"),
    "through an escaping link": ([("a", {**LINK, "linkname": "../.."}), ("a/cells-canary", b"evil")], "leads out"),
    "through two links": ([("b", {**LINK, "linkname": ".."}), ("d/", None), ("d/a", {**LINK, "linkname": "../b"}),
                           ("d/a/cells-canary", b"evil")], "leads out"),
    "through a link of magic": ([("a", {**LINK, "linkname": "/proc/self/root"}), ("a/tmp/cells-canary", b"evil")],
                                "leads out"),
    "folder through a link": ([("a", {**LINK, "linkname": "/tmp"}), ("a/cells-canary/", None)], "leads out"),
    "link below a link": ([("a", {**LINK, "linkname": "/tmp"}), ("a/cells-canary", {**LINK, "linkname": "/"})], "leads out"),
    "hard link out": ([("a", {**HARD, "linkname": "../../../../etc/passwd"})], "'..' in the name"),
    "hard link absolute": ([("a", {**HARD, "linkname": "/etc/passwd"})], "an absolute name"),
    "hard link through a link": ([("a", {**LINK, "linkname": "/etc"}), ("b", {**HARD, "linkname": "a/passwd"})],
                                 "hard link"),
    "hard link to nothing": ([("b", {**HARD, "linkname": "nothing"})], "hard link"),
    "hard link to a folder": ([("d/", None), ("b", {**HARD, "linkname": "d"})], "not a file"),
    "below a file": ([("a", b"file"), ("a/b", b"x")], "entry below"),
    "folder that is full, then a file": ([("a/", None), ("a/b", b"x"), ("a", b"y")], "stands twice"),
    "root is no folder": ([("./", {"type": tarfile.SYMTYPE, "linkname": "/etc"})], "root"),
    "name too long": ([("n" * 255, b"x")], "too long"),
}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile_tar_is_refused(folder, name):
    members, why = HOSTILE[name]
    (folder / "cells-canary").write_text("alive")
    (folder / "bad.tar").write_bytes(tar_bytes(*members))
    assert why in refused(folder / "bad.tar", folder / "image")
    assert (folder / "cells-canary").read_text() == "alive"
    assert sorted(p.name for p in folder.iterdir()) == ["bad.tar", "cells-canary"]
    for place in ("/etc", "/tmp", "/"):
        assert not os.path.lexists(f"{place}/cells-canary")


def test_links_that_stay_inside_may_be_written_through(folder):
    (folder / "good.tar").write_bytes(tar_bytes(
        ("usr/", None), ("usr/lib/", None), ("lib", {**LINK, "linkname": "usr/lib"}), ("lib/file", b"data"),
        ("sbin/init", b"x"), ("out", {**LINK, "linkname": "/etc"})))
    build(folder / "good.tar", folder / "image")
    with mounted_layer(layers(folder / "image")[0]) as got:
        assert (got / "usr/lib/file").read_bytes() == b"data"
        assert os.readlink(got / "lib") == "usr/lib" and os.readlink(got / "out") == "/etc"


def test_last_of_two_entries_of_a_name_counts(folder):
    (folder / "good.tar").write_bytes(tar_bytes(("a", b"old"), ("a", {**LINK, "linkname": "b"}), ("a", b"new"),
                                                ("a", {**HARD, "linkname": "a"})))
    build(folder / "good.tar", folder / "image")
    with mounted_layer(layers(folder / "image")[0]) as got:
        assert (got / "a").read_bytes() == b"new"


def test_bombs_are_refused_and_the_limits_can_be_raised(folder):
    (folder / "zeros.tar.gz").write_bytes(gzip.compress(tar_bytes(("zeros", bytes(64 * MIB)))))
    assert "--max-ratio" in refused(folder / "zeros.tar.gz", folder / "image")
    build(folder / "zeros.tar.gz", folder / "image", "--max-ratio", 2000)
    shutil.rmtree(folder / "image")
    assert "--max-bytes" in refused(folder / "zeros.tar.gz", folder / "image", "--max-ratio", 2000,
                                    "--max-bytes", 60 * MIB)
    (folder / "zeros").mkdir()
    (folder / "zeros/file").write_bytes(bytes(2 * MIB))
    assert "--max-bytes" in refused(folder / "zeros", folder / "image", "--max-bytes", MIB)
    assert "--max-entries" in refused(folder / "zeros", folder / "image", "--max-entries", 1)
    # A sparse file of 8 TiB in a tar of ten kilobytes.
    sparse = folder / "sparse"
    with open(sparse, "wb") as f:
        f.truncate(8 << 40)
    run(["tar", "-C", folder, "--sparse", "-cf", folder / "sparse.tar", "sparse"])
    sparse.unlink()
    assert "--max-bytes" in refused(folder / "sparse.tar", folder / "image")


def test_million_entries_are_refused_in_bounded_memory(folder):
    one = tar_bytes(("f", b""))[:512]
    with open(folder / "many.tar", "wb") as f:
        for _ in range(1000):
            f.write(one * 1000)
        f.write(bytes(1024))
    r = run(["bash", "-c", 'ulimit -v 1000000; exec "$@"', "x", program("cells-image"), "build", folder / "many.tar",
             "-o", folder / "image", "--org", "acme", "--id", "x", "--max-entries", 20000], check=False)
    if "AddressSanitizer" not in r.stderr and "Shadow memory" not in r.stderr:
        assert r.returncode == 1 and "--max-entries" in r.stderr, r
    assert not (folder / "image").exists()


BROKEN = {
    "not a tar": b"this is no archive\n" * 100,
    "empty": b"",
    "cut": LOWER[:700],
    "cut gzip": gzip.compress(LOWER)[:-20],
    "bad checksum": LOWER[:148] + b"77777777" + LOWER[156:],
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_broken_tar_is_refused(folder, name):
    (folder / "bad.tar").write_bytes(BROKEN[name])
    refused(folder / "bad.tar", folder / "image")


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def wrong_diff_id(o):
    o.config["rootfs"]["diff_ids"][0] = "sha256:" + "0" * 64
    o.write()


def more_layers_than_ids(o):
    o.config["rootfs"]["diff_ids"].append("sha256:" + "0" * 64)
    o.write()


def wrong_size(o):
    o.layers[0]["size"] += 1
    o.write()


def as_link(o):
    blob = o.folder / "blobs/sha256" / o.layers[0]["digest"][7:]
    blob.rename(o.folder / "elsewhere")
    blob.symlink_to("../../elsewhere")


BAD_LAYOUTS = {
    "blob damaged": lambda o: damage(o.folder / "blobs/sha256" / o.layers[1]["digest"][7:]),
    "manifest damaged": lambda o: damage(o.folder / "blobs/sha256" / o.entry["digest"][7:]),
    "blob missing": lambda o: (o.folder / "blobs/sha256" / o.layers[0]["digest"][7:]).unlink(),
    "blob is a link": as_link,
    "wrong size": wrong_size,
    "wrong diff_id": wrong_diff_id,
    "more diff_ids than layers": more_layers_than_ids,
    "no layers": lambda o: o.write(layers=[]),
    "too many layers": lambda o: o.write(layers=o.layers * 9),
    "layer of unknown type": lambda o: o.write(layers=[dict(o.layers[0], mediaType="text/html")]),
    "digest leads elsewhere": lambda o: o.write(layers=[dict(o.layers[0], digest="sha256:../../../etc/passwd")]),
    "digest of another kind": lambda o: o.write(layers=[dict(o.layers[0], digest="md5:" + "0" * 32)]),
    "an index and a manifest": lambda o: o.write(manifests=[]),
    "index is no JSON": lambda o: (o.folder / "index.json").write_text("{"),
    "index nested deep": lambda o: (o.folder / "index.json").write_text("[" * 100000),
    "index is huge": lambda o: (o.folder / "index.json").write_text(" " * (5 * MIB) + "{}"),
    "index without images": lambda o: o.index([]),
    "index is a list": lambda o: (o.folder / "index.json").write_text("[]"),
    "size negative": lambda o: o.index([dict(o.entry, size=-1)]),
    "size not a number": lambda o: o.index([dict(o.entry, size="12")]),
}


@pytest.mark.parametrize("name", list(BAD_LAYOUTS))
def test_bad_oci_layout_is_refused(folder, name):
    o = Layout(folder / "oci", LOWER, UPPER)
    BAD_LAYOUTS[name](o)
    refused(o.folder, folder / "image")


def test_index_that_holds_itself_is_refused(folder):
    """Nesting has an end, though no digest can hold itself."""
    o = Layout(folder / "oci", LOWER)
    entry = o.entry
    for _ in range(6):
        data = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
        entry = dict(o.blob(data, "index.v1+json"), platform=o.platform)
    o.index([entry])
    assert "nested" in refused(o.folder, folder / "image")


OCI_HOSTILE = {
    "bomb": lambda: tar_bytes(("zeros", bytes(64 * MIB))),
    "whiteout of dotdot": lambda: tar_bytes(("a/", None), ("a/.wh...", b"")),
    "whiteout of nothing": lambda: tar_bytes((".wh.", b"")),
    "whiteout outside": lambda: tar_bytes(("../.wh.canary", b"")),
    "whiteout through a link": lambda: tar_bytes(("a", {**LINK, "linkname": "/tmp"}), ("a/.wh.x", b"")),
    "opaque through a link": lambda: tar_bytes(("a", {**LINK, "linkname": "/tmp"}), ("a/.wh..wh..opq", b"")),
}


@pytest.mark.parametrize("name", list(OCI_HOSTILE))
def test_hostile_oci_layer_is_refused(folder, name):
    Layout(folder / "oci", LOWER, OCI_HOSTILE[name]())
    refused(folder / "oci", folder / "image")
    assert "trusted.overlay.opaque" not in os.listxattr("/tmp")


# ---- the image itself

def test_damage_is_found(source, folder):
    build(source, folder / "image")
    for path in [*(folder / "image/chunks").iterdir()][:5] + layers(folder / "image"):
        whole = path.read_bytes()
        damage(path)
        r = cells_image("verify", folder / "image", check=False)
        assert r.returncode == 1 and r.stderr.count("\n") == 1, r
        assert "digest" in r.stderr or "other bytes" in r.stderr, r
        path.write_bytes(whole[:-1])
        assert cells_image("verify", folder / "image", check=False).returncode == 1
        path.write_bytes(whole)
    cells_image("verify", folder / "image")


def test_extract_gives_the_layers_from_chunks_alone(source, folder):
    build(source, folder / "image")
    layer = layers(folder / "image")[0]
    data = layer.read_bytes()
    shutil.rmtree(folder / "image/layers")
    cells_image("extract", folder / "image", "-o", folder / "out")
    assert [p.name for p in (folder / "out").iterdir()] == ["1.erofs"]
    assert (folder / "out/1.erofs").read_bytes() == data
    damage(max((folder / "image/chunks").iterdir(), key=lambda p: p.stat().st_size))
    assert cells_image("extract", folder / "image", "-o", folder / "bad", check=False).returncode == 1
    assert [*(folder / "bad").iterdir()] == []


def test_diff_counts_what_has_to_be_sent(source, folder):
    build(source, folder / "one")
    assert cells_image("diff", folder / "one", folder / "one").returncode == 0
    with open(source / "bin/large", "r+b") as f:
        f.seek(MIB)
        f.write(b"changed")
    set_times(source)
    build(source, folder / "two", "-n", 2)
    r = cells_image("diff", folder / "one", folder / "two", "--format", "json", check=False)
    d = json.loads(r.stdout)
    assert r.returncode == 2 and d["layers"] == {"same": 0, "new": 1, "gone": 1}
    assert d["stored"]["new"] < 400000 < d["stored"]["same"]


def test_signed_by_the_image_role(source, folder):
    org = forge.Org("acme")
    (folder / "root.json").write_bytes(org.roots[0].envelope)
    for name, signer in (("good", org.keys["image"][0]), ("bad", org.keys["policy"][0])):
        (folder / f"{name}.pem").write_bytes(signer.pem())
        build(source, folder / name, "--key", folder / f"{name}.pem")
        assert not (folder / name / "image.xml").exists()
    root = ["--root", folder / "root.json", "--pin", org.roots[0].sha256]
    assert "signed by image-1" in cells_image("verify", folder / "good", *root).stdout
    r = cells_image("verify", folder / "bad", *root, check=False)
    assert r.returncode == 1
    r = cells_image("verify", folder / "good", "--root", folder / "root.json", "--pin", "sha256:" + "0" * 64, check=False)
    assert r.returncode == 1
    build(source, folder / "plain")
    assert "not signed" in cells_image("verify", folder / "plain", *root, check=False).stderr


# ---- all or nothing

@pytest.mark.parametrize("size", ["1m", "4m", "8m"])
def test_full_disk_leaves_nothing(source, folder, size):
    with mounted("-t", "tmpfs", "-o", f"size={size}", "tmpfs") as small:
        r = build(tar_of(source, folder / "s.tar", "--exclude=empty"), small / "image", check=False)
        assert r.returncode == 1 and r.stderr.count("\n") == 1, r
        assert [*small.iterdir()] == []


def test_killed_anywhere_then_built_again(source, folder):
    rnd = random.Random(3)
    data = tar_of(source, folder / "s.tar")
    start = time.monotonic()
    build(data, folder / "image", "--issued", "2026-11-20T08:00:00Z")
    took = time.monotonic() - start
    want = files_of(folder / "image")
    argv = [program("cells-image"), "build", data, "-o", folder / "image", "--org", "acme", "--id", "test",
            "--replace", "--issued", "2026-11-20T08:00:00Z"]
    for _ in range(12):
        child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rnd.uniform(0, took))
        child.kill()
        child.wait()
        assert files_of(folder / "image") == want
    # A mkfs.erofs that outlived its parent lets go of nothing we lock.
    until(lambda: build(data, folder / "image", "--replace", "--issued", "2026-11-20T08:00:00Z",
                        check=False).returncode == 0, 10)
    assert files_of(folder / "image") == want
    assert not (folder / "image.part").exists()


def test_interrupt_cleans_up(source, folder):
    (source / "bin/more").write_bytes(random.Random(1).randbytes(40 * MIB))
    for sig in (signal.SIGINT, signal.SIGTERM):
        child = subprocess.Popen([program("cells-image"), "build", source, "-o", folder / "image", "--org", "acme",
                                  "--id", "x"], stderr=subprocess.PIPE, text=True)
        until((folder / "image.part/chunks").exists)
        child.send_signal(sig)
        _, err = child.communicate(timeout=30)
        assert child.returncode == 1 and err == "cells-image: cancelled\n", err
        assert not (folder / "image").exists() and not (folder / "image.part").exists()


def test_what_exists_is_replaced_only_if_asked_and_only_if_an_image(source, folder):
    build(source, folder / "image")
    r = build(source, folder / "image", check=False)
    assert r.returncode == 1 and "--replace" in r.stderr
    build(source, folder / "image", "-n", 2, "--replace")
    assert json.loads(cells_image("inspect", folder / "image", "--format", "json").stdout)["version"] == 2
    (folder / "precious").mkdir()
    (folder / "precious/file").write_text("mine")
    assert build(source, folder / "precious", "--replace", check=False).returncode == 1
    assert (folder / "precious/file").read_text() == "mine"


@pytest.mark.parametrize("args", [[], ["x"], ["build"], ["build", "--nonsense"], ["inspect"], ["diff", "a"],
                                  ["inspect", "a", "--format", "xml"], ["build", "a", "b", "-o", "c"],
                                  ["build", "a", "-o", "c", "--org", "acme", "--id", "x", "--compress", "rar"]])
def test_wrong_usage_is_64(args):
    assert cells_image(*args, check=False).returncode == 64


# ---- recipes

def test_busybox_recipe_runs_and_ends_when_asked(folder):
    args = ["--recipe", "busybox", "--recipes", TOP / "images/recipes", "--org", "acme", "--id", "bb",
            "--issued", "2026-11-20T08:00:00Z"]
    cells_image("build", "-o", folder / "one", *args)
    cells_image("build", "-o", folder / "two", *args)
    assert files_of(folder / "one") == files_of(folder / "two")
    about = json.loads(cells_image("inspect", folder / "one", "--format", "json").stdout)
    with mounted_layer(layers(folder / "one")[0]) as root:
        r = run(["chroot", root, "/bin/ls", "/etc/inittab"])
        assert r.stdout == "/etc/inittab\n"
        child = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc=" + str(root / "proc"),
                                  "chroot", str(root), "/sbin/init"],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            first = int(until(pathlib.Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text).split()[0])
            until(lambda: b"init" in pathlib.Path(f"/proc/{first}/cmdline").read_bytes())
            time.sleep(0.3)
            os.kill(first, getattr(signal, "SIG" + about["stop-signal"]))
            child.wait(20)
        finally:
            child.kill()
            child.wait()


@pytest.mark.skipif(not os.environ.get("CELLS_LONG"), reason="downloads Debian (./run check --long)")
def test_debian_recipe(folder):
    cells_image("build", "--recipe", "debian", "--recipes", TOP / "images/recipes", "-o", folder / "image", "--org",
                "acme", "--id", "deb")
    with mounted_layer(layers(folder / "image")[0]) as root:
        assert "debian" in run(["chroot", root, "/bin/cat", "/etc/os-release"]).stdout
        assert (root / "sbin/init").exists()


def test_recipe_that_fails_says_why(folder):
    (folder / "bad").write_text("#!/bin/sh\necho something\necho the oven is cold >&2\nexit 3\n")
    os.chmod(folder / "bad", 0o755)
    r = cells_image("build", "--recipe", "bad", "--recipes", folder, "-o", folder / "image", "--org", "acme",
                    "--id", "x", check=False)
    assert r.returncode == 1 and "the oven is cold" in r.stderr and r.stderr.count("\n") == 1
    assert not (folder / "image").exists() and not (folder / "image.part").exists()
