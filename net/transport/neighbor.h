/* SPDX-License-Identifier: MIT */
/*
 * Neighbours: which Ethernet address an IPv4 address on our link has, and the packets that wait
 * to know. Every transport server has this cache; the speaker, which asks by ARP, fills all.
 * IPv4 addresses are in network byte order.
 */
#pragma once

#include "kernel/base.h"

#define NEIGHBOR_MAX         1024u
/* Packets that may wait for one neighbour; a further one pushes the oldest out. */
#define NEIGHBOR_WAITING_MAX 3u
/* The question is repeated at most so often. */
#define NEIGHBOR_RETRY_NS    NS_PER_S
/* Packets wait no longer after the last question. Chosen: two answers on a slow wire. */
#define NEIGHBOR_PATIENCE_NS (3 * NS_PER_S)

/* Why a packet that has waited is dropped. */
enum neighbor_loss {
    NEIGHBOR_GONE,        /* the neighbour does not answer, or no longer */
    NEIGHBOR_CROWDED_OUT, /* a later packet, or another neighbour, has taken its place */
};

/* What the cache's owner does for it. A packet is handed over by neighbor_wait(). */
struct neighbor_functions {
    void (*send)(void *packet, const uint8_t mac[6]);
    void (*drop)(void *packet, enum neighbor_loss loss);
    void (*resolve)(uint32_t address); /* find it out; the answer comes by neighbor_set() */
};

void neighbor_initialise(const struct neighbor_functions *functions);

/* Its Ethernet address, valid until the next call of another function here; NULL: unknown. */
const uint8_t *neighbor_find(uint32_t address);
/*
 * The same for who asks often and remembers the place of the entry, any number in the beginning:
 * no search while it is there still. Moves `place` when it is elsewhere.
 */
const uint8_t *neighbor_find_at(uint32_t address, uint16_t *place);
/* Have it found out, unless it is known or asked for: nothing waits. */
void neighbor_ask(uint32_t address);
/* Keep the packet until the neighbour is known or its patience is over, and have it resolved. */
void neighbor_wait(uint32_t address, void *packet);
/* Returns whether this is news. Sends what has waited. */
bool neighbor_set(uint32_t address, const uint8_t mac[6]);
/* Not there any more. Drops what has waited. */
void neighbor_forget(uint32_t address);
/* Call `visit` with each known neighbour and when it was last confirmed by neighbor_set(). */
void neighbor_visit(void (*visit)(uint32_t address, const uint8_t mac[6], uint64_t confirmed_ns,
                                  void *context),
                    void *context);
