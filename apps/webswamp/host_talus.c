/* SPDX-License-Identifier: MIT */
/*
 * What the load generator asks of Talus. Several nodes load the same server, each for itself; when
 * they have ended the first of them adds up what the others have put on their status pages. What
 * stands there is input: any numbers.
 */
#include "apps/webswamp/host.h"

#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "apps/webswamp/clock.h"
#include "apps/webswamp/counters.h"
#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/address.h"
#include "net/configuration.h"

COUNTER_TABLE_DEFINE(webswamp_counters, WEBSWAMP_COUNTER_FIRST, WEBSWAMP_COUNTERS);

/* What DHCP may take where nobody answers at once. Chosen. */
#define ADDRESS_PATIENCE_MS 60000

/* Between looks at other nodes' pages, when this one has nothing else to do. */
#define LOOK_PERIOD_NS 10000000l

/* No sum of NODE_MAX such numbers wraps. */
#define NUMBER_MAX (UINT64_C(1) << 50)

/* --- The start --- */

static int address_fd = -1;

static void address_changed(const struct address_set *address)
{
    if (address->address != 0 && address_fd >= 0) {
        (void)eventfd_write(address_fd, 1);
    }
}

bool load_host_start(unsigned connections)
{
    struct pollfd wait = {.events = POLLIN};
    bool is_there;

    (void)connections; /* as many as the node's memory has room for */
    address_fd = eventfd(0, EFD_NONBLOCK);
    if (address_fd < 0) {
        return false;
    }
    address_observe(address_changed);
    wait.fd = address_fd;
    is_there = poll(&wait, 1, ADDRESS_PATIENCE_MS) == 1;
    close(address_fd);
    address_fd = -1;
    return is_there;
}

ssize_t load_host_receive(int fd, void *buffer, size_t bytes, const void **data)
{
    return recv_lent(fd, buffer, bytes, data);
}

/* --- The end --- */

void load_host_publish(const struct result *result)
{
    struct report report;

    report_make(&report, result);
    counter_set(COUNTER_WEBSWAMP_RESPONSES, report.responses);
    counter_set(COUNTER_WEBSWAMP_BYTES, report.bytes);
    counter_set(COUNTER_WEBSWAMP_DURATION, report.duration_ns);
    for (unsigned i = 0; i < REPORT_QUANTILES; i++) {
        counter_set(COUNTER_WEBSWAMP_QUANTILES + i, report.quantiles_ns[i]);
    }
    for (unsigned i = 0; i < LOAD_ERROR_COUNT; i++) {
        counter_set(COUNTER_WEBSWAMP_ERRORS + i, report.errors[i]);
    }
    counter_set(COUNTER_WEBSWAMP_ENDED, 1);
}

static uint64_t number_of(node_id_t node, unsigned counter)
{
    uint64_t number = counter_read(node, counter);

    return number < NUMBER_MAX ? number : NUMBER_MAX;
}

static uint64_t larger(uint64_t one, uint64_t other)
{
    return one > other ? one : other;
}

static void add_node(struct report *sum, node_id_t node)
{
    sum->responses += number_of(node, COUNTER_WEBSWAMP_RESPONSES);
    sum->bytes += number_of(node, COUNTER_WEBSWAMP_BYTES);
    sum->duration_ns = larger(sum->duration_ns, number_of(node, COUNTER_WEBSWAMP_DURATION));
    for (unsigned i = 0; i < LOAD_ERROR_COUNT; i++) {
        sum->errors[i] += number_of(node, COUNTER_WEBSWAMP_ERRORS + i);
    }
    /* If no node's share of a quantile took longer, nor did that of all. */
    for (unsigned i = 0; i < REPORT_QUANTILES; i++) {
        sum->quantiles_ns[i] =
            larger(sum->quantiles_ns[i], number_of(node, COUNTER_WEBSWAMP_QUANTILES + i));
    }
}

static bool has_ended(node_id_t node)
{
    return counter_read(node, COUNTER_WEBSWAMP_ENDED) == 1;
}

/* A node that is dead is not waited for. */
static void wait_for(node_id_t node, uint64_t deadline_ns)
{
    struct timespec period = {.tv_nsec = LOOK_PERIOD_NS};

    while (status_node_state(node) == NODE_RUNNING && !has_ended(node) &&
           clock_ns() < deadline_ns) {
        nanosleep(&period, NULL);
    }
}

void load_host_total(uint64_t patience_ns)
{
    const struct configuration *configuration = configuration_current();
    uint64_t deadline_ns = clock_ns() + patience_ns;
    unsigned count = configuration->application_count, ended_count = 0;
    struct report sum = {0};

    if (count < 2 || configuration->applications[0] != platform_node()) {
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        node_id_t node = configuration->applications[i];

        wait_for(node, deadline_ns);
        if (status_node_state(node) == NODE_RUNNING && has_ended(node)) {
            add_node(&sum, node);
            ended_count++;
        }
    }
    printf("%u of %u nodes:\n", ended_count, count);
    report_print(&sum, "latency at most");
}
