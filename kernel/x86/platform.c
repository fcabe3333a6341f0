/* SPDX-License-Identifier: MIT */
/*
 * kernel/platform.h on the bare machine, in its order: mostly one line to the part that does it.
 */
#include "kernel/platform.h"

#include "kernel/message/status.h"
#include "kernel/node.h"
#include "kernel/x86/clock.h"
#include "kernel/x86/interrupt.h"
#include "kernel/x86/layout.h"
#include "kernel/x86/paging.h"
#include "libc/core/cpu.h"
#include "libc/core/guarded_space.h"
#include "libc/core/lapic.h"
#include "libc/core/pages.h"
#include "libc/core/random.h"

struct node_info node_info;

_Static_assert(STATUS_PAGE_BYTES(NODE_MAX) <= STATUS_SLOT_BYTES, "the slots do not overlap");

node_id_t platform_node(void)
{
    return node_info.node;
}

unsigned platform_node_count(void)
{
    return node_info.node_count;
}

const char *platform_command_line(void)
{
    return node_info.command_line;
}

uint64_t platform_now_ns(void)
{
    return clock_advance_ns();
}

uint64_t platform_standstill_ns(void)
{
    return clock_left_out_ns;
}

uint64_t platform_boot_epoch_s(void)
{
    return node_info.clock.boot_epoch_s;
}

struct status_page *platform_status_page(node_id_t node)
{
    ASSERT_SLOW(node < node_info.node_count);
    return (struct status_page *)(node_info.map.status_pages + node * (uintptr_t)STATUS_SLOT_BYTES);
}

void interrupt_initialise(void)
{
    paddr_t paddr = lapic_page();
    void *page = NULL;

    if (!lapic_has_x2apic()) {
        ranges_add(&node_info.machine.devices, paddr, PAGE_BYTES, 0);
        page = paging_map_device(paddr, PAGE_BYTES);
        ASSERT(page != NULL);
    }
    lapic_initialise(page, INTERRUPT_VECTOR_TIMER, INTERRUPT_VECTOR_SPURIOUS);
}

uint32_t interrupt_apic_id(node_id_t node)
{
    return node_info.places[node].apic_id;
}

void platform_ring_doorbell(node_id_t node)
{
    ASSERT(node < node_info.node_count && node != node_info.node);
    lapic_send(interrupt_apic_id(node), LAPIC_INTERRUPT(INTERRUPT_VECTOR_DOORBELL));
}

void platform_send_attention(node_id_t node)
{
    ASSERT(node < node_info.node_count && node != node_info.node);
    lapic_send(interrupt_apic_id(node), LAPIC_INTERRUPT(INTERRUPT_VECTOR_ATTENTION));
}

void platform_stop_node(node_id_t node, bool by_reset)
{
    ASSERT(node < node_info.node_count && node != node_info.node);
    /* Node 0 has the core that booted: after an INIT it does not wait, but runs firmware, which
     * starts the whole machine again (SDM 3A 8.4.2). Deaf to the NMI, it stays as it is. */
    bool is_reset = by_reset && node != 0;

    lapic_send(interrupt_apic_id(node), is_reset ? LAPIC_INIT : LAPIC_NMI);
    if (is_reset && node_info.startup_page != 0) {
        /* No core of 64 bits needs the wait of the SDM's 8.4.4.1 between the two. */
        lapic_send(interrupt_apic_id(node), LAPIC_STARTUP(node_info.startup_page));
    }
}

uint64_t platform_attention_count(void)
{
    return interrupt_count(INTERRUPT_VECTOR_ATTENTION);
}

bool platform_sleep(uint64_t deadline_ns, uint64_t *now_ns)
{
    uint64_t count = interrupt_count(INTERRUPT_ANY);
    uint64_t timer_count = interrupt_count(INTERRUPT_VECTOR_TIMER);
    if (deadline_ns <= *now_ns) {
        return true;
    }
    clock_arm(deadline_ns, *now_ns);
    /* Interrupts are off whenever the node works, so one that has come since the last look for
     * work is pending; `sti` holds it back until `hlt` has begun, which it then ends. What it
     * enters by (trap.S) saves nothing: to the compiler this is a call. */
    __asm__ volatile("sti; hlt; cli" ::
                         : "memory", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
    *now_ns = clock_woken();
    return interrupt_count(INTERRUPT_VECTOR_TIMER) != timer_count &&
           interrupt_count(INTERRUPT_ANY) == count + 1;
}

uint64_t platform_free_memory_bytes(void)
{
    return pages_free_bytes();
}

void *platform_allocate_stack(void)
{
    uintptr_t stack = node_info.stacks_end + PAGE_BYTES; /* above the guard page */

    for (uintptr_t page = stack; page < stack + THREAD_STACK_BYTES; page += PAGE_BYTES) {
        void *memory = pages_allocate_raw(1, 0);

        if (memory == NULL || guarded_space_map(paging_own_space(), page,
                                                (uintptr_t)memory - node_info.map.direct_map,
                                                PAGE_BYTES, PAGING_WRITE) != 0) {
            /* The part that is mapped stays below the next stack, out of use. */
            node_info.stacks_end = page;
            return NULL;
        }
    }
    node_info.stacks_end = stack + THREAD_STACK_BYTES;
    return (void *)stack;
}

static const struct module *last_module = node_info.modules; /* most lie where the one before did */

inline bus_addr_t platform_bus_addr_at_once(const void *vaddr)
{
    uintptr_t offset = (uintptr_t)vaddr - node_info.map.direct_map;

    if (offset < node_info.map.direct_bytes) {
        return offset;
    }
    offset = (uintptr_t)vaddr - (uintptr_t)last_module->shown.start;
    return offset < last_module->shown.bytes ? last_module->paddr + offset : BUS_ADDR_NONE;
}

bus_addr_t platform_bus_addr(const void *vaddr)
{
    bus_addr_t bus_addr = platform_bus_addr_at_once(vaddr);

    for (unsigned i = 0; bus_addr == BUS_ADDR_NONE && i < node_info.module_count; i++) {
        last_module = &node_info.modules[i];
        bus_addr = platform_bus_addr_at_once(vaddr);
    }
    if (bus_addr == BUS_ADDR_NONE) {
        bus_addr = address_space_translate(paging_own_space(), (uintptr_t)vaddr);
        ASSERT(bus_addr != ADDRESS_SPACE_NONE);
    }
    return bus_addr;
}

const struct platform_module *platform_module(unsigned index)
{
    return index < node_info.module_count ? &node_info.modules[index].shown : NULL;
}

const void *platform_archive_start(void)
{
    return (const void *)node_info.map.archive;
}

size_t platform_archive_bytes(void)
{
    return node_info.archive_bytes;
}

static void do_nothing(void)
{
}

static unsigned print_nothing(void)
{
    return 0;
}

static void drop_text(const char *text, size_t length_bytes)
{
    (void)text;
    (void)length_bytes;
}

static const struct platform_console no_console = {print_nothing, drop_text, do_nothing,
                                                   do_nothing};

const struct platform_console *platform_console = &no_console;

uint64_t platform_random(void)
{
    static struct random_pool pool;

    return random_take_seeded(&pool, node_info.random_seed, sizeof(node_info.random_seed),
                              cpu_read_tsc());
}

_Noreturn void platform_halt(void)
{
    cpu_halt_for_ever();
}
