/* SPDX-License-Identifier: MIT */
/*
 * Requests, and their order.
 */
#include "apps/webswamp/targets.h"

#include <stdlib.h>
#include <string.h>

#include "libc/core/format.h"
#include "libc/core/output.h"

/* "GET HTTP/1.1 Host Connection: close" and the ends of lines. */
#define REQUEST_FIXED_BYTES 128u

static struct {
    struct target *targets;
    unsigned count;
    unsigned next;   /* in turn */
    uint64_t chance; /* never 0; 0: in turn */
} all;

static bool make_request(struct target *target, const struct options *options, const char *path)
{
    size_t size = strlen(path) + sizeof(options->authority) + REQUEST_FIXED_BYTES +
                  (size_t)options->field_count * (OPTIONS_FIELD_BYTES + strlen("\r\n"));
    struct output request;

    target->request = malloc(size);
    if (target->request == NULL) {
        return false;
    }
    output_start(&request, target->request, size);
    format_append(&request, "GET %s HTTP/1.1\r\nHost: %s\r\n", path, options->authority);
    for (unsigned i = 0; i < options->field_count; i++) {
        format_append(&request, "%s\r\n", options->fields[i]);
    }
    format_append(&request, "%s\r\n", options->is_kept ? "" : "Connection: close\r\n");
    target->request_bytes = output_fitting_bytes(&request);
    return !output_is_cut(&request);
}

bool targets_make(const struct options *options)
{
    all.count = 0;
    all.next = 0;
    /* Spread over 64 bits, so that seeds that differ by little begin differently. */
    all.chance =
        options->is_random ? ((uint64_t)options->seed + 1) * UINT64_C(0x9E3779B97F4A7C15) : 0;
    all.targets = calloc(options->path_count, sizeof(*all.targets));
    if (all.targets == NULL) {
        return false;
    }
    for (unsigned i = 0; i < options->path_count; i++) {
        all.count++;
        if (!make_request(&all.targets[i], options, options->paths[i])) {
            return false;
        }
    }
    return true;
}

void targets_release(void)
{
    for (unsigned i = 0; i < all.count; i++) {
        free(all.targets[i].request);
    }
    free(all.targets);
    all.targets = NULL;
    all.count = 0;
}

/* xorshift64* (Vigna 2016): its upper half, scaled to the count. */
static unsigned choose(void)
{
    all.chance ^= all.chance >> 12;
    all.chance ^= all.chance << 25;
    all.chance ^= all.chance >> 27;
    return (unsigned)(((all.chance * UINT64_C(0x2545F4914F6CDD1D) >> 32) * all.count) >> 32);
}

struct target *targets_next(void)
{
    unsigned index = all.next;

    if (all.count == 1) {
        return &all.targets[0];
    }
    if (all.chance != 0) {
        return &all.targets[choose()];
    }
    all.next = index + 1 < all.count ? index + 1 : 0;
    return &all.targets[index];
}
