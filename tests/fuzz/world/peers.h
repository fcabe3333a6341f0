/* SPDX-License-Identifier: MIT */
/*
 * The other nodes of a whole node (node.h), for fuzz targets: each is faulty. It answers as its
 * roles would, with what it was told, or sends any message at all; it writes whatever it likes into
 * the pages that are its own, about channels, too; it takes its messages or does not; and it dies.
 */
#pragma once

#include "tests/fuzz/fuzzer.h"

/* One action, after the node's start. */
void peers_act(struct fuzz_input *input);
/* All of them die: what they had is forgotten. */
void peers_die(void);
