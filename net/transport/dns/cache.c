/* SPDX-License-Identifier: MIT */
/*
 * The cache of names: one list, the one that was asked for last first.
 */
#include "net/transport/dns/cache.h"

#include <string.h>

#include "kernel/platform.h"
#include "libc/core/memory.h"

struct cached {
    struct cached *next;
    uint64_t end_ns; /* of its life */
    uint16_t kind;
    struct dns_answer answer;
    char name[DOMAIN_NAME_BYTES];
};

MEMORY_KIND(cached_kind, "dns_cached");

static struct cached *first;
static unsigned count;

static void take_out(struct cached **link)
{
    *link = (*link)->next;
    ASSERT(count > 0);
    count--;
}

static void put_first(struct cached *cached)
{
    cached->next = first;
    first = cached;
    count++;
}

/* Of this question, or, if that is NULL, the last one; NULL: there is none. */
static struct cached **find_link(const struct dns_question *question)
{
    struct cached **link = &first;

    while (*link != NULL && (question != NULL ? (*link)->kind != question->kind ||
                                                    strcmp((*link)->name, question->name) != 0
                                              : (*link)->next != NULL)) {
        link = &(*link)->next;
    }
    return *link != NULL ? link : NULL;
}

/* Room for one: what has the same name, the last one of too many, or new. NULL: no memory. */
static struct cached *make_room(const struct dns_question *question)
{
    struct cached **link = find_link(question);
    struct cached *room;

    if (link == NULL && count == DNS_CACHE_MAX) {
        link = find_link(NULL);
    }
    if (link == NULL) {
        return memory_allocate(&cached_kind, sizeof(*room));
    }
    room = *link;
    take_out(link);
    return room;
}

void dns_cache_put(const struct dns_question *question, const struct dns_answer *answer,
                   uint64_t now_ns)
{
    struct cached *cached = answer->lifetime_s != 0 ? make_room(question) : NULL;

    if (cached == NULL) {
        return;
    }
    cached->end_ns = now_ns + answer->lifetime_s * NS_PER_S;
    cached->kind = question->kind;
    cached->answer = *answer;
    strcpy(cached->name, question->name);
    put_first(cached);
    ASSERT(count <= DNS_CACHE_MAX);
}

const struct dns_answer *dns_cache_find(const struct dns_question *question, uint64_t now_ns)
{
    struct cached **link = find_link(question);
    struct cached *cached;

    if (link == NULL) {
        return NULL;
    }
    cached = *link;
    take_out(link);
    if (now_ns >= cached->end_ns) {
        memory_release(&cached_kind, cached);
        return NULL;
    }
    put_first(cached);
    return &cached->answer;
}

void dns_cache_empty(void)
{
    while (first != NULL) {
        struct cached *cached = first;

        take_out(&first);
        memory_release(&cached_kind, cached);
    }
}
