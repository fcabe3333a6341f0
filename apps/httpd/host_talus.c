/* SPDX-License-Identifier: MIT */
/*
 * What the web server tells Talus. Several nodes serve the same address: the first of them says
 * where, once, as soon as there is an address.
 */
#include "apps/httpd/host.h"

#include <arpa/inet.h>
#include <stdbool.h>

#include "apps/httpd/counters.h"
#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/address.h"
#include "net/configuration.h"

COUNTER_TABLE_DEFINE(httpd_counters, HTTPD_COUNTER_FIRST, HTTPD_COUNTERS);

static uint16_t announced_port;
static bool is_announced;

static void address_changed(const struct address_set *address)
{
    char text[INET_ADDRSTRLEN];

    if (address->address != 0 && !is_announced) {
        is_announced = true;
        inet_ntop(AF_INET, &address->address, text, sizeof(text));
        log_info("httpd", "listening on http://%s:%u/", text, announced_port);
    }
}

unsigned host_node(void)
{
    return platform_node();
}

void host_announce(uint16_t port)
{
    announced_port = port;
    if (configuration_current()->applications[0] == platform_node()) {
        address_observe(address_changed);
    }
}

void host_count_request(void)
{
    counter_increment(COUNTER_HTTP_REQUESTS);
}

void host_count_turned_away(void)
{
    counter_increment(COUNTER_HTTP_TURNED_AWAY);
}

void host_note_refusal(unsigned status)
{
    log_debug("httpd", "a request was refused with %u", status);
}
