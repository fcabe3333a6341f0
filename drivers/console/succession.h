/* SPDX-License-Identifier: MIT */
/*
 * From one owner of the console to the next. An owner that dies says so first and then writes out
 * what it has given to its devices: until it has, its successor must not touch them.
 */
#pragma once

#include "kernel/base.h"

/*
 * Whether a dead node still writes to the console's devices. Its word is believed for a few
 * seconds: no longer than a node that works writes.
 */
bool succession_is_held(void);
/* For a node that has died itself, while nobody is left to print for it: wait, no longer either,
 * until the lower ones that have died with it have written theirs. */
void succession_wait_for_lower(void);
