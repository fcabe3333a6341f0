/* SPDX-License-Identifier: MIT */
/*
 * What stands on another node's status page is input: any number, at any time. So differences are
 * bounded before anything is multiplied, and nothing here trusts a sum.
 *
 * Lines between two nodes are counted by the receiver's progress in the channel, which stands on
 * its status page for the sender: nobody counts anything for a picture. That is 32 bits wide and
 * wraps, so the first look shows too little where more than 2^32 lines have gone.
 */
#include "apps/picture/figures.h"

#include <string.h>

#include "apps/httpd/counters.h"
#include "drivers/nic/counters.h"
#include "kernel/message/channel.h"
#include "kernel/message/mailbox.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "libc/core/multiply_divide.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/service_times.h"
#include "net/transport/counters.h"

/* More than any counter grows between two looks; bounds what a damaged page can say. Together with
 * the least period, which only a first look can be below, no rate exceeds 64 bits. */
#define GROWTH_MAX    (UINT64_C(1) << 48)
#define PERIOD_MIN_NS (100 * NS_PER_MS)

/* Of a node, at one look: what rates are made of. */
struct node_sample {
    uint64_t idle_ns, messages, requests, accepted, assigned, received, sent;
};

/* A channel, and how far it had been read. */
struct channel_sample {
    node_id_t from, to;
    uint32_t lines;
};

/* A drop counter. */
struct drop_sample {
    const char *label;
    uint64_t count;
};

struct samples {
    unsigned channel_count, channel_max;
    struct channel_sample *channels; /* by receiver, then by sender */
    struct drop_sample drops[FIGURES_DROP_MAX];
    unsigned drop_count;
    struct node_sample nodes[];
};

MEMORY_KIND(picture_kind, "picture");

static struct figures *figures; /* NULL: nobody has looked */
static struct samples *samples; /* at the last look */

/* Growth of a counter, as thousandths a second. */
static uint64_t rate_of(uint64_t before, uint64_t now)
{
    uint64_t grown = now > before ? now - before : 0;
    uint64_t period_ns = figures->period_ns > PERIOD_MIN_NS ? figures->period_ns : PERIOD_MIN_NS;

    return multiply_divide(grown < GROWTH_MAX ? grown : GROWTH_MAX, 1000 * NS_PER_S, period_ns);
}

static unsigned busy_permille(uint64_t idle_before_ns, uint64_t idle_ns)
{
    uint64_t idle = idle_ns > idle_before_ns ? idle_ns - idle_before_ns : 0;

    if (idle >= figures->period_ns) {
        return 0;
    }
    return (unsigned)multiply_divide(figures->period_ns - idle, 1000, figures->period_ns);
}

/* --- Nodes --- */

static void look_at_node(struct node_figures *look, struct node_sample *before, node_id_t node)
{
    status_note_progress();
    struct node_sample now = {
        .idle_ns = counter_read(node, COUNTER_IDLE_NS),
        .messages = counter_read(node, COUNTER_CHANNEL_SENT),
        .requests = counter_read(node, COUNTER_HTTP_REQUESTS),
        .accepted = counter_read(node, COUNTER_SOCKETS_ACCEPTED),
        .assigned = counter_read(node, COUNTER_CM_ASSIGNED) +
                    counter_read(node, COUNTER_CM_ASSIGNED_REMOTE),
        .received = counter_read(node, COUNTER_NIC_RX_PACKETS),
        .sent = counter_read(node, COUNTER_NIC_TX_PACKETS),
    };

    *look = (struct node_figures){
        .node = node,
        .state =
            (uint8_t)(status_own_word(node) == NODE_PARKED ? NODE_PARKED : status_node_state(node)),
        .roles = configuration_current()->roles[node],
        .messages_rate = rate_of(before->messages, now.messages),
        .requests_rate = rate_of(before->requests, now.requests),
        .accepted_rate = rate_of(before->accepted, now.accepted),
        .assigned_rate = rate_of(before->assigned, now.assigned),
        .connections = counter_read(node, COUNTER_CONNECTIONS_CLAIMED),
        .received_rate = rate_of(before->received, now.received),
        .sent_rate = rate_of(before->sent, now.sent),
        .service_ns = service_times_look(node),
        .messages = now.messages,
        .requests = now.requests,
        .accepted = now.accepted,
        .received = now.received,
        .sent = now.sent,
        .memory_bytes = status_memory_bytes(node),
    };
    if (look->state == NODE_RUNNING) {
        look->busy_permille = (uint16_t)busy_permille(before->idle_ns, now.idle_ns);
    }
    *before = now;
}

static void look_at_nodes(void)
{
    figures->node_count = 0;
    figures->connections = 0;
    for (unsigned i = 0; i < platform_node_count(); i++) {
        node_id_t node = (node_id_t)i;

        if (status_node_state(node) != NODE_ABSENT) {
            struct node_figures *look = &figures->nodes[figures->node_count++];

            look_at_node(look, &samples->nodes[i], node);
            figures->connections += look->connections;
        }
    }
}

/* --- Arrows --- */

/* Among those that count most, if it does. */
static void add_arrow(node_id_t from, node_id_t to, uint64_t lines_rate)
{
    struct arrow_figures *arrows = figures->arrows;
    unsigned at = figures->arrow_count;

    figures->lines_rate += lines_rate;
    if (lines_rate == 0 || (at == FIGURES_ARROW_MAX && arrows[at - 1].lines_rate >= lines_rate)) {
        return;
    }
    if (at == FIGURES_ARROW_MAX) {
        at--;
    } else {
        figures->arrow_count++;
    }
    for (; at > 0 && arrows[at - 1].lines_rate < lines_rate; at--) {
        arrows[at] = arrows[at - 1];
    }
    arrows[at] = (struct arrow_figures){from, to, lines_rate};
}

static bool is_before(const struct channel_sample *sample, node_id_t from, node_id_t to)
{
    return sample->to < to || (sample->to == to && sample->from < from);
}

/* One channel more was seen; without memory it has no arrow. */
static void keep_channel(struct samples *kept, struct channel_sample channel)
{
    if (kept->channel_count == kept->channel_max) {
        unsigned most = kept->channel_max == 0 ? 64 : 2 * kept->channel_max;
        struct channel_sample *grown =
            memory_resize(&picture_kind, kept->channels, most * sizeof(*grown));

        if (grown == NULL) {
            return;
        }
        kept->channels = grown;
        kept->channel_max = most;
    }
    kept->channels[kept->channel_count++] = channel;
}

/* Channels are seen in the same order each time, so those of the last look are gone through
 * alongside; each that is open now is kept in their place. */
static void look_at_channels(void)
{
    struct samples before = *samples;
    unsigned next = 0;

    samples->channels = NULL;
    samples->channel_count = samples->channel_max = 0;
    figures->arrow_count = 0;
    figures->lines_rate = 0;
    for (unsigned i = 0; i < figures->node_count; i++) {
        node_id_t to = figures->nodes[i].node;
        const struct status_page *page = platform_status_page(to);

        for (unsigned from = 0; from < platform_node_count(); from++) {
            const struct status_for_node *progress = &page->for_nodes[from];
            struct channel_sample now = {(node_id_t)from, to,
                                         mailbox_load(&progress->acknowledged_lines)};
            uint32_t lines = channel_first_line((node_id_t)from, to);

            if (mailbox_load64_acquire(&progress->channel_ring) == 0) {
                continue;
            }
            while (next < before.channel_count &&
                   is_before(&before.channels[next], now.from, now.to)) {
                next++;
            }
            if (next < before.channel_count && before.channels[next].from == from &&
                before.channels[next].to == to) {
                lines = before.channels[next].lines;
            }
            add_arrow(now.from, now.to, rate_of(0, (uint32_t)(now.lines - lines)));
            keep_channel(samples, now);
        }
    }
    memory_release(&picture_kind, before.channels);
}

/* --- Drops --- */

static uint64_t count_everywhere(unsigned counter)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < figures->node_count; i++) {
        count += counter_read(figures->nodes[i].node, counter);
    }
    return count;
}

static void add_drop(const char *reason, uint64_t count, uint64_t rate)
{
    unsigned at = figures->drop_count++;

    for (; at > 0 && figures->drops[at - 1].count < count; at--) {
        figures->drops[at] = figures->drops[at - 1];
    }
    figures->drops[at] = (struct drop_figures){reason, count, rate};
}

static void look_at_drop(const struct counter_name *name, unsigned counter)
{
    uint64_t count = count_everywhere(counter);
    unsigned at = 0;

    while (at < samples->drop_count && samples->drops[at].label != name->label) {
        at++;
    }
    if (at == FIGURES_DROP_MAX) {
        return;
    }
    if (at == samples->drop_count) {
        samples->drops[samples->drop_count++] = (struct drop_sample){name->label, 0};
    }
    if (count != 0) {
        add_drop(strchr(name->label, '"') + 1, count, rate_of(samples->drops[at].count, count));
    }
    samples->drops[at].count = count;
}

/* All counters `drops_total{reason="..."}`, whichever layer counts. */
static void look_at_drops(void)
{
    figures->drop_count = 0;
    LINKER_SET_EACH(counter_tables, struct counter_table, table)
    {
        for (unsigned i = 0; i < (*table)->count; i++) {
            const struct counter_name *name = &(*table)->names[i];

            if (strcmp(name->name, "drops_total") == 0 && strchr(name->label, '"') != NULL) {
                look_at_drop(name, (*table)->first + i);
            }
        }
    }
}

/* --- The last minute --- */

static void look_at_minute(void)
{
    uint64_t now_slot = figures->now_ns / DURATION_SLOT_NS;

    memset(&figures->minute, 0, sizeof(figures->minute));
    figures->minute_ns = durations_minute_ns(figures->now_ns);
    for (unsigned i = 0; i < figures->node_count; i++) {
        durations_add_minute(&figures->minute, figures->nodes[i].node, figures->now_ns);
    }
    for (unsigned back = 0; back < DURATION_SLOTS; back++) {
        struct durations slot = {{0}};

        for (unsigned i = 0; i < figures->node_count && back <= now_slot; i++) {
            durations_add_slot(&slot, figures->nodes[i].node, now_slot - back);
        }
        figures->minute_requests[DURATION_SLOTS - 1 - back] = durations_count(&slot);
    }
}

static bool has_memory(void)
{
    unsigned nodes = platform_node_count();

    if (samples == NULL) {
        samples = memory_allocate_zeroed(&picture_kind,
                                         sizeof(*samples) + nodes * sizeof(samples->nodes[0]));
    }
    if (figures == NULL && samples != NULL) {
        figures = memory_allocate_zeroed(&picture_kind,
                                         sizeof(*figures) + nodes * sizeof(figures->nodes[0]));
    }
    return figures != NULL;
}

const struct figures *figures_look(void)
{
    uint64_t now_ns = platform_now_ns();

    if (!has_memory()) {
        return NULL;
    }
    if (figures->now_ns != 0 && now_ns - figures->now_ns < FIGURES_LOOK_NS) {
        return figures;
    }
    figures->is_since_start = figures->now_ns == 0;
    figures->period_ns = now_ns - figures->now_ns + (now_ns == 0);
    figures->now_ns = now_ns;
    figures->application = configuration_current()->application;
    look_at_nodes();
    look_at_channels();
    look_at_drops();
    look_at_minute();
    return figures;
}

const struct figures *figures_again(void)
{
    return figures != NULL ? figures : figures_look();
}
