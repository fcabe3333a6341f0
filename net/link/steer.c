/* SPDX-License-Identifier: MIT */
/*
 * Which of the NIC's queues gets which frames: of TCP's groups the one of the link server that
 * steering_ls() names, or as near to that as there are queues.
 */
#include "net/link/steer.h"

#include <string.h>

#include "drivers/nic/nic.h"
#include "kernel/log.h"
#include "kernel/thread/thread.h"
#include "net/configuration.h"
#include "net/link/misses.h"
#include "net/steering.h"

/* Groups of flows that are steered at once. Chosen: some ten microseconds of an 82599. */
#define STEERED_WITHOUT_YIELD 16

/* More than any queue. */
#define QUEUE_UNKNOWN UINT8_MAX

_Static_assert(NIC_QUEUE_MAX < QUEUE_UNKNOWN && NIC_QUEUE_MAX <= NODE_SET_LIMIT,
               "numbers of queues, and sets of them");

static const struct configuration *configuration;
static const struct link_queues *queues;

static struct {
    /* As the NIC steers now: the queue of each group. */
    uint8_t group_queues[STEERING_GROUP_COUNT];
    bool is_under_way;
    bool is_due;      /* again */
    bool is_complete; /* by a table: each group goes to an LS of its owner's */
    bool has_changed; /* since the last look at what it does */
    void (*steered)(void);
} state;

void link_steer_begin(const struct configuration *current, const struct link_queues *all,
                      void (*steered)(void))
{
    configuration = current;
    queues = all;
    state.steered = steered;
    memset(state.group_queues, QUEUE_UNKNOWN, sizeof(state.group_queues));
}

/* Whether the NIC tells groups apart as we do. */
bool link_steer_is_possible(void)
{
    return queues->nic->group_count == steering_group_count(configuration);
}

/* Let the NIC use the attached queues, and no others, for what belongs to no steered group. Nor
 * that of one that is about to go. */
void link_steer_spread(void)
{
    uint8_t attached[NIC_QUEUE_MAX];
    unsigned attached_count = 0;

    NODE_SET_EACH(&queues->attached, queue)
    {
        if (!node_set_has(&configuration->draining, configuration->ls[queue])) {
            attached[attached_count++] = (uint8_t)queue;
        }
    }
    if (queues->nic->queue_count > 1 && attached_count != 0 && !nic_has_table(queues->nic)) {
        nic_spread(queues->nic, attached, attached_count);
    }
}

/* Fills in, by the node of its LS, the queue to which frames can be steered, or QUEUE_UNKNOWN. */
static void list_queues(uint8_t by_ls[NODE_MAX])
{
    memset(by_ls, QUEUE_UNKNOWN, NODE_MAX);
    NODE_SET_EACH(&queues->attached, queue)
    {
        by_ls[configuration->ls[queue]] = (uint8_t)queue;
    }
}

/* The LS whose queue that group's frames go to, by the queues that there are. */
static node_id_t choose_ls(const uint8_t by_ls[NODE_MAX], unsigned group)
{
    node_id_t ls = steering_ls(configuration, group);

    /* One beyond the TSs has no queue, or not yet: then the owner's own LS takes in all. */
    return by_ls[ls] != QUEUE_UNKNOWN
               ? ls
               : configuration_own_ls(configuration, steering_owner(configuration, group));
}

/* What has no queue of its own comes here, to be forwarded in software. */
static uint8_t queue_or_own(uint8_t queue)
{
    return queue != QUEUE_UNKNOWN ? queue : (uint8_t)queues->own_index;
}

/* All groups at once; what belongs to none is the speaker's. */
static void steer_by_table(void)
{
    uint8_t by_ls[NODE_MAX], others;

    list_queues(by_ls);
    state.is_complete = state.has_changed = true;
    others = queue_or_own(by_ls[configuration_own_ls(configuration, configuration->speaker)]);
    for (unsigned group = 0; group < steering_group_count(configuration); group++) {
        uint8_t queue = by_ls[choose_ls(by_ls, group)];

        state.is_complete &= queue != QUEUE_UNKNOWN;
        state.group_queues[group] = queue_or_own(queue);
    }
    if (nic_steer_table(queues->nic, state.group_queues, others) != 0) {
        state.is_due = false; /* as its group_count says from now on */
    }
}

static void steer_each_group(void)
{
    uint8_t by_ls[NODE_MAX];
    unsigned steered_count = 0;

    list_queues(by_ls);
    for (unsigned group = 0; group < steering_group_count(configuration); group++) {
        node_id_t ls = choose_ls(by_ls, group);
        uint8_t queue = by_ls[ls];

        if (queue == QUEUE_UNKNOWN || state.group_queues[group] == queue) {
            continue;
        }
        if (nic_steer(queues->nic, queue, &(uint16_t){(uint16_t)group}, 1) != 0) {
            log_warning("ls", "the NIC does not steer to queue %u: forwarding in software", queue);
            by_ls[ls] = QUEUE_UNKNOWN;
            continue;
        }
        state.group_queues[group] = queue;
        if (++steered_count % STEERED_WITHOUT_YIELD == 0 && thread_self() != NULL) {
            thread_yield();
        }
    }
}

/* When no more queues are to come, until one is lost. */
static void log_steering(void)
{
    const struct nic_grouping grouping = steering_grouping(configuration);
    unsigned queue_count = 0;

    for (unsigned i = 0; i < queues->nic->queue_count; i++) {
        queue_count += node_set_has(&queues->attached, i);
        if (!node_set_has(&queues->attached, i) && !node_set_has(&queues->missing, i)) {
            return;
        }
    }
    log_info("ls", "the NIC steers to %u %s, by %u bits of the peer's port and %u of ours%s",
             queue_count, queue_count == 1 ? "queue" : "queues", grouping.source_port_bits,
             grouping.destination_port_bits, grouping.is_folded ? ", folded" : "");
}

/* To each attached queue the groups whose owner its LS serves, if the NIC tells groups apart as we
 * do. Frames of other groups are forwarded in software. Asked again while it works, it begins again
 * when it is through: so many queues that come one after the other cost few passes. Meanwhile the
 * NIC may be lost. */
static void steer_all(void *argument)
{
    (void)argument;
    state.is_due = true;
    if (state.is_under_way) {
        return;
    }
    state.is_under_way = true;
    while (state.is_due && queues->nic != NULL && link_steer_is_possible()) {
        state.is_due = false;
        if (nic_has_table(queues->nic)) {
            steer_by_table();
        } else {
            steer_each_group();
        }
    }
    state.is_under_way = false;
    if (queues->nic == NULL) {
        return;
    }
    state.steered();
    if (link_steer_is_possible()) {
        log_steering();
    }
}

/* In a thread, which lets others run now and then: these are milliseconds. */
void link_steer_in_thread(void)
{
    if (thread_run_handler("steering", steer_all, NULL) != 0) {
        steer_all(NULL);
    }
}

void link_steer(void)
{
    steer_all(NULL);
}

/* --- While it steers --- */

static void drop_table(void *argument)
{
    (void)argument;
    nic_drop_table(queues->nic);
}

void link_steer_check(void)
{
    bool is_steady = link_steer_is_possible() && nic_has_table(queues->nic) &&
                     queues->nic->queue_count > 1 && state.is_complete && !state.has_changed &&
                     !state.is_under_way;

    state.has_changed = false;
    if (!link_misses_look(configuration, is_steady)) {
        return;
    }
    log_warning("ls", "frames do not come to the queues that the NIC was told: it chooses itself");
    if (thread_run_handler("steering", drop_table, NULL) != 0) {
        return; /* no memory for one: at the next look */
    }
}
