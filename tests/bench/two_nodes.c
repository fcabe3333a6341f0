/* SPDX-License-Identifier: MIT */
/*
 * Two nodes as processes: see two_nodes.h.
 */
#include "tests/bench/two_nodes.h"

#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <x86intrin.h>

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"

#define NODE_COUNT 2u
#define LIFE_S     60

static struct shared {
    struct status_page status[NODE_COUNT];
    _Alignas(PAGE_BYTES) uint8_t rings[NODE_COUNT][TWO_NODES_RING_BYTES]; /* by their receivers */
} * shared;

static node_id_t self;

void *two_nodes_share(size_t bytes)
{
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED) {
        PANIC("no memory");
    }
    memset(pages, 0, bytes); /* there from now on, in both */
    return pages;
}

static bool take_core(unsigned core)
{
    struct sched_param ahead = {.sched_priority = 1};
    cpu_set_t cores;

    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    if (sched_setaffinity(0, sizeof(cores), &cores) != 0) {
        PANIC("cannot use core %u", core);
    }
    return sched_setscheduler(0, SCHED_FIFO, &ahead) == 0;
}

static void end_with_node_1(int signal)
{
    (void)signal;
    _exit(1);
}

bool two_nodes_start(void (*serve)(void))
{
    shared = two_nodes_share(sizeof(*shared));
    for (unsigned node = 0; node < NODE_COUNT; node++) {
        shared->status[node].state = NODE_RUNNING;
        shared->status[node].memory_bytes = GIB;
    }
    alarm(LIFE_S);
    signal(SIGCHLD, end_with_node_1);
    pid_t child = fork();

    if (child < 0) {
        PANIC("no second process");
    }
    self = child == 0;
    if (child == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        PANIC("would outlive node 0");
    }
    bool is_ahead = take_core(self);

    if (child == 0) {
        serve();
        exit(0);
    }
    return is_ahead;
}

/* --- platform.h --- */

node_id_t platform_node(void)
{
    return self;
}

unsigned platform_node_count(void)
{
    return NODE_COUNT;
}

const char *platform_command_line(void)
{
    return "";
}

/* As the images' clock: a counter, a multiplication and a shift. */
uint64_t platform_now_ns(void)
{
    static const uint64_t ns_per_tick = (UINT64_C(1) << 32) / 5 * 2; /* about */

    return (uint64_t)((unsigned __int128)__rdtsc() * ns_per_tick >> 32);
}

struct status_page *platform_status_page(node_id_t node)
{
    return &shared->status[node];
}

const void *platform_ring_create(node_id_t from, size_t bytes)
{
    return from != self && bytes <= TWO_NODES_RING_BYTES ? shared->rings[self] : NULL;
}

uint64_t platform_ring_place(const void *ring)
{
    return (uint64_t)(uintptr_t)ring;
}

void *platform_ring_attach(node_id_t to, uint64_t place, size_t bytes)
{
    return bytes <= TWO_NODES_RING_BYTES && place == platform_ring_place(shared->rings[to])
               ? shared->rings[to]
               : NULL;
}

void platform_ring_detach(node_id_t to, size_t bytes)
{
    (void)to;
    (void)bytes;
}

void platform_ring_doorbell(node_id_t node)
{
    (void)node;
}

void platform_send_attention(node_id_t node)
{
    (void)node;
}

void platform_stop_node(node_id_t node, bool by_reset)
{
    (void)by_reset;
    PANIC("node %u hangs", node);
}

uint64_t platform_attention_count(void)
{
    return 0;
}

bool platform_sleep(uint64_t deadline_ns, uint64_t *now_ns)
{
    (void)deadline_ns;
    (void)now_ns;
    return true;
}

uint64_t platform_free_memory_bytes(void)
{
    return GIB;
}

void *platform_allocate_stack(void)
{
    return aligned_alloc(PAGE_BYTES, THREAD_STACK_BYTES);
}

void *memory_allocate(const struct memory_kind *kind, size_t bytes)
{
    (void)kind;
    return malloc(bytes);
}

void *memory_allocate_zeroed(const struct memory_kind *kind, size_t bytes)
{
    (void)kind;
    return calloc(1, bytes);
}

void memory_release(const struct memory_kind *kind, void *block)
{
    (void)kind;
    free(block);
}

unsigned memory_publish_counts(struct memory_counts *counts, unsigned count_max)
{
    (void)counts;
    (void)count_max;
    return 0;
}

void *memory_resize(const struct memory_kind *kind, void *block, size_t bytes)
{
    (void)kind;
    return realloc(block, bytes);
}

static unsigned print_nothing(void)
{
    return 0;
}

static void write_text(const char *text, size_t length_bytes)
{
    (void)fwrite(text, 1, length_bytes, stderr);
}

static void do_nothing(void)
{
}

static const struct platform_console console = {print_nothing, write_text, do_nothing, do_nothing};
const struct platform_console *platform_console = &console;

void platform_panic(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "node %u: %s:%d: ", self, file, line);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}
