/* SPDX-License-Identifier: MIT */
/*
 * The table of active opens: a pool, and chains by a keyed hash of the flow.
 */
#include "net/transport/active_table.h"

#include <string.h>

#include "kernel/platform.h"
#include "net/transport/active.h"
#include "net/transport/hash.h"

#define BUCKET_COUNT 1024u /* chains of four, when there are as many as may be */

_Static_assert(offsetof(struct opening, place) == 0, "it is a pool's");
_Static_assert(IS_POWER_OF_TWO(BUCKET_COUNT), "hashes are masked");

POOL(openings, "active_open", struct opening, ACTIVE_MAX);

static struct opening *buckets[BUCKET_COUNT];
static uint32_t count;

static struct opening **bucket_of(const struct flow *flow)
{
    return &buckets[flow_hash(flow) & (BUCKET_COUNT - 1)];
}

void active_table_initialise(void)
{
    memset(buckets, 0, sizeof(buckets));
    count = 0;
}

struct opening *active_table_find(const struct flow *flow)
{
    struct opening *opening = *bucket_of(flow);

    while (opening != NULL && !flow_equals(&opening->flow, flow)) {
        opening = opening->next;
    }
    return opening;
}

struct opening *active_table_find_named(node_id_t application, uint32_t stream_index)
{
    for (uint32_t i = 0; i < pool_size(&openings); i++) {
        struct opening *opening = pool_at(&openings, i);

        if (opening->is_used && opening->application == application &&
            opening->stream_index == stream_index) {
            return opening;
        }
    }
    return NULL;
}

struct opening *active_table_add(const struct flow *flow)
{
    struct opening *opening = pool_take(&openings);
    struct opening **bucket = bucket_of(flow);

    if (opening == NULL) {
        return NULL;
    }
    ASSERT(!opening->is_used);
    opening->is_used = true;
    opening->flow = *flow;
    opening->syn_count = 0;
    opening->has_peer_syn = false;
    opening->next = *bucket;
    *bucket = opening;
    count++;
    return opening;
}

void active_table_remove(struct opening *opening)
{
    struct opening **link = bucket_of(&opening->flow);

    ASSERT(opening->is_used && count > 0);
    while (*link != opening) {
        link = &(*link)->next;
    }
    *link = opening->next;
    opening->is_used = false;
    count--;
    pool_release(&openings, opening);
}

uint32_t active_table_count(void)
{
    return count;
}

void active_table_for_each(void (*visit)(struct opening *opening, void *context), void *context)
{
    for (uint32_t i = 0; i < pool_size(&openings); i++) {
        struct opening *opening = pool_at(&openings, i);

        if (opening->is_used) {
            visit(opening, context);
        }
    }
}
