/* SPDX-License-Identifier: MIT */
/*
 * A frame's headers, read once: see packet.h.
 */
#include "net/packet.h"

#include <string.h>

#include "kernel/platform.h"

void packet_parse(struct packet *packet, const uint8_t *bytes, uint16_t length_bytes,
                  uint16_t flags)
{
    packet_parse_here(packet, bytes, length_bytes, flags);
}

bool packet_supersedes(const struct packet *later, const struct packet *earlier)
{
    ASSERT_SLOW(packet_is_bare_ack(later) && packet_is_bare_ack(earlier));
    return memcmp(&later->flow, &earlier->flow, sizeof(later->flow)) == 0 &&
           later->sequence == earlier->sequence &&
           later->acknowledgment - earlier->acknowledgment - 1 < INT32_MAX;
}
