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
import signal
import stat
import subprocess
import tempfile
import time

import pytest

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

    def make_keys(self, *names):
        for name in names:
            self.adm("key", "new", name, "--password-file", self.password)

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
    """Runs with a terminal; answers in turn whenever a question stands there."""
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
