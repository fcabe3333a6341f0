/* SPDX-License-Identifier: MIT */
/*
 * A look at each node that has not read all it was sent: see watch.h.
 */
#include "kernel/message/watch.h"

#include "kernel/log.h"
#include "kernel/message/peers.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/command_line.h"
#include "libc/core/numbers.h"

/* Looks in the time after which a node is given up. Chosen: a pause of this node counts as one. */
#define LOOKS_TO_GIVE_UP 16
/* Looks between the NMI and INIT: it may be printing what it has to say. */
#define LOOKS_TO_RESET   4

static uint64_t interval_ns; /* 0: never */
static uint64_t next_look_ns;
static bool is_any_behind;
static bool has_given_up;

static struct {
    uint32_t acknowledged_lines; /* at the last look */
    uint8_t idle_looks;          /* since it has taken something; or since the NMI */
    bool is_stopping;
} seen[NODE_MAX];

void watch_initialise(void)
{
    uint64_t timeout_s = WATCH_TIMEOUT_DEFAULT_S;
    const char *text;
    int length = command_line_find(platform_command_line(), "node_timeout", &text);

    if (length >= 0 &&
        number_parse(text, (size_t)length, 10, WATCH_TIMEOUT_MAX_S, &timeout_s) != 0) {
        timeout_s = WATCH_TIMEOUT_DEFAULT_S;
        log_warning("watch", "node_timeout=%.*s: not 0 to %u seconds; it is %u", length, text,
                    WATCH_TIMEOUT_MAX_S, WATCH_TIMEOUT_DEFAULT_S);
    }
    interval_ns = timeout_s * NS_PER_S / LOOKS_TO_GIVE_UP;
    next_look_ns = 0;
    is_any_behind = false;
    has_given_up = false;
    __builtin_memset(seen, 0, sizeof(seen));
}

void watch_give_up(node_id_t node, const char *reason)
{
    log_error("watch", "node%u %s: declared dead", node, reason);
    counter_increment(COUNTER_NODES_GIVEN_UP);
    peers_condemn(node);
    status_declare_dead(node);
    platform_stop_node(node, false);
    status_send_attention();
    seen[node].is_stopping = true;
    seen[node].idle_looks = 0;
    has_given_up = true;
}

bool watch_take_given_up(void)
{
    bool had_given_up = has_given_up;

    has_given_up = false;
    return had_given_up;
}

static void look_at(node_id_t node)
{
    uint32_t acknowledged_lines;
    bool is_behind = peers_is_behind(node, &acknowledged_lines);

    /* One that has not come up yet takes its messages when it has: that is for boot to watch. */
    if (!is_behind || acknowledged_lines != seen[node].acknowledged_lines ||
        status_node_state(node) != NODE_RUNNING) {
        seen[node].acknowledged_lines = acknowledged_lines;
        seen[node].idle_looks = 0;
    } else if (++seen[node].idle_looks > LOOKS_TO_GIVE_UP) {
        watch_give_up(node, "takes no message");
    } else {
        platform_ring_doorbell(node); /* it costs an awake one nothing */
    }
    is_any_behind |= is_behind;
}

/* One that has been given up, and ought to have died of the NMI. */
static void look_whether_stopped(node_id_t node)
{
    if (!status_says_dead(node) && ++seen[node].idle_looks >= LOOKS_TO_RESET) {
        log_error("watch", "node%u does not stop: reset", node);
        platform_stop_node(node, true);
        seen[node].is_stopping = false;
    }
    is_any_behind |= seen[node].is_stopping;
}

void watch_look(uint64_t now_ns)
{
    if (LIKELY(now_ns < next_look_ns) || interval_ns == 0) {
        return;
    }
    next_look_ns = now_ns + interval_ns;
    is_any_behind = false;
    for (unsigned i = 0; i < platform_node_count(); i++) {
        node_id_t node = (node_id_t)i;

        if (peers_is_present(node)) {
            look_at(node);
        } else if (seen[node].is_stopping) {
            look_whether_stopped(node);
        }
    }
}

uint64_t watch_deadline_ns(bool is_blocked)
{
    return interval_ns != 0 && (is_any_behind || is_blocked) ? next_look_ns : UINT64_MAX;
}
