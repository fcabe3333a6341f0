/* SPDX-License-Identifier: MIT */
/*
 * The command line's word on connections that a listener claims in advance: `grants=16`, at most so
 * many at a time; 0 is the handshake of PIKA 3.2, in which each is claimed when it is available.
 */
#pragma once

#include "kernel/base.h"

/* What `line` asks for, 0 .. GRANT_MAX; a word that is wrong is logged, and GRANT_MAX used. */
uint32_t grant_option_most(const char *line);
