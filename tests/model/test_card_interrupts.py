# SPDX-License-Identifier: MIT
"""Causes, masks, moderation and messages of the 82599 model."""

import pytest

from card import EIAC, EIAM, EICR, EICS, EIMC, EIMS, GPIE, IVAR_MISC, STATUS, Card

EICS_EX, EIMS_EX, EIMC_EX, EIAM_EX = 0xA90, 0xAA0, 0xAB0, 0xAD0
EITR = 0x820
LINKS = 0x42A4
LSC = 1 << 20
MSIX, OCD, EIMEN, EIAME, PBA = 1 << 4, 1 << 5, 1 << 6, 1 << 30, 1 << 31
FRAME = bytes.fromhex("525400123456 02000000000a 0800") + bytes(50)


@pytest.fixture
def card():
    with Card() as made:
        made.start_msix()
        yield made


def test_masked_cause_is_recorded_and_sent_when_the_mask_opens(card):
    card.write(EICS_EX, 1 << 3)
    assert card.messages() == []
    assert card.read(EICS) == 1 << 3
    card.write(EIMS_EX, 1 << 3)
    assert card.messages() == [3]


def test_reading_eics_clears_nothing_and_writing_eicr_does(card):
    card.write(EICS, 0x5)
    assert card.read(EICS) == 0x5
    assert card.read(EICS) == 0x5
    card.write(EICR, 0x4)
    assert card.read(EICS) == 0x1


def test_reading_eicr_clears_all_causes_or_only_the_other_ones(card):
    card.write(EICS, LSC | 0x3)
    assert card.read(EICR) == LSC | 0x3
    assert card.read(EICR) == 0x3
    card.write(GPIE, MSIX)
    assert card.read(EICR) == 0x3
    assert card.read(EICR) == 0


def test_cleared_cause_is_not_sent_when_the_mask_opens(card):
    """The driver's way to sleep: clear the stale cause, look at the ring, open the mask."""
    card.write(EICS_EX, 1 << 3)
    card.write(EICR, 1 << 3)
    card.write(EIMS_EX, 1 << 3)
    assert card.messages() == []
    card.write(EICS_EX, 1 << 3)
    assert card.messages() == [3]


def test_auto_mask_closes_the_mask_with_the_message(card):
    card.write(EIAM_EX, 0xFFFFFFFF)
    card.write(EIMS_EX, 0xFFFFFFFF)
    card.write(EIAC, 1 << 3)
    card.map_queue(0, rx=3)
    card.open_receiver()
    card.start_rx()
    card.send(FRAME)
    assert card.receive()
    assert card.messages() == [3]
    assert not card.read(EIMS_EX) & 1 << 3
    card.send(FRAME)
    assert card.receive()
    assert card.messages() == []
    card.write(EIMS_EX, 1 << 3)
    assert card.messages() == [3]


def test_causes_in_eiac_clear_with_the_message_and_others_stay(card):
    card.write(EIAC, 1 << 1)
    card.write(EIMS, 0xF)
    card.write(EICS, 0x6)
    assert card.messages() == [1, 2]
    assert card.read(EICS) == 1 << 2


def test_software_cause_opens_an_auto_masked_vector(card):
    """Linux strobes every vector now and then, to rescue a ring whose interrupt was lost."""
    card.write(EIAM_EX + 4, 1 << 5)
    card.write(EICS_EX + 4, 1 << 5)
    assert card.messages() == [37]


def test_low_half_of_the_masks_is_the_same_in_both_views(card):
    card.write(EIMS_EX, 0x8001)
    assert card.read(EIMS) == 0x8001
    card.write(EIMC, 0x1)
    assert card.read(EIMS_EX) == 0x8000
    card.write(EIAM, 0x7)
    assert card.read(EIAM_EX) == 0x7
    card.write(EIMC_EX, 0xFFFFFFFF)
    assert (card.read(EIMS), card.read(EIMS_EX)) == (0, 0)
    assert (card.read(EIMC), card.read(EIMC_EX)) == (0, 0)


def test_high_vectors_do_not_show_in_eicr(card):
    card.write(EICS_EX, 1 << 20)
    assert card.read(EICS) == 0
    card.write(EIMS_EX, 1 << 20)
    assert card.messages() == [20]
    card.write(EIMS_EX, 1 << 20)
    assert card.messages() == []


def test_moderation_delays_the_second_message(card):
    card.write(EITR + 4 * 3, 10 << 3)
    card.write(EIMS_EX, 1 << 3)
    card.write(EICS_EX, 1 << 3)
    assert card.messages() == [3]
    card.write(EICS_EX, 1 << 3)
    card.step_ns(10 * 2048 - 1000)
    assert card.messages() == []
    card.step_ns(1000)
    assert card.until(card.messages) == [3]


def test_several_events_in_one_interval_make_one_message(card):
    card.write(EITR, 10 << 3)
    card.write(EIMS_EX, 1)
    card.write(EICS_EX, 1)
    assert card.messages() == [0]
    for _ in range(5):
        card.write(EICS_EX, 1)
    card.step_ns(10 * 2048)
    assert card.until(card.messages) == [0]
    card.step_ns(10 * 2048)
    assert card.messages() == [] or card.read(EICS) == 1


def test_writing_the_interval_ends_the_one_that_runs_unless_told_to_keep_it(card):
    card.write(EITR, 100 << 3)
    card.write(EIMS_EX, 1)
    card.write(EICS_EX, 1)
    assert card.messages() == [0]
    card.write(EICS_EX, 1)
    card.write(EITR, 50 << 3 | 1 << 31)
    assert card.messages() == []
    card.write(EITR, 50 << 3)
    assert card.messages() == [0]
    assert card.read(EITR) == 50 << 3


def test_eimen_lets_software_causes_pass_moderation(card):
    card.write(GPIE, MSIX | OCD | EIMEN | EIAME | PBA)
    card.write(EITR, 100 << 3)
    card.write(EIMS_EX, 1)
    for _ in range(2):
        card.write(EICS_EX, 1)
        assert card.messages() == [0]


def test_link_change_is_seen_and_reported_to_the_vector_of_other_causes(card):
    card.write(IVAR_MISC, 0x80 << 8 | 5 << 8)
    card.write(EIMS, LSC)
    card.set_link(False)
    assert card.messages() == [5]
    assert card.read(EICS) == LSC
    assert (card.read(LINKS), card.read(STATUS) & 1 << 7) == (0, 0)
    card.write(EICR, LSC)
    assert card.read(EICS) == 0
    card.set_link(True)
    assert card.messages() == [5]
    assert card.read(STATUS) & 1 << 7
    # The drop shows once.
    assert (card.read(LINKS), card.read(LINKS)) == (0x74000000, 0x74000080)


def test_frames_are_completed_while_the_link_is_down(card):
    """A driver that finds descriptors pending on a dead link resets the card."""
    card.start_tx()
    card.set_link(False)
    index = card.put_frame(FRAME)
    card.move_tail()
    assert card.until(lambda: card.is_tx_done(index))
    assert card.sent_by_now() is None


def test_other_causes_without_a_valid_vector_send_nothing(card):
    card.write(EIMS, LSC)
    card.write(EICS, LSC)
    assert card.messages() == []


def test_queue_without_a_valid_vector_sends_nothing(card):
    card.write(EIMS_EX, 0xFFFFFFFF)
    card.open_receiver()
    card.start_rx()
    card.send(FRAME)
    assert card.receive()
    assert card.messages() == []
    assert card.read(EICS) == 0


@pytest.mark.parametrize("queue,vector", [(0, 0), (1, 15), (64, 16), (127, 63)])
def test_every_queue_can_have_every_vector(card, queue, vector):
    card.map_queue(queue, rx=1, tx=vector)
    card.write(EIMS_EX, 0xFFFFFFFF)
    card.write(EIMS_EX + 4, 0xFFFFFFFF)
    card.start_tx(queue)
    index = card.put_frame(FRAME, queue)
    card.move_tail(queue)
    assert card.until(lambda: card.is_tx_done(index, queue))
    assert card.until(card.messages) == [vector]


def test_reset_forgets_causes_and_masks(card):
    card.write(EIMS_EX, 0xFF)
    card.write(EIMC, 0x1)
    card.write(EICS, LSC | 1)
    card.write(0, 1 << 26)
    assert (card.read(EICS), card.read(EIMS), card.read(EIMS_EX)) == (0, 0, 0)


def test_masked_table_entry_keeps_the_message_pending_until_the_mask_opens_again(card):
    """PBA support: opening EIMS drops what the MSI-X table holds back."""
    card.mask_table_entry(3)
    card.write(EIAC, 1 << 3)
    card.write(EIMS_EX, 1 << 3)
    card.write(EICS_EX, 1 << 3)
    assert card.messages() == []
    assert card.read(0x110C0) == 1 << 3
    card.write(0x110C0, 1 << 3)
    assert card.read(0x110C0) == 0
    card.write(EICS_EX, 1 << 3)
    assert card.read(0x110C0) == 1 << 3
    card.write(EIMS_EX, 1 << 3)
    assert card.read(0x110C0) == 0


def test_without_msix_mode_all_causes_share_one_message(card):
    card.write(GPIE, 0)
    card.write(EIMS, LSC | 0xFFFF)
    card.write(EICS, 1 << 7)
    assert card.messages() == [0]
    assert card.read(EICR) == 1 << 7
    assert card.read(EICR) == 0
