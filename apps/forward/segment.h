/* SPDX-License-Identifier: MIT */
/*
 * Services in mode segment: transport servers forward them by rules (net/forward/rules.h), which
 * this program tells them, at its start and whenever a backend has come or gone.
 */
#pragma once

#include <stdbool.h>

#include "apps/forward/balance.h"

/* The rules of all services in that mode, from now on; those of these pools. Returns false if they
 * are refused. */
bool segment_tell(const struct backend_pool *pools, unsigned count);
