/* SPDX-License-Identifier: MIT */
/*
 * What forward tells Talus: counters on the node's status page, and where it listens.
 */
#include <arpa/inet.h>
#include <stdbool.h>

#include "apps/forward/configuration.h"
#include "apps/forward/counters.h"
#include "apps/forward/host.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "net/address.h"
#include "net/configuration.h"

COUNTER_TABLE_DEFINE(forward_low_counters, FORWARD_LOW_COUNTER_FIRST, FORWARD_LOW_COUNTERS);
COUNTER_TABLE_DEFINE(forward_high_counters, FORWARD_HIGH_COUNTER_FIRST, FORWARD_HIGH_COUNTERS);
COUNTER_TABLE_DEFINE(forward_counters, FORWARD_COUNTER_FIRST, FORWARD_COUNTERS);

_Static_assert(BACKEND_MAX == 2 * BACKENDS_A_BLOCK, "each has counters");

static struct {
    uint16_t port;
    unsigned backend_count;
} announced[SERVICE_MAX];
static unsigned announced_count;
static uint16_t announced_status_port;
static bool is_said;

static unsigned counter_of(unsigned backend, enum backend_counter counter)
{
    unsigned first =
        backend < BACKENDS_A_BLOCK ? FORWARD_LOW_COUNTER_FIRST : FORWARD_HIGH_COUNTER_FIRST;

    return first + backend % BACKENDS_A_BLOCK * BACKEND_COUNTER_COUNT + counter;
}

static void address_changed(const struct address_set *address)
{
    char text[INET_ADDRSTRLEN];

    if (address->address == 0 || is_said) {
        return;
    }
    is_said = true;
    inet_ntop(AF_INET, &address->address, text, sizeof(text));
    for (unsigned i = 0; i < announced_count; i++) {
        log_info("forward", "listening on %s:%u for %u backends", text, announced[i].port,
                 announced[i].backend_count);
    }
    if (announced_status_port != 0) {
        log_info("forward", "listening on http://%s:%u/ for who wants counters", text,
                 announced_status_port);
    }
}

void forward_announce(uint16_t port, unsigned backend_count)
{
    announced[announced_count].port = port;
    announced[announced_count++].backend_count = backend_count;
}

void forward_announce_all(uint16_t status_port)
{
    announced_status_port = status_port;
    if (configuration_current()->applications[0] == platform_node()) {
        address_observe(address_changed);
    }
}

void forward_count_begin(unsigned backend)
{
    counter_increment(counter_of(backend, BACKEND_CONNECTIONS));
    counter_increment(counter_of(backend, BACKEND_ACTIVE));
}

void forward_count_end(unsigned backend)
{
    unsigned counter = counter_of(backend, BACKEND_ACTIVE);

    counter_set(counter, status_own_page->counters[counter] - 1);
}

void forward_count_bytes(unsigned backend, bool is_from_client, uint64_t bytes)
{
    counter_add(counter_of(backend, is_from_client ? BACKEND_IN : BACKEND_OUT), bytes);
}

void forward_count_retry(void)
{
    counter_increment(COUNTER_FORWARD_RETRIES);
}

void forward_note_health(unsigned backend, bool is_up)
{
    counter_set(counter_of(backend, BACKEND_UP), is_up);
}

void forward_count_refused(void)
{
    counter_increment(COUNTER_FORWARD_REFUSED);
}
