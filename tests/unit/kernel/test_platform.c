/* SPDX-License-Identifier: MIT */
/* sources: kernel/x86/platform.c libc/core/random.c */
/* flags: -DCPU_FAKE */
/*
 * kernel/x86/platform.c: which core an interrupt goes to, and of which kind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/clock.h"
#include "kernel/x86/cpu.h"
#include "kernel/x86/interrupt.h"
#include "kernel/x86/lapic.h"
#include "kernel/x86/paging.h"
#include "libc/core/pages.h"

#define NODE_COUNT 3

static uint32_t sent_to;
static uint32_t sent; /* 0: nothing */

void platform_panic(const char *file, int line, const char *format, ...)
{
    mock_assert(false, format, file, line);
    abort();
}

void lapic_send(uint32_t apic_id, uint32_t command)
{
    sent_to = apic_id;
    sent = command;
}

/* What the tests do not come to. */
uint64_t interrupt_count(uint8_t vector)
{
    return vector;
}

uint64_t clock_left_out_ns;
uint64_t clock_next_look_ns;

uint64_t clock_leave_out(uint64_t now_ns)
{
    return now_ns;
}

void clock_arm(uint64_t deadline_ns)
{
    (void)deadline_ns;
}

void *pages_allocate(size_t page_count)
{
    (void)page_count;
    return NULL;
}

void pages_release(void *pages, size_t page_count)
{
    (void)pages;
    (void)page_count;
}

uint64_t pages_free_bytes(void)
{
    return 0;
}

struct address_space *paging_own_space(void)
{
    return NULL;
}

int address_space_map(struct address_space *space, uintptr_t vaddr, paddr_t paddr, uint64_t bytes,
                      unsigned flags)
{
    (void)space;
    (void)vaddr;
    (void)paddr;
    (void)bytes;
    (void)flags;
    return -1;
}

paddr_t address_space_translate(const struct address_space *space, uintptr_t vaddr)
{
    (void)space;
    (void)vaddr;
    return ADDRESS_SPACE_NONE;
}

struct cpuid cpu_id(uint32_t leaf, uint32_t subleaf)
{
    (void)leaf;
    (void)subleaf;
    return (struct cpuid){0};
}

uint64_t cpu_read_tsc(void)
{
    return 0;
}

/* --- */

static int begin(void **state)
{
    (void)state;
    static const struct node_place places[NODE_COUNT] = {
        {.apic_id = 40}, {.apic_id = 41}, {.apic_id = 7}};

    node_info = (struct node_info){.node = 1, .node_count = NODE_COUNT, .places = places};
    sent = 0;
    return 0;
}

static void doorbell_and_attention_reach_the_nodes_core(void **state)
{
    (void)state;
    platform_ring_doorbell(2);
    assert_int_equal(sent_to, 7);
    assert_int_equal(sent, LAPIC_INTERRUPT(INTERRUPT_VECTOR_DOORBELL));
    platform_send_attention(0);
    assert_int_equal(sent_to, 40);
    assert_int_equal(sent, LAPIC_INTERRUPT(INTERRUPT_VECTOR_ATTENTION));
}

static void a_node_is_stopped_by_nmi_then_by_init(void **state)
{
    (void)state;
    platform_stop_node(2, false);
    assert_int_equal(sent, LAPIC_NMI);
    assert_int_equal(sent_to, 7);
    platform_stop_node(2, true);
    assert_int_equal(sent, LAPIC_INIT);
    assert_int_equal(sent_to, 7);
}

/* Its core runs firmware after an INIT, and the whole machine starts again. */
static void the_core_that_booted_is_never_reset(void **state)
{
    (void)state;
    platform_stop_node(0, false);
    assert_int_equal(sent, LAPIC_NMI);
    platform_stop_node(0, true);
    assert_int_equal(sent, LAPIC_NMI);
    assert_int_equal(sent_to, 40);
}

static void no_node_interrupts_itself_or_one_that_is_not_there(void **state)
{
    (void)state;
    expect_assert_failure(platform_stop_node(1, false));
    expect_assert_failure(platform_stop_node(NODE_COUNT, false));
    expect_assert_failure(platform_ring_doorbell(1));
    expect_assert_failure(platform_send_attention(NODE_COUNT));
    assert_int_equal(sent, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(doorbell_and_attention_reach_the_nodes_core, begin),
        cmocka_unit_test_setup(a_node_is_stopped_by_nmi_then_by_init, begin),
        cmocka_unit_test_setup(the_core_that_booted_is_never_reset, begin),
        cmocka_unit_test_setup(no_node_interrupts_itself_or_one_that_is_not_there, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
