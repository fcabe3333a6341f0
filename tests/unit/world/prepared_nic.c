/* SPDX-License-Identifier: MIT */
/* sources: drivers/nic/nic.c libc/core/format.c */
/*
 * A card whose queues are prepared: see prepared_nic.h.
 */
#include "tests/unit/world/prepared_nic.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct prepared_nic_setting prepared_nic_setting;
struct prepared_nic_seen prepared_nic_seen;

static struct nic card;
static node_id_t nodes[NIC_QUEUE_MAX]; /* of the queues */
static struct nic_queue own, other;

static void let_happen(void (*what)(void))
{
    if (what != NULL) {
        what();
    }
}

/* --- The queue of this node --- */

static unsigned receive(struct nic_queue *queue, struct frame **frames, unsigned frame_max)
{
    (void)queue;
    (void)frames;
    (void)frame_max;
    return 0;
}

static bool is_pending(const struct nic_queue *queue)
{
    (void)queue;
    return false;
}

static int transmit(struct nic_queue *queue, const struct frame_to_send *frame)
{
    (void)queue;
    (void)frame;
    return -EAGAIN;
}

static void flush(struct nic_queue *queue)
{
    (void)queue;
}

static unsigned reclaim(struct nic_queue *queue)
{
    (void)queue;
    return 0;
}

static unsigned in_flight(const struct nic_queue *queue)
{
    (void)queue;
    return 0;
}

static int stop_other(struct nic_queue *queue, unsigned index, node_id_t node)
{
    assert_ptr_equal(queue, &own);
    assert_true(index < NIC_QUEUE_MAX && node < NODE_MAX);
    prepared_nic_seen.stop_other_count++;
    return prepared_nic_setting.stop_other_result;
}

static void run(struct nic_queue *queue)
{
    assert_ptr_equal(queue, &own);
    prepared_nic_seen.run_count++;
}

static const struct nic_queue_operations queue_operations = {
    .receive = receive,
    .is_pending = is_pending,
    .transmit = transmit,
    .flush = flush,
    .reclaim = reclaim,
    .in_flight = in_flight,
    .stop_other = stop_other,
    .run = run,
};

/* The key may be any peer's word. */
static bool is_key_possible(const struct nic_queue_key *key)
{
    return key->words[0] == PREPARED_NIC_KEY && key->queue_index < prepared_nic_setting.queue_count;
}

/* That of the node that drives the card. */
static int open_queue(const struct nic_queue_key *key, struct nic_queue **queue)
{
    assert_true(is_key_possible(key) && prepared_nic_seen.is_started);
    assert_int_equal(nodes[key->queue_index], platform_node());
    own.operations = &queue_operations;
    *queue = &own;
    return 0;
}

static int prepare_queue(const struct nic_queue_key *key, struct nic_queue **queue,
                         struct nic_queue_report *report)
{
    if (!is_key_possible(key)) {
        return -EINVAL;
    }
    if (prepared_nic_setting.prepare_error != 0) {
        return prepared_nic_setting.prepare_error;
    }
    prepared_nic_seen.prepare_count++;
    own.operations = &queue_operations;
    *queue = &own;
    *report = prepared_nic_report(platform_node());
    return 0;
}

/* --- The card as a whole --- */

static struct nic_link check_link(struct nic *nic)
{
    assert_ptr_equal(nic, &card);
    return (struct nic_link){.is_up = true, .megabits = 1000};
}

static void make_queue_key(const struct nic *nic, unsigned index, struct nic_queue_key *key)
{
    assert_ptr_equal(nic, &card);
    *key = prepared_nic_key(index);
}

static int enable_receive(struct nic *nic)
{
    assert_ptr_equal(nic, &card);
    assert_true(prepared_nic_seen.is_started && !prepared_nic_seen.is_enabled);
    assert_ptr_equal(own.operations, &queue_operations);
    prepared_nic_seen.is_enabled = true;
    let_happen(prepared_nic_setting.in_enable);
    return 0;
}

static void stop(struct nic *nic)
{
    assert_ptr_equal(nic, &card);
    assert_true(prepared_nic_seen.is_started);
    prepared_nic_seen.is_started = prepared_nic_seen.is_enabled = false;
    prepared_nic_seen.stop_count++;
}

/* Only one that runs is told where its frames go. */
static int steer_table(struct nic *nic, const uint8_t *queues, unsigned others)
{
    assert_ptr_equal(nic, &card);
    assert_true(prepared_nic_seen.is_enabled);
    memcpy(prepared_nic_seen.queues, queues, nic->group_count);
    prepared_nic_seen.group_count = nic->group_count;
    prepared_nic_seen.others = others;
    prepared_nic_seen.steer_count++;
    return 0;
}

static int give_queue(struct nic *nic, unsigned index, const struct nic_queue_report *report)
{
    assert_ptr_equal(nic, &card);
    assert_true(prepared_nic_seen.is_started && nodes[index] != platform_node());
    if (report->words[0] != PREPARED_NIC_REPORT || report->words[1] != nodes[index]) {
        return -EINVAL;
    }
    if (prepared_nic_seen.is_enabled && !prepared_nic_setting.takes_late) {
        return -ENOTSUP;
    }
    prepared_nic_seen.give_counts[index] += prepared_nic_setting.give_error == 0;
    return prepared_nic_setting.give_error;
}

static const struct nic_operations operations = {
    .check_link = check_link,
    .make_queue_key = make_queue_key,
    .enable_receive = enable_receive,
    .stop = stop,
    .steer_table = steer_table,
    .give_queue = give_queue,
};

static unsigned find(struct nic_port *ports, unsigned port_max)
{
    if (port_max > 0) {
        ports[0] = (struct nic_port){.name = "0000:00:03.0", .model = "prepared"};
    }
    return 1;
}

static int start(const struct nic_port *port, const node_id_t *all, unsigned node_count,
                 struct nic_grouping grouping, struct nic **nic)
{
    (void)port;
    assert_false(prepared_nic_seen.is_started);
    assert_in_range(node_count, 1, NIC_QUEUE_MAX);
    memcpy(nodes, all, node_count * sizeof(nodes[0]));
    prepared_nic_seen.start_count++;
    let_happen(prepared_nic_setting.in_start);
    prepared_nic_seen.is_started = true;
    card = (struct nic){
        .operations = &operations,
        .mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56},
        .queue_count = prepared_nic_setting.queue_count,
        .group_count = nic_group_count(grouping),
    };
    assert_true(card.group_count <= sizeof(prepared_nic_seen.queues));
    *nic = &card;
    return 0;
}

static void quieten(void)
{
    assert_false(prepared_nic_seen.is_started);
    prepared_nic_seen.quieten_count++;
    let_happen(prepared_nic_setting.in_quieten);
}

static const struct nic_driver prepared_driver = {
    .name = "prepared card",
    .cards = "card whose queues are prepared",
    .find = find,
    .start = start,
    .open_queue = open_queue,
    .prepare_queue = prepare_queue,
    .quieten = quieten,
};
NIC_DRIVER(prepared_driver);

/* --- The other driver --- */

static unsigned find_none(struct nic_port *ports, unsigned port_max)
{
    (void)ports;
    (void)port_max;
    return 0;
}

static int start_none(const struct nic_port *port, const node_id_t *all, unsigned node_count,
                      struct nic_grouping grouping, struct nic **nic)
{
    (void)port;
    (void)all;
    (void)node_count;
    (void)grouping;
    (void)nic;
    return -ENODEV;
}

static int open_other(const struct nic_queue_key *key, struct nic_queue **queue)
{
    (void)key;
    other.operations = &queue_operations;
    *queue = &other;
    return 0;
}

static const struct nic_driver other_driver = {
    .name = "other card",
    .cards = "card that is not there",
    .find = find_none,
    .start = start_none,
    .open_queue = open_other,
};
NIC_DRIVER(other_driver);

/* --- For tests --- */

void prepared_nic_reset(void)
{
    memset(&prepared_nic_seen, 0, sizeof(prepared_nic_seen));
    memset(&card, 0, sizeof(card));
    memset(&own, 0, sizeof(own));
    prepared_nic_setting = (struct prepared_nic_setting){.queue_count = 3};
}

unsigned prepared_nic_groups_of(unsigned queue)
{
    unsigned count = 0;

    for (unsigned i = 0; i < prepared_nic_seen.group_count; i++) {
        count += prepared_nic_seen.queues[i] == queue;
    }
    return count;
}

/* The linker orders them as it likes. */
static uint16_t number_of(const struct nic_driver *wanted)
{
    uint16_t number = 0;

    LINKER_SET_EACH(nic_drivers, struct nic_driver, driver)
    {
        if (*driver == wanted) {
            break;
        }
        number++;
    }
    return number;
}

struct nic_queue_key prepared_nic_key(unsigned queue_index)
{
    return (struct nic_queue_key){.driver_number = number_of(&prepared_driver),
                                  .queue_index = (uint16_t)queue_index,
                                  .words = {PREPARED_NIC_KEY}};
}

struct nic_queue_key prepared_nic_other_key(unsigned queue_index)
{
    return (struct nic_queue_key){.driver_number = number_of(&other_driver),
                                  .queue_index = (uint16_t)queue_index};
}

struct nic_queue_report prepared_nic_report(node_id_t node)
{
    return (struct nic_queue_report){.words = {PREPARED_NIC_REPORT, node}};
}
