# SPDX-License-Identifier: Apache-2.0
"""What is not a root file system, and what an OCI image's configuration says beyond what a VP does."""
import json
import os

import pytest

from harness import run
from imagekit import (LOWER, Layout, build, cells_image, fixture_folder, layers, mounted_layer, refused,  # noqa: F401
                      tar_bytes)

PARTS = {"/sbin/init": ("sbin/init", b"init"), "/etc": ("etc/file", b"x"), "/usr or /bin": ("usr/file", b"x")}


@pytest.mark.parametrize("lack", list(PARTS))
def test_tar_that_is_no_root_is_refused_unless_forced(folder, lack):
    (folder / "a.tar").write_bytes(tar_bytes(*(m for part, m in PARTS.items() if part != lack)))
    said = refused(folder / "a.tar", folder / "image", whole=True)
    assert f"without {lack} (--force" in said, said
    build(folder / "a.tar", folder / "image")
    (folder / "good.tar").write_bytes(tar_bytes(*PARTS.values()))
    build(folder / "good.tar", folder / "good", whole=True)


@pytest.mark.parametrize("kind", ["folder", "layout"])
def test_every_kind_of_input_has_to_be_a_root(folder, kind):
    if kind == "folder":
        (folder / "in/etc").mkdir(parents=True)
    else:
        Layout(folder / "in", tar_bytes(("etc/", None)), tar_bytes(("etc/file", b"x")))
    assert "without /sbin/init, /usr or /bin (--force" in refused(folder / "in", folder / "image", whole=True)


LOST = {
    "Entrypoint": {"Entrypoint": ["/sbin/init"], "Cmd": ["--serve"]},
    "Cmd": {"Cmd": ["bash"]},
    "User": {"User": "1000:1000"},
    "WorkingDir": {"WorkingDir": "/srv"},
    "Env": {"Env": ["PATH=/bin", "MODE=loud"]},
    "Volumes": {"Volumes": {"/var/data": {}}},
    "StopSignal": {"StopSignal": "SIGKILL"},
}
ROOT = tar_bytes(*PARTS.values())


@pytest.mark.parametrize("name", list(LOST))
def test_nothing_of_the_configuration_is_dropped_in_silence(folder, name):
    Layout(folder / "oci", ROOT, config=LOST[name])
    r = build(folder / "oci", folder / "image", check=False, whole=True)
    lines = r.stderr.splitlines()
    assert r.returncode == 1 and len(lines) == 2 and name in lines[0] and "--force" in lines[1], r
    assert not (folder / "image").exists()
    assert name in build(folder / "oci", folder / "image").stderr


def test_each_part_that_is_lost_has_its_line_and_what_one_gives_instead_has_none(folder):
    everything = {k: v for part in LOST.values() for k, v in part.items()}
    Layout(folder / "oci", ROOT, config=everything)
    r = build(folder / "oci", folder / "image", check=False, whole=True)
    assert len(r.stderr.splitlines()) == 7, r.stderr
    r = build(folder / "oci", folder / "image", "--init", "/sbin/init", "--stop-signal", "PWR")
    assert len(r.stderr.splitlines()) == 4 and "Entrypoint" not in r.stderr and "StopSignal" not in r.stderr, r.stderr


def test_configuration_that_a_vp_does_is_taken(folder):
    Layout(folder / "oci", ROOT, config={"Entrypoint": ["/sbin/init"], "User": "root", "WorkingDir": "/",
                                         "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "StopSignal": "SIGPWR"})
    assert build(folder / "oci", folder / "image", whole=True).stderr == ""
    about = json.loads(cells_image("inspect", folder / "image", "--format", "json").stdout)
    assert (about["init"], about["stop-signal"]) == ("/sbin/init", "PWR")


def test_times_before_1970_are_1970_and_not_now(folder):
    """mkfs.erofs would take them for later than all others. Of a folder and of a tar."""
    top = folder / "in"
    for name in ("etc/old", "sbin/init", "usr/new"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(b"x")
    os.utime(top / "etc/old", (-152_000_000, -152_000_000))
    run(["tar", "--format=pax", "-C", top, "-cf", folder / "in.tar", "."])
    for source, out in ((top, "folder"), (folder / "in.tar", "tar")):
        build(source, folder / f"of-{out}")
        with mounted_layer(layers(folder / f"of-{out}")[0]) as got:
            assert (got / "etc/old").stat().st_mtime == 0, out


def test_holes_stay_holes(folder):
    """Of a folder and of a tar that says where they are; a disk image in a VP may be as long as it likes."""
    top, size = folder / "in", 64 << 20
    for name in ("etc/file", "sbin/init", "usr/disk"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(b"x" * 10_000)
    with open(top / "usr/disk", "r+b") as f:
        f.seek(40_000_000)
        f.write(b"within")
        f.truncate(size)
    run(["tar", "--sparse", "-C", top, "-cf", folder / "in.tar", "."])
    for source, out in ((top, "folder"), (folder / "in.tar", "tar")):
        build(source, folder / f"of-{out}")
        layer = layers(folder / f"of-{out}")[0]
        assert layer.stat().st_size < 4 << 20, out
        with mounted_layer(layer) as got, open(got / "usr/disk", "rb") as f:
            assert f.read(10_001) == b"x" * 10_000 + b"\0" and f.seek(0, os.SEEK_END) == size
            f.seek(40_000_000 - 1)
            assert f.read(7) == b"\0within"
            assert (got / "etc/file").read_bytes() == b"x" * 10_000
