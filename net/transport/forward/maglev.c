/* SPDX-License-Identifier: MIT */
#include "net/transport/forward/maglev.h"

#include <string.h>

#include "kernel/platform.h"
#include "net/transport/forward/rules.h"

/* All bits of the result depend on all of the number (Steele, Lea, Flood: SplitMix, 2014). */
static uint64_t mix(uint64_t number)
{
    number += 0x9E3779B97F4A7C15u;
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9u;
    number = (number ^ number >> 27) * 0x94D049BB133111EBu;
    return number ^ number >> 31;
}

unsigned maglev_slot(uint32_t client_address)
{
    return (unsigned)(mix(client_address) % FORWARD_SLOT_COUNT);
}

/* A backend's way over the slots, which visits each: their number is a prime. */
struct order {
    uint16_t at, step;
    uint32_t credit; /* what it has not used of its weight */
};

static struct order order_of(const struct forward_backend *backend)
{
    uint64_t hash = mix((uint64_t)backend->address << 16 | backend->port);

    return (struct order){
        .at = (uint16_t)((uint32_t)hash % FORWARD_SLOT_COUNT),
        .step = (uint16_t)((uint32_t)(hash >> 32) % (FORWARD_SLOT_COUNT - 1) + 1),
    };
}

static void take_slot(struct forward_service *service, struct order *order, unsigned index)
{
    while (service->slots[order->at] != FORWARD_BACKEND_MAX) {
        order->at = (uint16_t)((order->at + order->step) % FORWARD_SLOT_COUNT);
    }
    service->slots[order->at] = (uint8_t)index;
}

static uint32_t greatest_weight(const struct forward_service *service)
{
    uint32_t greatest = 0;

    for (unsigned i = 0; i < service->target_count; i++) {
        uint32_t weight = service->targets[i].backend.weight;

        greatest = weight > greatest ? weight : greatest;
    }
    return greatest;
}

void maglev_build(struct forward_service *service)
{
    struct order orders[FORWARD_BACKEND_MAX];
    uint32_t greatest = greatest_weight(service);
    unsigned left = greatest > 0 ? FORWARD_SLOT_COUNT : 0;

    memset(service->slots, FORWARD_BACKEND_MAX, sizeof(service->slots));
    for (unsigned i = 0; i < service->target_count; i++) {
        orders[i] = order_of(&service->targets[i].backend);
    }
    while (left > 0) {
        for (unsigned i = 0; i < service->target_count && left > 0; i++) {
            orders[i].credit += service->targets[i].backend.weight;
            if (orders[i].credit >= greatest) {
                orders[i].credit -= greatest;
                take_slot(service, &orders[i], i);
                left--;
            }
        }
    }
}
