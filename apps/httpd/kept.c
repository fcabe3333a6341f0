/* SPDX-License-Identifier: MIT */
/*
 * One buffer, small at first: see kept.h.
 */
#include "apps/httpd/kept.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "apps/httpd/check.h"

#define INPUT_START_BYTES 2048

_Static_assert(INPUT_MAX_BYTES <= UINT16_MAX, "lengths of input are kept in 16 bits");

bool kept_store(struct client *client, const char *from, size_t bytes, size_t parsed)
{
    assert(parsed <= bytes && bytes <= INPUT_MAX_BYTES);
    if (bytes > client->input_capacity) {
        size_t capacity = bytes <= INPUT_START_BYTES ? INPUT_START_BYTES : INPUT_MAX_BYTES;
        char *grown = malloc(capacity);
        if (grown == NULL) {
            return false;
        }
        memcpy(grown, from, bytes);
        free(client->input);
        client->input = grown;
        client->input_capacity = (uint16_t)capacity;
    } else if (from != client->input) {
        memmove(client->input, from, bytes);
    }
    assert(bytes <= client->input_capacity);
    client->input_bytes = (uint16_t)bytes;
    client->input_parsed = (uint16_t)parsed;
    return true;
}

void kept_drop(struct client *client)
{
    if (client->input != NULL) {
        free(client->input);
        client->input = NULL;
        client->input_bytes = 0;
        client->input_parsed = 0;
        client->input_capacity = 0;
    }
}
