/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/pages.c */
/* sources: tests/unit/world/http_archive.c */
/* flags: -D_GNU_SOURCE */
/*
 * Tests apps/httpd/pages.c: what stands for a mark.
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

#include "apps/httpd/pages.h"
#include "apps/httpd/site.h"
#include "apps/httpd/text.h"
#include "tests/unit/world/http_archive.h"

static void assert_page(const char *path, const char *wanted)
{
    const struct resource *resource = site_find(path, strlen(path));
    struct text text = {0};

    assert_non_null(resource);
    assert_int_equal(resource->kind, RESOURCE_PAGE);
    resource->write_page(&text);
    assert_false(text.has_failed);
    assert_int_equal(text.bytes, strlen(wanted));
    assert_memory_equal(text.at, wanted, text.bytes);
    text_release(&text);
}

static void set_welcome(const char *content)
{
    add_text("index.html", content);
    assert_int_equal(finish_archive(), 1);
    pages_add_welcome();
}

/* The first test: no built-in file has been found yet. */
static void a_page_that_was_not_built_in_says_so(void **state)
{
    (void)state;
    pages_add_welcome();
    pages_add_status();
    assert_page("/", "This server was built without /index.html.\n");
    assert_page("/stats", "This server was built without /stats.html.\n");
    assert_page("/stats/style.css", "This server was built without /stats.css.\n");
    assert_page("/stats/script.js", "This server was built without /stats.js.\n");
    assert_page("/stats/live", "<p>not available on this system</p>\n");
    assert_page("/healthz", "ok\n");
}

/* It is read each time, and what HTML would take for its own is escaped. */
static void a_files_mark_stands_for_its_text_as_it_is_now(void **state)
{
    char name[] = "/tmp/test_http_pages.XXXXXX";
    int fd = mkstemp(name);
    char page[128];

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a < b", 5), 5);
    snprintf(page, sizeof(page), "<pre><!--#file %s --></pre>", name);
    set_welcome(page);
    assert_page("/", "<pre>a &lt; b</pre>");
    assert_int_equal(write(fd, "!", 1), 1);
    assert_page("/", "<pre>a &lt; b!</pre>");
    /* A part of the page is HTML itself. */
    snprintf(page, sizeof(page), "<main><!--#part %s --></main>", name);
    set_welcome(page);
    assert_page("/", "<main>a < b!</main>");
    snprintf(page, sizeof(page), "<pre><!--#file %s --></pre>", name);
    set_welcome(page);
    close(fd);
    unlink(name);
    assert_page("/", "<pre>not available on this system\n</pre>");
}

/* The longest path has 63 bytes. */
static void a_files_path_is_taken_whole_or_not_at_all(void **state)
{
    char name[] = "/tmp/test_http_pages.XXXXXX";
    int fd = mkstemp(name);
    char path[65], page[128];

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "text", 4), 4);
    close(fd);
    for (size_t bytes = 62; bytes <= 64; bytes++) {
        size_t slashes = bytes - strlen(name);

        memset(path, '/', slashes);
        strcpy(path + slashes, name);
        snprintf(page, sizeof(page), "<!--#file %s -->.", path);
        set_welcome(page);
        assert_page("/", bytes <= 63 ? "text." : "not available on this system\n.");
    }
    unlink(name);
}

static void only_whole_marks_are_replaced(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"plain", "plain"},
        {"<!--#own /style.css -->", "own"},
        {"a<!--#own /style.css -->b<!--#own /style.css -->c", "aownbownc"},
        {"a<!--#own /style.css", "a<!--#own /style.css"}, /* without its end */
        {"a<!--#own /style.css --", "a<!--#own /style.css --"},
        {"a<!--#", "a<!--#"},
        {"a<!--", "a<!--"},
        {"a<!-- comment -->b", "a<!-- comment -->b"},
        /* What is unknown disappears, as a built-in file does that is not there. */
        {"a<!--#other /style.css -->b", "ab"},
        {"a<!--#own -->b", "ab"},
        {"a<!--#own /style.cs -->b", "ab"},
        {"a<!--#own /style.csss -->b", "ab"},
        {"a<!--#own /stats.html -->b", "ab"},
        {"a<!--#own /other.css -->b", "ab"},
    };

    (void)state;
    add_text("style.css", "own");
    assert_int_equal(finish_archive(), 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        set_welcome(cases[i][0]);
        assert_page("/", cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_that_was_not_built_in_says_so),
        cmocka_unit_test(a_files_mark_stands_for_its_text_as_it_is_now),
        cmocka_unit_test(a_files_path_is_taken_whole_or_not_at_all),
        cmocka_unit_test(only_whole_marks_are_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
