# SPDX-License-Identifier: MIT
"""Nonsense from the guest and from the wire: the model must not fall over, whatever comes.

Fixed seeds, so that a failure repeats. Worth running with a QEMU built with --enable-sanitizers
(QEMU=path), too.
"""

import random
import struct

import pytest

from card import (CTRL, DMATXCTL, ENABLE, MAC, PEER, RX_RING, TX_BUFFERS, TX_RING, Card, rxq, txq)

ROUNDS = 60
CSR_BYTES = 0x20000
INTERESTING = (0, 1, 0x7F, 0x80, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
RESETS = 1 << 26 | 1 << 3
QUEUES = (0, 1, 63, 64, 127)


@pytest.fixture
def card():
    # Not "guest_errors": QEMU would write a line for every four bytes read outside memory.
    with Card(log_items="unimp") as made:
        yield made


def any_value(generator):
    return generator.choice((generator.getrandbits(32), generator.choice(INTERESTING),
                             1 << generator.randrange(32)))


def any_frame(generator):
    """Mostly something like Ethernet, VLAN, IP and TCP, with wrong bytes here and there."""
    size = generator.choice((14, 59, 60, 64, 100, 1514, 1515, 9000, 16000))
    frame = bytearray(generator.getrandbits(8) for _ in range(min(size, 128)))
    frame += bytes(size - len(frame))
    frame[:6] = generator.choice((MAC, b"\xff" * 6, bytes.fromhex("01005e000001")))
    start = 12
    if generator.random() < 0.3:
        frame[start:start + 2] = b"\x81\0"
        start += 4
    if size > start + 12 and generator.random() < 0.9:
        version = generator.choice((4, 6))
        frame[start:start + 2] = b"\x08\0" if version == 4 else b"\x86\xdd"
        frame[start + 2] = version << 4 | generator.choice((0, 4, 5, 6, 15))
        frame[start + (11 if version == 4 else 8)] = generator.choice((0, 1, 6, 17, 43, 44, 60, 132))
    return bytes(frame[:size])


def is_alive(card):
    return card.read(0x10010) & 0x100 == 0x100


@pytest.mark.parametrize("seed", range(4))
def test_random_register_accesses_and_frames_do_no_harm(card, seed):
    generator = random.Random(seed)
    card.start_msix()
    for _ in range(ROUNDS):
        card.open_receiver()
        card.write(DMATXCTL, 1)
        for queue in generator.sample(QUEUES, 2):
            card.start_rx(queue, srrctl=generator.choice((0x12000002, 0x02000001, 0x10000010)))
            card.start_tx(queue)
        for _ in range(30):
            offset = generator.randrange(0, CSR_BYTES, 4)
            if generator.random() < 0.5:
                offset = generator.choice((rxq, txq))(generator.choice(QUEUES)) + \
                    generator.randrange(0, 0x40, 4)
            value = any_value(generator)
            if offset != CTRL or generator.random() < 0.05:
                card.write(offset, value)
            card.read(offset)
        for _ in range(5):
            card.offer(any_frame(generator))
        card.step_ns(generator.choice((0, 1000, 1000000)))
    card.write(CTRL, RESETS)
    assert is_alive(card)


@pytest.mark.parametrize("seed", range(4))
def test_random_transmit_descriptors_do_no_harm(card, seed):
    generator = random.Random(seed)
    card.memory_write(TX_BUFFERS, bytes(generator.getrandbits(8) for _ in range(4096)))
    for _ in range(ROUNDS):
        card.start_tx(count=64)
        descriptors = b""
        for _ in range(63):
            address = generator.choice((TX_BUFFERS, TX_BUFFERS + 3, 0, 0xFFFFFFFFFFFFF000,
                                        TX_RING, 0xE0000000, 0xE0006018))
            descriptors += struct.pack(
                "<QII", address, generator.getrandbits(16) | generator.choice((2, 3, 3, 0)) << 20 |
                generator.getrandbits(8) << 24 | 1 << 29, generator.getrandbits(32))
        card.memory_write(TX_RING, descriptors)
        card.write(txq(0) + 0x38, generator.choice((0, 0, TX_RING | 1, 0xFFFFFFFD)))
        card.write(txq(0) + 0x18, 63)
        while card.sent_by_now():
            pass
    assert is_alive(card)


def test_descriptors_that_point_into_the_card_itself_do_no_harm(card):
    """Receive buffers over its own registers and rings, and frames sent from there."""
    card.open_receiver()
    card.start_rx()
    for index, address in enumerate((0xE0001018, 0xE000EE28, RX_RING, 0xE0100000)):
        card.memory_write(RX_RING + 16 * index, struct.pack("<QQ", address, 0))
    for _ in range(4):
        card.send(MAC + PEER + b"\x08\0" + b"\xff" * 100)
    card.write(rxq(0) + 0x28, ENABLE)
    assert is_alive(card)
