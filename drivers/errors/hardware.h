/* SPDX-License-Identifier: MIT */
/*
 * What the hardware has kept of its own errors, for the report of a node's end.
 */
#pragma once

#include "kernel/base.h"

/* As struct trap_errors has it. */
bool hardware_error_is_elsewhere(uint64_t vector);
/* Say what is known of a machine check or an NMI; of other exceptions nothing. */
void hardware_error_log(uint64_t vector);
