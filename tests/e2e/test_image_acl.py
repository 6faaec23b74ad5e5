# SPDX-License-Identifier: Apache-2.0
"""ACLs by name in tars: who is meant is said by the image, not by the machine that packed or builds it."""
import io
import os
import pwd
import struct
import tarfile

import pytest

from harness import run
from imagekit import (LINK, NOW, Layout, build, fixture_folder, layers, mounted_layer, overlaid,  # noqa: F401
                      refused)

PASSWD = b"root:x:0:0::/:/bin/sh\ndaemon:x:4242:4242::/:/bin/sh\nbob:x:31007:31007::/:/bin/sh\n"
GROUP = b"root:x:0:\nusers:x:555:bob\n"
DIR = {"type": tarfile.DIRTYPE, "mode": 0o755}


def tar_of(*members):
    """(name, data, acl, default, fields)"""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data, *more in members:
            access, default, fields = (more + [None, None, {}])[:3] if len(more) < 3 else more
            info = tarfile.TarInfo(name)
            info.mtime, info.size, info.mode = NOW, len(data), 0o664
            for key, value in (fields or {}).items():
                setattr(info, key, value)
            if access:
                info.pax_headers["SCHILY.acl.access"] = access
            if default:
                info.pax_headers["SCHILY.acl.default"] = default
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


ROOT = [("etc/", b"", None, None, DIR), ("sbin/", b"", None, None, DIR), ("usr/", b"", None, None, DIR),
        ("sbin/init", b"init")]
ACCOUNTS = [("etc/passwd", PASSWD), ("etc/group", GROUP)]


def named(value):
    """{(user or group, id): permissions} of the kernel's form."""
    return {({2: "user", 8: "group"}[tag], who): perm for tag, perm, who in struct.iter_unpack("<HHI", value[4:])
            if tag in (2, 8)}


def acl_in(image, path, kind="access"):
    with overlaid(image) as got:
        return named(os.getxattr(got / path, f"system.posix_acl_{kind}"))


ENTRY = "user::rw-,user:{}:r-x,group::r--,group:{}:rwx,mask::rwx,other::r--"


def test_names_are_those_of_the_image_though_the_machine_has_others(folder):
    assert pwd.getpwnam("daemon").pw_uid != 4242
    (folder / "a.tar").write_bytes(tar_of(("file", b"x", ENTRY.format("daemon", "users")), *ROOT, *ACCOUNTS,
                                          ("dir/", b"", None, ENTRY.format("bob", "users"), DIR)))
    build(folder / "a.tar", folder / "image")
    assert acl_in(folder / "image", "file") == {("user", 4242): 5, ("group", 555): 7}
    assert acl_in(folder / "image", "dir", "default") == {("user", 31007): 5, ("group", 555): 7}


def test_name_that_the_image_does_not_have_is_taken_by_its_number(folder):
    """star and libarchive write it behind; GNU tar writes it where its machine had no name."""
    (folder / "a.tar").write_bytes(tar_of(
        *ROOT, *ACCOUNTS, ("far", b"x", "user::rw-,user:alice:r-x:1777,group::r--,mask::rwx,other::r--"),
        ("known", b"x", "user::rw-,user:bob:r-x:1777,group::r--,mask::rwx,other::r--"),
        ("plain", b"x", ENTRY.format(1234, 4321))))
    build(folder / "a.tar", folder / "image")
    assert acl_in(folder / "image", "far") == {("user", 1777): 5}
    assert acl_in(folder / "image", "known") == {("user", 31007): 5}
    assert acl_in(folder / "image", "plain") == {("user", 1234): 5, ("group", 4321): 7}


@pytest.mark.parametrize("who", ["user", "group"])
def test_name_that_nobody_knows_is_refused_with_its_entry(folder, who):
    names = ("daemon", "nobodyhere") if who == "group" else ("alice", "users")
    (folder / "a.tar").write_bytes(tar_of(("etc/deep/file", b"x", ENTRY.format(*names)), *ROOT, *ACCOUNTS))
    said = refused(folder / "a.tar", folder / "image")
    assert "entry 'etc/deep/file'" in said and (who + " '" + {"user": "alice", "group": "nobodyhere"}[who]) in said, said


def test_tar_without_accounts_says_which_file_lacks_the_name(folder):
    (folder / "a.tar").write_bytes(tar_of(("file", b"x", ENTRY.format("daemon", "0")), *ROOT))
    assert "/etc/passwd does not have" in refused(folder / "a.tar", folder / "image")


def test_accounts_that_are_a_link_out_are_the_images_own(folder):
    """A program in the image would read what lies below its root: so do we."""
    (folder / "a.tar").write_bytes(tar_of(
        ("file", b"x", ENTRY.format("daemon", "users")), *ROOT, ("usr/accounts", PASSWD), ("etc/group", GROUP),
        ("etc/passwd", b"", None, None, {**LINK, "linkname": "/usr/accounts"})))
    build(folder / "a.tar", folder / "image")
    assert acl_in(folder / "image", "file")[("user", 4242)] == 5


def test_accounts_of_a_lower_layer_count(folder):
    Layout(folder / "oci", tar_of(*ROOT, *ACCOUNTS), tar_of(("etc/file", b"x", ENTRY.format("daemon", "users"))))
    build(folder / "oci", folder / "image")
    assert acl_in(folder / "image", "etc/file") == {("user", 4242): 5, ("group", 555): 7}


def test_entry_that_is_replaced_takes_its_acl_along(folder):
    (folder / "a.tar").write_bytes(tar_of(("file", b"x", ENTRY.format("alice", "users")), ("file", b"y"), *ROOT,
                                          ("other", b"x", ENTRY.format("bob", "users")), ("other", b"y"), *ACCOUNTS))
    build(folder / "a.tar", folder / "image")
    with mounted_layer(layers(folder / "image")[0]) as got:
        assert (got / "file").read_bytes() == b"y" and os.listxattr(got / "file") == os.listxattr(got / "other") == []


def test_tar_made_by_gnu_tar_of_a_file_with_an_acl(folder):
    """The name of uid 1 on this machine, which the image gives to another number."""
    root = folder / "root"
    for name in ("etc", "sbin", "usr"):
        (root / name).mkdir(parents=True)
    (root / "sbin/init").write_bytes(b"init")
    (root / "etc/passwd").write_bytes(PASSWD)
    (root / "etc/file").write_text("x")
    run(["setfacl", "-m", "u:1:rwx,u:31999:r", root / "etc/file"])
    run(["tar", "--acls", "--format=pax", "-C", root, "-cf", folder / "a.tar", "."])
    build(folder / "a.tar", folder / "image")
    assert acl_in(folder / "image", "etc/file") == {("user", 4242): 7, ("user", 31999): 4}
    assert "user:4242:rwx" in run_getfacl(folder / "image", "etc/file")


def run_getfacl(image, path):
    with mounted_layer(layers(image)[0]) as got:
        return run(["getfacl", "-n", "--absolute-names", got / path]).stdout
