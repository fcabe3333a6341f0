/* SPDX-License-Identifier: MIT */
/* sources: net/status_text.c apps/monitor/status_line.c drivers/console/screen.c kernel/message/status.c kernel/message/channel.c libc/core/timer.c */
/* sources: libc/core/format.c kernel/log.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests apps/monitor/status_line.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apps/httpd/counters.h"
#include "apps/monitor/status_line.h"
#include "drivers/console/console.h"
#include "drivers/console/screen.h"
#include "kernel/limits.h"
#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "libc/core/timer.h"
#include "net/status_text.h"
#include "tests/unit/world/fake_platform.h"

#define COLUMNS 120

static char shown[COLUMNS + 1];

/* --- The event loop and the console, as far as the line needs them --- */

uint64_t dispatch_now_ns(void)
{
    return platform_now_ns();
}

void dispatch_register_source(struct dispatch_source *source)
{
    assert_non_null(source->poll);
}

void console_register_user(void (*start)(bool has_screen))
{
    (void)start;
}

static void draw(unsigned column, unsigned row, char character, bool is_inverse)
{
    (void)is_inverse;
    if (row == 1) {
        shown[column] = character;
    }
}

/* The line as it stands on the screen, without the blanks that fill it. */
static const char *line(void)
{
    while (screen_draw(1000)) {
    }
    for (size_t length = strlen(shown); length > 0 && shown[length - 1] == ' '; length--) {
        shown[length - 1] = '\0';
    }
    return shown;
}

static void answer(node_id_t node, uint64_t requests)
{
    fake_status_page(node)->counters[COUNTER_HTTP_REQUESTS] += requests;
}

/* A round of the event loop, so much later. */
static void pass(uint64_t step_ns)
{
    fake_advance_ns(step_ns);
    (void)timer_run_expired(platform_now_ns());
    (void)status_line_poll(NULL);
    memset(shown, ' ', COLUMNS);
    screen_resume(draw);
}

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 4);
    screen_initialise(COLUMNS, 2, draw);
    status_line_set_configuration("TS2LS2CM2 httpd:2");
    status_line_start(true);
    pass(0);
    return 0;
}

static void it_says_address_and_configuration(void **state)
{
    (void)state;
    assert_string_equal(line(), " Talus | no address | TS2LS2CM2 httpd:2 | 0 requests/s");
    strcpy(fake_status_page(1)->texts[STATUS_TEXT_ADDRESS], "192.0.2.1/24");
    pass(NS_PER_S);
    assert_string_equal(line(), " Talus | 192.0.2.1/24 | TS2LS2CM2 httpd:2 | 0 requests/s");
    fake_set_node_state(1, NODE_DEAD);
    pass(NS_PER_S);
    assert_string_equal(line(), " Talus | no address | TS2LS2CM2 httpd:2 | 0 requests/s");
}

static void it_says_requests_a_second_of_those_that_answer_any(void **state)
{
    (void)state;
    answer(2, 500);
    answer(3, 1500);
    pass(2 * NS_PER_S);
    pass(NS_PER_S);
    answer(2, 100);
    pass(NS_PER_S);
    assert_string_equal(line(), " Talus | no address | TS2LS2CM2 httpd:2 | 100 requests/s, "
                                "node2 100, node3 0");
}

static void it_changes_at_most_once_a_second(void **state)
{
    char before[COLUMNS + 1];

    (void)state;
    answer(2, 1000);
    pass(NS_PER_S);
    strcpy(before, line());
    for (unsigned i = 0; i < 9; i++) {
        answer(2, 777);
        pass(NS_PER_S / 10);
        assert_string_equal(line(), before);
    }
    pass(NS_PER_S / 10);
    assert_string_not_equal(line(), before);
}

/* After the last request the rate falls to zero by one timer; then nothing is set. */
static void an_idle_system_sets_no_timer(void **state)
{
    (void)state;
    assert_true(timer_next_deadline_ns() == UINT64_MAX);
    pass(100 * NS_PER_S);
    assert_true(timer_next_deadline_ns() == UINT64_MAX);
    answer(2, 10);
    pass(NS_PER_S);
    assert_true(timer_next_deadline_ns() != UINT64_MAX);
    pass(NS_PER_S);
    assert_string_equal(line(), " Talus | no address | TS2LS2CM2 httpd:2 | 0 requests/s, node2 0");
    assert_true(timer_next_deadline_ns() == UINT64_MAX);
}

/* An address that comes while the line is too young to change is not forgotten by sleep. */
static void news_before_sleep_are_shown_in_time(void **state)
{
    (void)state;
    strcpy(fake_status_page(1)->texts[STATUS_TEXT_ADDRESS], "192.0.2.1/24");
    pass(NS_PER_S / 10);
    assert_string_equal(line(), " Talus | no address | TS2LS2CM2 httpd:2 | 0 requests/s");
    (void)status_line_prepare_sleep(NULL);
    assert_true(timer_next_deadline_ns() == NS_PER_S);
    fake_set_now_ns(timer_next_deadline_ns());
    pass(0);
    assert_string_equal(line(), " Talus | 192.0.2.1/24 | TS2LS2CM2 httpd:2 | 0 requests/s");
    (void)status_line_prepare_sleep(NULL);
    assert_true(timer_next_deadline_ns() == UINT64_MAX);
}

static void it_is_cut_to_its_size(void **state)
{
    char text[STATUS_LINE_MAX_BYTES];

    (void)state;
    fake_platform_reset(0, NODE_MAX);
    for (unsigned node = 0; node < NODE_MAX; node++) {
        answer((node_id_t)node, UINT64_MAX / NODE_MAX / NS_PER_S);
    }
    for (size_t size = 1; size <= sizeof(text); size++) {
        memset(text, 'x', sizeof(text));
        status_line_print(text, size, platform_now_ns());
        assert_true(strnlen(text, size) < size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_says_address_and_configuration, set_up),
        cmocka_unit_test_setup(it_says_requests_a_second_of_those_that_answer_any, set_up),
        cmocka_unit_test_setup(it_changes_at_most_once_a_second, set_up),
        cmocka_unit_test_setup(an_idle_system_sets_no_timer, set_up),
        cmocka_unit_test_setup(news_before_sleep_are_shown_in_time, set_up),
        cmocka_unit_test_setup(it_is_cut_to_its_size, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
