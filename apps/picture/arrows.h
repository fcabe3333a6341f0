/* SPDX-License-Identifier: MIT */
/*
 * Arrows between boxes. All that lead from and to one side of a box share that side evenly, in the
 * order of where they lead, so that neighbours do not cross. Arrows lie in the picture.
 */
#pragma once

#include "apps/picture/figures.h"
#include "apps/picture/layout.h"
#include "libc/core/output.h"

/* The first so many arrows of the figures, those with most lines. `box_of` gives the box of a node;
 * an arrow whose node has none is left out. */
void arrows_draw(struct output *output, const struct figures *figures, const struct layout *layout,
                 const uint16_t box_of[], unsigned count);

/* `box_of` of a node without a box. */
#define ARROWS_NO_BOX UINT16_MAX
