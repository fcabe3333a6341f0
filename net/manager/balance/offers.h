/* SPDX-License-Identifier: MIT */
/*
 * What other CMs offer for one port, and which of it counts: the filter (PIKA 3.3). Kept as offers
 * come, so that a connection finds the answer ready.
 *
 * An offer counts if its service time with the tariff beats the reference: that of the fastest of
 * our own acceptors. Without acceptors of our own, or without a filter, each counts. With
 * watermarks one that counts goes on until its time with the tariff is above 4/3 of the reference.
 * One whose service time is not known never beats our own; otherwise it weighs as much as those
 * that count do on average.
 */
#pragma once

#include "kernel/base.h"
#include "libc/core/node_set.h"
#include "net/manager/balance/weights.h"
#include "net/messages.h"

struct balance;

#define OFFERS_UNMEASURED UINT64_MAX /* a reference that all beat */

struct known_offer {
    struct acceptor acceptor;
    uint64_t service_ns; /* 1 .. SERVICE_MAX_NS; 0: unknown */
};

/* offers.c alone writes it, but for the memory. */
struct offers {
    struct known_offer *known; /* by the CM's node; valid for those in `offering` */
    struct node_set offering;
    struct node_set counting;   /* those that passed */
    struct weight_tree weights; /* by the CM's node; 0 of those that do not count */
    unsigned counting_count;
    uint64_t reference_ns; /* what they were last measured by */
};

void offers_initialise(struct offers *offers);
/* O(log nodes) each. */
void offers_set(struct offers *offers, const struct balance *balance, node_id_t cm,
                const struct acceptor *acceptor, uint64_t service_ns);
void offers_remove(struct offers *offers, node_id_t cm);
/* Compare all with this reference, unless it has hardly changed. O(offers log nodes). */
void offers_measure(struct offers *offers, const struct balance *balance, uint64_t reference_ns);
/* The shortest service time that is known, whether it counts or not; UINT64_MAX for none.
 * O(offers). */
uint64_t offers_fastest_ns(const struct offers *offers);

/* What all that count weigh. */
static inline uint64_t offers_weight(const struct offers *offers)
{
    return weight_tree_total(&offers->weights);
}
/* One of those that count, by weight; NODE_NONE when there is none. */
node_id_t offers_draw(const struct offers *offers, uint64_t *random);
