/* SPDX-License-Identifier: MIT */
/*
 * What messages and threads cost on two cores of this machine, in cycles of the time-stamp counter,
 * and beside them the least that C can do there with lines of the same size (README.md says what
 * these limits are). All take turns in batches of some microseconds, so that each limit and what is
 * held against it meet the same machine. What else that does spoils single batches: the figure is
 * the worst of the best tenth.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "kernel/message/channel.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "tests/bench/two_nodes.h"

#define BATCHES    1001u
#define ROUNDS     50u   /* of a batch: messages there and back, or long ones */
#define MESSAGES   2000u /* of a batch: others, or threads */
#define WINDOW     32u   /* in flight */
#define RING_BYTES TWO_NODES_RING_BYTES
#define RING_LINES (RING_BYTES / CHANNEL_LINE_BYTES)
#define SLOTS      (RING_BYTES / MESSAGE_MAX_BYTES)
#define PAIR_BYTES 128 /* processors fetch lines by twos */
#define PAIRS      128 /* of lines: how far a core is from one depends on its address */
#define TYPE       MESSAGE_TYPE_FIRST_FREE

struct numbered {
    struct message_header header;
    uint64_t number;
};

/* A channel, or what a bare ring has in its place. */
struct ring {
    _Alignas(PAGE_BYTES) uint8_t lines[RING_BYTES];
    _Alignas(PAIR_BYTES) uint32_t acknowledgement;
};

static struct shared {
    struct ring channels[2]; /* by their senders */
    struct ring bare[2];     /* the same */
    _Alignas(PAGE_BYTES) uint8_t slots[SLOTS][MESSAGE_MAX_BYTES];
    _Alignas(PAIR_BYTES) uint64_t filled;
    _Alignas(PAIR_BYTES) uint64_t emptied;
    _Alignas(PAIR_BYTES) uint64_t pairs[PAIRS][2][PAIR_BYTES / 8];
    _Alignas(PAIR_BYTES) uint32_t job;  /* node 0's: number of the batch, then which */
    _Alignas(PAIR_BYTES) uint32_t done; /* node 1's: number of the batch */
} * shared;

static node_id_t self;
static size_t message_bytes; /* of the batch */
static uint8_t source[MESSAGE_MAX_BYTES];
static uint8_t taken[MESSAGE_MAX_BYTES];

static void expect(uint64_t number, uint64_t expected)
{
    if (number != expected) {
        PANIC("another message came: %lu, not %lu", number, expected);
    }
}

/* --- One line, or two --- */

/* There and back so many times over the same lines. */
#define SAME_LINES 10u

static uint64_t round_trips;

/* Node 0 writes the first, node 1 the second. */
static void pass(unsigned first, unsigned second, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t number = 2 * ++round_trips;
        uint64_t(*pair)[PAIR_BYTES / 8] = shared->pairs[round_trips / SAME_LINES % PAIRS];

        if (self == 0) {
            __atomic_store_n(pair[first], number, __ATOMIC_RELEASE);
            while (__atomic_load_n(pair[second], __ATOMIC_ACQUIRE) != number + 1) {
                _mm_pause();
            }
        } else {
            while (__atomic_load_n(pair[first], __ATOMIC_ACQUIRE) != number) {
                _mm_pause();
            }
            __atomic_store_n(pair[second], number + 1, __ATOMIC_RELEASE);
        }
    }
}

static void pass_one_line(unsigned count)
{
    pass(0, 0, count);
}

static void pass_two_lines(unsigned count)
{
    pass(0, 1, count);
}

/* --- Bare rings --- */

/* In lines, which are messages: one has its number from 1 on, written last, and 8 bytes. */
static struct {
    uint64_t sent;
    uint64_t free_until; /* as far as is known */
    uint64_t read;
} bare;

static inline uint64_t *bare_line(unsigned sender, uint64_t line)
{
    return (uint64_t *)(shared->bare[sender].lines + line % RING_LINES * CHANNEL_LINE_BYTES);
}

static inline void bare_send(void)
{
    uint64_t *line = bare_line(self, bare.sent);

    while (UNLIKELY(bare.sent == bare.free_until)) {
        bare.free_until =
            RING_LINES + __atomic_load_n(&shared->bare[self].acknowledgement, __ATOMIC_ACQUIRE);
    }
    line[1] = bare.sent;
    __atomic_store_n(&line[0], ++bare.sent, __ATOMIC_RELEASE);
}

static inline void bare_receive(void)
{
    const uint64_t *line = bare_line(1 - self, bare.read);

    while (__atomic_load_n(&line[0], __ATOMIC_ACQUIRE) != bare.read + 1) {
        _mm_pause();
    }
    expect(line[1], bare.read);
    if (++bare.read % (RING_LINES / 4) == 0) {
        __atomic_store_n(&shared->bare[1 - self].acknowledgement, (uint32_t)bare.read,
                         __ATOMIC_RELEASE);
    }
}

static void stream_bare(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        self == 0 ? bare_send() : bare_receive();
    }
}

static void exchange_bare(unsigned count)
{
    for (unsigned i = 0; self == 0 && i < WINDOW; i++) {
        bare_send();
    }
    for (unsigned i = 0; i < count; i++) {
        bare_receive();
        if (self == 1 || i < count - WINDOW) {
            bare_send();
        }
    }
}

/* --- Channels --- */

/* All that it calls is inlined, as it is in an image, where each of that has one caller. */
#define AS_IN_IMAGES __attribute__((flatten))

static struct channel_sender sender;
static struct channel_receiver receiver;
static uint64_t sent_number;
static uint64_t received_number;

static inline void channel_send_number(void)
{
    struct numbered *message;

    message = (void *)channel_try_reserve(&sender, sizeof(*message));
    while (UNLIKELY(message == NULL)) {
        message = (void *)channel_reserve(&sender, sizeof(*message));
    }
    message->header.type = TYPE;
    message->header.length_bytes = sizeof(*message);
    message->number = sent_number++;
    channel_expect_more(channel_publish(&sender));
}

static inline void channel_receive_number(void)
{
    struct channel_line line;

    while (channel_receive(&receiver, &line) == NULL) {
        _mm_pause();
    }
    expect(((struct numbered *)&line)->number, received_number++);
    channel_release(&receiver);
}

AS_IN_IMAGES static void stream(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (self == 0) {
            channel_send_number();
        } else {
            channel_receive_number();
        }
    }
}

AS_IN_IMAGES static void exchange_one(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (self == 0) {
            channel_send_number();
            channel_receive_number();
        } else {
            channel_receive_number();
            channel_send_number();
        }
    }
}

AS_IN_IMAGES static void exchange_many(unsigned count)
{
    for (unsigned i = 0; self == 0 && i < WINDOW; i++) {
        channel_send_number();
    }
    for (unsigned i = 0; i < count; i++) {
        channel_receive_number();
        if (self == 1 || i < count - WINDOW) {
            channel_send_number();
        }
    }
}

/* --- Long ones --- */

/* memcpy() into a place that both see and out of it; whose turn it is stands in words apart. */
static void stream_memcpy(unsigned count)
{
    static uint64_t copied;

    for (unsigned i = 0; i < count; i++, copied++) {
        uint8_t *slot = shared->slots[copied % SLOTS];

        if (self == 0) {
            while (copied - __atomic_load_n(&shared->emptied, __ATOMIC_ACQUIRE) >= SLOTS) {
                _mm_pause();
            }
            memcpy(slot, source, message_bytes);
            __atomic_store_n(&shared->filled, copied + 1, __ATOMIC_RELEASE);
        } else {
            while (__atomic_load_n(&shared->filled, __ATOMIC_ACQUIRE) == copied) {
                _mm_pause();
            }
            memcpy(taken, slot, message_bytes);
            __atomic_store_n(&shared->emptied, copied + 1, __ATOMIC_RELEASE);
        }
    }
}

AS_IN_IMAGES static void stream_long(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (self == 0) {
            struct message *message;

            while ((message = channel_reserve(&sender, message_bytes)) == NULL) {
                _mm_pause();
            }
            message->header.type = TYPE;
            message->header.length_bytes = (uint16_t)message_bytes;
            memcpy(message + 1, source, message_bytes - sizeof(*message));
            channel_publish(&sender);
        } else {
            struct channel_line line;
            const uint8_t *place;

            while ((place = channel_receive(&receiver, &line)) == NULL) {
                _mm_pause();
            }
            memcpy(taken, place + sizeof(struct message), message_bytes - sizeof(struct message));
            channel_release(&receiver);
        }
    }
}

/* --- Dispatch --- */

static uint64_t dispatch_sent;
static uint64_t dispatch_handled;
static uint64_t dispatch_until; /* node 0 answers as long as fewer have been sent */

static inline void dispatch_send(void)
{
    struct numbered *message = message_reserve(1 - self, TYPE, sizeof(*message));

    if (message == NULL) {
        PANIC("no room");
    }
    message->number = dispatch_sent++;
    message_publish();
}

static void answer(node_id_t from, const struct message *message)
{
    (void)from;
    expect(((const struct numbered *)message)->number, dispatch_handled++);
    if (self == 1 || dispatch_sent < dispatch_until) {
        dispatch_send();
    }
}

static void run_dispatched(unsigned count, unsigned window)
{
    dispatch_until = dispatch_handled + count;
    for (unsigned i = 0; self == 0 && i < window; i++) {
        dispatch_send();
    }
    while (dispatch_handled < dispatch_until) {
        if (dispatch_round() == 0) {
            _mm_pause();
        }
    }
}

static void dispatch_one(unsigned count)
{
    run_dispatched(count, 1);
}

static void dispatch_many(unsigned count)
{
    run_dispatched(count, WINDOW);
}

static void note_opened(node_id_t from, const struct message *message)
{
    (void)from;
    (void)message;
    dispatch_handled++;
}

/* The channels open. */
static void start_dispatch(void)
{
    dispatch_initialise();
    dispatch_register_message(TYPE, sizeof(struct numbered), answer);
    dispatch_register_message(TYPE + 1, sizeof(struct message_header), note_opened);
    (void)message_reserve_posted(1 - self, TYPE + 1, sizeof(struct message_header));
    message_publish();
    while (dispatch_handled == 0 || !message_ask_for_room(1 - self, sizeof(struct numbered))) {
        (void)dispatch_round();
    }
    dispatch_handled = 0;
}

/* --- Threads --- */

static uint64_t handled;

static void count_one(void *argument)
{
    (void)argument;
    handled++;
}

static void run_handlers(unsigned count)
{
    for (unsigned i = 0; self == 0 && i < count; i++) {
        if (thread_run_handler("bench", count_one, NULL) != 0) {
            PANIC("no thread");
        }
    }
}

static void yield_until_ended(void *is_ended)
{
    while (!*(bool *)is_ended) {
        thread_yield();
    }
}

static void run_yields(unsigned count)
{
    bool is_ended = self != 0;

    if (thread_create("bench", yield_until_ended, &is_ended) == NULL) {
        PANIC("no thread");
    }
    for (unsigned i = 0; self == 0 && i < count; i++) {
        (void)thread_run_ready();
    }
    is_ended = true;
    (void)thread_run_ready();
}

static void run_rounds(unsigned count)
{
    for (unsigned i = 0; self == 0 && i < count; i++) {
        (void)dispatch_round();
    }
}

/* --- Measuring --- */

enum measure {
    ONE_LINE,
    TWO_LINES,
    ROUND_TRIP,
    DISPATCHED,
    BARE_RING,
    STREAMING,
    BARE_MANY,
    MANY,
    DISPATCHED_MANY,
    MEMCPY_4K,
    MESSAGE_4K,
    MEMCPY_1K,
    MESSAGE_1K,
    MEMCPY_256,
    MESSAGE_256,
    IDLE_ROUND,
    HANDLER,
    YIELD,
    MEASURES,
    NOTHING = MEASURES, /* no limit */
};

static const struct {
    const char *name;
    void (*run)(unsigned count); /* on both nodes at once */
    unsigned count;              /* of a batch */
    uint16_t bytes;              /* of a long message */
    enum measure limit;
    const char *goal; /* times the limit, or cycles */
} measures[MEASURES] = {
    [ONE_LINE] = {"one line, there and back", pass_one_line, ROUNDS, 0, NOTHING, ""},
    [TWO_LINES] = {"two lines, there and back", pass_two_lines, ROUNDS, 0, NOTHING, ""},
    [ROUND_TRIP] = {"round trip", exchange_one, ROUNDS, 0, TWO_LINES, "1.10"},
    [DISPATCHED] = {"round trip, dispatched", dispatch_one, ROUNDS, 0, TWO_LINES, "1.40"},
    [BARE_RING] = {"bare ring, one way", stream_bare, MESSAGES, 0, NOTHING, ""},
    [STREAMING] = {"streaming", stream, MESSAGES, 0, BARE_RING, "1.30"},
    [BARE_MANY] = {"bare rings, 32 in flight", exchange_bare, MESSAGES, 0, NOTHING, ""},
    [MANY] = {"32 in flight", exchange_many, MESSAGES, 0, BARE_MANY, "100 cycles"},
    [DISPATCHED_MANY] = {"32 in flight, dispatched", dispatch_many, MESSAGES, 0, BARE_MANY,
                         "100 cycles"},
    [MEMCPY_4K] = {"memcpy of 4 KiB", stream_memcpy, ROUNDS, 4096, NOTHING, ""},
    [MESSAGE_4K] = {"message of 4 KiB", stream_long, ROUNDS, 4096, MEMCPY_4K, "1.25"},
    [MEMCPY_1K] = {"memcpy of 1 KiB", stream_memcpy, ROUNDS, 1024, NOTHING, ""},
    [MESSAGE_1K] = {"message of 1 KiB", stream_long, ROUNDS, 1024, MEMCPY_1K, ""},
    [MEMCPY_256] = {"memcpy of 256 bytes", stream_memcpy, ROUNDS, 256, NOTHING, ""},
    [MESSAGE_256] = {"message of 256 bytes", stream_long, ROUNDS, 256, MEMCPY_256, ""},
    [IDLE_ROUND] = {"round with nothing to do", run_rounds, MESSAGES, 0, NOTHING, ""},
    [HANDLER] = {"thread that does not yield", run_handlers, MESSAGES, 0, NOTHING, ""},
    [YIELD] = {"yield and resume", run_yields, MESSAGES, 0, NOTHING, "60 cycles"},
};

static void run(enum measure measure)
{
    message_bytes = measures[measure].bytes;
    measures[measure].run(measures[measure].count);
}

static void start(void)
{
    struct ring *out = &shared->channels[self];
    struct ring *in = &shared->channels[1 - self];

    bare.free_until = RING_LINES;
    channel_sender_initialise(&sender, out->lines, RING_BYTES, &out->acknowledgement, 0);
    channel_receiver_initialise(&receiver, in->lines, RING_BYTES, &in->acknowledgement, 0);
    start_dispatch();
}

/* Node 1: each batch as node 0 names it, until there are no more. */
static void serve(void)
{
    self = 1;
    start();
    for (uint32_t number = 1;; number++) {
        uint32_t job;

        while ((job = __atomic_load_n(&shared->job, __ATOMIC_ACQUIRE)) / 256 != number) {
            _mm_pause();
        }
        run(job % 256);
        __atomic_store_n(&shared->done, number, __ATOMIC_RELEASE);
    }
}

static uint32_t cycles[MEASURES][BATCHES]; /* of a whole batch */

static void run_batch(enum measure measure, unsigned batch)
{
    static uint32_t number;

    number++;
    __atomic_store_n(&shared->job, number * 256 + measure, __ATOMIC_RELEASE);
    uint64_t start = __rdtsc();
    run(measure);
    cycles[measure][batch] = (uint32_t)(__rdtsc() - start);
    while (__atomic_load_n(&shared->done, __ATOMIC_ACQUIRE) != number) {
        _mm_pause();
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t first = *(const uint32_t *)a;
    uint32_t second = *(const uint32_t *)b;

    return (first > second) - (first < second);
}

/* In hundredths of a cycle, of one message or thread. */
static unsigned each(enum measure measure, unsigned batch)
{
    return (unsigned)((uint64_t)cycles[measure][batch] * 100 / measures[measure].count);
}

static void report(enum measure measure)
{
    enum measure limit = measures[measure].limit;
    unsigned tenth;

    qsort(cycles[measure], BATCHES, sizeof(cycles[measure][0]), compare);
    tenth = each(measure, BATCHES / 10);
    printf("%-28s%8u%8u%8u", measures[measure].name, each(measure, 0) / 100, tenth / 100,
           each(measure, BATCHES / 2) / 100);
    if (limit != NOTHING) {
        unsigned ratio = tenth * 100 / each(limit, BATCHES / 10);

        printf("%5u.%02u", ratio / 100, ratio % 100);
    }
    printf("%*s%s\n", limit != NOTHING ? 12 : 20, measures[measure].goal,
           each(measure, BATCHES / 2) > tenth / 2 * 3 ? "  (disturbed)" : "");
}

int main(void)
{
    shared = two_nodes_share(sizeof(*shared));
    if (!two_nodes_start(serve)) {
        printf("without real-time priority: other programs may have the cores meanwhile\n");
    }
    start();
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        for (enum measure measure = 0; measure < MEASURES; measure++) {
            run_batch(measure, batch);
        }
    }
    printf("%-28s%8s%8s%8s%8s%12s\n", "cycles", "least", "tenth", "median", "/ limit", "goal");
    for (enum measure measure = 0; measure < MEASURES; measure++) {
        report(measure);
    }
    return 0;
}
