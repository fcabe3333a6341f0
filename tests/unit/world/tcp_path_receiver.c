/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "kernel/platform.h"
#include "tests/unit/world/tcp_path.h"

#define RANGES_MAX   4096u
#define ACK_DELAY_US 40000u

struct range {
    uint32_t left, right;
    unsigned touched; /* the higher the later */
};

static struct range ranges[RANGES_MAX]; /* beyond the hole, in order, with holes between */
static unsigned range_count, touch_count;
static uint32_t next_offset, window_bytes;
static struct range duplicate; /* to be told: empty if not */
static unsigned owed_segments;
static uint64_t owed_since_us;
static bool has_forgotten;

void path_receiver_reset(void)
{
    range_count = touch_count = 0;
    next_offset = 0;
    window_bytes = path.options.window_bytes;
    duplicate.left = duplicate.right = 0;
    owed_segments = 0;
    has_forgotten = false;
}

static void remove_ranges(unsigned first, unsigned count)
{
    memmove(&ranges[first], &ranges[first + count],
            (range_count - first - count) * sizeof(ranges[0]));
    range_count -= count;
}

/* Returns whether all of it was there. */
static bool keep(uint32_t left, uint32_t right)
{
    unsigned first = 0, last;

    while (first < range_count && ranges[first].right < left) {
        first++;
    }
    if (first < range_count && ranges[first].left <= left && ranges[first].right >= right) {
        ranges[first].touched = ++touch_count;
        return true;
    }
    for (last = first; last < range_count && ranges[last].left <= right; last++) {
        left = ranges[last].left < left ? ranges[last].left : left;
        right = ranges[last].right > right ? ranges[last].right : right;
    }
    remove_ranges(first, last - first);
    ASSERT(range_count < RANGES_MAX);
    memmove(&ranges[first + 1], &ranges[first], (range_count - first) * sizeof(ranges[0]));
    ranges[first] = (struct range){left, right, ++touch_count};
    range_count++;
    return false;
}

bool path_receiver_take(uint32_t offset, uint32_t length_bytes)
{
    uint32_t end = offset + length_bytes;
    bool was_whole = range_count == 0;

    if (path.options.forgets_at_us != 0 && path.now_us >= path.options.forgets_at_us &&
        !has_forgotten) {
        has_forgotten = true;
        range_count = 0;
    }
    if (end <= next_offset) {
        duplicate = (struct range){offset, end, 0};
        return true;
    }
    if (offset > next_offset) {
        if (keep(offset, end)) {
            duplicate = (struct range){offset, end, 0};
        }
        return true;
    }
    next_offset = end;
    while (range_count > 0 && ranges[0].left <= next_offset) {
        next_offset = ranges[0].right > next_offset ? ranges[0].right : next_offset;
        remove_ranges(0, 1);
    }
    if (owed_segments++ == 0) {
        owed_since_us = path.now_us;
    }
    return !was_whole || (owed_segments >= 2 && path.options.merging_us == 0) ||
           path.options.is_acking_each;
}

bool path_receiver_deadline(uint64_t *deadline_us)
{
    *deadline_us =
        owed_since_us + (path.options.merging_us != 0 ? path.options.merging_us : ACK_DELAY_US);
    return owed_segments > 0;
}

static void put_block(struct tcp_options *options, const struct range *range)
{
    options->sack[options->sack_count][0] = range->left;
    options->sack[options->sack_count][1] = range->right;
    options->sack_count++;
}

struct path_ack path_receiver_acknowledge(void)
{
    struct path_ack ack = {.next_offset = next_offset, .window_bytes = window_bytes};
    unsigned below = UINT32_MAX;

    window_bytes += path.options.window_growth_bytes;
    owed_segments = 0;
    if (path.options.has_sack) {
        if (duplicate.left != duplicate.right && !path.options.is_silent_on_duplicates) {
            put_block(&ack.options, &duplicate);
        }
        while (ack.options.sack_count < TCP_OPTION_SACK_BLOCKS_MAX) {
            const struct range *latest = NULL;

            for (unsigned i = 0; i < range_count; i++) {
                if (ranges[i].touched < below &&
                    (latest == NULL || ranges[i].touched > latest->touched)) {
                    latest = &ranges[i];
                }
            }
            if (latest == NULL) {
                break;
            }
            put_block(&ack.options, latest);
            below = latest->touched;
        }
    }
    duplicate.left = duplicate.right = 0;
    return ack;
}
