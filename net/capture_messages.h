/* SPDX-License-Identifier: MIT */
/*
 * The messages of captures, a part of the table in net/messages.h, which includes this file. Each
 * link server records frames in memory of its own; who wants to see them asks, by numbers that
 * count a link server's frames from 0 on. What it is told is a copy that its link server has made:
 * so none changes while it is read.
 *
 * Times are those of platform_now_ns() with platform_standstill_ns(), on which nodes agree.
 */
#pragma once

#include "kernel/message/message.h"

/* clang-format off: a table */
#define CAPTURE_MESSAGE_TABLE(X)                                                                   \
    X(CAPTURE_READ, capture_read, APP, LS)                                                         \
    X(CAPTURED_FRAME, captured_frame, LS, APP)                                                     \
    X(CAPTURE_TOLD, capture_told, LS, APP)
/* clang-format on */

/* What one frame takes of the room that is asked for: its struct below, and its bytes. */
#define CAPTURE_FRAME_ROOM(captured_bytes) (48u + ALIGN_UP((captured_bytes), 8u))
/* The most that may be asked for at a time; the least is room for one. */
#define CAPTURE_ROOM_MAX_BYTES             (16u * 1024)

/* Answers owed: CAPTURED_FRAME for some that are wanted, in their order, and CAPTURE_TOLD behind
 * them. */
struct capture_read {
    struct message_header header;
    uint64_t first_number; /* from which on; those that are no longer there are lost */
    uint64_t until_ns;     /* later ones are not wanted */
    uint32_t request_number;
    uint32_t room_bytes;
    /* As struct capture_filter and struct capture_peer (net/capture/filter.h). */
    uint32_t host, peer_address;
    uint16_t port, peer_port;
    uint16_t snap_bytes;
    uint8_t protocols, directions;
};

/* Its bytes follow the struct. */
struct captured_frame {
    struct message_header header;
    uint64_t time_ns;
    uint64_t number;
    uint32_t request_number;
    uint32_t original_bytes; /* more than follow where it was cut */
    uint32_t direction;      /* CAPTURE_IN or CAPTURE_OUT */
    uint32_t reserved;
};

struct capture_told {
    struct message_header header;
    uint64_t next_number;                /* to ask from */
    uint64_t complete_ns;                /* no frame that was not told is earlier */
    uint64_t seen_count, recorded_count; /* since the start */
    uint64_t lost_count;                 /* of this request */
    uint32_t request_number;
    uint32_t reserved;
};
