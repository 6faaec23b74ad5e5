# SPDX-License-Identifier: Apache-2.0
"""Tars that must not come in."""
import gzip
import os
import shutil
import tarfile

import pytest

from harness import program, run
from imagekit import (HARD, LINK, LOWER, MIB, build, fixture_folder, layers, mounted_layer, refused, tar_bytes)  # noqa: F401


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
    "folder that is full, then a file": ([("a/", None), ("a/b", b"x"), ("a", b"y")], "duplicate"),
    "root is not a folder": ([("./", {"type": tarfile.SYMTYPE, "linkname": "/etc"})], "root"),
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
    "not a tar": b"this is not an archive\n" * 100,
    "empty": b"",
    "cut": LOWER[:700],
    "cut gzip": gzip.compress(LOWER)[:-20],
    "bad checksum": LOWER[:148] + b"77777777" + LOWER[156:],
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_broken_tar_is_refused(folder, name):
    (folder / "bad.tar").write_bytes(BROKEN[name])
    refused(folder / "bad.tar", folder / "image")
