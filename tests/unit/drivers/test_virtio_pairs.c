/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_virtio.c tests/unit/world/virtio_world.c */
/* flags: -DMMIO_FAKE */
/*
 * Tests drivers/virtio with several queue pairs, on the node that drives the card: what other nodes
 * report is checked and given to the card, what they do not report is stood in for, and frames go
 * where the table says, by a hash that the test computes itself.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/nic.h"
#include "drivers/vectors.h"
#include "kernel/platform.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_virtio.h"
#include "tests/unit/world/virtio_world.h"

#define PAIRS      4
#define RING_SIZE  64u
/* Descriptors, available and used ring of so many, the last on a cache line. */
#define RING_BYTES (64u * 16 + 192 + 6 + 64 * 8)
#define RX(pair)   (2 * (pair))
#define TX(pair)   (2 * (pair) + 1)
#define CONTROL    (2 * PAIRS)
#define OWN        0

static const node_id_t nodes[PAIRS] = {0, 1, 2, 3};
static const struct nic_grouping folded = {7, 0, true}, folded_both = {7, 7, true};

static int set_up(void **state)
{
    (void)state;
    virtio_world_reset(PAIRS);
    return 0;
}

/* A ring of that node's, as it reports it. */
static uint64_t ring_of(node_id_t node)
{
    return (uintptr_t)fake_virtio_memory_of(node, RING_BYTES) | 6;
}

static struct nic_queue_report report_of(node_id_t node)
{
    return (struct nic_queue_report){.words = {ring_of(node), ring_of(node)}};
}

static void give(unsigned pair)
{
    struct nic_queue_report report = report_of(nodes[pair]);

    assert_int_equal(nic_give_queue(nic, pair, &report), 0);
}

static void run_with_all(struct nic_grouping grouping)
{
    virtio_world_open(OWN, nodes, PAIRS, grouping);
    for (unsigned pair = 1; pair < PAIRS; pair++) {
        give(pair);
    }
    assert_int_equal(nic_enable_receive(nic), 0);
}

/* --- The hash, after VIRTIO 5.1.6.4.3 and Microsoft's definition of it --- */

struct rss_command {
    uint32_t hash_types;
    uint16_t mask, unclassified;
    uint16_t table[128];
    uint16_t tx_pairs;
    uint8_t key_bytes;
    uint8_t key[40];
} __attribute__((packed));

static const struct rss_command *last_rss(void)
{
    assert_int_equal(fake_virtio.command[0], 4);
    assert_int_equal(fake_virtio.command[1], 1);
    return (const struct rss_command *)fake_virtio.command_data;
}

static unsigned key_bit(const uint8_t *key, unsigned bit)
{
    return key[bit / 8] >> (7 - bit % 8) & 1;
}

static uint32_t toeplitz(const uint8_t *key, const uint8_t *input, unsigned input_bytes)
{
    uint32_t hash = 0;

    for (unsigned i = 0; i < 8 * input_bytes; i++) {
        uint32_t window = 0;

        for (unsigned k = 0; k < 32; k++) {
            window = window << 1 | key_bit(key, i + k);
        }
        hash ^= (input[i / 8] >> (7 - i % 8) & 1) != 0 ? window : 0;
    }
    return hash;
}

/* Where a segment with these ports and chance addresses goes. */
static unsigned pair_of_segment(uint16_t source, uint16_t destination)
{
    const struct rss_command *rss = last_rss();
    uint8_t input[12];

    for (unsigned i = 0; i < 8; i++) {
        input[i] = (uint8_t)rand();
    }
    input[8] = (uint8_t)(source >> 8);
    input[9] = (uint8_t)source;
    input[10] = (uint8_t)(destination >> 8);
    input[11] = (uint8_t)destination;
    return rss->table[toeplitz(rss->key, input, sizeof(input)) & rss->mask];
}

/* --- Start --- */

static void all_pairs_have_rings_and_interrupts_before_the_card_runs(void **state)
{
    struct nic_queue_report report = report_of(3);

    (void)state;
    virtio_world_open(OWN, nodes, PAIRS, folded);
    assert_int_equal(nic->queue_count, PAIRS);
    assert_int_equal(nic->group_count, 128);
    assert_true(nic_takes_prepared(nic) && nic_has_table(nic));
    give(1);
    give(2);
    assert_int_equal(nic_give_queue(nic, 3, &report), 0);
    assert_int_equal(fake_virtio.queues[RX(3)].enable, 0);
    assert_int_equal(nic_enable_receive(nic), 0);
    for (unsigned i = 0; i < 2 * PAIRS; i++) {
        assert_int_equal(fake_virtio.queues[i].enable, 1);
        assert_int_equal(fake_virtio.queues[i].vector, i / 2);
        assert_int_equal(fake_virtio.queues[i].size, RING_SIZE);
        assert_int_equal(fake_virtio.entries[i / 2], 0x100 | nodes[i / 2]);
    }
    assert_int_equal(fake_virtio.queues[RX(3)].descriptors, report.words[0] & ~0xFFFull);
    assert_int_equal(fake_virtio.queues[TX(3)].descriptors, report.words[1] & ~0xFFFull);
    assert_int_equal(fake_virtio.queues[CONTROL].enable, 1);
    assert_int_equal(fake_virtio.config_vector, PAIRS);
    for (unsigned pair = 0; pair < PAIRS; pair++) {
        assert_int_equal(fake_virtio.queues[RX(pair)].notify_count, 1);
    }
    /* Nothing is steered yet: all comes here. */
    for (unsigned i = 0; i < 128; i++) {
        assert_int_equal(last_rss()->table[i], 0);
    }
    assert_int_equal(last_rss()->tx_pairs, PAIRS);
    assert_int_equal(last_rss()->hash_types, 2); /* TCP over IPv4 alone */
    assert_int_equal(fake_virtio.log_count, 0);
}

/* Each is another node's word. */
static void a_report_that_cannot_be_is_refused(void **state)
{
    struct nic_queue_report good = report_of(1);
    uint64_t others = ring_of(2);
    const struct nic_queue_report bad[] = {
        {{others, good.words[1]}},                          /* another node's memory */
        {{good.words[0], others}},                          /* of the second, too */
        {{0 | 6, good.words[1]}},                           /* nobody's */
        {{UINT64_MAX << 12 | 6, good.words[1]}},            /* wraps */
        {{good.words[0] + 7 - 6, good.words[1]}},           /* longer than the card's */
        {{good.words[0] + 5 - 6, good.words[1]}},           /* shorter than is of use */
        {{good.words[0], good.words[1] | 0xFC0}},           /* no size at all */
        {{good.words[0], (good.words[1] & ~0xFFFull) | 0}}, /* of one */
    };

    (void)state;
    virtio_world_open(OWN, nodes, PAIRS, folded);
    for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_int_equal(nic_give_queue(nic, 1, &bad[i]), -EINVAL);
    }
    assert_int_equal(nic_give_queue(nic, OWN, &good), -EINVAL); /* it has been opened here */
    assert_int_equal(nic_give_queue(nic, 1, &good), 0);
    assert_int_equal(nic_give_queue(nic, 2, &good), -EINVAL); /* good only for its own node */
}

static const uint8_t bytes[60] = {1, 2, 3};

static unsigned receive_one(unsigned pair)
{
    struct frame *frames[8];
    unsigned count;

    fake_virtio_receive(RX(pair), bytes, sizeof(bytes), 0, 1);
    assert_true(nic_queue_is_pending(queue));
    assert_false(nic_queue_is_idle(queue));
    count = nic_queue_receive(queue, frames, 8);
    for (unsigned i = 0; i < count; i++) {
        assert_memory_equal(frames[i]->data, bytes, sizeof(bytes));
        frames[i]->release(frames[i]);
    }
    return count;
}

static void what_nobody_has_given_is_served_here_with_this_nodes_interrupt(void **state)
{
    (void)state;
    virtio_world_open(OWN, nodes, PAIRS, folded);
    give(2);
    assert_int_equal(nic_enable_receive(nic), 0);
    assert_int_equal(fake_virtio.queues[RX(1)].vector, OWN);
    assert_int_equal(fake_virtio.queues[RX(2)].vector, 2);
    assert_int_equal(fake_virtio.queues[RX(3)].vector, OWN);
    assert_int_equal(receive_one(1), 1);
    assert_int_equal(receive_one(3), 1);
    assert_int_equal(receive_one(OWN), 1);
    assert_true(nic_queue_arm(queue));
    assert_int_equal(fake_virtio_used_event(RX(1)), 1);
    assert_int_equal(fake_virtio_used_event(RX(3)), 1);
    fake_virtio_receive(RX(3), bytes, sizeof(bytes), 0, 1);
    assert_false(nic_queue_arm(queue));
}

/* A device may want all that it has. */
static void pairs_that_no_link_server_has_are_served_here(void **state)
{
    (void)state;
    virtio_world_open(OWN, nodes, 2, folded);
    assert_int_equal(nic->queue_count, 2);
    give(1);
    assert_int_equal(nic_enable_receive(nic), 0);
    for (unsigned i = 0; i < 2 * PAIRS; i++) {
        assert_int_equal(fake_virtio.queues[i].enable, 1);
    }
    assert_int_equal(receive_one(3), 1);
}

static void the_first_pair_is_the_drivers_when_its_own_is_not_there(void **state)
{
    static const node_id_t many[PAIRS + 2] = {1, 2, 3, 4, 5, 0};
    struct nic_queue_report report = report_of(1);

    (void)state;
    virtio_world_open(PAIRS + 1, many, PAIRS + 2, folded);
    assert_int_equal(nic->queue_count, PAIRS + 2);
    assert_int_equal(nic_give_queue(nic, 0, &report), -EINVAL);
    assert_int_equal(nic_give_queue(nic, PAIRS, &report), -EINVAL);
    report = report_of(2);
    assert_int_equal(nic_give_queue(nic, 1, &report), 0);
    assert_int_equal(nic_enable_receive(nic), 0);
    assert_int_equal(fake_virtio.entries[0], 0x100);
    assert_int_equal(fake_virtio.entries[1], 0x102);
    assert_int_equal(receive_one(0), 1);
}

static void an_impossible_number_of_pairs_starts_nothing(void **state)
{
    static const uint16_t counts[] = {0, 0x8001, UINT16_MAX};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(counts); i++) {
        fake_virtio.pairs = counts[i];
        assert_int_equal(nic_start(&port, nodes, PAIRS, folded, &nic), -ENODEV);
        assert_false(fake_virtio.is_mastering);
    }
    fake_virtio.pairs = PAIRS + 1; /* whose queues are not there */
    assert_int_equal(nic_start(&port, nodes, PAIRS, folded, &nic), -ENODEV);
    nic = NULL;
}

/* --- Steering --- */

static void steer_by(unsigned (*queue_of)(unsigned group), unsigned others)
{
    uint8_t queues[128];

    for (unsigned group = 0; group < 128; group++) {
        queues[group] = (uint8_t)queue_of(group);
    }
    assert_int_equal(nic_steer_table(nic, queues, others), 0);
}

static unsigned by_hand(unsigned group)
{
    return group * 2654435761u >> 30;
}

/* All that the table can tell apart: a group wrong by any bit goes elsewhere for some function. */
static unsigned bit_of_group;
static unsigned by_bit(unsigned group)
{
    return group >> bit_of_group & 1 ? 3 : 1;
}

static void each_port_goes_to_the_queue_of_its_group_whatever_the_addresses(void **state)
{
    (void)state;
    srand(1);
    run_with_all(folded);
    steer_by(by_hand, 2);
    assert_int_equal(last_rss()->unclassified, 2);
    for (unsigned source = 0; source < 65536; source++) {
        unsigned group = (source ^ source >> 5) & 127;

        assert_int_equal(nic_fold(source), group);
        assert_int_equal(pair_of_segment((uint16_t)source, (uint16_t)rand()), by_hand(group));
    }
    for (bit_of_group = 0; bit_of_group < 7; bit_of_group++) {
        steer_by(by_bit, 0);
        for (unsigned source = 0; source < 4096; source++) {
            assert_int_equal(pair_of_segment((uint16_t)source, 80), by_bit(nic_fold(source)));
        }
    }
}

static void with_both_ports_it_is_their_exclusive_or(void **state)
{
    (void)state;
    srand(2);
    run_with_all(folded_both);
    steer_by(by_hand, 0);
    for (unsigned i = 0; i < 50000; i++) {
        uint16_t source = (uint16_t)rand(), destination = (uint16_t)rand();

        assert_int_equal(pair_of_segment(source, destination),
                         by_hand(nic_fold(source ^ destination)));
        /* And what is answered from there. */
        assert_int_equal(pair_of_segment(destination, source),
                         pair_of_segment(source, destination));
    }
}

/* Which leaves forwarding in software, and pairs that the device chooses. */
static void a_card_that_does_not_take_the_table_is_told_to_use_all_pairs(void **state)
{
    uint8_t queues[128] = {0};

    (void)state;
    fake_virtio.rss_answer = 1;
    run_with_all(folded);
    assert_int_equal(nic->group_count, 0);
    assert_int_equal(fake_virtio.rss_count, 1);
    assert_int_equal(fake_virtio.command[1], 0);
    assert_int_equal(fake_virtio.command_data[0], PAIRS);
    assert_int_equal(nic_steer_table(nic, queues, 0), -EIO);
    assert_int_equal(fake_virtio.rss_count, 1);
}

static void a_card_that_cannot_steer_is_not_asked_to(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct nic_grouping grouping = folded;

        fake_virtio_reset_pairs(PAIRS);
        switch (i) {
        case 0:
            fake_virtio.offered &= ~FAKE_RSS;
            break;
        case 1:
            fake_virtio.rss_key_bytes = 39;
            break;
        case 2:
            fake_virtio.rss_table_length = 64;
            break;
        case 3:
            fake_virtio.rss_hash_types = ~2u;
            break;
        case 4:
            grouping = (struct nic_grouping){12, 0, false};
            break;
        case 5:
            fake_virtio.offered &= ~FAKE_CTRL_VQ; /* nor can it have several pairs */
            fake_virtio.queues[CONTROL].size_max = 0;
            break;
        }
        virtio_world_open(OWN, nodes, PAIRS, grouping);
        assert_int_equal(nic->group_count, 0);
        assert_int_equal(nic->queue_count, i == 5 ? 1 : PAIRS);
        assert_int_equal(nic_enable_receive(nic), 0);
        assert_int_equal(fake_virtio.rss_count, 0);
        if (i != 5) {
            assert_int_equal(fake_virtio.command_data[0], PAIRS);
        }
        nic_stop(nic);
    }
    nic = NULL;
}

/* --- Deaths and returns --- */

static void a_dead_nodes_pair_gets_no_flows_and_then_rings_of_this_node(void **state)
{
    unsigned rss_count, notified;
    uint64_t its_ring;

    (void)state;
    run_with_all(folded);
    steer_by(by_hand, 2);
    rss_count = fake_virtio.rss_count;
    its_ring = fake_virtio.queues[RX(2)].descriptors;
    notified = fake_virtio.queues[RX(1)].notify_count;
    assert_int_equal(nic_queue_stop_other(queue, 2, 2), 0);
    assert_int_equal(fake_virtio.rss_count, rss_count + 1);
    assert_int_equal(last_rss()->unclassified, OWN);
    for (unsigned group = 0; group < 128; group++) {
        unsigned before = by_hand(group);

        srand(group);
        for (unsigned source = 0; source < 128; source++) {
            if (nic_fold(source) == group) {
                assert_int_equal(pair_of_segment((uint16_t)source, 80), before == 2 ? OWN : before);
            }
        }
    }
    assert_int_equal(fake_virtio.queues[RX(2)].reset_count, 1);
    assert_int_equal(fake_virtio.queues[TX(2)].reset_count, 1);
    assert_int_equal(fake_virtio.queues[RX(1)].reset_count, 0);
    assert_int_equal(fake_virtio.queues[RX(2)].enable, 1);
    assert_true(fake_virtio.queues[RX(2)].descriptors != its_ring);
    assert_int_equal(fake_virtio.queues[RX(2)].vector, OWN);
    assert_int_equal(fake_virtio.queues[RX(1)].notify_count, notified + 1); /* as all others */
    assert_int_equal(receive_one(2), 1);
    /* Once more: it has no memory of that node. */
    assert_int_equal(nic_queue_stop_other(queue, 2, 2), 0);
    assert_int_equal(fake_virtio.queues[RX(2)].reset_count, 1);
}

/* Many times: nothing is allocated anew. */
static void a_node_that_comes_back_gets_its_pair_and_may_die_again(void **state)
{
    (void)state;
    run_with_all(folded);
    for (unsigned i = 0; i < 50; i++) {
        struct nic_queue_report report = {.words = {ring_of(1 + i % 3), 0}};
        unsigned pair = 1 + i % 3;

        report.words[1] = ring_of(nodes[pair]);
        assert_int_equal(nic_queue_stop_other(queue, pair, pair), 0);
        assert_int_equal(receive_one(pair), 1);
        assert_int_equal(nic_give_queue(nic, pair, &report), 0);
        assert_int_equal(fake_virtio.queues[RX(pair)].descriptors, report.words[0] & ~0xFFFull);
        assert_int_equal(fake_virtio.queues[RX(pair)].vector, pair);
        assert_true(nic_queue_is_idle(queue));
        if (i % 3 == 2) {
            fake_virtio_forget_memory();
        }
    }
}

/* It stands still then, with no frame for it; and what has been had is used the next time. */
static void a_pair_that_is_not_stood_in_for_lacks_memory_once(void **state)
{
    (void)state;
    for (unsigned pair = 1; pair < PAIRS; pair++) {
        struct nic_queue_report report = report_of(pair);

        run_with_all(folded);
        fake_fail_allocations_after(3 * ((int)pair - 1)); /* all, beside rings, for buffers */
        assert_int_equal(nic_queue_stop_other(queue, pair, pair), 0);
        fake_fail_allocations_after(-1);
        assert_int_equal(nic_give_queue(nic, pair, &report), 0);
        assert_int_equal(nic_queue_stop_other(queue, pair, pair), 0);
        assert_int_equal(fake_virtio.queues[RX(pair)].enable, 1);
        assert_int_equal(receive_one(pair), 1);
        nic_stop(nic);
    }
    nic = NULL;
}

static void a_card_that_stops_no_queue_alone_is_switched_off(void **state)
{
    struct nic_queue_report report;

    (void)state;
    fake_virtio.offered &= ~FAKE_RING_RESET;
    virtio_world_open(OWN, nodes, PAIRS, folded);
    give(1);
    assert_int_equal(nic_enable_receive(nic), 0);
    report = report_of(2);
    assert_int_equal(nic_give_queue(nic, 2, &report), -ENOTSUP); /* too late */
    assert_int_equal(receive_one(2), 1);
    assert_int_equal(nic_queue_stop_other(queue, 2, 2), 0); /* it has nothing of that node's */
    assert_int_equal(fake_virtio.status, 0x0F);
    assert_int_equal(nic_queue_stop_other(queue, 1, 1), -ENODEV);
    assert_int_equal(fake_virtio.status, 0);
    assert_false(fake_virtio.is_mastering);
    assert_false(nic_queue_is_pending(queue));
    nic_stop(nic);
    /* And again. */
    fake_virtio_reset_pairs(PAIRS);
    run_with_all(folded);
    assert_int_equal(receive_one(OWN), 1);
}

static void so_is_one_that_does_not_stop_it(void **state)
{
    (void)state;
    fake_set_clock_step_ns(NS_PER_MS);
    run_with_all(folded);
    fake_virtio.queues[TX(3)].never_resets = true;
    assert_int_equal(nic_queue_stop_other(queue, 3, 3), -ENODEV);
    assert_false(fake_virtio.is_mastering);
    assert_int_equal(fake_virtio.status, 0);
}

/* Of which the device may know one ring by then. */
static void with_its_node_dies_a_pair_that_started_in_part(void **state)
{
    struct nic_queue_report report = report_of(3);

    (void)state;
    run_with_all(folded);
    assert_int_equal(nic_queue_stop_other(queue, 3, 3), 0);
    fake_virtio.queues[TX(3)].never_starts = true;
    assert_int_equal(nic_give_queue(nic, 3, &report), -ETIMEDOUT);
    fake_virtio.queues[TX(3)].never_starts = false;
    assert_int_equal(nic_queue_stop_other(queue, 3, 3), 0);
    assert_true(fake_virtio.queues[RX(3)].descriptors != (report.words[0] & ~0xFFFull));
}

/* The card holds frames for others behind one for a pair without buffers. */
static void whoever_refills_a_ring_that_was_empty_has_all_looked_at(void **state)
{
    struct frame *frames[RING_SIZE];
    unsigned before[PAIRS];

    (void)state;
    run_with_all(folded);
    for (unsigned pair = 0; pair < PAIRS; pair++) {
        before[pair] = fake_virtio.queues[RX(pair)].notify_count;
    }
    for (unsigned i = 0; i < RING_SIZE; i++) {
        fake_virtio_receive(RX(OWN), bytes, sizeof(bytes), 0, 1);
    }
    fake_virtio_set_available_event(RX(OWN), RING_SIZE); /* it has met an empty ring, and asks */
    assert_int_equal(nic_queue_receive(queue, frames, RING_SIZE), RING_SIZE);
    for (unsigned i = 0; i < RING_SIZE; i++) {
        frames[i]->release(frames[i]);
    }
    assert_int_equal(nic_queue_receive(queue, frames, RING_SIZE), 0);
    for (unsigned pair = 0; pair < PAIRS; pair++) {
        assert_int_equal(fake_virtio.queues[RX(pair)].notify_count, before[pair] + 1);
    }
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, virtio_world_stop)
    const struct CMUnitTest tests[] = {
        TEST(a_pair_that_is_not_stood_in_for_lacks_memory_once), /* before others have got it */
        TEST(all_pairs_have_rings_and_interrupts_before_the_card_runs),
        TEST(a_report_that_cannot_be_is_refused),
        TEST(what_nobody_has_given_is_served_here_with_this_nodes_interrupt),
        TEST(pairs_that_no_link_server_has_are_served_here),
        TEST(the_first_pair_is_the_drivers_when_its_own_is_not_there),
        TEST(an_impossible_number_of_pairs_starts_nothing),
        TEST(each_port_goes_to_the_queue_of_its_group_whatever_the_addresses),
        TEST(with_both_ports_it_is_their_exclusive_or),
        TEST(a_card_that_does_not_take_the_table_is_told_to_use_all_pairs),
        TEST(a_card_that_cannot_steer_is_not_asked_to),
        TEST(a_dead_nodes_pair_gets_no_flows_and_then_rings_of_this_node),
        TEST(a_node_that_comes_back_gets_its_pair_and_may_die_again),
        TEST(a_card_that_stops_no_queue_alone_is_switched_off),
        TEST(so_is_one_that_does_not_stop_it),
        TEST(with_its_node_dies_a_pair_that_started_in_part),
        TEST(whoever_refills_a_ring_that_was_empty_has_all_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
