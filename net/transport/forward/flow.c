/* SPDX-License-Identifier: MIT */
/*
 * Flows that are forwarded: a pool, and a queue for each phase, in the order in which they came to
 * it. The first of a queue is looked at when its time is over: one of which something has come
 * since goes to the end once more. So an idle one is forgotten after its time, and before twice
 * that; a handshake, and what is over, after its time exactly.
 */
#include "net/transport/forward/flow.h"

#include <string.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "libc/core/timer.h"
#include "net/counters.h"
#include "net/transport/active_table.h"
#include "net/transport/counters.h"
#include "net/transport/forward/rules.h"
#include "net/transport/hash.h"
#include "net/transport/share.h"
#include "net/transport/table.h"

#define TICK_SHIFT   20u
#define NO_PLACE     UINT32_MAX
/* Flows looked at for one timer: more wait for the next round. */
#define EXPIRE_BATCH 256u

_Static_assert(offsetof(struct forward_flow, place) == 0, "it is a pool's");
_Static_assert(sizeof(struct forward_flow) == 128, "two lines of the cache");

POOL(flows, "forwarded_flow", struct forward_flow, 0);

enum queue_number { QUEUE_HALF_OPEN, QUEUE_ESTABLISHED, QUEUE_CLOSING, QUEUE_OVER, QUEUE_COUNT };

static struct queue {
    uint32_t first, last; /* places */
    uint32_t count;
} queues[QUEUE_COUNT];

static const struct {
    uint64_t idle_ns;
    bool is_exact; /* whatever comes */
    uint8_t counter_distance;
} rules_of[QUEUE_COUNT] = {
    [QUEUE_HALF_OPEN] = {FORWARD_HALF_OPEN_NS, true, 0},
    [QUEUE_ESTABLISHED] = {FORWARD_ESTABLISHED_NS, false, 1},
    [QUEUE_CLOSING] = {FORWARD_TRANSITORY_NS, false, 2},
    [QUEUE_OVER] = {FORWARD_TRANSITORY_NS, true, 3},
};

static struct share by_client; /* of those that are not over */
static struct timer timer;

uint32_t forward_tick(void)
{
    return (uint32_t)(dispatch_now_ns() >> TICK_SHIFT);
}

/* --- Queues --- */

static struct forward_flow *flow_at(uint32_t place)
{
    return place == NO_PLACE ? NULL : pool_at(&flows, place);
}

static enum queue_number queue_of(enum forward_phase phase)
{
    switch (phase) {
    case FORWARD_SYN_SENT:
    case FORWARD_ANSWERED:
        return QUEUE_HALF_OPEN;
    case FORWARD_ESTABLISHED:
        return QUEUE_ESTABLISHED;
    case FORWARD_CLOSING:
        return QUEUE_CLOSING;
    default:
        return QUEUE_OVER;
    }
}

static uint64_t idle_ticks(enum queue_number number)
{
    return rules_of[number].idle_ns >> TICK_SHIFT;
}

/* When the first one of this queue is to be looked at. */
static uint64_t due_ns(enum queue_number number)
{
    const struct forward_flow *first = flow_at(queues[number].first);
    uint64_t now_ns = dispatch_now_ns();
    uint32_t age = first == NULL ? 0 : (uint32_t)(now_ns >> TICK_SHIFT) - first->queued_tick;

    if (first == NULL) {
        return UINT64_MAX;
    }
    return age >= idle_ticks(number) ? now_ns
                                     : now_ns + ((idle_ticks(number) - age + 1) << TICK_SHIFT);
}

static void start_timer(uint64_t deadline_ns)
{
    bool is_sooner = !timer_is_set(&timer) || deadline_ns < timer.deadline.key;

    if (deadline_ns != UINT64_MAX && is_sooner && timer_start(&timer, deadline_ns) != 0) {
        return; /* no memory for it: the next one that begins starts it */
    }
}

static void put_last(struct forward_flow *flow, enum queue_number number)
{
    struct queue *queue = &queues[number];

    flow->queued_tick = forward_tick();
    flow->next = NO_PLACE;
    flow->previous = queue->last;
    if (queue->last == NO_PLACE) {
        queue->first = flow->place.index;
        start_timer(due_ns(number));
    } else {
        flow_at(queue->last)->next = flow->place.index;
    }
    queue->last = flow->place.index;
    queue->count++;
}

static void take_out(struct forward_flow *flow, enum queue_number number)
{
    struct queue *queue = &queues[number];
    struct forward_flow *next = flow_at(flow->next), *previous = flow_at(flow->previous);

    ASSERT(queue->count > 0);
    queue->count--;
    *(next != NULL ? &next->previous : &queue->last) = flow->previous;
    *(previous != NULL ? &previous->next : &queue->first) = flow->next;
}

/* --- Beginning and end --- */

static uint32_t client_of(const struct forward_flow *flow)
{
    return flow->sides[FORWARD_CLIENT].entry.flow.remote_address;
}

/* It no longer counts, for its client and its backend. */
static void note_over(struct forward_flow *flow)
{
    if (flow->is_counted) {
        share_give_back(&by_client, client_of(flow), 1);
        forward_rules_note_over(flow->target_id);
        flow->is_counted = false;
    }
}

void forward_flow_set_phase(struct forward_flow *flow, enum forward_phase phase)
{
    enum queue_number before = queue_of(flow->phase), after = queue_of(phase);

    flow->phase = phase;
    if (after != before) {
        take_out(flow, before);
        put_last(flow, after);
    }
    if (phase == FORWARD_OVER) {
        note_over(flow);
    }
}

void forward_flow_end(struct forward_flow *flow)
{
    ASSERT(flow->is_used);
    note_over(flow);
    take_out(flow, queue_of(flow->phase));
    flows_remove(&flow->sides[FORWARD_CLIENT].entry);
    flows_remove(&flow->sides[FORWARD_BACKEND].entry);
    flow->is_used = false;
    pool_release(&flows, flow);
}

static void replace_first(enum queue_number number, unsigned counter)
{
    struct forward_flow *first = flow_at(queues[number].first);

    if (first != NULL) {
        counter_increment(counter);
        forward_flow_end(first);
    }
}

/* Of an address that has not more than its share. */
static struct forward_flow *take_flow(uint32_t client_address)
{
    struct forward_flow *flow;

    if (!share_allows(&by_client, client_address, 1)) {
        counter_increment(share_free(&by_client) == 0 ? COUNTER_FORWARD_REFUSED_TABLE
                                                      : COUNTER_FORWARD_REFUSED_ADDRESS);
        return NULL;
    }
    if (queues[QUEUE_HALF_OPEN].count >= FORWARD_HALF_OPEN_MAX) {
        replace_first(QUEUE_HALF_OPEN, COUNTER_FORWARD_REPLACED_HALF_OPEN);
    }
    if (pool_is_exhausted(&flows)) {
        replace_first(QUEUE_OVER, COUNTER_FORWARD_REPLACED_OVER);
    }
    flow = pool_take(&flows);
    if (flow == NULL) {
        replace_first(QUEUE_OVER, COUNTER_FORWARD_REPLACED_OVER);
        flow = pool_take(&flows);
    }
    if (flow == NULL) {
        counter_increment(COUNTER_FORWARD_REFUSED_TABLE);
    }
    return flow;
}

static void add_side(struct forward_flow *flow, enum forward_end end, const struct flow *of)
{
    struct flow_entry *entry = &flow->sides[end].entry;

    entry->flow = *of;
    entry->state = end == FORWARD_CLIENT ? FLOW_FORWARDED_CLIENT : FLOW_FORWARDED_BACKEND;
    flows_add(entry, flow_hash(of));
}

static struct forward_flow *find_over(const struct flow *flow)
{
    struct flow_entry *entry = flows_find(flow, flow_hash(flow));

    return entry != NULL && entry->state == FLOW_FORWARDED_BACKEND &&
                   forward_flow_of(entry)->phase == FORWARD_OVER
               ? forward_flow_of(entry)
               : NULL;
}

bool forward_flow_is_in_use(const struct flow *flow)
{
    return active_table_find(flow) != NULL ||
           (flows_find(flow, flow_hash(flow)) != NULL && find_over(flow) == NULL);
}

struct forward_flow *forward_flow_add(const struct flow *client, const struct flow *backend,
                                      uint32_t target_id)
{
    struct forward_flow *over = find_over(backend), *flow;

    if (over != NULL) {
        forward_flow_end(over);
    }
    flow = take_flow(client->remote_address);
    if (flow == NULL) {
        return NULL;
    }
    ASSERT(!flow->is_used);
    flow->is_used = flow->is_counted = true;
    flow->phase = FORWARD_SYN_SENT;
    flow->fins = 0;
    flow->target_id = target_id;
    flow->active_tick = forward_tick();
    add_side(flow, FORWARD_CLIENT, client);
    add_side(flow, FORWARD_BACKEND, backend);
    share_take(&by_client, client->remote_address, 1);
    put_last(flow, QUEUE_HALF_OPEN);
    counter_increment(COUNTER_FORWARD_OPENED);
    return flow;
}

/* --- Time --- */

/* Returns how many of this queue were looked at. */
static unsigned expire_some(enum queue_number number, unsigned most)
{
    struct forward_flow *flow;
    unsigned count = 0;

    while (count < most && (flow = flow_at(queues[number].first)) != NULL &&
           forward_tick() - flow->queued_tick >= idle_ticks(number)) {
        count++;
        if (!rules_of[number].is_exact && forward_tick() - flow->active_tick < idle_ticks(number)) {
            take_out(flow, number);
            put_last(flow, number);
            flow->queued_tick = flow->active_tick;
        } else {
            counter_increment(COUNTER_FORWARD_EXPIRED_HALF_OPEN +
                              rules_of[number].counter_distance);
            forward_flow_end(flow);
        }
    }
    return count;
}

static void expire(struct timer *expired)
{
    unsigned left = EXPIRE_BATCH;

    (void)expired;
    for (unsigned number = 0; number < QUEUE_COUNT; number++) {
        left -= expire_some(number, left);
    }
    for (unsigned number = 0; number < QUEUE_COUNT; number++) {
        start_timer(due_ns(number));
    }
}

/* --- For others --- */

uint32_t forward_flow_count(void)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < QUEUE_COUNT; i++) {
        count += queues[i].count;
    }
    return count;
}

uint32_t forward_flow_count_live(void)
{
    return forward_flow_count() - queues[QUEUE_OVER].count;
}

bool forward_flow_has_any(bool (*is_such)(const struct flow *flow))
{
    for (uint32_t i = 0; i < pool_size(&flows); i++) {
        const struct forward_flow *flow = pool_at(&flows, i);

        if (flow->is_used && flow->phase != FORWARD_OVER &&
            is_such(&flow->sides[FORWARD_CLIENT].entry.flow)) {
            return true;
        }
    }
    return false;
}

void forward_flow_end_all(void)
{
    for (unsigned i = 0; i < QUEUE_COUNT; i++) {
        while (queues[i].first != NO_PLACE) {
            forward_flow_end(flow_at(queues[i].first));
        }
    }
}

void forward_flow_publish_counts(void)
{
    for (unsigned i = 0; i < QUEUE_COUNT; i++) {
        counter_set(COUNTER_FORWARD_FLOWS_HALF_OPEN + i, queues[i].count);
    }
}

void forward_flows_initialise(void)
{
    flows.object_max = (uint32_t)ALIGN_DOWN(connection_table_limit() / 2, POOL_CHUNK);
    for (unsigned i = 0; i < QUEUE_COUNT; i++) {
        queues[i] = (struct queue){NO_PLACE, NO_PLACE, 0};
    }
    share_initialise(&by_client, flows.object_max);
    timer_initialise(&timer, expire);
}
