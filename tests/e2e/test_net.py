# SPDX-License-Identifier: Apache-2.0
"""The network of VPs. cellsd runs in a network namespace of the test's own, with another one as its internet."""
import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

import harness
import sdbus
from vpdevice import Phone

if not shutil.which("nsenter") or not shutil.which("ip"):
    pytest.skip("needs nsenter and ip", allow_module_level=True)

INTERNET = pathlib.Path(__file__).with_name("internet.py")
SERVER, OTHER, DNS = "198.51.100.1", "198.51.100.2", "192.0.2.1"
UPLINK = "192.0.2.2"
NAT = {"nat": ("b", True)}
TCP, UDP = 6, 17


def number(address):
    a, b, c, d = map(int, address.split("."))
    return a << 24 | b << 16 | c << 8 | d


class Namespace:
    """A network namespace that lives as long as a process of ours."""

    def __init__(self, world):
        # A new one forwards if the machine's own does just then.
        self.child = subprocess.Popen(["unshare", "--net", "sh", "-c",
                                       "echo 0 > /proc/sys/net/ipv4/ip_forward; echo; exec sleep 3600"], stdout=subprocess.PIPE)
        self.child.stdout.readline()
        world.closers.append(self.close)

    def close(self):
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()

    @property
    def path(self):
        return f"/proc/{self.child.pid}/ns/net"

    def argv(self, *argv):
        return ["nsenter", f"--net={self.path}", "--", *map(str, argv)]

    @contextlib.contextmanager
    def entered(self):
        """Sockets made here, and threads that begin here, are in it."""
        libc, ours = ctypes.CDLL("libc.so.6", use_errno=True), os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        theirs = os.open(self.path, os.O_RDONLY)
        try:
            assert libc.setns(theirs, 0) == 0, os.strerror(ctypes.get_errno())
            yield
        finally:
            assert libc.setns(ours, 0) == 0
            os.close(ours)
            os.close(theirs)

    def run(self, *argv, check=True):
        return harness.run(self.argv(*argv), check=check)

    def ip(self, line):
        return self.run("ip", *line.split()).stdout

    def serve(self, world, *places):
        p = subprocess.Popen(self.argv(sys.executable, INTERNET, *places), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert p.stdout.readline() == b"ready\n"
        world.closers.append(lambda: end(p))

    def ruleset(self):
        """What nftables has, in a child that enters the namespace."""
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                fd = os.open(self.path, os.O_RDONLY)
                assert ctypes.CDLL("libc.so.6").setns(fd, 0) == 0
                lib = ctypes.CDLL("libnftables.so.1")
                lib.nft_ctx_new.restype = lib.nft_ctx_get_output_buffer.restype = ctypes.c_void_p
                ctx = ctypes.c_void_p(lib.nft_ctx_new(0))
                lib.nft_ctx_buffer_output(ctx)
                lib.nft_run_cmd_from_buffer(ctx, b"list ruleset")
                text = ctypes.string_at(lib.nft_ctx_get_output_buffer(ctx))
                while text:
                    text = text[os.write(w, text):]
            finally:
                os._exit(0)
        os.close(w)
        with os.fdopen(r) as f:
            text = f.read()
        os.waitpid(pid, 0)
        return text

    def links(self):
        return re.findall(r"^\d+: ([^:@]+)", self.ip("-o link"), re.M)

    def forwards(self):
        return self.run("cat", "/proc/sys/net/ipv4/ip_forward").stdout.strip() == "1"


def end(p):
    p.kill()
    p.wait()
    p.stdin.close()
    p.stdout.close()


def connected(world):
    """A host's network and the internet behind it."""
    host, internet = Namespace(world), Namespace(world)
    host.ip("link set lo up")
    internet.ip("link set lo up")
    host.ip(f"link add up0 type veth peer name in0 netns {internet.child.pid}")
    host.ip(f"addr add {UPLINK}/24 dev up0")
    host.ip("link set up0 up")
    for line in (f"addr add {DNS}/24 dev in0", f"addr add {SERVER}/32 dev lo", f"addr add {OTHER}/32 dev lo",
                 "link set in0 up"):
        internet.ip(line)
    host.ip(f"route add default via {DNS}")
    internet.serve(world, f"{SERVER}:80", f"{SERVER}:81", f"{OTHER}:80", f"{SERVER}:19", f"{DNS}:53", f"{DNS}:80")
    host.serve(world, f"{UPLINK}:80", "0.0.0.0:22", "127.0.0.1:53")
    return host, internet


class Connected(Phone):
    def __init__(self):
        super().__init__()
        try:
            self.connect()
        except BaseException:
            self.close()
            raise

    def connect(self):
        self.host, self.internet = connected(self.world)
        self.configure(f"dns = {DNS}\n")
        self.cellsd.inside = self.host.argv()

    def configure(self, text, prepared=0):
        (self.folder / "cellsd.conf").write_text("stop-seconds = 3\npressure-ms = 0\nmerge-memory = no\n"
                                                  f"prepared-starts = {prepared}\n" + text)

    def address(self, vp):
        return self.list()[vp]["address"]

    def says(self, vp, place, seconds=3):
        """What a server says first, or ''."""
        host, port = place.split(":")
        return self.exec(vp, "/bin/sh", "-c", f"busybox nc -w {seconds} {host} {port} </dev/null 2>/dev/null | busybox head -c 200")[1].strip()

    def reaches(self, vp, place):
        """Quickly for what answers; what does not is given a second."""
        return bool(self.says(vp, place, 1))


@pytest.fixture(name="net")
def fixture_net():
    p = Connected()
    try:
        yield p.start()
    finally:
        p.close()


def start(net, vps=("work", "personal"), **conf):
    net.apply(list(vps), [], **{**NAT, **conf})
    for vp in vps:
        net.policy("Start", "s", vp)


def allow(*rows):
    """(address/prefix, protocol, port)"""
    return {"allow": ("a(uyyq)", [(number(a.split("/")[0]), int(a.split("/")[1]), p, port) for a, p, port in rows])}


def test_a_vp_reaches_the_world_and_nothing_near(net):
    start(net)
    assert net.says("work", f"{SERVER}:80") == f"{SERVER}:80 sees {UPLINK}", "behind NAT"
    assert net.says("personal", f"{OTHER}:80") == f"{OTHER}:80 sees {UPLINK}"
    assert "not-enforced" in net.list()["work"] and "network" not in net.list()["work"]["not-enforced"]
    work, personal = net.address("work"), net.address("personal")
    assert work != personal and work.startswith("10.213.")
    # The other VP, by a server in it; the host, by each of its addresses.
    net.background("personal", "while :; do echo hello | busybox nc -l -p 8000; done")
    # What the host asks of a VP is answered: the rules end there, not the path.
    harness.until(lambda: "hello" in net.host.run("busybox", "nc", "-w", "1", personal, "8000", check=False).stdout, 10)
    for place in (*[f"{personal}:8000"] * 3, f"{UPLINK}:80", f"{UPLINK}:22", f"{gateway(work)}:22", f"{gateway(work)}:80"):
        assert not net.reaches("work", place), place
    assert sorted(re.findall(r"^\d+: ([^:@]+)", net.exec("work", "/bin/busybox", "ip", "-o", "link")[1], re.M)) == ["eth0", "lo"]


def gateway(address):
    head, last = address.rsplit(".", 1)
    return f"{head}.{int(last) - 1}"


def test_dns_is_forwarded_wherever_it_is_sent(net):
    start(net)
    assert net.exec("work", "/bin/busybox", "cat", "/etc/resolv.conf")[1] == f"nameserver {gateway(net.address('work'))}\n"
    for server in ((), (gateway(net.address("work")),), ("203.0.113.99",)):
        status, out = net.exec("work", "/bin/busybox", "nslookup", "-type=a", "example.org", *server)
        assert "203.0.113.7" in out, (server, status, out)


def test_dns_of_a_resolver_on_the_host(net):
    net.configure("dns = 127.0.0.1\n")
    net.cellsd.restart()
    net.give()
    start(net, ["work"])
    assert "203.0.113.7" in net.exec("work", "/bin/busybox", "nslookup", "-type=a", "example.org")[1]
    assert not net.reaches("work", "127.0.0.1:22") and not net.reaches("work", f"{gateway(net.address('work'))}:22")
    # With a route of its own making the VP still gets no further than input.
    net.exec("work", "/bin/busybox", "sh", "-c", "busybox ip link set lo down; busybox ip route add 127.0.0.1/32 dev eth0")
    assert not net.reaches("work", "127.0.0.1:22")


def echoes(net):
    """Questions by IPv6 that have come to the internet."""
    return int(re.search(r"^Icmp6InEchos\s+(\d+)", net.internet.run("cat", "/proc/net/snmp6").stdout, re.M).group(1))


def test_no_ipv6_gets_out(net):
    """Though the host has it and forwards it, and the VP gives itself an address and a way."""
    start(net, ["work"])
    for space, name, address in ((net.internet, "in0", "2001:db8::1"), (net.host, "up0", "2001:db8::2")):
        space.ip(f"-6 addr add {address}/64 dev {name} nodad")
    net.host.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding")
    harness.until(lambda: net.host.run("busybox", "ping6", "-c", "1", "-W", "1", "2001:db8::1", check=False).returncode == 0, 10)
    link = next(name for name in net.host.links() if name.startswith("cells"))
    mac = re.search(r"link/ether (\S+)", net.host.ip(f"link show {link}")).group(1)
    within = ["nsenter", f"--net=/proc/{net.list()['work']['pid']}/ns/net", "--", "ip", "-6"]
    for line in ("addr add 2001:db8:1::2/64 dev eth0 nodad", f"neigh add 2001:db8:1::1 lladdr {mac} dev eth0",
                 "route add default via 2001:db8:1::1"):
        harness.run([*within, *line.split()])
    before = echoes(net)
    out = net.exec("work", "/bin/busybox", "ping6", "-c", "3", "-W", "1", "2001:db8::1")[1]
    assert "3 packets transmitted, 0 packets received" in out, out
    assert echoes(net) == before
    assert net.reaches("work", f"{SERVER}:80")


def test_an_allow_list_is_all_that_is_reached(net):
    start(net, ["work"], **allow((f"{SERVER}/32", TCP, 80), ("192.0.2.0/24", 0, 0)))
    start(net, ["work", "personal"], **allow((f"{SERVER}/32", TCP, 80), ("192.0.2.0/24", 0, 0)))
    for vp in ("work", "personal"):
        assert net.reaches(vp, f"{SERVER}:80") and net.reaches(vp, f"{DNS}:80")
        assert not net.reaches(vp, f"{SERVER}:81") and not net.reaches(vp, f"{OTHER}:80")
        assert "203.0.113.7" in net.exec(vp, "/bin/busybox", "nslookup", "-type=a", "example.org")[1]
    # Another list holds at once.
    net.apply(["work", "personal"], [], **NAT, **allow((f"{OTHER}/32", 0, 80)))
    assert net.reaches("work", f"{OTHER}:80") and not net.reaches("work", f"{SERVER}:80")
    net.apply(["work", "personal"], [], **NAT)
    assert net.reaches("work", f"{SERVER}:81")


def test_no_vp_speaks_for_another(net):
    start(net)
    other = net.address("personal")
    net.exec("work", "/bin/busybox", "ip", "addr", "add", f"{other}/32", "dev", "eth0")
    out = net.exec("work", "/bin/busybox", "sh", "-c", f"busybox ping -c 1 -W 1 -I {other} {SERVER}; busybox ping -c 1 -W 1 {SERVER}")[1]
    assert "1 packets received" in out and "0 packets received" in out, out
    for vp in ("work", "personal"):
        assert net.reaches(vp, f"{SERVER}:80")


def received(net, vp, seconds):
    out = net.exec(vp, "/bin/sh", "-c", f"busybox timeout {seconds} busybox nc {SERVER} 19 2>/dev/null | busybox wc -c")[1]
    return int(re.search(r"^\d+$", out, re.M).group()) / seconds


def test_rate(net):
    start(net, ["work"], **{"net-rate": ("t", 500000)})
    slow = received(net, "work", 3)
    net.apply(["work"], [], **NAT)
    fast = received(net, "work", 2)
    assert 20000 < slow < 1200000 and fast > 4 * slow, (slow, fast)


def test_without_a_network_there_is_loopback_only(net):
    net.apply(["work"], [])
    net.policy("Start", "s", "work")
    assert net.address("work") == "" and "network" not in net.list()["work"]["not-enforced"]
    assert re.findall(r"^\d+: ([^:@]+)", net.exec("work", "/bin/busybox", "ip", "-o", "link")[1], re.M) == ["lo"]
    assert net.host.links() == ["lo", "up0"] and net.host.ruleset() == "" and not net.host.forwards()


def test_a_network_taken_away_is_gone_at_once(net):
    start(net)
    net.apply(["work", "personal"], [], nat=("b", False))
    assert not net.reaches("work", f"{SERVER}:80") and net.address("work") == ""
    assert net.host.ruleset() == "" and net.host.links() == ["lo", "up0"]


def test_nothing_is_left(net):
    start(net)
    assert "table inet cells" in net.host.ruleset() and net.host.forwards()
    net.policy("Stop", "s", "work")
    assert net.reaches("personal", f"{SERVER}:80")
    assert len([n for n in net.host.links() if n.startswith("cells")]) == 1
    net.policy("Stop", "s", "personal")
    assert net.host.ruleset() == "" and net.host.links() == ["lo", "up0"] and not net.host.forwards()
    fds = pathlib.Path(f"/proc/{net.cellsd.child.pid}/fd")
    before = len(list(fds.iterdir()))
    for _ in range(3):
        net.policy("Start", "s", "work")
        assert net.reaches("work", f"{SERVER}:80")
        net.policy("Stop", "s", "work")
    assert len(list(fds.iterdir())) == before
    assert net.host.ruleset() == "" and net.host.links() == ["lo", "up0"]


def test_what_a_dead_daemon_left_is_swept(net):
    start(net)
    pids = [p["pid"] for p in net.list().values()]
    net.cellsd.kill()
    net.host.ip("link add cells4711 type veth peer name x")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    net.cellsd.start()
    harness.until(lambda: net.host.links() == ["lo", "up0"], 5)
    assert net.host.ruleset() == "" and not net.host.forwards()


def test_a_prepared_vp_has_its_network_and_leaves_none(net):
    net.configure(f"dns = {DNS}\n", prepared=1)
    net.cellsd.restart()
    net.give()
    start(net, ["work"])
    address = net.address("work")
    net.policy("Stop", "s", "work")
    net.await_prepared("work")
    assert f". {address}" in net.host.ruleset() and net.address("work") == ""
    for _ in range(2):
        net.policy("Start", "s", "work")
        assert net.address("work") == address and net.reaches("work", f"{SERVER}:80")
        assert "203.0.113.7" in net.exec("work", "/bin/busybox", "nslookup", "-type=a", "example.org")[1]
        net.policy("Stop", "s", "work")
        net.await_prepared("work")
    # Rules that change hold for its start.
    net.apply(["work"], [], **NAT, **allow((f"{OTHER}/32", 0, 80)))
    net.await_prepared("work")
    net.policy("Start", "s", "work")
    assert net.reaches("work", f"{OTHER}:80") and not net.reaches("work", f"{SERVER}:80")
    net.policy("Stop", "s", "work")
    net.await_prepared("work")
    net.cellsd.kill()
    net.cellsd.start()
    assert not [x for x in net.host.links() if x.startswith("cells")] and "table inet cells" not in net.host.ruleset()
    assert not net.host.forwards()
    net.give()
    net.await_prepared("work")
    assert f". {address}" in net.host.ruleset()
    # The key goes first.
    net.policy("Lock", "s", "work")
    harness.until(lambda: net.host.ruleset() == "" and net.host.links() == ["lo", "up0"] and not net.host.forwards())


def test_a_router_stays_one_for_others(net):
    net.host.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    start(net, ["work"])
    assert net.reaches("work", f"{SERVER}:80")
    assert len(re.findall(r"^\t+drop$", net.host.ruleset(), re.M)) == 1, "input's; forward is for others, too"
    net.policy("Stop", "s", "work")
    assert net.host.forwards()


def talker(net, vp):
    """A TCP connection of the VP that stays: says a number each 100 ms and writes what comes back."""
    net.background(vp, f"i=0; while :; do echo $i; i=$((i+1)); busybox sleep 0.1; done | busybox nc {SERVER} 80 > /tmp/heard")
    return lambda: len(net.exec(vp, "/bin/busybox", "cat", "/tmp/heard")[1].splitlines())


def test_connections_outlive_the_daemon(net):
    start(net)
    heard = talker(net, "work")
    harness.until(lambda: heard() > 3)
    before = net.list()
    for sig in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        net.cellsd.kill(sig)
        time.sleep(0.3)
        net.cellsd.start()
        net.give()
    assert {v: p["address"] for v, p in net.list().items()} == {v: p["address"] for v, p in before.items()}
    now = heard()
    harness.until(lambda: heard() > now + 5, 5)
    # And a start of another VP, a new list for this one.
    net.policy("Stop", "s", "personal")
    net.apply(["work", "personal"], [], **NAT, **allow((f"{SERVER}/32", TCP, 80)))
    net.policy("Start", "s", "personal")
    now = heard()
    harness.until(lambda: heard() > now + 5, 5)
    net.apply(["work", "personal"], [], **NAT, **allow((f"{OTHER}/32", TCP, 80)))
    time.sleep(0.5)
    now = heard()
    time.sleep(1)
    assert heard() == now, "a list holds for open connections, too"


def test_addresses_avoid_the_host_s_routes(net):
    net.configure(f"dns = {DNS}\nnetwork-range = 10.9.0.0/28\n")
    net.cellsd.restart()
    net.give()
    net.host.ip("route add 10.9.0.0/29 via 192.0.2.1")
    start(net)
    assert {net.address("work"), net.address("personal")} < {f"10.9.0.{i}" for i in (9, 11, 13, 15)}
    net.policy("Stop", "s", "personal")
    # None is left: reported, and no network rather than a wrong one.
    net.host.ip("route add 10.9.0.8/29 via 192.0.2.1")
    net.policy("Start", "s", "personal")
    assert net.address("personal") == "" and "network" in net.list()["personal"]["not-enforced"]
    assert "choose another" in net.cellsd.tail()
    assert net.reaches("work", f"{SERVER}:80")


def test_network_off(net):
    net.configure("network = no\n")
    net.cellsd.restart()
    net.give()
    start(net, ["work"])
    assert net.address("work") == "" and "network" in net.list()["work"]["not-enforced"]
    assert net.host.ruleset() == "" and net.host.links() == ["lo", "up0"] and not net.host.forwards()


@pytest.mark.parametrize("line", ["network-range = 10.0.0.1/8", "network-range = 10.0.0.0/31", "network-range = x/16",
                                  "dns = ::1", "network = maybe", "network-range = 10.0.0.0"])
def test_bad_configuration(tmp_path, line):
    (tmp_path / "c.conf").write_text(line + "\n")
    r = harness.run([harness.program("cellsd"), "--config", tmp_path / "c.conf", "--check-config"], check=False)
    assert r.returncode == 64 and line.split()[0] in r.stderr, r.stderr


def test_bad_rows_are_refused(net):
    for rows in ([(number("10.0.0.1"), 8, 0, 0)], [(0, 33, 0, 0)], [(0, 0, 1, 0)], [(0, 0, 6, p) for p in range(65)]):
        with pytest.raises(sdbus.Error):
            net.apply(["work"], [], allow=("a(uyyq)", rows))
