/* SPDX-License-Identifier: MIT */
/*
 * A segment's bytes: see segment.h.
 */
#include "net/transport/tcp/segment.h"

#include "kernel/platform.h"
#include "net/transport/frames.h"

#include "lwip/pbuf.h"

/* `length_bytes` of the frame from `offset` on. A pbuf around it, or a copy if too many frames wait
 * already: then the frame is given back by whom it came from, as one that nobody keeps. */
/* Inline: once for each connection, and for each frame that waits. */
__attribute__((always_inline)) static inline struct pbuf *
keep(struct segment *segment, unsigned offset, unsigned length_bytes)
{
    struct pbuf *packet;

    ASSERT_SLOW(!segment->is_kept);
    ASSERT_SLOW(offset + length_bytes <= segment->packet->length_bytes);
    if (segment->frame == NULL) {
        packet = segment->buffer;
        ASSERT_SLOW(packet->next == NULL && packet->payload == segment->packet->bytes);
    } else {
        packet = frames_wrap(segment->frame);
        if (UNLIKELY(packet == NULL)) {
            return frames_copy(segment->packet->bytes + offset, length_bytes);
        }
    }
    segment->is_kept = true;
    packet->payload = (uint8_t *)packet->payload + offset;
    packet->len = packet->tot_len = (u16_t)length_bytes;
    return packet;
}

struct pbuf *segment_keep(struct segment *segment)
{
    return keep(segment, segment->packet->payload_offset, segment->packet->payload_bytes);
}

struct pbuf *segment_keep_frame(struct segment *segment)
{
    return keep(segment, 0, segment->packet->length_bytes);
}
