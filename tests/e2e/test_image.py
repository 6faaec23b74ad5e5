# SPDX-License-Identifier: Apache-2.0
"""cells-image from the outside: what goes in comes out again, mounted; what must
not come in does not; and nothing is ever half there."""
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import stat
import subprocess
import time

import pytest

import forge
from harness import TOP, program, run, until
from imagekit import (MIB, NOW, build, cells_image, damage, files_of, fixture_folder, fixture_source, groups_of_links,  # noqa: F401
                      layers, mounted, mounted_layer, set_times, tar_of, walk)


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
