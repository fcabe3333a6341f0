/* SPDX-License-Identifier: MIT */
/*
 * The shared work, and copies of it.
 */
#include "apps/httpd/work.h"

#include <stdlib.h>

#include "apps/httpd/check.h"
#include "apps/httpd/repeat.h"
#include "libc/core/ablation.h"

struct work work_shared;

/* Its parser has begun a request and not completed it, or is at the end of a connection: only a
 * fresh one can read the next client's. */
static bool is_shared_begun;

void work_start(void)
{
    request_initialise(&work_shared.request);
}

void work_clear_shared(void)
{
    check(work_shared.response.owned == NULL);
    if (is_shared_begun) {
        request_initialise(&work_shared.request);
        is_shared_begun = false;
    } else if (work_shared.request.has_head) {
        request_restart(&work_shared.request);
    }
}

enum request_progress work_parse(struct work *work, const char *head, char **at, const char *end)
{
    struct request *request = &work->request;
    size_t bytes = (size_t)(end - *at);
    bool is_whole = *at == head;
    size_t consumed;

    check(!request->is_complete && *at < end);
    if (!WITHOUT(REPEATED_FIELDS) && is_whole &&
        repeat_recognise(request, head, bytes, &consumed)) {
        *at += consumed;
        return REQUEST_COMPLETE;
    }
    is_shared_begun |= work == &work_shared;
    enum request_progress progress = request_parse(request, head, *at, bytes, &consumed);
    check(consumed <= bytes);
    *at += consumed;
    if (!WITHOUT(REPEATED_FIELDS) && is_whole && progress == REQUEST_COMPLETE) {
        repeat_remember(request, head, consumed);
    }
    return progress;
}

void work_restart(struct work *work)
{
    is_shared_begun &= work != &work_shared;
    request_restart(&work->request);
}

struct work *work_take_shared(void)
{
    struct work *work = malloc(sizeof(*work));

    if (work != NULL) {
        *work = work_shared;
        work_shared.response.owned = NULL;
    }
    return work;
}

void work_release_response(struct work *work)
{
    if (work->response.owned != NULL) {
        free(work->response.owned);
        work->response.owned = NULL;
    }
}
