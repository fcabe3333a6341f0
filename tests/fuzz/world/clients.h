/* SPDX-License-Identifier: MIT */
/*
 * The network of a whole node (node.h), for fuzz targets: some clients that follow the protocol as
 * far as the input lets them, and anybody who sends any frame at all. What the node sends is
 * checked: its headers and checksums, and that each byte of a stream is the application's.
 */
#pragma once

#include "tests/fuzz/fuzzer.h"

/* Before the node starts. `is_checked`: nobody but the application has a say in what is sent. */
void clients_start(bool is_checked);
/* One action. */
void clients_act(struct fuzz_input *input);
/* A frame of one of them for somebody else to send: a SYN, or what the input says. `frame` has room
 * for FRAME_MAX_BYTES; returns the length. */
size_t clients_build_frame(uint8_t *frame, struct fuzz_input *input, bool is_syn);
/* Every connection that a client knows of is reset by it. */
void clients_leave(void);
/* A client that was never there before connects and sends a byte. */
void clients_ask(void);
/* How many bytes of the answer it has got, all in order. */
size_t clients_answer_bytes(void);
