/* SPDX-License-Identifier: MIT */
/*
 * Faults of memory: see faults.h.
 */
#include "drivers/hosted/faults.h"

#include <string.h>

#include "kernel/log.h"
#include "kernel/message/counters.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "libc/core/numbers.h"

#define KIND_MAX   COUNTER_MEMORY_MAX
#define NAME_BYTES 32
#define ANY        "any"

/* Chosen: a second without change, in looks of 10 ms. */
#define QUIET_LOOKS 100u
/* What is still there after a minute stays. */
#define LOOKS_MAX   6000u

static struct {
    bool is_wanted, has_begun, has_rest;
    char kind[NAME_BYTES];
    uint64_t first, count;
    uint64_t number;                            /* of the last one that might have been meant */
    uint64_t asked[KIND_MAX], failed[KIND_MAX]; /* since it began */
    uint64_t rest[KIND_MAX];
    uint64_t seen[KIND_MAX]; /* objects, at the last look */
    unsigned quiet_looks, looks;
} faults;

static unsigned index_of(const struct memory_kind *kind)
{
    unsigned index = 0;

    LINKER_SET_EACH(memory_kinds, struct memory_kind, item)
    {
        if (*item == kind) {
            break;
        }
        index++;
    }
    ASSERT(index < KIND_MAX);
    return index;
}

static bool shall_fail(const struct memory_kind *kind)
{
    unsigned index = index_of(kind);
    bool is_meant = strcmp(faults.kind, ANY) == 0 || strcmp(faults.kind, kind->name) == 0;
    bool fails = false;

    faults.asked[index]++;
    if (is_meant) {
        faults.number++;
        fails = faults.number >= faults.first && faults.number - faults.first < faults.count;
    }
    faults.failed[index] += fails;
    return fails;
}

bool faults_parse(const char *words, size_t length)
{
    const char *colon = memchr(words, ':', length);
    size_t name_bytes = colon != NULL ? (size_t)(colon - words) : length;
    const char *at = colon;
    const char *end = words + length;

    if (!HAS_SLOW_CHECKS || name_bytes >= NAME_BYTES) {
        return false;
    }
    memcpy(faults.kind, words, name_bytes);
    faults.is_wanted = true;
    if (colon == NULL) {
        return true;
    }
    at++;
    return number_take(&at, end, 10, UINT32_MAX, &faults.first) == 0 && at < end && *at++ == ':' &&
           number_take(&at, end, 10, UINT32_MAX, &faults.count) == 0 && at == end;
}

bool faults_parse_rest(const char *words, size_t length)
{
    const char *at = words, *end = words + length;

    faults.has_rest = true;
    for (unsigned i = 0; i < KIND_MAX; i++) {
        if (number_take(&at, end, 10, UINT32_MAX, &faults.rest[i]) != 0) {
            return false;
        }
        if (at == end) {
            return true;
        }
        if (*at++ != '.') {
            return false;
        }
    }
    return false;
}

bool faults_are_wanted(void)
{
    return faults.is_wanted;
}

bool faults_begin(void)
{
    if (!faults.is_wanted || faults.has_begun) {
        return false;
    }
    faults.has_begun = true;
    memory_fault = shall_fail;
    return true;
}

bool faults_are_over(void)
{
    unsigned index = 0;
    bool is_more = false, has_changed = false;

    LINKER_SET_EACH(memory_kinds, struct memory_kind, item)
    {
        uint64_t objects = (*item)->counts->objects;

        is_more |= objects > faults.rest[index];
        has_changed |= objects != faults.seen[index];
        faults.seen[index++] = objects;
    }
    faults.quiet_looks = has_changed ? 0 : faults.quiet_looks + 1;
    return ++faults.looks == LOOKS_MAX ||
           (faults.has_rest ? !is_more : faults.quiet_looks == QUIET_LOOKS);
}

void faults_report(void)
{
    unsigned index = 0;

    memory_fault = NULL;
    LINKER_SET_EACH(memory_kinds, struct memory_kind, item)
    {
        log_info("card", "memory %s: %llu wanted, %llu failed, %llu left", (*item)->name,
                 (unsigned long long)faults.asked[index], (unsigned long long)faults.failed[index],
                 (unsigned long long)(*item)->counts->objects);
        index++;
    }
}
