/* SPDX-License-Identifier: MIT */
/*
 * The command `nodes`: what each node is and does; `nodes -2` has two of them go, which two
 * net/scaling.h says, `nodes -node3` that one; `nodes +2` and `nodes +node3` have them come back.
 */
#pragma once

void scale_command(const char *argument);
