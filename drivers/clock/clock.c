/* SPDX-License-Identifier: MIT */
/*
 * Boot measures the TSC for some milliseconds; this goes on with it. The first living node looks at
 * the reference after 1/16 s, 1/8 s and so on, and then each minute, follows the line that comes of
 * it, and publishes it on its status page. All others follow the same line: they look at it before
 * they sleep, out of which they are woken for it, and from time to time while they do not.
 */
#include "kernel/x86/clock.h"
#include "drivers/clock/counters.h"
#include "drivers/clock/refine.h"
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/paging.h"
#include "libc/core/cpu.h"
#include "libc/core/mmio.h"
#include "libc/core/multiply_divide.h"
#include "libc/core/port.h"
#include "libc/core/timer.h"

COUNTER_TABLE_DEFINE(clock_counters, CLOCK_COUNTER_FIRST, CLOCK_COUNTERS);

#define FIRST_GAP_NS (NS_PER_S / 16)
#define LAST_GAP_NS  (64 * NS_PER_S)

/* Chosen: a line shifts the clock by no more at once, or another node's word could end all
 * time-outs. What is more comes with the next ones. */
#define STEP_MAX_NS (10 * NS_PER_MS)

#define SAMPLE_TRIES  8u
/* Chosen: a millisecond or so, in which each counter moves often. */
#define STOPPED_READS 1000u
/* So often in a row may the reference be refused. */
#define REFUSED_MAX   4u

/* The PIT: its count is latched by a command (8254 datasheet). */
#define PIT_COMMAND 0x43
#define PIT_LATCH_0 0x00

static struct refine refine;
static enum { FOLLOWING, MEASURING, GIVEN_UP } state;
static const void *hpet; /* its count */
static unsigned refused_count;
static uint64_t left_out_ns; /* when this node last looked */
static bool is_told;         /* the log, of how good the clock is */

static node_id_t first_node;
static uint64_t followed_word;

static struct timer timer;
static uint64_t gap_ns;

/* --- The reference --- */

static uint64_t read_count(const struct reference *reference)
{
    uint8_t low;

    switch (reference->kind) {
    case REFERENCE_HPET:
        return mmio_read32(hpet, 0);
    case REFERENCE_PM_TIMER:
        return port_read32((uint16_t)reference->address);
    case REFERENCE_PIT:
        port_write8(PIT_COMMAND, PIT_LATCH_0);
        low = port_read8((uint16_t)reference->address);
        return ~((uint64_t)port_read8((uint16_t)reference->address) << 8 | low); /* downwards */
    default:
        return 0;
    }
}

/* The sharpest of a few tries. False when the reference stands still. */
static bool take_sample(struct reference_sample *best)
{
    const struct reference *reference = &node_info.machine.reference;
    uint64_t first_count = 0;
    bool is_moving = false;

    best->tsc_width = UINT64_MAX;
    for (unsigned i = 0; i < SAMPLE_TRIES || (!is_moving && i < STOPPED_READS); i++) {
        uint64_t before = cpu_read_tsc();
        uint64_t count = read_count(reference) & reference->mask;
        uint64_t width = cpu_read_tsc() - before;

        is_moving |= i > 0 && count != first_count;
        first_count = i > 0 ? first_count : count;
        if (width < best->tsc_width) {
            *best = (struct reference_sample){count, before + width / 2, width};
        }
    }
    return is_moving;
}

/* --- The line --- */

static void follow(struct clock_line line, uint64_t step_max_ns)
{
    followed_word = refine_line_word(line);
    clock_follow(line, step_max_ns);
    status_set_word(STATUS_WORD_CLOCK, followed_word); /* whoever goes on with it finds it here */
}

/* Another node's word is input. */
static void follow_node(node_id_t node, uint64_t step_max_ns)
{
    uint64_t word = status_word(node, STATUS_WORD_CLOCK);
    struct clock_line line;

    if (LIKELY(word == followed_word) || word == 0 || node == platform_node()) {
        return;
    }
    if (!refine_read_line(word, refine.boot_ns_per_tick, &line)) {
        counter_increment(COUNTER_DROP_BAD_CLOCK);
        followed_word = word; /* once */
        return;
    }
    refine.line = line;
    follow(line, step_max_ns);
}

static node_id_t find_first_node(void)
{
    node_id_t node = 0;

    while (node < platform_node() && status_node_state(node) == NODE_DEAD) {
        node++;
    }
    return node;
}

/* --- Looks --- */

static void refuse(const char *why)
{
    counter_increment(COUNTER_CLOCK_REFUSED);
    refused_count++;
    if (refused_count == REFUSED_MAX) {
        state = GIVEN_UP;
    }
    if (refused_count == 1 || state == GIVEN_UP) {
        log_warning("clock", "the reference %s%s", why,
                    state == GIVEN_UP ? "; going on without it" : "");
    }
}

static bool has_reference(void)
{
    const struct reference *reference = &node_info.machine.reference;

    if (reference->kind == REFERENCE_HPET) {
        hpet = paging_map_device(reference->address, sizeof(uint32_t));
    }
    return reference->kind != REFERENCE_HPET || hpet != NULL;
}

/* The first living node before this one has died. */
static void take_over(void)
{
    struct reference_sample sample;

    state = has_reference() && take_sample(&sample) ? MEASURING : GIVEN_UP;
    if (state == MEASURING) {
        refine_restart(&refine, &sample);
        left_out_ns = clock_left_out_ns;
    }
}

static void tell(void)
{
    uint64_t hz = multiply_divide(NS_PER_S, 1ull << CLOCK_FRACTION_BITS, refine.ns_per_tick);

    if (!is_told && refine.doubt_ppb <= 1000) {
        is_told = true;
        log_info("clock", "TSC %lu.%06lu MHz, to a millionth", hz / 1000000, hz % 1000000);
    }
}

static void measure(void)
{
    struct reference_sample sample;

    if (!take_sample(&sample)) {
        refuse("stands still");
        refine_restart(&refine, &sample);
        return;
    }
    if (left_out_ns != clock_left_out_ns) {
        /* Whether the reference has stood still with this node, nobody knows. */
        left_out_ns = clock_left_out_ns;
        refine_restart(&refine, &sample);
        return;
    }
    switch (refine_look(&refine, &sample, gap_ns)) {
    case REFINE_BENT:
        refused_count = 0;
        counter_increment(COUNTER_CLOCK_BENT);
        follow(refine.line, STEP_MAX_NS);
        status_send_attention();
        tell();
        break;
    case REFINE_BLUNT:
        counter_increment(COUNTER_CLOCK_BLUNT);
        break;
    case REFINE_REFUSED:
        refuse("does not count as the TSC does");
        break;
    }
}

static void look(struct timer *expired)
{
    gap_ns = gap_ns < LAST_GAP_NS ? 2 * gap_ns : LAST_GAP_NS;
    first_node = find_first_node();
    if (first_node != platform_node()) {
        follow_node(first_node, STEP_MAX_NS);
    } else if (state == FOLLOWING) {
        take_over();
    } else {
        measure();
    }
    if (state != GIVEN_UP && timer_start(expired, platform_now_ns() + gap_ns) != 0) {
        PANIC("no memory for the clock's timer");
    }
}

/* The first living node has attention sent to all when it has a new line. */
static bool look_before_sleep(void *context)
{
    (void)context;
    follow_node(first_node, STEP_MAX_NS);
    return false;
}

static struct dispatch_source source = {.prepare_sleep = look_before_sleep};

static void start(void)
{
    if (node_info.machine.reference.kind == REFERENCE_NONE) {
        return; /* the TSC is measured by its own word */
    }
    refine_start(&refine, &node_info.clock, &node_info.machine.reference);
    followed_word = 0;
    refused_count = 0;
    left_out_ns = clock_left_out_ns;
    /* A node that starts long after the others goes by their line from the first. */
    for (unsigned node = 0; node < platform_node_count() && followed_word == 0; node++) {
        follow_node((node_id_t)node, UINT64_MAX);
    }
    first_node = find_first_node();
    state = platform_node() != 0 ? FOLLOWING : has_reference() ? MEASURING : GIVEN_UP;
    timer_initialise(&timer, look);
    gap_ns = FIRST_GAP_NS;
    if (state != GIVEN_UP && timer_start(&timer, platform_now_ns() + gap_ns) != 0) {
        PANIC("no memory for the clock's timer");
    }
    dispatch_register_source(&source);
}

static const struct component clock_component = {.steps = {[NODE_READY] = start}};
COMPONENT(clock_component);
