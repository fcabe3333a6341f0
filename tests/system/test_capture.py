# SPDX-License-Identifier: MIT
"""/capture: what link servers record is what is on the wire, in order of time, for tcpdump and others."""

import re
import socket
import subprocess
from collections import Counter

import pcapng
import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import ARP, Ether

from harness import WAIT_S, Network, Talus, ab, curl, wait_until
from wire import ETH_P_ALL, FRAME_MAX_BYTES, GUEST_MAC, Wire

REQUESTS = 40


@pytest.fixture(name="network", scope="module")
def fixture_network():
    with Network() as network:
        yield network


@pytest.fixture(name="machine", scope="module")
def fixture_machine(network):
    with Talus(network=network, smp=4, words="capture=on") as machine:
        wait_until(lambda: curl(machine, "/4b") == b"pika", "the first page")
        yield machine


def status_of(machine, path, *options):
    """The answer's status and body, whatever it is."""
    done = machine.network.run("curl", "-s", "-m", str(WAIT_S), "-w", "\n%{http_code}", *options,
                               f"http://{machine.address}{path}")
    body, status = done.stdout.rsplit("\n", 1)
    return int(status), body


def essence(frame):
    """What neither a checksum that the card inserts nor the padding of a short frame changes."""
    packet = Ether(frame)[IP]
    segment = packet[TCP]
    payload = bytes(segment.payload)[:packet.len - 4 * packet.ihl - 4 * segment.dataofs]
    return (packet.src, packet.dst, packet.id, segment.sport, segment.dport, segment.seq, segment.ack,
            str(segment.flags), segment.window, str(segment.options), payload)


class Listener:
    """Everything on the TAP device, both ways, from the moment of its making."""

    def __init__(self, network):
        self.socket = network.inside(self._open, network.tap)

    @staticmethod
    def _open(tap):
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        opened.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        opened.bind((tap, 0))
        opened.setblocking(False)
        return opened

    def frames(self):
        found = []
        while True:
            try:
                found.append(self.socket.recv(FRAME_MAX_BYTES))
            except BlockingIOError:
                return found


def of_port_80(frames):
    for frame in frames:
        packet = Ether(frame)
        if TCP in packet and 80 in (packet[TCP].sport, packet[TCP].dport):
            yield frame


def test_it_is_on_and_the_log_says_so_once(machine):
    assert machine.console.count("shown to whoever asks for /capture") == 1


def test_packets_agree_with_those_on_the_wire(machine, network):
    """While ab runs; all four link servers' ways, in one order."""
    seen_before = {essence(frame.data) for frame in pcapng.read(curl(machine, "/capture?protocol=tcp")).frames}
    listener = Listener(network)
    result = ab(machine, "/4b", REQUESTS, 4)
    assert result.failed == 0
    wanted = Counter(map(essence, of_port_80(listener.frames())))
    capture = pcapng.read(curl(machine, "/capture?port=80&protocol=tcp"))
    times = [frame.time_ns for frame in capture.frames]
    assert times == sorted(times)
    found = Counter(essence(frame.data) for frame in capture.frames if essence(frame.data) not in seen_before)
    assert sum(wanted.values()) >= 6 * REQUESTS
    missing = wanted - found
    assert not missing, missing
    for frame in capture.frames:
        assert frame.direction == ("out" if Ether(frame.data).src == GUEST_MAC else "in")
        assert frame.original_bytes == len(frame.data)


def test_each_link_server_has_an_interface_and_statistics(machine):
    capture = pcapng.read(curl(machine, "/capture"))
    link_servers = [node for node, roles in machine.roles().items() if "LS" in roles.split()]
    assert [options[2].decode() for options in capture.interfaces] == [f"node{node}" for node in sorted(link_servers)]
    for number, options in capture.statistics.items():
        delivered = sum(frame.interface == number for frame in capture.frames)
        assert pcapng.count(options, 8) == delivered <= pcapng.count(options, 6) <= pcapng.count(options, 4)
        assert pcapng.count(options, 5) == 0


def test_tcpdump_reads_it(machine, tmp_path):
    path = tmp_path / "talus.pcapng"
    path.write_bytes(curl(machine, "/capture"))
    count = len(pcapng.read(path.read_bytes()).frames)
    # As root it gives up its rights to read files, unless told not to.
    done = subprocess.run(["tcpdump", "-Z", "root", "-n", "-r", path], capture_output=True, text=True, check=True)
    assert len([line for line in done.stdout.splitlines() if not line.startswith("\t")]) == count > 0


def test_the_request_own_connection_is_left_out(machine):
    curl(machine, "/capture", "--local-port", "5555")
    again = pcapng.read(curl(machine, "/capture?seconds=1&port=5556", "--local-port", "5556"))
    assert again.frames == []
    before = pcapng.read(curl(machine, "/capture?port=5555"))
    assert {frame.direction for frame in before.frames} == {"in", "out"}


@pytest.mark.parametrize("words, is_wanted", [
    ("protocol=arp", lambda packet, _: ARP in packet),
    ("protocol=arp+udp&host=192.0.2.1", lambda packet, _: ARP in packet),
    ("direction=in", lambda packet, frame: frame.direction == "in" and packet.src != GUEST_MAC),
    ("direction=out&protocol=tcp", lambda packet, _: TCP in packet and packet.src == GUEST_MAC),
    ("snap=60", lambda _, frame: len(frame.data) <= 60 <= max(60, frame.original_bytes)),
])
def test_words_choose(machine, words, is_wanted):
    # So that ARP is asked now: what was asked at the start may have been pushed out of the ring.
    machine.network.run("ip", "neigh", "flush", "dev", machine.network.tap, check=True)
    curl(machine, "/1k")
    frames = pcapng.read(curl(machine, f"/capture?{words}")).frames
    assert frames and all(is_wanted(Ether(frame.data), frame) for frame in frames)


def test_count_and_bytes_are_limits(machine):
    assert len(pcapng.read(curl(machine, "/capture?count=7")).frames) == 7
    limited = curl(machine, "/capture?bytes=2000")
    assert 0 < len(pcapng.read(limited).frames) and b"bytes= has ended it" in limited


def test_what_is_to_come_is_told_too(machine, network):
    with Wire(network) as wire:
        command = network.command("curl", "-s", f"http://{machine.address}/capture?seconds=3&protocol=arp&direction=in")
        capturing = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            for number in range(1, 40):
                wire.send(Ether(src="52:54:00:aa:00:02", dst="ff:ff:ff:ff:ff:ff")
                          / ARP(op="who-has", psrc=f"192.0.2.{100 + number}", pdst="192.0.2.250"))
                try:
                    capturing.wait(0.1)
                    break
                except subprocess.TimeoutExpired:
                    pass
            file, _ = capturing.communicate(timeout=WAIT_S)
        finally:
            capturing.kill()
    sources = [Ether(frame.data)[ARP].psrc for frame in pcapng.read(file).frames
               if Ether(frame.data)[ARP].pdst == "192.0.2.250"]
    # The last before the end, and others after the beginning.
    assert len(sources) >= 2 and sources == sorted(sources, key=lambda text: int(text.split(".")[3]))


@pytest.mark.parametrize("words, named", [
    ("colour=red", "colour=red"), ("port=0", "port=0"), ("port=80&port=81", "port=81"), ("host=1.2.3", "host=1.2.3"),
    ("protocol=tcp+", "protocol=tcp+"), ("direction=up", "direction=up"), ("snap=13", "snap=13"), ("count", "count"),
    ("seconds=3601", "seconds=3601"), ("bytes=2G", "bytes=2G"), ("&", "``"), ("%3Cb%3E", "%3Cb%3E"),
])
def test_a_wrong_word_is_named(machine, words, named):
    status, body = status_of(machine, f"/capture?{words}")
    assert status == 400 and named in body


def test_head_begins_nothing(machine):
    before = sum(machine.counter("capture_streams_total", result="begun").values())
    assert status_of(machine, "/capture?seconds=9", "-I")[0] == 200
    assert sum(machine.counter("capture_streams_total", result="begun").values()) == before


def test_clients_that_stop_reading_cost_only_their_connections():
    """One web server, whose four captures are taken by clients that read nothing: others are served; a fifth
    capture is refused; when they have gone there is room again."""
    def stop_reading(address):
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((address, 80))
        client.sendall(b"GET /capture?seconds=600 HTTP/1.1\r\nHost: a\r\n\r\n")
        return client

    with Network() as network, Talus(network=network, smp=2, words="capture=256K") as machine:
        clients = [network.inside(stop_reading, machine.address) for _ in range(4)]
        wait_until(lambda: sum(machine.counter("capture_streams_total", result="begun").values()) == 4, "four captures")
        for _ in range(3):
            assert ab(machine, "/100k", 20, 4).failed == 0
        status, body = status_of(machine, "/capture")
        assert status == 503 and "as many captures" in body
        for client in clients:
            client.close()

        def is_free():
            return status_of(machine, "/capture?count=1", "-o", "/dev/null")[0] == 200

        wait_until(is_free, "room for a capture")
        # Of 256 KiB much has been overwritten before it began.
        comment = pcapng.read(curl(machine, "/capture")).statistics[0][pcapng.COMMENT].decode()
        assert int(re.fullmatch(r"(\d+) frames were recorded and overwritten before this capture began", comment)[1]) > 0


@pytest.mark.parametrize("words, said", [("", None), ("capture=off", None), ("capture=maybe", "`maybe`"),
                                         ("capture=on,colour=red", "`colour=red`")])
def test_without_it_there_is_no_such_page(words, said):
    with Network() as network, Talus(network=network, smp=2, words=words) as machine:
        assert status_of(machine, "/capture")[0] == 404
        assert "shown to whoever asks" not in machine.console
        assert said is None or f"capture=: {said}" in machine.console


def test_a_filter_of_the_command_line_bounds_what_is_recorded():
    with Network() as network, Talus(network=network, smp=1, words="capture=64K,protocol=tcp,port=80,snap=60") as machine:
        curl(machine, "/1k")
        frames = pcapng.read(curl(machine, "/capture")).frames
        assert frames and all(TCP in Ether(frame.data) and len(frame.data) <= 60 for frame in frames)


@pytest.mark.only_82599("each link server has a queue of its own")
def test_a_link_server_that_dies_ends_only_what_it_tells():
    """In the middle of a capture, which goes on with the others' frames to its end, and says so."""
    with Network() as network, Talus(network=network, smp=4, words="capture=on") as machine:
        wait_until(lambda: ab(machine, "/4b", 20, 4).failed == 0, "pages")
        command = network.command("curl", "-s", "-S", "--fail", "--local-port", "5557",
                                  f"http://{machine.address}/capture?seconds=4")
        capturing = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            wait_until(lambda: sum(machine.counter("capture_streams_total", result="begun").values()) == 1, "a capture")
            start = len(machine.console)
            machine.type("conns 0\nconns 1\n")
            # Whoever has the capture's own connection shall live.
            owner = int(machine.wait_for(r"node(\d) +192\.0\.2\.1:5557 to port 80", start)[1])
            victim = 1 - owner
            machine.type(f"crash {victim}\n")
            machine.wait_for(f"node{victim} boot: came back as incarnation 2")
            wait_until(lambda: ab(machine, "/4b", 20, 4).failed == 0, "pages")
            file, _ = capturing.communicate(timeout=WAIT_S)
        finally:
            capturing.kill()
        assert capturing.returncode == 0
        capture = pcapng.read(file)
        assert "this node has failed" in capture.statistics[victim][pcapng.COMMENT].decode()
        assert "failed" not in capture.statistics[owner][pcapng.COMMENT].decode()
        assert any(frame.interface == owner for frame in capture.frames)
        # From now on the newcomer records as the one before did.
        assert ab(machine, "/4b", 20, 8).failed == 0
        frames = pcapng.read(curl(machine, "/capture")).frames
        assert {frame.interface for frame in frames} == {0, 1}
