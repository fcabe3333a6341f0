/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/text.c */
/* flags: -D_GNU_SOURCE -Drealloc=limited_realloc */
/*
 * Tests apps/httpd/text.c: text of every length, and what is left of it without memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/httpd/text.h"

/* The host's, from here on. */
#undef realloc
void *realloc(void *block, size_t bytes);
void *limited_realloc(void *block, size_t bytes);

static bool is_out_of_memory;
static unsigned growth_count;

void *limited_realloc(void *block, size_t bytes)
{
    growth_count++;
    return is_out_of_memory ? NULL : realloc(block, bytes);
}

static int set_up(void **state)
{
    (void)state;
    is_out_of_memory = false;
    growth_count = 0;
    return 0;
}

/* Around the length that lies on the stack first, and around each growth. */
static void what_is_printed_stands_there_whole_whatever_its_length(void **state)
{
    static char long_text[5000];

    (void)state;
    for (size_t length = 0; length < 4200; length += length < 500 || length > 530 ? 97 : 1) {
        for (unsigned before = 0; before < 2; before++) {
            struct text text = {0};

            memset(long_text, 'x', length);
            long_text[length] = '\0';
            if (before != 0) {
                text_add(&text, "before:", 7);
            }
            text_print(&text, "%s", long_text);
            text_add(&text, "!", 1);
            assert_false(text.has_failed);
            assert_int_equal(text.bytes, 7 * before + length + 1);
            assert_int_equal(text.bytes, strlen(text.at));
            assert_memory_equal(text.at, "before:", 7 * before);
            assert_memory_equal(text.at + 7 * before, long_text, length);
            assert_int_equal(text.at[text.bytes - 1], '!');
            text_release(&text);
            assert_null(text.at);
            assert_int_equal(text.bytes + text.capacity_bytes, 0);
        }
    }
}

/* A zero stands behind the text at any time, and it grows by doubling. */
static void text_is_terminated_after_every_byte(void **state)
{
    struct text text = {0};

    (void)state;
    for (size_t i = 0; i < 5000; i++) {
        text_add(&text, "y", 1);
        assert_int_equal(text.bytes, i + 1);
        assert_int_equal(text.at[text.bytes], '\0');
        assert_true(text.bytes < text.capacity_bytes);
    }
    assert_int_equal(growth_count, 4); /* 1024, 2048, 4096, 8192 */
    assert_int_equal(text.capacity_bytes, 8192);
    text_release(&text);
}

static void html_keeps_its_signs_apart(void **state)
{
    static const char raw[] = "a<b>&\"c\"'";
    struct text text = {0};

    (void)state;
    text_add_escaped(&text, raw, strlen(raw));
    assert_string_equal(text.at, "a&lt;b&gt;&amp;&quot;c&quot;'");
    assert_int_equal(text.bytes, strlen(text.at));
    text_release(&text);
}

static void a_file_of_any_length_is_added_as_it_is_or_escaped(void **state)
{
    char name[] = "/tmp/test_text.XXXXXX";
    int fd = mkstemp(name);
    struct text text = {0};
    char part[100];

    (void)state;
    assert_true(fd >= 0);
    assert_true(text_add_file(&text, name, false)); /* empty */
    assert_int_equal(text.bytes, 0);
    memset(part, '<', sizeof(part));
    for (unsigned i = 0; i < 25; i++) {
        assert_int_equal(write(fd, part, sizeof(part)), sizeof(part));
    }
    close(fd);
    assert_true(text_add_file(&text, name, false));
    assert_int_equal(text.bytes, 2500);
    assert_int_equal(strspn(text.at, "<"), 2500);
    assert_true(text_add_file(&text, name, true));
    assert_int_equal(text.bytes, 2500 + 2500 * 4);
    assert_string_equal(text.at + text.bytes - 8, "&lt;&lt;");
    text_release(&text);
    unlink(name);
    assert_false(text_add_file(&text, name, false));
    assert_int_equal(text.bytes, 0);
}

/* What stood there before stays, and nothing is added behind the gap, though there is memory
 * again. */
static void without_memory_nothing_more_is_added(void **state)
{
    static char long_text[3000];
    struct text text = {0};

    (void)state;
    memset(long_text, 'z', sizeof(long_text) - 1);
    text_add(&text, "kept", 4);
    is_out_of_memory = true;
    text_print(&text, "%s", long_text);
    assert_true(text.has_failed);
    is_out_of_memory = false;
    growth_count = 0;
    text_add(&text, "more", 4);
    text_add_escaped(&text, "<", 1);
    text_print(&text, "%s", long_text);
    assert_true(text.has_failed);
    assert_int_equal(growth_count, 0);
    assert_int_equal(text.bytes, 4);
    assert_string_equal(text.at, "kept");
    text_release(&text);
    assert_false(text.has_failed);

    is_out_of_memory = true;
    text_add(&text, "never", 5);
    assert_true(text.has_failed);
    assert_null(text.at);
    text_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_printed_stands_there_whole_whatever_its_length, set_up),
        cmocka_unit_test_setup(text_is_terminated_after_every_byte, set_up),
        cmocka_unit_test_setup(html_keeps_its_signs_apart, set_up),
        cmocka_unit_test_setup(a_file_of_any_length_is_added_as_it_is_or_escaped, set_up),
        cmocka_unit_test_setup(without_memory_nothing_more_is_added, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
