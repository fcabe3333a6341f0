/* SPDX-License-Identifier: MIT */
/*
 * A whole node for fuzz targets: link server, transport server, connection manager and an
 * application's sockets, over the card of card.h and the machine of the unit tests. Clock, memory
 * and card are the input's to play with; what it leaves behind must come to an end.
 */
#pragma once

#include "tests/fuzz/fuzzer.h"

#define NODE_ADDRESS   0xC0A8010Fu /* 192.168.1.15 */
#define CLIENT_ADDRESS 0xC0A80102u /* 192.168.1.2: the gateway, too */
#define NODE_PORT      80u

/* Byte i of each stream that the application sends, and of the archive. */
#define ARCHIVE_BYTES (256u * 1024)
static inline uint8_t stream_byte(size_t index)
{
    return (uint8_t)(index ^ index >> 8 ^ index >> 13);
}

/* Start node `node` of so many, with these words on its command line besides its address, and the
 * roles that they give to it. The first byte of the input says what the card can do. */
void node_start(struct fuzz_input *input, const char *words, uint8_t node, unsigned node_count);

/* Rounds until one has nothing to do, a sleep that ends at once, and the rounds behind it. */
void node_run(void);
void node_advance_ns(uint64_t ns);

/* One action with the clock, the card or memory. */
void node_act(struct fuzz_input *input);

/* Connections end, and time passes: nothing is left. */
void node_finish(void);
