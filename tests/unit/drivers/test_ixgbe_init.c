/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_nic.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests drivers/ixgbe/{ixgbe,rss,link,stats}.c: bring-up in the datasheet's order, what is left in
 * the registers, and that a card that falls silent at any step is reported, not waited for.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/ixgbe/ixgbe.h"
#include "kernel/platform.h"
#include "tests/unit/world/fake_nic.h"
#include "tests/unit/world/fake_platform.h"

#define NEVER UINT32_MAX

static const struct nic_grouping by_source = {12, 0, false};
static struct ixgbe nic;

static int start(unsigned queue_count)
{
    return ixgbe_start(&nic, fake_nic_registers(), 0x10F7, queue_count, by_source);
}

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    fake_set_clock_step_ns(NS_PER_US);
    fake_nic_reset();
    return 0;
}

static void steps_come_in_the_datasheets_order(void **state)
{
    unsigned masked, master_off, reset, masked_again, filters, fdir, rss, transmit, receive;

    (void)state;
    assert_int_equal(start(4), 0);
    assert_int_equal(ixgbe_enable_receive(&nic), 0);
    masked = fake_nic_find_write(0, 0x00888, NEVER, 0x7FFFFFFF);
    master_off = fake_nic_find_write(masked, 0x00000, 0x4, 0x4);
    reset = fake_nic_find_write(master_off, 0x00000, 0x04000008, 0x04000008);
    masked_again = fake_nic_find_write(reset, 0x00888, NEVER, 0x7FFFFFFF);
    filters = fake_nic_find_write(masked_again, 0x05080, NEVER, 0x400);
    fdir = fake_nic_find_write(filters, 0x0EE00, 3, 3);
    rss = fake_nic_find_write(fdir, 0x0EC80, NEVER, 0x00330001);
    transmit = fake_nic_find_write(rss, 0x04A80, 1, 1);
    receive = fake_nic_find_write(transmit, 0x03000, 1, 1);
    assert_int_not_equal(receive, NEVER); /* each was searched for behind the one before it */
    assert_int_equal(fake_nic_find_write(0, 0x03000, 1, 1), receive);
}

static void a_reset_is_given_a_millisecond_and_then_ten(void **state)
{
    (void)state;
    assert_int_equal(start(1), 0);
    assert_int_equal(fake_nic_writes_to(0x00000), 2); /* master disable, reset */
    assert_true(platform_now_ns() >= 11 * NS_PER_MS);
}

static void mac_address_comes_from_the_first_receive_address(void **state)
{
    static const uint8_t mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

    (void)state;
    assert_int_equal(start(1), 0);
    assert_memory_equal(nic.mac, mac, sizeof(mac));
    /* The others hold chance values after a reset. */
    for (uint32_t i = 1; i < 128; i++) {
        assert_int_equal(fake_nic_get(0x0A204 + 8 * i), 0);
    }
}

static void tables_with_chance_content_are_cleared(void **state)
{
    static const struct {
        uint32_t offset;
        unsigned count;
    } tables[] = {{0x05200, 128}, {0x0F400, 128}, {0x0A000, 128}, {0x0F100, 64}, {0x0F200, 128},
                  {0x0A604, 255}, {0x0E600, 128}, {0x05128, 8},   {0x0EC00, 8},  {0x0EC30, 1}};

    (void)state;
    assert_int_equal(start(1), 0);
    for (unsigned i = 0; i < ARRAY_COUNT(tables); i++) {
        for (unsigned k = 0; k < tables[i].count; k++) {
            assert_int_equal(fake_nic_get(tables[i].offset + 4 * k), 0);
        }
    }
}

/* 7.1.1.1: bits 47:36 of the address, bytes 4 and 5 of it, choose one of MTA's. */
static void groups_are_let_in_by_twelve_bits_of_their_address(void **state)
{
    static const uint8_t macs[3][6] = {
        {1, 0, 0x5E, 1, 0x02, 0x03}, {1, 0, 0x5E, 0, 0x00, 0x01}, {1, 0, 0x5E, 0x7F, 0xFF, 0xFF}};

    (void)state;
    assert_int_equal(start(2), 0);
    assert_int_equal(fake_nic_get(0x05090), 0);
    ixgbe_set_groups(&nic, macs, 3);
    assert_int_equal(fake_nic_get(0x05090), 4);
    for (unsigned i = 0; i < 128; i++) {
        uint32_t wanted = i == 0x030 / 32   ? 1u << (0x030 % 32)
                          : i == 0x010 / 32 ? 1u << (0x010 % 32)
                          : i == 127        ? 0x80000000
                                            : 0;

        assert_int_equal(fake_nic_get(0x05200 + 4 * i), wanted);
    }
    ixgbe_set_groups(&nic, macs, 0);
    assert_int_equal(fake_nic_get(0x05090), 0);
    assert_int_equal(fake_nic_get(0x05200), 0);
}

static void packet_buffers_make_room_for_the_filters(void **state)
{
    (void)state;
    assert_int_equal(start(2), 0);
    assert_int_equal(fake_nic_get(0x03C00), 0x00040000);
    assert_int_equal(fake_nic_get(0x03260), 0x0003A000);
    for (uint32_t i = 1; i < 8; i++) {
        assert_int_equal(fake_nic_get(0x03C00 + 4 * i), 0);
        assert_int_equal(fake_nic_get(0x0CC00 + 4 * i), 0);
    }
    assert_int_equal(fake_nic_get(0x0CC00), 0x28000);
    assert_int_equal(fake_nic_get(0x08100), 0xFFF);
    assert_int_equal(fake_nic_get(0x04900) & 0x40, 0);
}

static void receive_strips_the_crc_and_reports_the_hash(void **state)
{
    (void)state;
    assert_int_equal(start(2), 0);
    assert_int_equal(fake_nic_get(0x02F00) & 0x063E0002, 0x06000002); /* RDRXCTL */
    assert_int_equal(fake_nic_get(0x05008), 0xE0);                    /* RFCTL */
    assert_int_equal(fake_nic_get(0x05000), 0x2000);                  /* RXCSUM */
    assert_int_equal(fake_nic_get(0x00018) & 0x10000, 0x10000);       /* CTRL_EXT */
}

static void one_queue_needs_neither_filters_nor_hashing(void **state)
{
    (void)state;
    assert_int_equal(start(1), 0);
    assert_int_equal(fake_nic_get(0x03C00), 0x00080000);
    assert_int_equal(fake_nic_get(0x03260), 0x0007A000);
    assert_int_equal(fake_nic_writes_to(0x0EE00), 0);
    assert_int_equal(fake_nic_get(0x0EC80), 0);
}

static unsigned entries_of(unsigned queue)
{
    unsigned count = 0;

    for (uint32_t entry = 0; entry < 128; entry++) {
        count += (fake_nic_get(0x0EB00 + entry / 4 * 4) >> 8 * (entry % 4) & 0xFF) == queue;
    }
    return count;
}

static void hashing_spreads_over_the_queues_that_are_there(void **state)
{
    (void)state;
    assert_int_equal(start(4), 0);
    assert_int_equal(entries_of(0), 128);
    ixgbe_rss_spread(&nic, (const uint8_t[]){0, 2}, 2);
    assert_int_equal(entries_of(0), 64);
    assert_int_equal(entries_of(2), 64);
    ixgbe_rss_spread(&nic, (const uint8_t[]){0, 1, 2, 3}, 4);
    for (unsigned queue = 0; queue < 4; queue++) {
        assert_int_equal(entries_of(queue), 32);
    }
}

/* Whoever does not know it cannot aim all flows at one queue. All 40 bytes of it are random. */
static void the_hashs_key_is_another_each_time(void **state)
{
    uint32_t first[10];

    (void)state;
    assert_int_equal(start(4), 0);
    for (uint32_t i = 0; i < 10; i++) {
        first[i] = fake_nic_get(0x0EB80 + 4 * i); /* RSSRK */
        for (uint32_t k = 0; k < i; k++) {
            assert_int_not_equal(first[i], first[k]);
        }
    }
    assert_int_equal(start(4), 0);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_not_equal(fake_nic_get(0x0EB80 + 4 * i), first[i]);
    }
    assert_int_equal(fake_nic_writes_to(0x0EB80 + 4 * 10), 0);
}

/* An entry has four bits. */
static void hashing_leaves_out_queues_it_cannot_reach(void **state)
{
    (void)state;
    assert_int_equal(start(20), 0);
    ixgbe_rss_spread(&nic, (const uint8_t[]){0, 16, 15, 17}, 4);
    assert_int_equal(entries_of(0), 64);
    assert_int_equal(entries_of(15), 64);
}

static void interrupts_of_a_queue_go_to_its_own_vector(void **state)
{
    (void)state;
    assert_int_equal(start(3), 0);
    fake_nic_set(0x00900, 0);
    fake_nic_set(0x00904, 0);
    ixgbe_interrupts_start(&nic, ixgbe_other_vector(3, 64));
    assert_int_equal(fake_nic_get(0x00900), 0x00810080); /* receive of queues 0 and 1 */
    assert_int_equal(fake_nic_get(0x00904), 0x00000082);
    assert_int_equal(fake_nic_get(0x00A00), 0x8300); /* everything else: vector 3 */
    assert_int_equal(fake_nic_get(0x00810), 0x7);
    assert_int_equal(fake_nic_get(0x00AD0), UINT32_MAX);
    assert_int_equal(fake_nic_get(0x00898), 0xC0000010);
    assert_int_equal(fake_nic_get(0x00880), 0x00100000); /* the link's cause alone */
}

static void other_causes_share_vector_0_when_the_table_is_full(void **state)
{
    (void)state;
    assert_int_equal(ixgbe_other_vector(63, 64), 63);
    assert_int_equal(ixgbe_other_vector(64, 64), 0);
}

static void mask_of_vector_40_is_in_the_second_register(void **state)
{
    (void)state;
    ixgbe_interrupt_unmask(fake_nic_registers(), 40);
    assert_int_equal(fake_nic_get(0x00AA4), 0x100);
}

static void link_tells_state_and_speed(void **state)
{
    struct ixgbe_link link;

    (void)state;
    assert_int_equal(start(1), 0);
    link = ixgbe_link_read(&nic);
    assert_true(link.is_up);
    assert_int_equal(link.megabits, 10000);
    fake_nic_set(0x042A4, 0x60000000);
    assert_int_equal(ixgbe_link_read(&nic).megabits, 1000);
    fake_nic_set(0x042A4, 0x30000000);
    link = ixgbe_link_read(&nic);
    assert_false(link.is_up);
    assert_int_equal(link.megabits, 0);
}

static void optical_cards_have_their_laser_switched_on(void **state)
{
    unsigned optics_count = 0;

    (void)state;
    fake_nic_stick(0x00020, 0x8, 0x8); /* off */
    assert_int_equal(ixgbe_start(&nic, fake_nic_registers(), 0x10FB, 1, by_source), 0);
    assert_int_equal(fake_nic_get(0x00020) & 0x808, 0x800);
    fake_nic_reset();
    assert_int_equal(start(1), 0);
    assert_int_equal(fake_nic_writes_to(0x00020), 0);
    for (size_t i = 0; i < ixgbe_id_count; i++) {
        assert_int_equal(ixgbe_ids[i].vendor, 0x8086);
        optics_count += ixgbe_has_optics(ixgbe_ids[i].device);
    }
    assert_int_equal(optics_count, 6);
}

static void each_queue_counts_in_its_own_set(void **state)
{
    (void)state;
    assert_int_equal(start(4), 0);
    assert_int_equal(fake_nic_get(0x02300), 0x03020100);
    assert_int_equal(fake_nic_get(0x0230C), 0x0F0E0D0C);
    assert_int_equal(fake_nic_get(0x02310), 0x03020100);
    fake_nic_set(0x01430 + 0x40 * 3, 17);
    assert_int_equal(ixgbe_stats_take_dropped(fake_nic_registers(), 3), 17);
    assert_int_equal(ixgbe_stats_take_dropped(fake_nic_registers(), 3), 0);
    fake_nic_set(0x01430 + 0x40 * 3, 1); /* queue 19 shares the set */
    assert_int_equal(ixgbe_stats_take_dropped(fake_nic_registers(), 19), 1);
}

static void a_receive_queue_that_runs_is_stopped_before_the_reset(void **state)
{
    unsigned stopped;

    (void)state;
    fake_nic_set(0x0D028 + 0x40 * 6, 0x02000000); /* queue 70 */
    assert_int_equal(start(1), 0);
    stopped = fake_nic_find_write(0, 0x0D028 + 0x40 * 6, 0x02000000, 0);
    assert_true(stopped < fake_nic_find_write(0, 0x00000, 0x04000008, 0x04000008));
}

static void dma_that_does_not_stop_is_reset_twice(void **state)
{
    (void)state;
    fake_nic_stick(0x00008, 0x80000, 0x80000);
    assert_int_equal(start(1), 0);
    assert_int_equal(fake_nic_writes_to(0x00000), 3);
}

static void absent_device_is_refused_untouched(void **state)
{
    (void)state;
    fake_nic_stick(0x00008, UINT32_MAX, UINT32_MAX);
    assert_int_equal(start(1), -ENODEV);
    assert_int_equal(fake_nic_write_count(), 0);
}

static void card_without_nvm_is_refused(void **state)
{
    (void)state;
    fake_nic_stick(0x10010, 0x100, 0);
    assert_int_equal(start(1), -ENODEV);
    assert_non_null(strstr(fake_nic_last_log(), "NVM"));
}

static void card_without_a_unicast_address_is_refused(void **state)
{
    (void)state;
    fake_nic_stick(0x0A204, 0x80000000, 0);
    assert_int_equal(start(1), -ENODEV);
    fake_nic_reset();
    fake_nic_stick(0x0A200, 1, 1);
    assert_int_equal(start(1), -ENODEV);
}

/* Each wait, by the register that does not answer. */
static void every_silence_ends_in_a_time_out_that_names_the_register(void **state)
{
    static const struct {
        uint32_t offset, mask, value;
        const char *name;
    } silences[] = {
        {0x00000, 0x04000000, 0x04000000, "CTRL"},
        {0x10010, 0x200, 0, "EEC"},
        {0x02F00, 0x8, 0, "RDRXCTL"},
        {0x0EE00, 0x8, 0, "FDIRCTRL"},
        {0x08D04, 0x1, 0, "SECRXSTAT"},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(silences); i++) {
        fake_nic_reset();
        fake_nic_stick(silences[i].offset, silences[i].mask, silences[i].value);
        assert_int_equal(start(2), -ETIMEDOUT);
        assert_non_null(strstr(fake_nic_last_log(), silences[i].name));
    }
}

static void statistics_start_at_nothing_and_in_order(void **state)
{
    (void)state;
    for (uint32_t set = 0; set < 16; set++) {
        fake_nic_set(0x01030 + 0x40 * set, 1);
        fake_nic_set(0x01430 + 0x40 * set, 1);
        fake_nic_set(0x06030 + 0x40 * set, 1);
    }
    assert_int_equal(start(3), 0);
    for (uint32_t set = 0; set < 16; set++) {
        assert_int_equal(fake_nic_get(0x01030 + 0x40 * set), 0); /* QPRC */
        assert_int_equal(fake_nic_get(0x01430 + 0x40 * set), 0); /* QPRDC */
        assert_int_equal(fake_nic_get(0x06030 + 0x40 * set), 0); /* QPTC */
    }
    assert_int_equal(fake_nic_get(0x03FA0), 0); /* MPC */
    /* Four queues' sets in each of 32 registers, and nothing behind them. */
    for (uint32_t i = 0; i < 32; i++) {
        uint32_t sets = 0x03020100 + 0x04040404 * (i % 4);

        assert_int_equal(fake_nic_get(0x02300 + 4 * i), sets);
        assert_int_equal(fake_nic_get(0x08600 + 4 * i), sets);
    }
    assert_int_equal(fake_nic_writes_to(0x02380), 0);
    assert_int_equal(fake_nic_writes_to(0x08680), 0);
}

/* Datasheet 8.2.3.7.10: pool 0 receives what is addressed to us, and no other. 8.2.3.9.17: one
 * transmit buffer with its threshold. */
static void one_pool_and_one_buffer_are_for_all(void **state)
{
    (void)state;
    assert_int_equal(start(3), 0);
    assert_int_equal(fake_nic_get(0x0A600), 1); /* MPSAR(0) */
    assert_int_equal(fake_nic_get(0x0A604), 0);
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(fake_nic_get(0x0CC00 + 4 * i), i == 0 ? 0x28000 : 0); /* TXPBSIZE */
        assert_int_equal(fake_nic_get(0x04950 + 4 * i), i == 0 ? 0x96 : 0);    /* TXPBTHRESH */
    }
    assert_int_equal(fake_nic_get(0x08120), 0); /* MTQC */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(steps_come_in_the_datasheets_order, set_up),
        cmocka_unit_test_setup(a_reset_is_given_a_millisecond_and_then_ten, set_up),
        cmocka_unit_test_setup(mac_address_comes_from_the_first_receive_address, set_up),
        cmocka_unit_test_setup(tables_with_chance_content_are_cleared, set_up),
        cmocka_unit_test_setup(groups_are_let_in_by_twelve_bits_of_their_address, set_up),
        cmocka_unit_test_setup(packet_buffers_make_room_for_the_filters, set_up),
        cmocka_unit_test_setup(receive_strips_the_crc_and_reports_the_hash, set_up),
        cmocka_unit_test_setup(one_queue_needs_neither_filters_nor_hashing, set_up),
        cmocka_unit_test_setup(hashing_spreads_over_the_queues_that_are_there, set_up),
        cmocka_unit_test_setup(the_hashs_key_is_another_each_time, set_up),
        cmocka_unit_test_setup(hashing_leaves_out_queues_it_cannot_reach, set_up),
        cmocka_unit_test_setup(interrupts_of_a_queue_go_to_its_own_vector, set_up),
        cmocka_unit_test_setup(other_causes_share_vector_0_when_the_table_is_full, set_up),
        cmocka_unit_test_setup(mask_of_vector_40_is_in_the_second_register, set_up),
        cmocka_unit_test_setup(link_tells_state_and_speed, set_up),
        cmocka_unit_test_setup(optical_cards_have_their_laser_switched_on, set_up),
        cmocka_unit_test_setup(each_queue_counts_in_its_own_set, set_up),
        cmocka_unit_test_setup(statistics_start_at_nothing_and_in_order, set_up),
        cmocka_unit_test_setup(one_pool_and_one_buffer_are_for_all, set_up),
        cmocka_unit_test_setup(a_receive_queue_that_runs_is_stopped_before_the_reset, set_up),
        cmocka_unit_test_setup(dma_that_does_not_stop_is_reset_twice, set_up),
        cmocka_unit_test_setup(absent_device_is_refused_untouched, set_up),
        cmocka_unit_test_setup(card_without_nvm_is_refused, set_up),
        cmocka_unit_test_setup(card_without_a_unicast_address_is_refused, set_up),
        cmocka_unit_test_setup(every_silence_ends_in_a_time_out_that_names_the_register, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
