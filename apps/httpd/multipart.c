/* SPDX-License-Identifier: MIT */
/*
 * Putting parts together.
 */
#include "apps/httpd/multipart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/httpd/check.h"
#include "apps/httpd/header.h"
#include "apps/httpd/tag.h"
#include "apps/httpd/text.h"

#define BOUNDARY_BYTES 40

/* What response.owned points to. The head stands in `text`, before what is between the ranges. */
struct multipart {
    size_t body_bytes;
    unsigned piece_count;
    struct iovec pieces[MULTIPART_PIECES_MAX]; /* of the body */
    char text[];
};

/* It must not stand in the content (RFC 2046 5.1.1): 128 bits of which the content's own hash is a
 * part. */
static void print_boundary(const struct resource *file, char boundary[BOUNDARY_BYTES])
{
    uint64_t more = tag_mix(file->tag, (uint64_t)file->content_bytes);

    snprintf(boundary, BOUNDARY_BYTES, "talus-%016llx%016llx", (unsigned long long)more,
             (unsigned long long)file->tag);
}

/* All that is not content. `ends` is where the text before each range ends, and the last one's. */
static void add_texts(struct text *text, const struct resource *file, const struct ranges *ranges,
                      const char *boundary, size_t *ends)
{
    for (unsigned i = 0; i < ranges->count; i++) {
        const struct byte_range *range = &ranges->at[i];

        assert(range->bytes >= 1 && range->first < file->content_bytes &&
               range->bytes <= file->content_bytes - range->first);
        text_print(text, "%s--%s\r\nContent-Type: %s\r\nContent-Range: bytes %zu-%zu/%zu\r\n\r\n",
                   i > 0 ? "\r\n" : "", boundary, file->type, range->first,
                   range->first + range->bytes - 1, file->content_bytes);
        ends[i] = text->bytes;
    }
    text_print(text, "\r\n--%s--\r\n", boundary);
    ends[ranges->count] = text->bytes;
}

static void add_head(struct text *head, const struct resource *file, const char *boundary,
                     size_t body_bytes, enum persistence persistence)
{
    char type[BOUNDARY_BYTES + sizeof("multipart/byteranges; boundary=")];

    snprintf(type, sizeof(type), "multipart/byteranges; boundary=%s", boundary);
    header_add_start(head, 206, persistence);
    header_add_content(head, type, body_bytes);
    header_add_file(head, file);
    text_print(head, "\r\n");
}

static void lay_out(struct multipart *multipart, const char *texts, const struct resource *file,
                    const struct ranges *ranges, const size_t *ends)
{
    struct iovec *piece = multipart->pieces;
    size_t start = 0;

    for (unsigned i = 0; i <= ranges->count; i++) {
        *piece++ = (struct iovec){(void *)(uintptr_t)(texts + start), ends[i] - start};
        start = ends[i];
        if (i < ranges->count) {
            const uint8_t *content = file->content + ranges->at[i].first;
            *piece++ = (struct iovec){(void *)(uintptr_t)content, ranges->at[i].bytes};
        }
    }
    multipart->piece_count = (unsigned)(piece - multipart->pieces);
    assert(multipart->piece_count == 2 * ranges->count + 1);
}

void multipart_make(struct response *response, const struct resource *file,
                    const struct ranges *ranges, enum persistence persistence)
{
    size_t ends[RANGES_MAX + 1];
    char boundary[BOUNDARY_BYTES];
    struct text texts = {0}, head = {0};
    struct multipart *multipart = NULL;

    assert(ranges->count >= 2 && ranges->count <= RANGES_MAX);
    print_boundary(file, boundary);
    add_texts(&texts, file, ranges, boundary, ends);
    size_t body_bytes = texts.bytes;
    for (unsigned i = 0; i < ranges->count; i++) {
        body_bytes += ranges->at[i].bytes;
    }
    add_head(&head, file, boundary, body_bytes, persistence);
    if (!texts.has_failed && !head.has_failed) {
        multipart = malloc(sizeof(*multipart) + head.bytes + texts.bytes);
    }
    if (multipart == NULL) {
        response_make_overload(response);
    } else {
        memcpy(multipart->text, head.at, head.bytes);
        memcpy(multipart->text + head.bytes, texts.at, texts.bytes);
        multipart->body_bytes = body_bytes;
        lay_out(multipart, multipart->text + head.bytes, file, ranges, ends);
        *response = (struct response){.status = 206,
                                      .head = multipart->text,
                                      .head_bytes = head.bytes,
                                      .body_bytes = body_bytes,
                                      .owned = multipart};
    }
    text_release(&texts);
    text_release(&head);
}

unsigned multipart_pieces(const struct response *response,
                          struct iovec pieces[MULTIPART_PIECES_MAX])
{
    const struct multipart *multipart = response->owned;
    size_t sent = multipart->body_bytes - response->body_bytes;
    unsigned count = 0;

    if (response->head_bytes > 0) {
        pieces[count++] = (struct iovec){(void *)(uintptr_t)response->head, response->head_bytes};
    }
    for (unsigned i = 0; i < multipart->piece_count; i++) {
        const struct iovec *piece = &multipart->pieces[i];

        if (sent < piece->iov_len) {
            pieces[count++] = (struct iovec){(char *)piece->iov_base + sent, piece->iov_len - sent};
            sent = 0;
        } else {
            sent -= piece->iov_len;
        }
    }
    check(count > 0 && count <= MULTIPART_PIECES_MAX);
    return count;
}
