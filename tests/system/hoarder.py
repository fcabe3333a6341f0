# SPDX-License-Identifier: MIT
"""Peers of one address that want to keep what they get: thousands of connections, each of a kind
that some attack is made of. Raw frames, so that no honest TCP of this host has a say."""

import select
import socket
import struct
import time

from flood import ACK, FIN, PORT, SYN, neighbor_mac, segment

# Behind the gateway, which is this host and forwards nothing (RFC 2544).
ADDRESS = 198 << 24 | 18 << 16 | 7 << 8 | 7
FIRST_SEQUENCE = 1000
# MSS 1460, SACK permitted, a scale of 0.
SYN_OPTIONS = bytes((2, 4, 5, 0xB4, 4, 2, 1, 3, 3, 0, 1, 1))
WINDOW = 65535
UNDER_WAY_MAX = 48
AGAIN_S = 1.0
RECEIVE_BUFFER_BYTES = 64 << 20
SO_RCVBUFFORCE = 33
RST = 4
SHORT_REQUEST = b"GET /4b HTTP/1.1\r\nHost: talus\r\n\r\n"
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: talus\r\n\r\n"


def sack_option(left, right):
    return struct.pack("!BBBBII", 1, 1, 5, 10, left & 0xFFFFFFFF, right & 0xFFFFFFFF)


class Connection:
    """The hoarder's end."""

    def __init__(self, port, kind):
        self.port, self.kind = port, kind
        self.sequence = FIRST_SEQUENCE
        self.acknowledge = 0
        self.is_open = self.is_reset = False


class Hoarder:
    """Use with `with`. All connections are of ADDRESS; answer() says what each kind does."""

    def __init__(self, network, first_port):
        self.network = network
        self.first_port = first_port
        self.connections = {}
        self._socket = None
        self._destination = struct.unpack("!I", socket.inet_aton(network.guest_address))[0]
        self._ethernet = (neighbor_mac(network) + bytes((2, 0, 0, 0, 0, 1))
                          + struct.pack("!H", 0x0800))

    def __enter__(self):
        self._socket = self.network.inside(self._open)
        return self

    def __exit__(self, *_):
        for connection in self.connections.values():
            if connection.is_open and not connection.is_reset:
                self.send(connection, RST)
        self._socket.close()

    def _open(self):
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        opened.bind((self.network.tap, 0))
        return opened

    def send(self, connection, flags, payload=b"", options=b"", window=WINDOW, acknowledge=None):
        acknowledge = connection.acknowledge if acknowledge is None else acknowledge
        numbers = connection.sequence & 0xFFFFFFFF, acknowledge & 0xFFFFFFFF if flags & ACK else 0
        frame = self._ethernet + segment(ADDRESS, self._destination, (connection.port, PORT),
                                         numbers, flags, options, payload, window)
        self._socket.send(frame)
        connection.sequence += len(payload) + bool(flags & SYN) + bool(flags & FIN)

    def _receive(self, timeout_s):
        """(connection, flags, sequence, bytes of payload, sequence that it acknowledges); None."""
        while select.select([self._socket], [], [], timeout_s)[0]:
            frame = self._socket.recv(2048)
            ip = frame[14:]
            if ip[9] != socket.IPPROTO_TCP or struct.unpack_from("!I", ip, 16)[0] != ADDRESS:
                continue
            header_bytes = (ip[0] & 15) * 4
            tcp = ip[header_bytes:]
            port = struct.unpack_from("!H", tcp, 2)[0]
            connection = self.connections.get(port)
            if connection is None:
                continue
            length = struct.unpack_from("!H", ip, 2)[0] - header_bytes - (tcp[12] >> 4) * 4
            sequence, acknowledge = struct.unpack_from("!II", tcp, 4)
            return connection, tcp[13], sequence, length, acknowledge
        return None

    def pump(self, seconds):
        """Answer what comes for so long."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            received = self._receive(left_s)
            if received is not None:
                self.answer(*received)

    def open(self, count, kind, seconds):
        """So many connections more, as far as they are let in, until none has been for that time.
        Returns how many are open."""
        first_port = self.first_port + len(self.connections)
        wanted = [Connection(first_port + n, kind) for n in range(count)]
        waiting, end_s = {}, time.monotonic() + seconds
        while time.monotonic() < end_s and (wanted or waiting):
            now_s = time.monotonic()
            while wanted and len(waiting) < UNDER_WAY_MAX:
                connection = wanted.pop()
                self.connections[connection.port] = connection
                waiting[connection.port] = now_s
                self.send(connection, SYN, options=SYN_OPTIONS)
            received = self._receive(0.05)
            if received is not None:
                self.answer(*received)
            for port in [port for port, since_s in waiting.items()
                         if self.connections[port].is_open or now_s - since_s > AGAIN_S]:
                if self.connections[port].is_open:
                    end_s = now_s + seconds
                del waiting[port]
        return sum(connection.is_open and not connection.is_reset
                   for connection in self.connections.values())

    def answer(self, connection, flags, sequence, length, _):
        """What an honest end would do, but for its kind's own."""
        if flags & RST:
            connection.is_reset = True
        elif flags & SYN:
            connection.acknowledge = sequence + 1
            if not connection.is_open:
                connection.is_open = True
                self.begin(connection)
        elif connection.is_open and not connection.is_reset and length:
            self.take(connection, sequence, length)

    def begin(self, connection):
        kind = connection.kind
        if kind == "idle":
            self.send(connection, ACK, SHORT_REQUEST)
        elif kind == "zero window":
            self.send(connection, ACK, REQUEST, window=0)
        elif kind == "one byte":
            self.send(connection, ACK, REQUEST, window=1)
        elif kind == "half closed":
            self.send(connection, ACK | FIN, REQUEST)
        elif kind == "holes":
            self.send(connection, ACK)
            connection.sequence += 1  # which never comes
        else:
            self.send(connection, ACK, REQUEST)

    def fill_behind_holes(self):
        """Again: what waits there is forgotten after a while."""
        for connection in self.connections.values():
            if connection.is_open:
                sequence = connection.sequence
                for _ in range(40):
                    self.send(connection, ACK, bytes(1400))
                connection.sequence = sequence
            self.pump(0.002)

    def take(self, connection, sequence, length):
        """Bytes have come."""
        kind = connection.kind
        if kind == "idle":
            connection.acknowledge = sequence + length
            self.send(connection, ACK)
        elif kind == "zero window":
            self.send(connection, ACK, window=0)
        elif kind == "one byte":
            connection.acknowledge = sequence + 1
            self.send(connection, ACK, window=1)
        elif kind == "sack splitting":
            # Each other byte of the middle, a few at a time.
            for place in range(1, min(length, 40) - 1, 2):
                self.send(connection, ACK, options=sack_option(sequence + place,
                                                               sequence + place + 1))
        elif kind == "optimistic":
            connection.acknowledge = sequence + length
            self.send(connection, ACK)
            self.send(connection, ACK, acknowledge=sequence + 10 * length)
        # dead, half closed: nothing
