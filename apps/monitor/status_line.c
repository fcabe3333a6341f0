/* SPDX-License-Identifier: MIT */
/*
 * Rates come from the nodes' status pages: what a counter has grown since the line was last put
 * together. A timer runs after a line that showed requests, so that it falls back to zero, and
 * when the node goes to sleep with something to show that came within a second of the last line.
 */
#include "apps/monitor/status_line.h"

#include <string.h>

#include "apps/httpd/counters.h"
#include "drivers/console/console.h"
#include "drivers/console/screen.h"
#include "kernel/component.h"
#include "kernel/limits.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/format.h"
#include "libc/core/timer.h"
#include "net/status_text.h"

#define PERIOD_NS           NS_PER_S
#define CONFIGURATION_BYTES 64

static char configuration[CONFIGURATION_BYTES];
static uint64_t requests[NODE_MAX]; /* answered when the line was last put together */
static uint64_t printed_ns;
static uint64_t next_look_ns;
static char shown_address[STATUS_TEXT_BYTES];
static bool is_started;
static struct timer timer;

/* The machine's address: that of the first node that has said one. */
static void find_address(char address[STATUS_TEXT_BYTES])
{
    address[0] = '\0';
    for (unsigned node = 0; node < platform_node_count() && address[0] == '\0'; node++) {
        if (status_node_state((node_id_t)node) == NODE_RUNNING) {
            status_copy_text((node_id_t)node, STATUS_TEXT_ADDRESS, address);
        }
    }
}

static uint64_t rate_of(uint64_t count, uint64_t elapsed_ns)
{
    return elapsed_ns == 0 ? 0 : count * NS_PER_S / elapsed_ns;
}

void status_line_print(char *text, size_t size, uint64_t now_ns)
{
    struct output output;
    uint64_t rates[NODE_MAX];
    uint64_t sum = 0;

    find_address(shown_address);
    for (unsigned node = 0; node < platform_node_count(); node++) {
        uint64_t count = counter_read((node_id_t)node, COUNTER_HTTP_REQUESTS);

        rates[node] = rate_of(count - requests[node], now_ns - printed_ns);
        requests[node] = count;
        sum += rates[node];
    }
    printed_ns = now_ns;
    output_start(&output, text, size);
    format_append(&output, " Talus | %s | %s | %llu requests/s",
                  shown_address[0] != '\0' ? shown_address : "no address",
                  configuration[0] != '\0' ? configuration : "starting", (unsigned long long)sum);
    for (unsigned node = 0; node < platform_node_count(); node++) {
        if (requests[node] != 0) {
            format_append(&output, ", node%u %llu", node, (unsigned long long)rates[node]);
        }
    }
}

static bool is_any_new_request(void)
{
    for (unsigned node = 0; node < platform_node_count(); node++) {
        if (counter_read((node_id_t)node, COUNTER_HTTP_REQUESTS) != requests[node]) {
            return true;
        }
    }
    return false;
}

static bool is_anything_new(void)
{
    char address[STATUS_TEXT_BYTES];

    find_address(address);
    return strcmp(address, shown_address) != 0 || is_any_new_request();
}

static void look_later(void)
{
    if (timer_start(&timer, next_look_ns) != 0) {
        log_warning("console", "no memory for the status line's timer: its rates may be old");
    }
}

static void show(uint64_t now_ns)
{
    char text[STATUS_LINE_MAX_BYTES];
    bool has_requests = is_any_new_request();

    status_line_print(text, sizeof(text), now_ns);
    screen_set_status(text);
    next_look_ns = now_ns + PERIOD_NS;
    if (has_requests) {
        look_later();
    }
}

static void look_again(struct timer *expired)
{
    (void)expired;
    show(platform_now_ns());
}

void status_line_start(bool has_screen)
{
    static struct dispatch_source source = {
        .poll = status_line_poll,
        .prepare_sleep = status_line_prepare_sleep,
    };

    if (!has_screen) {
        return;
    }
    if (is_started) {
        timer_stop(&timer);
    } else {
        dispatch_register_source(&source);
    }
    timer_initialise(&timer, look_again);
    printed_ns = platform_now_ns();
    for (unsigned node = 0; node < platform_node_count(); node++) {
        requests[node] = counter_read((node_id_t)node, COUNTER_HTTP_REQUESTS);
    }
    is_started = true;
    show(platform_now_ns());
}

void status_line_set_configuration(const char *text)
{
    size_t length = strnlen(text, sizeof(configuration) - 1);

    memcpy(configuration, text, length);
    configuration[length] = '\0';
    if (is_started) {
        show(platform_now_ns());
    }
}

unsigned status_line_poll(void *context)
{
    uint64_t now_ns = dispatch_now_ns();

    (void)context;
    if (UNLIKELY(now_ns >= next_look_ns) && !timer_is_set(&timer)) {
        if (is_anything_new()) {
            show(now_ns);
        } else {
            next_look_ns = now_ns + PERIOD_NS;
        }
    }
    return 0; /* nothing to stay awake for */
}

bool status_line_prepare_sleep(void *context)
{
    (void)context;
    if (!timer_is_set(&timer) && is_anything_new()) {
        look_later();
    }
    return false;
}

static void register_status_line(void)
{
    console_register_user(status_line_start);
}

static const struct component status_line_component = {
    .steps = {[NODE_MEMORY] = register_status_line},
};
COMPONENT(status_line_component);
