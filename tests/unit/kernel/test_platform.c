/* SPDX-License-Identifier: MIT */
/* sources: kernel/x86/platform.c libc/core/random.c tests/unit/world/panic.c */
/* sources: tests/unit/world/privileged.c */
/* flags: -DCPU_FAKE */
/*
 * kernel/x86/platform.c: which core an interrupt goes to, and of which kind; what memory, stacks
 * and modules a node has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/clock.h"
#include "kernel/x86/interrupt.h"
#include "kernel/x86/layout.h"
#include "kernel/x86/paging.h"
#include "libc/core/cpu.h"
#include "libc/core/lapic.h"
#include "libc/core/pages.h"
#include "tests/unit/world/privileged.h"

#define NODE_COUNT 3

static uint32_t sent_to;
static uint32_t sent; /* 0: nothing */

void lapic_send(uint32_t apic_id, uint32_t command)
{
    sent_to = apic_id;
    sent = command;
}

static bool is_x2apic;
static paddr_t mapped_paddr;
static void *lapic_registers; /* as it was switched on with */
static char page[1];

bool lapic_has_x2apic(void)
{
    return is_x2apic;
}

uint64_t lapic_page(void)
{
    return 0xF0FEE00000;
}

void *paging_map_device(paddr_t paddr, size_t bytes)
{
    assert_int_equal(bytes, PAGE_BYTES);
    mapped_paddr = paddr;
    return page;
}

void lapic_initialise(void *registers, uint8_t timer, uint8_t spurious)
{
    lapic_registers = registers;
    assert_int_equal(timer, INTERRUPT_VECTOR_TIMER);
    assert_int_equal(spurious, INTERRUPT_VECTOR_SPURIOUS);
}

static uint64_t timer_count, other_count;
static unsigned timers_in_sleep, others_in_sleep; /* interrupts that the next sleep lets in */

uint64_t interrupt_count(uint8_t vector)
{
    if (vector == INTERRUPT_VECTOR_TIMER) {
        return timer_count;
    }
    if (vector == INTERRUPT_ANY) {
        return timer_count + other_count;
    }
    assert_int_equal(vector, INTERRUPT_VECTOR_ATTENTION);
    return 17;
}

uint64_t clock_left_out_ns;
int64_t clock_offset_ns;
uint64_t clock_next_look_ns;

uint64_t clock_leave_out(uint64_t at_ns, uint64_t resumed_ns)
{
    (void)resumed_ns;
    return at_ns;
}

static uint64_t armed_ns;
static unsigned woken_after; /* so many sleeps */

#define WOKEN_NS 4321

void clock_arm(uint64_t deadline_ns, uint64_t at_ns)
{
    assert_int_equal(privileged.sleep_count, 0);
    (void)at_ns;
    armed_ns = deadline_ns;
}

uint64_t clock_woken(void)
{
    woken_after = privileged.sleep_count;
    timer_count += timers_in_sleep;
    other_count += others_in_sleep;
    return WOKEN_NS;
}

/* Addresses, as boot may have drawn them. */
#define DIRECT_MAP       0xFFFF9A3BC0000000
#define DIRECT_MAP_BYTES 0x40000000
#define STATUS_PAGES     0xFFFF812345678000
#define ARCHIVE          0xFFFFC04321000000
#define STACKS           0xFFFFDEADBEEFF000

/* Memory: pages in a row from FIRST_PAGE on, so many; what was mapped where. */
#define FIRST_PAGE  (DIRECT_MAP + 0x100000)
#define STACK_PAGES (THREAD_STACK_BYTES / PAGE_BYTES)

static unsigned pages_left, pages_taken;
static struct {
    uintptr_t vaddr;
    paddr_t paddr;
} mapped[4 * STACK_PAGES];
static unsigned mapped_count, mappings_left;

void *pages_allocate(size_t page_count)
{
    if (page_count > pages_left) {
        return NULL;
    }
    pages_left -= (unsigned)page_count;
    pages_taken += (unsigned)page_count;
    return (void *)(FIRST_PAGE + (pages_taken - page_count) * PAGE_BYTES);
}

void *pages_allocate_raw(size_t page_count, unsigned align_order)
{
    assert_int_equal(align_order, 0);
    return pages_allocate(page_count);
}

void pages_release(void *pages, size_t page_count)
{
    assert_ptr_equal(pages, FIRST_PAGE);
    pages_left += (unsigned)page_count;
}

uint64_t pages_free_bytes(void)
{
    return pages_left * (uint64_t)PAGE_BYTES;
}

static struct address_space own_space;

struct address_space *paging_own_space(void)
{
    return &own_space;
}

int guarded_space_map(struct address_space *space, uintptr_t vaddr, paddr_t paddr, uint64_t bytes,
                      unsigned flags)
{
    assert_ptr_equal(space, &own_space);
    assert_int_equal(bytes, PAGE_BYTES);
    assert_int_equal(flags, PAGING_WRITE);
    if (mappings_left == 0) {
        return -1;
    }
    mappings_left--;
    assert_true(mapped_count < ARRAY_COUNT(mapped));
    mapped[mapped_count].vaddr = vaddr;
    mapped[mapped_count++].paddr = paddr;
    return 0;
}

paddr_t address_space_translate(const struct address_space *space, uintptr_t vaddr)
{
    assert_ptr_equal(space, &own_space);
    for (unsigned i = 0; i < mapped_count; i++) {
        if (vaddr - mapped[i].vaddr < PAGE_BYTES) {
            return mapped[i].paddr + (vaddr - mapped[i].vaddr);
        }
    }
    return ADDRESS_SPACE_NONE;
}

struct cpuid cpu_id(uint32_t leaf, uint32_t subleaf)
{
    (void)leaf;
    (void)subleaf;
    return (struct cpuid){0};
}

static uint64_t tsc;

uint64_t cpu_read_tsc(void)
{
    return tsc;
}

/* --- */

static int begin(void **state)
{
    (void)state;
    static const struct node_place places[NODE_COUNT] = {
        {.apic_id = 40}, {.apic_id = 41}, {.apic_id = 7}};

    node_info = (struct node_info){.node = 1,
                                   .node_count = NODE_COUNT,
                                   .places = places,
                                   .map = {.direct_map = DIRECT_MAP,
                                           .direct_bytes = DIRECT_MAP_BYTES,
                                           .status_pages = STATUS_PAGES,
                                           .archive = ARCHIVE}};
    sent = 0;
    pages_left = mappings_left = UINT32_MAX;
    pages_taken = mapped_count = 0;
    tsc = 0;
    clock_left_out_ns = clock_next_look_ns = 0;
    clock_offset_ns = 0;
    privileged = (struct privileged){0};
    armed_ns = woken_after = 0;
    return 0;
}

static void a_node_knows_its_number_and_how_many_there_are(void **state)
{
    (void)state;
    assert_int_equal(platform_node(), 1);
    assert_int_equal(platform_node_count(), NODE_COUNT);
}

static void memory_that_is_free_is_the_nodes_own(void **state)
{
    (void)state;
    pages_left = 3;
    assert_int_equal(platform_free_memory_bytes(), 3 * PAGE_BYTES);
}

/* Below each stack a page stays unmapped: what grows beyond its end faults. */
static void a_stack_lies_above_a_page_that_is_not_mapped(void **state)
{
    uintptr_t first, second;

    (void)state;
    node_info.stacks_end = STACKS;
    first = (uintptr_t)platform_allocate_stack();
    second = (uintptr_t)platform_allocate_stack();
    assert_int_equal(first, STACKS + PAGE_BYTES);
    assert_int_equal(second, first + THREAD_STACK_BYTES + PAGE_BYTES);
    assert_int_equal(mapped_count, 2 * STACK_PAGES);
    for (unsigned i = 0; i < mapped_count; i++) {
        uintptr_t stack = i < STACK_PAGES ? first : second;

        assert_int_equal(mapped[i].vaddr, stack + i % STACK_PAGES * PAGE_BYTES);
        assert_int_equal(mapped[i].paddr, FIRST_PAGE - DIRECT_MAP + i * PAGE_BYTES);
    }
}

static void assert_next_stack_lies_above(uintptr_t used_end)
{
    uintptr_t stack;

    pages_left = mappings_left = UINT32_MAX;
    stack = (uintptr_t)platform_allocate_stack();
    assert_int_equal(stack, used_end + PAGE_BYTES);
}

static void a_stack_without_memory_leaves_what_was_mapped_out_of_use(void **state)
{
    (void)state;
    node_info.stacks_end = STACKS;
    pages_left = STACK_PAGES - 1;
    assert_null(platform_allocate_stack());
    assert_next_stack_lies_above(STACKS + THREAD_STACK_BYTES);
}

static void a_stack_without_memory_for_its_tables_is_none(void **state)
{
    (void)state;
    node_info.stacks_end = STACKS;
    mappings_left = 0;
    assert_null(platform_allocate_stack());
    assert_next_stack_lies_above(STACKS + PAGE_BYTES);
}

static void devices_find_memory_stacks_and_modules_where_they_lie(void **state)
{
    uintptr_t stack;

    (void)state;
    node_info.modules[0] =
        (struct module){.paddr = 0x5000000, .shown.start = (void *)ARCHIVE, .shown.bytes = 0x2000};
    node_info.modules[1] = (struct module){
        .paddr = 0x7000000, .shown.start = (void *)(ARCHIVE + 0x2000), .shown.bytes = 0x1000};
    node_info.module_count = 2;
    node_info.archive_bytes = 0x3000;
    node_info.stacks_end = STACKS;
    assert_int_equal(platform_bus_addr((void *)DIRECT_MAP), 0);
    assert_int_equal(platform_bus_addr((void *)(DIRECT_MAP + 0x1234)), 0x1234);
    expect_assert_failure(platform_bus_addr((void *)(DIRECT_MAP + DIRECT_MAP_BYTES)));
    assert_int_equal(platform_bus_addr((void *)(ARCHIVE + 0x1FFF)), 0x5001FFF);
    assert_int_equal(platform_bus_addr((void *)(ARCHIVE + 0x2000)), 0x7000000);
    assert_int_equal(platform_bus_addr((void *)(ARCHIVE + 0x2FFF)), 0x7000FFF);
    assert_int_equal(platform_bus_addr((void *)ARCHIVE), 0x5000000);
    /* At once in own memory and in the module of the byte before. */
    assert_int_equal(platform_bus_addr_at_once((void *)(DIRECT_MAP + 0x1234)), 0x1234);
    assert_int_equal(platform_bus_addr_at_once((void *)(ARCHIVE + 1)), 0x5000001);
    assert_true(platform_bus_addr_at_once((void *)(ARCHIVE + 0x2000)) == BUS_ADDR_NONE);
    stack = (uintptr_t)platform_allocate_stack();
    assert_true(platform_bus_addr_at_once((void *)(stack + 5)) == BUS_ADDR_NONE);
    assert_int_equal(platform_bus_addr((void *)(stack + 5)), FIRST_PAGE - DIRECT_MAP + 5);
    expect_assert_failure(platform_bus_addr((void *)(ARCHIVE + 0x3000)));
}

static void there_are_so_many_modules_and_no_more(void **state)
{
    (void)state;
    node_info.module_count = 2;
    assert_ptr_equal(platform_module(1), &node_info.modules[1].shown);
    assert_null(platform_module(2));
}

static void without_a_console_nothing_is_printed(void **state)
{
    (void)state;
    assert_int_equal(platform_console->print(), 0);
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

/* --- Time, and what ends it --- */

#define DEADLINE_NS 5000

static bool was_only_timer;
static uint64_t now_ns;

static void sleep_until_deadline(void)
{
    now_ns = platform_now_ns();
    was_only_timer = platform_sleep(DEADLINE_NS, &now_ns);
}

static void set_now_ns(uint64_t time_ns)
{
    clock_next_look_ns = UINT64_MAX; /* it has not stood still */
    clock_offset_ns = (int64_t)time_ns;
}

/* Interrupts come in the sleep, and only there. */
static void a_sleep_arms_the_timer_and_ends_with_interrupts_off(void **state)
{
    (void)state;
    set_now_ns(DEADLINE_NS - 1);
    assert_true(privileged_call(sleep_until_deadline));
    assert_int_equal(armed_ns, DEADLINE_NS);
    assert_int_equal(privileged.sleep_count, 1);
    assert_false(privileged.has_interrupts);
    assert_int_equal(woken_after, 1);
    assert_int_equal(now_ns, WOKEN_NS);
}

static void nobody_sleeps_when_the_deadline_has_come(void **state)
{
    (void)state;
    set_now_ns(DEADLINE_NS);
    assert_true(privileged_call(sleep_until_deadline));
    assert_int_equal(privileged.sleep_count, 0);
    assert_int_equal(armed_ns, 0);
    assert_int_equal(now_ns, DEADLINE_NS);
}

/* One whose doorbell rings as its timer fires has work; an NMI is no interrupt that is counted. */
static void only_a_sleep_that_the_timer_alone_has_ended_may_go_on(void **state)
{
    static const struct {
        unsigned timers, others;
        bool is_only_timer;
    } sleeps[] = {{1, 0, true}, {0, 1, false}, {1, 1, false}, {0, 0, false}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(sleeps); i++) {
        privileged.sleep_count = 0;
        set_now_ns(DEADLINE_NS - 1);
        timers_in_sleep = sleeps[i].timers;
        others_in_sleep = sleeps[i].others;
        (void)privileged_call(sleep_until_deadline);
        assert_int_equal(was_only_timer, sleeps[i].is_only_timer);
    }
    timers_in_sleep = others_in_sleep = 0;
}

static void times_are_those_of_the_clock(void **state)
{
    (void)state;
    set_now_ns(1234);
    clock_left_out_ns = 77;
    node_info.clock.boot_epoch_s = 1700000000;
    assert_int_equal(platform_now_ns(), 1234);
    assert_int_equal(platform_standstill_ns(), 77);
    assert_int_equal(platform_boot_epoch_s(), 1700000000);
}

static void attentions_are_counted_where_interrupts_are(void **state)
{
    (void)state;
    assert_int_equal(platform_attention_count(), 17);
}

static void the_nodes_end_is_a_halt_without_interrupts(void **state)
{
    (void)state;
    assert_false(privileged_call(platform_halt));
    assert_int_equal(privileged.sleep_count, 0);
}

static void status_pages_lie_in_their_slots(void **state)
{
    (void)state;
    assert_int_equal(platform_status_page(0), STATUS_PAGES);
    assert_int_equal(platform_status_page(2), STATUS_PAGES + 2 * STATUS_SLOT_BYTES);
}

static void the_archive_and_the_command_line_are_where_boot_left_them(void **state)
{
    (void)state;
    memcpy(node_info.command_line, "net=dhcp", sizeof("net=dhcp"));
    node_info.archive_bytes = 0x3000;
    assert_string_equal(platform_command_line(), "net=dhcp");
    assert_int_equal(platform_archive_start(), ARCHIVE);
    assert_int_equal(platform_archive_bytes(), 0x3000);
}

/* Whoever reads the memory of a node finds no seed from which its secrets could be made again. */
static void random_numbers_come_of_the_seed_of_which_nothing_is_left(void **state)
{
    static const uint8_t nothing[sizeof(node_info.random_seed)];
    uint64_t first;

    (void)state;
    memset(node_info.random_seed, 0xA5, sizeof(node_info.random_seed));
    first = platform_random();
    assert_memory_equal(node_info.random_seed, nothing, sizeof(nothing));
    assert_int_not_equal(platform_random(), first);
}

static void the_local_apics_page_is_a_devices_and_no_pci_functions(void **state)
{
    const struct owned_range *range;

    (void)state;
    is_x2apic = false;
    interrupt_initialise();
    assert_int_equal(mapped_paddr, 0xF0FEE00000);
    assert_ptr_equal(lapic_registers, page);
    range = ranges_find(&node_info.machine.devices, 0xF0FEE00000, PAGE_BYTES);
    assert_non_null(range);
    assert_int_equal(range->owner, 0);
}

static void an_x2apic_has_no_page(void **state)
{
    (void)state;
    is_x2apic = true;
    mapped_paddr = 0;
    lapic_registers = page;
    interrupt_initialise();
    assert_int_equal(mapped_paddr, 0);
    assert_null(lapic_registers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(doorbell_and_attention_reach_the_nodes_core, begin),
        cmocka_unit_test_setup(a_node_is_stopped_by_nmi_then_by_init, begin),
        cmocka_unit_test_setup(the_core_that_booted_is_never_reset, begin),
        cmocka_unit_test_setup(no_node_interrupts_itself_or_one_that_is_not_there, begin),
        cmocka_unit_test_setup(a_node_knows_its_number_and_how_many_there_are, begin),
        cmocka_unit_test_setup(memory_that_is_free_is_the_nodes_own, begin),
        cmocka_unit_test_setup(a_stack_lies_above_a_page_that_is_not_mapped, begin),
        cmocka_unit_test_setup(a_stack_without_memory_leaves_what_was_mapped_out_of_use, begin),
        cmocka_unit_test_setup(a_stack_without_memory_for_its_tables_is_none, begin),
        cmocka_unit_test_setup(devices_find_memory_stacks_and_modules_where_they_lie, begin),
        cmocka_unit_test_setup(there_are_so_many_modules_and_no_more, begin),
        cmocka_unit_test_setup(without_a_console_nothing_is_printed, begin),
        cmocka_unit_test_setup(a_sleep_arms_the_timer_and_ends_with_interrupts_off, begin),
        cmocka_unit_test_setup(nobody_sleeps_when_the_deadline_has_come, begin),
        cmocka_unit_test_setup(only_a_sleep_that_the_timer_alone_has_ended_may_go_on, begin),
        cmocka_unit_test_setup(times_are_those_of_the_clock, begin),
        cmocka_unit_test_setup(attentions_are_counted_where_interrupts_are, begin),
        cmocka_unit_test_setup(the_nodes_end_is_a_halt_without_interrupts, begin),
        cmocka_unit_test_setup(status_pages_lie_in_their_slots, begin),
        cmocka_unit_test_setup(the_local_apics_page_is_a_devices_and_no_pci_functions, begin),
        cmocka_unit_test_setup(an_x2apic_has_no_page, begin),
        cmocka_unit_test_setup(the_archive_and_the_command_line_are_where_boot_left_them, begin),
        cmocka_unit_test_setup(random_numbers_come_of_the_seed_of_which_nothing_is_left, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
