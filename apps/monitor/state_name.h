/* SPDX-License-Identifier: MIT */
/*
 * What a node is doing, in a word.
 */
#pragma once

#include "kernel/base.h"

const char *state_name(node_id_t node);
