/* SPDX-License-Identifier: MIT */
/*
 * The link server on the other node, for a transport server's world: see fake_wire.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/platform.h"
#include "net/messages.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_wire.h"

#define ETHERNET 14u

static unsigned relayed_count;

unsigned wire_relayed_count(void)
{
    return relayed_count;
}

static void add_piece(struct frame_to_send *frame, const uint8_t *data, size_t bytes)
{
    if (bytes != 0) {
        assert_true(frame->fragment_count < FRAME_FRAGMENT_MAX);
        frame->fragments[frame->fragment_count++] = (struct frame_fragment){data, (uint32_t)bytes};
    }
    frame->length_bytes = (uint16_t)(frame->length_bytes + bytes);
}

static void relay_segment(const struct transmit_segment *message)
{
    struct message_payload copied = fake_payload(message, sizeof(*message));
    struct frame_to_send frame = {
        .offload = FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM |
                   (message->segment_bytes != 0 ? FRAME_SEGMENT_TCP : 0),
        .ip_header_offset = ETHERNET,
        .ip_header_bytes = message->ip_header_bytes,
        .segment_bytes = message->segment_bytes,
        .tcp_header_bytes = message->tcp_header_bytes,
    };
    size_t header_bytes = ETHERNET + message->ip_header_bytes + message->tcp_header_bytes;

    assert_true(copied.length_bytes <= FRAME_MAX_BYTES);
    assert_true(message->runs[0].copied_bytes >= header_bytes);
    for (unsigned i = 0; i < TRANSMIT_RUN_MAX; i++) {
        const struct transmit_run *run = &message->runs[i];

        assert_true(run->copied_bytes <= copied.length_bytes);
        add_piece(&frame, copied.bytes, run->copied_bytes);
        copied.bytes += run->copied_bytes;
        copied.length_bytes -= run->copied_bytes;
        assert_true(run->archive_bytes == 0 ||
                    run->archive_offset + run->archive_bytes <= WIRE_ARCHIVE_BYTES);
        add_piece(&frame, (const uint8_t *)platform_archive_start() + run->archive_offset,
                  run->archive_bytes);
    }
    assert_int_equal(copied.length_bytes, 0);
    assert_true(message->segment_bytes == 0
                    ? frame.length_bytes <= FRAME_MAX_BYTES
                    : frame.length_bytes > header_bytes + message->segment_bytes);
    wire_put_frame(&frame);
}

static void relay_frame(const struct transmit_frame *message)
{
    struct message_payload bytes = fake_payload(message, sizeof(*message));
    struct frame_to_send frame = {
        .offload = message->offload,
        .ip_header_offset = message->ip_header_offset,
        .ip_header_bytes = message->ip_header_bytes,
    };

    assert_true(bytes.length_bytes <= FRAME_MAX_BYTES);
    assert_int_equal(frame.offload & FRAME_SEGMENT_TCP, 0);
    add_piece(&frame, bytes.bytes, bytes.length_bytes);
    wire_put_frame(&frame);
}

bool wire_relay(void)
{
    const struct message *message;
    bool was_any = false;

    while (wire_nic.is_relayed && (message = fake_take_message(NODE_OTHER_CM)) != NULL) {
        was_any = true;
        switch (message->header.type) {
        case TRANSMIT_SEGMENT:
            relay_segment((const struct transmit_segment *)message);
            relayed_count++;
            break;
        case TRANSMIT_FRAME:
            relay_frame((const struct transmit_frame *)message);
            relayed_count++;
            break;
        default: /* the connection manager's there */
            break;
        }
    }
    return was_any;
}
