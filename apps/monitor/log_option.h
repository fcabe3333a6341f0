/* SPDX-License-Identifier: MIT */
/*
 * What is logged: `log=` at boot, and the monitor's command.
 */
#pragma once

#include "kernel/base.h"

/*
 * Levels separated by commas, each for all or for one subsystem: `info`, `warning,ixgbe=debug`; and
 * `time`, which puts the date before each line. Not zero-terminated. What makes no sense is
 * reported and ignored; returns how many.
 */
unsigned log_option_apply(const char *value, size_t length_bytes);
