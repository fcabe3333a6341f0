# SPDX-License-Identifier: MIT
"""Raw Ethernet on a Network's TAP device, for frames that no honest TCP would send."""

import itertools
import select
import socket
import time

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from harness import WAIT_S, HarnessError, wait_until

GUEST_MAC = "52:54:00:12:34:56"  # qemu/launch gives it
PEER_MAC = "52:54:00:aa:00:01"
PEER_ADDRESS = "192.0.2.77"  # no address of this host, so that its own TCP stays out of it

# <linux/if_ether.h>, <linux/if_packet.h>, <asm-generic/socket.h>
ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_IGNORE_OUTGOING = 23
SO_RCVBUFFORCE = 33
# Room for all that the guest sends while nobody reads: pages, for instance.
RECEIVE_BUFFER_BYTES = 256 << 20
FRAME_MAX_BYTES = 2048

# The most frames under way at a time: far fewer than a queue of the card has descriptors.
UNDER_WAY_MAX = 64
# Nobody serves it. Source ports of many filters, so that some lead to each link server.
PROBED_PORT = 81
PROBE_PORTS = [base + low for base in (0xF000, 0xF400, 0xF800, 0xFC00) for low in range(4)]
PROBE_AGAIN_S = 2


class Wire:
    """Use with `with`: what is sent is on the wire as it is, what the guest sends is seen."""

    def __init__(self, network):
        self.network = network
        self._socket = None
        self._probe_numbers = itertools.count(1)

    def __enter__(self):
        self._socket = self.network.inside(self._open)
        return self

    def __exit__(self, *_):
        self._socket.close()

    def _open(self):
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        opened.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        opened.bind((self.network.tap, 0))
        return opened

    def send(self, frame):
        """A scapy packet, or bytes: at least an Ethernet header, or the host will not send it."""
        self._socket.send(bytes(frame))

    def send_all(self, frames):
        """Many, no faster than the guest takes them; returns how many, once it has taken all."""
        count = 0
        for count, frame in enumerate(frames, 1):
            self.send(frame)
            if count % UNDER_WAY_MAX == 0:
                self.probe()
        self.probe()
        return count

    def receive(self, is_wanted, timeout_s=WAIT_S):
        """The next frame from the guest for which is_wanted(packet), or None."""
        deadline_s = time.monotonic() + timeout_s
        while (packet := self._next(deadline_s)) is not None:
            if is_wanted(packet):
                return packet
        return None

    def _next(self, deadline_s):
        """The next frame from the guest, whatever it is."""
        while True:
            remaining_s = max(deadline_s - time.monotonic(), 0)
            if not select.select([self._socket], [], [], remaining_s)[0]:
                return None
            packet = Ether(self._socket.recv(FRAME_MAX_BYTES))
            if packet.src == GUEST_MAC:
                return packet

    def probe(self):
        """Ask each link server for an answer, and return all frames that came up to the last one:
        what was sent before has been handled, since a queue of the card keeps its order."""
        frames = []
        unanswered = set(PROBE_PORTS)
        sequence = next(self._probe_numbers)  # comes back as what is acknowledged
        deadline_s = time.monotonic() + WAIT_S
        while unanswered:
            if time.monotonic() > deadline_s:
                raise HarnessError(f"no answer to SYNs from ports {sorted(unanswered)}")
            for port in unanswered:
                self.send(Ether(src=PEER_MAC, dst=GUEST_MAC)
                          / IP(src=PEER_ADDRESS, dst=self.network.guest_address)
                          / TCP(sport=port, dport=PROBED_PORT, flags="S", seq=sequence))
            # Not too long: they may be lost in the flood of a test.
            again_s = time.monotonic() + PROBE_AGAIN_S
            while unanswered and (packet := self._next(again_s)) is not None:
                if (TCP in packet and packet[TCP].sport == PROBED_PORT
                        and packet[TCP].ack == sequence + 1):
                    unanswered.discard(packet[TCP].dport)
                else:
                    frames.append(packet)
        return frames

    def receive_before_probe(self, is_wanted):
        """The first such frame that answers what was sent before, or None: there will be none,
        unless it takes longer than a connection through all servers."""
        frames = self.probe()
        self.network.run("curl", "-s", f"http://{self.network.guest_address}/4b", check=True)
        return next(filter(is_wanted, frames + self.probe()), None)

    def introduce_peer(self):
        """Ask for the guest's address in the peer's name: both then know each other's MAC."""
        def is_answered():
            self.send(Ether(src=PEER_MAC, dst="ff:ff:ff:ff:ff:ff")
                      / ARP(op="who-has", hwsrc=PEER_MAC, psrc=PEER_ADDRESS,
                            pdst=self.network.guest_address))
            return self.receive(lambda packet: ARP in packet and packet[ARP].op == 2
                                and packet[ARP].pdst == PEER_ADDRESS, PROBE_AGAIN_S)

        wait_until(is_answered, "the guest's answer to ARP")


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

    def receive(self, flags, timeout_s=WAIT_S):
        """The next segment for this connection that has all these flags, or None."""
        wanted = set(flags)
        return self.wire.receive(lambda packet: self.is_answer(packet)
                                 and wanted <= set(str(packet[TCP].flags)), timeout_s)

    def open(self):
        """The three-way handshake."""
        def knock():
            self.send("S", sequence=self.next_sequence)
            return self.receive("SA", PROBE_AGAIN_S)

        answer = wait_until(knock, "a SYN-ACK")
        self.next_sequence += 1
        self.acknowledge = answer[TCP].seq + 1
        self.send("A")
        return self

    def read_until_close(self):
        """Take the stream in order, acknowledging each segment, up to FIN or RST."""
        data = b""
        while (packet := self.wire.receive(self.is_answer)) is not None:
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
