/* SPDX-License-Identifier: MIT */
/*
 * The form of a message between nodes: a header of 8 bytes, then what its type says. Messages
 * hold no pointers: objects are named by index and generation. Reserved bytes are zero.
 *
 * Types 1..15 belong to the kernel, 16..MESSAGE_TYPE_MAX-1 to net/messages.h.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/limits.h"

struct message_header {
    uint16_t type;         /* 1 .. MESSAGE_TYPE_MAX - 1 */
    uint16_t length_bytes; /* whole message with this header, 8 .. MESSAGE_MAX_BYTES */
    uint32_t sequence;     /* the channel's own: written last, tells that the line is new */
};

struct message {
    struct message_header header;
    uint8_t payload[];
};

_Static_assert(sizeof(struct message_header) == 8, "the rest of the first line is payload");

enum kernel_message_type {
    MESSAGE_PADDING = 1,    /* the channel's own: skips the lines left before the ring's end */
    MESSAGE_CRASH_NODE = 2, /* test: the receiver takes a page fault (monitor command `crash N`) */
    MESSAGE_STOP_NODE = 3,  /* the receiver halts for good (power-off) */
    MESSAGE_SET_LOG = 4,    /* struct set_log: the receiver logs at another level */
    MESSAGE_TYPE_FIRST_NET = 16,
};

/* No answer is owed. A value that makes no sense is reported in the receiver's log. */
struct set_log {
    struct message_header header;
    char value[CHANNEL_LINE_BYTES - sizeof(struct message_header)]; /* as of `log=`, zero-padded */
};

_Static_assert(sizeof(struct set_log) == CHANNEL_LINE_BYTES, "one line");
