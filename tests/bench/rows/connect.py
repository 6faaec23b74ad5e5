# SPDX-License-Identifier: Apache-2.0
"""How fast a fleet comes back: mutual TLS, WebSocket, hello."""
import contextlib
import re
import subprocess
import time

import harness
from bench import Side
from fleet import fleet

NAME = "connect"
WORK = "500 devices to connected (mutual TLS, P-256, no resumption), 64 at once, client on the same cores"
ROUNDS = 5
LIMIT = "as many handshakes by openssl s_time and s_server, one after the other"
DEVICES = 500
SECONDS = 3


@contextlib.contextmanager
def s_server(f):
    """openssl's own server, with the certificates of ours."""
    port, d = harness.free_port(), f.server.dir
    with subprocess.Popen(["openssl", "s_server", "-accept", str(port), "-cert", d / "server.pem", "-key",
                           d / "server.key", "-quiet", "-no_ticket", "-www"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as p:
        time.sleep(0.3)
        yield port
        p.terminate()


def handshakes(f):
    """Seconds that as many handshakes would take."""
    with s_server(f) as port:
        r = subprocess.run(["openssl", "s_time", "-new", "-connect", f"localhost:{port}", "-time", str(SECONDS)],
                           capture_output=True, text=True, check=False)
    done = re.search(r"(\d+) connections in (\d+) real seconds", r.stdout)
    if not done or int(done[1]) == 0:
        raise OSError(f"openssl s_time: {r.stderr.strip()[:100]}")
    return int(done[2]) / int(done[1]) * f.devices


@contextlib.contextmanager
def sides():
    with fleet(DEVICES) as f:
        yield [Side("cells-mgmtd", lambda: f.sim("connect")["seconds"], ours=True),
               Side("openssl, handshake only", lambda: handshakes(f), "openssl", ["openssl"],
                    "server's certificate only")]
