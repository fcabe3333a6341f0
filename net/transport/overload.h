/* SPDX-License-Identifier: MIT */
/*
 * SYNs that are not taken, or remembered, because there are too many: each is counted, and the log
 * has one line when that begins and one when it is over, however many there are and however often
 * they come.
 */
#pragma once

#include "kernel/base.h"

enum overload {
    OVERLOAD_COOKIES, /* so many handshakes are going on that SYN cookies stand for the others */
    OVERLOAD_SYNS,    /* more come in a round than are looked at */
    OVERLOAD_TABLE,   /* as many connections live as the node takes */
    OVERLOAD_ADDRESS, /* one address has twice as many as there may be yet (share.h) */
    OVERLOAD_COUNT,
};

/* It is over when none was dropped for so long. Chosen: a flood with shorter gaps is one. */
#define OVERLOAD_QUIET_NS (10 * NS_PER_S)

void overload_initialise(void);
/* A SYN is dropped, or has got a cookie. `limit` is how many there may be of what there are too
 * many of. */
void overload_note(enum overload overload, uint32_t limit);
