/* SPDX-License-Identifier: MIT */
/*
 * An answer of a web server as it comes in, in order: a header, of which the status and the length
 * count, and a page that is one of the built-in ones for benchmarks (apps/apps.mk).
 */
#pragma once

#include "kernel/base.h"

#define PAGE_HEAD_BYTES 512

struct page {
    const char *path;
    bool is_checked;
    bool is_wrong;
    bool is_turned_away; /* 503: nothing but an answer of the server's for this request */
    bool has_body;       /* the header is complete */
    uint32_t head_bytes;
    uint64_t body_bytes; /* what the header says */
    uint64_t taken_bytes;
    char head[PAGE_HEAD_BYTES];
};

/* Wait for the answer to a request for this path; `is_checked`: each byte of the page is. */
void page_begin(struct page *page, const char *path, bool is_checked);
/* The next bytes of it. `context` is the page. */
void page_take(void *context, const uint8_t *bytes, size_t count);
static inline bool page_is_complete(const struct page *page)
{
    return page->has_body && page->taken_bytes >= page->body_bytes;
}
/* A complete one: 200, and as it should be. */
static inline bool page_is_right(const struct page *page)
{
    return !page->is_wrong;
}
