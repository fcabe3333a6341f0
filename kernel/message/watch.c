/* SPDX-License-Identifier: MIT */
/*
 * A look at each node that has not read all it was sent, or that another has given up: watch.h.
 */
#include "kernel/message/watch.h"

#include <errno.h>

#include "kernel/log.h"
#include "kernel/message/peers.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/command_line.h"
#include "libc/core/memory.h"

/* Looks in the time after which a node is given up. Chosen: a pause of this node counts as one. */
#define LOOKS_TO_GIVE_UP 16u
/* NMIs, one a look; and looks from the first to INIT, behind which nothing takes an NMI yet: those
 * of who has heard of it from this node come LOOKS_TO_GIVE_UP later. */
#define LOOKS_WITH_NMI   12u
#define LOOKS_TO_RESET   32u

const struct watch_next *watch_next;

static uint64_t interval_ns; /* 0: never */
static uint64_t next_look_ns;
static bool is_any_watched, has_lost;

/* Another node, at the last look. */
static struct watched {
    uint64_t rounds; /* of its event loop */
    uint32_t acknowledged_lines;
    uint8_t idle_looks;  /* since it has taken something of what it was sent */
    uint8_t still_looks; /* since it has, or its event loop has gone round, although it was rung */
    bool has_channel;    /* from us; in a ring of before it may open though the node hangs */
    bool is_given_up;    /* by this node, and has not gone round since */
    bool is_accused;     /* another node has given it up, and it has not gone round since */
    uint16_t given_up;   /* how many it has given up, by its word */
    uint16_t votes;      /* how many of those that live have given it up */
} * seen;                /* of all nodes */
MEMORY_KIND(seen_kind, "watched_nodes");
_Static_assert(LOOKS_TO_RESET > LOOKS_TO_GIVE_UP + LOOKS_WITH_NMI, "no NMI behind INIT");

void watch_initialise(void)
{
    uint64_t timeout_ms = WATCH_GIVE_UP_DEFAULT_MS / WATCH_GIVE_UP_TIMES;

    if (command_line_number(platform_command_line(), "node_timeout", WATCH_TIMEOUT_MAX_MS,
                            &timeout_ms) == -EINVAL) {
        log_warning("watch", "node_timeout= is not 0 to %u milliseconds", WATCH_TIMEOUT_MAX_MS);
    }
    uint64_t give_up_ms = timeout_ms * WATCH_GIVE_UP_TIMES, min_ms = WATCH_GIVE_UP_MIN_MS;

    give_up_ms = give_up_ms == 0 || give_up_ms > min_ms ? give_up_ms : min_ms;
    interval_ns = give_up_ms * NS_PER_MS / LOOKS_TO_GIVE_UP;
    next_look_ns = 0;
    is_any_watched = has_lost = false;
    seen = memory_renew(&seen_kind, seen, platform_node_count() * sizeof(*seen));
}

bool watch_take_lost(void)
{
    bool had_lost = has_lost;

    has_lost = false;
    return had_lost;
}

void watch_forget(node_id_t node)
{
    seen[node] = (struct watched){0};
}

/* --- What this node sees --- */

static void lose(node_id_t node)
{
    status_lose(node);
    seen[node].is_accused = false;
    has_lost = true;
}

static bool stands_still(node_id_t node)
{
    return seen[node].still_looks > LOOKS_TO_GIVE_UP;
}

void watch_give_up(node_id_t node, const char *reason)
{
    log_error("watch", "node%u %s: declared dead", node, reason);
    counter_increment(COUNTER_NODES_GIVEN_UP);
    peers_condemn(node);
    status_declare_dead(node);
    status_send_attention();
    seen[node].is_given_up = true;
    has_lost = true;
    if (!stands_still(node)) {
        lose(node); /* the others need not agree */
    }
}

static void refute(node_id_t node)
{
    if (counter_read(platform_node(), COUNTER_DROP_FALSE_DEATH) == 0) {
        log_warning("watch", "node%u works, although another node has given it up", node);
    }
    counter_increment(COUNTER_DROP_FALSE_DEATH);
}

static void judge(node_id_t node)
{
    struct watched *watched = &seen[node];
    bool goes_round = watched->still_looks == 0;

    if (goes_round && watched->is_accused) {
        watched->is_accused = false;
        refute(node);
    }
    if (goes_round && watched->is_given_up) {
        watched->is_given_up = false;
        lose(node); /* to the others it is alive */
    }
    if (watched->idle_looks > LOOKS_TO_GIVE_UP && (goes_round || stands_still(node))) {
        watch_give_up(node, "takes no message");
    } else if (stands_still(node) && peers[node].is_present) {
        watch_give_up(node, "does nothing");
    }
    if (watched->is_given_up && stands_still(node) &&
        watched->still_looks <= LOOKS_TO_GIVE_UP + LOOKS_WITH_NMI) {
        platform_stop_node(node, false);
    }
    if (watched->is_given_up && watched->still_looks == LOOKS_TO_GIVE_UP + LOOKS_TO_RESET + 1) {
        log_error("watch", "node%u does not stop: reset", node);
        platform_stop_node(node, true);
        watched->is_given_up = false;
        lose(node); /* whatever has kept the others from agreeing */
    }
}

/* What it was sent, or would be if it had a channel for it. */
static bool has_more_to_read(struct peer *peer)
{
    return peer->is_present &&
           (channel_unacknowledged_lines(&peer->sender) != 0 || opening_is_awaited(peer->node));
}

static __attribute__((noinline)) void look_at(node_id_t node)
{
    struct watched *watched = &seen[node];
    struct watched before = *watched;
    bool is_behind = has_more_to_read(&peers[node]);

    watched->has_channel = channel_sender_is_open(&peers[node].sender);
    watched->acknowledged_lines = peers[node].sender.acknowledged_lines;
    watched->rounds = counter_read(node, COUNTER_DISPATCH_ROUNDS);
    watched->idle_looks++;
    watched->still_looks++;
    if (peers[node].is_present && before.has_channel &&
        watched->acknowledged_lines != before.acknowledged_lines) {
        watched->idle_looks = watched->still_looks = 0;
    }
    /* One that has not come up yet takes its messages when it has: that is for boot to watch. */
    if (!(is_behind || before.is_accused || before.is_given_up) ||
        status_own_word(node) != NODE_RUNNING) {
        watched->idle_looks = watched->still_looks = 0;
        watched->is_accused = watched->is_given_up = false;
        return;
    }
    if (watched->rounds != before.rounds) {
        watched->still_looks = 0;
    }
    if (!is_behind) {
        watched->idle_looks = 0;
    }
    is_any_watched = true;
    /* One that has no channel for us has perhaps had no memory for it. */
    (opening_is_awaited(node) ? platform_send_attention : platform_ring_doorbell)(node);
    judge(node);
}

bool watch_look(uint64_t now_ns)
{
    if (watch_next != NULL) {
        watch_next->look(now_ns);
    }
    if (LIKELY(now_ns < next_look_ns) || interval_ns == 0) {
        return true;
    }
    next_look_ns = now_ns + interval_ns;
    is_any_watched = false;
    for (unsigned node = 0; node < platform_node_count(); node++) {
        if (node != platform_node()) {
            look_at((node_id_t)node);
        }
    }
    return !is_any_watched && !has_lost;
}

uint64_t watch_deadline_ns(bool is_blocked)
{
    uint64_t all_ns =
        interval_ns != 0 && (is_any_watched || is_blocked) ? next_look_ns : UINT64_MAX;
    uint64_t next_ns = watch_next != NULL ? watch_next->deadline_ns() : UINT64_MAX;

    return all_ns < next_ns ? all_ns : next_ns;
}

/* --- What the others say --- */

/* Whether more than half of those that live have given it up, each by what it has seen itself. */
static bool is_dead_to_most(node_id_t node, unsigned living_count)
{
    unsigned votes = seen[node].votes;

    /* One vote is never enough for a node that sees itself work. */
    return 2 * votes > living_count - 1 && (node != platform_node() || votes > 1);
}

void watch_suspect(node_id_t node)
{
    if (peers[node].is_present && !seen[node].is_accused) {
        seen[node].is_accused = true;
        seen[node].rounds = counter_read(node, COUNTER_DISPATCH_ROUNDS);
        is_any_watched = true;
    }
}

static void hear_of(node_id_t node)
{
    if (node == platform_node()) {
        refute(node);
    } else {
        watch_suspect(node);
    }
}

/* Count what it says of the others, who are news if it has given up one more than before. */
static void count_votes_of(node_id_t voter, struct node_set *news)
{
    struct node_set given_up = status_declared_dead_by(voter);
    unsigned count = 0;

    NODE_SET_EACH(&given_up, node)
    {
        if (node != voter && node < platform_node_count()) {
            seen[node].votes++;
            count++;
        }
    }
    if (count > seen[voter].given_up && voter != platform_node()) {
        node_set_add_all(news, &given_up);
    }
    seen[voter].given_up = (uint16_t)count;
}

void watch_hear(void)
{
    struct node_set news = {{0}};
    unsigned living_count = 0;

    for (unsigned i = 0; i < platform_node_count(); i++) {
        seen[i].votes = 0;
    }
    for (unsigned i = 0; i < platform_node_count(); i++) {
        if (status_node_state((node_id_t)i) == NODE_RUNNING) {
            living_count++;
            count_votes_of((node_id_t)i, &news);
        } else {
            seen[i].given_up = 0;
        }
    }
    for (unsigned i = 0; i < platform_node_count(); i++) {
        node_id_t node = (node_id_t)i;

        if (seen[i].votes == 0 || status_node_state(node) != NODE_RUNNING) {
            continue;
        }
        if (node_set_has(&news, node)) {
            hear_of(node);
        }
        if (is_dead_to_most(node, living_count)) {
            if (node == platform_node()) {
                PANIC("the other nodes have given this one up");
            }
            lose(node);
        }
    }
}
