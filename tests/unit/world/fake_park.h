/* SPDX-License-Identifier: MIT */
/*
 * Whether nodes of the tested machine can leave and come back. None does of itself.
 */
#pragma once

#include "kernel/base.h"

extern bool fake_can_park;
