/* SPDX-License-Identifier: MIT */
/*
 * The picture of nodes and of what goes between them, as SVG: a box for each node, and an arrow as
 * wide as what one sends another. Its looks are the style sheet's; classes name what a thing is.
 */
#pragma once

#include "apps/picture/figures.h"
#include "apps/picture/layout.h"
#include "libc/core/output.h"

/* One <svg> element of class `nodes` and the shape's name. At least one node is there. */
void nodes_draw(struct output *output, const struct figures *figures, enum layout_shape shape);

/* "LS TS CM httpd": what a node runs; "idle". */
void nodes_append_roles(struct output *output, const struct figures *figures,
                        const struct node_figures *node);
/* "running", "dead". */
const char *nodes_state_name(const struct node_figures *node);
/* Of its time: `0.4 %`, `42 %`. */
void nodes_append_busy(struct output *output, const struct node_figures *node);
