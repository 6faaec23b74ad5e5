# SPDX-License-Identifier: Apache-2.0
"""What `docker save`, skopeo and buildah write, in a folder or a tar, is the image that its
OCI layout is; damaged and hostile ones are refused."""
import gzip
import hashlib
import json
import os
import pathlib
import subprocess

import pytest

import forge
from harness import program, run
from imagekit import (LINK, LOWER, MERGED, MIB, UPPER, Layout, build, cells_image, files_of, fixture_folder,  # noqa: F401
                      layers, overlaid, refused, tar_bytes, zstd)

COMPRESS = {"docker-archive": [gzip.compress], "dir": [zstd]}
if os.environ.get("CELLS_LONG"):
    COMPRESS = dict.fromkeys(COMPRESS, [lambda d: d, gzip.compress, zstd])


def about(image):
    found = json.loads(cells_image("inspect", image, "--format", "json").stdout)
    return {k: found[k] for k in ("init", "stop-signal", "architecture", "layers")}


def digests(image):
    return [one["digest"] for one in about(image)["layers"]]


@pytest.fixture(name="oci")
def fixture_oci(folder):
    """The judge: the same image, in the form that is taken already."""
    Layout(folder / "oci", LOWER, UPPER, tag="a", config={"Cmd": ["/sbin/init"], "StopSignal": "SIGPWR"})
    return folder / "oci"


def skopeo(source, target):
    run(["skopeo", "copy", "-q", "--insecure-policy", f"oci:{source}:a", target])


def same(source, folder, *args, stdin=None):
    """The same layers and the same document but for its time."""
    out = folder / f"image-{os.urandom(3).hex()}"
    if stdin:
        subprocess.run([program("cells-image"), "build", "-", "-o", out, "--org", "acme", "--id", "test", "--force"],
                       stdin=stdin, check=True, capture_output=True)
    else:
        build(source, out, *args)
    if not (folder / "expected").exists():
        build(folder / "oci", folder / "expected")
    assert about(out) == about(folder / "expected")
    assert about(out)["init"] == "/sbin/init" and about(out)["stop-signal"] == "PWR"


@pytest.mark.parametrize("kind", ["docker-archive", "dir"])
def test_what_skopeo_writes_is_the_same_image(folder, oci, kind):
    skopeo(oci, f"{kind}:{folder}/other" + (":x/y:a" if kind == "docker-archive" else ""))
    if kind == "docker-archive":
        (folder / "inside").mkdir()
        run(["tar", "-C", folder / "inside", "-xf", folder / "other"])
        same(folder / "inside", folder, "--tag", "y:a")
        assert "named other" in refused(folder / "inside", folder / "image", "--tag", "other")
        whole = folder / "other"
    else:
        same(folder / "other", folder)
        whole = folder / "whole.tar"
        run(["tar", "-C", folder / "other", "-cf", whole, "."])
    for pack in COMPRESS[kind]:
        (folder / "packed").write_bytes(pack(whole.read_bytes()))
        same(folder / "packed", folder)
    with subprocess.Popen(["cat", whole], stdout=subprocess.PIPE) as cat:
        same(None, folder, stdin=cat.stdout)


@pytest.mark.parametrize("kind", ["docker-archive", "dir"] if os.environ.get("CELLS_LONG") else ["docker-archive"])
def test_what_buildah_writes_is_what_it_mounts(folder, kind):
    """Buildah judges: its own mount of the image."""
    storage = ["--root", folder / "storage", "--runroot", folder / "run", "--storage-driver", "vfs"]

    def buildah(*args):
        return run(["buildah", *storage, *args]).stdout.strip()
    Layout(folder / "oci", LOWER, UPPER, tag="a", config={"Cmd": ["/sbin/init"]})
    name = buildah("from", "--pull-never", f"oci:{folder}/oci:a")
    place = buildah("mount", name)
    (pathlib.Path(place) / "etc/added").write_bytes(b"by buildah")
    want = files_of(pathlib.Path(place))
    buildah("commit", "-q", name, "here")
    buildah("push", "-q", "here", f"{kind}:{folder}/other" + (":x/y:a" if kind == "docker-archive" else ""))
    buildah("umount", name)
    build(folder / "other", folder / "image")
    with overlaid(folder / "image") as got:
        assert files_of(got) == want
        assert {**MERGED, "etc/added": b"by buildah"}.items() <= want.items()


class Saved:
    """An archive as `docker save` made them: layers in folders, one of them twice, as a link."""

    def __init__(self, folder, *tars, architecture="amd64", tag="x/y:a"):
        self.folder, self.tag = folder, tag
        folder.mkdir()
        self.config = {"architecture": architecture, "os": "linux",
                       "config": {"Cmd": ["/sbin/init"], "StopSignal": "SIGPWR"},
                       "rootfs": {"type": "layers", "diff_ids": [forge.digest(t) for t in tars]}}
        self.layers = []
        for n, t in enumerate(tars):
            (folder / f"{n:064x}").mkdir()
            (folder / f"{n:064x}/layer.tar").write_bytes(t)
            self.layers.append(f"{n:064x}/layer.tar")
        self.write()

    def write(self, **over):
        data = json.dumps(self.config).encode()
        self.name = hashlib.sha256(data).hexdigest() + ".json"
        (self.folder / self.name).write_bytes(data)
        self.entry = {"Config": self.name, "RepoTags": [self.tag], "Layers": self.layers, **over}
        self.manifest([self.entry])

    def manifest(self, what):
        (self.folder / "manifest.json").write_text(what if isinstance(what, str) else json.dumps(what))

    def link(self, target):
        """The second layer is where a link leads."""
        where = self.folder / self.layers[1]
        where.unlink()
        where.symlink_to(target)


def packed(folder):
    out = folder.with_suffix(".tar")
    run(["tar", "-C", folder, "-cf", out, "."])
    return out


def test_what_docker_saved_is_the_same_image(folder, oci):
    saved = Saved(folder / "saved", LOWER, UPPER)
    same(packed(saved.folder), folder)
    # A layer that occurs in it twice is a link the second time.
    Layout(folder / "twice", LOWER, LOWER)
    build(folder / "twice", folder / "twice-image")
    twice = Saved(folder / "saved-twice", LOWER, LOWER)
    twice.link(f"../{0:064x}/layer.tar")
    for n, source in enumerate((twice.folder, packed(twice.folder))):
        build(source, folder / f"again-{n}")
        assert digests(folder / f"again-{n}") == digests(folder / "twice-image")


def test_one_of_several_saved_images_is_chosen_by_its_tag(folder, oci):
    saved = Saved(folder / "saved", LOWER, UPPER)
    other = dict(saved.entry, RepoTags=["x/z:b"], Layers=saved.layers[:1])
    saved.manifest([other, saved.entry])
    assert "say which (--tag)" in refused(saved.folder, folder / "image")
    for tag in ("x/y:a", "a"):
        same(saved.folder, folder, "--tag", tag)


def test_a_root_file_system_with_such_names_is_one(folder):
    top = folder / "root"
    for name, data in (("manifest.json", "[]"), ("version", "Directory Transport Version: 1.1"), ("etc/x", "x"),
                       ("sbin/init", "x")):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(data)
    build(top, folder / "image")
    build(packed(top), folder / "other")
    with overlaid(folder / "image") as got:
        assert (got / "manifest.json").read_text() == "[]"


def outside(s):
    (s.folder.parent / "elsewhere.tar").write_bytes(UPPER)
    s.link("../../elsewhere.tar")


BAD_ARCHIVES = {
    "manifest cut": (lambda s: s.manifest("[{"), "manifest.json"),
    "manifest nested deep": (lambda s: s.manifest("[" * 100000), "manifest.json"),
    "manifest huge": (lambda s: s.manifest("[" + " " * (5 * MIB)), "manifest.json"),
    "manifest empty": (lambda s: s.manifest([]), "no image"),
    "not objects": (lambda s: s.manifest([1, "x"]), "say which"),
    "one that is not an object": (lambda s: s.manifest([7]), "Config is not a file name"),
    "no config": (lambda s: s.write(Config=None), "Config is not a file name"),
    "config missing": (lambda s: s.write(Config="nothing.json"), "nothing.json"),
    "config damaged": (lambda s: (s.folder / s.name).write_text(json.dumps(dict(s.config, author="x"))),
                       "another digest"),
    "config is a folder": (lambda s: s.write(Config=f"{0:064x}"), "not a file"),
    "config leads out": (lambda s: s.write(Config="../../../etc/hostname"), "hostname"),
    "config is absolute": (lambda s: s.write(Config="/etc/hostname"), "hostname"),
    "no layers": (lambda s: s.write(Layers=[]), "0 layers"),
    "layers is not a list": (lambda s: s.write(Layers={"a": 1}), "layers"),
    "too many layers": (lambda s: s.write(Layers=s.layers * 300), "600 layers"),
    "a layer is a number": (lambda s: s.write(Layers=[s.layers[0], 7]), "not a file name"),
    "a layer has a long name": (lambda s: s.write(Layers=[s.layers[0], "n" * 5000]), "not a file name"),
    "a layer is missing": (lambda s: (s.folder / s.layers[1]).unlink(), "layer.tar"),
    "a layer leads out": (lambda s: s.write(Layers=[s.layers[0], "../elsewhere.tar"]), "elsewhere"),
    "a layer is a link out": (outside, "layer.tar"),
    "a layer is a link of magic": (lambda s: s.link("/proc/self/root/etc/hostname"), "layer.tar"),
    "a layer is another one": (lambda s: s.write(Layers=s.layers[::-1]), "is not what the config says"),
    "more layers than ids": (lambda s: s.write(Layers=[*s.layers, s.layers[0]]), "3 layers, but 2"),
}


@pytest.mark.parametrize("name", list(BAD_ARCHIVES))
def test_bad_archive_is_refused(folder, name):
    spoil, why = BAD_ARCHIVES[name]
    (folder / "elsewhere.tar").write_bytes(UPPER)
    saved = Saved(folder / "saved", LOWER, UPPER)
    spoil(saved)
    assert why in refused(saved.folder, folder / "image")


def test_hostile_archives_in_a_tar_are_refused(folder):
    saved = Saved(folder / "saved", LOWER, UPPER)
    manifest = (saved.folder / "manifest.json").read_bytes()
    config = (saved.folder / saved.name).read_bytes()
    parts = [("manifest.json", manifest), (saved.name, config), (saved.layers[0], LOWER)]
    link = {**LINK, "linkname": "../../../../../../etc/hostname"}
    (folder / "a.tar").write_bytes(tar_bytes(*parts, (saved.layers[1], link)))
    assert "layer.tar" in refused(folder / "a.tar", folder / "image")
    bomb = tar_bytes(("zeros", bytes(64 * MIB)))
    saved.config["rootfs"]["diff_ids"] = [forge.digest(bomb)]
    saved.layers = saved.layers[:1]
    (saved.folder / saved.layers[0]).write_bytes(gzip.compress(bomb))
    saved.write()
    assert "--max-ratio" in refused(saved.folder, folder / "image")


BAD_FOLDERS = {
    "manifest cut": (lambda d, m: (d / "manifest.json").write_text("{"), "manifest"),
    "manifest is a list of none": (lambda d, m: (d / "manifest.json").write_text("[]"), "manifest"),
    "a layer damaged": (lambda d, m: (d / m["layers"][1]["digest"][7:]).write_bytes(
        bytes(m["layers"][1]["size"])), "another digest"),
    "a layer of another size": (lambda d, m: (d / m["layers"][1]["digest"][7:]).write_bytes(b"x"), "bytes"),
    "config missing": (lambda d, m: (d / m["config"]["digest"][7:]).unlink(), "No such file"),
    "digest leads out": (lambda d, m: (d / "manifest.json").write_text(json.dumps(
        dict(m, config=dict(m["config"], digest="sha256:../../../etc/hostname")))), "not a sha256"),
}


@pytest.mark.parametrize("name", list(BAD_FOLDERS))
def test_bad_folder_of_skopeo_is_refused(folder, oci, name):
    spoil, why = BAD_FOLDERS[name]
    skopeo(oci, f"dir:{folder}/dir")
    spoil(folder / "dir", json.loads((folder / "dir/manifest.json").read_text()))
    assert why in refused(folder / "dir", folder / "image")
