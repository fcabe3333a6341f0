/* SPDX-License-Identifier: MIT */
/* sources: net/names/question.c net/domain_name.c tests/unit/world/application_world.c tests/unit/world/fake_return.c */
/*
 * Tests net/names/question.c: an application's questions for names, while the transport servers,
 * which the test plays, answer, are silent, or die.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "net/configuration.h"
#include "net/names/question.h"
#include "net/returning.h"
#include "tests/unit/world/application_world.h"
#include "tests/unit/world/fake_platform.h"

#define SPEAKER 0
#define OTHER   1
#define NAME    "www.talus.test"

static unsigned answer_count;
static struct name_answer last_answer;

static void answered(void *owner, const struct name_answer *answer)
{
    assert_ptr_equal(owner, &answer_count);
    answer_count++;
    last_answer = *answer;
}

static int start(void **state)
{
    (void)state;
    start_application_node();
    returning_start();
    names_start();
    answer_count = 0;
    return 0;
}

static void ask(void)
{
    assert_non_null(name_ask(RESOLVE_ADDRESSES, NAME, answered, &answer_count));
}

/* Returns its number. */
static uint32_t expect(node_id_t ts)
{
    const struct resolve *message = fake_expect_message(ts, RESOLVE);
    struct message_payload payload = fake_payload(message, sizeof(*message));

    assert_int_equal(message->kind, RESOLVE_ADDRESSES);
    assert_int_equal(payload.length_bytes, strlen(NAME));
    assert_memory_equal(payload.bytes, NAME, strlen(NAME));
    return message->request_number;
}

static void deliver(node_id_t from, struct resolved message, const char *payload, size_t bytes)
{
    message.header.type = RESOLVED;
    fake_deliver_payload(from, &message.header, sizeof(message), payload, bytes);
    dispatch_round();
}

static void answer(node_id_t from, uint32_t number)
{
    const struct resolved message = {
        .request_number = number, .address_count = 1, .name_bytes = strlen(NAME)};

    deliver(from, message, "\1\2\3\4" NAME, 4 + strlen(NAME));
}

static void pass_seconds(unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        fake_advance_ns(NS_PER_S);
        dispatch_round();
    }
}

static void the_speakers_answer_is_told_once(void **state)
{
    (void)state;
    ask();
    uint32_t number = expect(SPEAKER);
    assert_int_equal(answer_count, 0);
    answer(SPEAKER, number + 1);
    assert_int_equal(answer_count, 0);
    answer(SPEAKER, number);
    answer(SPEAKER, number);
    assert_int_equal(answer_count, 1);
    assert_int_equal(last_answer.result, RESOLVED_FOUND);
    assert_int_equal(last_answer.address_count, 1);
    assert_memory_equal(last_answer.addresses, "\1\2\3\4", 4);
    assert_string_equal(last_answer.name, NAME);
}

static void an_answer_that_does_not_hold_together_is_refused(void **state)
{
    const struct {
        struct resolved message;
        const char *payload;
        size_t bytes;
    } wrong[] = {
        {{.result = RESOLVED_LIMIT + 1}, "", 0},
        {{.address_count = RESOLVED_ADDRESS_MAX + 1, .name_bytes = 1}, "", 0},
        {{.address_count = 1, .name_bytes = 1}, "\1\2\3\4ab", 6},
        {{.address_count = 1, .name_bytes = 1}, "\1\2\3\4", 4},
        {{.address_count = 1, .name_bytes = 2}, "\1\2\3\4.a", 6},
        {{.address_count = 1}, "\1\2\3\4", 4},
        {{.name_bytes = 1}, "a", 1}, /* found, and no address */
        {{.result = RESOLVED_NO_NAME, .name_bytes = 1}, "a", 1},
    };

    (void)state;
    ask();
    uint32_t number = expect(SPEAKER);
    for (unsigned i = 0; i < ARRAY_COUNT(wrong); i++) {
        struct resolved message = wrong[i].message;

        message.request_number = number;
        deliver(SPEAKER, message, wrong[i].payload, wrong[i].bytes);
    }
    answer(OTHER, number); /* who does not speak */
    assert_int_equal(answer_count, 0);
    deliver(SPEAKER, (struct resolved){.request_number = number, .result = RESOLVED_NO_DATA}, "",
            0);
    assert_int_equal(answer_count, 1);
    assert_int_equal(last_answer.result, RESOLVED_NO_DATA);
}

static void who_is_silent_is_asked_again_and_not_for_ever(void **state)
{
    unsigned repeated = 0;

    (void)state;
    ask();
    uint32_t number = expect(SPEAKER);
    for (unsigned i = 0; answer_count == 0; i++) {
        const struct resolve *message = (const struct resolve *)fake_take_message(SPEAKER);

        assert_true(i <= NAME_PATIENCE_NS / NS_PER_S);
        if (message != NULL) {
            assert_int_equal(message->request_number, number);
            repeated++;
        }
        pass_seconds(1);
    }
    assert_true(repeated >= 5);
    assert_int_equal(last_answer.result, RESOLVED_AGAIN);
    pass_seconds(60);
    while (fake_take_message(SPEAKER) != NULL) {
    }
    assert_int_equal(answer_count, 1);
}

static void who_speaks_next_is_asked_at_once(void **state)
{
    (void)state;
    ask();
    uint32_t number = expect(SPEAKER);
    fake_set_node_state(SPEAKER, NODE_DEAD);
    for (unsigned i = 0; i < 256; i++) {
        (void)dispatch_round();
    }
    assert_int_equal(expect(OTHER), number);
    answer(OTHER, number);
    assert_int_equal(answer_count, 1);
}

static void there_is_room_for_64_questions(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        ask();
        (void)expect(SPEAKER);
    }
    assert_null(name_ask(RESOLVE_ADDRESSES, NAME, answered, &answer_count));
    for (unsigned i = 0; i < 45; i++) {
        pass_seconds(1);
        while (fake_take_message(SPEAKER) != NULL) {
        }
    }
    assert_int_equal(answer_count, 64);
    ask();
    answer(SPEAKER, expect(SPEAKER));
    assert_int_equal(answer_count, 65);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_speakers_answer_is_told_once, start),
        cmocka_unit_test_setup(an_answer_that_does_not_hold_together_is_refused, start),
        cmocka_unit_test_setup(who_is_silent_is_asked_again_and_not_for_ever, start),
        cmocka_unit_test_setup(there_is_room_for_64_questions, start),
        cmocka_unit_test_setup(who_speaks_next_is_asked_at_once, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
