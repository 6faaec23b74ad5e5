# SPDX-License-Identifier: Apache-2.0
"""A real server and one real device that runs two VPs: what several rows measure on."""
import contextlib
import json
import queue
import ssl
import threading

import websocket

import harness
from mgmtd import Mgmtd
from scene import busybox_layer

POLICIES = [[("camera", mode), ("*", "shared")] for mode in ("none", "shared")]


class Plant:
    def __init__(self, world, **device):
        self.server = Mgmtd(world)
        self.org = self.server.org
        self.phone = harness.Device(world, **device)
        self.version = 0
        layer = busybox_layer()
        self.server.keep(layer)
        configs = [self.org.config(name, 1, "tiny", on_boot=True) for name in ("work", "personal")]
        self.server.submit(self.org.image("tiny", 1, [layer]), *configs, self.policy())
        self.server.submit(self.org.group("field", 1, [("baseline", 1)], configs))
        self.phone.start()
        self.phone.ctl("enroll", self.server.uri())
        self.device = self.phone.status()["device"]
        harness.until(lambda: self.server.receipts(self.device, type="applied"))
        harness.until(lambda: all(v["state"] == "background" for v in self.vps()))
        self.events = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        harness.until(lambda: self.listening)

    listening = False

    def vps(self):
        listed = json.loads(self.phone.ctl("list", "--format", "json").stdout)["vps"]
        return listed if len(listed) == 2 else [{"state": "not there yet"}]

    def policy(self):
        self.version += 1
        rules = POLICIES[self.version % len(POLICIES)]
        return self.org.policy("baseline", self.version, {"work": rules, "personal": rules})

    def _listen(self):
        ws = websocket.create_connection(
            f"wss://localhost:{self.server.admin_port}/v1/events", subprotocols=["cells.events.v1"],
            header=[f"Authorization: Bearer {self.server.token}"],
            sslopt={"ca_certs": str(self.server.dir / "ca.pem"), "cert_reqs": ssl.CERT_REQUIRED})
        self.listening = True
        with contextlib.suppress(websocket.WebSocketConnectionClosedException):
            while True:
                self.events.put(json.loads(ws.recv()))

    def wait(self, wanted, seconds=60):
        """The next event that wanted() likes."""
        while True:
            event = self.events.get(timeout=seconds)
            if wanted(event):
                return event
