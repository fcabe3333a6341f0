/* SPDX-License-Identifier: MIT */
/* sources: tests/fuzz/world/node.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h -DTIMEWAIT_BLOCK_ENTRIES=64u */
/* library: lwip */
/* objects: node */
/*
 * The input is a DHCP server, and the time that passes: it answers the node's messages with
 * any type and any options, late, twice or not at all.
 */
#include <string.h>

#include "drivers/nic/frame.h"
#include "kernel/platform.h"
#include "tests/fuzz/world/card.h"
#include "tests/fuzz/world/node.h"
#include "tests/fuzz/world/packet.h"
#include "tests/unit/world/fake_platform.h"

#define ACTION_MAX 200u

/* Offsets in a frame (RFC 2131 2). */
#define UDP     (IP + 20)
#define BOOTP   (UDP + 8)
#define XID     (BOOTP + 4)
#define YIADDR  (BOOTP + 16)
#define MAGIC   (BOOTP + 236)
#define OPTIONS (MAGIC + 4)

static uint8_t request[FRAME_MAX_BYTES]; /* the node's last one */
static bool is_asked;

static void take_frame(uint8_t *bytes, size_t length, bool is_cut)
{
    FUZZ_CHECK(!is_cut && length <= FRAME_MAX_BYTES);
    if (length >= OPTIONS && bytes[12] == 8 && bytes[13] == 0 && bytes[IP + 9] == 17 &&
        bytes[UDP + 3] == 67) {
        memcpy(request, bytes, length);
        is_asked = true;
    }
}

/* Options that a sound server gives, and those of the input behind or in front of them. */
static size_t put_options(uint8_t *options, uint8_t type, uint8_t how, struct fuzz_input *input)
{
    static const uint8_t usual[] = {54, 4, 192, 168, 1,   1, 51, 4, 0,   0,   2, 88,
                                    1,  4, 255, 255, 255, 0, 3,  4, 192, 168, 1, 2};
    size_t bytes = 0, count;
    const uint8_t *own;

    if ((how & 1) == 0) {
        options[bytes++] = 53;
        options[bytes++] = 1;
        options[bytes++] = type;
    }
    if ((how & 2) == 0) {
        memcpy(options + bytes, usual, sizeof(usual));
        bytes += sizeof(usual);
    }
    own = fuzz_take_bytes(input, fuzz_take8(input), &count);
    memcpy(options + bytes, own, count);
    bytes += count;
    if ((how & 4) == 0) {
        options[bytes++] = 255;
    }
    return bytes;
}

static void answer(struct fuzz_input *input)
{
    uint8_t frame[FRAME_MAX_BYTES] = {0};
    uint8_t how = fuzz_take8(input);
    uint8_t type = fuzz_take8(input) % 9u;
    size_t bytes;

    if (!is_asked) {
        return;
    }
    memcpy(frame, request + 6, 6);
    frame[6] = 2;
    put16(frame + 12, 0x0800);
    memcpy(frame + BOOTP, request + BOOTP, OPTIONS - BOOTP);
    frame[BOOTP] = 2;
    put32(frame + YIADDR, NODE_ADDRESS + ((how & 8) != 0 ? fuzz_take8(input) : 0));
    if ((how & 0x10) != 0) { /* somewhere in the fixed part, its names of server and file as well */
        frame[BOOTP + fuzz_take8(input)] = fuzz_take8(input);
    }
    bytes = OPTIONS + put_options(frame + OPTIONS, type, how, input);
    if ((how & 0x20) != 0) {
        bytes = BOOTP + fuzz_take16(input) % (FRAME_MAX_BYTES - BOOTP);
    }
    frame[IP] = 0x45;
    put16(frame + IP + 2, (uint32_t)(bytes - IP));
    frame[IP + 8] = 64;
    frame[IP + 9] = 17;
    put32(frame + IP + 12, 0xC0A80101);
    put32(frame + IP + 16, 0xFFFFFFFF);
    put16(frame + UDP, 67);
    put16(frame + UDP + 2, 68);
    put16(frame + UDP + 4, (uint32_t)(bytes - UDP)); /* without a checksum, which may be 0 */
    card_receive(frame, bytes, FRAME_IP_CHECKSUM_GOOD);
    node_run();
}

void fuzz_one(const uint8_t *bytes, size_t count)
{
    struct fuzz_input input = {.at = bytes, .left = count};

    card_on_sent = take_frame;
    node_start(&input, "net=dhcp pika=TS1LS1CM1 app=fuzz:1@ts", 0, 1);
    for (unsigned i = 0; i < ACTION_MAX && input.left > 0; i++) {
        if (fuzz_take8(&input) % 4u == 0) {
            node_act(&input);
        } else {
            answer(&input);
        }
    }
    node_finish();
}
