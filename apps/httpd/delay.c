/* SPDX-License-Identifier: MIT */
/*
 * Delays in a web server: see delay.h.
 */
#include "apps/httpd/delay.h"

#include <stdint.h>
#include <time.h>

#include "apps/httpd/host.h"
#include "libc/core/numbers.h"

#define FIELD_MAX    4u
#define NODE_LAST    UINT16_MAX
#define DELAY_MAX_US 60000000u /* a minute */

static struct delay {
    uint64_t us;
    uint64_t from_ms, to_ms;
} delays[DELAY_MAX];
static unsigned delay_count;

/* Numbers with colons between, and nothing else. Returns how many, or 0. */
static unsigned parse_fields(const char *text, uint64_t fields[FIELD_MAX])
{
    for (unsigned count = 0; count < FIELD_MAX; text++) {
        if (number_take(&text, NULL, 10, UINT32_MAX, &fields[count++]) != 0) {
            return 0;
        }
        if (*text != ':') {
            return *text == '\0' ? count : 0;
        }
    }
    return 0;
}

bool delay_add(const char *text)
{
    uint64_t fields[FIELD_MAX] = {0, 0, 0, UINT64_MAX};
    unsigned count = parse_fields(text, fields);

    if ((count != 2 && count != FIELD_MAX) || fields[0] > NODE_LAST || fields[1] > DELAY_MAX_US ||
        fields[2] > fields[3]) {
        return false;
    }
    if (fields[0] != host_node()) {
        return true;
    }
    if (delay_count == DELAY_MAX) {
        return false;
    }
    delays[delay_count++] =
        (struct delay){.us = fields[1], .from_ms = fields[2], .to_ms = fields[3]};
    return true;
}

void delay_connection(void)
{
    struct timespec now, duration;
    uint64_t now_ms, us = 0;

    if (delay_count == 0) {
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    for (unsigned i = 0; i < delay_count; i++) {
        if (now_ms >= delays[i].from_ms && now_ms < delays[i].to_ms) {
            us += delays[i].us;
        }
    }
    duration.tv_sec = (time_t)(us / 1000000);
    duration.tv_nsec = (long)(us % 1000000 * 1000);
    if (us != 0) {
        nanosleep(&duration, NULL);
    }
}
