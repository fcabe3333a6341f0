/* SPDX-License-Identifier: MIT */
/*
 * The application of a whole node (node.h), for fuzz targets: it listens, accepts, reads, writes
 * and closes as the input says, by the socket calls of libc/posix/.
 */
#pragma once

#include "tests/fuzz/fuzzer.h"

/* After the node's start. */
void application_start(void);
/* Answer the one connection that has come: so many bytes. The node and its network are sound. */
void application_answer(size_t bytes);
/* One action. */
void application_act(struct fuzz_input *input);
