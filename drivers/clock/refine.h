/* SPDX-License-Identifier: MIT */
/*
 * The rate of the TSC, measured on beside a reference: from look to look over longer spans, up to a
 * minute, so that a reading's width matters less and less. The clock follows a line over the TSC.
 * Each look bends it, without a jump, so that it meets the reference at the next one.
 *
 * No hardware here, and nothing waits: who has a reference takes the samples.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/x86/clock.h"
#include "libc/core/machine.h"

enum refine_verdict {
    REFINE_BENT,   /* there is a new line */
    REFINE_BLUNT,  /* the sample is no better than what is known */
    REFINE_REFUSED /* the reference has not counted as it should; measured afresh from here on */
};

struct refine {
    /* As it was started. */
    uint64_t hz;
    uint64_t mask;
    uint64_t boot_ns_per_tick;
    uint64_t tsc_at_zero;

    struct clock_line line; /* for clock_follow() */
    uint64_t ns_per_tick;   /* of the TSC, as far as it is known */
    uint64_t doubt_ppb;     /* so far off it may be */

    /* The span over which it is measured: its first sample, and the reference's time then. */
    struct reference_sample first;
    uint64_t first_ns;
    struct reference_sample last;
    uint64_t ticks; /* of the reference, from the first sample to the last */
};

/* Begin with what boot knows: its line, its reference and its first sample. */
void refine_start(struct refine *refine, const struct clock *clock,
                  const struct reference *reference);
/* Measure afresh from this sample on; the line and the rate stay. */
void refine_restart(struct refine *refine, const struct reference_sample *sample);
/*
 * Look at a sample, later than all before; the next comes in `next_ns`. Between two samples the
 * counter may wrap any number of times, as long as the doubt of the rate is less than a quarter of
 * a turn.
 */
enum refine_verdict refine_look(struct refine *refine, const struct reference_sample *sample,
                                uint64_t next_ns);

/* A line as one word, 0 for boot's own; and back. Reading fails for what no look makes: a rate off
 * by more than 1.6 %. */
uint64_t refine_line_word(struct clock_line line);
MUST_CHECK bool refine_read_line(uint64_t word, uint64_t boot_ns_per_tick, struct clock_line *line);
