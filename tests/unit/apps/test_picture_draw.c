/* SPDX-License-Identifier: MIT */
/* sources: apps/picture/nodes.c apps/picture/arrows.c apps/picture/charts.c apps/picture/layout.c apps/picture/units.c */
/* sources: apps/httpd/durations.c */
/* sources: tests/unit/world/xml.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/* sources: kernel/message/channel.c kernel/message/status.c */
/*
 * Tests apps/picture/nodes.c, arrows.c and charts.c with figures of the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/picture/charts.h"
#include "apps/picture/nodes.h"
#include "kernel/message/status.h"
#include "net/configuration.h"
#include "tests/unit/world/xml.h"

static struct figures *figures;
static char text[512 * KIB];
static struct output output;

/* So many nodes, the first half of which are servers, the rest applications; each server sends each
 * application, and is sent, as far as there is room. */
static void make_figures(unsigned count)
{
    free(figures);
    figures = calloc(1, sizeof(*figures) + count * sizeof(figures->nodes[0]));
    assert_non_null(figures);
    figures->node_count = count;
    figures->application = "httpd";
    for (unsigned i = 0; i < count; i++) {
        figures->nodes[i] = (struct node_figures){
            .node = (node_id_t)i,
            .state = NODE_RUNNING,
            .roles = i < (count + 1) / 2 ? ROLE_LS | ROLE_TS | ROLE_CM : ROLE_APPLICATION,
            .busy_permille = (uint16_t)(i * 1000 / count),
            .messages_rate = 1234567 * i,
            .service_ns = 310000,
        };
    }
    for (unsigned i = 0; i < FIGURES_ARROW_MAX && count > 1; i++) {
        node_id_t from = (node_id_t)(i % count), to = (node_id_t)((i * 7 + 1) % count);

        if (from != to) {
            figures->arrows[figures->arrow_count++] =
                (struct arrow_figures){from, to, 1000000 - 10000 * i};
        }
    }
}

static const char *draw(enum layout_shape shape)
{
    output_start(&output, text, sizeof(text));
    nodes_draw(&output, figures, shape);
    assert_false(output_is_cut(&output));
    assert_int_equal(output.length, strlen(text));
    return text;
}

static unsigned count_texts(const char *wanted)
{
    unsigned count = 0;

    for (const char *at = text; (at = strstr(at, wanted)) != NULL; at++) {
        count++;
    }
    return count;
}

static void every_picture_is_well_formed_and_has_each_node_once(void **state)
{
    static const unsigned counts[] = {1, 2, 3, 4, 8, 16, 64, 256};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        for (enum layout_shape shape = 0; shape < LAYOUT_SHAPE_COUNT; shape++) {
            make_figures(counts[i]);
            assert_well_formed(draw(shape));
            assert_int_equal(count_elements(text, "svg"), 1);
            assert_int_equal(count_texts("class=\"name\""), counts[i]);
            assert_int_equal(count_texts("class=\"box\""), counts[i]);
        }
    }
}

/* A curve lies within its points. What stands in a box has the box's left upper corner as its own
 * beginning, and arrows come before boxes. */
static void arrows_lie_in_the_picture(void **state)
{
    static const unsigned counts[] = {2, 3, 4, 8, 16, 64};
    int width, height;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        for (enum layout_shape shape = 0; shape < LAYOUT_SHAPE_COUNT; shape++) {
            make_figures(counts[i]);
            const char *at = draw(shape);

            assert_int_equal(
                sscanf(strstr(at, "viewBox"), "viewBox=\"0 0 %d %d\"", &width, &height), 2);
            const char *end = strstr(at, "class=\"node ");
            unsigned count = 0;
            while ((at = strstr(at, " d=\"M")) != NULL && at < end) {
                char *next;

                for (at += 5; *at != '"'; at += strcspn(at, "-0123456789\"")) {
                    long x = strtol(at, &next, 10), y = strtol(next, &next, 10);

                    assert_true(x >= 0 && x <= width && y >= 0 && y <= height);
                    at = next;
                }
                count++;
            }
            assert_true(count >= 2 && count % 2 == 0); /* lines and heads */
        }
    }
}

/* It starts and ends at its boxes. */
static void an_arrow_leads_from_box_to_box(void **state)
{
    struct layout layout;
    int x1, y1, x2, y2;

    (void)state;
    make_figures(2);
    figures->arrow_count = 1;
    figures->arrows[0] = (struct arrow_figures){1, 0, 5000};
    layout_place(&layout, LAYOUT_WIDE, (const uint8_t[]){0, 2}, 2);
    draw(LAYOUT_WIDE);
    assert_int_equal(sscanf(strstr(text, " d=\"M"), " d=\"M%d %dC", &x1, &y1), 2);
    assert_int_equal(sscanf(strstr(text, "head\" d=\"M"), "head\" d=\"M%d %dL", &x2, &y2), 2);
    assert_int_equal(x1, layout.boxes[1].x);
    assert_int_equal(x2, layout.boxes[0].x + layout.box_width);
    assert_int_equal(y1, layout.boxes[1].y + layout.box_height / 2);
    assert_int_equal(y2, layout.boxes[0].y + layout.box_height / 2);
    assert_non_null(strstr(text, "arrow of-application"));
    assert_non_null(strstr(text, "node 1 &#8594; node 0: 5.0 lines/s"));
}

static int width_of_arrow(unsigned index)
{
    const char *at = text;
    int whole, tenth;

    for (unsigned i = 0; i <= index; i++) {
        at = strstr(at + 1, "stroke-width=\"");
        assert_non_null(at);
    }
    assert_int_equal(sscanf(at, "stroke-width=\"%d.%d\"", &whole, &tenth), 2);
    return whole * 10 + tenth;
}

/* As wide as what it carries, the widest by a fixed measure; and none is lost to the eye. */
static void an_arrow_is_as_wide_as_what_it_carries(void **state)
{
    (void)state;
    make_figures(2);
    figures->arrow_count = 2;
    figures->arrows[0] = (struct arrow_figures){0, 1, 80000};
    figures->arrows[1] = (struct arrow_figures){1, 0, 40000};
    draw(LAYOUT_WIDE);
    assert_in_range(width_of_arrow(0), 130, 140);
    assert_in_range(width_of_arrow(1), width_of_arrow(0) / 2 - 1, width_of_arrow(0) / 2 + 1);
    figures->arrows[1].lines_rate = 1;
    draw(LAYOUT_WIDE);
    assert_int_equal(width_of_arrow(1), 12);
    figures->arrows[0].lines_rate = UINT64_MAX;
    figures->arrows[1].lines_rate = UINT64_MAX / 2;
    draw(LAYOUT_WIDE);
    assert_in_range(width_of_arrow(0), 130, 140);
}

/* Among many, thin arrows only hide the others. */
static void faint_arrows_are_left_out_where_there_are_many(void **state)
{
    (void)state;
    make_figures(64);
    assert_int_equal(figures->arrow_count, 64);
    for (unsigned i = 30; i < 64; i++) {
        figures->arrows[i].lines_rate = 10;
    }
    draw(LAYOUT_WIDE);
    assert_int_equal(count_elements(text, "path"), 2 * 30 + 64);
    draw(LAYOUT_NARROW);
    assert_int_equal(count_elements(text, "path"), 2 * 30 + 64);
    for (unsigned i = 0; i < 64; i++) {
        figures->arrows[i].lines_rate = 1000;
    }
    draw(LAYOUT_WIDE);
    assert_int_equal(count_elements(text, "path"), 2 * 64 + 64);
    draw(LAYOUT_NARROW);
    assert_int_equal(count_elements(text, "path"), 2 * 32 + 64);
}

/* Another node's status page may name any. */
static void an_arrow_of_a_node_without_a_box_is_left_out(void **state)
{
    (void)state;
    make_figures(2);
    figures->arrow_count = 2;
    figures->arrows[0] = (struct arrow_figures){0, 255, 1000};
    figures->arrows[1] = (struct arrow_figures){1, 1, 1000};
    draw(LAYOUT_WIDE);
    assert_null(strstr(text, "class=\"arrow"));
}

static void a_box_tells_what_its_node_does(void **state)
{
    (void)state;
    make_figures(4);
    figures->nodes[0].busy_permille = 1000;
    figures->nodes[1].busy_permille = 4;
    figures->nodes[2].state = NODE_DEAD;
    figures->nodes[3].requests_rate = 12345000;
    draw(LAYOUT_WIDE);
    assert_non_null(strstr(text, ">LS TS CM<"));
    assert_non_null(strstr(text, ">httpd<"));
    assert_non_null(strstr(text, ">100&#160;% busy<"));
    assert_non_null(strstr(text, ">0.4&#160;% busy<"));
    assert_non_null(strstr(text, "class=\"load full\""));
    assert_non_null(strstr(text, "class=\"node dead\""));
    assert_non_null(strstr(text, ">dead<"));
    assert_non_null(strstr(text, ">12.3&#160;k<"));
    assert_non_null(strstr(text, ">310&#160;&#181;s<"));
    figures->nodes[3].service_ns = 0;
    figures->nodes[3].roles = ROLE_TS | ROLE_APPLICATION;
    figures->nodes[1].roles = 0;
    draw(LAYOUT_WIDE);
    assert_non_null(strstr(text, ">TS httpd<"));
    assert_non_null(strstr(text, ">idle<"));
    assert_non_null(strstr(text, ">&#8211;<"));
}

static void the_applications_name_is_escaped(void **state)
{
    (void)state;
    make_figures(4);
    figures->application = "<b>";
    assert_well_formed(draw(LAYOUT_WIDE));
    assert_non_null(strstr(text, ">&lt;b&gt;<"));
}

/* A text that is too long for its place is cut where it is, and its whole length is told. */
static void the_whole_length_is_told_however_small_the_room(void **state)
{
    size_t length;
    char small[100];

    (void)state;
    make_figures(16);
    length = strlen(draw(LAYOUT_WIDE));
    output_start(&output, NULL, 0);
    nodes_draw(&output, figures, LAYOUT_WIDE);
    assert_int_equal(output.length, length);
    output_start(&output, small, sizeof(small));
    nodes_draw(&output, figures, LAYOUT_WIDE);
    assert_true(output_is_cut(&output));
    assert_int_equal(output.length, length);
    assert_memory_equal(small, text, sizeof(small) - 1);
    assert_int_equal(small[sizeof(small) - 1], '\0');
}

/* --- Charts --- */

static const char *draw_chart(void (*draw_it)(struct output *output, const struct figures *figures))
{
    output_start(&output, text, sizeof(text));
    draw_it(&output, figures);
    assert_false(output_is_cut(&output));
    assert_well_formed(text);
    return text;
}

static void requests_have_a_column_for_each_slot_with_any(void **state)
{
    (void)state;
    make_figures(2);
    draw_chart(charts_draw_requests);
    assert_int_equal(count_elements(text, "rect"), 0);
    figures->minute_requests[0] = 1;
    figures->minute_requests[15] = UINT64_MAX / 1000;
    draw_chart(charts_draw_requests);
    assert_int_equal(count_elements(text, "rect"), 2);
    assert_non_null(strstr(text, "height=\"2\""));
    assert_non_null(strstr(text, "height=\"104\""));
    assert_int_equal(count_texts("\"column growing\""), 1);
    figures->minute_requests[15] = 4000;
    assert_non_null(strstr(draw_chart(charts_draw_requests), "most: 1,000/s"));
}

static void durations_have_a_column_for_each_bucket_and_two_marks(void **state)
{
    (void)state;
    make_figures(2);
    draw_chart(charts_draw_durations);
    assert_null(strstr(text, "median"));
    figures->minute.counts[0] = 50;
    figures->minute.counts[10] = 50;
    figures->minute.counts[19] = 1;
    draw_chart(charts_draw_durations);
    assert_int_equal(count_elements(text, "rect"), 3);
    assert_non_null(strstr(text, "median 534&#160;&#181;s"));
    assert_non_null(strstr(text, "99th 1.04&#160;ms"));
    /* The last bucket has no end, and its mark still lies in the chart. */
    figures->minute.counts[19] = 1000;
    draw_chart(charts_draw_durations);
    assert_non_null(strstr(text, "99th 268&#160;ms"));
    assert_non_null(strstr(text, "x1=\"95.00%\""));
}

/* What falls on a bound has its mark above the bound's label. */
static void the_axis_of_durations_is_where_the_marks_are(void **state)
{
    static const struct {
        unsigned bucket;
        const char *mark, *label;
    } cases[] = {
        {0, "x1=\"5.00%\"", "x=\"5.00%\" y=\"156\" class=\"note middle\">1&#160;&#181;s<"},
        {4, "x1=\"25.00%\"", "x=\"25.00%\" y=\"156\" class=\"note middle\">16&#160;&#181;s<"},
        {9, "x1=\"50.00%\"", "x=\"50.00%\" y=\"156\" class=\"note middle\">0.5&#160;ms<"},
        {14, "x1=\"75.00%\"", "x=\"75.00%\" y=\"156\" class=\"note middle\">17&#160;ms<"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        make_figures(2);
        figures->minute.counts[cases[i].bucket] = 1;
        draw_chart(charts_draw_durations);
        assert_non_null(strstr(text, cases[i].mark));
        assert_non_null(strstr(text, cases[i].label));
    }
}

static void acceptors_are_shown_busiest_first(void **state)
{
    (void)state;
    make_figures(64);
    for (unsigned i = 0; i < 64; i++) {
        figures->nodes[i].accepted = i / 2;
        figures->nodes[i].accepted_rate = 2500;
    }
    figures->nodes[63].state = NODE_DEAD;
    draw_chart(charts_draw_acceptors);
    assert_int_equal(count_elements(text, "rect"), 2 * 9);
    const char *first = strstr(text, ">node 62<");
    const char *second = strstr(text, ">node 60<");
    assert_non_null(first);
    assert_true(second > first);
    assert_non_null(strstr(text, ">31, 2.5/s<"));
    assert_null(strstr(text, ">node 63<"));
    assert_non_null(strstr(text, ">23 others, each<"));
    make_figures(2);
    figures->nodes[1].roles = ROLE_LS;
    draw_chart(charts_draw_acceptors);
    assert_int_equal(count_elements(text, "rect"), 0);
}

static void drops_are_named_by_their_reason(void **state)
{
    (void)state;
    make_figures(2);
    figures->drop_count = 2;
    figures->drops[0] = (struct drop_figures){"backlog_full\"", 2000, 1500};
    figures->drops[1] = (struct drop_figures){"checksum\"", 1, 0};
    draw_chart(charts_draw_drops);
    assert_non_null(strstr(text, ">backlog full<"));
    assert_non_null(strstr(text, ">2,000, 1.5/s<"));
    assert_non_null(strstr(text, ">checksum<"));
    assert_non_null(strstr(text, ">1<"));
    assert_non_null(strstr(text, "width=\"100.00%\""));
    assert_non_null(strstr(text, "width=\"1.00%\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_picture_is_well_formed_and_has_each_node_once),
        cmocka_unit_test(arrows_lie_in_the_picture),
        cmocka_unit_test(an_arrow_leads_from_box_to_box),
        cmocka_unit_test(an_arrow_is_as_wide_as_what_it_carries),
        cmocka_unit_test(faint_arrows_are_left_out_where_there_are_many),
        cmocka_unit_test(an_arrow_of_a_node_without_a_box_is_left_out),
        cmocka_unit_test(a_box_tells_what_its_node_does),
        cmocka_unit_test(the_applications_name_is_escaped),
        cmocka_unit_test(the_whole_length_is_told_however_small_the_room),
        cmocka_unit_test(requests_have_a_column_for_each_slot_with_any),
        cmocka_unit_test(durations_have_a_column_for_each_bucket_and_two_marks),
        cmocka_unit_test(the_axis_of_durations_is_where_the_marks_are),
        cmocka_unit_test(acceptors_are_shown_busiest_first),
        cmocka_unit_test(drops_are_named_by_their_reason),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(figures);
    return failed;
}
