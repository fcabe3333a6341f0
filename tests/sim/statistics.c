/* SPDX-License-Identifier: MIT */
/*
 * See statistics.h.
 */
#include "tests/sim/statistics.h"

#include <math.h>
#include <stdlib.h>

#include "kernel/platform.h"

void statistics_add_record(struct statistics *statistics, const struct record *record)
{
    if (statistics->record_count == statistics->capacity) {
        statistics->capacity = statistics->capacity == 0 ? 4096 : 2 * statistics->capacity;
        statistics->records =
            realloc(statistics->records, statistics->capacity * sizeof(*statistics->records));
        ASSERT(statistics->records != NULL);
    }
    statistics->records[statistics->record_count++] = *record;
}

void statistics_release(struct statistics *statistics)
{
    free(statistics->records);
    *statistics = (struct statistics){.records = NULL};
}

static void bring_up_to(struct account *account, uint64_t now_ns)
{
    ASSERT(now_ns >= account->changed_ns);
    account->count_ns += account->count * (now_ns - account->changed_ns);
    account->changed_ns = now_ns;
}

void account_enter(struct account *account, uint64_t now_ns)
{
    bring_up_to(account, now_ns);
    account->count++;
}

void account_leave(struct account *account, uint64_t now_ns, uint64_t entered_ns)
{
    bring_up_to(account, now_ns);
    ASSERT(account->count > 0);
    account->count--;
    account->left_count++;
    account->stay_ns += now_ns - entered_ns;
}

/* The mean number there is the integral over the time, the rate at which they come times the mean
 * stay is all stays over the same time. */
static void check_littles_law(const struct account *account)
{
    ASSERT(account->count == 0);
    ASSERT(account->count_ns == account->stay_ns);
}

void statistics_check(const struct statistics *statistics)
{
    check_littles_law(&statistics->in_system);
    check_littles_law(&statistics->in_service);
    ASSERT(statistics->served == statistics->record_count);
    ASSERT(statistics->in_service.left_count == statistics->served);
    ASSERT(statistics->in_system.left_count == statistics->arrived);
    ASSERT(statistics->served + statistics->refused == statistics->arrived);
}

static int compare_values(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

    return (first > second) - (first < second);
}

void sort_values(uint64_t *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare_values);
}

uint64_t percentile(const uint64_t *sorted, size_t count, double share)
{
    size_t rank = (size_t)ceil(share * (double)count);

    ASSERT(count > 0);
    ASSERT(rank >= 1 && rank <= count);
    return sorted[rank - 1];
}
