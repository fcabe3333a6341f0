/* SPDX-License-Identifier: MIT */
/*
 * Charts, as SVG whose lengths across are shares of its width: it is as wide as its place on the
 * page, and its text as large as that around it. Each is one <svg> element of class `chart`.
 */
#pragma once

#include "apps/picture/figures.h"
#include "libc/core/output.h"

/* Requests in each slot of the last minute. */
void charts_draw_requests(struct output *output, const struct figures *figures);
/* How many requests took how long in the last minute, with the median and the 99th percentile. */
void charts_draw_durations(struct output *output, const struct figures *figures);
/* A bar for each node with an application: connections that it has accepted. */
void charts_draw_acceptors(struct output *output, const struct figures *figures);
/* A bar for each reason for which anything has been refused. At least one is there. */
void charts_draw_drops(struct output *output, const struct figures *figures);
