/* SPDX-License-Identifier: MIT */
/* sources: apps/picture/picture.c apps/picture/figures.c apps/picture/nodes.c apps/picture/arrows.c apps/picture/charts.c apps/picture/layout.c apps/picture/units.c */
/* sources: apps/httpd/durations.c net/configuration.c net/current_configuration.c net/placement.c net/service_times.c libc/core/command_line.c */
/* sources: net/counters.c net/transport/counters.c drivers/nic/counters.c tests/unit/world/xml.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/* sources: kernel/message/dispatch.c kernel/message/peers.c kernel/message/send.c kernel/message/receive.c kernel/message/poll.c kernel/message/opening.c kernel/message/watch.c kernel/message/channel.c kernel/message/status.c kernel/log.c */
/* sources: libc/core/format.c libc/core/timer.c kernel/thread/thread.c kernel/thread/switch.S */
/*
 * Tests apps/picture/figures.c, what is seen on status pages, and picture.c, the whole of it. Five
 * servers and five web servers; the test plays all pages. Time goes on from test to test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "apps/httpd/counters.h"
#include "apps/picture/figures.h"
#include "kernel/message/channel.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "libc/posix/file.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/service_times.h"
#include "net/transport/counters.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/xml.h"

#define NODES 10

static uint64_t now_ns = 100 * NS_PER_S;
static char text[256 * KIB];

static void count(node_id_t node, unsigned counter, uint64_t value)
{
    fake_status_page(node)->counters[counter] = value;
}

/* The receiver's word. */
static void count_lines(node_id_t from, node_id_t to, uint32_t lines)
{
    fake_status_page(to)->for_nodes[from].channel_ring = 0x1000;
    fake_status_page(to)->for_nodes[from].acknowledged_lines = channel_first_line(from, to) + lines;
}

/* Fresh pages, on which nothing has been counted; what was seen before is seen to go back. */
static int start(void **state)
{
    static struct configuration configuration;
    char reason[128];

    (void)state;
    fake_platform_reset(3, NODES);
    status_initialise();
    dispatch_initialise();
    assert_int_equal(configuration_parse(&configuration, "", NODES, reason, sizeof(reason)), 0);
    configuration_set_current(&configuration);
    now_ns += 10 * NS_PER_S;
    fake_set_now_ns(now_ns);
    for (node_id_t from = 0; from < NODES; from++) {
        for (node_id_t to = 0; to < NODES; to++) {
            fake_status_page(to)->for_nodes[from].channel_ring = 0;
        }
    }
    return 0;
}

static const struct figures *look_after(uint64_t ns)
{
    now_ns += ns;
    fake_set_now_ns(now_ns);
    return figures_look();
}

/* First of all: nobody has looked. */
static void without_memory_there_is_no_picture_and_later_there_is(void **state)
{
    (void)state;
    fake_fail_allocations_after(0);
    assert_null(figures_look());
    fake_fail_allocations_after(-1);
    assert_non_null(figures_look());
}

static void a_first_look_is_an_average_since_the_start(void **state)
{
    const struct figures *figures = figures_again();

    (void)state;
    assert_true(figures->is_since_start);
    assert_int_equal(figures->period_ns, figures->now_ns);
    assert_false(look_after(NS_PER_S)->is_since_start);
}

static void rates_are_growth_since_the_look_before(void **state)
{
    const struct figures *figures;

    (void)state;
    figures_look();
    count(1, COUNTER_CHANNEL_SENT, 3000);
    count(2, COUNTER_HTTP_REQUESTS, 5);
    count(3, COUNTER_SOCKETS_ACCEPTED, 10);
    count(1, COUNTER_CM_ASSIGNED, 6);
    count(1, COUNTER_CM_ASSIGNED_REMOTE, 4);
    figures = look_after(2 * NS_PER_S);
    assert_int_equal(figures->period_ns, 2 * NS_PER_S);
    assert_int_equal(figures->node_count, NODES);
    assert_int_equal(figures->nodes[1].messages_rate, 1500000);
    assert_int_equal(figures->nodes[1].assigned_rate, 5000);
    assert_int_equal(figures->nodes[1].messages, 3000);
    assert_int_equal(figures->nodes[2].requests_rate, 2500);
    assert_int_equal(figures->nodes[3].accepted_rate, 5000);
    figures = look_after(NS_PER_S);
    assert_int_equal(figures->nodes[1].messages_rate, 0);
    assert_int_equal(figures->nodes[1].messages, 3000);
}

/* Several people look at once: each sees the same, and none spoils another's rates. */
static void a_look_soon_after_another_is_the_same(void **state)
{
    const struct figures *figures;

    (void)state;
    figures_look();
    count(1, COUNTER_CHANNEL_SENT, 1000);
    figures = look_after(NS_PER_S);
    count(1, COUNTER_CHANNEL_SENT, 9000);
    assert_ptr_equal(look_after(FIGURES_LOOK_NS - 1), figures);
    assert_int_equal(figures->nodes[1].messages_rate, 1000000);
    look_after(1);
    assert_int_equal(figures->nodes[1].messages_rate, 16000000);
}

static void busy_is_what_is_not_idle(void **state)
{
    const struct figures *figures;

    (void)state;
    figures_look();
    count(0, COUNTER_IDLE_NS, NS_PER_S / 4);
    count(1, COUNTER_IDLE_NS, 7 * NS_PER_S); /* more than the time */
    fake_set_node_state(2, NODE_DEAD);
    figures = look_after(NS_PER_S);
    assert_int_equal(figures->nodes[0].busy_permille, 750);
    assert_int_equal(figures->nodes[1].busy_permille, 0);
    assert_int_equal(figures->nodes[2].busy_permille, 0);
    assert_int_equal(figures->nodes[3].busy_permille, 1000);
    assert_int_equal(figures->nodes[2].state, NODE_DEAD);
}

static void arrows_are_lines_read_those_that_carry_most_first(void **state)
{
    const struct figures *figures;

    (void)state;
    figures_look();
    count_lines(0, 2, 100);
    count_lines(2, 0, 400);
    count_lines(1, 3, 0); /* open, and idle */
    figures = look_after(NS_PER_S);
    assert_int_equal(figures->arrow_count, 2);
    assert_int_equal(figures->arrows[0].from, 2);
    assert_int_equal(figures->arrows[0].to, 0);
    assert_int_equal(figures->arrows[0].lines_rate, 400000);
    assert_int_equal(figures->arrows[1].lines_rate, 100000);
    assert_int_equal(figures->lines_rate, 500000);
    /* Across the wrap; and a channel that is closed and open again begins anew. */
    count_lines(0, 2, 150);
    count_lines(2, 0, UINT32_MAX);
    fake_status_page(3)->for_nodes[1].channel_ring = 0;
    look_after(NS_PER_S);
    count_lines(2, 0, 9);
    count_lines(1, 3, 7);
    figures = look_after(NS_PER_S);
    assert_int_equal(figures->arrow_count, 2);
    assert_int_equal(figures->arrows[0].lines_rate, 10000);
    assert_int_equal(figures->arrows[1].lines_rate, 7000);
}

/* Then the next look takes what it sees for new. */
static void a_look_without_memory_for_channels_has_its_arrows_all_the_same(void **state)
{
    const struct figures *figures;

    (void)state;
    figures_look();
    count_lines(0, 2, 100);
    fake_fail_allocations_after(0);
    figures = look_after(NS_PER_S);
    assert_int_equal(figures->arrow_count, 1);
    count_lines(0, 2, 150);
    fake_fail_allocations_after(-1);
    figures = look_after(NS_PER_S);
    assert_int_equal(figures->arrows[0].lines_rate, 150000);
    count_lines(0, 2, 170);
    figures = look_after(NS_PER_S);
    assert_int_equal(figures->arrows[0].lines_rate, 20000);
}

static void only_the_busiest_arrows_are_kept(void **state)
{
    (void)state;
    figures_look();
    for (node_id_t from = 0; from < NODES; from++) {
        for (node_id_t to = 0; to < NODES; to++) {
            count_lines(from, to, 1 + from * NODES + to);
        }
    }
    const struct figures *figures = look_after(NS_PER_S);
    assert_int_equal(figures->arrow_count, FIGURES_ARROW_MAX);
    assert_int_equal(figures->arrows[0].lines_rate, NODES * NODES * 1000);
    assert_int_equal(figures->arrows[FIGURES_ARROW_MAX - 1].lines_rate,
                     (NODES * NODES - FIGURES_ARROW_MAX + 1) * 1000);
    for (unsigned i = 1; i < figures->arrow_count; i++) {
        assert_true(figures->arrows[i - 1].lines_rate > figures->arrows[i].lines_rate);
    }
}

static void drops_are_added_up_by_reason(void **state)
{
    const struct figures *figures;

    (void)state;
    figures = look_after(NS_PER_S);
    assert_int_equal(figures->drop_count, 0);
    count(0, COUNTER_DROP_CHECKSUM, 3);
    count(1, COUNTER_DROP_CHECKSUM, 4);
    count(2, COUNTER_DROP_BAD_MESSAGE, 8);
    figures = look_after(NS_PER_S);
    assert_int_equal(figures->drop_count, 2);
    assert_memory_equal(figures->drops[0].reason, "bad_message\"", 12);
    assert_int_equal(figures->drops[0].count, 8);
    assert_int_equal(figures->drops[1].count, 7);
    assert_int_equal(figures->drops[1].rate, 7000);
    count(3, COUNTER_DROP_BAD_MESSAGE, 5);
    figures = look_after(NS_PER_S);
    assert_int_equal(figures->drops[0].count, 13);
    assert_int_equal(figures->drops[0].rate, 5000);
    assert_int_equal(figures->drops[1].rate, 0);
}

static void the_last_minute_is_of_all_web_servers(void **state)
{
    uint64_t slot = now_ns / DURATION_SLOT_NS;

    (void)state;
    for (node_id_t node = 2; node < NODES; node++) {
        count(node, COUNTER_DURATIONS_NEWEST, slot);
        count(node, COUNTER_DURATIONS_RECENT + (slot - 1) % DURATION_SLOTS * DURATION_BUCKETS, 10);
        count(node, COUNTER_DURATIONS_RECENT + slot % DURATION_SLOTS * DURATION_BUCKETS + 3, 1);
    }
    const struct figures *figures = figures_look();
    assert_int_equal(durations_count(&figures->minute), (NODES - 2) * 11);
    assert_int_equal(figures->minute.counts[3], NODES - 2);
    assert_int_equal(figures->minute_requests[DURATION_SLOTS - 2], (NODES - 2) * 10);
    assert_int_equal(figures->minute_requests[DURATION_SLOTS - 1], NODES - 2);
    assert_int_equal(figures->minute_requests[DURATION_SLOTS - 3], 0);
}

static void connections_are_added_up(void **state)
{
    (void)state;
    count(0, COUNTER_CONNECTIONS_CLAIMED, 3);
    count(1, COUNTER_CONNECTIONS_CLAIMED, 4);
    assert_int_equal(figures_look()->connections, 7);
}

/* A page may hold any numbers: all that is made of them is numbers, too. */
static void damaged_pages_do_no_harm(void **state)
{
    const struct generated_file *file = NULL;

    (void)state;
    figures_look();
    for (node_id_t node = 0; node < 3; node++) {
        struct status_page *page = fake_status_page(node);

        memset(page->counters, 0xFF - node, sizeof(page->counters));
        memset(page->for_nodes, 0xFF - node, NODES * sizeof(page->for_nodes[0]));
    }
    look_after(FIGURES_LOOK_NS);
    LINKER_SET_EACH(generated_files, struct generated_file, generated)
    {
        file = *generated;
    }
    assert_true(file->print(text, sizeof(text)) < sizeof(text));
    assert_well_formed(text);
}

static const struct generated_file *picture(void)
{
    LINKER_SET_EACH(generated_files, struct generated_file, generated)
    {
        if (strcmp((*generated)->path, "/proc/picture") == 0) {
            return *generated;
        }
    }
    fail_msg("there is no /proc/picture");
    return NULL;
}

/* However long it takes between: else an element might be cut. */
static void what_is_measured_is_what_is_written(void **state)
{
    size_t length;

    (void)state;
    length = picture()->print(NULL, 0);
    count(1, COUNTER_CHANNEL_SENT, 123456789);
    count_lines(0, 1, 1000);
    count(0, COUNTER_DROP_CHECKSUM, 3);
    now_ns += 5 * NS_PER_S;
    fake_set_now_ns(now_ns);
    assert_int_equal(picture()->print(text, sizeof(text)), length);
    assert_int_equal(strlen(text), length);
    assert_true(picture()->print(NULL, 0) > length);
}

static void the_page_has_two_pictures_four_charts_and_a_table(void **state)
{
    (void)state;
    count(0, COUNTER_DROP_CHECKSUM, 3);
    count(3, COUNTER_HTTP_REQUESTS, 123456789);
    service_times_publish(3, 320000);
    (void)picture()->print(NULL, 0);
    assert_true(picture()->print(text, sizeof(text)) < sizeof(text));
    assert_well_formed(text);
    assert_int_equal(count_elements(text, "svg"), 6);
    assert_int_equal(count_elements(text, "tr"), 1 + NODES);
    assert_int_equal(count_elements(text, "th"), 13 + NODES);
    assert_non_null(strstr(text, "<td>LS TS CM</td>"));
    assert_non_null(strstr(text, "<td>123456789</td>")); /* exactly */
    assert_non_null(strstr(text, ">checksum<"));
}

static void where_nothing_was_refused_the_page_says_so(void **state)
{
    (void)state;
    (void)picture()->print(NULL, 0);
    (void)picture()->print(text, sizeof(text));
    assert_well_formed(text);
    assert_int_equal(count_elements(text, "svg"), 5);
    assert_non_null(strstr(text, "Nothing has been refused."));
    assert_non_null(strstr(text, "No messages go between nodes now."));
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_memory_there_is_no_picture_and_later_there_is),
        cmocka_unit_test(a_first_look_is_an_average_since_the_start),
        TEST(rates_are_growth_since_the_look_before),
        TEST(a_look_soon_after_another_is_the_same),
        TEST(busy_is_what_is_not_idle),
        TEST(arrows_are_lines_read_those_that_carry_most_first),
        TEST(a_look_without_memory_for_channels_has_its_arrows_all_the_same),
        TEST(only_the_busiest_arrows_are_kept),
        TEST(drops_are_added_up_by_reason),
        TEST(the_last_minute_is_of_all_web_servers),
        TEST(connections_are_added_up),
        TEST(damaged_pages_do_no_harm),
        TEST(what_is_measured_is_what_is_written),
        TEST(the_page_has_two_pictures_four_charts_and_a_table),
        TEST(where_nothing_was_refused_the_page_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
