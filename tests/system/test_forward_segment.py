# SPDX-License-Identifier: MIT
"""Talus in front of servers on Linux, segment by segment: each end has the other one's TCP. The client
and the servers are this host's, at addresses of their own; a look at the wire compares what comes to
Talus with what goes on."""

import errno
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from harness import WAIT_S, HarnessError, Network, Talus, curl, wait_until

BACKENDS = ("192.0.2.51", "192.0.2.52")
LATE = "192.0.2.53"
BACKEND_PORT = 9000
ABSENT = "192.0.2.77"
WEB_PORT, HASH_PORT, PLAIN_PORT, ABSENT_PORT, CHECKED_PORT = range(8000, 8005)
PAGE = bytes(range(256)) * 400
TCP_INFO_UNACKED = 24  # <linux/tcp.h>, struct tcp_info
ETH_P_ALL = 3

WORDS = (f"steer=xor6 pika=TS2LS2CM2 app=forward:1 -- "
         f"--listen {WEB_PORT} --mode segment --check none --backends {BACKENDS[0]}:80,{BACKENDS[1]}:80 "
         f"--listen {HASH_PORT} --mode segment --balance hash --check none "
         f"--backends {BACKENDS[0]}:80,{BACKENDS[1]}:80 "
         f"--listen {PLAIN_PORT} --mode segment --check none --backends {BACKENDS[0]}:{BACKEND_PORT} "
         f"--listen {ABSENT_PORT} --mode segment --check none --backends {ABSENT}:80 "
         f"--listen {CHECKED_PORT} --mode segment --interval 100 --fall 2 --rise 2 "
         f"--backends {BACKENDS[0]}:80,{LATE}:80")

NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error; worker_processes 1;
events {{}}
http {{
    access_log off; keepalive_requests 100000;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{ listen {address}:80; root {folder}; add_header X-Backend {address}; }}
}}
"""


class Nginx:
    """At one address of a network. Use with `with`."""

    def __init__(self, network, address):
        self._network, self._address = network, address
        self._folder = self._process = None

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="talus-nginx-")
        folder = Path(self._folder.name)
        folder.chmod(0o755)
        (folder / "page").write_bytes(PAGE)
        (folder / "configuration").write_text(NGINX.format(folder=folder, address=self._address))
        self._process = subprocess.Popen(
            self._network.command("nginx", "-p", folder, "-c", folder / "configuration"),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._is_up, "nginx to listen", lambda: (folder / "error").read_text())
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(WAIT_S)
        self._folder.cleanup()

    def _is_up(self):
        def try_it():
            with socket.socket() as connection:
                return connection.connect_ex((self._address, 80)) == 0

        return self._network.inside(try_it)


class Service:
    """A port of the machine's, as curl() wants a machine."""

    def __init__(self, machine, port):
        self.network, self.last_lines = machine.network, machine.last_lines
        self.address = f"{machine.network.guest_address}:{port}"


class Forwarder(Talus):
    """It listens at none of its ports: it is ready when both transport servers forward them."""

    def start(self):
        super().start(is_awaited=False)
        self.wait_for(r"5 ports are forwarded(?s:.*)5 ports are forwarded")
        return self


@pytest.fixture(scope="module")
def machine():
    with Network() as network:
        for address in (*BACKENDS, LATE):
            network.run("ip", "addr", "add", f"{address}/24", "dev", network.tap, check=True)
        with Forwarder(network=network, words=WORDS, smp=3) as talus:
            yield talus


@pytest.fixture(scope="module")
def web(machine):
    with Nginx(machine.network, BACKENDS[0]), Nginx(machine.network, BACKENDS[1]):
        yield machine


@pytest.fixture(name="listener")
def fixture_listener(machine):
    with machine.network.inside(socket.socket) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.settimeout(WAIT_S)
        opened.bind((BACKENDS[0], BACKEND_PORT))
        opened.listen()
        yield opened


class Connection:
    """Through the machine: the client's socket, and the one that the backend has accepted."""

    def __init__(self, machine, listener):
        self._client = machine.network.inside(socket.create_connection,
                                              (machine.network.guest_address, PLAIN_PORT), WAIT_S)
        self._backend, _ = listener.accept()
        self._backend.settimeout(WAIT_S)

    def __enter__(self):
        return self._client, self._backend

    def __exit__(self, *_):
        self._client.close()
        self._backend.close()


class Wire:
    """What passes the machine's card, both ways. Use with `with`."""

    def __init__(self, network):
        self._network = network
        self._socket = None

    def __enter__(self):
        def open_it():
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            opened.bind((self._network.tap, 0))
            opened.setblocking(False)
            return opened

        self._socket = self._network.inside(open_it)
        return self

    def __exit__(self, *_):
        self._socket.close()

    def segments(self, source, destination):
        """What TCP's headers say, but for ports and checksums, of all segments between these on
        their way to and from the plain backend: checks of others pass by, too."""
        found = []
        for frame in self._frames():
            tcp = frame[TCP]
            is_plain = {tcp.sport, tcp.dport} & {PLAIN_PORT, BACKEND_PORT}
            if is_plain and frame[IP].src == source and frame[IP].dst == destination:
                end = frame[IP].len - 20
                found.append((int(tcp.flags), tcp.seq, tcp.ack, tcp.window, tcp.urgptr,
                              bytes(tcp)[20:end]))
        return found

    def _frames(self):
        if not hasattr(self, "_seen"):
            self._seen = []
        while True:
            try:
                frame = Ether(self._socket.recv(2048))
            except BlockingIOError:
                return self._seen
            if TCP in frame:
                self._seen.append(frame)


def unacknowledged(connection):
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return struct.unpack_from("I", info, TCP_INFO_UNACKED)[0]


def receive_all(connection):
    return b"".join(iter(lambda: connection.recv(65536), b""))


def backends_of(machine, port, count):
    """Which ones have answered so many requests, each on a connection of its own."""
    service = Service(machine, port)
    found = []
    for _ in range(count):
        answer = curl(service, "/page", "--include", "--header", "Connection: close")
        head, _, page = answer.partition(b"\r\n\r\n")
        assert page == PAGE
        found.append(head.partition(b"X-Backend: ")[2].split(b"\r\n")[0].decode())
    return found


def test_pages_of_nginx_come_through_from_each_backend_in_turn(web):
    found = backends_of(web, WEB_PORT, 12)
    assert {found.count(address) for address in BACKENDS} <= {5, 6, 7}, found


def test_by_the_clients_address_all_of_its_connections_go_to_one_backend(web):
    assert len(set(backends_of(web, HASH_PORT, 6))) == 1


def test_many_requests_at_a_time_find_their_answers(web):
    service = Service(web, WEB_PORT)
    done = web.network.run("ab", "-n", "400", "-c", "20", f"http://{service.address}/page", check=True)
    assert "Complete requests:      400" in done.stdout and "Failed requests:        0" in done.stdout


def test_a_backend_that_does_not_answer_checks_gets_nothing_before_it_does(web):
    def all_go_to(addresses):
        try:
            return set(backends_of(web, CHECKED_PORT, 6)) == set(addresses)
        except HarnessError:
            return False  # it has not been found out yet

    wait_until(lambda: all_go_to(BACKENDS[:1]), "all to go to the other one")
    with Nginx(web.network, LATE):
        wait_until(lambda: all_go_to((BACKENDS[0], LATE)), "it to take part")


@pytest.mark.only_82599("a virtio card hands over long segments whole, and they go on in pieces")
def test_what_one_end_says_the_other_hears_as_it_was_said(machine, listener):
    """Handshake with all options, data both ways, urgent data, a closed window that opens, each end's
    FIN: the same segments in the same order on both sides of the machine."""
    own, guest = machine.network.host_address, machine.network.guest_address
    # The backend accepts little: its window closes.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with Wire(machine.network) as wire:
        with Connection(machine, listener) as (client, backend):
            client.sendall(b"hello")
            assert backend.recv(5) == b"hello"
            backend.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
            client.send(b"!", socket.MSG_OOB)
            assert backend.recv(1) == b"!"
            client.setblocking(False)
            sent = fill(client)
            wait_until(lambda: any(window == 0 for flags, *_, window, _, _ in
                                   wire.segments(guest, own) if not flags & 4), "a closed window")
            client.settimeout(WAIT_S)
            received = 0
            while received < sent:
                received += len(backend.recv(65536))
            backend.sendall(b"answer")
            assert client.recv(6) == b"answer"
            client.shutdown(socket.SHUT_WR)
            assert backend.recv(1) == b""
            backend.sendall(b"more")
            backend.close()
            assert receive_all(client) == b"more"

        def is_the_same(came, went):
            return len(came) == len(went) > 4 and came == went

        wait_until(lambda: is_the_same(wire.segments(own, guest), wire.segments(guest, BACKENDS[0]))
                   and is_the_same(wire.segments(BACKENDS[0], guest), wire.segments(guest, own)),
                   "both sides to be the same")
        went = wire.segments(guest, BACKENDS[0])
        assert went[0][0] == 2 and len(went[0][5]) == 20  # MSS, SACK, timestamps, window scale
        assert any(flags & 0x20 for flags, *_ in went)


def fill(connection):
    """Send until it takes no more. Returns how many bytes."""
    count = 0
    try:
        while count < 1 << 20:
            count += connection.send(b"x" * 65536)
    except BlockingIOError:
        pass
    return count


def test_an_acknowledgement_means_that_the_other_end_has_it(machine, listener):
    with Connection(machine, listener) as (client, backend):
        client.sendall(b"one")
        assert backend.recv(3) == b"one"
        wait_until(lambda: unacknowledged(client) == 0, "the acknowledgement")
        network = machine.network
        network.run("ip", "addr", "del", f"{BACKENDS[0]}/24", "dev", network.tap, check=True)
        try:
            client.sendall(b"two")
            time.sleep(0.5)  # long enough for who would answer in the backend's place
            assert unacknowledged(client) > 0
        finally:
            network.run("ip", "addr", "add", f"{BACKENDS[0]}/24", "dev", network.tap, check=True)
        assert backend.recv(3) == b"two"
        wait_until(lambda: unacknowledged(client) == 0, "the acknowledgement")


@pytest.mark.parametrize("who", ["client", "backend"])
def test_a_reset_of_one_end_reaches_the_other(machine, listener, who):
    with Connection(machine, listener) as ends:
        resets, hears = ends if who == "client" else reversed(ends)
        hears.sendall(b"unread")
        wait_until(lambda: unacknowledged(hears) == 0, "it to be there")
        resets.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        resets.close()
        with pytest.raises(ConnectionResetError):
            hears.recv(1)


def connect_to(machine, port):
    """errno of an attempt."""
    def try_it():
        with socket.socket() as connection:
            connection.settimeout(WAIT_S)
            return connection.connect_ex((machine.network.guest_address, port))

    return machine.network.inside(try_it)


def test_a_backend_that_refuses_and_one_that_is_not_there_are_heard(machine):
    assert connect_to(machine, PLAIN_PORT) == errno.ECONNREFUSED  # nobody listens there
    assert connect_to(machine, ABSENT_PORT) == errno.EHOSTUNREACH


def test_connections_outlive_the_application_and_new_ones_go_by_its_rules(machine, listener):
    with Connection(machine, listener) as (client, backend):
        client.sendall(b"one")
        assert backend.recv(3) == b"one"
        start = len(machine.console)
        machine.type("crash 2\n")
        machine.wait_for(r"node2 .*page fault", start)
        client.sendall(b"two")
        assert backend.recv(3) == b"two"
        with Connection(machine, listener) as (another, its_backend):
            another.sendall(b"new")
            assert its_backend.recv(3) == b"new"
