# SPDX-License-Identifier: Apache-2.0
"""A stack of OCI layers is one file system: generated stacks, compared entry by entry
with what umoci makes of them, and a stack that buildah made, with its own mount."""
import contextlib
import os
import pathlib
import random
import shutil
import struct
import tarfile
import time

import pytest

from harness import run
from imagekit import (NOW, Layout, build, fixture_folder, groups_of_links, layers, overlaid, walk)  # noqa: F401

STACKS = 200 if os.environ.get("CELLS_LONG") else 20
NAMES = ["a", "b", "c", "etc", "d-d", "x y", "\u00fc"]
ACL_UNDEFINED = 0xffffffff


def acl(*named):
    """The kernel's form of an ACL: rwxr-x--- and the named users."""
    rows = [(1, 7, ACL_UNDEFINED), *((2, 6, uid) for uid in named), (4, 5, ACL_UNDEFINED), (0x10, 7, ACL_UNDEFINED),
            (0x20, 0, ACL_UNDEFINED)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in rows)


def header(info, xattrs):
    """A pax header with raw xattrs, which tarfile cannot write, and the entry's."""
    records = b""
    for name, value in {"path": info.name.encode(), **{"SCHILY.xattr." + n: v for n, v in xattrs.items()}}.items():
        body = b" " + name.encode() + b"=" + value + b"\n"
        size = len(body) + 1
        while len(str(size)) + len(body) != size:
            size = len(str(size)) + len(body)
        records += str(size).encode() + body
    pax = tarfile.TarInfo("pax")
    pax.type, pax.size = tarfile.XHDTYPE, len(records)
    short = tarfile.TarInfo()
    for field in ("mode", "uid", "gid", "size", "mtime", "type", "linkname"):
        setattr(short, field, getattr(info, field))
    short.name = "entry"
    padded = records + bytes(-len(records) % 512)
    return pax.tobuf(tarfile.USTAR_FORMAT) + padded + short.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


class Stack:
    """Layers by chance. What a name is after each entry is kept, so that only what may be is made."""

    def __init__(self, seed):
        self.rnd = random.Random(seed)
        self.tree = {"": {"kind": "dir"}}
        self.layers = []
        for _ in range(self.rnd.randint(2, 5)):
            self.layers.append(self.layer())

    def below(self, path):
        return [p for p in self.tree if path == "" and p or p.startswith(path + "/")]

    def touch(self, path):
        self.written.add("")
        while path:
            self.written.add(path)
            path = path.rpartition("/")[0]

    def entry(self, path, named, kind, data=b"", **fields):
        info = tarfile.TarInfo(named)
        what = {"uid": self.rnd.choice([0, 0, 1, 1000, 70000]), "gid": self.rnd.choice([0, 0, 5, 1000]),
                "mtime": NOW - self.rnd.randint(0, 10000),
                "mode": self.rnd.choice([0o700, 0o755, 0o640, 0o1777, 0o4755, 0o2750]), **fields}
        xattrs = what.pop("xattrs", None)
        for key, value in what.items():
            setattr(info, key, value)
        if xattrs is None:
            xattrs = {}
            if kind != "link" and self.rnd.random() < 0.3:
                xattrs["user.note"] = self.rnd.randbytes(5) + b"\0"
            if kind != "link" and self.rnd.random() < 0.2:
                info.mode = info.mode & ~0o777 | 0o770
                xattrs["system.posix_acl_access"] = acl(*self.rnd.sample(range(1, 3000), 2))
            if kind == "dir" and self.rnd.random() < 0.2:
                xattrs["system.posix_acl_default"] = acl(7)
        info.size = len(data)
        if kind == "dir" and self.tree.get(path, {}).get("kind") == "dir":
            self.tree[path].update(info=info, xattrs=xattrs)
        else:
            for name in [path, *self.below(path)]:
                self.tree.pop(name, None)
            self.tree[path] = {"kind": kind, "info": info, "xattrs": xattrs}
        self.touch(path)
        self.out += header(info, xattrs) + data + bytes(-len(data) % 512)

    def mark(self, name):
        info = tarfile.TarInfo(name)
        info.mtime = NOW
        self.out += header(info, {})

    def folder(self):
        """A folder, and a name for it: through a link now and then."""
        path = self.rnd.choice([p for p, n in self.tree.items() if n["kind"] == "dir"])
        links = [p for p, n in self.tree.items() if n.get("leads") == path]
        named = self.rnd.choice(links) if links and self.rnd.random() < 0.5 else path
        return path, named

    def place(self):
        """Where an entry may be made: (path, name in the tar), or None."""
        path, named = self.folder()
        name = self.rnd.choice(NAMES)
        path, named = (f"{p}/{name}" if p else name for p in (path, named))
        if path.count("/") > 4 or path in self.written:
            return None
        return path, self.rnd.choice(["", "./", "/"]) + named

    def file(self):
        if at := self.place():
            data = self.rnd.randbytes(self.rnd.choice([0, 1, 600, 5000]))
            self.entry(*at, "file", data)

    def directory(self):
        if at := self.place():
            self.entry(at[0], at[1] + "/", "dir", type=tarfile.DIRTYPE)

    def again(self):
        """A folder that is there gets other metadata."""
        path, _ = self.folder()
        self.entry(path, f"{path}/" if path else "./", "dir", type=tarfile.DIRTYPE)

    def symlink(self):
        if at := self.place():
            if any(p in self.written for p in self.below(at[0])):
                return
            folders = [p for p, n in self.tree.items() if n["kind"] == "dir" and p and p != at[0]
                       and not p.startswith(at[0] + "/")]
            leads = self.rnd.choice(folders) if folders and self.rnd.random() < 0.7 else None
            self.entry(*at, "link", type=tarfile.SYMTYPE, linkname="/" + leads if leads else "../nowhere", mode=0o777)
            self.tree[at[0]]["leads"] = leads

    def hardlink(self):
        files = [p for p, n in self.tree.items() if n["kind"] == "file"]
        at = self.place()
        if not files or not at:
            return
        target = self.rnd.choice(files)
        if target == at[0] or target.startswith(at[0] + "/"):
            return
        node = self.tree[target]
        old = node["info"]
        fields = {f: getattr(old, f) for f in ("uid", "gid", "mtime", "mode")}
        self.entry(*at, "file", type=tarfile.LNKTYPE, linkname=target, xattrs=node["xattrs"], **fields)

    def whiteout(self):
        lower = [p for p in self.tree if p and p not in self.gone]
        if lower and self.rnd.random() < 0.9:
            path = self.rnd.choice(lower)
        else:
            path = (self.folder()[0] + "/never").lstrip("/")
        top, _, name = path.rpartition("/")
        self.mark(f"{top}/.wh.{name}" if top else f".wh.{name}")
        self.gone.add(path)
        for p in [path, *self.below(path)]:
            if p not in self.written:
                self.tree.pop(p, None)

    def opaque(self):
        path, named = self.folder()
        if path == "" and self.rnd.random() < 0.7:
            return
        self.mark(f"{named}/.wh..wh..opq" if named else ".wh..wh..opq")
        for p in self.below(path):
            if p not in self.written:
                self.tree.pop(p, None)

    def layer(self):
        self.written, self.gone, self.out = set(), set(), b""
        first = not self.layers
        if first:
            self.entry("", "./", "dir", type=tarfile.DIRTYPE)
            self.written.clear()
        kinds = [self.file, self.directory, self.directory, self.symlink, self.hardlink, self.again]
        kinds += [] if first else [self.whiteout, self.whiteout, self.opaque, self.file]
        for _ in range(self.rnd.randint(6, 20) if first else self.rnd.randint(0, 14)):
            self.rnd.choice(kinds)()
        return self.out + bytes(1024)


def as_on_the_device(image):
    """File numbers as in the layers, so that links can be compared."""
    return overlaid(image, "ro,xino=on")


def differences(got, want, began):
    """["path: field: ours, theirs"]. Left aside: how many names a file has, as overlayfs counts those that are
    hidden, and the time of day that umoci leaves on a folder in which it removed something."""
    found = []
    for path in sorted({*got, *want}):
        ours, theirs = got.get(path, {}), want.get(path, {})
        skip = {"links", "mtime" if theirs.get("mtime", 0) >= began else ""}
        found += [f"{path}: {f}: {ours.get(f)}, {theirs.get(f)}" for f in sorted({*ours, *theirs} - skip)
                  if ours.get(f) != theirs.get(f)]
    return found


def compare(image, root, began, skip=()):
    with as_on_the_device(image) as got:
        assert differences(walk(got, skip), walk(root, skip), began) == []
        ours, theirs = ([g for g in groups_of_links(top) if len(g) > 1] for top in (got, root))
        assert ours == theirs


@pytest.mark.parametrize("seed", range(STACKS))
def test_stack_is_what_umoci_unpacks(folder, seed):
    """Owner, mode, xattrs, ACLs, time, bytes and hard links of every entry, in several layers and in one."""
    stack = Stack(seed)
    Layout(folder / "oci", *stack.layers, pack="", tag="a")
    began = int(time.time())
    run(["umoci", "unpack", "--image", f"{folder}/oci:a", folder / "bundle"])
    build(folder / "oci", folder / "image")
    assert len(layers(folder / "image")) == len(stack.layers)
    compare(folder / "image", folder / "bundle/rootfs", began)
    if seed % 4 == 0:
        build(folder / "oci", folder / "one", "--squash")
        assert len(layers(folder / "one")) == 1
        compare(folder / "one", folder / "bundle/rootfs", began)


def member(name, data=b"", xattrs=None, **fields):
    info = tarfile.TarInfo(name)
    info.mtime, info.size = NOW, len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return header(info, xattrs or {}) + data + bytes(-len(data) % 512)


DIR = {"type": tarfile.DIRTYPE, "mode": 0o755}
BASE = (member("./", **DIR), member("etc/", **DIR), member("etc/passwd", b"root:x:0:0::/:/bin/sh\n"),
        member("sbin/", **DIR), member("sbin/init", b"init", mode=0o755), member("usr/", **DIR))


def stack_of(folder, *stacked, **kw):
    """Builds layers of members above BASE; the image's folder."""
    Layout(folder / "oci", *(b"".join(m) + bytes(1024) for m in (BASE, *stacked)), pack="", **kw)
    build(folder / "oci", folder / "image")
    return folder / "image"


def test_parents_that_a_layer_leaves_out_stay_as_they_were(folder):
    image = stack_of(folder, [
        member("home/", **DIR), member("home/u/", **DIR | {"uid": 1000, "gid": 1000, "mode": 0o700, "mtime": NOW - 5},
                                       xattrs={"user.note": b"mine", "system.posix_acl_access": acl(33),
                                               "system.posix_acl_default": acl(34)}),
        member("home/u/old", b"old", uid=1000, mode=0o600)], [member("home/u/deep/new", b"new", uid=1000, mode=0o600)])
    with as_on_the_device(image) as got:
        tree = walk(got)
    assert tree["home/u"]["owner"] == (1000, 1000) and tree["home/u"]["mtime"] == NOW - 5
    assert tree["home/u"]["xattrs"] == {"user.note": b"mine", "system.posix_acl_access": acl(33),
                                        "system.posix_acl_default": acl(34)}
    # What no layer names is root's, and takes nothing from the ACL that its folder would hand down.
    assert tree["home/u/deep"] == {"kind": 0o040000, "mode": 0o755, "owner": (0, 0), "mtime": 0, "xattrs": {}}
    assert tree["home/u/deep/new"]["mode"] == 0o600 and tree["home/u/deep/new"]["xattrs"] == {}


@pytest.mark.parametrize("kind", ["file", "link", "fifo"])
def test_folder_that_is_full_becomes_something_else(folder, kind):
    what = {"file": {}, "link": {"type": tarfile.SYMTYPE, "linkname": "etc"}, "fifo": {"type": tarfile.FIFOTYPE}}[kind]
    image = stack_of(folder, [member("full/", **DIR), member("full/deep/", **DIR), member("full/deep/file", b"x")],
                     [member("full", **what)], [member("etc/after", b"")])
    with as_on_the_device(image) as got:
        tree = walk(got)
    assert tree["full"]["kind"] == {"file": 0o100000, "link": 0o120000, "fifo": 0o010000}[kind]
    assert not [p for p in tree if p.startswith("full/")] and "etc/after" in tree


def test_hard_link_to_a_file_of_a_lower_layer_is_one_file_with_it(folder):
    image = stack_of(folder, [member("usr/one", b"data", mode=0o4755, uid=5)],
                     [member("etc/two", type=tarfile.LNKTYPE, linkname="usr/one")],
                     [member("usr/three", type=tarfile.LNKTYPE, linkname="/etc/two")])
    with as_on_the_device(image) as got:
        assert groups_of_links(got) == [["etc/two", "usr/one", "usr/three"]]
        tree = walk(got)
    assert tree["usr/one"] == tree["etc/two"] == tree["usr/three"] and tree["usr/one"]["links"] == 3
    assert (tree["usr/one"]["mode"], tree["usr/one"]["owner"]) == (0o4755, (5, 0))


def test_everything_below_can_be_hidden(folder):
    """.wh..wh..opq in the root, of which overlayfs takes no xattr; and a whiteout of each name."""
    new = [member("./", **DIR | {"mode": 0o711}), member("sbin/", **DIR), member("sbin/init", b"new", mode=0o755)]
    want = {".", "sbin", "sbin/init"}
    for number, layer in enumerate([[member(".wh..wh..opq"), *new], [*new, member(".wh..wh..opq")],
                                    [member(f".wh.{n}") for n in ("etc", "sbin", "usr", "never")] + new,
                                    new + [member(f".wh.{n}") for n in ("etc", "sbin", "usr")]]):
        (folder / str(number)).mkdir()
        with as_on_the_device(stack_of(folder / str(number), [member("sbin/old", b"")], layer)) as got:
            tree = walk(got)
            assert set(tree) == want, number
            assert tree["."]["mode"] == 0o711 and (got / "sbin/init").read_bytes() == b"new"


def test_device_node_takes_the_place_of_what_is_below_it_and_is_left_out(folder):
    image = stack_of(folder, [member("etc/over", b"old")], [member("etc/over", type=tarfile.CHRTYPE, devmajor=1)])
    with as_on_the_device(image) as got:
        assert not os.path.lexists(got / "etc/over")


def test_links_of_lower_layers_lead_where_programs_in_the_image_would_go(folder):
    """To the image's /etc, and nowhere near the machine's; the same for a whiteout."""
    names = sorted(os.listdir("/etc"))
    image = stack_of(folder, [member("lib", type=tarfile.SYMTYPE, linkname="/etc"),
                              member("up", type=tarfile.SYMTYPE, linkname="../../../../etc")],
                     [member("lib/new", b"new"), member("up/too", b"too"), member("lib/.wh.passwd")])
    with as_on_the_device(image) as got:
        assert sorted(p.name for p in (got / "etc").iterdir()) == ["new", "too"]
        assert os.readlink(got / "lib") == "/etc"
    assert sorted(os.listdir("/etc")) == names


def test_more_layers_than_an_image_has_become_one(folder):
    stacked = [[member(f"etc/{n}", str(n).encode()), member("etc/last", str(n).encode())] for n in range(16)]
    Layout(folder / "oci", *(b"".join(m) + bytes(1024) for m in (BASE, *stacked)), pack="")
    assert "17 layers become one" in build(folder / "oci", folder / "image").stderr
    assert len(layers(folder / "image")) == 1
    with as_on_the_device(folder / "image") as got:
        assert (got / "etc/last").read_text() == "15" and len(os.listdir(got / "etc")) == 18
    Layout(folder / "fits", *(b"".join(m) + bytes(1024) for m in (BASE, *stacked[:15])), pack="")
    assert build(folder / "fits", folder / "other").stderr == ""
    assert len(layers(folder / "other")) == 16


def buildah(folder, *args, **kw):
    return run(["buildah", "--storage-driver", "vfs", "--root", folder / "storage", "--runroot", folder / "run", *args],
               env={"BUILDAH_ISOLATION": "chroot"}, **kw).stdout.strip()


@pytest.fixture(name="containers")
def fixture_containers(folder):
    """A folder for buildah's storage; nothing stays mounted."""
    with contextlib.ExitStack() as stack:
        stack.callback(run, ["rm", "-rf", folder / "storage", folder / "run"])
        stack.callback(buildah, folder, "rm", "--all", check=False)
        yield folder


def test_stack_that_buildah_made_is_what_buildah_mounts(containers):
    folder = containers
    root = folder / "root"
    for number, change in enumerate([
            lambda: [os.makedirs(root / d, mode=0o755) for d in ("etc", "home/u", "usr/lib", "sbin")] and [
                (root / "sbin/init").write_bytes(b"init"), (root / "etc/gone").write_text("gone"),
                (root / "usr/lib/one").write_text("one"), os.chown(root / "home/u", 1000, 1000),
                os.chmod(root / "home/u", 0o700), os.setxattr(root / "home/u", "user.note", b"mine"),
                os.symlink("usr/lib", root / "lib")],
            lambda: [(root / "home/u/new").write_text("new"), os.chown(root / "home/u/new", 1000, 1000),
                     (root / "etc/gone").unlink(), os.link(root / "usr/lib/one", root / "usr/two")],
            lambda: [shutil.rmtree(root / "usr"), (root / "usr").write_text("a file now")]]):
        if number == 0:
            box = buildah(folder, "from", "scratch")
        else:
            buildah(folder, "rm", box)
            box = buildah(folder, "from", f"stack{number}")
        root = folder / "mounted"
        root.unlink(missing_ok=True)
        root.symlink_to(buildah(folder, "mount", box))
        root = root.resolve()
        change()
        buildah(folder, "commit", box, f"stack{number + 1}")
    buildah(folder, "push", "stack3", f"oci:{folder}/oci:a")
    buildah(folder, "rm", box)
    box = buildah(folder, "from", "stack3")
    build(folder / "oci", folder / "image")
    assert len(layers(folder / "image")) == 3
    # No layer holds the root itself: what buildah mounts there is its store's own folder.
    compare(folder / "image", pathlib.Path(buildah(folder, "mount", box)), int(time.time()) + 1, skip=["."])
