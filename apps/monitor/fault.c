/* SPDX-License-Identifier: MIT */
/*
 * What a node does that is asked for a fault. The machine is used directly, so there is no telling
 * what a compiler makes of it: wild pointers, and instructions that a Linux process may not execute
 * (it then dies of that).
 *
 * Most end the node. Five do not: messages that make no sense, or orders that it may not give,
 * which their receivers refuse; and for FAULT_PERIOD_NS, no message taken, and no memory to be had.
 */
#include "apps/monitor/fault.h"

#include <string.h>

#include "apps/monitor/messages.h"
#include "apps/monitor/order.h"
#include "apps/monitor/print.h"
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/bits.h"
#include "libc/core/memory.h"
#include "libc/core/numbers.h"
#include "libc/core/timer.h"

/* Chosen: longer than a client's first retransmission, shorter than any limit on idle peers. */
#define FAULT_PERIOD_NS NS_PER_S
/* Chosen: 3 % of the data, so that something in use is hit, and not all at once. */
#define WILD_WRITES     2048u
#define DESCENT_BYTES   256u
#define IDT_BYTES       4096u
#define GATE_WORDS      2u
#define VECTOR_NMI      2u
#define CR3_ADDRESS     BITS(51, 12)

/* --- Ends --- */

static void take_page_fault(uint32_t seed)
{
    const uintptr_t unmapped = 0x10;
    uint8_t value;

    (void)seed;
    __asm__ volatile("movb (%1), %0" : "=q"(value) : "r"(unmapped) : "memory");
}

static void execute_nonsense(uint32_t seed)
{
    (void)seed;
    __asm__ volatile("ud2");
}

/* Until the guard page. The result is used, so that each call has a frame. */
static __attribute__((noinline)) uint32_t descend(uint32_t depth)
{
    uint8_t frame[DESCENT_BYTES];

    __asm__ volatile("" : : "r"(frame) : "memory");
    return depth == 0 ? 0 : descend(depth - 1) + frame[depth % DESCENT_BYTES];
}

static void overflow_stack(uint32_t seed)
{
    (void)descend(UINT32_MAX - seed % 2);
}

MEMORY_KIND(probe_kind, "fault_probe");

/* The tables lie in this node's memory, which is mapped at one distance from where it lies. What is
 * written is what was there: if nothing forbids it, the node has to say so itself. */
static void write_page_tables(uint32_t seed)
{
    uint8_t *probe = memory_allocate_pages(&probe_kind, 1);
    uint64_t root;

    ASSERT(probe != NULL);
    __asm__ volatile("mov %%cr3, %0" : "=r"(root));
    uint64_t *table = (uint64_t *)(probe - platform_bus_addr(probe) + (root & CR3_ADDRESS));
    uint64_t *entry = &table[seed % (PAGE_BYTES / sizeof(*table))];

    __asm__ volatile("movq (%0), %%rax; movq %%rax, (%0)" : : "r"(entry) : "rax", "memory");
    PANIC("its own page tables can be written");
}

/* A loop that nothing ends. */
static void loop_for_ever(uint32_t seed)
{
    (void)seed;
    log_flush_all(); /* this round will not end */
    for (;;) {
        __asm__ volatile("pause");
    }
}

/* Elsewhere a node takes interrupts in its sleep alone: they save no registers. */
static void loop_with_interrupts(uint32_t seed)
{
    (void)seed;
    log_flush_all();
    for (;;) {
        __asm__ volatile("sti; pause" : : : "memory");
    }
}

/* In the place of what handles NMIs: no other comes while it runs. */
static void stay_in_nmi(void)
{
    for (;;) {
        __asm__ volatile("pause");
    }
}

/* SDM 3A figure 6-8. */
static void set_gate_offset(uint64_t *gate, uintptr_t code)
{
    gate[0] = (gate[0] & BITS(47, 16)) | (code & BITS(15, 0)) | (code & BITS(31, 16)) << 32;
    gate[1] = code >> 32;
}

static void become_deaf(uint32_t seed)
{
    static _Alignas(16) uint64_t gates[IDT_BYTES / sizeof(uint64_t)];
    struct __attribute__((packed)) {
        uint16_t limit;
        const void *base;
    } idt;

    __asm__ volatile("sidt %0" : "=m"(idt));
    memcpy(gates, idt.base, idt.limit + 1u < IDT_BYTES ? idt.limit + 1u : IDT_BYTES);
    set_gate_offset(&gates[VECTOR_NMI * GATE_WORDS], (uintptr_t)stay_in_nmi);
    idt.base = gates;
    __asm__ volatile("lidt %0" : : "m"(idt));
    loop_for_ever(seed);
}

/* --- A node gone wild --- */

static uint32_t next_random(uint32_t *state)
{
    /* Marsaglia's xorshift, which has no zero. */
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* Over data and bss, and on: what then happens is what the wrong words do. */
static void write_wildly(uint32_t seed)
{
    extern char __data_start[], _end[]; /* the linker's names */
    size_t words = ((uintptr_t)_end - (uintptr_t)__data_start) / sizeof(uint64_t);
    uint32_t state = seed | 1;

    log_flush_all(); /* it may be the last line */
    for (unsigned i = 0; i < WILD_WRITES; i++) {
        char *place = __data_start + next_random(&state) % words * sizeof(uint64_t);
        uint64_t value = (uint64_t)next_random(&state) << 32 | next_random(&state);

        __asm__ volatile("movq %1, (%0)" : : "r"(place), "r"(value) : "memory");
    }
}

/* To each node that runs. The first opens the channel, and makes sense of its own. */
static void send_to_others(void (*send)(node_id_t to, uint32_t seed), uint32_t seed)
{
    for (unsigned i = 0; i < platform_node_count(); i++) {
        node_id_t node = (node_id_t)i;

        if (node != platform_node() && status_node_state(node) == NODE_RUNNING) {
            send(node, seed);
        }
    }
}

/* A header's length that no message has. Only where the message lies in the other node's channel:
 * what waits here is still read by this one. */
static void damage_length(struct message *message, uint32_t seed)
{
    static const uint16_t lengths[] = {0, 1, sizeof(struct message_header) - 1,
                                       MESSAGE_MAX_BYTES + 1, UINT16_MAX};

    if (own_ring.building == BUILT_IN_CHANNEL && !HAS_SLOW_CHECKS) {
        message->header.length_bytes = lengths[seed % ARRAY_COUNT(lengths)];
    }
}

/* Of a type that nobody handles, and perhaps of an impossible length. */
static void send_corrupt(node_id_t to, uint32_t seed)
{
    struct message *message =
        message_reserve_posted(to, MESSAGE_TYPE_MAX - 1, sizeof(struct message));

    if (seed % 2 != 0) {
        damage_length(message, seed / 2);
    }
    message_publish();
}

static void send_corrupt_messages(uint32_t seed)
{
    send_to_others(send_corrupt, seed);
}

/* Only the header of a type that has more. */
static void send_truncated(node_id_t to, uint32_t seed)
{
    (void)seed;
    (void)message_reserve_posted(to, MESSAGE_FAULT, sizeof(struct message));
    message_publish();
}

static void send_truncated_messages(uint32_t seed)
{
    send_to_others(send_truncated, seed);
}

static void order_to_end(node_id_t to, uint32_t seed)
{
    struct fault_order *order;

    (void)seed;
    (void)message_reserve_posted(to, MESSAGE_STOP_NODE, sizeof(struct message));
    message_publish();
    order = message_reserve_posted(to, MESSAGE_FAULT, sizeof(*order));
    order->kind = FAULT_OPCODE;
    order->victim = to;
    message_publish();
}

/* They obey who has the console. */
static void order_others_to_end(uint32_t seed)
{
    if (log_is_console_owner()) {
        log_warning("monitor", "its orders are rightful: none is given");
    } else {
        send_to_others(order_to_end, seed);
    }
}

/* The event loop seems to go round, and nothing that is sent here is taken. */
static void take_no_message(uint32_t seed)
{
    uint64_t end_ns = platform_now_ns() + FAULT_PERIOD_NS;

    (void)seed;
    log_flush_all();
    while (platform_now_ns() < end_ns) {
        counter_increment(COUNTER_DISPATCH_ROUNDS);
        __asm__ volatile("pause");
    }
}

/* --- No memory --- */

/* What is taken, in a list: each block begins so. */
struct taken_pages {
    struct taken_pages *next;
    size_t page_count;
};

MEMORY_KIND(taken_kind, "fault_taken");

static struct taken_pages *take_all_pages(void)
{
    struct taken_pages *all = NULL;

    for (size_t page_count = (size_t)1 << 20; page_count > 0; page_count /= 2) {
        struct taken_pages *taken;

        while ((taken = memory_allocate_pages(&taken_kind, page_count)) != NULL) {
            taken->next = all;
            taken->page_count = page_count;
            all = taken;
        }
    }
    return all;
}

static struct taken_pages *taken_all;

static void give_back_pages(struct timer *timer)
{
    (void)timer;
    while (taken_all != NULL) {
        struct taken_pages *taken = taken_all;

        taken_all = taken->next;
        memory_release_pages(&taken_kind, taken, taken->page_count);
    }
}

static struct timer give_back_timer;

static void run_out_of_memory(uint32_t seed)
{
    (void)seed;
    if (taken_all == NULL) {
        taken_all = take_all_pages();
    }
    if (timer_start(&give_back_timer, platform_now_ns() + FAULT_PERIOD_NS) != 0) {
        give_back_pages(&give_back_timer);
    }
}

/* --- Orders --- */

static const struct {
    const char *name;
    const char *what;
    void (*run)(uint32_t seed); /* NULL: another node does it to this one */
} kinds[FAULT_KIND_COUNT] = {
    [FAULT_PAGE] = {"page", "a page fault", take_page_fault},
    [FAULT_OPCODE] = {"opcode", "an undefined instruction", execute_nonsense},
    [FAULT_STACK] = {"stack", "a stack overflow", overflow_stack},
    [FAULT_TABLES] = {"tables", "a write to its page tables", write_page_tables},
    [FAULT_WILD] = {"wild", "wild writes over its data", write_wildly},
    [FAULT_LOOP] = {"loop", "an endless loop", loop_for_ever},
    [FAULT_LOOP_OPEN] = {"open", "an endless loop with interrupts on", loop_with_interrupts},
    [FAULT_DEAF] = {"deaf", "an endless loop that is deaf to NMIs", become_deaf},
    [FAULT_MESSAGE] = {"message", "corrupt messages to all others", send_corrupt_messages},
    [FAULT_TRUNCATED] = {"truncated", "truncated messages to all others", send_truncated_messages},
    [FAULT_ORDER] = {"order", "orders to all others to end", order_others_to_end},
    [FAULT_FULL] = {"full", "a second without taking a message", take_no_message},
    [FAULT_MEMORY] = {"memory", "a second without memory", run_out_of_memory},
    [FAULT_NMI] = {"nmi", "an NMI", NULL},
    [FAULT_RESET] = {"reset", "a reset of its core", NULL},
};

/* MESSAGE_FAULT. */
static void handle_fault(node_id_t from, const struct message *message)
{
    const struct fault_order *order = (const struct fault_order *)message;
    bool is_of_another = order->victim != platform_node();

    if (!order_is_rightful(from)) {
        return;
    }
    if (order->kind >= FAULT_KIND_COUNT || order->victim >= platform_node_count() ||
        is_of_another != (kinds[order->kind].run == NULL)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    log_warning("monitor", "node %u asks for %s", from, kinds[order->kind].what);
    if (is_of_another) {
        platform_stop_node(order->victim, order->kind == FAULT_RESET);
    } else {
        kinds[order->kind].run(order->seed);
    }
}

/* NODE_NONE: there is none. */
static node_id_t find_another(node_id_t node)
{
    for (unsigned i = 0; i < platform_node_count(); i++) {
        if (i != node && status_node_state((node_id_t)i) == NODE_RUNNING) {
            return (node_id_t)i;
        }
    }
    return NODE_NONE;
}

void fault_ask(node_id_t node, enum fault_kind kind, uint32_t seed)
{
    node_id_t to = kinds[kind].run != NULL ? node : find_another(node);
    struct fault_order *order;

    ASSERT(node < platform_node_count());
    if (to == NODE_NONE) {
        monitor_print("there is no other node\n");
        return;
    }
    order = message_reserve_posted(to, MESSAGE_FAULT, sizeof(*order));
    order->kind = kind;
    order->seed = seed;
    order->victim = node;
    message_publish();
}

static void list_kinds(void)
{
    monitor_print("fault KIND N [SEED], and what node N is asked for:\n");
    for (unsigned i = 0; i < FAULT_KIND_COUNT; i++) {
        monitor_print("  %-10s %s\n", kinds[i].name, kinds[i].what);
    }
}

/* A word that ends at a space or the text's end; *text moves to the next one. */
static size_t take_word(const char **text)
{
    size_t length = strcspn(*text, " ");

    *text += length;
    *text += strspn(*text, " ");
    return length;
}

static bool find_kind(const char *word, size_t length, enum fault_kind *kind)
{
    for (unsigned i = 0; i < FAULT_KIND_COUNT; i++) {
        if (strlen(kinds[i].name) == length && memcmp(kinds[i].name, word, length) == 0) {
            *kind = (enum fault_kind)i;
            return true;
        }
    }
    return false;
}

void fault_command(const char *argument)
{
    const char *kind_word = argument;
    size_t kind_length = take_word(&argument);
    const char *node_word = argument;
    size_t node_length = take_word(&argument);
    enum fault_kind kind;
    uint64_t node, seed = 1;

    if (!find_kind(kind_word, kind_length, &kind)) {
        list_kinds();
    } else if (number_parse(node_word, node_length, 10, platform_node_count() - 1, &node) != 0) {
        monitor_print("there is no node `%.*s`\n", (int)node_length, node_word);
    } else if (*argument != '\0' &&
               number_parse(argument, strlen(argument), 10, UINT32_MAX, &seed) != 0) {
        monitor_print("`%s` is no seed\n", argument);
    } else {
        fault_ask((node_id_t)node, kind, (uint32_t)seed);
    }
}

static void register_handlers(void)
{
    timer_initialise(&give_back_timer, give_back_pages);
    dispatch_register_message(MESSAGE_FAULT, sizeof(struct fault_order), handle_fault);
}

static const struct component fault_component = {.steps = {[NODE_READY] = register_handlers}};
COMPONENT(fault_component);
