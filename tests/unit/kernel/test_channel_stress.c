/* SPDX-License-Identifier: MIT */
/* sources: kernel/message/channel.c kernel/message/status.c libc/core/assert.c libc/core/line_ring.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/* flags: -fno-sanitize=address,undefined -fsanitize=thread -Wno-tsan */
/*
 * Tests kernel/message/channel.c with its two ends on two cores, under the thread sanitizer: it
 * checks that what the receiver reads is ordered behind what the sender wrote, and the other way
 * round when lines are used again. Every word of every message is checked too. (The sanitizer does
 * not know the fence of the sleep flags, hence -Wno-tsan; channels use none.)
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/channel.h"
#include "kernel/message/status.h"
#include "tests/unit/world/fake_platform.h"

#define RING_BYTES    CHANNEL_RING_MIN_BYTES
#define MESSAGE_COUNT 1000000u

static _Alignas(PAGE_BYTES) uint8_t ring[RING_BYTES];
static _Alignas(CHANNEL_LINE_BYTES) uint32_t acknowledgement;
static struct channel_sender sender;
static struct channel_receiver receiver;

static uint64_t next_random(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

/* Mostly short, as messages are; now and then the longest. */
static size_t choose_words(uint64_t *random)
{
    uint64_t choice = next_random(random);
    size_t word_max = choice % 64 == 0 ? MESSAGE_MAX_BYTES / 8 : 32;

    return 1 + (choice >> 8) % word_max;
}

/* Half of the messages are copied in, half are made in place. */
static void send_words(uint64_t *random)
{
    static uint64_t words[MESSAGE_MAX_BYTES / 8];
    size_t word_count = choose_words(random);
    uint16_t type = (uint16_t)(16 + word_count % 8);

    if (word_count % 2 == 0) {
        struct message *message = (struct message *)words;

        message->header.type = type;
        message->header.length_bytes = (uint16_t)(word_count * 8);
        for (size_t i = 1; i < word_count; i++) {
            words[i] = next_random(random);
        }
        while (channel_send(&sender, message) != 0) {
            sched_yield();
        }
        return;
    }
    struct message *message;

    while ((message = channel_reserve(&sender, word_count * 8)) == NULL) {
        sched_yield();
    }
    message->header.type = type;
    message->header.length_bytes = (uint16_t)(word_count * 8);
    for (size_t i = 1; i < word_count; i++) {
        ((uint64_t *)message)[i] = next_random(random);
    }
    channel_publish(&sender);
}

static void *send_all(void *argument)
{
    uint64_t random = 88172645463325252u;

    (void)argument;
    for (unsigned i = 0; i < MESSAGE_COUNT; i++) {
        send_words(&random);
    }
    return NULL;
}

/* Of the first line the copy, of the others those in the channel. */
static void check_words(const struct channel_line *line, const uint8_t *place, uint64_t *random)
{
    const struct message_header *header = (const struct message_header *)line;
    size_t word_count = choose_words(random);

    assert_int_equal(header->length_bytes, word_count * 8);
    assert_int_equal(header->type, 16 + word_count % 8);
    for (size_t i = 1; i < word_count; i++) {
        uint64_t word =
            i < ARRAY_COUNT(line->words) ? line->words[i] : ((const uint64_t *)place)[i];

        if (word != next_random(random)) {
            fail_msg("word %zu of %zu is another one", i, word_count);
        }
    }
}

/* The line numbers wrap on the way. */
static void a_million_messages_cross_from_core_to_core_unharmed(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252u;
    uint32_t first_line = UINT32_MAX - 100000;
    pthread_t thread;

    fake_platform_reset(0, 1);
    channel_sender_initialise(&sender, ring, RING_BYTES, &acknowledgement, first_line);
    channel_receiver_initialise(&receiver, ring, RING_BYTES, &acknowledgement, first_line);
    assert_int_equal(pthread_create(&thread, NULL, send_all, NULL), 0);
    for (unsigned i = 0; i < MESSAGE_COUNT; i++) {
        struct channel_line line;
        const uint8_t *place;

        while ((place = channel_receive(&receiver, &line)) == NULL) {
            sched_yield();
        }
        check_words(&line, place, &random);
        channel_release(&receiver);
    }
    struct channel_line line;

    assert_null(channel_receive(&receiver, &line));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(counter_read(0, COUNTER_DROP_BAD_MESSAGE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_messages_cross_from_core_to_core_unharmed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
