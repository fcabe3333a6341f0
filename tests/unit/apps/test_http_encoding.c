/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/http_answer.c tests/unit/world/http_archive.c */
/* library: llhttp */
/* flags: -D_GNU_SOURCE */
/*
 * Tests apps/httpd/encoding.c: which of a file's encodings a client gets, and with which fields.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "apps/httpd/encoding.h"
#include "apps/httpd/site.h"
#include "tests/unit/world/http_answer.h"
#include "tests/unit/world/http_archive.h"

#define PLAIN  "the file as it is, the longest"
#define GZIP   "gzip, shorter"
#define BROTLI "brotli"
#define HOST   "Host: a\r\n"

static int set_up(void **state)
{
    (void)state;
    add_text("index.html.gz", "an index, encoded");
    add_text("index.html", "an index, as it is, is longer");
    add_text("both.css", PLAIN);
    add_text("both.css.gz", GZIP);
    add_text("both.css.br", BROTLI);
    add_text("one.js", PLAIN);
    add_text("one.js.gz", GZIP);
    add_text("large.txt", "short");
    add_text("large.txt.gz", "longer than what it encodes");
    add_text("alone.txt", PLAIN);
    add_text("folder.gz/x", "the folder beside is no encoding");
    add_text("folder", "of a file");
    assert_int_equal(finish_archive(), 12);
    add_text("other.css", "another archive's");
    assert_int_equal(finish_archive(), 1);
    add_text("other.css.gz", "of something else");
    assert_int_equal(finish_archive(), 1);
    return 0;
}

static void the_coding_that_is_preferred_is_chosen(void **state)
{
    static const struct {
        const char *value, *content;
    } cases[] = {
        {"gzip", GZIP},
        {"GZip", GZIP},
        {"x-gzip", GZIP},
        {"br", BROTLI},
        {"gzip, deflate, br", BROTLI}, /* as good, and shorter */
        {"br;q=0.5, gzip", GZIP},
        {"br; q=0.5 ,\tgzip ;Q=0.501", GZIP},
        {"gzip;q=1.000, br;q=0.999", GZIP},
        {"*", BROTLI},
        {"*, br;q=0", GZIP},
        {"br;q=0, *;q=0.1", GZIP},
        {"gzip;q=0.001", GZIP}, /* what is named is better than what is not */
        {"identity;q=0.5, gzip;q=0.4", PLAIN},
        {"identity, *;q=0.9", PLAIN},
        {"identity, gzip", GZIP},
        {"identity;q=0, gzip", GZIP},
        {"identity;q=0", PLAIN}, /* rather than nothing */
        {"gzip;q=0", PLAIN},
        {"gzip;q=0.0, br;q=0.000", PLAIN},
        {"*;q=0", PLAIN},
        {"*;q=0, gzip", GZIP},
        {"deflate, zstd", PLAIN},
        {"gzipped, xbr", PLAIN},
        {",, ,gzip,", GZIP},
        {";", PLAIN},
        {"gzip;q=2", PLAIN}, /* weights that are none */
        {"gzip;q=1.001", PLAIN},
        {"gzip;q=0.1234", PLAIN},
        {"gzip;q=-1", PLAIN},
        {"gzip;q=", PLAIN},
        {"gzip;level=9", PLAIN},
        {"gzip;q=0.5;x=1", GZIP},
    };

    (void)state;
    struct resource *file = site_find("/both.css", 9);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct resource *chosen =
            encoding_choose(file, cases[i].value, strlen(cases[i].value));
        if (strlen(cases[i].content) != chosen->content_bytes ||
            memcmp(chosen->content, cases[i].content, chosen->content_bytes) != 0) {
            fail_msg("not %s: %s", cases[i].content, cases[i].value);
        }
    }
    assert_ptr_equal(encoding_choose(file, NULL, 0), file);
    /* Of equals the shortest, which may be the file itself. */
    struct resource *large = site_find("/large.txt", 10);
    assert_ptr_equal(encoding_choose(large, "gzip, identity", 14), large);
    assert_ptr_not_equal(encoding_choose(large, "gzip", 4), large);
}

static void an_encoded_file_has_the_type_of_the_file_and_its_own_tag(void **state)
{
    char plain_tag[64];

    (void)state;
    const struct answer *answer = answer_to("GET", "/both.css", HOST);
    assert_body(answer, PLAIN);
    assert_true(answer_has(answer, "Vary: Accept-Encoding"));
    assert_null(strstr(answer->head, "Content-Encoding"));
    assert_int_equal(sscanf(strstr(answer->head, "ETag: "), "ETag: %63s", plain_tag), 1);

    answer = answer_to("GET", "/both.css", HOST "Accept-Encoding: gzip\r\n");
    assert_int_equal(answer->status, 200);
    assert_body(answer, GZIP);
    assert_non_null(answer->file); /* known when it comes again */
    assert_true(answer_has(answer, "Content-Encoding: gzip"));
    assert_true(answer_has(answer, "Content-Type: text/css; charset=utf-8"));
    assert_true(answer_has(answer, "Vary: Accept-Encoding"));
    assert_true(answer_has(answer, "Content-Length: 13"));
    assert_null(strstr(answer->head, plain_tag));

    answer = answer_to("HEAD", "/both.css", HOST "Accept-Encoding: br\r\n");
    assert_body(answer, "");
    assert_true(answer_has(answer, "Content-Encoding: br"));
    assert_true(answer_has(answer, "Content-Length: 6"));

    /* By its own name it is a file like any other. */
    answer = answer_to("GET", "/both.css.gz", HOST "Accept-Encoding: gzip\r\n");
    assert_body(answer, GZIP);
    assert_true(answer_has(answer, "Content-Type: application/gzip"));
    assert_null(strstr(answer->head, "Content-Encoding"));
    assert_null(strstr(answer->head, "Vary"));
}

static void conditions_and_ranges_are_of_the_encoding_that_is_chosen(void **state)
{
    char tag[64], fields[256];

    (void)state;
    const struct answer *answer = answer_to("GET", "/one.js", HOST "Accept-Encoding: gzip\r\n");
    assert_int_equal(sscanf(strstr(answer->head, "ETag: "), "ETag: %63s", tag), 1);

    snprintf(fields, sizeof(fields), HOST "Accept-Encoding: gzip\r\nIf-None-Match: %s\r\n", tag);
    answer = answer_to("GET", "/one.js", fields);
    assert_int_equal(answer->status, 304);
    assert_true(answer_has(answer, "Vary: Accept-Encoding"));
    snprintf(fields, sizeof(fields), HOST "If-None-Match: %s\r\n", tag);
    assert_int_equal(answer_to("GET", "/one.js", fields)->status, 200);

    answer = answer_to("GET", "/one.js", HOST "Accept-Encoding: gzip\r\nRange: bytes=-7\r\n");
    assert_int_equal(answer->status, 206);
    assert_body(answer, "shorter");
    assert_true(answer_has(answer, "Content-Encoding: gzip"));
    assert_true(answer_has(answer, "Content-Range: bytes 6-12/13"));
}

static void an_index_is_found_encoded_by_its_folder(void **state)
{
    (void)state;
    assert_body(answer_to("GET", "/", HOST "Accept-Encoding: gzip\r\n"), "an index, encoded");
    assert_body(answer_to("GET", "/index.html", HOST "Accept-Encoding: gzip\r\n"),
                "an index, encoded");
    assert_body(answer_to("GET", "/?x", HOST "Accept-Encoding: gzip\r\n"), "an index, encoded");
    assert_body(answer_to("GET", "/", HOST), "an index, as it is, is longer");
}

static void files_without_encodings_are_what_they_were(void **state)
{
    static const char *const paths[] = {"/alone.txt", "/folder", "/other.css"};

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const struct answer *answer = answer_to("GET", paths[i], HOST "Accept-Encoding: gzip\r\n");
        assert_int_equal(answer->status, 200);
        assert_null(strstr(answer->head, "Content-Encoding"));
        assert_null(strstr(answer->head, "Vary"));
    }
}

/* A list may come in several lines (RFC 9110 5.3); no use is made of it then. */
static void a_field_in_two_lines_is_none(void **state)
{
    (void)state;
    assert_body(answer_to("GET", "/both.css",
                          HOST "Accept-Encoding: gzip\r\nAccept-Encoding: br\r\n"
                               "Accept-Encoding: br\r\n"),
                PLAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_coding_that_is_preferred_is_chosen),
        cmocka_unit_test(an_encoded_file_has_the_type_of_the_file_and_its_own_tag),
        cmocka_unit_test(conditions_and_ranges_are_of_the_encoding_that_is_chosen),
        cmocka_unit_test(an_index_is_found_encoded_by_its_folder),
        cmocka_unit_test(files_without_encodings_are_what_they_were),
        cmocka_unit_test(a_field_in_two_lines_is_none),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
