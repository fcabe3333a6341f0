/* SPDX-License-Identifier: MIT */
/* sources: drivers/clock/refine.c kernel/x86/clock.c */
/* flags: -DCPU_FAKE */
/*
 * drivers/clock/refine.c and the clock that follows its lines, on a machine played here: its true
 * time, a TSC and a reference over it. Looks come as drivers/clock/clock.c has them.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/clock/refine.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/clock.h"
#include "libc/core/cpu.h"
#include "libc/core/lapic.h"

#define TSC_AT_ZERO    UINT64_C(987654321987)
#define FIRST_LOOK_NS  (NS_PER_S / 16)
#define LONGEST_GAP_NS (64 * NS_PER_S)
#define STEP_NS        (10 * NS_PER_MS)

struct node_info node_info;

static const struct {
    const char *name;
    uint64_t hz;
    uint64_t mask;
    uint64_t width_ns; /* of a reading */
} references[] = {
    {"HPET", 14318180, UINT32_MAX, 1000},
    {"a fast HPET", 100000000, UINT32_MAX, 600}, /* wraps in 43 s */
    {"PM timer", 3579545, BITS(23, 0), 1500},    /* in 4.7 s */
    {"PIT", 1193182, BITS(15, 0), 6000},         /* in 55 ms */
};

static uint64_t true_ns;
static uint64_t tsc_hz; /* since `changed_ns`, when the TSC showed changed_tsc */
static uint64_t changed_ns, changed_tsc;
static uint64_t sample_width_ns; /* of one reading that takes longer, or 0 */
static unsigned reference_index;
static uint64_t reference_hz; /* as it counts: not always as it says */
static uint64_t reference_stops_ns;
static uint64_t random_state;
static struct refine refine;
static uint64_t gap_ns, next_look_ns;

void platform_panic(const char *file, int line, const char *format, ...)
{
    mock_assert(false, format, file, line);
    abort();
}

void cpu_write_msr(uint32_t msr, uint64_t value)
{
    (void)msr;
    (void)value;
}

void lapic_timer_start(uint32_t counts)
{
    (void)counts;
}

void lapic_timer_use_deadline(void)
{
}

static uint64_t tsc_at(uint64_t at_ns)
{
    return changed_tsc + (uint64_t)((unsigned __int128)(at_ns - changed_ns) * tsc_hz / NS_PER_S);
}

static void change_tsc_rate(uint64_t hz)
{
    changed_tsc = tsc_at(true_ns);
    changed_ns = true_ns;
    tsc_hz = hz;
}

uint64_t cpu_read_tsc(void)
{
    return tsc_at(true_ns);
}

static uint64_t random_below(uint64_t most)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % most;
}

/* The reference is read anywhere between the two looks at the TSC. */
static struct reference_sample take_sample(void)
{
    uint64_t width_ns =
        sample_width_ns != 0 ? sample_width_ns : references[reference_index].width_ns;
    uint64_t end_ns = true_ns + width_ns / 2 + random_below(width_ns);
    uint64_t read_ns = true_ns + random_below(end_ns - true_ns);
    uint64_t count_ns = read_ns < reference_stops_ns ? read_ns : reference_stops_ns;
    struct reference_sample sample = {
        .count = (uint64_t)((unsigned __int128)count_ns * reference_hz / NS_PER_S) &
                 references[reference_index].mask,
        .tsc = tsc_at(true_ns) + (tsc_at(end_ns) - tsc_at(true_ns)) / 2,
        .tsc_width = tsc_at(end_ns) - tsc_at(true_ns),
    };

    true_ns = end_ns;
    return sample;
}

/* Boot believes a rate that is off by so much: more, and the clock is too slow. */
static void begin(unsigned reference, uint64_t hz, int64_t off_ppm)
{
    uint64_t believed_hz = (uint64_t)((int64_t)hz + (int64_t)hz * off_ppm / 1000000);

    true_ns = 0;
    changed_ns = 0;
    changed_tsc = TSC_AT_ZERO;
    tsc_hz = hz;
    sample_width_ns = 0;
    reference_index = reference;
    reference_hz = references[reference].hz;
    reference_stops_ns = UINT64_MAX;
    node_info.clock = (struct clock){
        .tsc_hz = believed_hz,
        .tsc_at_zero = TSC_AT_ZERO,
        .ns_per_tick = (NS_PER_S << CLOCK_FRACTION_BITS) / believed_hz,
    };
    clock_initialise();
    clock_offset_ns = 0;
    clock_next_look_ns = UINT64_MAX;

    struct reference known = {
        .hz = references[reference].hz,
        .mask = references[reference].mask,
        .doubt_ppb = 200000,
        .first = take_sample(),
    };

    refine_start(&refine, &node_info.clock, &known);
    gap_ns = FIRST_LOOK_NS;
    next_look_ns = true_ns + gap_ns;
}

static struct {
    unsigned bent, blunt, refused;
    int64_t worst_ns; /* off the true time since this began */
} seen;

static void follow(enum refine_verdict verdict)
{
    seen.bent += verdict == REFINE_BENT;
    seen.blunt += verdict == REFINE_BLUNT;
    seen.refused += verdict == REFINE_REFUSED;
    if (verdict == REFINE_BENT) {
        clock_follow(refine.line, NS_PER_MS);
    }
}

static int64_t ahead_ns(void)
{
    return (int64_t)(clock_advance_ns() - true_ns);
}

/* The clock is looked at every STEP_NS: it never goes back, and never jumps. */
static void run(uint64_t end_ns)
{
    memset(&seen, 0, sizeof(seen));
    uint64_t last_ns = clock_advance_ns();
    uint64_t last_true_ns = true_ns;

    while (true_ns < end_ns) {
        true_ns += STEP_NS;
        if (true_ns >= next_look_ns) {
            struct reference_sample sample = take_sample();

            gap_ns = gap_ns * 2 < LONGEST_GAP_NS ? gap_ns * 2 : LONGEST_GAP_NS;
            next_look_ns = true_ns + gap_ns;
            follow(refine_look(&refine, &sample, gap_ns));
        }
        uint64_t now_ns = clock_advance_ns();
        uint64_t passed_ns = true_ns - last_true_ns;

        assert_in_range(now_ns - last_ns, passed_ns - passed_ns / 1000,
                        passed_ns + passed_ns / 1000);
        last_ns = now_ns;
        last_true_ns = true_ns;
        int64_t off_ns = ahead_ns();
        seen.worst_ns = llabs(off_ns) > llabs(seen.worst_ns) ? off_ns : seen.worst_ns;
    }
}

/* From the first moment: what it was off before the first looks is made up for. */
static void after_a_minute_the_clock_is_good_to_a_millionth(void **state)
{
    static const int64_t off_ppm[] = {0, 1, -1, 20, -20, 100, -100, 200, -200};
    static const uint64_t rates[] = {1000000000, 2394450000, 4999999999};
    int64_t worst_ns = 0;

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(references); i++) {
        for (unsigned j = 0; j < ARRAY_COUNT(off_ppm); j++) {
            begin(i, rates[j % ARRAY_COUNT(rates)], off_ppm[j]);
            int64_t start_ns = ahead_ns();
            run(60 * NS_PER_S);
            int64_t off_ns = ahead_ns() - start_ns;

            assert_int_equal(seen.refused, 0);
            assert_in_range(off_ns + 60000, 0, 120000);
            assert_in_range(seen.worst_ns + 60000, 0, 120000);
            worst_ns = llabs(off_ns) > worst_ns ? llabs(off_ns) : worst_ns;
        }
    }
    print_message("off by %" PRId64 " ns at most after 60 s\n", worst_ns);
}

/* A crystal that warms up. */
static void a_rate_that_drifts_is_followed_for_an_hour(void **state)
{
    uint64_t hz = 2394450000;
    int64_t minute_ns = 0;

    (void)state;
    begin(0, hz, 50);
    run(2 * 60 * NS_PER_S);
    minute_ns = ahead_ns();
    for (unsigned minute = 2; minute < 60; minute++) {
        change_tsc_rate(hz += hz / 10000000 * 3); /* 0.3 ppm */
        run((minute + 1) * 60 * NS_PER_S);
        assert_int_equal(seen.refused, 0);
        assert_in_range(ahead_ns() - minute_ns + 60000, 0, 120000);
        minute_ns = ahead_ns();
    }
    assert_in_range(minute_ns + 60000, 0, 120000);
}

/* Whatever it has counted before: each counter, at a moment between two looks. */
static void a_reference_that_stands_still_is_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(references); i++) {
        begin(i, 2394450000, 100);
        run(20 * NS_PER_S);
        reference_stops_ns = true_ns + NS_PER_S;
        struct clock_line line = refine.line;
        run(90 * NS_PER_S);
        assert_true(seen.refused > 0);
        assert_int_equal(seen.bent, 0);
        assert_memory_equal(&refine.line, &line, sizeof(line));
        /* What was known holds: 70 s later it is off by some 10 us. */
        assert_in_range(ahead_ns() + 100000, 0, 200000);
    }
}

static void a_reference_that_lies_is_refused(void **state)
{
    static const int64_t off_ppm[] = {1000, -1000, 20000, -20000};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(off_ppm); i++) {
        begin(1, 2394450000, 100);
        reference_hz =
            (uint64_t)((int64_t)reference_hz + (int64_t)reference_hz / 1000000 * off_ppm[i]);
        run(60 * NS_PER_S);
        assert_true(seen.refused > 0);
        assert_int_equal(seen.bent, 0);
    }
}

/* One that was interrupted, as by firmware or a busy host. */
static void a_reading_that_took_long_bends_nothing(void **state)
{
    (void)state;
    begin(0, 2394450000, 100);
    run(10 * NS_PER_S);
    struct clock_line line = refine.line;
    uint64_t look_ns = next_look_ns;

    sample_width_ns = 20 * NS_PER_MS;
    run(look_ns + NS_PER_S);
    sample_width_ns = 0;
    assert_int_equal(seen.blunt, 1);
    assert_int_equal(seen.bent + seen.refused, 0);
    assert_memory_equal(&refine.line, &line, sizeof(line));
    run(70 * NS_PER_S);
    assert_int_equal(seen.bent, 2);
    assert_in_range(ahead_ns() + 60000, 0, 120000);
}

/* The TSC runs on while the machine is asleep, the reference does not, or the other way round. */
static void after_a_restart_the_clock_goes_on_from_where_it_is(void **state)
{
    (void)state;
    begin(0, 2394450000, 100);
    run(60 * NS_PER_S);
    changed_tsc += 100 * tsc_hz;
    clock_next_look_ns = UINT64_MAX; /* no standstill to the clock: it has jumped */
    int64_t jump_ns = ahead_ns();
    assert_in_range(jump_ns, 99 * NS_PER_S, 101 * NS_PER_S);
    struct reference_sample sample = take_sample();
    assert_int_equal(refine_look(&refine, &sample, NS_PER_S), REFINE_REFUSED);
    next_look_ns = true_ns + NS_PER_S;
    gap_ns = NS_PER_S;
    run(180 * NS_PER_S);
    assert_int_equal(seen.refused, 0);
    assert_true(seen.bent > 0);
    assert_in_range(ahead_ns() - jump_ns + 120000, 0, 240000);
}

static void a_line_is_one_word_and_nonsense_is_none(void **state)
{
    static const struct clock_line lines[] = {
        {0, 0}, {1, -1}, {-1, 1}, {1 << 24, 136000000000}, {-(1 << 24), -136000000000}};
    const uint64_t rate = UINT64_C(1) << CLOCK_FRACTION_BITS;
    struct clock_line line;

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(lines); i++) {
        assert_true(refine_read_line(refine_line_word(lines[i]), rate, &line));
        assert_memory_equal(&line, &lines[i], sizeof(line));
    }
    assert_int_equal(refine_line_word(lines[0]), 0);
    assert_false(refine_read_line(refine_line_word(lines[3]), rate / 8, &line));
    assert_false(refine_read_line(UINT64_MAX / 2, rate / 8, &line));
    assert_false(refine_read_line(UINT64_C(1) << 63, rate / 8, &line));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_a_minute_the_clock_is_good_to_a_millionth),
        cmocka_unit_test(a_rate_that_drifts_is_followed_for_an_hour),
        cmocka_unit_test(a_reference_that_stands_still_is_refused),
        cmocka_unit_test(a_reference_that_lies_is_refused),
        cmocka_unit_test(a_reading_that_took_long_bends_nothing),
        cmocka_unit_test(after_a_restart_the_clock_goes_on_from_where_it_is),
        cmocka_unit_test(a_line_is_one_word_and_nonsense_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
