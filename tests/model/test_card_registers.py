# SPDX-License-Identifier: MIT
"""Identity, reset and the registers' own behaviour, seen without a driver."""

import pytest

from card import CTRL, GPIE, MAC, RXCTRL, STATUS, Card, rxq

MASTER_DISABLE, LINK_RESET, RESET = 1 << 2, 1 << 3, 1 << 26
MASTER_ENABLED, LINK_UP = 1 << 19, 1 << 7


@pytest.fixture
def card():
    with Card() as made:
        yield made


def test_identity_and_capabilities_stand_where_drivers_look(card):
    assert card.config_read(0x00) == 0x10F78086
    assert card.config_read(0x08) == 0x02000001
    assert card.config_read(0x34) & 0xFF == 0x40
    found = {}
    offset = 0x40
    while offset:
        header = card.config_read(offset)
        found[offset] = header & 0xFF
        offset = header >> 8 & 0xFF
    assert found == {0x40: 0x01, 0x50: 0x05, 0x70: 0x11, 0xA0: 0x10}
    assert card.config_read(0x70) >> 16 & 0x7FF == 63
    assert (card.config_read(0x74), card.config_read(0x78)) == (0x00000004, 0x00002004)
    assert card.config_read(0xA8) >> 16 & 1 << 5 == 0
    assert card.config_read(0xB0) >> 16 == 0x1082


@pytest.mark.parametrize("bar,size_bytes", [(0x10, 128 << 10), (0x18, 32), (0x20, 16 << 10)])
def test_bars_have_their_sizes(card, bar, size_bytes):
    card.config_write(bar, 0xFFFFFFFF)
    assert -(card.config_read(bar) & ~0xF) & 0xFFFFFFFF == size_bytes


def test_reset_values_are_the_documented_ones(card):
    values = {0x0008: 0x00080080, 0x1014: 0x402, 0x2F00: 8, 0x3C00: 0x80000, 0x3C1C: 0x80000,
              0x42A0: 0x2080, 0x4268: 1518 << 16, 0x4950: 0x96, 0x4954: 0, 0x4A88: 0x0FF60FF6,
              0x4A8C: 0xF7F, 0x5088: 0x8100, 0xCC00: 0x28000, 0x10148: 0x8000, 0x8804: 3, 0x8D04: 3,
              0xEE68: 0x80000001, 0xEE6C: 0x80800101, 0xEE38: 0, 0x100C: 1 << 12}
    assert {offset: card.read(offset) for offset in values} == values
    assert card.read(0x10010) & 0x300 == 0x300
    assert card.read(0x42B0) >> 16 & 0xF != 0


def test_link_register_shows_a_drop_once(card):
    assert card.read(0x42A4) == 0x74000000
    assert card.read(0x42A4) == 0x74000080


@pytest.mark.parametrize("bit", [RESET, LINK_RESET])
def test_both_resets_clear_themselves_and_the_registers(card, bit):
    for offset, value in ((RXCTRL, 1), (0x42A0, 0), (0xA200, 0x11111111), (0xEE38, 0),
                          (rxq(127) + 0x28, 1 << 25), (GPIE, 0xFF)):
        card.write(offset, value)
    card.write(0x10160, 0x3)
    card.write(CTRL, bit)
    assert card.read(CTRL) == 0
    assert (card.read(RXCTRL), card.read(0x42A0), card.read(GPIE)) == (0, 0x2080, 0)
    assert card.read(rxq(127) + 0x28) == 0
    assert card.read(0xA200) == int.from_bytes(MAC[:4], "little")
    assert card.read(0xA204) == 1 << 31 | int.from_bytes(MAC[4:], "little")
    # What guards the NVM is not the function's own.
    assert card.read(0x10160) == 0x3


def test_master_disable_is_acknowledged_and_undone(card):
    card.write(CTRL, MASTER_DISABLE)
    assert card.read(CTRL) == MASTER_DISABLE
    assert not card.read(STATUS) & MASTER_ENABLED
    card.write(CTRL, 0)
    assert card.read(STATUS) & MASTER_ENABLED


def test_status_ignores_writes(card):
    card.write(STATUS, 0)
    assert card.read(STATUS) == MASTER_ENABLED | LINK_UP


def test_lenient_reset_clears_tables_and_strict_reset_does_not():
    tables = [0xE600, 0xE000, 0xEB00, 0xEB80, 0x5200, 0xA000, 0xF400, 0xF100, 0xA20C, 0xA600]
    with Card() as lenient:
        assert [lenient.read(offset) for offset in tables] == [0] * len(tables)
    with Card(",strict-reset=on") as strict:
        assert all(strict.read(offset) for offset in tables)
        assert strict.read(0xA204) >> 31 == 1


def test_nvm_holds_a_right_checksum(card):
    words = []
    for address in range(0x40):
        card.write(0x10014, address << 2 | 1)
        answer = card.read(0x10014)
        assert answer & 3 == 2
        words.append(answer >> 16)
    assert sum(words) & 0xFFFF == 0xBABA
    assert (words[0x2C], words[0x3F]) == (0x0082, 0xBA76)


def test_nvm_can_be_written_and_keeps_it_over_a_reset(card):
    card.write(0x10018, 0x1234 << 16 | 0x100 << 2 | 1)
    assert card.read(0x10018) & 2
    card.write(CTRL, RESET)
    card.write(0x10014, 0x100 << 2 | 1)
    assert card.read(0x10014) >> 16 == 0x1234


def test_semaphore_belongs_to_whoever_reads_it_free(card):
    assert card.read(0x10140) & 1 == 0
    assert card.read(0x10140) & 1 == 1
    card.write(0x10140, 3)
    assert card.read(0x10140) & 3 == 3
    card.write(0x10140, 0)
    assert card.read(0x10140) & 3 == 0


@pytest.mark.parametrize("alias,target,stride,target_stride", [
    (0x2100, 0x1014, 4, 0x40), (0x2200, 0x100C, 4, 0x40), (0x5400, 0xA200, 8, 8),
    (0x5404, 0xA204, 8, 8), (0x5480, 0xEA00, 4, 4)])
def test_old_addresses_share_storage_with_the_new_ones(card, alias, target, stride, target_stride):
    for index in range(16):
        card.write(alias + stride * index, 0x80000100 + index)
        assert card.read(target + target_stride * index) == 0x80000100 + index


def test_old_addresses_of_single_registers_and_of_rss(card):
    for alias, target in ((0x5818, 0xEC80), (0x5C00, 0xEB00), (0x5C7C, 0xEB7C), (0x5C80, 0xEB80),
                          (0x5CA4, 0xEBA4), (0x5AC0, 0xEC60)):
        card.write(target, 0x00ABCD01)
        assert card.read(alias) == 0x00ABCD01
        card.write(alias, 0x00123401)
        assert card.read(target) == 0x00123401


def test_unused_addresses_keep_values_and_are_reported_once(card):
    assert card.read(0x1FFF0) == 0
    card.write(0x1FFF0, 0x55)
    assert card.read(0x1FFF0) == 0x55
    assert [line for line in card.log() if "0x1fff0" in line] == [
        "ixgbe82599: read of unknown register 0x1fff0"]


def test_unmodelled_functions_are_reported_once(card):
    card.write(0x8C14, 1)
    card.write(0x8C14, 2)
    assert len([line for line in card.log() if "0x08c14" in line]) == 1


def test_registers_are_reached_through_the_io_bar(card):
    card.io_write(0, 0x5088)
    assert card.io_read(0) == 0x5088
    assert card.io_read(4) == 0x8100
    card.io_write(4, 0x88A8)
    assert card.read(0x5088) == 0x88A8


def test_waking_up_from_d3_resets_the_function(card):
    card.write(0x5088, 0)
    card.config_write(0x44, 3)
    card.config_write(0x44, 0)
    assert card.read(0x5088) == 0x8100


def test_mdio_finds_no_phy_and_never_hangs(card):
    card.write(0x425C, 1 << 30 | 3 << 26 | 1 << 16)
    assert card.read(0x425C) & 1 << 30 == 0
    assert card.read(0x4260) >> 16 == 0xFFFF
