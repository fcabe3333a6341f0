/* SPDX-License-Identifier: MIT */
/*
 * What messages and threads cost on this machine, in cycles of the time stamp counter (PIKA's
 * table 2). Two threads stand for two nodes, each on a core of its own. Every figure is the
 * median of several runs, because the host has other work too.
 *
 *   raw          two cores pass one cache line to and fro: the floor
 *   round trip   a message of one line there and another one back, nobody else about
 *   streaming    one message of many in flight
 *   thread       create, schedule and run a handler that does not yield
 *
 * Prints one line for each: name, cycles.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "kernel/message/channel.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"

#define RING_BYTES   CHANNEL_RING_MIN_BYTES
#define RUN_COUNT    15
#define ROUND_COUNT  10000u
#define STREAM_COUNT 100000u
#define TYPE         20

/* --- As much of a platform as channels and threads ask for --- */

static struct status_page status_page;

node_id_t platform_node(void)
{
    return 0;
}

unsigned platform_node_count(void)
{
    return 1;
}

uint64_t platform_now_ns(void)
{
    return 0;
}

struct status_page *platform_status_page(node_id_t node)
{
    (void)node;
    return &status_page;
}

void platform_send_attention(node_id_t node)
{
    (void)node;
}

static void *allocate(size_t bytes)
{
    void *block = aligned_alloc(PAGE_BYTES, bytes);

    if (block == NULL) {
        PANIC("no memory");
    }
    return memset(block, 0, bytes);
}

void *platform_allocate_stack(void)
{
    return allocate(THREAD_STACK_BYTES);
}

void *memory_resize(void *block, size_t bytes)
{
    return realloc(block, bytes);
}

void platform_panic(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

/* --- Two cores --- */

/* On lines of their own, as they are on different nodes. */
struct link {
    _Alignas(CHANNEL_LINE_BYTES) struct channel_sender sender;
    _Alignas(CHANNEL_LINE_BYTES) struct channel_receiver receiver;
    _Alignas(CHANNEL_LINE_BYTES) uint32_t acknowledgement;
};

static struct link there;
static struct link back;
static _Alignas(CHANNEL_LINE_BYTES) uint64_t line;

static cpu_set_t one_core(unsigned core)
{
    cpu_set_t cores;

    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    return cores;
}

/* The thread has its core from the start: a child of ours would begin on this one, which spins. */
static pthread_t start_on_core(unsigned core, void *(*function)(void *))
{
    cpu_set_t cores = one_core(core);
    pthread_attr_t attributes;
    pthread_t thread;

    if (pthread_attr_init(&attributes) != 0 ||
        pthread_attr_setaffinity_np(&attributes, sizeof(cores), &cores) != 0 ||
        pthread_create(&thread, &attributes, function, NULL) != 0) {
        PANIC("cannot use core %u", core);
    }
    pthread_attr_destroy(&attributes);
    return thread;
}

static void open_link(struct link *link)
{
    void *ring = allocate(RING_BYTES);

    channel_sender_initialise(&link->sender, ring, RING_BYTES, &link->acknowledgement, 0);
    channel_receiver_initialise(&link->receiver, ring, RING_BYTES, &link->acknowledgement, 0);
}

static void close_link(struct link *link)
{
    free(link->sender.ring);
}

static void send(struct link *link, uint64_t number)
{
    struct {
        struct message_header header;
        uint64_t number;
    } message = {{.type = TYPE, .length_bytes = sizeof(message)}, number};

    while (channel_send(&link->sender, (const struct message *)&message) != 0) {
        _mm_pause();
    }
}

static uint64_t receive(struct link *link)
{
    struct channel_line received;

    while (channel_receive(&link->receiver, &received) == NULL) {
        _mm_pause();
    }
    channel_release(&link->receiver);
    return received.words[1]; /* behind the header */
}

static void *answer_raw(void *argument)
{
    for (uint64_t i = 0; i < ROUND_COUNT; i++) {
        while (__atomic_load_n(&line, __ATOMIC_ACQUIRE) != 2 * i + 1) {
        }
        __atomic_store_n(&line, 2 * i + 2, __ATOMIC_RELEASE);
    }
    return argument;
}

static uint64_t run_raw(void)
{
    for (uint64_t i = 0; i < ROUND_COUNT; i++) {
        __atomic_store_n(&line, 2 * i + 1, __ATOMIC_RELEASE);
        while (__atomic_load_n(&line, __ATOMIC_ACQUIRE) != 2 * i + 2) {
        }
    }
    return ROUND_COUNT;
}

static void *answer_messages(void *argument)
{
    for (unsigned i = 0; i < ROUND_COUNT; i++) {
        send(&back, receive(&there));
    }
    return argument;
}

static uint64_t run_round_trips(void)
{
    for (unsigned i = 0; i < ROUND_COUNT; i++) {
        send(&there, i);
        if (receive(&back) != i) {
            PANIC("another message came back");
        }
    }
    return ROUND_COUNT;
}

static void *take_stream(void *argument)
{
    for (unsigned i = 0; i < STREAM_COUNT; i++) {
        if (receive(&there) != i) {
            PANIC("another message arrived");
        }
    }
    send(&back, 0);
    return argument;
}

static uint64_t run_stream(void)
{
    for (unsigned i = 0; i < STREAM_COUNT; i++) {
        send(&there, i);
    }
    (void)receive(&back);
    return STREAM_COUNT;
}

static uint64_t handled;

static void count_one(void *argument)
{
    (void)argument;
    handled++;
}

static uint64_t run_threads(void)
{
    for (unsigned i = 0; i < STREAM_COUNT; i++) {
        if (thread_run_handler("bench", count_one, NULL) != 0) {
            PANIC("no thread");
        }
    }
    return STREAM_COUNT;
}

/* --- Measuring --- */

static int compare(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;

    return (difference > 0) - (difference < 0);
}

/* `other` runs on the second core meanwhile; NULL for nothing. */
static void measure(const char *name, uint64_t (*run)(void), void *(*other)(void *))
{
    double cycles[RUN_COUNT];

    for (unsigned i = 0; i < RUN_COUNT; i++) {
        pthread_t thread = 0;

        line = 0;
        open_link(&there);
        open_link(&back);
        if (other != NULL) {
            thread = start_on_core(1, other);
        }
        uint64_t start = __rdtsc();
        uint64_t count = run();
        cycles[i] = (double)(__rdtsc() - start) / (double)count;
        if (other != NULL) {
            pthread_join(thread, NULL);
        }
        close_link(&there);
        close_link(&back);
    }
    qsort(cycles, RUN_COUNT, sizeof(cycles[0]), compare);
    printf("%-12s %8.0f cycles (least %.0f, most %.0f)\n", name, cycles[RUN_COUNT / 2], cycles[0],
           cycles[RUN_COUNT - 1]);
}

int main(void)
{
    cpu_set_t cores = one_core(0);

    if (sched_setaffinity(0, sizeof(cores), &cores) != 0) {
        PANIC("cannot use core 0");
    }
    measure("raw", run_raw, answer_raw);
    measure("round trip", run_round_trips, answer_messages);
    measure("streaming", run_stream, take_stream);
    measure("thread", run_threads, NULL);
    return 0;
}
