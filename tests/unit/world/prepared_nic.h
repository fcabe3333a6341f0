/* SPDX-License-Identifier: MIT */
/*
 * A card whose queues are prepared before it runs, for tests of link servers over it: it moves no
 * frames, and checks in what order it is asked for what. Beside it there is a card of another
 * driver, whose queues are opened while it runs, and which no link server finds.
 */
#pragma once

#include "drivers/nic/nic.h"
#include "kernel/base.h"

#define PREPARED_NIC_KEY    0x707265u   /* first word of the key to each of its queues */
#define PREPARED_NIC_REPORT 0x726570ull /* first word of a report; the second is the node */

/* What goes wrong, and what happens meanwhile: set by a test after the reset. Errors are negative.
 */
struct prepared_nic_setting {
    uint16_t queue_count; /* 3 after a reset */
    bool takes_late;      /* queues while it runs; else -ENOTSUP */
    int prepare_error;    /* of this node's own queue */
    int give_error;
    int stop_other_result; /* -ENODEV: it is off then */
    /* In these calls, which let others run: */
    void (*in_start)(void);
    void (*in_enable)(void);
    void (*in_quieten)(void); /* in this one nobody runs */
};
extern struct prepared_nic_setting prepared_nic_setting;

/* What was asked of it since the reset. */
struct prepared_nic_seen {
    bool is_started, is_enabled;
    unsigned start_count, stop_count, quieten_count;
    unsigned prepare_count, run_count; /* of this node's queue */
    unsigned stop_other_count;
    unsigned give_counts[NIC_QUEUE_MAX]; /* by queue: taken */
    unsigned steer_count;
    uint8_t queues[4096]; /* by group, as steered last */
    unsigned group_count, others;
};
extern struct prepared_nic_seen prepared_nic_seen;

void prepared_nic_reset(void);

/* Groups that go to that queue. */
unsigned prepared_nic_groups_of(unsigned queue);
struct nic_queue_key prepared_nic_key(unsigned queue_index);
/* To a queue of the other driver's. */
struct nic_queue_key prepared_nic_other_key(unsigned queue_index);
/* Of a queue in that node's memory. */
struct nic_queue_report prepared_nic_report(node_id_t node);
