/* SPDX-License-Identifier: MIT */
/*
 * The rules that hold, and the set that is being told: see rules.h. Every word of it is another
 * node's.
 */
#include "net/transport/forward/rules.h"

#include <string.h>

#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "net/configuration.h"
#include "net/handlers.h"
#include "net/transport/forward/maglev.h"

struct rule_set {
    unsigned count;
    struct forward_service services[FORWARD_RULE_MAX];
};

MEMORY_KIND(rules_kind, "forward_rules");

static struct rule_set *sets;             /* both; NULL before the first message */
static struct rule_set *current, *coming; /* likewise */
static node_id_t teller;                  /* of the coming one; NODE_NONE: none comes */
static uint32_t last_id;
static bool is_closed;

static struct forward_service *find(struct rule_set *set, uint16_t port)
{
    for (unsigned i = 0; i < set->count; i++) {
        if (set->services[i].port == port) {
            return &set->services[i];
        }
    }
    return NULL;
}

struct forward_service *forward_rules_find(uint16_t port)
{
    return current != NULL && !is_closed ? find(current, port) : NULL;
}

/* --- Who is next --- */

/* Smooth: who has waited for longest, by its weight, pays all the others' (as nginx does it). */
static struct forward_target *choose_in_turn(struct forward_service *service)
{
    struct forward_target *best = NULL;
    int32_t total = 0;

    for (unsigned i = 0; i < service->target_count; i++) {
        struct forward_target *target = &service->targets[i];

        if (target->backend.weight == 0) {
            continue;
        }
        total += target->backend.weight;
        target->turn += target->backend.weight;
        if (best == NULL || target->turn > best->turn) {
            best = target;
        }
    }
    if (best != NULL) {
        best->turn -= total;
    }
    return best;
}

/* Whether it has fewer, for its weight, with one more. */
static bool has_fewer(const struct forward_target *target, const struct forward_target *than)
{
    return ((uint64_t)target->flow_count + 1) * than->backend.weight <
           ((uint64_t)than->flow_count + 1) * target->backend.weight;
}

/* Of equal ones the next in turn. */
static struct forward_target *choose_least(struct forward_service *service)
{
    struct forward_target *best = NULL;

    for (unsigned i = 0; i < service->target_count; i++) {
        struct forward_target *target =
            &service->targets[(service->next + i) % service->target_count];

        if (target->backend.weight != 0 && (best == NULL || has_fewer(target, best))) {
            best = target;
        }
    }
    if (best != NULL) {
        service->next = (uint8_t)((best - service->targets + 1) % service->target_count);
    }
    return best;
}

static struct forward_target *choose_by_address(struct forward_service *service,
                                                uint32_t client_address)
{
    unsigned index = service->slots[maglev_slot(client_address)];

    return index < service->target_count ? &service->targets[index] : NULL;
}

struct forward_target *forward_rules_choose(struct forward_service *service,
                                            uint32_t client_address)
{
    switch (service->algorithm) {
    case FORWARD_ROUND_ROBIN:
        return choose_in_turn(service);
    case FORWARD_LEAST_CONNECTIONS:
        return choose_least(service);
    default:
        return choose_by_address(service, client_address);
    }
}

static struct forward_target *find_target(uint32_t id)
{
    for (unsigned i = 0; current != NULL && i < current->count; i++) {
        struct forward_service *service = &current->services[i];

        for (unsigned j = 0; j < service->target_count; j++) {
            if (service->targets[j].id == id) {
                return &service->targets[j];
            }
        }
    }
    return NULL;
}

void forward_rules_note_over(uint32_t target_id)
{
    struct forward_target *target = find_target(target_id);

    if (target != NULL) {
        ASSERT(target->flow_count > 0);
        target->flow_count--;
    }
}

/* --- A set that comes --- */

/* What goes on in it keeps its flows and its turn. */
static void inherit(struct forward_service *service)
{
    const struct forward_service *before = find(current, service->port);

    for (unsigned i = 0; i < service->target_count; i++) {
        struct forward_target *target = &service->targets[i];

        for (unsigned j = 0; before != NULL && j < before->target_count; j++) {
            const struct forward_target *old = &before->targets[j];

            if (old->backend.address == target->backend.address &&
                old->backend.port == target->backend.port) {
                target->id = old->id;
                target->flow_count = old->flow_count;
                target->turn = target->backend.weight == old->backend.weight ? old->turn : 0;
            }
        }
        if (target->id == 0) {
            target->id = ++last_id;
        }
    }
}

static void log_change(const struct rule_set *set, node_id_t from)
{
    bool is_change = set->count != current->count;

    for (unsigned i = 0; i < set->count; i++) {
        is_change |= find(current, set->services[i].port) == NULL;
    }
    if (is_change) {
        log_info("ts", "%u ports are forwarded, as node %u says", set->count, from);
    }
}

static void commit(node_id_t from)
{
    struct rule_set *before = current;

    log_change(coming, from);
    for (unsigned i = 0; i < coming->count; i++) {
        inherit(&coming->services[i]);
        if (coming->services[i].algorithm == FORWARD_CONSISTENT_HASH) {
            maglev_build(&coming->services[i]);
        }
    }
    current = coming;
    coming = before;
    teller = NODE_NONE;
}

/* Whether there is one of that address and port already. */
static bool has_target(const struct forward_service *service, const struct forward_backend *backend)
{
    for (unsigned i = 0; i < service->target_count; i++) {
        const struct forward_backend *other = &service->targets[i].backend;

        if (other->address == backend->address && other->port == backend->port) {
            return true;
        }
    }
    return false;
}

static bool add_backends(struct forward_service *service, const struct forward_rule *rule)
{
    for (unsigned i = 0; i < rule->backend_count; i++) {
        const struct forward_backend *backend = &rule->backends[i];

        if (service->target_count == FORWARD_BACKEND_MAX || !forward_backend_is_valid(backend) ||
            has_target(service, backend)) {
            return false;
        }
        service->targets[service->target_count++] = (struct forward_target){.backend = *backend};
    }
    return true;
}

/* The one that the message goes on with, or a new one. NULL: it is none that may follow. */
static struct forward_service *service_of(const struct forward_rule *rule)
{
    struct forward_service *last;

    if (coming->count > 0 && coming->services[coming->count - 1].port == rule->port) {
        last = &coming->services[coming->count - 1];
        return last->algorithm == rule->algorithm ? last : NULL;
    }
    if (coming->count == FORWARD_RULE_MAX || find(coming, rule->port) != NULL) {
        return NULL;
    }
    last = &coming->services[coming->count++];
    last->port = rule->port;
    last->algorithm = rule->algorithm;
    last->target_count = 0;
    last->next = 0;
    return last;
}

static bool take_in(const struct forward_rule *rule)
{
    const unsigned all_flags = FORWARD_RULE_FIRST | FORWARD_RULE_LAST;
    struct forward_service *service;

    if ((rule->flags & ~all_flags) != 0 || rule->backend_count > FORWARD_RULE_BACKENDS) {
        return false;
    }
    if (rule->port == 0) {
        return rule->flags == all_flags && rule->backend_count == 0;
    }
    if (rule->algorithm >= FORWARD_ALGORITHM_COUNT || rule->backend_count == 0) {
        return false;
    }
    service = service_of(rule);
    return service != NULL && add_backends(service, rule);
}

/* Memory is taken with the first set. */
static bool begin(node_id_t from)
{
    if (current == NULL) {
        sets = memory_allocate(&rules_kind, 2 * sizeof(*sets));
        if (sets == NULL) {
            return false;
        }
        sets[0].count = sets[1].count = 0;
        current = &sets[0];
        coming = &sets[1];
    }
    coming->count = 0;
    teller = from;
    return true;
}

/* No memory: the rules before hold, and it is told again with the next change. */
static void handle_forward_rule(node_id_t from, const struct message *message)
{
    const struct forward_rule *rule = (const struct forward_rule *)message;

    if ((rule->flags & FORWARD_RULE_FIRST) == 0 && teller != from) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    if ((rule->flags & FORWARD_RULE_FIRST) != 0 && !begin(from)) {
        return;
    }
    if (!take_in(rule)) {
        teller = NODE_NONE;
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
    } else if ((rule->flags & FORWARD_RULE_LAST) != 0) {
        commit(from);
    }
}

void forward_rules_close(void)
{
    is_closed = true;
}

void forward_rules_lose_node(node_id_t node)
{
    if (teller == node) {
        teller = NODE_NONE;
    }
}

void forward_rules_initialise(void)
{
    if (sets != NULL) {
        memory_release(&rules_kind, sets);
    }
    sets = current = coming = NULL;
    teller = NODE_NONE;
    last_id = 0;
    is_closed = false;
    net_register_message(FORWARD_RULE, handle_forward_rule);
}
