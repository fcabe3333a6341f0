/* SPDX-License-Identifier: MIT */
/*
 * What the web server tells Talus. Several nodes serve the same address: the first of them says
 * where, once, as soon as there is an address.
 */
#include "apps/httpd/host.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "apps/httpd/capture.h"
#include "apps/httpd/counters.h"
#include "apps/httpd/durations.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/ablation.h"
#include "libc/posix/socket.h"
#include "net/address.h"
#include "net/configuration.h"
#include "net/draining.h"

COUNTER_TABLE_DEFINE(httpd_counters, HTTPD_COUNTER_FIRST, HTTPD_COUNTERS);

static uint16_t announced_port;
static bool is_announced;
static uint64_t requests_before; /* this round */

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

/* The address that collectors see the lines come from. */
void host_name(char name[HOST_NAME_BYTES])
{
    inet_ntop(AF_INET, &address_current()->address, name, HOST_NAME_BYTES);
}

void host_announce(uint16_t port)
{
    announced_port = port;
    if (configuration_current()->applications[0] == platform_node()) {
        address_observe(address_changed);
    }
}

bool host_is_ending(int fd)
{
    return UNLIKELY(draining_is_any) && draining_is_ending(socket_server(fd));
}

ssize_t host_receive(int fd, void *buffer, size_t bytes, const void **data)
{
    if (WITHOUT(LENT_REQUESTS)) {
        *data = buffer;
        return recv(fd, buffer, bytes, 0);
    }
    return recv_lent(fd, buffer, bytes, data);
}

void host_count_request(void)
{
    counter_increment(COUNTER_HTTP_REQUESTS);
}

/* The clock is read once for all requests of a round. */
void host_end_round(void)
{
    uint64_t requests = status_own_page->counters[COUNTER_HTTP_REQUESTS];

    if (requests != requests_before) {
        uint64_t now_ns = platform_now_ns();

        durations_note(requests - requests_before, now_ns - dispatch_now_ns(), now_ns);
        requests_before = requests;
    }
}

void host_count_turned_away(void)
{
    counter_increment(COUNTER_HTTP_TURNED_AWAY);
}

void host_count_wrong_lines(unsigned count)
{
    counter_add(COUNTER_HTTP_CONFIGURATION_ERRORS, count);
}

void host_note_refusal(unsigned status)
{
    log_debug("httpd", "a request was refused with %u", status);
}

void host_add_pages(void)
{
    capture_add_page();
}

void host_count_access_line(bool is_sent)
{
    counter_increment(is_sent ? COUNTER_HTTP_ACCESS_LINES : COUNTER_HTTP_ACCESS_LINES_LOST);
}
