/* SPDX-License-Identifier: MIT */
/*
 * Received bytes that have to wait: see held.h. A copy is a pbuf with its bytes behind it, which
 * is counted until lwIP, or the connection it waits in, lets go of it.
 */
#include "net/transport/held.h"

#include <string.h>

#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "libc/core/pages.h"
#include "net/transport/share.h"

#include "lwip/pbuf.h"

/* With it a copy fills a block of two KiB (libc/core/memory.c), and fits a message. */
#define SHARED_BYTES (2 * KIB - sizeof(struct held))

struct held {
    struct pbuf_custom packet; /* first: a pbuf is cast to it */
    uint32_t capacity_bytes;
    uint32_t remote_address; /* whose connection it waits for */
    _Alignas(16) uint8_t bytes[];
};

static struct share share; /* bytes */

MEMORY_KIND(held_kind, "tcp_held");

void held_initialise(void)
{
    share_initialise(&share, pages_total_bytes() / HELD_PART_OF_MEMORY);
}

bool held_is_full(void)
{
    return share_is_exhausted(&share);
}

bool held_is_full_for(uint32_t remote_address)
{
    return share_is_exhausted(&share) || !share_allows(&share, remote_address, 0);
}

uint64_t held_bytes(void)
{
    return share.taken;
}

static void release_held(struct pbuf *packet)
{
    struct held *held = (struct held *)packet;

    share_give_back(&share, held->remote_address, sizeof(*held) + held->capacity_bytes);
    memory_release(&held_kind, held);
}

/* An empty one. */
static struct held *allocate(uint32_t remote_address, uint32_t capacity_bytes)
{
    struct held *held = memory_allocate(&held_kind, sizeof(*held) + capacity_bytes);

    if (held == NULL) {
        return NULL;
    }
    held->capacity_bytes = capacity_bytes;
    held->remote_address = remote_address;
    held->packet.custom_free_function = release_held;
    (void)pbuf_alloced_custom(PBUF_RAW, 0, PBUF_REF, &held->packet, held->bytes,
                              (u16_t)capacity_bytes);
    share_take(&share, remote_address, sizeof(*held) + capacity_bytes);
    return held;
}

static struct held *held_of(struct pbuf *packet)
{
    bool is_ours = packet != NULL && (packet->flags & PBUF_FLAG_IS_CUSTOM) != 0 &&
                   ((struct pbuf_custom *)packet)->custom_free_function == release_held;

    return is_ours ? (struct held *)packet : NULL;
}

/* Returns whether there was room. What TCP has taken off its front is no room. */
static bool append(struct held *held, const void *bytes, uint32_t length)
{
    struct pbuf *packet = &held->packet.pbuf;
    uint8_t *end = (uint8_t *)packet->payload + packet->len;

    ASSERT_SLOW(end >= held->bytes && end <= held->bytes + held->capacity_bytes);
    if (length > (size_t)(held->bytes + held->capacity_bytes - end)) {
        return false;
    }
    memcpy(end, bytes, length);
    packet->len = (u16_t)(packet->len + length);
    packet->tot_len = packet->len;
    return true;
}

struct pbuf *held_allocate(uint32_t remote_address, uint32_t length_bytes)
{
    struct held *held = allocate(remote_address, length_bytes);

    ASSERT(length_bytes <= UINT16_MAX);
    if (held == NULL) {
        return NULL;
    }
    held->packet.pbuf.len = held->packet.pbuf.tot_len = (u16_t)length_bytes;
    return &held->packet.pbuf;
}

/* One packet in a copy with room for more behind it; takes the packet unless it returns NULL. */
static struct held *pack_alone(uint32_t remote_address, struct pbuf *packet)
{
    uint32_t capacity_bytes = packet->len > SHARED_BYTES ? packet->len : SHARED_BYTES;
    struct held *held = allocate(remote_address, capacity_bytes);

    if (held != NULL) {
        bool is_done = append(held, packet->payload, packet->len);

        ASSERT(is_done); /* it was made for it */
        pbuf_free(packet);
    }
    return held;
}

struct pbuf *held_pack(uint32_t remote_address, struct pbuf *tail, struct pbuf *packets)
{
    struct held *open = held_of(tail);
    struct pbuf *first = NULL, **link = &first;

    while (packets != NULL) {
        struct pbuf *packet = packets;

        packets = packet->next;
        packet->next = NULL;
        packet->tot_len = packet->len;
        if (open != NULL && append(open, packet->payload, packet->len)) {
            pbuf_free(packet);
            continue;
        }
        open = pack_alone(remote_address, packet);
        *link = open == NULL ? packet : &open->packet.pbuf;
        link = &(*link)->next;
    }
    return first;
}
