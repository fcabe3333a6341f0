/* SPDX-License-Identifier: MIT */
/* sources: drivers/clock/clock.c drivers/clock/refine.c libc/core/timer.c kernel/message/status.c */
/* sources: kernel/message/channel.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/* flags: -DCPU_FAKE -DMMIO_FAKE */
/*
 * drivers/clock/clock.c: who looks at which reference, when, and whom a node follows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/clock/counters.h"
#include "drivers/clock/refine.h"
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/clock.h"
#include "kernel/x86/paging.h"
#include "libc/core/cpu.h"
#include "libc/core/mmio.h"
#include "libc/core/timer.h"
#include "tests/unit/world/fake_platform.h"

#define TSC_HZ      2000000000u
#define HPET_COUNT  0xFED000F0u
#define PM_PORT     0x608
#define PIT_PORT    0x40
#define PIT_COMMAND 0x43

LINKER_SET_DECLARE(components, struct component);

struct node_info node_info;
uint64_t clock_left_out_ns;

static uint64_t stopped_count; /* what the reference shows for ever, unless 0 */
static unsigned warning_count;
static uint16_t pit_latch;
static bool is_high_byte_next;
static struct dispatch_source *source;
static struct clock_line followed;
static uint64_t followed_step_ns;
static unsigned followed_count;

uint64_t cpu_read_tsc(void)
{
    fake_advance_ns(100);
    return platform_now_ns() * (TSC_HZ / NS_PER_S);
}

static uint32_t count(void)
{
    fake_advance_ns(100);
    return stopped_count != 0 ? (uint32_t)stopped_count
                              : (uint32_t)((unsigned __int128)platform_now_ns() *
                                           node_info.machine.reference.hz / NS_PER_S);
}

uint32_t mmio_read32(const void *base, size_t offset)
{
    assert_ptr_equal(base, &node_info);
    assert_int_equal(offset, 0);
    return count();
}

uint32_t port_read32(uint16_t port)
{
    assert_int_equal(port, PM_PORT);
    return count() & 0xFFFFFF;
}

void port_write8(uint16_t port, uint8_t value)
{
    assert_int_equal(port, PIT_COMMAND);
    assert_int_equal(value, 0);
    pit_latch = (uint16_t)(0 - count());
    is_high_byte_next = false;
}

uint8_t port_read8(uint16_t port)
{
    assert_int_equal(port, PIT_PORT);
    uint8_t byte = (uint8_t)(is_high_byte_next ? pit_latch >> 8 : pit_latch);

    is_high_byte_next = !is_high_byte_next;
    return byte;
}

void *paging_map_device(paddr_t paddr, size_t bytes)
{
    assert_int_equal(paddr, HPET_COUNT);
    assert_int_equal(bytes, 4);
    return &node_info;
}

void dispatch_register_source(struct dispatch_source *registered)
{
    source = registered;
}

void clock_follow(struct clock_line line, uint64_t step_max_ns)
{
    followed = line;
    followed_step_ns = step_max_ns;
    followed_count++;
}

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    (void)subsystem;
    (void)format;
    warning_count += level == LOG_WARNING;
}

static const struct reference references[] = {
    {.kind = REFERENCE_HPET, .address = HPET_COUNT, .hz = 10000000, .mask = UINT32_MAX},
    {.kind = REFERENCE_PM_TIMER, .address = PM_PORT, .hz = 3579545, .mask = 0xFFFFFF},
    {.kind = REFERENCE_PIT, .address = PIT_PORT, .hz = 1193182, .mask = 0xFFFF},
};

/* What is to be seen from the moment zero: boot takes the TSC for 100 ppm slower than it is. */
static void begin(node_id_t node, const struct reference *reference)
{
    fake_platform_reset(node, 4);
    status_initialise();
    node_info.clock = (struct clock){
        .tsc_hz = TSC_HZ / 10000 * 9999,
        .ns_per_tick = (NS_PER_S << CLOCK_FRACTION_BITS) / (TSC_HZ / 10000 * 9999),
    };
    node_info.machine.reference = *reference;
    node_info.machine.reference.doubt_ppb = 100000;
    stopped_count = 0;
    warning_count = 0;
    clock_left_out_ns = 0;
    followed_count = 0;
    source = NULL;
}

static void start(void)
{
    components_run(NODE_READY);
}

/* Each timer in its time, up to `end_ns`. */
static void run(uint64_t end_ns)
{
    while (timer_next_deadline_ns() <= end_ns) {
        if (timer_next_deadline_ns() > platform_now_ns()) {
            fake_set_now_ns(timer_next_deadline_ns());
        }
        (void)timer_run_expired(platform_now_ns());
    }
}

/* Nobody but this node, which finds no reference: its looks are over. */
static int end(void **state)
{
    (void)state;
    for (node_id_t node = 0; node < 4; node++) {
        if (node != platform_node()) {
            fake_status_page(node)->state = NODE_DEAD;
        }
    }
    stopped_count = 1;
    run(platform_now_ns() + 1000 * NS_PER_S);
    assert_true(timer_next_deadline_ns() == UINT64_MAX);
    return 0;
}

static uint64_t counted(unsigned counter)
{
    return counter_read(platform_node(), counter);
}

static uint64_t word_of(int64_t rate_change, int64_t offset_ns)
{
    return refine_line_word((struct clock_line){rate_change, offset_ns});
}

/* 100 ppm of half a nanosecond. */
static void assert_is_right(void)
{
    int64_t change = -(INT64_C(1) << (CLOCK_FRACTION_BITS - 1)) / 10000;

    assert_in_range(followed.rate_change - change + 4000, 0, 8000); /* 2 ppm: it makes up */
}

static void the_first_node_measures_by_each_reference_and_tells_all(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(references); i++) {
        begin(0, &references[i]);
        start();
        run(150 * NS_PER_S);
        assert_is_right();
        assert_true(counted(COUNTER_CLOCK_BENT) >= 9);
        assert_int_equal(counted(COUNTER_CLOCK_REFUSED), 0);
        assert_int_equal(fake_status_page(0)->words[STATUS_WORD_CLOCK],
                         word_of(followed.rate_change, followed.offset_ns));
        assert_int_equal(fake_attentions(2), counted(COUNTER_CLOCK_BENT));
        /* A minute is often enough. */
        assert_in_range(timer_next_deadline_ns() - platform_now_ns(), 30 * NS_PER_S, 64 * NS_PER_S);
        (void)end(state);
    }
}

static void where_the_tsc_is_known_by_its_own_word_there_is_nothing_to_do(void **state)
{
    (void)state;
    begin(0, &(struct reference){.kind = REFERENCE_NONE});
    start();
    assert_null(source);
    assert_true(timer_next_deadline_ns() == UINT64_MAX);
}

static void a_reference_that_stands_still_is_left_after_some_looks(void **state)
{
    (void)state;
    begin(0, &references[0]);
    start();
    run(NS_PER_S);
    unsigned bent = followed_count;
    assert_true(bent > 0);
    stopped_count = 12345;
    run(1000 * NS_PER_S);
    assert_int_equal(counted(COUNTER_CLOCK_REFUSED), 4);
    assert_int_equal(warning_count, 2); /* the first and the last */
    assert_int_equal(followed_count, bent);
    assert_true(timer_next_deadline_ns() == UINT64_MAX);
}

/* Of what passed meanwhile the two counters may tell anything. */
static void after_a_standstill_it_measures_afresh(void **state)
{
    (void)state;
    begin(0, &references[1]);
    start();
    run(10 * NS_PER_S);
    fake_advance_ns(1000 * NS_PER_S);
    clock_left_out_ns = 990 * NS_PER_S;
    unsigned bent = followed_count;
    run(1030 * NS_PER_S);
    assert_int_equal(counted(COUNTER_CLOCK_REFUSED), 0);
    run(1300 * NS_PER_S);
    assert_true(followed_count > bent);
    assert_is_right();
}

static void others_follow_the_first_before_they_sleep_and_now_and_then(void **state)
{
    (void)state;
    begin(2, &references[0]);
    start();
    assert_false(source->prepare_sleep(NULL));
    assert_int_equal(followed_count, 0);
    fake_status_page(0)->words[STATUS_WORD_CLOCK] = word_of(-1000, 2000);
    assert_false(source->prepare_sleep(NULL));
    assert_false(source->prepare_sleep(NULL));
    assert_int_equal(followed_count, 1);
    assert_int_equal(followed.rate_change, -1000);
    assert_int_equal(followed.offset_ns, 2000);
    assert_int_equal(followed_step_ns, 10 * NS_PER_MS);
    /* It is to be had here, too. */
    assert_int_equal(fake_status_page(2)->words[STATUS_WORD_CLOCK], word_of(-1000, 2000));
    fake_status_page(0)->words[STATUS_WORD_CLOCK] = word_of(-1001, 2001);
    fake_status_page(1)->words[STATUS_WORD_CLOCK] = word_of(99, 99); /* not the first */
    run(200 * NS_PER_S);
    assert_int_equal(followed_count, 2);
    assert_int_equal(followed.rate_change, -1001);
}

static void nonsense_from_the_first_node_is_counted_once_and_not_followed(void **state)
{
    (void)state;
    begin(2, &references[0]);
    start();
    fake_status_page(0)->words[STATUS_WORD_CLOCK] = UINT64_C(1) << 63;
    assert_false(source->prepare_sleep(NULL));
    assert_false(source->prepare_sleep(NULL));
    assert_int_equal(counted(COUNTER_DROP_BAD_CLOCK), 1);
    assert_int_equal(followed_count, 0);
}

static void the_next_living_node_goes_on_from_the_line_of_the_dead(void **state)
{
    (void)state;
    begin(1, &references[0]);
    start();
    fake_status_page(0)->words[STATUS_WORD_CLOCK] = word_of(-214000, 5 * NS_PER_MS);
    (void)source->prepare_sleep(NULL);
    fake_set_now_ns(1000 * NS_PER_S);
    fake_set_node_state(0, NODE_DEAD);
    run(1400 * NS_PER_S);
    assert_true(counted(COUNTER_CLOCK_BENT) > 0);
    assert_int_equal(counted(COUNTER_CLOCK_REFUSED), 0);
    assert_is_right();
    /* No jump: the line still passes some milliseconds above boot's. */
    assert_in_range(followed.offset_ns, 4 * NS_PER_MS, 6 * NS_PER_MS);
}

/* Its own image knows boot's line only. */
static void a_node_that_starts_late_takes_over_the_others_line_at_once(void **state)
{
    (void)state;
    begin(0, &references[0]);
    fake_status_page(3)->words[STATUS_WORD_CLOCK] = word_of(-214748, 70000000000);
    start();
    assert_int_equal(followed_count, 1);
    assert_int_equal(followed.offset_ns, 70000000000);
    assert_true(followed_step_ns == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_first_node_measures_by_each_reference_and_tells_all, end),
        cmocka_unit_test_teardown(where_the_tsc_is_known_by_its_own_word_there_is_nothing_to_do,
                                  end),
        cmocka_unit_test_teardown(a_reference_that_stands_still_is_left_after_some_looks, end),
        cmocka_unit_test_teardown(after_a_standstill_it_measures_afresh, end),
        cmocka_unit_test_teardown(others_follow_the_first_before_they_sleep_and_now_and_then, end),
        cmocka_unit_test_teardown(nonsense_from_the_first_node_is_counted_once_and_not_followed,
                                  end),
        cmocka_unit_test_teardown(the_next_living_node_goes_on_from_the_line_of_the_dead, end),
        cmocka_unit_test_teardown(a_node_that_starts_late_takes_over_the_others_line_at_once, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
