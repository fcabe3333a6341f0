# SPDX-License-Identifier: MIT
"""webswamp, the load generator: what it says it did is what servers say of it, on a wire between two
Talus machines, as Linux processes and as a program for Linux, beside ab and wrk; and its latencies are
those of an open loop."""

import re
import selectors
import socket
import subprocess
import sys
import threading
import time

import pytest

from harness import (BUILD, KERNEL, REPOSITORY, WAIT_S, Hosted, Network, Nginx, Talus, TapNetwork, ab,
                     make, wait_until, wrk)
from harness.paths import LAUNCHER, QEMU

LINUX = BUILD / "linux" / "webswamp"
HOSTED = BUILD / "hosted" / "talus"
SANITIZED = BUILD / "sanitized" / "hosted" / "talus"
OPEN_LOOP = REPOSITORY / "tests" / "paper" / "open_loop.py"


class Result:
    """What webswamp has printed, the last one of a text."""

    def __init__(self, text):
        last = text[[match.start() for match in re.finditer(r"\d+ requests in", text)][-1]:]
        self.requests = int(re.match(r"\d+", last)[0])
        self.rate = float(re.search(r"Requests/sec: ([0-9.]+)", last)[1])
        errors = re.search(r"errors:(.*)", last)
        self.errors = {kind: int(count) for count, kind in
                       re.findall(r"(\d+) ([^,]+?)(?:,|$)", errors[1].strip())} if errors else {}
        latencies = re.findall(r"latency(?: at most)? in ms:(.*)", text)
        self.ms = {name: float(ms) for name, ms in
                   re.findall(r"(\S+) ([\d.]+)", latencies[-1] if latencies else "")}


class BridgedNetwork(TapNetwork):
    """Two machines and this host on one wire."""

    second_tap, second_address = "tap1", "192.0.2.3"

    def __enter__(self):
        super().__enter__()
        try:
            self.ip("link add br0 type bridge")
            self.ip(f"addr del {self.host_address}/24 dev {self.tap}")
            self.ip(f"tuntap add dev {self.second_tap} mode tap")
            for tap in (self.tap, self.second_tap):
                self.ip(f"link set {tap} master br0 up")
            self.ip(f"addr add {self.host_address}/24 dev br0")
            self.ip("link set br0 up")
        except BaseException:
            self.__exit__()
            raise
        return self


class SecondPort:
    """The same network, by its other device."""

    def __init__(self, network):
        self._network = network
        self.launch_options = ("--tap", network.second_tap)
        self.talus_words = f"net={network.second_address}/24"
        self.guest_address = network.second_address

    def __getattr__(self, name):
        return getattr(self._network, name)


class LoadingMachine(Talus):
    """A machine without web servers, which never has a ready line."""

    def start(self, is_awaited=False):
        return super().start(is_awaited)


class Loading(Hosted):
    """Talus as Linux processes, of which some load a server."""

    def __init__(self, network, program, node_count, words, load):
        super().__init__(network, program, node_count, *words.split(), "--", *load.split())

    def __enter__(self):
        return self

    def result(self, count=1):
        """When so many nodes have ended, and the status of the last."""
        wait_until(lambda: self.console().count("webswamp: ended with status") == count,
                   "the end of the load", self.console)
        status = re.findall(r"ended with status (\d)", self.console())[-1]
        return Result(self.console()), int(status)


def run_linux(network, *words):
    done = network.run(LINUX, *words, timeout=WAIT_S)
    assert "requests in" in done.stdout, done.stdout + done.stderr
    return Result(done.stdout), done.returncode


# --- Two machines ---

@pytest.mark.same_on_any_card("qemu/swamp chooses its card")
def test_two_machines_on_a_wire_of_their_own_exchange_what_the_loader_says(tmp_path):
    capture = tmp_path / "wire.pcap"
    done = subprocess.run(
        [REPOSITORY / "qemu" / "swamp", "--qemu", QEMU, "--kernel", KERNEL, "--smp", "1", "--kvm", "no",
         "--pcap", capture, "--timeout", f"{WAIT_S:.0f}", "--", "-k", "-c", "4", "-n", "300", "--verify",
         "/4b", "/1k"], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = Result(done.stdout)
    assert result.requests == 300 and not result.errors
    wire = capture.read_bytes()
    assert wire.count(b"GET /4b HTTP/1.1\r\n") == wire.count(b"GET /1k HTTP/1.1\r\n") == 150
    assert wire.count(b"HTTP/1.1 200 OK\r\n") == 300


@pytest.mark.same_on_any_card("qemu/swamp chooses its card")
def test_a_load_that_goes_wrong_ends_with_its_status(tmp_path):
    done = subprocess.run(
        [REPOSITORY / "qemu" / "swamp", "--qemu", QEMU, "--kernel", KERNEL, "--smp", "1", "--kvm", "no",
         "--timeout", f"{WAIT_S:.0f}", "--server-log", tmp_path / "server", "--", "-n", "3",
         "http://192.0.2.1:81/"], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert Result(done.stdout).errors == {"connection refused": 3}
    assert "listening on" in (tmp_path / "server").read_text()


def test_make_swamp_passes_on_what_it_is_told():
    shown = make("-n", "V=1", "swamp", "SMP=2", "APPEND=log=debug", "SWAMP=-c 3 -d 1 /x").stdout
    for words in ("qemu/swamp", "--smp 2", "--append 'log=debug'", "-- -c 3 -d 1 /x"):
        assert words in shown, shown


@pytest.mark.parametrize("wire", ["nonsense", "listen=", "connect=/nowhere/wire"])
def test_a_wire_that_cannot_be_is_refused(wire):
    done = subprocess.run([LAUNCHER, "--kernel", KERNEL, "--qemu", QEMU, "--kvm", "no", "--wire", wire],
                          capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode in (2, 125) and "wire" in done.stderr


@pytest.fixture(name="server", scope="module")
def fixture_server():
    with BridgedNetwork() as network, Talus(network=network, smp=2) as server:
        yield server


@pytest.mark.parametrize("kept", ["", "-k"])
def test_a_machine_counts_as_many_requests_as_the_nodes_of_another_say(server, kept):
    before = sum(server.counter("http_requests_total").values())
    load = f"{kept} -c 8 -n 500 --verify http://{server.network.guest_address}/4b /1k /100k"
    with LoadingMachine("--mac", "52:54:00:12:34:57", network=SecondPort(server.network), smp=4,
                        words=f"steer=xor6 app=webswamp:2 -- {load}") as loader:
        loader.wait_for(r"(?s)ended with status \d.*ended with status \d")
        assert re.findall(r"ended with status (\d)", loader.console) == ["0", "0"]
        each = re.findall(r"webswamp: +(\d+) requests in", loader.console)
    assert sorted(each) == ["1000", "500", "500"]  # with the sum
    assert "2 of 2 nodes:" in loader.console
    # And one that was asked before, for the counter itself.
    assert sum(server.counter("http_requests_total").values()) - before == 1000 + 1


# --- Linux' servers, and other loads ---

def test_nginx_logs_what_each_load_generator_claims():
    with TapNetwork() as network, Nginx(network) as nginx:
        url = f"http://{nginx.address}"
        with Loading(network, SANITIZED, 2, "app=webswamp:1", f"-c 8 -n 300 {url}/1k") as talus:
            result, status = talus.result()
        assert (result.requests, result.errors, status) == (300, {}, 0)
        nginx.wait_until_served("/1k", 300)
        with Loading(network, HOSTED, 2, "app=webswamp:1", f"-k -c 8 -n 1000 {url}/1k") as talus:
            result, status = talus.result()
        assert (result.requests, result.errors, status) == (1000, {}, 0)
        nginx.wait_until_served("/1k", 1300)
        result, status = run_linux(network, "-k", "-c", "8", "-n", "1000", "--verify", f"{url}/100k")
        assert (result.requests, result.errors, status) == (1000, {}, 0)
        result, status = run_linux(network, "-n", "10", f"{url}/none")
        assert (result.requests, result.errors, status) == (10, {"status 400 or more": 10}, 1)
        assert ab(nginx, "/100k", 200, 8).failed == 0
        nginx.wait_until_served("/100k", 1200)
        assert (nginx.served("/1k"), nginx.served("/100k"), nginx.served("/none", 404)) == (1300, 1200, 10)
        before = nginx.served("/4b")
        claimed = wrk(nginx, "/4b", 8, 1, threads=1)
        nginx.wait_until_served("/4b", before + claimed.requests)
        # It forgets what is under way at its end.
        assert nginx.served("/4b") - before - claimed.requests <= 8


@pytest.mark.parametrize("address, options, error", [
    ("192.0.2.1:81", "", "connection refused"),
    ("192.0.2.77", "", "unreachable"),
    # The gateway takes its SYNs, and knows no way for them.
    ("198.51.100.1", "-s 100ms", "no connection in time"),
])
def test_who_is_not_there_is_said_to_be(address, options, error):
    with TapNetwork() as network:
        network.run("sysctl", "-w", "net.ipv4.ip_forward=1", check=True)
        network.run("ip", "route", "add", "blackhole", "198.51.100.0/24", check=True)
        with Loading(network, HOSTED, 1, "app=webswamp", f"{options} -c 4 -n 4 http://{address}/") as talus:
            result, status = talus.result()
    assert (result.requests, result.errors, status) == (0, {error: 4}, 1)


# --- Latency ---

class Stalling(threading.Thread):
    """A server inside a network that answers one request after the other, and once, before request
    `stall_at` of all, stands still for a second."""

    ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npika"
    CLOSES = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\npika"

    def __init__(self, network, stall_at):
        super().__init__(daemon=True)
        self._stall_at = stall_at
        self.count = 0
        self._listener = network.inside(
            lambda: socket.create_server((network.host_address, 8080), backlog=1024))
        self._end, self._told = socket.socketpair()
        self.address = f"{network.host_address}:8080"

    def run(self):
        selector = selectors.DefaultSelector()
        for each in (self._listener, self._told):
            selector.register(each, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is self._told:
                    return
                if key.fileobj is self._listener:
                    selector.register(self._listener.accept()[0], selectors.EVENT_READ)
                elif not self._answer(key.fileobj):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()

    def _answer(self, connection):
        try:
            request = connection.recv(4096)
            if not request:
                return False
            self.count += 1
            if self.count == self._stall_at:
                time.sleep(1)
            closes = b"Connection: close" in request
            connection.sendall(self.CLOSES if closes else self.ANSWER)
            return not closes
        except OSError:
            return False

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._end.close()
        self.join(WAIT_S)
        self._told.close()
        self._listener.close()


RATE, COUNT = 500, 1500


def test_a_second_that_the_server_stands_still_is_in_the_99th_percentile_of_a_fixed_rate():
    """500 requests were due in it, a third of all; so a tenth of all had to wait for 0.7 s. Who waits for
    answers before asking again has met it with eight requests, which are no hundredth of his."""
    with Network() as network:
        with Stalling(network, COUNT // 3) as server:
            result, status = run_linux(network, "-k", "-c", "8", "-R", RATE, "-n", COUNT,
                                       f"http://{server.address}/4b")
        assert (result.requests, status, server.count) == (COUNT, 0, COUNT)
        assert result.ms["p90"] >= 700 and result.ms["p99"] >= 950
        with Stalling(network, COUNT // 3) as server:
            closed, status = run_linux(network, "-k", "-c", "8", "-n", COUNT,
                                       f"http://{server.address}/4b")
        assert (closed.requests, status) == (COUNT, 0)
        assert closed.ms["max"] >= 1000 and closed.ms["p90"] < result.ms["p90"] / 2


def test_an_open_loop_of_another_make_sees_the_same_second():
    """It opens a connection for each request when that is due, however many are open."""
    with Network() as network:
        with Stalling(network, COUNT // 3) as server:
            result, _ = run_linux(network, "-c", "1500", "-R", RATE, "-n", COUNT,
                                  f"http://{server.address}/4b")
        with Stalling(network, COUNT // 3) as server:
            address, port = server.address.split(":")
            done = network.run(sys.executable, OPEN_LOOP, address, port, RATE, COUNT / RATE)
        times_ms = sorted(float(line.split()[1]) / 1000 for line in done.stdout.splitlines()
                          if "failed" not in line)
        assert len(times_ms) == result.requests == COUNT
        for name, share, least_ms in (("p90", 0.90, 700), ("p99", 0.99, 950)):
            assert result.ms[name] >= least_ms and times_ms[int(COUNT * share) - 1] >= least_ms


def test_talus_at_a_fixed_rate_tells_of_the_second_too():
    with TapNetwork() as network, Stalling(network, COUNT // 3) as server, \
            Loading(network, HOSTED, 2, "app=webswamp:1",
                    f"-k -c 8 -R {RATE} -n {COUNT} http://{server.address}/4b") as talus:
        result, status = talus.result()
    assert (result.requests, result.errors, status) == (COUNT, {}, 0)
    assert result.ms["p90"] >= 700 and result.ms["p99"] >= 950
