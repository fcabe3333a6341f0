/* SPDX-License-Identifier: MIT */
/* sources: apps/webswamp/answer.c */
/* library: llhttp */
/* flags: -D_GNU_SOURCE */
/*
 * Tests webswamp's reading of answers. Each is read whole, byte by byte and cut at every place, in
 * buffers of exactly its length, with nothing known of it and with its head known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/webswamp/answer.h"

#define OK "HTTP/1.1 200 OK\r\n"

static struct answer answer;
static struct answer_known known;

static int set_up(void **state)
{
    (void)state;
    memset(&known, 0, sizeof(known));
    return 0;
}

/* Sanitizers see what is read beyond. */
static enum answer_progress take(const char *text, size_t bytes)
{
    char *copy = malloc(bytes != 0 ? bytes : 1);
    enum answer_progress progress;

    memcpy(copy, text, bytes);
    progress = answer_take(&answer, &known, copy, bytes);
    free(copy);
    return progress;
}

static enum answer_progress take_pieces(const char *text, size_t bytes, size_t piece_bytes)
{
    enum answer_progress progress = ANSWER_INCOMPLETE;

    answer_start(&answer, true);
    for (size_t at = 0; at < bytes && progress == ANSWER_INCOMPLETE; at += piece_bytes) {
        size_t rest = bytes - at;

        progress = take(text + at, rest < piece_bytes ? rest : piece_bytes);
        if (progress == ANSWER_COMPLETE && rest > piece_bytes) {
            return ANSWER_BAD; /* as a session has it, when it reads on */
        }
    }
    return progress;
}

/* However it is cut. The end may be the connection's. */
static void expect(const char *text, enum answer_progress wanted, unsigned status, bool keeps,
                   size_t body_bytes)
{
    size_t bytes = strlen(text);

    for (size_t piece = 1; piece <= bytes; piece++) {
        enum answer_progress progress = take_pieces(text, bytes, piece);

        if (progress == ANSWER_INCOMPLETE) {
            progress = answer_end(&answer);
        }
        assert_int_equal(progress, wanted);
        if (wanted == ANSWER_COMPLETE) {
            assert_int_equal(answer.status, status);
            assert_int_equal(answer.keeps, keeps);
            assert_int_equal(answer.body_bytes, body_bytes);
        }
    }
}

static void an_answer_ends_where_its_length_says(void **state)
{
    (void)state;
    expect(OK "Content-Length: 4\r\n\r\npika", ANSWER_COMPLETE, 200, true, 4);
    expect(OK "Content-Length: 0\r\n\r\n", ANSWER_COMPLETE, 200, true, 0);
    expect("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", ANSWER_COMPLETE, 404, true, 2);
    expect("HTTP/1.1 204 No Content\r\n\r\n", ANSWER_COMPLETE, 204, true, 0);
    expect("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", ANSWER_COMPLETE, 304, true, 0);
}

static void chunks_are_read_to_the_last(void **state)
{
    (void)state;
    expect(OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
           ANSWER_COMPLETE, 200, true, 5);
    expect(OK "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nTrailer: x\r\n\r\n",
           ANSWER_COMPLETE, 200, true, 1);
    assert_int_equal(known.head_bytes, 0);
}

static void one_without_a_length_ends_with_the_connection(void **state)
{
    (void)state;
    expect(OK "\r\nuntil the end", ANSWER_COMPLETE, 200, false, 13);
    expect("HTTP/1.0 200 OK\r\n\r\n", ANSWER_COMPLETE, 200, false, 0);
}

static void it_says_whether_the_connection_is_kept(void **state)
{
    (void)state;
    expect(OK "Connection: close\r\nContent-Length: 1\r\n\r\nx", ANSWER_COMPLETE, 200, false, 1);
    expect("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", ANSWER_COMPLETE, 200, false, 1);
    expect("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
           ANSWER_COMPLETE, 200, true, 1);
}

static void interim_answers_are_passed_over(void **state)
{
    (void)state;
    expect("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" OK "Content-Length: 4\r\n\r\npika",
           ANSWER_COMPLETE, 200, true, 4);
    expect("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
           ANSWER_BAD, 0, false, 0);
}

static void one_that_is_cut_is_not_complete(void **state)
{
    static const char text[] = OK "Content-Length: 4\r\n\r\npik";

    (void)state;
    for (size_t bytes = 0; bytes < sizeof(text); bytes++) {
        char *cut = strndup(text, bytes);

        expect(cut, ANSWER_INCOMPLETE, 0, false, 0);
        free(cut);
    }
    expect(OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", ANSWER_INCOMPLETE, 0, false,
           0);
}

static void what_is_no_http_is_bad(void **state)
{
    static const char *const texts[] = {
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/3.1 200 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        OK "Content-Length: 4\r\nContent-Length: 5\r\n\r\npika",
        OK "Content-Length: -4\r\n\r\npika",
        OK "Content-Length: 18446744073709551616\r\n\r\n",
        OK "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK "Bad Name: x\r\n\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        expect(texts[i], ANSWER_BAD, 0, false, 0);
    }
}

/* Nobody has asked for more than one. */
static void bytes_behind_an_answer_are_bad(void **state)
{
    static const char text[] = OK "Content-Length: 4\r\n\r\npika",
                      more[] = OK "Content-Length: 4\r\n\r\npikaH";

    (void)state;
    for (unsigned i = 0; i < 2; i++) { /* then with its head known */
        answer_start(&answer, false);
        assert_int_equal(take(more, strlen(more)), ANSWER_BAD);
        assert_int_equal(known.head_bytes, strlen(text) - 4);
    }
}

static void a_head_without_end_is_bad(void **state)
{
    char line[1000];
    enum answer_progress progress;
    size_t bytes = 0;

    (void)state;
    (void)snprintf(line, sizeof(line), "X-%0980u: y\r\n", 1u);
    answer_start(&answer, false);
    progress = take(OK, strlen(OK));
    while (progress == ANSWER_INCOMPLETE && bytes <= 2 * ANSWER_HEAD_MAX_BYTES) {
        progress = take(line, strlen(line));
        bytes += strlen(line);
    }
    assert_int_equal(progress, ANSWER_BAD);
    assert_true(bytes <= ANSWER_HEAD_MAX_BYTES + sizeof(line));
}

static void interim_answers_without_end_are_bad(void **state)
{
    static const char hint[] = "HTTP/1.1 103 Early Hints\r\nLink: </a-name-of-some-length>\r\n\r\n";
    enum answer_progress progress = ANSWER_INCOMPLETE;
    unsigned count;

    (void)state;
    answer_start(&answer, false);
    for (count = 0; progress == ANSWER_INCOMPLETE && count < 100000; count++) {
        progress = take(hint, strlen(hint));
    }
    assert_int_equal(progress, ANSWER_BAD);
    assert_true(count <= ANSWER_HEAD_MAX_BYTES / strlen(hint) + 1);
}

static void a_head_that_came_before_is_known_and_means_the_same(void **state)
{
    static const char text[] = OK "Content-Length: 4\r\nConnection: close\r\n\r\npika";

    (void)state;
    answer_start(&answer, true);
    assert_int_equal(take(text, strlen(text)), ANSWER_COMPLETE);
    assert_false(answer.is_known);
    assert_int_equal(known.head_bytes, strlen(text) - 4);
    answer_start(&answer, true);
    assert_int_equal(take(text, strlen(text) - 1), ANSWER_INCOMPLETE);
    assert_true(answer.is_known);
    assert_int_equal(answer_end(&answer), ANSWER_INCOMPLETE);
    assert_int_equal(take("a", 1), ANSWER_COMPLETE);
    assert_int_equal(answer.status, 200);
    assert_false(answer.keeps);
    assert_int_equal(answer.body_bytes, 4);
}

/* A second later its date differs: it is parsed, and then the one that is known. */
static void a_head_that_differs_in_a_byte_is_parsed(void **state)
{
    static const char one[] = OK "Date: 1\r\nContent-Length: 4\r\n\r\npika",
                      other[] = OK "Date: 2\r\nContent-Length: 5\r\n\r\npikas";

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        answer_start(&answer, false);
        assert_int_equal(take(one, strlen(one)), ANSWER_COMPLETE);
        assert_int_equal(answer.is_known, i == 1);
        if (i == 1) {
            answer_start(&answer, false);
            assert_int_equal(take(other, strlen(other)), ANSWER_COMPLETE);
            assert_false(answer.is_known);
            assert_int_equal(known.body_bytes, 5);
        }
    }
}

static void only_heads_that_say_all_are_known(void **state)
{
    static const char *const texts[] = {
        OK "\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\n",
    };
    char *text = malloc(2 * ANSWER_KNOWN_MAX_BYTES);

    (void)state;
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        answer_start(&answer, false);
        (void)take(texts[i], strlen(texts[i]));
        assert_int_equal(known.head_bytes, 0);
    }
    (void)snprintf(text, 2 * ANSWER_KNOWN_MAX_BYTES, OK "X: %0*u\r\nContent-Length: 0\r\n\r\n",
                   (int)ANSWER_KNOWN_MAX_BYTES, 1u);
    answer_start(&answer, false);
    assert_int_equal(take(text, strlen(text)), ANSWER_COMPLETE);
    assert_int_equal(known.head_bytes, 0);
    free(text);
}

static void a_body_is_compared_with_the_first_one_byte_by_byte(void **state)
{
    static const struct {
        const char *body;
        bool is_like;
    } bodies[] = {
        {"pika", true}, {"pika", true}, {"pikb", false}, {"pik", false}, {"pikaa", false}};
    char text[128];

    (void)state;
    for (unsigned i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        (void)snprintf(text, sizeof(text), OK "Content-Length: %zu\r\n\r\n%s",
                       strlen(bodies[i].body), bodies[i].body);
        for (size_t piece = 1; piece <= strlen(text); piece++) {
            assert_int_equal(take_pieces(text, strlen(text), piece), ANSWER_COMPLETE);
            assert_int_equal(answer_is_like_first(&answer, &known), bodies[i].is_like);
        }
    }
}

/* A server that is broken or means harm. */
static void a_damaged_answer_is_read_alike_whole_and_in_pieces_and_with_its_head_known(void **state)
{
    static const char *const texts[] = {
        OK "Date: 1\r\nContent-Length: 12\r\n\r\npikapikapika",
        OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.0 404 No\r\nConnection: keep-alive\r\n"
        "Content-Length: 2\r\n\r\nno",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    };
    uint32_t chance = 2463534242u;

    (void)state;
    for (unsigned run = 0; run < 20000; run++) {
        char text[128];
        size_t bytes = strlen(texts[run % 4]), piece;
        enum answer_progress whole;

        memcpy(text, texts[run % 4], bytes);
        for (unsigned i = 0; i <= run % 3; i++) {
            chance = chance * 1664525 + 1013904223;
            text[(chance >> 8) % bytes] = (char)(chance >> 24);
        }
        piece = 1 + run % 7;
        memset(&known, 0, sizeof(known));
        whole = take_pieces(text, bytes, bytes);
        for (unsigned i = 0; i < 3; i++) { /* known is what the first run has left */
            uint64_t hash = answer.hash, body_bytes = answer.body_bytes;
            unsigned status = answer.status;

            answer_start(&answer, true);
            assert_int_equal(i == 0   ? take_pieces(text, bytes, piece)
                             : i == 1 ? take(text, bytes)
                                      : take_pieces(text, bytes, known.head_bytes + 1),
                             whole);
            if (whole == ANSWER_COMPLETE) {
                assert_true(answer.hash == hash && answer.body_bytes == body_bytes);
                assert_int_equal(answer.status, status);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_answer_ends_where_its_length_says, set_up),
        cmocka_unit_test_setup(chunks_are_read_to_the_last, set_up),
        cmocka_unit_test_setup(one_without_a_length_ends_with_the_connection, set_up),
        cmocka_unit_test_setup(it_says_whether_the_connection_is_kept, set_up),
        cmocka_unit_test_setup(interim_answers_are_passed_over, set_up),
        cmocka_unit_test_setup(one_that_is_cut_is_not_complete, set_up),
        cmocka_unit_test_setup(what_is_no_http_is_bad, set_up),
        cmocka_unit_test_setup(bytes_behind_an_answer_are_bad, set_up),
        cmocka_unit_test_setup(a_head_without_end_is_bad, set_up),
        cmocka_unit_test_setup(interim_answers_without_end_are_bad, set_up),
        cmocka_unit_test_setup(a_head_that_came_before_is_known_and_means_the_same, set_up),
        cmocka_unit_test_setup(a_head_that_differs_in_a_byte_is_parsed, set_up),
        cmocka_unit_test_setup(only_heads_that_say_all_are_known, set_up),
        cmocka_unit_test_setup(a_body_is_compared_with_the_first_one_byte_by_byte, set_up),
        cmocka_unit_test_setup(
            a_damaged_answer_is_read_alike_whole_and_in_pieces_and_with_its_head_known, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
