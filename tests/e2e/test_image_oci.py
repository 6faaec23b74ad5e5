# SPDX-License-Identifier: Apache-2.0
"""OCI images: layers become one file system, and what is not such an image is refused."""
import json
import os
import shutil
import stat
import subprocess

import pytest

from harness import program, run
from imagekit import (CAPABILITY, LOWER, MERGED, MIB, PACKERS, UPPER, Layout, build, cells_image, damage, files_of,  # noqa: F401
                      fixture_folder, fixture_source, groups_of_links, layers, mounted_layer, overlaid, refused,
                      set_times, tar_bytes)


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


def test_oci_layout_in_a_tar_from_standard_input(folder):
    Layout(folder / "oci", LOWER, UPPER, config={"Cmd": ["/sbin/init"], "StopSignal": "SIGPWR"})
    run(["tar", "-C", folder / "oci", "-cf", folder / "oci.tar", "index.json", "oci-layout", "blobs"])
    with subprocess.Popen(["cat", folder / "oci.tar"], stdout=subprocess.PIPE) as cat:
        subprocess.run([program("cells-image"), "build", "-", "-o", folder / "image", "--org", "acme", "--id", "x",
                        "--force"], stdin=cat.stdout, check=True, capture_output=True)
    build(folder / "oci", folder / "other")
    assert [p.name for p in layers(folder / "image")] == [p.name for p in layers(folder / "other")]
    assert json.loads(cells_image("inspect", folder / "image", "--format", "json").stdout)["stop-signal"] == "PWR"
    assert sorted(p.name for p in (folder / "image").iterdir()) == ["chunks", "image.xml", "layers"]


def test_oci_config_says_init_and_stop_signal(folder):
    Layout(folder / "oci", LOWER, config={"Cmd": ["/sbin/init"], "StopSignal": "SIGRTMIN+3"}, architecture="arm64")
    build(folder / "oci", folder / "image")
    about = json.loads(cells_image("inspect", folder / "image", "--format", "json").stdout)
    assert (about["init"], about["stop-signal"], about["architecture"]) == ("/sbin/init", "RTMIN+3", "arm64")


@pytest.mark.parametrize("word", ["arm46", "AMD64", "x86_64", ""])
def test_architecture_that_nobody_knows_is_refused(folder, word):
    Layout(folder / "oci", LOWER, architecture=word)
    assert "architecture" in refused(folder / "oci", folder / "image")
    Layout(folder / "good", LOWER)
    assert build(folder / "good", folder / "image", "--architecture", word, check=False).returncode == 64


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
    "index is not JSON": lambda o: (o.folder / "index.json").write_text("{"),
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
}


@pytest.mark.parametrize("name", list(OCI_HOSTILE))
def test_hostile_oci_layer_is_refused(folder, name):
    Layout(folder / "oci", LOWER, OCI_HOSTILE[name]())
    refused(folder / "oci", folder / "image")
