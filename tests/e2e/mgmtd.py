# SPDX-License-Identifier: Apache-2.0
"""A real cells-mgmtd, with an organisation that a test signs for.

    server = Mgmtd(world)                   # started, root 1 submitted
    server.submit(server.org.policy(...))
    server.uri(uses=5000)
"""
import hashlib
import hmac
import json
import os

import requests
from cryptography import x509
from cryptography.hazmat.primitives import serialization

import forge
import harness

USER = "cells-mgmt"


class Refused(Exception):
    """The server's problem+json."""

    def __init__(self, answer):
        super().__init__(f"{answer.status_code}: {answer.text[:500]}")
        self.status = answer.status_code


class Server:
    """The process, its folder and its first token; `config` are lines of its file."""

    def __init__(self, world, org, name, config, init=()):
        self.world = world
        self.folder = world.subfolder(name)
        self.dir = self.folder / "state"
        self.run_dir = world.subfolder(f"{name}/run", USER)
        self.config = self.folder / "mgmtd.conf"
        self.config.write_text(config)
        program = harness.program("cells-mgmtd")
        self.token = harness.run([program, "init", "--dir", self.dir, "--org", org, *init],
                                 env={"CELLS_TEST_CLOCK": str(world.clock)}).stdout.split()[-1]
        self.ca = self.folder / "ca.pem"
        self.ca.write_bytes((self.dir / "ca.pem").read_bytes())
        self.process = world.daemon(f"{name}/cells-mgmtd", [
            program, "--dir", self.dir, "--config", self.config, "--run-dir", self.run_dir], USER).start()
        self.read_ports()

    def read_ports(self):
        """Those that it listens on; port 0 in the configuration is another one after each start."""
        ports = dict(line.split(" = ") for line in
                     (self.run_dir / "cells-mgmtd.ports").read_text().splitlines())
        self.admin_port, self.device_port = int(ports["admin-port"]), int(ports["device-port"])

    def request(self, method, url, token=None, **kw):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers.update(kw.pop("headers", {}))
        return requests.request(method, url, headers=headers, verify=str(self.ca), timeout=90, **kw)


class Mgmtd(Server):
    def __init__(self, world, org="acme", name="server", config="", now=None):
        # Fixed: agents come back to them when it is started again.
        ports = f"admin-port = {harness.free_port()}\ndevice-port = {harness.free_port()}\n"
        super().__init__(world, org, name, f"{ports}address-rate = 100000\nadmit-rate = 100000\n{config}",
                         ["--host", "localhost"])
        self.org = self._organisation(org, now)
        self.post("/v1/roots", self.org.roots[0].object)

    def _organisation(self, name, now):
        """The server has made the CA and the director's key; all others are the test's."""
        org = forge.Org(name, now=now)
        org.ca = x509.load_pem_x509_certificate((self.dir / "ca.pem").read_bytes())
        org.ca_key = self._key("ca.key")
        org.keys["director"] = [forge.Signer("director", self._key("director.key"))]
        org.roots = [org.root(1)]
        return org

    def _key(self, name):
        return serialization.load_pem_private_key((self.dir / name).read_bytes(), None)

    # ---- REST
    def call(self, method, path, body=None, data=None):
        r = self.request(method, f"https://localhost:{self.admin_port}{path}", self.token, json=body, data=data)
        if r.status_code >= 300:
            raise Refused(r)
        return r.json() if r.content and "json" in r.headers.get("Content-Type", "") else r.content

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, body):
        return self.call("POST", path, body)

    def submit(self, *docs):
        for d in docs:
            self.post("/v1/documents", d.object)

    def keep(self, layer):
        """Stores a layer's chunks and their list."""
        for digest, data in layer.files().items():
            self.call("PUT", f"/v1/chunks/{digest}", data=data)

    def device(self, device):
        return self.get(f"/v1/devices/{device}")

    def receipts(self, device, document=None, **want):
        """`document`: the digest of what they are about; others: members of a receipt."""
        path, items = f"/v1/devices/{device}/receipts?limit=500", []
        while path:
            page = self.get(path)
            items += [i["receipt"] for i in page["items"]]
            path = page["next"] and f"/v1/devices/{device}/receipts?limit=500&cursor={page['next']}"
        return [r for r in items if all(r.get(k) == v for k, v in want.items())
                and document in (None, (r.get("document") or {}).get("sha256"))]

    def act(self, device, action, vp=None, name=None, **kw):
        """A signed command; `device` as the server lists it."""
        who = type("Target", (), {"id": device["id"], "epoch": device["epoch"]})
        doc = self.org.command(name or f"{action}-{os.urandom(4).hex()}", who, action, vp, **kw)
        self.post(f"/v1/devices/{device['id']}/actions", {"envelope": doc.object})
        return doc

    def uri(self, group="field", uses=1, ttl=3600, **kw):
        uri, token = self.org.uri(group, host="localhost", port=self.admin_port, **kw)
        admit = hmac.new(token, b"admit", hashlib.sha256).digest()
        self.post("/v1/enrolments", {"admit_sha256": hashlib.sha256(admit).hexdigest(), "group": group,
                                     "ttl": ttl, "uses": uses})
        return uri


def group_of_nothing(server, name="field", version=1):
    """The least that a group can be, so that a snapshot can be made of it."""
    policy = server.org.policy("baseline", version, {"work": [("*", "none")]})
    group = server.org.group(name, version, [policy])
    server.submit(policy, group)
    return json.loads(json.dumps([policy.ref, group.ref]))
