/* SPDX-License-Identifier: MIT */
/*
 * A message between nodes: a header of 8 bytes, then what its type says. Objects are named by index
 * and generation; reserved bytes are zero. Types from 2 on are those of the layers above.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/limits.h"

struct message_header {
    uint16_t type;         /* 1 .. MESSAGE_TYPE_MAX - 1 */
    uint16_t length_bytes; /* whole message with this header, 8 .. MESSAGE_MAX_BYTES */
    uint32_t sequence;     /* the channel's own: written last, tells that the line is new */
};

/* The rest, what its type says, follows. */
struct message {
    struct message_header header;
};

/* What follows the fixed part of a message, if its type has it, where it was sent: in a page that
 * another node can still change. It is read once, and holds no length, offset or index. */
struct message_payload {
    const uint8_t *bytes;
    size_t length_bytes;
};

_Static_assert(sizeof(struct message_header) == 8, "the rest of the first line is payload");

enum {
    MESSAGE_PADDING = 1, /* the channel's own: skips the lines left before the ring's end */
    MESSAGE_TYPE_FIRST_FREE = 2,
};
