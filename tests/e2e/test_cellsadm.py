# SPDX-License-Identifier: Apache-2.0
"""cellsadm from the outside: keys, roots and documents without any server, checked
by openssl; then the same person with a real server and a device."""
import base64
import hashlib
import hmac
import json
import os
import pathlib
import pty
import re
import select
import shlex
import shutil
import signal
import sqlite3
import stat
import subprocess
import tempfile
import threading
import time
import xml.etree.ElementTree

import pytest
from cryptography.hazmat.primitives import serialization

import forge
import office
from harness import TOP, program, run

PASSWORD = "correct horse battery"


class Desk:
    """One administrator's machine: a configuration, and files to work on."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.config = self.folder / "config"
        self.password = self.write("password", PASSWORD + "\n")

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def adm(self, *args, check=True, **kw):
        return run([program("cellsadm"), *args, "--config-dir", self.config], check=check, cwd=self.folder, **kw)

    def refused(self, *args, code=1):
        r = self.adm(*args, check=False)
        assert r.returncode == code, r.stdout + r.stderr
        last = r.stderr.strip().splitlines()[-1]
        assert last.startswith("cellsadm: ")
        return last

    def json(self, *args):
        return json.loads(self.adm(*args, "--format", "json").stdout)

    def key(self, *names):
        return [word for n in names for word in ("--key", n, "--password-file", self.password)]

    def make_keys(self, *names, made={}):  # noqa: B006 (a key is made once: deriving its password's key is slow on purpose)
        for name in names:
            path = self.config / "keys" / f"{name}.key"
            if name in made:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.touch(mode=0o600)
                path.write_bytes(made[name])
            else:
                self.adm("key", "new", name, "--password-file", self.password)
                made[name] = path.read_bytes()

    def make_root(self, *more):
        self.adm("root", "new", "--org", "acme", "--role", "root=alice,bob,carol:2",
                 "--role", "policy=alice,bob,carol:2", "--role", "command=alice", "--role", "destroy=alice,bob:2",
                 "--role", "image=bob", "--role", "director=director", "--out", "root.xml", *more)
        self.adm("root", "sign", "root.xml", "--yes", *self.key("alice"))
        self.adm("root", "sign", "root.json", "--yes", *self.key("bob"))
        return self.folder / "root.json"

    def policy(self, version=1, rules="work:camera=shared,default=none"):
        self.adm("doc", "new", "device-policy", "--org", "acme", "--id", "baseline", "--version-number", version,
                 "--vp", rules, "--out", f"p{version}.xml")
        return self.folder / f"p{version}.xml"


@pytest.fixture(name="desk")
def fixture_desk():
    with tempfile.TemporaryDirectory(prefix="cells-adm-") as folder:
        yield Desk(folder)


@pytest.fixture(name="signed")
def fixture_signed(desk):
    desk.make_keys("alice", "bob", "carol", "director")
    desk.make_root()
    return desk


def pae(envelope):
    kind, body = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)


def openssl_verifies(desk, path, *names):
    """Each signature of the file, by openssl alone; exactly these people signed."""
    envelope = json.loads(pathlib.Path(path).read_text())
    (desk.folder / "pae").write_bytes(pae(envelope))
    left = {s["keyid"]: s["sig"] for s in envelope["signatures"]}
    assert len(left) == len(names)
    for name in names:
        pem = desk.folder / f"{name}.pem"
        pem.write_text(desk.adm("key", "show", name, "--pem").stdout)
        der = subprocess.run(["openssl", "pkey", "-pubin", "-in", pem, "-outform", "DER"], capture_output=True,
                             check=True).stdout
        (desk.folder / "sig").write_bytes(base64.b64decode(left.pop(hashlib.sha256(der).hexdigest())))
        run(["openssl", "dgst", "-sha256", "-verify", pem, "-signature", desk.folder / "sig", desk.folder / "pae"])
    return base64.b64decode(envelope["payload"])


# ---- keys
def test_key_file_is_private_and_sealed(desk):
    desk.make_keys("alice")
    path = desk.config / "keys/alice.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = json.loads(path.read_text())
    assert key["type"] == "cells-key" and key["iterations"] >= 210000
    private = desk.adm("key", "export", "alice", "--private", "--password-file", desk.password).stdout
    assert "PRIVATE KEY" in private
    scalar = run(["openssl", "ec", "-noout", "-text"], stdin=private).stdout
    digits = re.sub(r"[^0-9a-f]", "", scalar.split("priv:")[1].split("pub:")[0])
    assert digits not in path.read_bytes().hex()


def test_key_goes_out_as_pem_and_comes_back(desk):
    desk.make_keys("alice")
    pem = desk.write("alice.pem", desk.adm("key", "export", "alice", "--private", "--password-file",
                                           desk.password).stdout)
    made = desk.json("key", "import", "again", pem, "--password-file", desk.password)
    assert made["keyid"] == desk.json("key", "show", "alice")["keyid"]
    openssl_key = desk.write("o.pem", run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                                           "ec_paramgen_curve:P-256"]).stdout)
    desk.adm("key", "import", "foreign", openssl_key, "--password-file", desk.password)
    assert [k["name"] for k in desk.json("key", "list")["items"]] == ["again", "alice", "foreign"]


def test_short_password_is_refused_and_words_offered(desk):
    short = desk.write("short", "elevenchars\n")
    said = desk.refused("key", "new", "alice", "--password-file", short)
    offer = said.rsplit(": ", 1)[1]
    words = set((TOP / "data/words").read_text().split())
    assert len(offer.split("-")) == 6 and set(offer.split("-")) <= words
    assert not (desk.config / "keys/alice.key").exists()
    desk.adm("key", "new", "alice", "--password-file", desk.write("long", offer + "\n"))


def test_key_is_not_replaced_by_accident(desk):
    desk.make_keys("alice")
    before = (desk.config / "keys/alice.key").read_bytes()
    assert "is there already" in desk.refused("key", "new", "alice", "--password-file", desk.password)
    assert (desk.config / "keys/alice.key").read_bytes() == before


def test_wrong_password_opens_nothing(signed):
    wrong = signed.write("wrong", "some other password\n")
    said = signed.refused("doc", "sign", signed.policy(), "--yes", "--key", "alice", "--password-file", wrong)
    assert "wrong password" in said
    assert not (signed.folder / "p1.json").exists()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"format":1}', b"\x00" * 100, b"{" * 5000])
def test_damaged_key_file_is_named(desk, damage):
    path = desk.folder / "bad.key"
    path.write_bytes(damage)
    assert desk.refused("key", "show", path)


def on_terminal(argv, answers, cwd):
    """Runs with a terminal; answers in turn whenever there is a question."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execv(argv[0], [str(a) for a in argv])
    said, end, answers = b"", time.monotonic() + 30, list(answers)
    question = re.compile(rb"(?:[Pp]assword of [^\n]*: |Again: |\[y/N\] )$")
    while time.monotonic() < end:
        if not select.select([fd], [], [], 0.1)[0]:
            continue
        try:
            got = os.read(fd, 4096)
        except OSError:
            break
        said += got
        if question.search(said) and answers:
            os.write(fd, answers.pop(0).encode() + b"\n")
    else:
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(fd)
    return code, said.decode()


def test_terminal_asks_twice_without_echo(desk):
    argv = [program("cellsadm"), "key", "new", "alice", "--config-dir", desk.config]
    code, said = on_terminal(argv, ["a password of mine", "another, by mistake"], desk.folder)
    assert code == 1 and "differ" in said
    code, said = on_terminal(argv, ["a password of mine", "a password of mine"], desk.folder)
    assert code == 0 and "a password of mine" not in said
    desk.write("mine", "a password of mine\n")
    desk.adm("key", "export", "alice", "--private", "--password-file", "mine")


def test_terminal_takes_the_offered_words(desk):
    argv = [program("cellsadm"), "key", "new", "alice", "--config-dir", desk.config]
    code, said = on_terminal(argv, ["", ""], desk.folder)
    assert code == 1 and "differ" in said  # the second time they must be typed
    assert len(re.search(r"^  ([a-z-]+)\r?$", said, re.M).group(1).split("-")) == 6


# ---- root
def test_root_is_signed_by_two_of_three(signed):
    xml = openssl_verifies(signed, signed.folder / "root.json", "alice", "bob")
    (signed.folder / "body").write_bytes(xml)
    run(["xmllint", "--noout", "--nonet", "--schema", TOP / "schema/xsd/root.xsd", signed.folder / "body"])
    shown = signed.json("root", "show", "root.json")
    assert shown["roles"]["policy"] == {"threshold": 2, "keys": ["alice", "bob", "carol"]}
    assert shown["sha256"] == "sha256:" + hashlib.sha256(xml).hexdigest()
    said = signed.json("doc", "verify", "root.json", "--root", "root.json")
    assert (said["signers"], said["signatures"], said["threshold"]) == ("alice, bob", 2, 2)


def test_next_root_shows_the_difference(signed):
    signed.make_keys("dave")
    r = signed.adm("root", "add-key", "root.json", "dave=" + str(signed.config / "keys/dave.key"), "--to", "policy",
                   "--remove-key", "bob", "--role", "image=alice", "--role", "destroy=alice,carol:2",
                   "--out", "root2.xml")
    assert re.search(r'^\+ .*name="dave"', r.stderr, re.M) and re.search(r'^- .*name="bob"', r.stderr, re.M)
    shown = signed.json("root", "show", "root2.xml")
    assert shown["version"] == 2
    assert shown["roles"]["policy"]["keys"] == ["alice", "carol", "dave"]
    assert shown["roles"]["command"]["keys"] == ["alice"]


def test_a_role_is_not_left_without_keys(signed):
    assert "'image'" in signed.refused("root", "new", "--from", "root.json", "--remove-key", "bob", "--role",
                                       "root=alice,carol:2", "--role", "policy=alice,carol:2",
                                       "--role", "destroy=alice")


def test_threshold_above_the_keys_is_refused(desk):
    desk.make_keys("alice", "director")
    said = desk.refused("root", "new", "--org", "acme", "--role", "root=alice:2", "--role", "director=director")
    assert "err.schema" in said


# ---- documents
def test_policy_needs_two_signatures(signed):
    xml = signed.policy()
    signed.adm("doc", "sign", xml, "--yes", *signed.key("alice"))
    assert "err.threshold" in signed.refused("doc", "verify", "p1.json", "--root", "root.json")
    r = signed.adm("doc", "sign", "p1.json", "--yes", "--root", "root.json", *signed.key("carol"))
    assert "signed by alice, carol: 2 of 2" in r.stdout
    assert openssl_verifies(signed, signed.folder / "p1.json", "alice", "carol") == xml.read_bytes()
    assert signed.adm("doc", "cat", "p1.json").stdout == xml.read_text()
    signed.adm("doc", "verify", "p1.json", "--root", "root.json")


def test_several_keys_sign_at_once(signed):
    signed.adm("doc", "sign", signed.policy(), "--yes", *signed.key("alice", "bob", "carol"))
    openssl_verifies(signed, signed.folder / "p1.json", "alice", "bob", "carol")


def test_nothing_is_signed_without_consent(signed):
    signed.policy()
    r = subprocess.run([program("cellsadm"), "doc", "sign", "p1.xml", "--config-dir", signed.config,
                        *map(str, signed.key("alice"))], cwd=signed.folder, capture_output=True, text=True,
                       start_new_session=True, stdin=subprocess.DEVNULL, check=False)
    assert r.returncode == 1 and "no terminal to ask on" in r.stderr
    assert not (signed.folder / "p1.json").exists()
    argv = [program("cellsadm"), "doc", "sign", "p1.xml", "--config-dir", signed.config, *signed.key("alice")]
    code, said = on_terminal(argv, ["n"], signed.folder)
    assert code == 1 and "not confirmed" in said and not (signed.folder / "p1.json").exists()
    code, said = on_terminal(argv, ["y"], signed.folder)
    assert code == 0 and (signed.folder / "p1.json").exists()


def test_change_is_shown_against_what_was_signed_here(signed):
    signed.adm("doc", "sign", signed.policy(), "--yes", *signed.key("alice"))
    r = signed.adm("doc", "sign", signed.policy(2, "work:camera=none,default=none"), "--yes", *signed.key("alice"))
    assert re.search(r'^- .*"camera" mode="shared"', r.stderr, re.M)
    assert re.search(r'^\+ .*"camera" mode="none"', r.stderr, re.M)
    assert signed.adm("doc", "diff", "p1.xml", check=False).returncode == 2
    assert signed.adm("doc", "diff", "p2.xml", check=False).returncode == 0


def test_one_version_is_not_signed_twice_with_other_words(signed):
    signed.adm("doc", "sign", signed.policy(), "--yes", *signed.key("alice"))
    other = signed.policy(1, "work:default=shared")
    assert "err.equivocation" in signed.refused("doc", "sign", other, "--yes", *signed.key("alice"))
    signed.adm("doc", "sign", other, "--yes", "--again", *signed.key("alice"))


LINT = [
    ("<device-policy", "err.schema"),
    ("not xml at all", "err.schema"),
    ('<!DOCTYPE x [<!ENTITY a "b">]><group xmlns="urn:cells:group:1"/>', "err.schema"),
    ('{"payloadType":"application/vnd.cells.group+xml","payload":"!!","signatures":[]}', "err.envelope"),
    ('{"payloadType":"text/plain","payload":"","signatures":[]}', "err.envelope"),
]


@pytest.mark.parametrize("text,code", LINT)
def test_lint_names_the_fault(desk, text, code):
    path = desk.write("bad", text)
    r = desk.adm("doc", "lint", path, check=False)
    assert r.returncode == 1 and code in r.stdout
    assert desk.adm("doc", "lint", path, "--format", "json", check=False).returncode == 1


@pytest.mark.parametrize("rules,code", [("work:cam=shared", "err.unknown-class"),
                                        ("work:led=shared", "err.unsupported-mode"),
                                        ("work:camera=often", "err.schema"),
                                        ("work:camera=exclusive+block", "err.schema"),
                                        ("work", "not VP:CLASS=MODE")])
def test_new_policy_is_checked_before_it_is_written(desk, rules, code):
    said = desk.refused("doc", "new", "device-policy", "--org", "acme", "--id", "x", "--vp", rules, "--out", "x.xml")
    assert code in said and not (desk.folder / "x.xml").exists()


def test_group_lives_thirty_days_at_most(desk):
    assert "30 days" in desk.refused("doc", "new", "group", "--org", "acme", "--id", "field", "--days", "31")
    desk.adm("doc", "new", "group", "--org", "acme", "--id", "field", "--policy", "baseline:12", "--out", "g.xml")
    desk.adm("doc", "lint", "g.xml")


NS = "{urn:cells:vp-config:1}"


def elements(path):
    """[(element, its attributes)] of a vp-config, the document itself left out."""
    found = list(xml.etree.ElementTree.parse(path).getroot().iter())[1:]
    return [(e.tag.removeprefix(NS), dict(e.attrib)) for e in found]


def test_every_part_of_a_config_has_its_option(desk):
    """The manual's own example."""
    manual = (TOP / "man/cellsadm.1").read_text()
    example = re.search(r"^\$ cellsadm (doc new vp-config --id work [^$]*?)\n\.Ed", manual, re.M).group(1)
    desk.adm(*shlex.split(example.replace("\\e\n", " ")), "--org", "acme")
    assert "ok" in desk.adm("doc", "lint", "work.xml").stdout
    assert elements(desk.folder / "work.xml") == [
        ("label", {}), ("image", {"id": "acme-work", "min-version": "4"}),
        ("resources", {"memory-max": str(512 << 20), "cpu-weight": "100", "io-weight": "50", "io-read-max": str(50 << 20),
                       "io-write-max": str(10 << 20), "pids-max": "512", "storage-max": str(4 << 30)}),
        ("network", {"mode": "nat", "rate": str(1 << 20)}), ("allow", {"host": "192.0.2.10", "protocol": "tcp", "port": "443"}),
        ("allow", {"net": "198.51.100.0/24"}), ("start", {"on-boot": "true"}), ("hardening", {"no-new-privileges": "true"}),
        ("foreground", {"attention": "call", "notify": "sms alarm"}),
        ("lock", {"idle-seconds": "300", "attempts": "10", "then": "wipe"}), ("offline", {"after-hours": "72", "then": "lock"})]


def test_what_no_option_says_is_not_in_the_config(desk):
    desk.adm("doc", "new", "vp-config", "--org", "acme", "--id", "work", "--image", "img", "--out", "least.xml")
    assert elements(desk.folder / "least.xml") == [("label", {}), ("image", {"id": "img", "min-version": "1"}),
                                                   ("network", {"mode": "none"}), ("start", {"on-boot": "false"})]
    desk.adm("doc", "new", "vp-config", "--org", "acme", "--id", "work", "--image", "img", "--out", "some.xml", "--network", "nat",
             "--notify", "alarm", "--allow", "udp:10.0.0.0/8", "--allow", "192.0.2.1:53", "--attempts", "3", "--then", "nothing")
    assert elements(desk.folder / "some.xml")[2:] == [
        ("network", {"mode": "nat"}), ("allow", {"net": "10.0.0.0/8", "protocol": "udp"}),
        ("allow", {"host": "192.0.2.1", "port": "53"}), ("start", {"on-boot": "false"}),
        ("foreground", {"attention": "", "notify": "alarm"}), ("lock", {"attempts": "3", "then": "nothing"})]


def test_as_many_networks_as_a_config_may_have(desk):
    words = [w for i in range(64) for w in ("--allow", f"192.0.2.{i}")]
    desk.adm("doc", "new", "vp-config", "--org", "acme", "--id", "work", "--image", "img", "--network", "nat",
             "--out", "many.xml", *words)
    assert [a["host"] for e, a in elements(desk.folder / "many.xml") if e == "allow"] == words[1::2]


@pytest.mark.parametrize("words,said", [
    ("--network nat --allow example.org", "[PROTOCOL:]NET[:PORT]"), ("--network nat --allow tcp:example.org", "example.org"),
    ("--network nat --allow :", "[PROTOCOL:]NET[:PORT]"), ("--network nat --allow tcp:192.0.2.1:80:90", "[PROTOCOL:]NET[:PORT]"),
    ("--network nat --allow icmp:192.0.2.1", "icmp"), ("--network nat --allow 192.0.2.1:65536", "65536"),
    ("--network nat --allow 192.0.2.1/8", "192.0.2.1/8"), ("--allow 192.0.2.1", "mode nat"), ("--rate 1M", "mode nat"),
    ("--network nat --rate 1023", "1023"), ("--network nat --rate fast", "fast"), ("--io-read 1023", "io-read-max"),
    ("--io-write 2X", "2X"), ("--io-write 0", "io-write-max"), ("--io-weight 10001", "io-weight"), ("--notify fax", "fax"),
    ("--attention 'call call2'", "call2"), ("--then wipe", "--attempts"), ("--offline-then lock", "--offline-hours"),
    ("--offline-hours 719 --offline-then wipe", "720"), ("--attempts 1 --then smile", "smile"), ("--attempts 1001", "attempts"),
    ("--idle-seconds 2592001", "idle-seconds"), ("--memory 0", "memory-max"), ("--pids 4194305", "pids-max")])
def test_a_config_of_bad_values_is_refused_in_one_line(desk, words, said):
    r = desk.adm("doc", "new", "vp-config", "--org", "acme", "--id", "work", "--image", "img", "--out", "bad.xml",
                 *shlex.split(words), check=False)
    assert r.returncode == 1 and said in r.stderr and r.stderr.count("\n") == 1 and not r.stdout, r.stderr
    assert not (desk.folder / "bad.xml").exists()


# ---- config passwords
def protected(desk, name="c1.xml", version=1):
    desk.write("config-password", "six words that nobody else has\n")
    desk.write("secrets", "wifi: sesame")
    desk.adm("doc", "new", "vp-config", "--org", "acme", "--id", "work", "--image", "img:1", "--version-number",
             version, "--config-password-file", "config-password", "--secrets", "secrets", "--out", name)


def test_protected_config_is_followed_only_with_its_password(signed):
    protected(signed)
    assert "sesame" not in (signed.folder / "c1.xml").read_text()
    signed.adm("doc", "sign", "c1.xml", "--yes", *signed.key("alice", "bob"))
    signed.adm("doc", "next", "c1.xml", "--config-password-file", "config-password", "--out", "c2.xml")
    said = subprocess.run([program("cellsadm"), "doc", "sign", "c2.xml", "--yes", "--config-dir", signed.config,
                           *map(str, signed.key("alice"))], cwd=signed.folder, capture_output=True, text=True,
                          start_new_session=True, check=False)
    assert said.returncode == 1 and "its password is needed" in said.stderr
    signed.adm("doc", "sign", "c2.xml", "--yes", "--config-password-file", "config-password", *signed.key("alice", "bob"))
    envelope = json.loads((signed.folder / "c2.json").read_text())
    before = (signed.folder / "c1.xml").read_bytes()
    assert [p["over"] for p in envelope["proofs"]] == ["sha256:" + hashlib.sha256(before).hexdigest()]
    # What the proof is, made here a second way.
    old = before.decode()
    salt = base64.b64decode(re.search(r'salt="([^"]+)"', old).group(1))
    k = hashlib.pbkdf2_hmac("sha512", b"six words that nobody else has", salt, 210000, 64)
    verifier = re.search(r'verifier="([^"]+)"', old).group(1)
    assert base64.b64decode(verifier) == hmac.digest(k[:32], b"cells-verifier", "sha256")


def test_lost_config_password_is_replaced_by_the_role_root(signed):
    """What cells-vp-config(5) allows: the signatures of the role root, and no proof."""
    protected(signed)
    signed.adm("doc", "sign", "c1.xml", "--yes", *signed.key("alice", "bob"))
    signed.adm("doc", "new", "vp-config", "--org", "acme", "--id", "work", "--image", "img:1", "--version-number", 2,
               "--out", "c2.xml")

    def sign(*args):
        return subprocess.run([program("cellsadm"), "doc", "sign", "c2.xml", "--yes", "--config-dir", signed.config,
                               *map(str, args)], cwd=signed.folder, capture_output=True, text=True,
                              start_new_session=True, check=False)
    said = sign(*signed.key("alice"), "--root", "root.json")
    assert said.returncode == 1 and "--without-proof" in said.stderr, said
    assert not (signed.folder / "c2.json").exists()
    said = sign("--without-proof", *signed.key("alice"), "--root", "root.json")
    assert said.returncode == 0 and "role root too (1 of 2)" in said.stderr, said
    said = sign(*signed.key("bob"), "--root", "root.json")
    assert said.returncode == 0, said
    assert "proofs" not in json.loads((signed.folder / "c2.json").read_text())


def test_wrong_config_password_makes_no_next_version(signed):
    protected(signed)
    wrong = signed.write("wrong", "not the one at all\n")
    assert "err.password" in signed.refused("doc", "next", "c1.xml", "--config-password-file", wrong)


def test_salt_is_never_used_again(signed):
    protected(signed)
    signed.adm("doc", "sign", "c1.xml", "--yes", *signed.key("alice"))
    text = (signed.folder / "c1.xml").read_text()
    signed.write("c2.xml", text.replace('id="work" version="1"', 'id="work" version="2"'))
    said = signed.refused("doc", "sign", "c2.xml", "--yes", "--config-password-file", "config-password",
                          *signed.key("alice"))
    assert "salt" in said


def test_proof_for_a_version_signed_elsewhere(signed):
    protected(signed)
    os.rename(signed.folder / "c1.xml", signed.folder / "theirs.xml")
    signed.adm("doc", "next", "theirs.xml", "--config-password-file", "config-password", "--out", "c2.xml")
    signed.adm("doc", "sign", "c2.xml", "--yes", "--proof-for", "theirs.xml", "--config-password-file",
               "config-password", *signed.key("alice"))
    assert len(json.loads((signed.folder / "c2.json").read_text())["proofs"]) == 1


# ---- the command line itself
def test_wrong_usage_is_64(desk):
    for args in ((), ("nonsense",), ("key",), ("key", "nonsense"), ("key", "new"), ("key", "list", "--nonsense"),
                 ("key", "list", "--format", "xml"), ("vp", "lock", "only-one")):
        r = run([program("cellsadm"), *args], check=False)
        assert r.returncode == 64, (args, r.stdout, r.stderr)


@pytest.mark.parametrize("words", [
    "doc new vp-config --org acme --id work", "doc new device-policy --org acme", "doc new membership --org acme --id m",
    "root new", "root new --org Acme", "root new --org acme --role alice", "root new --org acme --role root=alice:x",
    "server add main", "server add main --host h --ca ca.pem --port 65536", "server login", "user create vera",
    "token create laptop", "enroll create", "token create laptop --role viewer --ttl 1w",
    "access query --at now --from -1d", "access query --max-age 1d --used", "doc sign a.xml", "doc sign a.xml b.xml --out c.json",
    "doc sign a.xml --key alice --key bob --password-stdin"])
def test_option_that_is_missing_or_wrong_is_64_in_one_line(desk, words):
    desk.make_keys("alice", "bob")
    (desk.folder / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    if not words.startswith("server add"):
        desk.adm("server", "add", "main", "--host", "localhost", "--ca", "ca.pem", "--token", "t")
    r = desk.adm(*words.split(), check=False)
    assert r.returncode == 64 and r.stderr.count("\n") == 1 and not r.stdout, (words, r.stdout, r.stderr)


def test_every_verb_stands_in_the_manual_with_its_options():
    manual = (TOP / "man/cellsadm.1").read_text()
    items = set(re.findall(r"^\.It Cm ([a-z-]+(?: [a-z-]+)?)", manual, re.M))
    options = set(re.findall(r"Fl -([a-z-]+)", manual))
    for line in run([program("cellsadm"), "--list-verbs"]).stdout.splitlines():
        words = line.split()
        name = " ".join(w for w in words if not w.startswith("--"))
        assert any(i == name or i.startswith(name) for i in items), name
        for w in words:
            if w.startswith("--"):
                assert w.strip("-=") in options, (name, w)


def test_bash_completes_from_the_verb_table():
    script = (f'PATH={pathlib.Path(program("cellsadm")).parent}:$PATH; . {TOP}/data/completion/bash/cellsadm; '
              'COMP_WORDS=(cellsadm {words}); COMP_CWORD={n}; _cellsadm; echo "${{COMPREPLY[@]}}"')
    for words, want in (("ro", "root"), ("vp lo", "lock"), ("enroll create --pn", "--png"),
                        ("plan --fo", "--format"), ("key new x --format j", "json")):
        got = run(["bash", "-c", script.replace("{words}", words).replace("{n}", str(len(words.split())))
                   .replace("{{", "{").replace("}}", "}")]).stdout.split()
        assert got == [want], words


def test_without_a_server_it_says_so(desk):
    assert "server" in desk.refused("device", "list")
    assert desk.adm("version").stdout.startswith("cellsadm ")


# ---- with the real server, and a device that the test plays
class Company(Desk):
    """Administrators with a running server that knows their root."""

    def __init__(self, world):
        super().__init__(world.subfolder("desk"))
        self.world = world
        self.office = office.Office(world)
        self.make_keys("alice", "bob", "carol")
        self.write("token", self.office.token + "\n")
        self.adm("server", "add", "main", "--host", "localhost", "--port", self.office.admin_port, "--ca",
                 self.office.ca, "--token-file", "token")
        self.adm("root", "new", "--org", "acme", "--role", "root=alice,bob,carol:2", "--role",
                 "policy=alice,bob,carol:2", "--role", "command=alice", "--role", "destroy=alice,bob:2",
                 "--role", "image=bob", "--from-server", "--out", "root.xml")
        self.adm("root", "sign", "root.xml", "--yes", *self.key("alice", "bob"))
        self.adm("server", "add", "main", "--root", "root.json")
        self.adm("root", "submit", "root.json")

    def publish(self, *xml, signers=("alice", "carol")):
        self.adm("doc", "sign", *xml, "--yes", *self.key(*signers))
        return self.json("doc", "submit", *(x.replace(".xml", ".json") for x in xml))["items"]

    def publish_all(self):
        layer = forge.Layer(os.urandom(20000))
        self.office.put_layer(layer)
        self.write("image.xml", self.office.forge.image("tiny", 1, [layer]).payload.decode())
        self.publish("image.xml", signers=["bob"])
        for vp in ("work", "personal"):
            self.adm("doc", "new", "vp-config", "--id", vp, "--image", "tiny", "--out", f"{vp}.xml")
        self.adm("doc", "new", "device-policy", "--id", "baseline", "--out", "p1.xml", "--vp",
                 "work:camera=shared,microphone=exclusive,gps=none+block,nfc=shared,default=none", "--vp",
                 "personal:default=shared")
        self.adm("doc", "new", "group", "--id", "field", "--policy", "baseline", "--vp-config", "work",
                 "--vp-config", "personal", "--out", "field.xml")
        assert self.publish("work.xml", "personal.xml", "p1.xml", "field.xml")[-1]["state"] == "active"

    def enrol(self, name="phone", **kw):
        uri = self.json("enroll", "create", "--group", "field", **kw)["uri"]
        token = bytes.fromhex(re.search(r"t=([0-9a-f]{64})", uri).group(1))
        phone = office.Phone(self.office, name)
        phone.token = token
        phone.take(self.office.post("/v1/enroll", phone.body(), token=""))
        return phone, uri


@pytest.fixture(name="company")
def fixture_company(world):
    company = Company(world)
    company.publish_all()
    return company


@pytest.fixture(name="phone")
def fixture_phone(company):
    phone, company.uri = company.enrol()
    phone.connect()
    phone.apply(phone.snapshot())
    phone.switch("work")
    return phone


def in_background(fn):
    result = []
    thread = threading.Thread(target=lambda: result.append(fn()))
    thread.start()
    return thread, result


def test_only_signed_documents_get_valid(company):
    company.policy(2)
    company.adm("doc", "sign", "p2.xml", "--yes", *company.key("alice"))
    assert company.json("doc", "submit", "p2.json")["items"][0]["state"] == "proposed"
    company.adm("doc", "sign", "p2.json", "--yes", *company.key("bob"))
    assert company.json("doc", "submit", "p2.json")["items"][0]["state"] in ("valid", "active")
    states = {d["version"]: d["state"] for d in company.json("doc", "history", "device-policy", "baseline")["items"]}
    assert set(states) == {1, 2}
    shown = company.adm("doc", "show", "device-policy", "baseline")
    assert "verified: signed by alice, bob (2 of 2)" in shown.stderr
    assert 'version="2"' in shown.stdout
    said = company.refused("doc", "submit", "p1.json")
    assert "err.rollback" in said


def test_proofs_cover_what_the_server_has(company):
    """A config that another administrator protected: its password is asked for, and proved."""
    protected(company, "work2.xml", 2)
    company.adm("doc", "sign", "work2.xml", "--yes", *company.key("alice", "bob"))
    company.adm("doc", "submit", "work2.json")
    company.adm("doc", "next", "work2.xml", "--config-password-file", "config-password", "--out", "work3.xml")
    shutil.rmtree(company.config / "state/signed/acme/vp-config")
    company.adm("doc", "sign", "work3.xml", "--yes", "--config-password-file", "config-password",
                *company.key("alice", "bob"))
    proofs = json.loads((company.folder / "work3.json").read_text())["proofs"]
    assert [p["over"] for p in proofs] == [
        "sha256:" + hashlib.sha256((company.folder / "work2.xml").read_bytes()).hexdigest()]


def test_enrollment_pins_the_newest_root(company):
    """Seen: whom a later root had removed still signed for new devices."""
    company.adm("root", "new", "--from", "root.json", "--remove-key", "carol", "--out", "root2.xml")
    company.adm("root", "sign", "root2.xml", "--yes", *company.key("alice", "bob"))
    company.adm("root", "submit", "root2.json", "--yes")
    uri = company.json("enroll", "create", "--group", "field:1")["uri"]
    newest = hashlib.sha256((company.folder / "root2.xml").read_bytes()).hexdigest()
    assert re.search(r"root=([0-9a-f]{64})", uri).group(1) == newest


def test_the_server_never_sees_the_token(company):
    phone, uri = company.enrol()
    token = re.search(r"t=([0-9a-f]{64})", uri).group(1)
    for path in company.office.dir.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert token.encode() not in data and bytes.fromhex(token) not in data, path
    kept = list((company.config / "state/tokens").glob("*.json"))
    assert kept and all(stat.S_IMODE(p.stat().st_mode) == 0o600 for p in kept)
    assert company.json("enroll", "check", phone.id)["items"][0]["key"] == "bound"
    assert company.office.device(phone)["checked"] is True


def test_qr_code_holds_the_uri(company):
    company.adm("enroll", "create", "--group", "field", "--png", "t.png", "--svg", "t.svg", "--out", "uri")
    for name in ("uri", "t.png", "t.svg"):
        assert stat.S_IMODE((company.folder / name).stat().st_mode) == 0o600
    assert (company.folder / "t.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    run(["xmllint", "--noout", company.folder / "t.svg"])
    r = company.adm("enroll", "create", "--group", "field", "--qr")
    assert "█" in r.stdout and "cells://localhost:" in r.stdout


def test_keys_put_in_by_a_thief_are_an_alarm(company):
    """A server that knows the device's request but not the token swaps the receipt key."""
    phone, _ = company.enrol("honest")
    thief = forge.Signer("thief")
    uri = company.json("enroll", "create", "--group", "field")["uri"]
    victim = office.Phone(company.office, "victim")
    victim.token = bytes.fromhex(re.search(r"t=([0-9a-f]{64})", uri).group(1))
    body = victim.body()
    victim.receipts = thief
    victim.device = forge.Device(victim.identity, thief.key.public_key())
    body["receipt_csr"] = office.make_csr(thief)
    company.office.post("/v1/enroll", body, token="")
    r = company.adm("enroll", "check", check=False)
    assert r.returncode == 1 and "bound" in r.stdout and "WRONG" in r.stdout
    assert company.office.device(victim)["checked"] is False
    assert company.office.device(phone)["checked"] is True


def test_lock_is_done_when_its_receipt_is_verified(company, phone):
    thread, result = in_background(lambda: company.adm(
        "vp", "lock", phone.id, "work", "--wait", "--timeout", "40s", *company.key("alice"), check=False))
    command = phone.wait("command", 30)
    document = {"type": "command", "id": json_id(command), "version": 1, "sha256": command["sha256"]}
    phone.send("submitted", sha256=command["sha256"], outcome="accepted", reason="", text="")
    phone.send_receipts(phone.receipt("locked", document=document, vp="work", details={"command": document["id"]}))
    thread.join(60)
    r = result[0]
    assert r.returncode == 0, r.stdout + r.stderr
    assert "verified, key: bound" in r.stdout
    assert r.stderr.split()[-1] == "done"


def json_id(message):
    return re.search(rb' id="([^"]+)"', base64.b64decode(message["envelope"]["payload"])).group(1).decode()


def test_a_refusal_is_told_with_its_reason(company, phone):
    thread, result = in_background(lambda: company.adm(
        "vp", "start", phone.id, "work", "--wait", "--timeout", "40s", *company.key("alice"), check=False))
    command = phone.wait("command", 30)
    document = {"type": "command", "id": json_id(command), "version": 1, "sha256": command["sha256"]}
    phone.send_receipts(phone.receipt("refused", document=document, vp="work", reason="err.vp-state",
                                      details={"text": "VP 'work' runs already"}))
    thread.join(60)
    assert result[0].returncode == 1
    assert "runs already" in result[0].stderr and "err.vp-state" in result[0].stderr


def test_wipe_collects_two_signatures(company, phone):
    company.adm("vp", "wipe", phone.id, "work", "--out", "wipe.json", "--yes", *company.key("alice"))
    said = company.adm("vp", "wipe", phone.id, "work", "--in", "wipe.json", "--out", "wipe2.json", "--yes",
                       *company.key("bob")).stdout
    assert "signed by alice, bob: 2 of 2" in said
    openssl_verifies(company, company.folder / "wipe2.json", "alice", "bob")
    assert "another command" in company.refused("vp", "wipe", phone.id, "personal", "--in", "wipe2.json")
    action = company.json("vp", "wipe", phone.id, "work", "--in", "wipe2.json")
    assert action["state"] in ("pending", "sent")
    assert company.json("action", "list", phone.id)["items"][0]["id"] == action["id"]
    assert company.json("action", "cancel", phone.id, action["id"])["state"] in ("sent", "cancelled")


def test_matrix_and_explanation(company, phone):
    table = company.adm("access", "matrix", phone.id, "--all").stdout
    lines = {line.split()[0]: line.split()[1:] for line in table.splitlines() if line.strip()}
    assert lines["CLASS"] == ["work", "▸", "front", "personal"]
    assert lines["camera"] == ["shared", "*", "shared", "*"]
    assert lines["microphone"] == ["exclusive", "*", "shared"]
    assert lines["gps"] == ["none+block", "shared"]
    assert lines["nfc"] == ["-", "-"]
    assert "not on this device: nfc" in company.adm("access", "matrix", phone.id).stdout
    assert re.search(r"verified here: by receipts 1 and 2 of \S+Z \(key: bound\), policy baseline version 1", table)
    said = company.adm("access", "explain", phone.id, "personal", "gps").stdout
    assert said.startswith("personal on gps: denied (mode shared)")
    assert "work is in front, with mode none+block" in said and "signed by alice, carol" in said
    assert "err.unknown-class" in company.refused("access", "explain", phone.id, "personal", "warp")
    who = {(r["vp"], r["verdict"]) for r in company.json("access", "query", "--class", "microphone", "--verdict",
                                                         "any")["items"]}
    assert who == {("work", "allowed"), ("personal", "denied")}


def test_a_server_that_paints_another_matrix_is_found_out(company, phone):
    assert company.json("access", "matrix", phone.id)["verified"] is True
    with sqlite3.connect(company.office.dir / "mgmtd.db") as db:
        db.execute("UPDATE receipt SET payload = replace(payload, '\"to\": \"work\"', '\"to\": \"personal\"')")
        assert db.execute("SELECT count(*) FROM receipt WHERE payload LIKE '%\"to\": \"personal\"%'").fetchone()[0]
    db.close()
    said = company.refused("access", "matrix", phone.id)
    assert "err.signature" in said and "the server says" in said


def test_plan_ends_with_two_when_something_would_change(company, phone):
    assert company.adm("plan", "p1.xml").returncode == 0
    company.adm("doc", "next", "p1.xml", "--out", "p2.xml")
    text = (company.folder / "p2.xml").read_text()
    company.write("p2.xml", text.replace('name="camera" mode="shared"', 'name="camera" mode="none"'))
    r = company.adm("plan", "p2.xml", check=False)
    assert r.returncode == 2
    assert re.search(r"work +camera +shared -> none, now allowed -> denied", r.stdout)
    assert "device-policy baseline: version 1 -> 2" in r.stdout
    assert company.adm("plan", "p2.xml", "--format", "json", check=False).returncode == 2


def test_receipts_are_verified_offline(company, phone):
    phone.send_receipts(phone.receipt("revoked", vp="work", details={"revoked": [], "ns": 1, "cause": "policy"}))
    rows = company.json("receipt", "list", phone.id, "--out", "kept")["items"]
    assert [r["seq"] for r in rows] == [1, 2, 3] and {r["key"] for r in rows} == {"bound"}
    files = sorted((company.folder / "kept").glob("*.json"))
    company.office.process.stop()
    said = company.adm("receipt", "verify", *files).stdout
    assert said.count("key: bound") == 3
    # One changed word in the payload, and one receipt by another key.
    envelope = json.loads(files[1].read_text())
    payload = base64.b64decode(envelope["payload"]).replace(b'"work"', b'"w0rk"')
    bad = company.write("bad.json", json.dumps(dict(envelope, payload=base64.b64encode(payload).decode())))
    r = company.adm("receipt", "verify", bad, check=False)
    assert r.returncode == 1 and "NOT VALID" in r.stdout
    foreign = phone.receipt("wiped", vp="work", sign=forge.Signer("thief"))
    r = company.adm("receipt", "verify", company.write("f.json", foreign.envelope.decode()), check=False)
    assert r.returncode == 1 and "NOT VALID" in r.stdout
    # Two with one seq.
    twin = phone.receipt("wiped", vp="work", seq=2)
    r = company.adm("receipt", "verify", files[1], company.write("twin.json", twin.envelope.decode()), check=False)
    assert r.returncode == 1 and "err.equivocation" in r.stderr
    # Elsewhere, with nothing kept: by the key, or by what the server gave and the token.
    other = Desk(company.world.subfolder("other"))
    assert "no key of" in other.adm("receipt", "verify", files[0], check=False).stdout
    pem = company.write("r.pem", phone.receipts.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode())
    assert "key: given" in other.adm("receipt", "verify", files[0], "--key", pem).stdout


def test_binding_is_proved_elsewhere_by_the_token(company, phone):
    company.json("receipt", "list", phone.id, "--out", "kept")
    files = sorted((company.folder / "kept").glob("*.json"))
    keys = company.write("keys.json", json.dumps(company.office.get(f"/v1/devices/{phone.id}/keys")))
    other = Desk(company.world.subfolder("other"))
    said = other.adm("receipt", "verify", *files, "--keys", keys, "--bind", company.uri).stdout
    assert said.count("key: bound") == len(files)
    wrong = re.sub(r"t=[0-9a-f]{64}", "t=" + "0" * 64, company.uri)
    r = other.adm("receipt", "verify", files[0], "--keys", keys, "--bind", wrong, check=False)
    assert r.returncode == 1 and "not bound" in r.stdout


def test_audit_is_verified_and_a_second_history_noticed(company, phone):
    phone.send_batch(phone.batch([phone.record("open", "work", "camera"), phone.record("deny", "personal", "gps")]))
    assert "every entry" in company.adm("audit", "verify").stdout
    company.adm("device", "rename", phone.id, "Alice's phone")
    assert company.json("device", "show", phone.id)["name"] == "Alice's phone"
    assert "consistent with" in company.adm("audit", "verify").stdout
    company.adm("audit", "verify", "--entry", "1")
    assert "2 records" in company.adm("audit", "verify", "--device", phone.id).stdout
    assert [r["event"] for r in company.json("audit", "query", "--device", phone.id)["items"]] == ["open", "deny"]
    assert [r["vp"] for r in company.json("access", "denials", "--from", "-1h")["items"]] == ["personal"]
    company.adm("audit", "export", "--out", "all.jsonl", "--head", "head.json")
    company.adm("audit", "verify", "--file", "all.jsonl", "--head", "head.json")
    lines = (company.folder / "all.jsonl").read_text().splitlines()
    company.write("less.jsonl", "\n".join(lines[1:]) + "\n")
    assert "err.signature" in company.refused("audit", "verify", "--file", "less.jsonl", "--head", "head.json")
    # The server would have to continue what was seen here.
    kept = next((company.config / "state/heads").glob("*.json"))
    told = json.loads(kept.read_text())
    kept.write_text(json.dumps(dict(told, root="sha256:" + "0" * 64, size=2)))
    assert "err.equivocation" in company.refused("audit", "verify")


def test_a_root_that_does_not_follow_is_not_believed(company):
    """The server's answers count only as far as the pinned root reaches."""
    company.adm("root", "show")
    kept = next((company.config / "state/roots").glob("*.json"))
    kept.unlink()
    conf = next((company.config / "servers").glob("*.conf"))
    conf.write_text(re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "1" * 64, conf.read_text()))
    said = company.refused("root", "show")
    assert "err.root-chain" in said or "err." in said
    shown = company.adm("doc", "show", "device-policy", "baseline", check=False)
    assert shown.returncode == 1 and "not verified" in shown.stderr and "device-policy" in shown.stdout


def test_next_root_is_followed(company):
    company.make_keys("dave")
    company.adm("root", "add-key", "root.json", "dave=" + str(company.config / "keys/dave.key"), "--to", "policy",
                "--out", "root2.xml")
    company.adm("root", "sign", "root2.xml", "--yes", *company.key("alice", "carol"))
    company.adm("root", "submit", "root2.json")
    assert company.json("root", "show")["version"] == 2
    company.policy(2)
    company.adm("doc", "sign", "p2.xml", "--yes", *company.key("dave", "alice"))
    assert company.json("doc", "submit", "p2.json")["items"][0]["state"] in ("valid", "active")


def test_nothing_is_ended_without_consent(company, phone):
    """There is nobody to ask: then the answer is no. What is asked for would be done."""
    def asked(*words):
        return subprocess.run([program("cellsadm"), *words, "--config-dir", company.config], cwd=company.folder, text=True,
                              capture_output=True, start_new_session=True, stdin=subprocess.DEVNULL, check=False)

    company.adm("user", "create", "vera", "--role", "viewer", "--password-file", company.password)
    company.adm("token", "create", "scanner", "--role", "auditor", "--ttl", "1h")
    scanner = next(t["id"] for t in company.json("token", "list")["items"] if t["name"] == "scanner")
    company.policy(2)
    company.adm("doc", "sign", "p2.xml", "--yes", *company.key("alice"))
    assert company.json("doc", "submit", "p2.json")["items"][0]["state"] == "proposed"
    wishes = [("user", "revoke", "vera"), ("token", "revoke", scanner), ("doc", "withdraw", "device-policy", "baseline", "2"),
              ("vp", "wipe", phone.id, "work", "--out", "wipe.json", *map(str, company.key("alice"))), ("device", "retire", phone.id)]
    for words in wishes:
        r = asked(*words)
        assert r.returncode == 1 and "no terminal to ask on" in r.stderr, (words, r.stdout, r.stderr)
    assert "vera" in [u["name"] for u in company.json("user", "list")["items"]]
    assert scanner in [t["id"] for t in company.json("token", "list")["items"]]
    assert company.office.device(phone)["state"] == "active" and not (company.folder / "wipe.json").exists()
    for words in wishes:
        r = asked(*words, "--yes")
        assert r.returncode == 0, (words, r.stderr)
    assert company.office.device(phone)["state"] == "retired"


def test_accounts_tokens_and_rights(company):
    company.adm("user", "create", "vera", "--role", "viewer", "--password-file", company.password)
    token = company.adm("token", "create", "scanner", "--role", "auditor", "--ttl", "1h").stdout.strip()
    assert len(company.json("token", "list")["items"]) == 2
    company.adm("server", "add", "main", "--token", token)
    assert company.adm("audit", "query").returncode == 0
    assert "forbidden" in company.refused("user", "list")
    company.adm("server", "login", "--user", "vera", "--password-file", company.password)
    assert "forbidden" in company.refused("audit", "query")
    assert company.json("doc", "list")["items"]
    said = company.refused("server", "login", "--user", "vera", "--password-file", company.write("w", "wrong one\n"))
    assert "unauthorized" in said
