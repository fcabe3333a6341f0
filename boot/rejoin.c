/* SPDX-License-Identifier: MIT */
/*
 * What a core does between two lives of its node. All that have failed do it at the same time, in
 * the same image: each writes its own plan, its own node's memory and nothing else. What others
 * write meanwhile on status pages is read once a look, by libc/core/mmio.h.
 */
#include "boot/rejoin.h"

#include <stdarg.h>

#include "boot/entropy.h"
#include "boot/firmware_lapic.h"
#include "boot/image.h"
#include "boot/mark_shared.h"
#include "boot/node_addresses.h"
#include "boot/node_image.h"
#include "boot/probe.h"
#include "boot/start_node.h"
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/node.h"
#include "kernel/x86/interrupt.h"
#include "kernel/x86/trap.h"
#include "libc/core/bits.h"
#include "libc/core/cpu.h"
#include "libc/core/format.h"
#include "libc/core/lapic.h"
#include "libc/core/line_ring.h"
#include "libc/core/mmio.h"
#include "libc/core/multiply_divide.h"

#define GATE_COUNT      256u
#define EXCEPTION_COUNT 32u

#define LAPIC_SVR          0x0F0
#define SVR_ENABLE         BIT(8)
#define LAPIC_LVT_TIMER    0x320 /* as written here: one shot, not masked */
#define LAPIC_TIMER_DIVIDE 0x3E0
#define DIVIDE_BY_16       0x3

/* How a core waits for the others: at first by looking, for they are awake and will soon be done;
 * then between looks it halts, first shortly. Chosen: there may be more cores than the host has,
 * and one that looks for long keeps from running those that it waits for. */
#define LOOK_NS        (100 * NS_PER_US)
#define SHORT_HALT_NS  (250 * NS_PER_US)
#define SHORT_HALTS_NS (20 * NS_PER_MS)
#define LONG_HALT_NS   (10 * NS_PER_MS)
/* So long without an answer is worth a line. */
#define SILENCE_NS     NS_PER_S

struct core {
    uint32_t apic_id;
    uint64_t stack_top;
};

_Static_assert(offsetof(struct core, apic_id) == REJOIN_CORE_APIC_ID &&
                   offsetof(struct core, stack_top) == REJOIN_CORE_STACK &&
                   sizeof(struct core) == REJOIN_CORE_BYTES,
               "rejoin.S");

extern const char rejoin_machine_check[];
extern const char rejoin_nmi[];
extern const char rejoin_interrupt[];
extern const char rejoin_exception[];

CALLED_FROM_OUTSIDE BOOT_DATA struct core rejoin_cores[NODE_MAX];
CALLED_FROM_OUTSIDE uint32_t rejoin_core_count;
CALLED_FROM_OUTSIDE BOOT_DATA struct trap_gate rejoin_idt[GATE_COUNT];
static const struct node_layout *layout;
static bool is_never_delayed;

void rejoin_prepare(struct node_layout *all, bool is_at_once)
{
    layout = all;
    is_never_delayed = is_at_once;
    all->leave = rejoin_leave;
    all->startup_page = start_node_page();
    rejoin_core_count = all->node_count;
    for (unsigned i = 0; i < all->node_count; i++) {
        rejoin_cores[i] =
            (struct core){all->places[i].apic_id, (uintptr_t)node_image_stack_top(&all->plans[i])};
    }
    for (unsigned vector = 0; vector < GATE_COUNT; vector++) {
        rejoin_idt[vector] =
            trap_gate_to(vector < EXCEPTION_COUNT ? rejoin_exception : rejoin_interrupt, 0);
    }
    rejoin_idt[VECTOR_NMI] = trap_gate_to(rejoin_nmi, 0);
    rejoin_idt[VECTOR_MACHINE_CHECK] = trap_gate_to(rejoin_machine_check, 0);
}

CALLED_FROM_OUTSIDE void rejoin_end_interrupt(void);
void rejoin_end_interrupt(void)
{
    lapic_end_interrupt();
}

/* --- Time --- */

/* As the node counts it, but for what it knows better later. */
static uint64_t now_ns(const struct node_plan *plan)
{
    uint64_t zero = node_info.clock.tsc_at_zero + (uint64_t)plan->tsc_offset;

    return (uint64_t)((unsigned __int128)(cpu_read_tsc() - zero) * node_info.clock.ns_per_tick >>
                      CLOCK_FRACTION_BITS);
}

static void halt_for(uint64_t wait_ns)
{
    if (node_info.clock.lapic_timer_hz == 0) {
        cpu_pause(); /* one that counts towards a TSC alone */
        return;
    }
    uint64_t counts = multiply_divide(wait_ns, node_info.clock.lapic_timer_hz, NS_PER_S) + 1;

    lapic_write(LAPIC_LVT_TIMER, INTERRUPT_VECTOR_TIMER);
    lapic_timer_start(counts < UINT32_MAX ? (uint32_t)counts : UINT32_MAX);
    __asm__ volatile("sti; hlt; cli" : : : "memory");
    lapic_timer_start(0);
}

/* --- To and from the other nodes --- */

static struct status_page *status_of(unsigned node)
{
    return node_image_status(&layout->plans[node]);
}

static bool lives(unsigned node)
{
    uint32_t state = mmio_read32(&status_of(node)->state, 0);

    return state == NODE_STARTING || state == NODE_RUNNING;
}

static void send_attention(unsigned own)
{
    for (unsigned i = 0; i < layout->node_count; i++) {
        if (i != own && mmio_read32(&status_of(i)->state, 0) == NODE_RUNNING) {
            lapic_send(layout->places[i].apic_id, LAPIC_INTERRUPT(INTERRUPT_VECTOR_ATTENTION));
        }
    }
}

/* A line behind what the node itself has logged. */
static void say(unsigned node, const char *format, ...) PRINTF_LIKE(2, 3);
static void say(unsigned node, const char *format, ...)
{
    struct status_page *status = status_of(node);
    uint64_t now_us = now_ns(&layout->plans[node]) / NS_PER_US;
    char line[LOG_LINE_MAX_BYTES];
    struct output output;
    va_list arguments;

    output_start(&output, line, sizeof(line));
    format_append(&output, "[%5lu.%06lu] node%u boot: ", now_us / 1000000, now_us % 1000000, node);
    va_start(arguments, format);
    format_append_v(&output, format, arguments);
    va_end(arguments);
    size_t length = output_fitting_bytes(&output);
    uint32_t written = status->log_written;

    line[length++] = '\n';
    (void)line_ring_write((struct line_ring){status->log, STATUS_LOG_BYTES}, written, line, length,
                          written);
    mmio_write32(&status->log_written, 0, written + (uint32_t)length);
    send_attention(node);
}

/* The first other node that lives, is not passed over and has not let go of this one; NODE_NONE:
 * there is none. */
static node_id_t find_holder(unsigned node, const struct node_set *passed)
{
    for (unsigned i = 0; i < layout->node_count; i++) {
        if (i != node && lives(i) && !node_set_has(passed, i) &&
            mmio_read32(&status_of(i)->for_nodes[node].released, 0) !=
                layout->plans[node].incarnation) {
            return (node_id_t)i;
        }
    }
    return NODE_NONE;
}

/* --- One that neither works nor can be stopped --- */

static uint64_t rounds_of(unsigned node)
{
    return mmio_read64(&status_of(node)->counters[COUNTER_DISPATCH_ROUNDS], 0);
}

static bool has_declared_dead(unsigned node, unsigned other)
{
    uint64_t word = mmio_read64(&status_of(node)->declared_dead.words[other / 64], 0);

    return (word >> other % 64 & 1) != 0;
}

/* By the word of any that lives, or by what this node has said. */
static bool is_given_up(unsigned holder, unsigned node)
{
    for (unsigned i = 0; i < layout->node_count; i++) {
        if (i != holder && (i == node || lives(i)) && has_declared_dead(i, holder)) {
            return true;
        }
    }
    return false;
}

/* Of the one that this node waits for, which was interrupted: it does not go round. */
struct silence {
    node_id_t holder;
    uint64_t rounds;
    uint64_t since_ns;
};

/* For so long that it is not waited for any more. Who was passed over once is passed over by all
 * that die later, as long as it has not gone round. */
static bool is_silent(struct silence *silence, node_id_t holder, unsigned node, uint64_t now)
{
    uint64_t rounds = rounds_of(holder);

    if (silence->holder != holder || silence->rounds != rounds) {
        *silence = (struct silence){holder, rounds, now};
    }
    return is_given_up(holder, node) && (now - silence->since_ns >= SILENCE_NS ||
                                         layout->plans[holder].passed_over_rounds == rounds + 1);
}

/* It would only write to this node's memory if it went on, and then it ends first. */
static void pass_over(struct node_set *passed, const struct silence *silence, unsigned node)
{
    node_image_cut_off(layout, silence->holder, node);
    node_set_add(passed, silence->holder);
    layout->plans[silence->holder].passed_over_rounds = silence->rounds + 1;
    say(node, "node%u, which does nothing, is not waited for", silence->holder);
}

/* Returns those that are passed over. */
static struct node_set wait_until_released(unsigned node)
{
    const struct node_plan *plan = &layout->plans[node];
    uint64_t start_ns = now_ns(plan);
    struct node_set passed = {{0}};
    struct silence silence = {.holder = NODE_NONE};
    bool has_said = false;

    for (node_id_t holder; (holder = find_holder(node, &passed)) != NODE_NONE;) {
        uint64_t waited_ns = now_ns(plan) - start_ns;

        if (waited_ns < LOOK_NS) {
            cpu_pause();
            continue;
        }
        if (is_silent(&silence, holder, node, now_ns(plan))) {
            pass_over(&passed, &silence, node);
            continue;
        }
        if (waited_ns >= SILENCE_NS && !has_said) {
            has_said = true;
            say(node, "down until node%u has let go of it", holder);
        }
        halt_for(waited_ns < SHORT_HALTS_NS ? SHORT_HALT_NS : LONG_HALT_NS);
    }
    return passed;
}

/* Who was passed over is given up by the next life as well, as it was by the others, unless it has
 * gone round since. Without that word they might no longer be most of those that live, and the node
 * would take the silent one for alive, and for the console's owner, until it had watched it itself.
 */
static void give_up(struct status_page *status, const struct node_set *passed)
{
    status->declared_dead = (struct node_set){{0}};
    NODE_SET_EACH(passed, node)
    {
        if (layout->plans[node].passed_over_rounds == rounds_of(node) + 1) {
            node_set_add(&status->declared_dead, node);
        }
    }
}

/* Who has it stops what is a dead node's. If nobody has, the card may still write to memory that is
 * about to be used again. */
static bool is_card_in_hand(void)
{
    for (unsigned i = 0; i < layout->node_count; i++) {
        if (lives(i) && mmio_read64(&status_of(i)->words[STATUS_WORD_DEVICE], 0) != 0) {
            return true;
        }
    }
    return false;
}

static void wait_for(const struct node_plan *plan, uint64_t wait_ns)
{
    uint64_t end_ns = now_ns(plan) + wait_ns;

    for (uint64_t now = now_ns(plan); now < end_ns; now = now_ns(plan)) {
        halt_for(end_ns - now < LONG_HALT_NS ? end_ns - now : LONG_HALT_NS);
    }
}

/* --- From one life to the next --- */

/* Whatever the node has left there. Who fails in failing has not said yet that it is dead. */
static void declare(unsigned node, enum node_state state)
{
    struct status_page *status = status_of(node);

    mmio_write32(&status->incarnation, 0, layout->plans[node].incarnation);
    mmio_write32(&status->state, 0, state);
    /* Before the look at who has let go: see status_welcome(). */
    __asm__ volatile("mfence" : : : "memory");
    send_attention(node);
}

static bool is_wanted(unsigned node)
{
    for (unsigned i = 0; i < layout->node_count; i++) {
        if (i != node && lives(i) &&
            mmio_read32(&status_of(i)->for_nodes[node].wanted, 0) ==
                layout->plans[node].incarnation) {
            return true;
        }
    }
    return false;
}

/* Without a timer: who wants the node says so on its status page, then sends an interrupt. One that
 * comes between the look and the halt is pending, and ends that. */
static void sleep_until_wanted(unsigned node)
{
    lapic_timer_start(0);
    while (!is_wanted(node)) {
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    }
}

/* A failure, as the node says or does not say. */
static void delay_after_death(unsigned node, uint64_t died_ns)
{
    struct node_plan *plan = &layout->plans[node];

    if (is_never_delayed) {
        plan->history.recent_deaths = 0;
    }
    uint64_t delay_ns = rejoin_delay_ns(&plan->history, died_ns);

    if (delay_ns >= REJOIN_DELAY_NS) {
        say(node, "has died %u times of late: down for %lu s", plan->history.recent_deaths,
            (unsigned long)(delay_ns / NS_PER_S));
    }
    wait_for(plan, delay_ns);
}

/* Sleep is no failure: nothing is counted, but two starts stay apart. */
static void park(unsigned node)
{
    struct node_plan *plan = &layout->plans[node];
    uint64_t earliest_ns = plan->history.started_ns + REJOIN_INTERVAL_NS;

    sleep_until_wanted(node);
    uint64_t woken_ns = now_ns(plan);

    wait_for(plan, woken_ns < earliest_ns ? earliest_ns - woken_ns : 0);
}

static uint32_t next_start_order(void)
{
    uint32_t last = 0;

    for (unsigned i = 0; i < layout->node_count; i++) {
        uint32_t order = mmio_read32(&status_of(i)->start_order, 0);

        last = lives(i) && order > last && order < UINT32_MAX - NODE_MAX ? order : last;
    }
    return last + 1;
}

_Noreturn void rejoin_main(uint32_t node)
{
    struct node_plan *plan = &layout->plans[node];
    struct status_page *status = status_of(node);
    uint64_t died_ns = now_ns(plan);

    probe_boot_again(&died_ns);
    lapic_write(LAPIC_SVR, SVR_ENABLE | INTERRUPT_VECTOR_SPURIOUS); /* INIT turns it off */
    lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_16);
    firmware_lapic_take_over();
    if (mmio_read32(&status->state, 0) == NODE_PARKED) {
        declare(node, NODE_PARKED);
        park(node);
    } else {
        declare(node, NODE_DEAD);
        delay_after_death(node, died_ns);
    }
    struct node_set passed = wait_until_released(node);

    if (!is_card_in_hand()) {
        components_run(NODE_GONE);
    }

    mark_rings_private(status, &layout->places[node], layout->node_count);
    plan->died_ns = died_ns;
    plan->incarnation++;
    entropy_renew(plan->kept_secret, plan->random_seed);
    node_addresses_move(layout, node);
    paddr_t root = node_image_build(layout, node);

    if (root == 0) { /* it was enough once */
        cpu_halt_for_ever();
    }
    if (node == 0) {
        node_image_hand_over(plan);
    }
    give_up(status, &passed);
    plan->history.started_ns = now_ns(plan);
    mmio_write32(&status->start_order, 0, next_start_order());
    mmio_write32(&status->incarnation, 0, plan->incarnation);
    mmio_write32(&status->state, 0, NODE_STARTING);
    /* Before the node looks at who is dead: see status_welcome(). */
    __asm__ volatile("mfence" : : : "memory");
    node_image_enter(layout, node);
}
