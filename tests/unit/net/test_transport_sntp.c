/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/sntp.c over the real lwIP: the test is the server at `ntp=`, which may be
 * silent or wrong. The transport server under test lives as long as the process: each test goes on
 * where the one before it stopped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/transport/counters.h"
#include "net/wall_clock.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define IP       14u
#define UDP      (IP + 20)
#define NTP      (UDP + 8)
#define END      (NTP + 48)
#define TO_1970  2208988800u
#define START_S  UINT64_C(1795955696) /* of the server's clock, when ours shows 0 */
#define SILENT_S 5000u

static uint8_t question[FRAME_MAX_BYTES];
static bool is_asked;
static int64_t ahead_ns; /* of the server's clock, beside START_S */

static uint64_t timestamp_of(uint64_t ns)
{
    return (ns / NS_PER_S + TO_1970) << 32 | ((ns % NS_PER_S << 32) / NS_PER_S);
}

static uint64_t server_ns(void)
{
    return START_S * NS_PER_S + platform_now_ns() + (uint64_t)ahead_ns;
}

/* Questions that have come since the last call; the last of them is kept. */
static unsigned take_questions(void)
{
    const uint8_t *bytes;
    size_t length;
    unsigned count = 0;

    while (wire_take_other(&bytes, &length)) {
        if (length == END && bytes[IP + 9] == 17 && bytes[UDP + 3] == 123) {
            assert_int_equal(bytes[NTP], 0x23);
            memcpy(question, bytes, length);
            is_asked = true;
            count++;
        }
    }
    return count;
}

static unsigned pass_seconds(unsigned seconds)
{
    unsigned count = 0;

    for (unsigned i = 0; i < seconds; i++) {
        wire_advance_ns(NS_PER_S);
        count += take_questions();
    }
    return count;
}

/* A good answer to the last question, from its frame. */
static void build_answer(uint8_t frame[END])
{
    uint64_t timestamp = timestamp_of(server_ns());

    assert_true(is_asked);
    memcpy(frame, question, END);
    memcpy(frame, question + 6, 6);
    memcpy(frame + 6, question, 6);
    memcpy(frame + IP + 12, question + IP + 16, 4);
    memcpy(frame + IP + 16, question + IP + 12, 4);
    memcpy(frame + UDP, question + UDP + 2, 2);
    memcpy(frame + UDP + 2, question + UDP, 2);
    memset(frame + NTP, 0, 48);
    frame[NTP] = 0x24;
    frame[NTP + 1] = 2;
    memcpy(frame + NTP + 24, question + NTP + 40, 8);
    store_be64(frame + NTP + 32, timestamp);
    store_be64(frame + NTP + 40, timestamp);
}

static void send_answer(uint8_t frame[END])
{
    wire_seal(frame);
    wire_receive_frame(frame, END, FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD);
    wire_run();
}

static void answer(void)
{
    uint8_t frame[END];

    build_answer(frame);
    send_answer(frame);
    is_asked = false;
}

/* Until the next question comes. */
static unsigned wait_for_question(void)
{
    unsigned seconds = 0;

    while (pass_seconds(1) == 0) {
        seconds++;
        assert_true(seconds < SILENT_S);
    }
    return seconds + 1;
}

static int64_t off_ns(void)
{
    return (int64_t)(wall_clock_at(platform_now_ns()) - server_ns());
}

static int start(void **state)
{
    (void)state;
    wire_start_with("net=192.168.1.15/24,gw=192.168.1.2 ntp=192.168.1.2");
    return 0;
}

static void without_an_answer_it_asks_more_and_more_rarely(void **state)
{
    uint64_t epoch_s = wall_clock_at(platform_now_ns()) / NS_PER_S;

    (void)state;
    assert_null(strstr(fake_console(), "ignored")); /* the option is as it should be */
    assert_in_range(wait_for_question(), 1, 2);
    for (unsigned wait_s = 2; wait_s <= 1024; wait_s *= 2) {
        assert_int_equal(wait_for_question(), wait_s);
    }
    assert_int_equal(wait_for_question(), 1024);
    assert_int_equal(wire_counted(COUNTER_NTP_SILENT), 11);
    assert_int_equal(wire_counted(COUNTER_NTP_TAKEN), 0);
    assert_int_equal(wall_clock_at(platform_now_ns()) / NS_PER_S,
                     epoch_s + platform_now_ns() / NS_PER_S);
}

/* A question is still open after each of them: the right answer may come yet. */
static void wrong_answers_are_refused_and_the_right_one_is_taken(void **state)
{
    static const struct {
        unsigned offset;
        uint8_t change;
    } wrong[] = {
        {NTP, 0x24 ^ 0x23}, /* a client's */
        {NTP, 0x24 ^ 0x25}, /* broadcast */
        {NTP + 24, 1},      /* to another question */
        {NTP + 31, 1},      /* likewise */
    };
    uint8_t frame[END];
    uint64_t before = wire_counted(COUNTER_NTP_REFUSED);
    int64_t was_off_ns = off_ns();

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(wrong); i++) {
        build_answer(frame);
        frame[wrong[i].offset] ^= wrong[i].change;
        send_answer(frame);
        assert_int_equal(wire_counted(COUNTER_NTP_REFUSED), before + i + 1);
    }
    build_answer(frame);
    store_be64(frame + NTP + 40, 0);
    send_answer(frame);
    assert_int_equal(wire_counted(COUNTER_NTP_REFUSED), before + 5);
    build_answer(frame);
    store_be16(frame + UDP, 124); /* another port: nobody is there for it */
    send_answer(frame);
    build_answer(frame);
    frame[IP + 15] = 3; /* another address */
    send_answer(frame);
    assert_int_equal(wire_counted(COUNTER_NTP_REFUSED), before + 5);
    assert_int_equal(off_ns(), was_off_ns);

    answer();
    assert_int_equal(wire_counted(COUNTER_NTP_TAKEN), 1);
    assert_in_range(off_ns() + (int64_t)NS_PER_MS, 0, 2 * NS_PER_MS);
    /* All nodes can read it. */
    assert_in_range(fake_status_page(0)->words[STATUS_WORD_DATE], (START_S - 1) * NS_PER_S,
                    (START_S + 1) * NS_PER_S);
}

static void a_second_answer_to_one_question_is_refused(void **state)
{
    uint8_t frame[END];

    (void)state;
    assert_int_equal(wait_for_question(), 64);
    build_answer(frame);
    send_answer(frame);
    ahead_ns = 3600 * (int64_t)NS_PER_S;
    uint64_t before = wire_counted(COUNTER_NTP_REFUSED);
    build_answer(frame);
    send_answer(frame);
    assert_int_equal(wire_counted(COUNTER_NTP_REFUSED), before + 1);
    ahead_ns = 0;
    assert_in_range(off_ns() + (int64_t)NS_PER_MS, 0, 2 * NS_PER_MS);
}

static void it_asks_more_rarely_while_the_date_is_right(void **state)
{
    (void)state;
    for (unsigned wait_s = 128; wait_s <= 1024; wait_s *= 2) {
        assert_int_equal(wait_for_question(), wait_s);
        answer();
    }
    assert_int_equal(wait_for_question(), 1024);
    answer();
    assert_in_range(off_ns() + (int64_t)NS_PER_MS, 0, 2 * NS_PER_MS);
}

/* Half a millisecond a second, and the clock never goes back. */
static void a_date_that_is_nearly_right_is_moved_slowly(void **state)
{
    static const int64_t moves_ns[] = {50 * (int64_t)NS_PER_MS, -100 * (int64_t)NS_PER_MS};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(moves_ns); i++) {
        int64_t start_off_ns, last_off_ns;

        (void)wait_for_question();
        ahead_ns += moves_ns[i];
        start_off_ns = last_off_ns = off_ns();
        answer();
        assert_in_range(off_ns() - start_off_ns + 1000, 0, 2000);
        for (unsigned j = 0; j < 300; j++) {
            uint64_t before_ns = wall_clock_at(platform_now_ns());

            (void)pass_seconds(1);
            assert_true(wall_clock_at(platform_now_ns()) > before_ns);
            assert_in_range(off_ns() - last_off_ns + 500000, 0, 1000000);
            last_off_ns = off_ns();
        }
        assert_in_range(off_ns() + (int64_t)NS_PER_MS, 0, 2 * NS_PER_MS);
    }
}

static void a_date_that_is_far_off_is_set(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        (void)wait_for_question();
        ahead_ns = i == 0 ? -7200 * (int64_t)NS_PER_S : 0;
        answer();
        assert_in_range(off_ns() + (int64_t)NS_PER_MS, 0, 2 * NS_PER_MS);
        assert_int_equal(wait_for_question(), 64); /* whether it is right now */
        answer();
    }
}

static void an_answer_that_was_long_on_its_way_is_refused(void **state)
{
    uint64_t before = wire_counted(COUNTER_NTP_REFUSED);

    (void)state;
    (void)wait_for_question();
    ahead_ns = 1000 * (int64_t)NS_PER_S;
    wire_advance_ns(NS_PER_S * 3 / 2);
    answer();
    assert_int_equal(wire_counted(COUNTER_NTP_REFUSED), before + 1);
    ahead_ns = 0;
    assert_in_range(off_ns() + (int64_t)NS_PER_MS, 0, 2 * NS_PER_MS);
    assert_in_range(wait_for_question(), 1, 4);
    answer();
}

/* What the server keeps it for is no time on the way. */
static void an_answer_of_a_server_that_took_its_time_is_taken(void **state)
{
    uint64_t taken = wire_counted(COUNTER_NTP_TAKEN);
    uint8_t frame[END];

    (void)state;
    (void)wait_for_question();
    wire_advance_ns(NS_PER_S * 6 / 5);
    assert_int_equal(take_questions(), 0);
    build_answer(frame);
    store_be64(frame + NTP + 32, timestamp_of(server_ns() - 1100 * NS_PER_MS));
    store_be64(frame + NTP + 40, timestamp_of(server_ns() - 100 * NS_PER_MS));
    send_answer(frame);
    assert_int_equal(wire_counted(COUNTER_NTP_TAKEN), taken + 1);
    assert_in_range(off_ns() + (int64_t)NS_PER_MS, 0, 2 * NS_PER_MS);
}

static void a_question_for_which_there_is_no_memory_is_not_called_unanswered(void **state)
{
    (void)state;
    (void)wait_for_question(); /* and it is not answered */
    uint64_t silent = wire_counted(COUNTER_NTP_SILENT);

    fake_fail_allocations_after(0);
    for (unsigned i = 0; i < SILENT_S && wire_counted(COUNTER_NTP_SILENT) == silent; i++) {
        assert_int_equal(pass_seconds(1), 0);
    }
    assert_int_equal(wire_counted(COUNTER_NTP_SILENT), silent + 1);
    fake_fail_allocations_after(-1);
    (void)wait_for_question();
    assert_int_equal(wire_counted(COUNTER_NTP_SILENT), silent + 1);
    answer();
}

/* Kiss-o'-death, RFC 5905 7.4; and one that has lost its own server. */
static void a_server_that_sends_us_away_is_asked_rarely(void **state)
{
    uint8_t frame[END];
    uint64_t before = wire_counted(COUNTER_NTP_REFUSED);

    (void)state;
    (void)wait_for_question();
    build_answer(frame);
    frame[NTP + 1] = 0;
    memcpy(frame + NTP + 12, "RATE", 4);
    send_answer(frame);
    assert_int_equal(wire_counted(COUNTER_NTP_REFUSED), before + 1);
    assert_int_equal(wait_for_question(), 1024);
    ahead_ns = 5 * (int64_t)NS_PER_S;
    uint64_t silent = wire_counted(COUNTER_NTP_SILENT);
    build_answer(frame);
    frame[NTP] |= 0xC0;
    send_answer(frame);
    ahead_ns = 0;
    assert_int_equal(wire_counted(COUNTER_NTP_REFUSED), before + 2);
    assert_in_range(off_ns() + (int64_t)NS_PER_MS, 0, 2 * NS_PER_MS);
    (void)wait_for_question();
    assert_int_equal(wire_counted(COUNTER_NTP_SILENT), silent); /* it did answer */
    answer();
    assert_in_range(off_ns() + (int64_t)NS_PER_MS, 0, 2 * NS_PER_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_an_answer_it_asks_more_and_more_rarely),
        cmocka_unit_test(wrong_answers_are_refused_and_the_right_one_is_taken),
        cmocka_unit_test(a_second_answer_to_one_question_is_refused),
        cmocka_unit_test(it_asks_more_rarely_while_the_date_is_right),
        cmocka_unit_test(a_date_that_is_nearly_right_is_moved_slowly),
        cmocka_unit_test(a_date_that_is_far_off_is_set),
        cmocka_unit_test(an_answer_that_was_long_on_its_way_is_refused),
        cmocka_unit_test(an_answer_of_a_server_that_took_its_time_is_taken),
        cmocka_unit_test(a_question_for_which_there_is_no_memory_is_not_called_unanswered),
        cmocka_unit_test(a_server_that_sends_us_away_is_asked_rarely),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
