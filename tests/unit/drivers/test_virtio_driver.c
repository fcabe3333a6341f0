/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_virtio.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests drivers/virtio through drivers/nic/nic.h: bring-up, features, commands, the link; and what
 * becomes of a card that lacks something or lies about itself.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/nic.h"
#include "drivers/vectors.h"
#include "kernel/platform.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_virtio.h"

static const node_id_t nodes[1] = {0}, later_nodes[3] = {5, 9, 0};
static struct nic_port port;
static struct nic *nic;
static struct nic_queue *queue;

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    fake_set_clock_step_ns(NS_PER_US);
    fake_virtio_reset();
    assert_int_equal(nic_find(&port, 1), 1);
    nic = NULL;
    return 0;
}

static int start(void)
{
    return nic_start(&port, nodes, 1, (struct nic_grouping){12, 0, false}, &nic);
}

static int open(void)
{
    struct nic_queue_key key;
    int result;

    nic_make_queue_key(nic, 0, &key);
    result = nic_queue_open(&key, &queue);
    if (result == 0) {
        fake_virtio_keep(queue);
    }
    return result;
}

static void run(void)
{
    assert_int_equal(start(), 0);
    assert_int_equal(open(), 0);
    assert_int_equal(nic_enable_receive(nic), 0);
}

static int tear_down(void **state)
{
    (void)state;
    if (nic != NULL) {
        nic_stop(nic);
        assert_int_equal(fake_virtio.status, 0);
        assert_false(fake_virtio.is_mastering);
    }
    return 0;
}

/* --- Bring-up --- */

static void a_card_runs_with_what_both_sides_know(void **state)
{
    (void)state;
    run();
    assert_int_equal(fake_virtio.agreed, FAKE_USED);
    assert_int_equal(fake_virtio.status, 0x0F);
    assert_int_equal(nic->queue_count, 1);
    assert_int_equal(nic->group_count, 0);
    assert_true(nic->can_segment_tcp);
    assert_memory_equal(nic->mac, fake_virtio.mac, 6);
    assert_int_equal(nic->link_vector, INTERRUPT_VECTOR_NIC_OTHER);
    assert_int_equal(queue->interrupt_vector, INTERRUPT_VECTOR_NIC);
    assert_int_equal(fake_virtio.config_vector, 1);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(fake_virtio.queues[i].enable, 1);
        assert_int_equal(fake_virtio.queues[i].vector, 0);
    }
    assert_int_equal(fake_virtio.queues[2].vector, 0xFFFF);
    assert_int_equal(fake_virtio_available(0), 64);
    assert_int_equal(fake_virtio.queues[0].notify_count, 1);
    assert_int_equal(fake_virtio.log_count, 0);
}

static void expect_all_groups(bool is_on)
{
    static const uint8_t last[2] = {0, 1};

    assert_memory_equal(fake_virtio.command, last, 2);
    assert_int_equal(fake_virtio.command_data[0], is_on);
}

/* Neither everything, nor all that is for groups. */
static void the_card_is_told_what_to_let_in(void **state)
{
    (void)state;
    run();
    assert_int_equal(fake_virtio.command_count, 2);
    expect_all_groups(false);
}

/* As a table, as long as one command holds it. */
static void groups_are_let_in_by_a_table_or_all_of_them(void **state)
{
    static uint8_t macs[NIC_GROUP_MAX][6];
    uint8_t table[8 + 6 * 2] = {0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0x5E, 1, 2, 3, 1, 0, 0x5E, 4, 5, 6};

    (void)state;
    run();
    memcpy(macs, table + 8, 12);
    nic_set_groups(nic, (const uint8_t(*)[6])macs, 2);
    assert_int_equal(fake_virtio.command_count, 4);
    assert_memory_equal(fake_virtio.table, table, sizeof(table));
    assert_int_equal(fake_virtio.table_bytes, sizeof(table));
    expect_all_groups(false);
    nic_set_groups(nic, (const uint8_t(*)[6])macs, 64);
    assert_int_equal(fake_virtio.table_bytes, 8 + 6 * 64);
    expect_all_groups(false);
    nic_set_groups(nic, (const uint8_t(*)[6])macs, 65);
    assert_int_equal(fake_virtio.command_count, 7);
    expect_all_groups(true);
    nic_set_groups(nic, (const uint8_t(*)[6])macs, 0);
    assert_int_equal(fake_virtio.table_bytes, 8);
    expect_all_groups(false);
    fake_virtio.answer = 1; /* it refuses the table */
    nic_set_groups(nic, (const uint8_t(*)[6])macs, 2);
    expect_all_groups(true);
}

static void a_refused_or_unanswered_command_stops_nothing(void **state)
{
    (void)state;
    fake_virtio.answer = 1;
    run();
    assert_int_equal(fake_virtio.command_count, 2);
    assert_int_equal(fake_virtio.log_count, 2);
    nic_stop(nic);
    fake_virtio_reset();
    fake_set_clock_step_ns(NS_PER_MS);
    fake_virtio.is_silent = true;
    run();
    assert_int_equal(fake_virtio.command_count, 1); /* the device may still write its answer */
    assert_true(nic_check_link(nic).is_up);
}

/* The least that there can be: each is done without, or by the driver. */
static void a_card_with_no_feature_but_its_version_runs(void **state)
{
    (void)state;
    fake_virtio.offered = FAKE_VERSION_1;
    fake_virtio.link_status = 0;
    run();
    assert_int_equal(fake_virtio.agreed, FAKE_VERSION_1);
    assert_false(nic->can_segment_tcp);
    assert_int_equal(fake_virtio.queues[2].enable, 0);
    assert_int_equal(nic->mac[0] & 3, 2); /* administered locally, one station's */
    assert_true(nic_check_link(nic).is_up);
}

static void a_feature_without_its_base_is_not_taken(void **state)
{
    (void)state;
    fake_virtio.offered = FAKE_ALL & ~(FAKE_CSUM | FAKE_CTRL_VQ);
    run();
    assert_int_equal(fake_virtio.agreed, FAKE_USED & ~(FAKE_CSUM | FAKE_TSO4 | FAKE_CTRL_VQ |
                                                       FAKE_CTRL_RX | FAKE_ANNOUNCE));
}

static void a_narrow_network_is_logged_and_not_agreed_to(void **state)
{
    (void)state;
    fake_virtio.mtu = 1400;
    run();
    assert_int_equal(fake_virtio.agreed, FAKE_USED & ~FAKE_MTU);
    assert_non_null(strstr(fake_virtio.last_log, "features"));
    assert_int_equal(fake_virtio.log_count, 1);
}

static void interrupts_are_shared_when_there_is_one_and_looked_for_when_there_is_none(void **state)
{
    (void)state;
    fake_virtio.msix_entries = 1;
    run();
    assert_int_equal(nic->link_vector, INTERRUPT_VECTOR_NIC);
    assert_int_equal(fake_virtio.config_vector, 0);
    nic_stop(nic);
    fake_virtio_reset();
    fake_virtio.msix_entries = 0;
    run();
    assert_false(nic_queue_has_interrupt(queue));
    assert_int_equal(nic->link_vector, 0);
    assert_int_equal(fake_virtio.queues[0].vector, 0xFFFF);
}

/* As left by a node that has died, or by firmware: with rings in memory that is somebody else's. */
static void a_running_card_is_reset_before_it_masters_the_bus(void **state)
{
    (void)state;
    fake_virtio.status = 0x0F;
    run();
    assert_true(fake_virtio.is_mastering);
    assert_false(fake_virtio.was_mastering_at_reset);
    nic_quieten();
    assert_false(fake_virtio.is_mastering);
}

/* Queues go by the link servers' numbers, so of those up to its own only that one can be opened. */
static void a_later_link_server_drives_the_card_with_its_own_number(void **state)
{
    struct nic_queue_key key, other;
    struct nic_queue_report report;

    (void)state;
    assert_int_equal(nic_start(&port, later_nodes, 3, (struct nic_grouping){12, 0, false}, &nic),
                     0);
    assert_int_equal(nic->queue_count, 3);
    nic_make_queue_key(nic, 1, &other);
    assert_int_equal(nic_queue_open(&other, &queue), -EINVAL);
    nic_make_queue_key(nic, 2, &key);
    assert_int_equal(nic_queue_open(&key, &queue), 0);
    fake_virtio_keep(queue);
    assert_int_equal(nic_enable_receive(nic), 0);
    assert_int_equal(fake_virtio_available(0), 64);
    nic_stop(nic);
    nic = NULL;
    /* As on any other node. */
    assert_int_equal(nic_queue_prepare(&other, &queue, &report), -ENOTSUP);
    assert_int_equal(nic_queue_prepare(&key, &queue, &report), -EINVAL);
}

/* --- Cards that do not start --- */

static void assert_does_not_start(int error, const char *why)
{
    assert_int_equal(start(), error);
    assert_false(fake_virtio.is_mastering);
    assert_non_null(strstr(fake_virtio.last_log, why));
    nic = NULL;
}

static void without_memory_no_card_starts(void **state)
{
    (void)state;
    fake_fail_allocations_after(0);
    assert_int_equal(start(), -ENOMEM);
    fake_fail_allocations_after(-1);
}

static void a_card_that_lacks_something_is_switched_off(void **state)
{
    (void)state;
    fake_virtio.has_no_common = true;
    assert_does_not_start(-ENODEV, "old drivers");
    fake_virtio_reset();
    fake_virtio.offered &= ~FAKE_VERSION_1;
    assert_does_not_start(-ENOTSUP, "version 1");
    fake_virtio_reset();
    fake_virtio.refuses = true;
    assert_does_not_start(-ENOTSUP, "refuses the features");
    fake_virtio_reset();
    fake_virtio.is_stuck = true;
    fake_virtio.status = 0x0F;
    assert_does_not_start(-ETIMEDOUT, "does not reset");
    fake_virtio_reset();
    fake_virtio.queues[1].size_max = 0;
    assert_does_not_start(-ENODEV, "no queue 1");
    fake_virtio_reset();
    fake_virtio.queues[0].size_max = 63; /* of which 32 could be used */
    assert_does_not_start(-ENODEV, "a ring of 32 only");
}

static void one_that_breaks_as_it_starts_is_not_used(void **state)
{
    (void)state;
    fake_virtio.breaks_at_once = true;
    assert_int_equal(start(), 0);
    assert_int_equal(open(), 0);
    assert_int_equal(nic_enable_receive(nic), -ENODEV);
}

/* An address that is a group's is none: who trusted it would send in the name of all. */
static void a_card_with_an_impossible_address_gets_a_local_one(void **state)
{
    uint8_t mac[6];

    (void)state;
    fake_virtio.mac[0] = 0x01;
    assert_int_equal(nic_read_mac(&port, mac), -ENODEV);
    run();
    assert_int_equal(nic->mac[0] & 3, 2);
}

static void a_mac_is_read_with_the_port_on_and_then_off(void **state)
{
    uint8_t mac[6];

    (void)state;
    assert_int_equal(nic_read_mac(&port, mac), 0);
    assert_memory_equal(mac, fake_virtio.mac, 6);
    assert_false(fake_virtio.is_mastering);
    fake_virtio.offered &= ~FAKE_MAC;
    assert_int_equal(nic_read_mac(&port, mac), -ENODEV);
    assert_string_equal(port.model, "1af4:1041");
}

/* --- While it runs --- */

static void the_link_is_what_the_card_says(void **state)
{
    struct nic_link link;

    (void)state;
    run();
    link = nic_check_link(nic);
    assert_true(link.is_up);
    assert_int_equal(link.megabits, 0); /* nobody knows */
    fake_virtio.speed = 25000;
    assert_int_equal(nic_check_link(nic).megabits, 25000);
    fake_virtio.link_status = 2;
    link = nic_check_link(nic);
    assert_false(link.is_up);
    assert_int_equal(link.megabits, 0);
}

/* Not by one that could not be told that it is done. */
static void a_card_may_ask_for_an_announcement_and_is_told_of_it(void **state)
{
    (void)state;
    run();
    assert_false(nic_check_link(nic).is_announcement_wanted);
    fake_virtio.link_status |= 2;
    assert_true(nic_check_link(nic).is_announcement_wanted);
    nic_note_announced(nic);
    assert_int_equal(fake_virtio.command[0] << 8 | fake_virtio.command[1], 3 << 8);
    assert_int_equal(fake_virtio.command_count, 3);
    assert_false(nic_check_link(nic).is_announcement_wanted);
    assert_int_equal(fake_virtio.log_count, 0);
    fake_virtio.link_status |= 2;
    fake_virtio.is_silent = true;
    nic_note_announced(nic);
    assert_int_equal(fake_virtio.log_count, 1);
    fake_virtio.link_status |= 2;
    assert_false(nic_check_link(nic).is_announcement_wanted);
}

static void a_card_that_gives_up_is_logged_and_counted_once(void **state)
{
    (void)state;
    run();
    fake_virtio.status |= 0x40;
    assert_false(nic_check_link(nic).is_up);
    assert_false(nic_check_link(nic).is_up);
    assert_int_equal(fake_virtio.log_count, 1);
    assert_int_equal(counter_read(0, COUNTER_NIC_QUEUES_STOPPED), 1);
}

/* Of one that has given up nothing else is believed. */
static void a_card_that_has_given_up_is_started_anew(void **state)
{
    struct nic_link link;

    (void)state;
    run();
    assert_false(nic_check_link(nic).has_given_up);
    fake_virtio.speed = 25000;
    for (unsigned i = 0; i < 3; i++) {
        static const uint8_t statuses[3] = {0x4F, 0x8F, 0};

        fake_virtio.status = statuses[i];
        link = nic_check_link(nic);
        assert_true(link.has_given_up && !link.is_up && link.megabits == 0);
        fake_virtio.status = 0x0F; /* it was said once, and holds */
        assert_true(nic_check_link(nic).has_given_up);
        nic_stop(nic);
        run();
        assert_int_equal(fake_virtio.status, 0x0F);
        assert_int_equal(fake_virtio_available(0), 64);
        assert_true(nic_check_link(nic).is_up && !nic_check_link(nic).has_given_up);
    }
}

/* It is another node's word. */
static void an_impossible_key_opens_nothing(void **state)
{
    struct nic_queue_key key, good;

    (void)state;
    assert_int_equal(start(), 0);
    nic_make_queue_key(nic, 0, &good);
    for (unsigned i = 0; i < 6; i++) {
        key = good;
        switch (i) {
        case 0:
            key.words[0] += 0x1000; /* no card's */
            break;
        case 1:
            key.words[1] |= 0xFFFFFFFF; /* outside */
            break;
        case 2:
            key.words[2] |= 1ull << 57; /* a feature that is not known */
            break;
        case 3:
            key.words[3] = (key.words[3] & ~0xFFFull) | 96; /* no power of two */
            break;
        case 4:
            key.words[3] |= 2ull << 39 | 0x1FFFFull << 47; /* others' registers outside */
            break;
        case 5:
            key.queue_index = 1;
            break;
        }
        assert_int_equal(nic_queue_open(&key, &queue), -EINVAL);
    }
    assert_int_equal(open(), 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(without_memory_no_card_starts), /* before it has some */
        TEST(a_card_runs_with_what_both_sides_know),
        TEST(the_card_is_told_what_to_let_in),
        TEST(groups_are_let_in_by_a_table_or_all_of_them),
        TEST(a_refused_or_unanswered_command_stops_nothing),
        TEST(a_card_with_no_feature_but_its_version_runs),
        TEST(a_feature_without_its_base_is_not_taken),
        TEST(a_narrow_network_is_logged_and_not_agreed_to),
        TEST(interrupts_are_shared_when_there_is_one_and_looked_for_when_there_is_none),
        TEST(a_running_card_is_reset_before_it_masters_the_bus),
        TEST(a_later_link_server_drives_the_card_with_its_own_number),
        TEST(a_card_that_lacks_something_is_switched_off),
        TEST(one_that_breaks_as_it_starts_is_not_used),
        TEST(a_card_with_an_impossible_address_gets_a_local_one),
        TEST(a_mac_is_read_with_the_port_on_and_then_off),
        TEST(the_link_is_what_the_card_says),
        TEST(a_card_may_ask_for_an_announcement_and_is_told_of_it),
        TEST(a_card_that_gives_up_is_logged_and_counted_once),
        TEST(a_card_that_has_given_up_is_started_anew),
        TEST(an_impossible_key_opens_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
