/* SPDX-License-Identifier: MIT */
/*
 * Counters and states of all nodes as text. What stands on another node's status page is quoted,
 * bounded and never trusted.
 */
#include "apps/monitor/metrics.h"

#include <string.h>

#include "apps/httpd/counters.h"
#include "apps/httpd/durations.h"
#include "apps/monitor/state_name.h"
#include "drivers/nic/counters.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/format.h"
#include "libc/core/memory.h"
#include "libc/core/version.h"
#include "libc/posix/file.h"
#include "net/service_times.h"
#include "net/status_text.h"

/* As counters: struct memory_counts. */
#define MEMORY_NUMBERS (sizeof(struct memory_counts) / sizeof(uint64_t))

_Static_assert(offsetof(struct memory_counts, bytes) == sizeof(uint64_t) &&
                   offsetof(struct memory_counts, failures) == 2 * sizeof(uint64_t),
               "their order is that of the numbers");

/* Nodes that were never started are no part of the system. */
static bool is_shown(unsigned node)
{
    return status_node_state((node_id_t)node) != NODE_ABSENT;
}

static void append_help(struct output *output, const char *name, const char *help, const char *type)
{
    format_append(output, "# HELP talus_%s %s\n# TYPE talus_%s %s\n", name, help, name, type);
}

static void append_build_info(struct output *output)
{
    append_help(output, "build_info", "The version of Talus that is running.", "gauge");
    format_append(output, "talus_build_info{version=\"%s\"} 1\n", talus_version);
}

static bool is_gauge(const char *name)
{
    size_t length = strlen(name);

    return length < 6 || strcmp(name + length - 6, "_total") != 0;
}

static void append_seconds(struct output *output, uint64_t time_ns)
{
    format_append(output, "%llu.%09llu\n", (unsigned long long)(time_ns / NS_PER_S),
                  (unsigned long long)(time_ns % NS_PER_S));
}

/* The image included. */
static uint64_t used_memory_bytes(node_id_t node)
{
    uint64_t total = status_memory_bytes(node);
    uint64_t free = counter_read(node, COUNTER_MEMORY_FREE);

    return free < total ? total - free : 0;
}

static void append_node_gauges(struct output *output)
{
    unsigned node_count = platform_node_count();
    char roles[STATUS_TEXT_BYTES];

    append_help(output, "uptime_seconds", "Time since the machine was booted.", "gauge");
    format_append(output, "talus_uptime_seconds ");
    append_seconds(output, platform_now_ns());

    append_help(output, "node_up", "1 while the node is running.", "gauge");
    for (unsigned node = 0; node < node_count; node++) {
        if (is_shown(node)) {
            format_append(output, "talus_node_up{node=\"%u\"} %d\n", node,
                          status_node_state((node_id_t)node) == NODE_RUNNING);
        }
    }
    append_help(output, "node_state", "What the node is doing.", "gauge");
    for (unsigned node = 0; node < node_count; node++) {
        if (is_shown(node)) {
            format_append(output, "talus_node_state{node=\"%u\",state=\"%s\"} 1\n", node,
                          state_name((node_id_t)node));
        }
    }
    append_help(output, "node_info", "What the node runs.", "gauge");
    for (unsigned node = 0; node < node_count; node++) {
        if (is_shown(node)) {
            status_copy_text((node_id_t)node, STATUS_TEXT_ROLES, roles);
            format_append(output, "talus_node_info{node=\"%u\",role=\"%s\"} 1\n", node, roles);
        }
    }
    append_help(output, "node_memory_bytes", "Memory of the node.", "gauge");
    for (unsigned node = 0; node < node_count; node++) {
        if (is_shown(node)) {
            format_append(output, "talus_node_memory_bytes{node=\"%u\"} %llu\n", node,
                          (unsigned long long)status_memory_bytes((node_id_t)node));
        }
    }
    append_help(output, "node_memory_used_bytes", "Memory of the node that is in use.", "gauge");
    for (unsigned node = 0; node < node_count; node++) {
        if (is_shown(node)) {
            format_append(output, "talus_node_memory_used_bytes{node=\"%u\"} %llu\n", node,
                          (unsigned long long)used_memory_bytes((node_id_t)node));
        }
    }
}

/* What all nodes have counted under one index. */
static void append_counter(struct output *output, unsigned counter, const struct counter_name *name)
{
    status_note_progress();
    for (unsigned node = 0; node < platform_node_count(); node++) {
        if (!is_shown(node)) {
            continue;
        }
        uint64_t value = counter_read((node_id_t)node, counter);

        format_append(output, "talus_%s{node=\"%u\"%s%s} ", name->name, node,
                      name->label[0] != '\0' ? "," : "", name->label);
        if (strstr(name->name, "_seconds") != NULL) {
            append_seconds(output, value);
        } else {
            format_append(output, "%llu\n", (unsigned long long)value);
        }
    }
}

/* All counters of that name, whichever layer counts them, of which `first` is one; the format wants
 * them together. Nothing when an earlier counter has that name: it has printed them. */
static void append_counters_named(struct output *output, const char *name, unsigned first)
{
    bool is_first = true;

    LINKER_SET_EACH(counter_tables, struct counter_table, table)
    {
        for (unsigned i = 0; i < (*table)->count; i++) {
            const struct counter_name *entry = &(*table)->names[i];

            if (strcmp(entry->name, name) != 0) {
                continue;
            }
            if (is_first && (*table)->first + i != first) {
                return;
            }
            if (is_first) {
                append_help(output, name, entry->help, is_gauge(name) ? "gauge" : "counter");
            }
            is_first = false;
            append_counter(output, (*table)->first + i, entry);
        }
    }
}

/* Of one kind on one node: `number` of its struct memory_counts; what was never taken is not shown.
 */
static void append_memory_count(struct output *output, const char *name, node_id_t node,
                                const char *kind, unsigned kind_index, unsigned number)
{
    unsigned first = COUNTER_MEMORY + kind_index * MEMORY_NUMBERS;
    uint64_t any = 0;

    for (unsigned i = 0; i < MEMORY_NUMBERS; i++) {
        any |= counter_read(node, first + i);
    }
    if (any != 0) {
        format_append(output, "talus_%s{node=\"%u\",kind=\"%s\"} %llu\n", name, node, kind,
                      (unsigned long long)counter_read(node, first + number));
    }
}

static void append_memory(struct output *output, unsigned number, const char *name,
                          const char *help)
{
    append_help(output, name, help, is_gauge(name) ? "gauge" : "counter");
    for (unsigned node = 0; node < platform_node_count(); node++) {
        unsigned index = 0;

        status_note_progress();
        LINKER_SET_EACH(memory_kinds, struct memory_kind, kind)
        {
            if (is_shown(node)) {
                append_memory_count(output, name, (node_id_t)node, (*kind)->name, index, number);
            }
            index++;
        }
    }
}

/* Of a node that has counted any. Prometheus counts in each bucket what lies below its bound. */
static void append_durations_of(struct output *output, node_id_t node)
{
    struct durations durations = {{0}};
    uint64_t below = 0;

    status_note_progress();
    durations_add_all(&durations, node);
    if (durations_count(&durations) == 0) {
        return;
    }
    for (unsigned i = 0; i < DURATION_BUCKETS - 1; i++) {
        uint64_t bound_ns = DURATION_BOUND_NS(i);

        below += durations.counts[i];
        format_append(
            output,
            "talus_http_request_duration_seconds_bucket{node=\"%u\",le=\"0.%09llu\"} %llu\n", node,
            (unsigned long long)bound_ns, (unsigned long long)below);
    }
    format_append(output,
                  "talus_http_request_duration_seconds_bucket{node=\"%u\",le=\"+Inf\"} %llu\n",
                  node, (unsigned long long)durations_count(&durations));
    format_append(output, "talus_http_request_duration_seconds_sum{node=\"%u\"} ", node);
    append_seconds(output, counter_read(node, COUNTER_DURATIONS_SUM_NS));
    format_append(output, "talus_http_request_duration_seconds_count{node=\"%u\"} %llu\n", node,
                  (unsigned long long)durations_count(&durations));
}

_Static_assert(DURATION_BOUND_NS(DURATION_BUCKETS - 2) < NS_PER_S, "bounds begin with 0.");

static void append_durations(struct output *output)
{
    append_help(output, "http_request_duration_seconds",
                "From the round that has read a request to its end, when the answer leaves.",
                "histogram");
    for (unsigned node = 0; node < platform_node_count(); node++) {
        if (is_shown(node)) {
            append_durations_of(output, (node_id_t)node);
        }
    }
}

static void append_service_times(struct output *output)
{
    append_help(output, "application_service_seconds",
                "Median of the last connections, from offer to close, as its CM knows it.",
                "gauge");
    for (unsigned node = 0; node < platform_node_count(); node++) {
        uint64_t service_ns = is_shown(node) ? service_times_look((node_id_t)node) : 0;

        if (service_ns != 0) {
            format_append(output, "talus_application_service_seconds{node=\"%u\"} ", node);
            append_seconds(output, service_ns);
        }
    }
}

size_t metrics_print_prometheus(char *text, size_t size)
{
    struct output output;

    output_start(&output, text, size);
    append_build_info(&output);
    append_node_gauges(&output);
    append_memory(&output, 0, "memory_objects", "Objects in use, by what they are.");
    append_memory(&output, 1, "memory_bytes", "Memory taken for them.");
    append_memory(&output, 2, "memory_failures_total", "Objects that could not be had.");
    append_durations(&output);
    append_service_times(&output);
    LINKER_SET_EACH(counter_tables, struct counter_table, table)
    {
        for (unsigned i = 0; i < (*table)->count; i++) {
            append_counters_named(&output, (*table)->names[i].name, (*table)->first + i);
        }
    }
    return output.length;
}

size_t metrics_print_nodes(char *text, size_t size)
{
    struct output output;
    char roles[STATUS_TEXT_BYTES];

    output_start(&output, text, size);
    format_append(&output, "%-5s %-9s %-20s %9s %12s %12s %12s %12s\n", "node", "state", "roles",
                  "memory", "requests", "received", "sent", "messages");
    for (unsigned i = 0; i < platform_node_count(); i++) {
        node_id_t node = (node_id_t)i;

        if (!is_shown(i)) {
            continue;
        }
        status_copy_text(node, STATUS_TEXT_ROLES, roles);
        format_append(&output, "%-5u %-9s %-20s %5llu MiB %12llu %12llu %12llu %12llu\n", i,
                      state_name(node), roles,
                      (unsigned long long)(status_memory_bytes(node) / MIB),
                      (unsigned long long)counter_read(node, COUNTER_HTTP_REQUESTS),
                      (unsigned long long)counter_read(node, COUNTER_NIC_RX_PACKETS),
                      (unsigned long long)counter_read(node, COUNTER_NIC_TX_PACKETS),
                      (unsigned long long)counter_read(node, COUNTER_CHANNEL_SENT));
    }
    return output.length;
}

static const struct generated_file metrics_file = {"/proc/metrics", metrics_print_prometheus};
static const struct generated_file nodes_file = {"/proc/nodes", metrics_print_nodes};
GENERATED_FILE(metrics_file);
GENERATED_FILE(nodes_file);
