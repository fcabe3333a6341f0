/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/request.c apps/httpd/conditions.c apps/httpd/ranges.c apps/httpd/response.c */
/* sources: apps/httpd/multipart.c */
/*
 * Answers of httpd for unit tests: see http_answer.h.
 */
#include "tests/unit/world/http_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/httpd/multipart.h"
#include "apps/httpd/request.h"
#include "apps/httpd/response.h"

#define NOW_S 784111777

static char body[256 * 1024];
static char head[16 * 1024];

static void add_piece(struct answer *answer, const void *piece, size_t bytes)
{
    assert_true(answer->body_bytes + bytes < sizeof(body));
    if (bytes > 0) {
        memcpy(body + answer->body_bytes, piece, bytes);
        answer->body_bytes += bytes;
    }
}

static void add_body(struct answer *answer, struct response *response)
{
    struct iovec pieces[MULTIPART_PIECES_MAX];

    if (!multipart_is(response)) {
        add_piece(answer, response->body, response->body_bytes);
        return;
    }
    response->head_bytes = 0;
    unsigned count = multipart_pieces(response, pieces);
    for (unsigned i = 0; i < count; i++) {
        add_piece(answer, pieces[i].iov_base, pieces[i].iov_len);
    }
}

const struct answer *answer_to(const char *method, const char *target, const char *fields)
{
    static struct answer answer;
    static char text[32 * 1024];
    struct request request;
    struct response response;
    size_t consumed;
    int bytes = snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\n%s\r\n", method, target, fields);

    assert_true(bytes > 0 && (size_t)bytes < sizeof(text));
    response_set_time(NOW_S);
    request_initialise(&request);
    assert_int_equal(request_parse(&request, text, text, (size_t)bytes, &consumed),
                     REQUEST_COMPLETE);
    memset(&answer, 0, sizeof(answer));
    answer.file = response_make(&response, &request, text, PERSIST_SILENTLY);
    answer.status = response.status;
    const char *end = memmem(response.head, response.head_bytes, "\r\n\r\n", 4);
    assert_non_null(end);
    size_t head_bytes = (size_t)(end + 4 - response.head);
    assert_true(head_bytes < sizeof(head));
    memcpy(head, response.head, head_bytes);
    head[head_bytes] = '\0';
    add_piece(&answer, end + 4, response.head_bytes - head_bytes);
    add_body(&answer, &response);
    body[answer.body_bytes] = '\0';
    answer.head = head;
    answer.body = body;
    free(response.owned);
    return &answer;
}

const struct answer *answer_from(const char *host, const char *target, const char *fields)
{
    char text[4096];

    snprintf(text, sizeof(text), "Host: %s\r\n%s", host, fields);
    return answer_to("GET", target, text);
}

bool answer_has(const struct answer *answer, const char *line)
{
    char text[1024];

    snprintf(text, sizeof(text), "\r\n%s\r\n", line);
    return strstr(answer->head, text) != NULL;
}

void assert_body(const struct answer *answer, const char *content)
{
    assert_string_equal(answer->body, content);
    assert_int_equal(answer->body_bytes, strlen(content));
}
