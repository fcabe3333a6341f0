/* SPDX-License-Identifier: MIT */
/*
 * A log that keeps what is written, as text, in place of kernel/log.c.
 */
#pragma once

#include "kernel/base.h"

/* All lines since kept_log_clear(), without times and names, a newline behind each. */
const char *kept_log(void);
void kept_log_clear(void);
bool is_logged(const char *text);
