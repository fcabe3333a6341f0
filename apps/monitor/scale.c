/* SPDX-License-Identifier: MIT */
/*
 * Fewer nodes and more. Whom this node has asked to go it remembers by the incarnation, until that
 * is over; what has come of it stands on the node's own status page.
 */
#include "apps/monitor/scale.h"

#include <string.h>

#include "apps/monitor/control.h"
#include "apps/monitor/print.h"
#include "apps/monitor/state_name.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/numbers.h"
#include "net/configuration.h"
#include "net/draining.h"
#include "net/scaling.h"
#include "net/status_text.h"

static uint32_t asked_incarnations[NODE_MAX]; /* 0: was not asked */

static bool is_parked(node_id_t node)
{
    return status_own_word(node) == NODE_PARKED;
}

static bool is_draining(node_id_t node)
{
    return status_node_state(node) == NODE_RUNNING &&
           draining_report_of(node).draining == DRAINING_NODE;
}

static bool is_going(node_id_t node)
{
    return is_draining(node) ||
           (asked_incarnations[node] != 0 && asked_incarnations[node] == status_incarnation(node));
}

static void show_all(void)
{
    for (node_id_t node = 0; node < platform_node_count(); node++) {
        char roles[STATUS_TEXT_BYTES];
        uint64_t idle_ms = counter_read(node, COUNTER_IDLE_NS) / NS_PER_MS;

        status_copy_text(node, STATUS_TEXT_ROLES, roles);
        monitor_print("node%-2u %-8s APIC id %3u, %5lu MiB, idle %lu.%03lu s, %s", node,
                      state_name(node), platform_status_page(node)->apic_id,
                      status_memory_bytes(node) / MIB, idle_ms / 1000, idle_ms % 1000, roles);
        if (is_draining(node)) {
            monitor_print(", %u connections left", draining_report_of(node).left);
        }
        monitor_print("\n");
    }
}

/* Those that run and were not asked to go. */
static struct node_set find_staying(void)
{
    struct node_set staying = {{0}};

    for (node_id_t node = 0; node < platform_node_count(); node++) {
        if (status_node_state(node) == NODE_RUNNING && !is_going(node)) {
            node_set_add(&staying, node);
        }
    }
    return staying;
}

static void send_away(node_id_t node)
{
    asked_incarnations[node] = status_incarnation(node);
    control_drain(node);
    monitor_print("node%u goes when its connections have ended\n", node);
}

static void wake(node_id_t node)
{
    if (!is_parked(node)) {
        control_stay(node);
        asked_incarnations[node] = 0;
    }
    draining_call_back(node); /* it may park before it hears of that */
    monitor_print("node%u %s\n", node, is_parked(node) ? "comes back" : "stays");
}

static bool is_away(node_id_t node)
{
    return is_parked(node) || is_going(node);
}

static void send_some_away(unsigned count)
{
    struct node_set staying = find_staying();
    struct node_set going = {{0}};
    unsigned found;

    if (!scaling_choose(configuration_current(), platform_node(), count, &staying, &going,
                        &found)) {
        monitor_print("%u nodes can go, not %u: what drives the card, speaks for the address or "
                      "has the console stays, and one of each role\n",
                      found, count);
        return;
    }
    NODE_SET_EACH(&going, node)
    {
        send_away((node_id_t)node);
    }
}

static void wake_some(unsigned count)
{
    unsigned away = 0;

    for (node_id_t node = 0; node < platform_node_count(); node++) {
        away += is_away(node);
    }
    if (away < count) {
        monitor_print("%u nodes are asleep or on their way, not %u\n", away, count);
        return;
    }
    for (node_id_t node = 0; node < platform_node_count() && count > 0; node++) {
        if (is_away(node)) {
            wake(node);
            count--;
        }
    }
}

static void send_one_away(node_id_t node)
{
    struct node_set staying = find_staying();
    enum scaling_verdict verdict =
        scaling_judge(configuration_current(), &staying, platform_node(), node);

    if (verdict == SCALING_MAY_GO) {
        send_away(node);
    } else {
        monitor_print("node%u %s\n", node, scaling_reason(verdict));
    }
}

static void wake_one(node_id_t node)
{
    if (is_away(node)) {
        wake(node);
    } else {
        monitor_print("node%u is not asleep\n", node);
    }
}

/* Digits, at most `most`. */
static bool read_number(const char *text, unsigned most, unsigned *number)
{
    uint64_t value;
    bool is_good = number_parse(text, strlen(text), 10, most, &value) == 0;

    *number = is_good ? (unsigned)value : 0;
    return is_good;
}

void scale_command(const char *argument)
{
    bool is_more = *argument == '+';
    unsigned number;

    if (*argument == '\0') {
        show_all();
    } else if (!is_more && *argument != '-') {
        monitor_print("nodes [-N | +N | -nodeN | +nodeN]\n");
    } else if (!platform_can_park()) {
        monitor_print("nodes of this machine cannot sleep and come back\n");
    } else if (strncmp(argument + 1, "node", 4) == 0 &&
               read_number(argument + 5, platform_node_count() - 1, &number)) {
        (is_more ? wake_one : send_one_away)((node_id_t)number);
    } else if (read_number(argument + 1, platform_node_count(), &number) && number != 0) {
        (is_more ? wake_some : send_some_away)(number);
    } else {
        monitor_print("there are no such nodes: `%s`\n", argument + 1);
    }
}
