/* SPDX-License-Identifier: MIT */
/*
 * Times are nanoseconds, rates nanoseconds a tick of the TSC with CLOCK_FRACTION_BITS behind the
 * point. Nothing here depends on how the counters are read.
 */
#include "drivers/clock/refine.h"

#include "libc/core/cpu.h"
#include "libc/core/multiply_divide.h"

#define BILLION 1000000000u

/* Crystals drift with their temperature: chosen, ten times what is common. */
#define DRIFT_PPB        100000u
/* A sample that leaves less doubt than this is always good enough: half of what is promised. */
#define GOOD_PPB         500u
/* Spans grow up to this. */
#define SPAN_MAX_NS      (60 * NS_PER_S)
/* The clock is bent by at most this part of its rate, 244 ppm. */
#define SLEW_PART        4096
/* A rate that is further from boot's, 1.6 %, is nonsense. */
#define RATE_CHANGE_PART 64

/* The word: a rate's change above an offset. */
#define WORD_OFFSET_BITS 38
#define WORD_OFFSET_MAX  ((INT64_C(1) << (WORD_OFFSET_BITS - 1)) - 1) /* 137 s */
#define WORD_RATE_MAX    ((INT64_C(1) << (63 - WORD_OFFSET_BITS)) - 1)

static uint64_t ns_of_tsc(uint64_t ticks, uint64_t ns_per_tick)
{
    return (uint64_t)((unsigned __int128)ticks * ns_per_tick >> CLOCK_FRACTION_BITS);
}

static uint64_t line_ns(const struct refine *refine, struct clock_line line, uint64_t tsc)
{
    return ns_of_tsc(tsc - refine->tsc_at_zero,
                     refine->boot_ns_per_tick + (uint64_t)line.rate_change) +
           (uint64_t)line.offset_ns;
}

void refine_restart(struct refine *refine, const struct reference_sample *sample)
{
    refine->first = refine->last = *sample;
    refine->first_ns = line_ns(refine, refine->line, sample->tsc);
    refine->ticks = 0;
}

void refine_start(struct refine *refine, const struct clock *clock,
                  const struct reference *reference)
{
    *refine = (struct refine){
        .hz = reference->hz,
        .mask = reference->mask,
        .boot_ns_per_tick = clock->ns_per_tick,
        .tsc_at_zero = clock->tsc_at_zero,
        .ns_per_tick = clock->ns_per_tick,
        .doubt_ppb = reference->doubt_ppb,
    };
    refine_restart(refine, &reference->first);
}

/* How far the reference has counted since the last sample, by as many turns as the TSC says. False
 * when it is not near what the TSC says: one of them lies, or both have been made to. */
static bool count_ticks(const struct refine *refine, const struct reference_sample *sample,
                        uint64_t *ticks)
{
    uint64_t turn = refine->mask + 1;
    uint64_t passed_ns = ns_of_tsc(sample->tsc - refine->last.tsc, refine->ns_per_tick);
    uint64_t width_ns = ns_of_tsc(sample->tsc_width + refine->last.tsc_width, refine->ns_per_tick);
    uint64_t expected = multiply_divide(passed_ns, refine->hz, NS_PER_S);
    uint64_t doubt_ns =
        multiply_divide(passed_ns, 2 * refine->doubt_ppb + DRIFT_PPB, BILLION) + width_ns;
    uint64_t doubt = multiply_divide(doubt_ns, refine->hz, NS_PER_S) + 2;
    uint64_t counted = (sample->count - refine->last.count) & refine->mask;

    if (expected + turn / 2 > counted) {
        counted += (expected + turn / 2 - counted) / turn * turn;
    }
    *ticks = counted;
    return doubt < turn / 4 &&
           (counted > expected ? counted - expected : expected - counted) <= doubt;
}

static uint64_t doubt_of(const struct refine *refine, uint64_t span_tsc)
{
    uint64_t tick_tsc = span_tsc / (refine->ticks + 1);
    uint64_t doubt_tsc = (refine->first.tsc_width + refine->last.tsc_width) / 2 + tick_tsc + 1;

    return doubt_tsc < span_tsc ? multiply_divide(doubt_tsc, BILLION, span_tsc) : BILLION;
}

static int64_t limit(int64_t value, int64_t most)
{
    return value > most ? most : value < -most ? -most : value;
}

/* Through the point where the clock is now, to where the reference will be after next_ns. */
static struct clock_line bend(const struct refine *refine, uint64_t now_ns, int64_t ahead_ns,
                              uint64_t next_ns)
{
    uint64_t tsc = refine->last.tsc;
    int64_t rate = (int64_t)refine->ns_per_tick;
    int64_t next = (int64_t)next_ns;
    int64_t slew = rate * limit(ahead_ns, next / SLEW_PART) / next;
    struct clock_line line;

    line.rate_change = rate - slew - (int64_t)refine->boot_ns_per_tick;
    line.offset_ns = 0;
    line.offset_ns = (int64_t)(now_ns - line_ns(refine, line, tsc));
    return line;
}

/* Whether it has a word, too. */
static bool is_sane(struct clock_line line, uint64_t boot_ns_per_tick)
{
    int64_t most = (int64_t)boot_ns_per_tick / RATE_CHANGE_PART;

    most = most < WORD_RATE_MAX ? most : WORD_RATE_MAX;
    return line.rate_change <= most && line.rate_change >= -most &&
           line.offset_ns <= WORD_OFFSET_MAX && line.offset_ns >= -WORD_OFFSET_MAX;
}

enum refine_verdict refine_look(struct refine *refine, const struct reference_sample *sample,
                                uint64_t next_ns)
{
    uint64_t more_ticks;
    struct clock_line line;

    if (sample->tsc <= refine->last.tsc || !count_ticks(refine, sample, &more_ticks)) {
        refine_restart(refine, sample);
        return REFINE_REFUSED;
    }
    refine->ticks += more_ticks;
    refine->last = *sample;

    uint64_t span_tsc = sample->tsc - refine->first.tsc;
    uint64_t span_ns = multiply_divide(refine->ticks, NS_PER_S, refine->hz);
    uint64_t doubt_ppb = doubt_of(refine, span_tsc);

    if (doubt_ppb > GOOD_PPB && doubt_ppb >= refine->doubt_ppb) {
        return REFINE_BLUNT;
    }
    refine->doubt_ppb = doubt_ppb;
    refine->ns_per_tick = multiply_divide(span_ns, 1ull << CLOCK_FRACTION_BITS, span_tsc);

    uint64_t now_ns = line_ns(refine, refine->line, sample->tsc);
    uint64_t reference_ns = refine->first_ns + span_ns;

    line = bend(refine, now_ns, (int64_t)(now_ns - reference_ns), next_ns);
    if (!is_sane(line, refine->boot_ns_per_tick)) {
        refine_restart(refine, sample);
        return REFINE_REFUSED;
    }
    refine->line = line;
    if (span_ns >= SPAN_MAX_NS) {
        refine->first = *sample;
        refine->first_ns = reference_ns;
        refine->ticks = 0;
    }
    return REFINE_BENT;
}

uint64_t refine_line_word(struct clock_line line)
{
    return (uint64_t)line.rate_change << WORD_OFFSET_BITS |
           ((uint64_t)line.offset_ns & BITS(WORD_OFFSET_BITS - 1, 0));
}

bool refine_read_line(uint64_t word, uint64_t boot_ns_per_tick, struct clock_line *line)
{
    line->rate_change = (int64_t)word >> WORD_OFFSET_BITS;
    line->offset_ns = (int64_t)(word << (64 - WORD_OFFSET_BITS)) >> (64 - WORD_OFFSET_BITS);
    return is_sane(*line, boot_ns_per_tick);
}
