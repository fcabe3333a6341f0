/* SPDX-License-Identifier: MIT */
/*
 * The choice of ephemeral ports: see ephemeral.h.
 */
#include "net/transport/ephemeral.h"

#include <errno.h>

#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/configuration.h"
#include "net/steering.h"
#include "net/transport/hash.h"
#include "net/transport/tcp/timewait.h"

/* RFC 6056 3.3.4: more than there are peers at a time tells nobody how often others are asked. */
#define COUNTER_COUNT  256u
/* Ports in TIME-WAIT that are passed over before one of them is taken: chosen. The first one is
 * that which was used longest ago, since each peer's ports are used in turn. */
#define WAITING_PASSED 16u

static const struct configuration *configuration;
static uint16_t block_first; /* this node's, in machine's order */
static uint32_t block_count; /* 0: it is no transport server */
static struct siphash_key offset_key, counter_key;
static uint16_t counters[COUNTER_COUNT]; /* of the ports that were tried */

void ephemeral_initialise(const struct configuration *current)
{
    configuration = current;
    block_count = 0;
    for (unsigned i = 0; i < current->ts_count; i++) {
        if (current->ts[i] == platform_node()) {
            uint32_t start = steering_block_start(current, i);

            block_first = (uint16_t)(EPHEMERAL_FIRST + start);
            block_count = steering_block_start(current, i + 1) - start;
        }
    }
    offset_key = siphash_key_of(platform_random(), platform_random());
    counter_key = siphash_key_of(platform_random(), platform_random());
    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        counters[i] = (uint16_t)platform_random();
    }
}

node_id_t ephemeral_owner(uint16_t port)
{
    return steering_port_owner(configuration, port);
}

static bool is_steered_here(const struct flow *flow)
{
    unsigned group =
        steering_group(configuration, swap16(flow->remote_port), swap16(flow->local_port));

    return steering_owner(configuration, group) == platform_node();
}

/* A port that nobody here has chosen from the block. */
static int take(const struct flow *flow, bool (*is_in_use)(const struct flow *flow),
                uint64_t now_ns, uint32_t *least_iss)
{
    enum timewait_verdict verdict;

    if (is_in_use(flow)) {
        return -EADDRNOTAVAIL;
    }
    verdict = timewait_look(flow, now_ns, least_iss);
    return verdict == TIMEWAIT_UNKNOWN ? 0 : verdict == TIMEWAIT_REOPEN ? 1 : -EADDRNOTAVAIL;
}

int ephemeral_take(const struct flow *flow, bool (*is_in_use)(const struct flow *flow),
                   uint64_t now_ns, uint32_t *least_iss)
{
    node_id_t owner = ephemeral_owner(swap16(flow->local_port));

    if (owner != NODE_NONE && owner != platform_node() &&
        !configuration_is_dead(configuration, owner)) {
        return -EADDRNOTAVAIL; /* it may open the same flow */
    }
    return take(flow, is_in_use, now_ns, least_iss);
}

/* Where the search for a port of this peer goes on. */
struct search {
    uint32_t offset;
    uint16_t *counter;
};

static void set_port(struct flow *flow, const struct search *search)
{
    flow->local_port =
        swap16((uint16_t)(block_first + (search->offset + *search->counter) % block_count));
}

/* Once through the block, at most. As ephemeral_choose(). */
static int look_through(struct flow *flow, const struct search *search, bool is_steered,
                        bool (*is_in_use)(const struct flow *flow), uint64_t now_ns,
                        uint32_t *least_iss)
{
    uint16_t first_waiting = 0, first_counter = 0;
    unsigned waiting_count = 0;

    for (uint32_t i = 0; i < block_count && waiting_count < WAITING_PASSED; i++) {
        uint32_t iss;
        int state;

        set_port(flow, search);
        ++*search->counter;
        if (is_steered && !is_steered_here(flow)) {
            continue;
        }
        state = take(flow, is_in_use, now_ns, &iss);
        if (state == 0) {
            return 0;
        }
        if (state == 1 && waiting_count++ == 0) {
            first_waiting = flow->local_port;
            first_counter = *search->counter;
            *least_iss = iss;
        }
    }
    if (waiting_count == 0) {
        return -EADDRNOTAVAIL;
    }
    flow->local_port = first_waiting;
    *search->counter = first_counter; /* the others have their turns next */
    return 1;
}

int ephemeral_choose(struct flow *flow, bool (*is_in_use)(const struct flow *flow), uint64_t now_ns,
                     uint32_t *least_iss)
{
    struct search search;
    int state = -EADDRNOTAVAIL;

    ASSERT(block_count != 0);
    flow->local_port = 0; /* hashed are the addresses and the peer's port */
    search.offset = (uint32_t)flow_siphash(&offset_key, flow, 0);
    search.counter = &counters[flow_siphash(&counter_key, flow, 0) % COUNTER_COUNT];
    if (steering_goes_by_both_ports(configuration)) {
        state = look_through(flow, &search, true, is_in_use, now_ns, least_iss);
    }
    return state >= 0 ? state : look_through(flow, &search, false, is_in_use, now_ns, least_iss);
}
