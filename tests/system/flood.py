# SPDX-License-Identifier: MIT
"""Floods: segments of one kind, so many a second, from addresses that are nobody's; and clients
that want to be served meanwhile."""

import itertools
import multiprocessing
import random
import re
import select
import socket
import struct
import time

from harness import HarnessError, WAIT_S

ETH_P_IP = 0x0800
PORT = 80
# 198.18.0.0/15 (RFC 2544): behind the gateway, which is this host and forwards nothing.
SPOOFED_NETWORK = 198 << 24 | 18 << 16
SPOOFED_BITS = 17

FIN, SYN, RST, ACK = 1, 2, 4, 16
MSS_OPTION = bytes((2, 4, 5, 0xB4))
KINDS = {"syn": (SYN, MSS_OPTION), "ack": (ACK, b""), "rst": (RST, b"")}

# Chosen: so many frames are made beforehand, each another flow; then they come again.
FRAME_COUNT = 1 << 16
PERIOD_S = 0.005
BURST_MAX = 512  # without a look at the clock

REQUEST = b"GET /4b HTTP/1.1\r\nHost: talus\r\n\r\n"
ANSWER_END = b"\r\n\r\npika"


def neighbor_mac(network):
    """The guest's, as this host knows it from having talked to it."""
    said = network.run("ip", "neigh", "show", network.guest_address).stdout
    match = re.search(r"lladdr (\S+)", said)
    if match is None:
        raise HarnessError(f"the guest's address is unknown: {said}")
    return bytes.fromhex(match[1].replace(":", ""))


def _checksum(data):
    """RFC 1071."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def segment(source, destination, ports, numbers, flags, options, payload=b"", window=1000):
    """IPv4 and TCP; addresses as numbers, ports and numbers as pairs."""
    tcp = bytearray(struct.pack("!HHIIBBHHH", *ports, *numbers, (20 + len(options)) << 2, flags,
                                window, 0, 0) + options + payload)
    pseudo_header = struct.pack("!IIHH", source, destination, socket.IPPROTO_TCP, len(tcp))
    struct.pack_into("!H", tcp, 16, _checksum(pseudo_header + tcp))
    ip = bytearray(struct.pack("!BBHHHBBHII", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64,
                               socket.IPPROTO_TCP, 0, source, destination))
    struct.pack_into("!H", ip, 10, _checksum(ip))
    return bytes(ip + tcp)


class Flood:
    """Use with `with`, as often as is wanted: it lasts until the end, from a process of its own.

    kind    of KINDS
    rate    segments a second, if this host is fast enough
    victim  (address, port) of a connection of this host's: every second segment pretends to be its,
            with numbers out of the air
    """

    def __init__(self, network, kind, rate, victim=None):
        context = multiprocessing.get_context("fork")
        self.network = network
        self.rate = rate
        self._frames = list(self._make_frames(*KINDS[kind], victim))
        self._sent_count = context.Value("Q", 0)
        self._is_over = context.Event()
        self._context = context
        self._process = None

    @property
    def sent_count(self):
        return self._sent_count.value

    @property
    def process_id(self):
        """While it lasts."""
        return self._process.pid

    def _make_frames(self, flags, options, victim):
        chance = random.Random(20)
        destination = struct.unpack("!I", socket.inet_aton(self.network.guest_address))[0]
        mac = neighbor_mac(self.network)
        ethernet = mac + bytes((2, 0, 0, 0, 0, 1)) + struct.pack("!H", ETH_P_IP)
        for number in range(FRAME_COUNT):
            source = SPOOFED_NETWORK | number % (1 << SPOOFED_BITS)
            port = chance.randrange(1024, 65536)
            if victim and number % 2:
                source = struct.unpack("!I", socket.inet_aton(victim[0]))[0]
                port = victim[1]
            numbers = chance.getrandbits(32), chance.getrandbits(32) if flags & ACK else 0
            yield ethernet + segment(source, destination, (port, PORT), numbers, flags, options)

    def _run(self):
        frames = itertools.cycle(self._frames)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.bind((self.network.tap, 0))
            begin_s = time.monotonic()
            before = self._sent_count.value
            sent_count, is_behind = 0, False
            while not self._is_over.wait(0 if is_behind else PERIOD_S):
                due_count = int((time.monotonic() - begin_s) * self.rate) - sent_count
                count = min(due_count, BURST_MAX)
                is_behind = count < due_count
                for frame in itertools.islice(frames, count):
                    try:
                        wire.send(frame)
                    except OSError:
                        pass  # no room: lost, as on any wire
                sent_count += count
                self._sent_count.value = before + sent_count

    def __enter__(self):
        self._is_over.clear()
        self._process = self._context.Process(target=self.network.inside, args=(self._run,),
                                              daemon=True)
        self._process.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._process.join()


class KeptConnection:
    """One that is established, and asks again and again. Use with `with`."""

    def __init__(self, network):
        self._socket = network.inside(self._connect, network.guest_address)
        self.name = self._socket.getsockname()

    @staticmethod
    def _connect(address):
        return socket.create_connection((address, PORT), timeout=WAIT_S)

    def ask(self):
        """Wait for one answer, which must come."""
        answer = b""
        self._socket.sendall(REQUEST)
        while not answer.endswith(ANSWER_END):
            received = self._socket.recv(4096)
            if not received:
                raise HarnessError(f"the connection has ended after {answer!r}")
            answer += received

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()


class Client:
    """A new connection and one request on it, without waiting."""

    def __init__(self, network):
        self._socket = network.inside(self._begin, network.guest_address)
        self._is_asked = False
        self._answer = b""

    @staticmethod
    def _begin(address):
        opened = socket.socket()
        opened.setblocking(False)
        opened.connect_ex((address, PORT))
        return opened

    def is_served(self):
        """Go on as far as it goes; whether the answer is complete."""
        readable, writable, _ = select.select([self._socket], [self._socket], [], 0)
        if writable and not self._is_asked:
            self._socket.sendall(REQUEST)
            self._is_asked = True
        if readable:
            self._answer += self._socket.recv(4096)
        return self._answer.endswith(ANSWER_END)

    def close(self):
        self._socket.close()
