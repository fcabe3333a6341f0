/* SPDX-License-Identifier: MIT */
/*
 * The node that this one watches, and when it asks it whether it works: question.h.
 */
#include "drivers/errors/question.h"
#include "kernel/component.h"
#include "kernel/message/mailbox.h"
#include "kernel/message/status.h"
#include "kernel/message/watch.h"
#include "kernel/platform.h"

/* Half time-outs in which the next node has slept before it is not looked at any more; and after
 * which it rings its watcher when it wakes: less, so that one of the two happens. */
#define QUIET_HALVES 32u
#define RING_HALVES  24u

static node_id_t beside; /* the next node, if it lives; on a machine of one, this one */

/* The next node, at the last look. */
static struct {
    node_id_t node; /* this one itself: there is no other */
    bool was_awake;
    uint64_t rounds;
    uint64_t looked_ns, next_look_ns;
    uint64_t moved_ns; /* it had gone round, or was awake */
} next;

/* In the ring of those that live, and this one. */
static node_id_t living_neighbour(unsigned step)
{
    unsigned count = platform_node_count();
    unsigned node = platform_node();

    do {
        node = (node + step) % count;
    } while (node != platform_node() && status_node_state((node_id_t)node) != NODE_RUNNING);
    return (node_id_t)node;
}

static inline node_id_t next_living(void)
{
    return LIKELY(status_node_state(beside) == NODE_RUNNING) ? beside : living_neighbour(1);
}

/* Its event loop has begun, and does not sleep. */
static bool is_awake(node_id_t node)
{
    return node != platform_node() && counter_read(node, COUNTER_DISPATCH_ROUNDS) != 0 &&
           status_node_sleep(node) == NODE_AWAKE;
}

static void look_at(node_id_t node, uint64_t now_ns)
{
    uint64_t rounds = counter_read(node, COUNTER_DISPATCH_ROUNDS);
    bool has_moved = node != next.node || rounds != next.rounds;
    bool was_awake = next.was_awake;

    next.node = node;
    next.rounds = rounds;
    next.was_awake = is_awake(node);
    next.looked_ns = now_ns;
    next.next_look_ns = now_ns + question_half_ns;
    if (has_moved || next.was_awake) {
        next.moved_ns = now_ns;
    }
    if (next.was_awake && was_awake && !has_moved) {
        next.next_look_ns = now_ns + question_half_ns / QUESTION_COUNT;
        question_ask(node);
        watch_suspect(node); /* if it is deaf */
    }
}

static void look_at_next(uint64_t now_ns)
{
    if (UNLIKELY(now_ns >= next.next_look_ns) && question_half_ns != 0) {
        look_at(next_living(), now_ns);
    }
}

static uint64_t next_deadline_ns(void)
{
    node_id_t node = next_living();

    if (node == platform_node() || question_half_ns == 0) {
        return UINT64_MAX;
    }
    if (node != next.node) {
        look_at(node, platform_now_ns());
    }
    uint64_t quiet_ns = next.looked_ns - next.moved_ns;

    if (quiet_ns < QUIET_HALVES * question_half_ns) {
        return quiet_ns > question_half_ns ? next.looked_ns + quiet_ns : next.next_look_ns;
    }
    /* Behind this node's sleep flag and a fence, as its look at this flag is behind its own: one of
     * the two sees the other. */
    return is_awake(node) ? next.next_look_ns : UINT64_MAX;
}

static void ring_watcher(uint64_t slept_ns)
{
    if (LIKELY(slept_ns < RING_HALVES * question_half_ns) || question_half_ns == 0) {
        return;
    }
    node_id_t watcher = living_neighbour(platform_node_count() - 1);

    mailbox_fence();
    if (watcher != platform_node() && status_node_sleep(watcher) != NODE_AWAKE) {
        counter_increment(COUNTER_DOORBELLS);
        platform_ring_doorbell(watcher);
    }
}

static void start_watching(void)
{
    static const struct watch_next watch = {look_at_next, next_deadline_ns, ring_watcher};

    beside = (node_id_t)((platform_node() + 1) % platform_node_count());
    next.node = platform_node();
    next.next_look_ns = 0;
    watch_next = &watch;
}

static const struct component neighbour_component = {.steps = {[NODE_READY] = start_watching}};
COMPONENT(neighbour_component);
