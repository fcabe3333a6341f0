# SPDX-License-Identifier: MIT
"""Raw Ethernet on a Network's TAP device, for frames that no honest TCP would send."""

import select
import socket
import time

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from harness import HarnessError

GUEST_MAC = "52:54:00:12:34:56"  # qemu/launch gives it
PEER_MAC = "52:54:00:aa:00:01"
PEER_ADDRESS = "192.0.2.77"  # no address of this host, so that its own TCP stays out of it

ETH_P_ALL = 3
FRAME_MAX_BYTES = 2048


class Wire:
    """Use with `with`: what is sent is on the wire as it is, what the guest sends is seen."""

    def __init__(self, network):
        self.network = network
        self._socket = None

    def __enter__(self):
        self._socket = self.network.inside(self._open)
        return self

    def __exit__(self, *_):
        self._socket.close()

    def _open(self):
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        opened.bind((self.network.tap, 0))
        return opened

    def send(self, frame):
        """A scapy packet, or bytes: at least an Ethernet header, or the host will not send it."""
        self._socket.send(bytes(frame))

    def send_all(self, frames, pause_every=64, pause_s=0.01):
        """Many, a little slower than the guest's queue would overflow."""
        count = 0
        for count, frame in enumerate(frames, 1):
            self.send(frame)
            if count % pause_every == 0:
                time.sleep(pause_s)
        return count

    def receive(self, is_wanted, timeout_s=3):
        """The first frame from the guest for which is_wanted(packet), or None."""
        deadline_s = time.monotonic() + timeout_s
        while (remaining_s := deadline_s - time.monotonic()) > 0:
            if not select.select([self._socket], [], [], remaining_s)[0]:
                continue
            packet = Ether(self._socket.recv(FRAME_MAX_BYTES))
            if packet.src == GUEST_MAC and is_wanted(packet):
                return packet
        return None

    def introduce_peer(self):
        """Ask for the guest's address in the peer's name: both then know each other's MAC."""
        for _ in range(5):
            self.send(Ether(src=PEER_MAC, dst="ff:ff:ff:ff:ff:ff")
                      / ARP(op="who-has", hwsrc=PEER_MAC, psrc=PEER_ADDRESS,
                            pdst=self.network.guest_address))
            if self.receive(lambda packet: ARP in packet and packet[ARP].op == 2
                            and packet[ARP].pdst == PEER_ADDRESS, 1):
                return
        raise HarnessError("the guest does not answer ARP")


class Peer:
    """A TCP connection of our own making, from PEER_ADDRESS, segment by segment."""

    def __init__(self, wire, port, guest_port=80, initial_sequence=1000):
        self.wire = wire
        self.port = port
        self.guest_port = guest_port
        self.next_sequence = initial_sequence
        self.acknowledge = 0

    def segment(self, flags, payload=b"", sequence=None, acknowledge=None, options=(), **fields):
        """One segment; sequence None: in order (and then counted as sent)."""
        if sequence is None:
            sequence = self.next_sequence
            self.next_sequence += len(payload) + ("S" in flags) + ("F" in flags)
        packet = (Ether(src=PEER_MAC, dst=GUEST_MAC)
                  / IP(src=PEER_ADDRESS, dst=self.wire.network.guest_address)
                  / TCP(sport=self.port, dport=self.guest_port, flags=flags,
                        seq=sequence % 2**32, options=list(options), window=65535,
                        ack=self.acknowledge if acknowledge is None else acknowledge, **fields))
        return packet / Raw(payload) if payload else packet

    def send(self, flags, payload=b"", **fields):
        self.wire.send(self.segment(flags, payload, **fields))

    def is_answer(self, packet):
        return (TCP in packet and packet[IP].dst == PEER_ADDRESS
                and packet[TCP].dport == self.port and packet[TCP].sport == self.guest_port)

    def receive(self, flags, timeout_s=3):
        """The next segment for this connection that has all these flags, or None."""
        wanted = set(flags)
        return self.wire.receive(lambda packet: self.is_answer(packet)
                                 and wanted <= set(str(packet[TCP].flags)), timeout_s)

    def open(self):
        """The three-way handshake."""
        for _ in range(3):
            self.send("S", sequence=self.next_sequence)
            answer = self.receive("SA", 2)
            if answer is not None:
                self.next_sequence += 1
                self.acknowledge = answer[TCP].seq + 1
                self.send("A")
                return self
        raise HarnessError("no SYN-ACK")

    def read_until_close(self, timeout_s=10):
        """Take the stream in order, acknowledging each segment, up to FIN or RST."""
        data = b""
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            packet = self.wire.receive(self.is_answer, 1)
            if packet is None:
                continue
            segment = packet[TCP]
            # Not bytes(segment.payload): Ethernet's padding is no data.
            payload_bytes = packet[IP].len - packet[IP].ihl * 4 - segment.dataofs * 4
            if "R" in str(segment.flags):
                return data
            if segment.seq != self.acknowledge:
                continue
            data += bytes(segment.payload)[:payload_bytes]
            is_end = "F" in str(segment.flags)
            self.acknowledge = (self.acknowledge + payload_bytes + is_end) % 2**32
            if payload_bytes or is_end:
                self.send("A")
            if is_end:
                self.send("FA")
                return data
        raise HarnessError(f"the stream did not end; so far {data!r}")
