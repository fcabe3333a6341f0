/* SPDX-License-Identifier: MIT */
/*
 * A server that is slow on purpose, for tests and measurements of load balance (PIKA 5.3): it
 * sleeps with each connection that it accepts.
 */
#pragma once

#include <stdbool.h>

/* At most so many, of this node. */
#define DELAY_MAX 8u

/* NODE:US or NODE:US:FROM_MS:TO_MS, times since the machine was booted; of other nodes it is only
 * read. False if it cannot be understood, or is one too many. */
bool delay_add(const char *text);
/* A connection has been accepted: sleep as long as those add up to that are on now. */
void delay_connection(void);
