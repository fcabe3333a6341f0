/* SPDX-License-Identifier: MIT */
/*
 * Finding encoded files, and choosing between them. Weights are in thousandths.
 */
#include "apps/httpd/encoding.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "apps/httpd/check.h"
#include "apps/httpd/fields.h"
#include "apps/httpd/site.h"

#define INDEX_NAME "index.html"
#define WEIGHT_MAX 1000

/* Not named by the client. */
#define WEIGHT_UNKNOWN (-1)

/* Names are compared in any case; "x-gzip" is gzip (RFC 9110 8.4.1.3). */
static const struct {
    const char *coding, *alias, *suffix;
} encodings[ENCODING_COUNT] = {
    [ENCODING_BROTLI] = {"br", "br", ".br"},
    [ENCODING_GZIP] = {"gzip", "x-gzip", ".gz"},
};

/* --- Finding --- */

/* The file that lies beside this one, in the same archive. */
static const struct resource *find_beside(unsigned site, const struct resource *file,
                                          const char *suffix)
{
    static char path[UINT16_MAX + sizeof(INDEX_NAME) + sizeof(".br")];
    size_t bytes = file->path_bytes;

    memcpy(path, file->path, bytes);
    if (path[bytes - 1] == '/') { /* its index has been added under the folder's path */
        memcpy(path + bytes, INDEX_NAME, strlen(INDEX_NAME));
        bytes += strlen(INDEX_NAME);
    }
    memcpy(path + bytes, suffix, strlen(suffix));
    const struct resource *beside = site_find_in(site, path, bytes + strlen(suffix));
    return beside != NULL && beside->kind == RESOURCE_FILE && beside->archive == file->archive
               ? beside
               : NULL;
}

static struct resource *make_encoded(const struct resource *file, const struct resource *beside,
                                     enum encoding encoding)
{
    struct resource *encoded = malloc(sizeof(*encoded));

    if (encoded != NULL) {
        *encoded = *file;
        encoded->content = beside->content;
        encoded->content_bytes = beside->content_bytes;
        encoded->mtime_s = beside->mtime_s;
        encoded->tag = beside->tag;
        encoded->coding = encodings[encoding].coding;
        encoded->fields = ENCODING_VARY;
        memset(encoded->encoded, 0, sizeof(encoded->encoded));
    }
    return encoded;
}

int encoding_link(unsigned site, unsigned archive)
{
    size_t count;
    struct resource **list = site_list(site, &count);
    int result = 0;

    if (list == NULL && count != 0) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        struct resource *file = list[i];

        for (unsigned encoding = 0; encoding < ENCODING_COUNT; encoding++) {
            const struct resource *beside =
                file->kind == RESOURCE_FILE && file->archive == archive
                    ? find_beside(site, file, encodings[encoding].suffix)
                    : NULL;
            if (beside != NULL) {
                file->encoded[encoding] = make_encoded(file, beside, encoding);
                file->varies |= 1u << FIELD_ACCEPT_ENCODING;
                file->fields = ENCODING_VARY;
                result = file->encoded[encoding] != NULL ? result : -ENOMEM;
            }
        }
    }
    free(list);
    return result;
}

/* --- Choosing --- */

struct words {
    const char *at, *end;
};

static bool is_blank(char character)
{
    return character == ' ' || character == '\t';
}

/* What stands before the next such character, without blanks around; behind it *words goes on. */
static struct words take_until(struct words *words, char character)
{
    struct words word = {.at = words->at};
    const char *end = memchr(words->at, character, (size_t)(words->end - words->at));

    word.end = end != NULL ? end : words->end;
    words->at = end != NULL ? end + 1 : words->end;
    while (word.at < word.end && is_blank(*word.at)) {
        word.at++;
    }
    while (word.end > word.at && is_blank(word.end[-1])) {
        word.end--;
    }
    return word;
}

static bool is_word(struct words word, const char *wanted)
{
    size_t bytes = strlen(wanted);

    return (size_t)(word.end - word.at) == bytes && strncasecmp(word.at, wanted, bytes) == 0;
}

/* "q=0.5" (RFC 9110 12.4.2). One that is wrong counts as 0. */
static int read_weight(struct words word)
{
    int weight, unit = 100;

    if (word.end - word.at < 3 || (word.at[0] | 0x20) != 'q' || word.at[1] != '=' ||
        (word.at[2] != '0' && word.at[2] != '1')) {
        return 0;
    }
    weight = (word.at[2] - '0') * WEIGHT_MAX;
    word.at += 3;
    if (word.at < word.end && *word.at++ != '.') {
        return 0;
    }
    for (; word.at < word.end; word.at++, unit /= 10) {
        if (*word.at < '0' || *word.at > '9' || unit == 0) {
            return 0;
        }
        weight += (*word.at - '0') * unit;
    }
    return weight <= WEIGHT_MAX ? weight : 0;
}

struct weights {
    int encoded[ENCODING_COUNT], identity, others;
};

static struct weights read_weights(const char *value, size_t bytes)
{
    struct words list = {value, value + bytes};
    struct weights weights = {{WEIGHT_UNKNOWN, WEIGHT_UNKNOWN}, WEIGHT_UNKNOWN, WEIGHT_UNKNOWN};

    while (list.at < list.end) {
        struct words element = take_until(&list, ',');
        struct words name = take_until(&element, ';');
        int weight = element.at < element.end ? read_weight(take_until(&element, ';')) : WEIGHT_MAX;

        if (is_word(name, "*")) {
            weights.others = weight;
        } else if (is_word(name, "identity")) {
            weights.identity = weight;
        }
        for (unsigned i = 0; i < ENCODING_COUNT; i++) {
            if (is_word(name, encodings[i].coding) || is_word(name, encodings[i].alias)) {
                weights.encoded[i] = weight;
            }
        }
    }
    return weights;
}

struct resource *encoding_choose(struct resource *file, const char *value, size_t bytes)
{
    struct resource *best = file;

    if (value == NULL || bytes == 0) {
        return file;
    }
    const struct weights weights = read_weights(value, bytes);
    /* As it is a file is good enough for all who do not say otherwise, but what is named is better.
     */
    int best_weight = weights.identity != WEIGHT_UNKNOWN ? weights.identity
                      : weights.others == 0              ? 0
                                                         : 1;
    for (unsigned i = 0; i < ENCODING_COUNT; i++) {
        struct resource *encoded = file->encoded[i];
        int weight = weights.encoded[i] != WEIGHT_UNKNOWN ? weights.encoded[i] : weights.others;

        if (encoded != NULL && weight > 0 &&
            (weight > best_weight ||
             (weight == best_weight && encoded->content_bytes < best->content_bytes))) {
            best = encoded;
            best_weight = weight;
        }
    }
    return best;
}
