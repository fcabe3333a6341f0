# SPDX-License-Identifier: MIT
"""Reads pcapng files (draft-ietf-opsawg-pcapng), as strictly as it says, and no more kinds of blocks than Talus writes."""

import struct
from dataclasses import dataclass, field

SECTION, INTERFACE, STATISTICS, FRAME = 0x0A0D0D0A, 1, 5, 6
BYTE_ORDER_MAGIC = 0x1A2B3C4D
COMMENT = 1
FLAGS, LOST = 2, 4
DIRECTIONS = {1: "in", 2: "out"}


@dataclass
class Frame:
    interface: int
    time_ns: int
    original_bytes: int
    data: bytes
    direction: str
    lost: int


@dataclass
class Capture:
    interfaces: list = field(default_factory=list)  # options of each: code to value
    frames: list = field(default_factory=list)
    statistics: dict = field(default_factory=dict)  # likewise, by interface


def _options(body):
    found = {}
    while True:
        code, length = struct.unpack_from("<HH", body)
        padded = (length + 3) // 4 * 4
        value, padding, body = body[4:4 + length], body[4 + length:4 + padded], body[4 + padded:]
        assert len(value) == length and padding == bytes(padded - length)
        if code == 0:
            assert length == 0 and body == b""
            return found
        assert code not in found
        found[code] = value


def _blocks(file):
    while file:
        kind, length = struct.unpack_from("<II", file)
        assert length % 4 == 0 and 12 <= length <= len(file)
        assert struct.unpack_from("<I", file, length - 4)[0] == length
        yield kind, file[8:length - 4]
        file = file[length:]


def _frame(body, capture):
    interface, high, low, captured, original = struct.unpack_from("<IIIII", body)
    padded = (captured + 3) // 4 * 4
    options = _options(body[20 + padded:])
    assert interface < len(capture.interfaces) and captured <= original
    return Frame(interface, high << 32 | low, original, body[20:20 + captured],
                 DIRECTIONS[struct.unpack("<I", options[FLAGS])[0]],
                 struct.unpack("<Q", options.get(LOST, bytes(8)))[0])


def read(file):
    capture = Capture()
    for number, (kind, body) in enumerate(_blocks(file)):
        assert (number == 0) == (kind == SECTION)
        if kind == SECTION:
            assert struct.unpack_from("<IHHQ", body) == (BYTE_ORDER_MAGIC, 1, 0, 2**64 - 1)
            _options(body[16:])
        elif kind == INTERFACE:
            assert struct.unpack_from("<HH", body) == (1, 0) and not capture.frames
            capture.interfaces.append(_options(body[8:]))
            assert capture.interfaces[-1][9] == b"\x09"  # nanoseconds
        elif kind == FRAME:
            assert not capture.statistics
            capture.frames.append(_frame(body, capture))
        else:
            assert kind == STATISTICS
            capture.statistics[struct.unpack_from("<I", body)[0]] = _options(body[12:])
    assert set(capture.statistics) == set(range(len(capture.interfaces)))
    return capture


def count(options, code):
    """A number of a statistics block."""
    return struct.unpack("<Q", options[code])[0]
