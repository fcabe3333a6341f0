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

/*
 * How each frame to a neighbour begins that carries IPv4 without options (RFC 894, RFC 791 3.1):
 * both Ethernet addresses, the type, and the first two bytes of the packet.
 */
#define NEIGHBOR_HEADER_BYTES 16u

static inline void neighbor_make_header(uint8_t header[NEIGHBOR_HEADER_BYTES], const uint8_t mac[6],
                                        const uint8_t own_mac[6])
{
    static const uint8_t rest[] = {0x08, 0x00, 0x45, 0x00};

    __builtin_memcpy(header, mac, 6);
    __builtin_memcpy(header + 6, own_mac, 6);
    __builtin_memcpy(header + 12, rest, sizeof(rest));
}

/* Our own Ethernet address, which all frames have from now on. */
void neighbor_set_own(const uint8_t mac[6]);
/* How a frame to it begins, which is its Ethernet address first; valid until the next call of
 * another function here. NULL: unknown. */
const uint8_t *neighbor_find(uint32_t address);
/*
 * The same for who asks often and remembers the place of the entry, any number in the beginning:
 * no search while it is there still. Moves `place` when it is elsewhere. Not for the address 0,
 * which no host has (RFC 1122 3.2.1.3).
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
