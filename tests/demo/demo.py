#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The whole story once, with real programs under their real users: a company, three
administrators, a server, one device with a work and a personal VP. The device is the
lab's emulated phone, with a camera, sound and a screen; --native: this machine, with
nodes that it has in their place.

Each step says what it does, does it with the commands that people would type, and
fails loudly if the outcome is not what it claims."""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import sys
import textwrap
import time
import urllib.request

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/e2e"), str(TOP / "tests/lab")]

import frame  # noqa: E402
import harness  # noqa: E402
import handset  # noqa: E402
import kernel  # noqa: E402
from harness import Failed, run, until  # noqa: E402

ORG = "acme"
ADMINS = ("alice", "bob", "carol")
PASSWORD = "the demo's own password"
SHOWN = ("camera", "microphone", "gps", "sensors", "bluetooth")
LIFE_DAYS = 30
INITIAL = """
  <vp id="work">
    <class name="camera" mode="exclusive"/>
    <class name="microphone" mode="shared"/>
    <class name="gps" mode="none" block="true"/>
    <default mode="none"/>
  </vp>
  <vp id="personal">
    <default mode="shared"/>
  </vp>"""
# Later the company takes the camera away from both.
STRICTER = """
  <vp id="work">
    <class name="camera" mode="none" block="true"/>
    <class name="microphone" mode="shared"/>
    <default mode="none"/>
  </vp>
  <vp id="personal">
    <class name="camera" mode="none"/>
    <default mode="shared"/>
  </vp>"""


class Native(harness.Device):
    """The device's daemons on this machine, under cgroups and eBPF alone."""

    SERVER = "localhost"
    # The devices of the classes in demo.conf, as VPs see it.
    NODES = {"camera": "/dev/hwrng", "gps": "/dev/fuse", "microphone": "/dev/net/tun"}
    RECIPES = {"acme-personal": "busybox", "acme-work": "debian"}
    PATIENCE = 1
    # Such a program is ended when its handle is taken away.
    HOLD = "exec 3< {node}; echo open; exec sleep 1000"

    class Held:
        def __init__(self, child):
            self.child = child
            self.line = lambda: child.stdout.readline().strip()

        def wait(self, seconds=60):
            out, _ = self.child.communicate(timeout=seconds)
            return self.child.returncode, out

    def __init__(self, world, _):
        super().__init__(world)
        self.start()
        self.address = self.bus.address

    def hold(self, vp, script):
        return self.Held(subprocess.Popen([harness.program("cellsctl"), "exec", vp, "--", "sh", "-c", script],
                                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                          env=dict(os.environ, **self.env)))

    def submit(self, envelope):
        return self.bus.policy("Submit", "ay", *harness.bytes_args(envelope))

    def tails(self):
        for p in (self.cellsd, self.policyd, self.agent):
            yield p.name, p.tail(12)

    def screens(self, d, name):
        """Its VPs have no screen."""


class Lab(handset.Handset):
    """The emulated phone: the camera is vivid, the module is before everything."""

    NODES = {"camera": "/dev/video0", "microphone": "/dev/snd/pcmC0D0c", "speaker": "/dev/snd/pcmC0D0p"}
    # An emulated processor takes minutes over a Debian image: --native does.
    RECIPES = {"acme-personal": "busybox", "acme-work": "busybox"}
    PATIENCE = 5
    # The program lives on; what it reads ends.
    HOLD = "exec 3< {node}; dd if=/dev/fd/3 of=/dev/null bs=614400 count=2 2>/dev/null; echo open; exec cat <&3 >/dev/null"
    COLOURS = {"work": (20, 60, 160), "personal": (200, 90, 20)}

    def __init__(self, world, keep):
        super().__init__()
        world.closers.append(self.close)
        self.keep = keep

    def draw(self, vp):
        """Each VP fills its own frame buffer; the one behind does not notice that it is."""
        width, height = self.phone.run("cat /sys/class/graphics/fb0/virtual_size").out.strip().split(",")
        self.phone.run(["sh", "-c", 'exec "$@" >"$0"', f"/tmp/{vp}.frame", "/usr/bin/python3", TOP / "tests/demo/frame.py",
                        width, height, vp, *self.COLOURS[vp]])
        self.phone.run(f"DBUS_SYSTEM_BUS_ADDRESS={self.address} {harness.program('cellsctl')} exec {vp} -- "
                       f"dd of=/dev/fb0 bs={int(width) * int(height) * 4} iflag=fullblock </tmp/{vp}.frame")

    def shows(self, vp):
        """Is the VP's picture on the screen, each pixel of it?"""
        shot = self.phone.screen()
        return shot.data == b"".join(frame.rows(shot.width, shot.height, vp, self.COLOURS[vp]))

    def screens(self, d, name):
        """The front's picture, and nothing else, is on the screen."""
        vps = d.vps()
        front = next(vp for vp, v in vps.items() if v["state"] == "foreground")
        if name == "before":
            for vp in vps:
                self.draw(vp)
        until(lambda: self.shows(front), 30, 0.2)
        print(f"     the screen shows {front}'s picture, each pixel of it")
        if self.keep:
            self.picture(self.keep / "screens" / f"{name}.png")


class Demo:
    """What the steps share."""

    def __init__(self, world, keep, kind):
        self.world = world
        self.keep = keep
        self.kind = kind
        self.steps = []
        self.matrices = {}
        self.envelopes = {}
        self.files = world.subfolder("pc", mode=0o700)
        self.env = {"HOME": str(self.files), "XDG_CONFIG_HOME": str(self.files / "config")}
        (self.files / "config").mkdir(mode=0o700)
        self.password = self.files / "password"
        self.password.write_text(PASSWORD + "\n")
        self.phone = None
        self.device = None

    # ---- the administrators' command line
    def adm(self, *args, check=True, **kw):
        return run([harness.program("cellsadm"), *args], check=check, env=self.env, **kw)

    def adm_json(self, *args):
        return json.loads(self.adm(*args, "--format", "json").stdout)

    def image_tool(self, *args):
        return run([harness.program("cells-image"), *args], timeout=900, env=self.env)

    def key(self, name):
        return ["--key", name, "--password-file", self.password]

    def write(self, name, text):
        path = self.files / name
        path.write_text(text)
        return path

    def sign(self, xml, *signers):
        """Signs a document with each signer's key, one after the other."""
        envelope = self.files / (xml.stem + ".json")
        args = []
        for s in signers:
            args += self.key(s)
        self.adm("doc", "sign", xml, "--out", envelope, "--yes", *args)
        return envelope

    def submit(self, envelope):
        self.adm("doc", "submit", envelope)
        body = json.loads(envelope.read_text())
        self.envelopes[envelope.stem] = body
        return body

    def document(self, kind, name, version, inner, attrs="", signers=("alice", "bob")):
        """Writes, signs (2 of 3) and submits one document."""
        now = time.time()
        xml = self.write(f"{kind}-{name}-{version}.xml",
                         f'<{kind} xmlns="urn:cells:{kind}:1" org="{ORG}" id="{name}" version="{version}"'
                         f' issued="{stamp(now)}" expires="{stamp(now + (LIFE_DAYS - 1) * 86400)}"{attrs}>'
                         f"{inner}\n</{kind}>\n")
        self.adm("doc", "lint", xml)
        envelope = self.sign(xml, *signers)
        self.submit(envelope)
        return envelope

    def rest(self, path):
        """What any program gets with the administrator's token."""
        request = urllib.request.Request(f"https://localhost:{self.admin_port}{path}",
                                         headers={"Authorization": f"Bearer {self.token}"})
        trust = ssl.create_default_context(cafile=str(self.files / "ca.pem"))
        with urllib.request.urlopen(request, context=trust) as answer:
            return json.load(answer)

    # ---- the device
    def vps(self):
        listed = json.loads(self.phone.ctl("list", "--format", "json").stdout)
        return {r["name"]: r for r in listed["vps"]}

    def receipts(self):
        return self.adm_json("receipt", "list", self.device)["items"]

    def receipt(self, kind, seconds=60, after=0, **want):
        def found():
            for r in self.receipts():
                if r["type"] == kind and r["seq"] > after and all(r.get(k) == v for k, v in want.items()):
                    return r
            return None
        try:
            return until(found, seconds * self.kind.PATIENCE, 0.1)
        except Failed:
            raise Failed(f"no {kind} receipt {want}; the last are {json.dumps(self.receipts()[-4:], indent=1)}") from None

    def last_seq(self):
        return max((r["seq"] for r in self.receipts()), default=0)

    def opens(self, vp, node):
        """Tries to open a node inside a VP: "opens", or why not."""
        r = self.phone.ctl("exec", vp, "--", "sh", "-c", f": < {node}", check=False)
        if r.returncode == 0:
            return "opens"
        return "denied" if "not permitted" in r.stderr or "denied" in r.stderr else r.stderr.strip()[-40:]

    def verdicts(self):
        """Each node opened in each VP, and what `explain` says beforehand."""
        rows = []
        for cls, node in self.kind.NODES.items():
            row = {"class": cls, "node": node}
            for vp in ("work", "personal"):
                if self.vps()[vp]["state"] not in ("foreground", "background"):
                    row[vp] = "-"
                    continue
                said = json.loads(self.phone.ctl("explain", vp, cls, "--format", "json").stdout)
                row[vp] = self.opens(vp, node)
                if (said["verdict"] == "allowed") != (row[vp] == "opens"):
                    raise Failed(f"explain says {vp} is {said['verdict']} on {cls}, but {node} {row[vp]}")
            rows.append(row)
        print(f"     {'class':12}{'node':20}{'work':12}personal")
        for r in rows:
            print(f"     {r['class']:12}{r['node']:20}{r['work']:12}{r['personal']}")
        return rows


def stamp(t):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t))


def pem(spki):
    return f"-----BEGIN PUBLIC KEY-----\n{textwrap.fill(spki, 64)}\n-----END PUBLIC KEY-----\n"


STEPS = []


def step(text):
    def add(fn):
        STEPS.append((text, fn))
        return fn
    return add


@step("three administrators and a builder make their keys")
def make_keys(d):
    for name in (*ADMINS, "root-key", "builder", "operator", "recovery"):
        d.adm("key", "new", name, "--password-file", d.password)
    print(d.adm("key", "list").stdout, end="")


@step("the server is set up and started as user cells-mgmt")
def start_server(d):
    folder = d.world.subfolder("server", "cells-mgmt", 0o700)
    made = run([harness.program("cells-mgmtd"), "init", "--dir", folder, "--org", ORG,
                "--host", d.kind.SERVER],
               user="cells-mgmt")
    d.token = re.search(r"\b(cells[a-z_]*_\S+|[A-Za-z0-9_-]{32,})\b", made.stdout).group(1)
    d.admin_port, d.device_port = harness.free_port(), harness.free_port()
    d.server_folder = folder
    config = d.world.folder / "cells-mgmtd.conf"
    config.write_text(f"admin-port = {d.admin_port}\ndevice-port = {d.device_port}\n")
    run_dir = d.world.subfolder("server-run", "cells-mgmt")
    d.server = d.world.daemon("cells-mgmtd", [harness.program("cells-mgmtd"), "--dir", folder, "--config", config,
                                              "--run-dir", run_dir], "cells-mgmt")
    d.server.start()
    ca = d.write("ca.pem", (folder / "ca.pem").read_text())
    token = d.write("token", d.token + "\n")
    d.known = ["demo", "--host", "localhost", "--port", d.admin_port, "--ca", ca, "--token-file", token, "--default"]
    d.adm("server", "add", *d.known)
    print(f"     admin port {d.admin_port}, device port {d.device_port}")


@step("the root names who may sign what: policy and destroy need two of three")
def make_root(d):
    people = ",".join(ADMINS)
    xml = d.files / "root-root-1.xml"
    keys = [f"--key={name}={name}" for name in (*ADMINS, "root-key", "builder", "operator")]
    d.adm("root", "new", "--org", ORG, "--out", xml, "--from-server", *keys, "--role", "root=root-key:1",
          "--role", f"policy={people}:2", "--role", f"destroy={people}:2", "--role", "command=operator:1",
          "--role", "image=builder:1", "--recovery", "recovery")
    envelope = d.files / "root-root-1.json"
    d.adm("root", "sign", xml, "--out", envelope, "--yes", *d.key("root-key"))
    d.adm("server", "add", *d.known, "--root", envelope)
    print(d.adm("root", "submit", envelope).stdout, end="")
    d.envelopes["root-root-1"] = json.loads(envelope.read_text())


@step("two images are built from recipes, signed and pushed")
def make_images(d):
    for name, recipe in d.kind.RECIPES.items():
        out = d.files / name
        d.image_tool("build", "--recipe", recipe, "--recipes", TOP / "images/recipes", "--org", ORG, "--id", name, "-o", out,
                     "--key", d.files / "config/cells/keys/builder.key", "--password-file", d.password)
        d.image_tool("verify", out)
        d.image_tool("push", out)
        d.envelopes[f"image-{name}-1"] = json.loads((out / "image.json").read_text())
    print(d.adm("image", "list").stdout, end="")


def config(label, image, boot=True):
    return (f'\n  <label>{label}</label>\n  <image id="{image}" min-version="1"/>'
            '\n  <resources memory-max="536870912" cpu-weight="100" pids-max="512"/>'
            f'\n  <network mode="none"/>\n  <start on-boot="{"true" if boot else "false"}"/>')


@step("configs, policy and group are signed by two administrators each")
def make_documents(d):
    d.document("vp-config", "work", 1, config("Work", "acme-work"))
    d.document("vp-config", "personal", 1, config("Personal", "acme-personal"))
    d.document("device-policy", "baseline", 1, INITIAL)
    d.document("group", "field", 1, '\n  <policy id="baseline" min-version="1"/>'
               '\n  <vp-config id="work" min-version="1"/>\n  <vp-config id="personal" min-version="1"/>')
    print(d.adm("doc", "list").stdout, end="")


@step("a device enrolls with a token that the server never sees")
def enrol(d):
    uri = d.adm_json("enroll", "create", "--group", "field", "--ttl", "1h", "--uses", "1")["uri"]
    d.phone = d.kind(d.world, d.keep)
    d.phone.ctl("enroll", uri.replace("//localhost:", f"//{d.kind.SERVER}:"))
    d.device = d.phone.status()["device"]
    d.adm("enroll", "check", d.device)
    print(d.adm("device", "list").stdout, end="")


@step("the device verifies, downloads, activates and starts both VPs")
def activate(d):
    d.receipt("applied", seconds=300, reason=None)
    until(lambda: {"work", "personal"} <= set(d.vps()), 60 * d.kind.PATIENCE)
    until(lambda: all(v["state"] in ("foreground", "background") for v in d.vps().values()), 60 * d.kind.PATIENCE)
    before = d.last_seq()
    if d.vps()["work"]["state"] != "foreground":
        d.phone.ctl("switch", "work")
        d.receipt("switched", after=before)
    print(d.phone.ctl("list").stdout, end="")


@step("access matrix with work in front; the same nodes opened in both VPs")
def before(d):
    print(d.adm("access", "matrix", d.device).stdout, end="")
    d.matrices["before"] = d.verdicts()
    d.moment = stamp(time.time())
    time.sleep(1.1)  # the moment lies between the receipts around it
    print(d.phone.ctl("explain", "personal", "camera").stdout, end="")
    d.phone.screens(d, "before")


@step("switch to personal: the verdicts follow")
def switch(d):
    seq = d.last_seq()
    d.phone.ctl("switch", "personal")
    d.receipt("switched", after=seq)
    d.matrices["switched"] = d.verdicts()
    if d.matrices["switched"] == d.matrices["before"]:
        raise Failed("the switch changed nothing")
    d.phone.screens(d, "after")


@step("a policy change reaches a handle that is already open")
def revoke(d):
    node = d.kind.NODES["camera"]
    holder = d.phone.hold("personal", d.kind.HOLD.format(node=node))
    if holder.line() != "open":
        raise Failed(f"{node} could not be opened in personal")
    seq = d.last_seq()
    xml = d.write("device-policy-baseline-2.xml", (d.files / "device-policy-baseline-1.xml").read_text()
                  .replace('version="1"', 'version="2"', 1).replace(INITIAL, STRICTER))
    planned = d.adm("plan", xml, check=False)
    print(planned.stdout, end="")
    if planned.returncode != 2:
        raise Failed(f"plan should have found changes (exit 2), exit {planned.returncode}: {planned.stderr}")
    d.submit(d.sign(xml, "bob", "carol"))
    receipt = d.receipt("revoked", after=seq)
    rc, said = holder.wait(30 * d.kind.PATIENCE)
    print(f"     the program that held {node} ended: exit {rc} {said.replace('open', '').strip()}")
    if rc == 0:
        raise Failed("it ended well")
    print(f"     revoked: {json.dumps(receipt['details']['revoked'])}, {receipt['details']['ns'] / 1e6:.2f} ms in the kernel's reach")
    d.matrices["after"] = d.verdicts()


@step("forged and rolled-back documents are refused, past the server")
def refuse(d):
    forged = json.loads((d.files / "device-policy-baseline-2.json").read_text())
    thief = d.files / "thief"
    thief.mkdir()
    d.adm("key", "new", "mallory", "--password-file", d.password)
    xml = d.write("thief/device-policy-baseline-3.xml", (d.files / "device-policy-baseline-1.xml").read_text()
                  .replace('version="1"', 'version="3"', 1))
    d.sign(xml, "mallory")
    forged = (d.files / "device-policy-baseline-3.json").read_bytes()
    rolled_back = (d.files / "device-policy-baseline-1.json").read_bytes()
    for what, envelope, want in (("forged", forged, "err.unknown-key"), ("rolled back", rolled_back, "err.rollback")):
        outcome, reason, text = d.phone.submit(envelope)
        print(f"     {what}: {outcome} {reason}: {text}")
        if (outcome, reason) != ("refused", want):
            raise Failed(f"the {what} document was {outcome} {reason}")


@step("work is locked by a signed command; it cannot be started")
def lock(d):
    d.lock = d.files / "lock.json"
    d.adm("vp", "lock", d.device, "work", "--out", d.lock, "--yes", *d.key("operator"))
    d.adm("vp", "lock", d.device, "work", "--in", d.lock, "--wait", "--yes", *d.key("operator"))
    d.envelopes["command-lock-1"] = json.loads(d.lock.read_text())
    if d.vps()["work"]["state"] != "locked":
        raise Failed(f"work is {d.vps()['work']['state']}")
    refused = d.phone.ctl("switch", "work", check=False)
    print(f"     cellsctl switch work: {refused.stderr.strip()}")
    if refused.returncode == 0:
        raise Failed("a locked VP came to the front")


@step("the same command again changes nothing: nothing happens twice")
def replay(d):
    seq = d.last_seq()
    outcome, _, _ = d.phone.submit(d.lock.read_bytes())
    print(f"     the same lock again: {outcome}")
    if outcome != "known" or d.last_seq() != seq:
        raise Failed(f"a replayed command was {outcome}, receipts {seq} -> {d.last_seq()}")


@step("the organisation gives work its key back, from the lock's receipt")
def unlock(d):
    details = d.receipt("locked", vp="work")["details"]
    print(f"     lock: {details['method']}, {details['medium']}, slots destroyed: {details['slots']}")
    bare = d.adm("vp", "unlock", d.device, "work", "--wait", "--yes", *d.key("operator"), check=False)
    print(f"     without the key: {bare.stderr.strip().splitlines()[-1]}")
    if bare.returncode == 0:
        raise Failed("a locked VP was unlocked without its key")
    d.adm("vp", "unlock", d.device, "work", "--recovery-key", "recovery", "--wait", "--yes", *d.key("operator"))
    row = d.vps()["work"]
    print(f"     work is {row['state']}, its key in slots: {row['slots']}")
    if row["state"] != "stopped":
        raise Failed(f"work is {row['state']}")


@step("work is wiped, by two of three, while personal goes on running")
def wipe(d):
    pid = d.vps()["personal"]["pid"]
    command = d.files / "wipe.json"
    d.adm("vp", "wipe", d.device, "work", "--out", command, "--yes", *d.key("alice"))
    d.adm("vp", "wipe", d.device, "work", "--in", command, "--wait", "--yes", *d.key("carol"))
    d.envelopes["command-wipe-1"] = json.loads(command.read_text())
    receipt = d.receipt("wiped", vp="work")
    print(f"     receipt: {json.dumps(receipt['details'])}")
    if d.vps()["personal"]["pid"] != pid:
        raise Failed("personal was disturbed")


@step("the auditor asks who could and who did use the camera")
def audit(d):
    for question in (["query", "--class", "camera", "--at", d.moment], ["query", "--class", "camera"],
                     ["query", "--class", "camera", "--used"], ["denials", "--class", "camera"]):
        print(f"     cellsadm access {' '.join(question)}")
        print(d.adm("access", *question).stdout, end="")
    print("     cellsadm audit query --limit 8")
    print(d.adm("audit", "query", "--limit", "8").stdout, end="")


@step("every receipt and the audit are verified offline")
def verify(d):
    folder = d.files / "receipts"
    folder.mkdir()
    rows = d.receipts()
    for r in rows:
        file = folder / f"{r['seq']:04d}.json"
        file.write_text(json.dumps(r["envelope"]))
    said = d.adm("receipt", "verify", *sorted(folder.glob("*.json"))).stdout
    if said.count("key: bound") != len(rows):
        raise Failed(f"not every receipt is bound:\n{said}")
    print(f"     {len(rows)} receipts: good, key: bound")
    print(d.adm("audit", "verify").stdout, end="")


def keep_files(d):
    """Leaves what was signed and proved, for tests/demo/verify.sh and for people."""
    for name in ("envelopes", "keys", "receipts", "audit"):
        (d.keep / name).mkdir(parents=True, exist_ok=True)
    for name, body in d.envelopes.items():
        (d.keep / "envelopes" / f"{name}.json").write_text(json.dumps(body, indent=1))
    for name in (*ADMINS, "root-key", "builder", "operator"):
        (d.keep / "keys" / f"{name}.pem").write_text(d.adm("key", "export", name).stdout)
    root = (d.files / "root-root-1.xml").read_text()
    director = re.search(r'<key id="\w+" name="director" spki="([^"]+)"', root).group(1)
    (d.keep / "keys/director.pem").write_text(pem(director))
    keys = d.rest(f"/v1/devices/{d.device}/keys")["items"][0]
    (d.keep / "keys/device-receipts.pem").write_text(pem(keys["receipt_spki"]))
    for file in (d.files / "receipts").glob("*.json"):
        shutil.copy(file, d.keep / "receipts")
    (d.keep / "audit/export.jsonl").write_text(d.adm("audit", "export").stdout)


def play(d):
    for number, (text, fn) in enumerate(STEPS, 1):
        print(f"{number:2}/{len(STEPS)} {text}", flush=True)
        start = time.monotonic()
        ok = False
        try:
            fn(d)
            ok = True
        except (Failed, kernel.Failed, KeyError, subprocess.SubprocessError, OSError, ValueError) as e:
            print(f"     FAILED: {type(e).__name__}: {e}")
        seconds = time.monotonic() - start
        d.steps.append({"name": fn.__name__, "text": text, "ok": ok, "seconds": round(seconds, 3)})
        print(f"     {'done' if ok else 'failed'} in {seconds:.2f} s", flush=True)
        if not ok:
            for name, tail in d.phone.tails() if d.phone else ():
                print(f"---- {name}\n{tail}")
            if getattr(d, "server", None):
                print(f"---- cells-mgmtd\n{d.server.tail(12)}")
            return False
    return True


def serve(d):
    print(f"\nIt goes on running until you press Ctrl-c. In another terminal:\n"
          f"  export CELLS_CONFIG_DIR={d.config} DBUS_SYSTEM_BUS_ADDRESS={d.phone.address}\n"
          f"  {harness.program('cellsadm')} device list\n  {harness.program('cellsctl')} list")
    try:
        signal.pause()
    except KeyboardInterrupt:
        print()


def main():
    ap = argparse.ArgumentParser(prog="./run demo", description="Plays the whole story once.")
    ap.add_argument("--report", type=pathlib.Path, metavar="FILE", help="steps and matrices as JSON")
    ap.add_argument("--keep", type=pathlib.Path, metavar="DIR", help="leave envelopes, keys, receipts, audit there")
    ap.add_argument("--serve", action="store_true", help="leave everything running")
    ap.add_argument("--native", action="store_true", help="the device is this machine, not an emulated phone")
    args = ap.parse_args()
    kind = Native if args.native else Lab
    if kind is Lab:
        try:
            kernel.chosen().machine()
        except kernel.Skip as e:
            print(f"No emulated phone here ({e}): the device is this machine, as with --native.")
            kind = Native
    with harness.World() as world:
        d = Demo(world, args.keep, kind)
        start = time.monotonic()
        ok = play(d)
        if ok and args.keep:
            keep_files(d)
            print(f"kept in {args.keep}: envelopes, public keys, receipts, audit (see tests/demo/verify.sh)")
        if args.report:
            args.report.write_text(json.dumps({"ok": ok, "seconds": round(time.monotonic() - start, 3),
                                               "steps": d.steps, "matrices": d.matrices}, indent=1) + "\n")
        print(f"{'All' if ok else 'Not all'} {len(STEPS)} steps done in {time.monotonic() - start:.1f} s")
        if ok and args.serve:
            serve(d)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
