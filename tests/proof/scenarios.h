/* SPDX-License-Identifier: MIT */
/*
 * Which machines are explored, and what may happen to them. The first are those of `make test`.
 */
#pragma once

#include "tests/proof/machine.h"

extern const struct scenario scenarios[];
extern const unsigned scenario_count;
const struct scenario *scenario_find(const char *name);
