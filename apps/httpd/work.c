/* SPDX-License-Identifier: MIT */
/*
 * The shared work, and copies of it.
 */
#include "apps/httpd/work.h"

#include <stdlib.h>

#include "apps/httpd/check.h"

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

void work_begin_request(const struct work *work)
{
    is_shared_begun |= work == &work_shared;
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
