/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/http_answer.c tests/unit/world/http_archive.c */
/* library: llhttp */
/* flags: -D_GNU_SOURCE -Dfprintf=noted_fprintf -Drealloc=limited_realloc */
/*
 * Tests what httpd.cfg makes of a web root (apps/httpd/rules.c, listing.c, archive.c): whole
 * answers of one site with several hosts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/httpd/response.h"
#include "apps/httpd/rules.h"
#include "apps/httpd/site.h"
#include "apps/httpd/text.h"
#include "tests/unit/world/http_answer.h"
#include "tests/unit/world/http_archive.h"

/* The host's, from here on. */
#undef realloc
void *realloc(void *block, size_t bytes);
void *limited_realloc(void *block, size_t bytes);

static bool has_no_memory;
static char notes[4096];

void *limited_realloc(void *block, size_t bytes)
{
    return has_no_memory ? NULL : realloc(block, bytes);
}

int noted_fprintf(FILE *file, const char *format, ...);
int noted_fprintf(FILE *file, const char *format, ...)
{
    size_t length = strlen(notes);
    va_list arguments;

    assert_ptr_equal(file, stderr);
    va_start(arguments, format);
    int bytes = vsnprintf(notes + length, sizeof(notes) - length, format, arguments);
    va_end(arguments);
    return bytes;
}

static const char text_of_settings[] =
    "# for all hosts\n"
    "cache text/* max-age=60\n"
    "cache image/png max-age=3600\n"
    "header /secure/* X-Frame-Options DENY\n"
    "header /secure/own X-Frame-Options SAMEORIGIN\n"
    "header *.js cache-control no-cache\n"
    "error 404 /404.html\n"
    "error 416 /404.html\n"
    "error 503 /404.html\n"
    "error 405 /missing.html\n" /* line 10: there is none */
    "listing /pub/*\n"
    "redirect 301 /old /new.txt\n"
    "redirect 308 /moved/* /pub/*\n"
    "redirect 302 /away/* https://example.org/a/*\n"
    "redirect 307 /asked /new.txt?x=1\n"
    "redirect 303 /new.txt/none /none#part\n"
    "nonsense\n" /* line 17 */
    "host /sites/a a.org *.a.org\n"
    "error 404 /gone.html\n"
    "header * X-Site a\n"
    "listing /\n"
    "host - www.old.org\n"
    "redirect 301 /* http://a.org/*\n"
    "host /sites/empty empty.org\n" /* line 24: no file is there */
    "host /sites/lost lo%st.org\n"  /* line 25 */
    "listing /*\n";

static void write_page(struct text *text)
{
    text_print(text, "a page");
}

static int set_up(void **state)
{
    (void)state;
    add_text("built-in", "built in");
    add_text("secure/built-in", "built in");
    assert_int_equal(finish_archive(), 2);
    site_add_page("/", "text/html", write_page);
    add_text("httpd.cfg", "this one is overwritten\n");
    add_text("new.txt", "new");
    add_text("404.html", "<h1>own</h1>");
    add_text("image.png", "png");
    add_text("script.js", "js");
    add_text("script.js.gz", "gz");
    add_text("secure/x", "x");
    add_text("secure/own", "own");
    add_text("moved/covered", "by what is said of moved/*");
    add_text("pub/b & <c>.txt", "1234");
    add_text("pub/a", "");
    add_text("pub/.hidden", "");
    add_text("pub/deep/er/x", "x");
    add_text("pub/with/index.html", "an index");
    add_text("sites/a/index.html", "a's index");
    add_text("sites/a/only", "a's");
    add_text("sites/a/gone.html", "gone from a");
    add_text("sites/a/httpd.cfg", "a's own");
    add_text("sites/lost/x", "nobody's");
    add_text("httpd.cfg.gz", "packed");
    add_text("httpd.cfg~", "older");
    add_text("./httpd.cfg", text_of_settings);
    assert_int_equal(finish_root(), 17);
    site_add_page("/stats", "text/html", write_page);
    return 0;
}

static const struct answer *get(const char *target)
{
    return answer_from("talus", target, "");
}

static void wrong_lines_are_told_and_counted(void **state)
{
    (void)state;
    assert_string_equal(notes, "httpd.cfg, line 17: its first word is unknown\n"
                               "httpd.cfg, line 25: this is no host's name\n"
                               "httpd.cfg, line 10: there is no such file\n"
                               "httpd.cfg, line 24: no file is in this folder\n");
    assert_int_equal(rules_refused(), 4);
}

static void the_file_itself_is_never_served(void **state)
{
    static const char *const paths[] = {"/httpd.cfg",   "/httpd.cfg.gz",  "/httpd.cfg~",
                                        "/%68ttpd.cfg", "/./httpd.cfg",   "/sites/a/httpd.cfg",
                                        "//httpd.cfg",  "/httpd.cfg?x=1", "/httpd.cfg/"};
    static const char *const hosts[] = {"talus", "a.org", "empty.org"};

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        for (size_t k = 0; k < sizeof(hosts) / sizeof(hosts[0]); k++) {
            assert_int_equal(answer_from(hosts[k], paths[i], "Accept-Encoding: gzip\r\n")->status,
                             404);
        }
    }
}

static void each_host_has_its_folder_and_no_other(void **state)
{
    (void)state;
    assert_body(answer_from("a.org", "/", ""), "a's index");
    assert_body(answer_from("A.org:8080", "/only", ""), "a's");
    assert_body(answer_from("x.a.org", "/only?query", ""), "a's");
    assert_non_null(answer_from("a.org", "/only", "")->file); /* known when it comes again */
    assert_int_equal(answer_from("a.org", "/new.txt", "")->status, 404);
    assert_int_equal(answer_from("a.org", "/built-in", "")->status, 404);
    assert_int_equal(answer_from("a.org", "/stats", "")->status, 404);
    assert_int_equal(answer_from("a.org", "/sites/a/only", "")->status, 404);

    assert_body(get("/new.txt"), "new");
    assert_body(get("/built-in"), "built in");
    assert_body(get("/stats"), "a page");
    assert_body(get("/"), "a page");
    assert_int_equal(get("/only")->status, 404);
    assert_int_equal(get("/sites/a/only")->status, 404);
    assert_int_equal(get("/sites/a")->status, 404);
    assert_int_equal(get("/sites/a/")->status, 404);
    assert_int_equal(get("/sites")->status, 404);
    assert_int_equal(get("/sites/lost/x")->status, 404); /* though its line is wrong */
    assert_int_equal(answer_from("empty.org", "/new.txt", "")->status, 404);
}

/* RFC 9112 3.2.2: what the target says counts, whatever Host says. */
static void the_host_of_an_absolute_target_counts(void **state)
{
    (void)state;
    assert_body(answer_from("talus", "http://a.org/only", ""), "a's");
    assert_body(answer_from("a.org", "http://talus/new.txt", ""), "new");
    assert_body(answer_from("a.org", "HTTP://b.org:80/new.txt", ""), "new");
    assert_body(answer_from("talus", "http://a.org", ""), "a's index");
}

static void fields_are_those_of_the_last_line_that_fits(void **state)
{
    (void)state;
    const struct answer *answer = get("/secure/x");
    assert_true(answer_has(answer, "X-Frame-Options: DENY"));
    assert_null(strstr(answer->head, "Cache-Control"));
    answer = get("/secure/own");
    assert_true(answer_has(answer, "X-Frame-Options: SAMEORIGIN"));
    assert_null(strstr(answer->head, "DENY"));
    assert_true(answer_has(get("/secure/built-in"), "X-Frame-Options: DENY"));
    assert_null(strstr(get("/built-in")->head, "X-Frame-Options"));

    assert_true(answer_has(get("/new.txt"), "Cache-Control: max-age=60"));
    assert_true(answer_has(get("/image.png"), "Cache-Control: max-age=3600"));
    answer = get("/script.js"); /* whose type is text/javascript */
    assert_true(answer_has(answer, "cache-control: no-cache"));
    assert_null(strstr(answer->head, "Cache-Control: max-age"));
    assert_true(answer_has(answer, "Vary: Accept-Encoding"));
    assert_true(answer_has(answer_from("a.org", "/only", ""), "X-Site: a"));
    assert_null(strstr(get("/new.txt")->head, "X-Site"));
}

static void fields_come_with_parts_encodings_and_validators(void **state)
{
    (void)state;
    const struct answer *answer = answer_from("talus", "/script.js", "Accept-Encoding: gzip\r\n");
    assert_body(answer, "gz");
    assert_true(answer_has(answer, "cache-control: no-cache"));
    answer = answer_from("talus", "/script.js", "If-None-Match: *\r\n");
    assert_int_equal(answer->status, 304);
    assert_true(answer_has(answer, "cache-control: no-cache"));
    assert_true(answer_has(answer, "Vary: Accept-Encoding"));
    answer = answer_from("talus", "/script.js", "Range: bytes=0-0\r\n");
    assert_int_equal(answer->status, 206);
    assert_true(answer_has(answer, "cache-control: no-cache"));
}

static void redirections_lead_where_they_should(void **state)
{
    static const struct {
        const char *target;
        uint16_t status;
        const char *location;
    } cases[] = {
        {"/old", 301, "Location: /new.txt"},
        {"/old?a=b", 301, "Location: /new.txt?a=b"},
        {"/asked?a=b", 307, "Location: /new.txt?x=1"},
        {"/new.txt/none?a=b", 303, "Location: /none#part"},
        {"/moved/covered", 308, "Location: /pub/covered"},
        {"/moved/x%20y/%C3%A4?q", 308, "Location: /pub/x%20y/%C3%A4?q"},
        {"/moved/", 308, "Location: /pub/"},
        {"/moved//evil.org/", 308, "Location: /pub/evil.org/"},
        {"/away/%0d%0aX:%20y", 302, "Location: https://example.org/a/%0D%0AX:%20y"},
        {"/away/%5C@evil.org", 302, "Location: https://example.org/a/%5C@evil.org"},
        {"/pub", 301, "Location: /pub/"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct answer *answer = get(cases[i].target);
        if (answer->status != cases[i].status || !answer_has(answer, cases[i].location)) {
            fail_msg("%s: %s", cases[i].target, answer->head);
        }
    }
    assert_int_equal(get("/olde")->status, 404);
    assert_int_equal(get("/moved")->status, 301); /* a folder's */
    const struct answer *answer = answer_from("www.old.org", "//b.org/x", "");
    assert_int_equal(answer->status, 301);
    assert_true(answer_has(answer, "Location: http://a.org/b.org/x"));
    answer = answer_from("www.old.org", "/", "");
    assert_true(answer_has(answer, "Location: http://a.org/"));
}

static void errors_have_the_sites_own_pages(void **state)
{
    (void)state;
    const struct answer *answer = get("/none");
    assert_int_equal(answer->status, 404);
    assert_body(answer, "<h1>own</h1>");
    assert_true(answer_has(answer, "Content-Type: text/html; charset=utf-8"));
    assert_true(answer_has(answer, "Content-Length: 12"));
    assert_null(strstr(answer->head, "ETag"));
    assert_null(answer->file);
    answer = answer_to("HEAD", "/none", "Host: talus\r\n");
    assert_body(answer, "");
    assert_true(answer_has(answer, "Content-Length: 12"));
    answer = answer_from("talus", "/new.txt", "Range: bytes=9-\r\n");
    assert_int_equal(answer->status, 416);
    assert_body(answer, "<h1>own</h1>");
    assert_true(answer_has(answer, "Content-Range: bytes */3"));

    assert_body(answer_from("a.org", "/none", ""), "gone from a");
    answer = answer_from("empty.org", "/none", ""); /* it has neither file */
    assert_int_equal(answer->status, 404);
    assert_non_null(strstr(answer->body, "<h1>404 Not Found</h1>"));
    answer = answer_to("DELETE", "/", "Host: talus\r\n");
    assert_int_equal(answer->status, 405);
    assert_non_null(strstr(answer->body, "<h1>405 "));
    assert_true(answer_has(answer, "Allow: GET, HEAD, OPTIONS"));
    /* The page is a file like any other, too. */
    assert_int_equal(get("/404.html")->status, 200);
}

/* The constant answer that is left had got the page behind it, which its length does not count. */
static void without_memory_an_error_has_no_page(void **state)
{
    struct response response;

    (void)state;
    response_make_refusal(&response, 503, false);
    assert_int_equal(response.body_bytes, 12);
    free(response.owned);
    has_no_memory = true;
    response_make_refusal(&response, 503, false);
    has_no_memory = false;
    assert_null(response.owned);
    assert_int_equal(response.body_bytes, 0);
    assert_non_null(strstr(response.head, "Content-Length: 0\r\n"));
}

static void listings_show_what_is_in_folders_without_an_index(void **state)
{
    (void)state;
    const struct answer *answer = get("/pub/");
    assert_int_equal(answer->status, 200);
    assert_true(answer_has(answer, "Content-Type: text/html; charset=utf-8"));
    assert_true(answer_has(answer, "Cache-Control: max-age=60"));
    assert_non_null(strstr(answer->head, "ETag: "));
    const char *a = strstr(answer->body, "<a href=\"/pub/a\">a</a></td><td>0</td>");
    const char *b =
        strstr(answer->body, "<a href=\"/pub/b%20&%20%3Cc%3E.txt\">b &amp; &lt;c&gt;.txt"
                             "</a></td><td>4</td>"
                             "<td>Sun, 06 Nov 1994 08:49:37 GMT</td>");
    const char *deep = strstr(answer->body, "<a href=\"/pub/deep/\">deep/</a>");
    assert_true(a != NULL && b != NULL && deep != NULL && a < b && b < deep);
    assert_non_null(strstr(answer->body, "<a href=\"/pub/with/\">"));
    assert_null(strstr(answer->body, "hidden"));
    assert_null(strstr(answer->body, "er/x"));
    assert_non_null(strstr(get("/pub/deep/")->body, "<a href=\"/pub/deep/er/\">"));
    assert_body(get("/pub/with/"), "an index");
    assert_int_equal(get("/secure/")->status, 404); /* not unless it is asked for */
    assert_body(answer_from("a.org", "/", ""), "a's index");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_lines_are_told_and_counted),
        cmocka_unit_test(the_file_itself_is_never_served),
        cmocka_unit_test(each_host_has_its_folder_and_no_other),
        cmocka_unit_test(the_host_of_an_absolute_target_counts),
        cmocka_unit_test(fields_are_those_of_the_last_line_that_fits),
        cmocka_unit_test(fields_come_with_parts_encodings_and_validators),
        cmocka_unit_test(redirections_lead_where_they_should),
        cmocka_unit_test(errors_have_the_sites_own_pages),
        cmocka_unit_test(without_memory_an_error_has_no_page),
        cmocka_unit_test(listings_show_what_is_in_folders_without_an_index),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
