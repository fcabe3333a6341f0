/* SPDX-License-Identifier: MIT */
#include "apps/forward/copy.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* At a time; more than one segment, and the most that is kept of a way. Chosen. */
#define COPY_BYTES 16384u

static char buffer[COPY_BYTES];

void copy_drop(struct copy *copy)
{
    free(copy->kept);
    copy->kept = NULL;
}

/* How many were sent; negative: it has failed. */
static ssize_t send_some(int to, const char *data, size_t bytes)
{
    ssize_t sent = send(to, data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);

    return sent < 0 && errno == EAGAIN ? 0 : sent;
}

/* Returns whether nothing is kept any more; *has_failed else tells why not. */
static bool send_kept(struct copy *copy, int to, uint64_t *bytes, bool *has_failed)
{
    ssize_t sent;

    if (copy->kept == NULL) {
        return true;
    }
    sent = send_some(to, copy->kept + copy->kept_from, copy->kept_bytes);
    *has_failed = sent < 0;
    if (sent < 0) {
        return false;
    }
    *bytes += (uint64_t)sent;
    copy->kept_from += (uint32_t)sent;
    copy->kept_bytes -= (uint32_t)sent;
    if (copy->kept_bytes == 0) {
        copy_drop(copy);
    }
    return copy->kept == NULL;
}

static bool keep(struct copy *copy, const char *data, size_t bytes)
{
    copy->kept = malloc(bytes);
    if (copy->kept == NULL) {
        return false;
    }
    memcpy(copy->kept, data, bytes);
    copy->kept_from = 0;
    copy->kept_bytes = (uint32_t)bytes;
    return true;
}

enum copy_state copy_move(struct copy *copy, int from, int to, uint64_t *bytes)
{
    bool has_failed = false;

    while (send_kept(copy, to, bytes, &has_failed)) {
        const void *data;
        ssize_t received = recv_lent(from, buffer, sizeof(buffer), &data);
        ssize_t sent;

        if (received < 0) {
            return errno == EAGAIN ? COPY_WAITS : COPY_FAILED;
        }
        if (received == 0) {
            return shutdown(to, SHUT_WR) == 0 ? COPY_ENDED : COPY_FAILED;
        }
        sent = send_some(to, data, (size_t)received);
        if (sent < 0) {
            return COPY_FAILED;
        }
        *bytes += (uint64_t)sent;
        if (sent < received && !keep(copy, (const char *)data + sent, (size_t)(received - sent))) {
            return COPY_FAILED;
        }
    }
    return has_failed ? COPY_FAILED : COPY_WAITS;
}
