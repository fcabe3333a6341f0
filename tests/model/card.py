# SPDX-License-Identifier: MIT
"""The 82599 model without any guest: QEMU's test protocol reads and writes its registers.

No processor runs. Guest memory is a blackboard of this test, the virtual clock moves only when
told, and the wire is a pair of local sockets. Offsets are written out from the datasheet, apart
from the model's own table and from the driver's.
"""

import socket
import struct
import subprocess
import tempfile
import time

from harness import WAIT_S, Qmp, paths

MAC = bytes.fromhex("525400123456")
PEER = bytes.fromhex("02000000000a")

SLOT = 4
CSR_BASE = 0xE0000000
MSIX_BASE = 0xE0100000
IO_BASE = 0xC000

# Where this file puts things in guest memory.
RX_RING = 0x0100_0000
TX_RING = 0x0200_0000
RX_BUFFERS = 0x0300_0000
TX_BUFFERS = 0x0400_0000
MESSAGES = 0x0500_0000
HEAD_WRITE_BACK = 0x0600_0000
RING_STRIDE = 0x10000
BUFFER_STRIDE = 0x1000

CTRL, STATUS, CTRL_EXT = 0x0, 0x8, 0x18
EICR, EICS, EIAC, EIMS, EIMC, EIAM, GPIE = 0x800, 0x808, 0x810, 0x880, 0x888, 0x890, 0x898
IVAR_MISC = 0xA00
RXCTRL, RXCSUM, FCTRL, VLNCTRL = 0x3000, 0x5000, 0x5080, 0x5088
HLREG0, DMATXCTL, MRQC = 0x4240, 0x4A80, 0xEC80
FDIRCTRL, FDIRIPSA, FDIRIPDA, FDIRPORT, FDIRVLAN, FDIRHASH, FDIRCMD = (
    0xEE00, 0xEE18, 0xEE1C, 0xEE20, 0xEE24, 0xEE28, 0xEE2C)
FDIRFREE, FDIRDIP4M, FDIRSIP4M, FDIRTCPM, FDIRUDPM, FDIRLEN = (
    0xEE38, 0xEE3C, 0xEE40, 0xEE44, 0xEE48, 0xEE4C)
FDIRUSTAT, FDIRFSTAT, FDIRMATCH, FDIRMISS, FDIRHKEY, FDIRSKEY, FDIRM = (
    0xEE50, 0xEE54, 0xEE58, 0xEE5C, 0xEE68, 0xEE6C, 0xEE70)

# So many commands without effect let all run that the model has put off: each gives its bottom
# halves a turn, and none of them puts off more than a few times.
SETTLE_COMMANDS = 16

ENABLE = 1 << 25
DROP_EN = 1 << 28


def rxq(queue):
    return 0x1000 + 0x40 * queue if queue < 64 else 0xD000 + 0x40 * (queue - 64)


def txq(queue):
    return 0x6000 + 0x40 * queue


class Received:
    """A written-back advanced receive descriptor, and the bytes in its buffer."""

    def __init__(self, dword, data):
        self.dword = dword
        self.rss_type = dword[0] & 0xF
        self.packet_type = dword[0] >> 4 & 0x1FFF
        self.hash = dword[1]
        self.status = dword[2] & 0xFFFFF
        self.errors = dword[2] >> 20
        self.length = dword[3] & 0xFFFF
        self.vlan = dword[3] >> 16
        self.is_done = bool(self.status & 1)
        self.is_last = bool(self.status & 2)
        self.data = data


class Card:
    """Use with `with`.

    device_words   more properties of the device, each with its comma
    log_items      what QEMU writes into its log
    """

    def __init__(self, device_words="", log_items="unimp,guest_errors"):
        self._folder = tempfile.TemporaryDirectory(prefix="talus-card-")
        path = self._folder.name
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{path}/qtest")
        self._listener.listen(1)
        self.wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.wire.bind(f"{path}/test")
        self._qemu = subprocess.Popen(
            [paths.QEMU, "-M", "q35", "-m", "256M", "-accel", "qtest", "-nodefaults",
             "-display", "none", "-qtest", f"unix:{path}/qtest", "-qtest-log", "none",
             *Qmp.qemu_args(f"{path}/qmp").split(),
             "-d", log_items, "-D", f"{path}/log",
             "-netdev", f"dgram,id=n0,local.type=unix,local.path={path}/card,"
                        f"remote.type=unix,remote.path={path}/test",
             "-device", f"ixgbe82599,netdev=n0,mac={MAC.hex(':')},addr={SLOT}{device_words}"])
        self._rings = {}
        self._counts = {}

    def __enter__(self):
        self._listener.settimeout(WAIT_S)
        self._control, _ = self._listener.accept()
        self._control.settimeout(WAIT_S)
        self._input = self._control.makefile("rb")
        self._card_address = f"{self._folder.name}/card"
        for offset, value in ((0x10, CSR_BASE), (0x14, 0), (0x18, IO_BASE), (0x20, MSIX_BASE),
                              (0x24, 0), (0x04, 7)):
            self.config_write(offset, value)
        self.config_write(0x70, self.config_read(0x70) | 1 << 31)
        return self

    def __exit__(self, *_):
        self._control.close()
        self._listener.close()
        self.wire.close()
        self._qemu.terminate()
        self._qemu.wait(WAIT_S)
        self._folder.cleanup()

    def set_link(self, is_up):
        """The link of the wire's other end."""
        with Qmp(f"{self._folder.name}/qmp") as connection:
            connection.set_link(is_up)

    def log(self):
        with open(f"{self._folder.name}/log", encoding="utf-8") as log:
            return [line.rstrip() for line in log if line.startswith("ixgbe82599")]

    # --- the test protocol ---

    def _ask(self, line):
        self._control.sendall(line.encode() + b"\n")
        while True:
            answer = self._input.readline().decode().split()
            if answer[:1] == ["OK"]:
                return answer[1] if len(answer) > 1 else None
            # Interrupt lines that nobody asked for are reported in between.
            assert answer[:1] == ["IRQ"], (line, answer)

    def config_read(self, offset):
        self._ask(f"outl 0xcf8 {0x80000000 | SLOT << 11 | offset:#x}")
        return int(self._ask("inl 0xcfc"), 16)

    def config_write(self, offset, value):
        self._ask(f"outl 0xcf8 {0x80000000 | SLOT << 11 | offset:#x}")
        self._ask(f"outl 0xcfc {value:#x}")

    def read(self, offset):
        return int(self._ask(f"readl {CSR_BASE + offset:#x}"), 16)

    def write(self, offset, value):
        self._ask(f"writel {CSR_BASE + offset:#x} {value & 0xffffffff:#x}")

    def write64(self, offset, value):
        self._ask(f"writeq {CSR_BASE + offset:#x} {value:#x}")

    def io_read(self, offset):
        return int(self._ask(f"inl {IO_BASE + offset:#x}"), 16)

    def io_write(self, offset, value):
        self._ask(f"outl {IO_BASE + offset:#x} {value:#x}")

    def memory_read(self, address, byte_count):
        return bytes.fromhex(self._ask(f"read {address:#x} {byte_count}")[2:])

    def memory_write(self, address, data):
        if data:
            self._ask(f"write {address:#x} {len(data)} 0x{data.hex()}")

    def step_ns(self, time_ns):
        self._ask(f"clock_step {time_ns}")

    def settle(self):
        """Until the model has nothing left to do before the clock moves."""
        for _ in range(SETTLE_COMMANDS):
            self.step_ns(0)

    @staticmethod
    def until(condition):
        """The model's bottom halves run between two commands, some time soon."""
        deadline_s = time.monotonic() + WAIT_S
        while time.monotonic() < deadline_s:
            result = condition()
            if result:
                return result
            time.sleep(0.001)
        return condition()

    # --- the wire ---

    def send(self, frame):
        """One frame from the wire to the card; returns when the card has seen it."""
        self.wire.sendto(frame, self._card_address)
        # The card's socket is read before a later command: the clock is a command without effect.
        for _ in range(3):
            self.step_ns(0)

    def offer(self, frame):
        """The same without waiting; a frame is lost when the card holds too many back."""
        self.wire.setblocking(False)
        try:
            self.wire.sendto(frame, self._card_address)
        except BlockingIOError:
            pass

    def sent(self):
        """The next frame that the card sends, or None: none comes."""
        self.wire.settimeout(WAIT_S)
        try:
            return self.wire.recv(65536)
        except TimeoutError:
            return None

    def sent_by_now(self):
        """The next frame that the card has sent, or None: whatever it was given, it has done."""
        self.settle()
        self.wire.setblocking(False)
        try:
            return self.wire.recv(65536)
        except BlockingIOError:
            return None

    # --- receive ---

    def open_receiver(self):
        """Accept everything that is addressed to the card, and broadcasts."""
        self.write(FCTRL, 1 << 10)
        self.write(RXCSUM, 1 << 13)
        self.write(RXCTRL, 1)

    def start_rx(self, queue=0, count=64, given=None, srrctl=0x02000002 | DROP_EN, rxdctl=0):
        ring = RX_RING + queue * RING_STRIDE
        base = rxq(queue)
        self._rings[queue] = 0
        self._counts[queue] = count
        self.memory_write(ring, b"".join(
            struct.pack("<QQ", self._rx_buffer(queue, index), 0) for index in range(count)))
        for offset, value in ((0x00, ring), (0x04, 0), (0x08, count * 16), (0x14, srrctl),
                              (0x10, 0), (0x18, 0), (0x28, ENABLE | rxdctl)):
            self.write(base + offset, value)
        self.write(base + 0x18, count - 1 if given is None else given)

    def give_again(self, queue, index):
        """Hand a descriptor that was written back to the card once more; the tail stays."""
        self.memory_write(RX_RING + queue * RING_STRIDE + 16 * index,
                          struct.pack("<QQ", self._rx_buffer(queue, index), 0))

    @staticmethod
    def _rx_buffer(queue, index):
        return RX_BUFFERS + (queue * 64 + index % 64) * BUFFER_STRIDE

    def rx_descriptor(self, queue, index):
        return struct.unpack("<4I", self.memory_read(RX_RING + queue * RING_STRIDE + 16 * index, 16))

    def received_by_now(self, queue=0):
        """The next descriptor of a queue, or None: it is not done, and nothing is under way."""
        self.settle()
        is_done = self.rx_descriptor(queue, self._rings[queue])[2] & 1
        return self.receive(queue) if is_done else None

    def receive(self, queue=0):
        """The next descriptor of a queue, once it is done; None if none comes."""
        index = self._rings[queue]
        if not self.until(lambda: self.rx_descriptor(queue, index)[2] & 1):
            return None
        dword = self.rx_descriptor(queue, index)
        self._rings[queue] = (index + 1) % self._counts[queue]
        return Received(dword, self.memory_read(self._rx_buffer(queue, index), dword[3] & 0xFFFF))

    def receive_anywhere(self, queues):
        """Which of the queues has the next frame, and the frame."""
        def waiting():
            return [queue for queue in queues
                    if self.rx_descriptor(queue, self._rings[queue])[2] & 1]
        found = self.until(waiting)
        assert len(found) <= 1, found
        return (found[0], self.receive(found[0])) if found else (None, None)

    # --- transmit ---

    def start_tx(self, queue=0, count=64):
        base = txq(queue)
        self._rings["tx", queue] = 0
        self.write(DMATXCTL, self.read(DMATXCTL) | 1)
        for offset, value in ((0x00, TX_RING + queue * RING_STRIDE), (0x04, 0), (0x08, count * 16),
                              (0x10, 0), (0x18, 0), (0x28, ENABLE)):
            self.write(base + offset, value)

    def put_descriptor(self, queue, qword0, dword2, dword3):
        """Returns the descriptor's index. The tail stays where it is."""
        index = self._rings["tx", queue]
        self.memory_write(TX_RING + queue * RING_STRIDE + 16 * index,
                          struct.pack("<QII", qword0, dword2, dword3))
        self._rings["tx", queue] = index + 1
        return index

    def move_tail(self, queue=0):
        self.write(txq(queue) + 0x18, self._rings["tx", queue])

    def put_frame(self, frame, queue=0, command=0, options=0, payload_bytes=None, pieces=1):
        """An advanced data packet in as many buffers; the last descriptor asks for a report."""
        step = -(-len(frame) // pieces)
        for start in range(0, len(frame), step):
            piece = frame[start:start + step]
            address = TX_BUFFERS + self._rings["tx", queue] * 0x20000
            last = 1 << 24 | 1 << 27 if start + step >= len(frame) else 0
            self.memory_write(address, piece)
            total = len(frame) if payload_bytes is None else payload_bytes
            index = self.put_descriptor(
                queue, address, len(piece) | 3 << 20 | 1 << 25 | 1 << 29 | last | command,
                options | total << 14)
        return index

    def put_context(self, queue=0, mac=14, ip=20, l4=20, mss=0, l4_type=1, is_ipv4=True, vlan=0,
                    slot=0):
        return self.put_descriptor(
            queue, ip | mac << 9 | vlan << 16,
            2 << 20 | 1 << 29 | (1 << 10 if is_ipv4 else 0) | l4_type << 11,
            slot << 4 | l4 << 8 | mss << 16)

    def is_tx_done(self, index, queue=0):
        return struct.unpack("<I", self.memory_read(
            TX_RING + queue * RING_STRIDE + 16 * index + 12, 4))[0] & 1

    # --- interrupts ---

    def start_msix(self, gpie=0xC0000030):
        """Vector v writes v + 1 to its own word of memory."""
        for vector in range(64):
            self._ask(f"writeq {MSIX_BASE + 16 * vector:#x} {MESSAGES + 4 * vector:#x}")
            self._ask(f"writeq {MSIX_BASE + 16 * vector + 8:#x} {vector + 1:#x}")
        self.write(GPIE, gpie)

    def mask_table_entry(self, vector):
        self._ask(f"writel {MSIX_BASE + 16 * vector + 12:#x} 1")

    def messages(self):
        """The vectors that have sent since the last call. A vector twice counts once."""
        words = struct.unpack("<64I", self.memory_read(MESSAGES, 256))
        self.memory_write(MESSAGES, bytes(256))
        return [vector for vector, word in enumerate(words) if word == vector + 1]

    def map_queue(self, queue, rx=None, tx=None):
        offset = 0x900 + 4 * (queue // 2)
        value = self.read(offset)
        for vector, shift in ((rx, 16 * (queue % 2)), (tx, 16 * (queue % 2) + 8)):
            if vector is not None:
                value = value & ~(0xFF << shift) | (0x80 | vector) << shift
        self.write(offset, value)
