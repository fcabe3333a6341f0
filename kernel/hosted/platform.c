/* SPDX-License-Identifier: MIT */
/*
 * kernel/platform.h as a Linux process: mailbox pages apart, which are in mailbox.c, and failures,
 * in panic.c.
 */
#include "kernel/platform.h"

#include "kernel/hosted/hosted.h"
#include "kernel/hosted/linux.h"
#include "kernel/x86/interrupt.h"
#include "libc/core/cpu.h"
#include "libc/core/pages.h"
#include "libc/core/random.h"

/* --- Who and how many --- */

node_id_t platform_node(void)
{
    return linux_node.node;
}

unsigned platform_node_count(void)
{
    return linux_node.node_count;
}

const char *platform_command_line(void)
{
    return linux_node.command_line;
}

/* --- Clock --- */

/* A node that works looks at its clock more often, and so does one whose sleep is over: one that
 * was stopped for longer, as by a debugger, has stood still. As in kernel/x86/clock.c. */
#define STANDSTILL_NS NS_PER_S

static uint64_t next_look_ns = UINT64_MAX; /* at the latest, unless it stands still */
static uint64_t left_out_ns;

static uint64_t read_clock_ns(void)
{
    if (UNLIKELY(linux_node.ns_per_tick == 0)) {
        return linux_now_ns();
    }
    return (uint64_t)((unsigned __int128)(cpu_read_tsc() - linux_node.tsc_at_zero) *
                          linux_node.ns_per_tick >>
                      32);
}

uint64_t platform_now_ns(void)
{
    uint64_t now_ns = read_clock_ns() - left_out_ns;

    if (UNLIKELY(now_ns > next_look_ns)) {
        left_out_ns += now_ns - next_look_ns;
        now_ns = next_look_ns;
    }
    next_look_ns = now_ns + STANDSTILL_NS;
    return now_ns;
}

uint64_t platform_standstill_ns(void)
{
    return left_out_ns;
}

uint64_t platform_boot_epoch_s(void)
{
    return linux_node.boot_epoch_s;
}

/* --- Sleeping and waking --- */

static uint64_t attention_count;
static uint64_t watched_counts[HOSTED_VECTOR_MAX];

void platform_ring_doorbell(node_id_t node)
{
    ASSERT(node < linux_node.node_count && node != linux_node.node);
    linux_ring(node, LINUX_DOORBELL);
}

void platform_send_attention(node_id_t node)
{
    ASSERT(node < linux_node.node_count && node != linux_node.node);
    linux_ring(node, LINUX_ATTENTION);
}

void platform_stop_node(node_id_t node, bool by_reset)
{
    ASSERT(node < linux_node.node_count && node != linux_node.node);
    linux_stop_node(node, by_reset);
}

uint64_t platform_attention_count(void)
{
    return attention_count;
}

uint8_t hosted_watch(int file)
{
    int number = linux_watch(file);

    return number < 0 ? 0 : (uint8_t)(INTERRUPT_VECTOR_DEVICES + number);
}

uint64_t interrupt_count(uint8_t vector)
{
    unsigned number = vector - (unsigned)INTERRUPT_VECTOR_DEVICES;

    return number < HOSTED_VECTOR_MAX ? watched_counts[number] : 0;
}

bool platform_sleep(uint64_t deadline_ns, uint64_t *now_ns)
{
    struct linux_wake wake;

    if (deadline_ns <= *now_ns) {
        return true;
    }
    next_look_ns =
        deadline_ns < UINT64_MAX - STANDSTILL_NS ? deadline_ns + STANDSTILL_NS : UINT64_MAX;
    wake = linux_sleep(deadline_ns == UINT64_MAX ? UINT64_MAX : deadline_ns - *now_ns);
    attention_count += wake.rung / LINUX_ATTENTION;
    for (unsigned i = 0; wake.readable != 0; i++, wake.readable >>= 1) {
        watched_counts[i] += wake.readable & 1;
    }
    *now_ns = platform_now_ns();
    return wake.is_timeout;
}

/* --- Memory --- */

uint64_t platform_free_memory_bytes(void)
{
    return pages_free_bytes();
}

void *platform_allocate_stack(void)
{
    return linux_map_stack(THREAD_STACK_BYTES);
}

/* What drives a card here is another process or Linux itself, by this node's own addresses. */
bus_addr_t platform_bus_addr(const void *vaddr)
{
    return (bus_addr_t)(uintptr_t)vaddr;
}

bus_addr_t platform_bus_addr_at_once(const void *vaddr)
{
    return platform_bus_addr(vaddr);
}

/* --- The boot archive --- */

static struct platform_module modules[LINUX_MODULE_MAX];

const struct platform_module *platform_module(unsigned index)
{
    if (index >= linux_node.module_count) {
        return NULL;
    }
    modules[index] = (struct platform_module){
        .name = linux_node.modules[index].name,
        .start = linux_node.modules[index].start,
        .bytes = linux_node.modules[index].bytes,
    };
    return &modules[index];
}

const void *platform_archive_start(void)
{
    return linux_node.archive;
}

size_t platform_archive_bytes(void)
{
    return linux_node.archive_bytes;
}

/* --- Devices that the layers above drive --- */

static unsigned print_nothing(void)
{
    return 0;
}

static void do_nothing(void)
{
}

static const struct platform_console no_console = {print_nothing, linux_write_console, do_nothing,
                                                   do_nothing};

const struct platform_console *platform_console = &no_console;

/* --- Randomness --- */

uint64_t platform_random(void)
{
    static struct random_pool pool;

    return random_take_seeded(&pool, linux_node.random_seed, sizeof(linux_node.random_seed),
                              cpu_read_tsc());
}

/* --- Ends --- */

_Noreturn void platform_halt(void)
{
    linux_halt();
}
