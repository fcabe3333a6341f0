/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/memory_nic.c */
/*
 * The card of fuzz targets: see card.h. Frames have their exact size, so that the sanitizers see
 * each byte that is read past their ends, or after they have been given back.
 */
#include "tests/fuzz/world/card.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/hosted/rings.h"
#include "drivers/nic/checksum.h"
#include "drivers/nic/nic.h"
#include "net/steering.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/unit/world/memory_nic.h"

#define RING          64u
#define FRAME_CUT_MAX 65535u

struct buffer {
    struct frame frame;
    uint8_t data[];
};

static uint8_t whole[FRAME_CUT_MAX + 64];
static bool is_held;

void (*card_on_sent)(uint8_t *bytes, size_t length, bool is_cut);

/* The card reads what it may still read only now: whoever has changed it meanwhile is seen. */
static void take_turn(void)
{
    const struct frame_to_send *frame;

    while (!is_held && (frame = memory_nic_take()) != NULL) {
        bool is_cut = (frame->offload & FRAME_SEGMENT_TCP) != 0;

        if (!is_cut) {
            frame_insert_checksums(frame, frame->offload);
        }
        rings_copy_frame(whole, frame);
        card_on_sent(whole, frame->length_bytes, is_cut);
    }
}

static void release(struct frame *frame)
{
    memory_nic_note_release();
    free(CONTAINER_OF(frame, struct buffer, frame));
}

void card_start(uint8_t choice)
{
    memory_nic_reset();
    memory_nic_setting.can_segment_tcp = (choice & 1) != 0;
    memory_nic_setting.queue_count = 1 + (choice >> 1 & 3);
    memory_nic_setting.can_steer = (choice >> 3 & 1) != 0;
    memory_nic_setting.group_count = memory_nic_setting.can_steer ? STEERING_GROUP_COUNT : 0;
    memory_nic_setting.adopt_error = (choice >> 4 & 1) != 0 ? -ENODEV : 0;
    memory_nic_setting.ring_frames = RING;
    memory_nic_setting.take_turn = take_turn;
}

void card_receive(const uint8_t *bytes, size_t length, uint16_t flags)
{
    struct buffer *buffer;

    FUZZ_CHECK(length <= FRAME_BUFFER_BYTES);
    if (!memory_nic_is_enabled()) {
        return;
    }
    buffer = malloc(sizeof(*buffer) + length);
    FUZZ_CHECK(buffer != NULL);
    buffer->frame = (struct frame){
        .data = buffer->data,
        .length_bytes = (uint16_t)length,
        .flags = flags,
        .release = release,
    };
    memcpy(buffer->data, bytes, length);
    if (!memory_nic_receive_frame(&buffer->frame)) {
        free(buffer);
    }
}

void card_hold(bool is_wanted)
{
    is_held = is_wanted;
}

void card_block(bool is_blocked)
{
    memory_nic_setting.is_blocked = is_blocked;
}
