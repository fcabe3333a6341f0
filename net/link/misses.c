/* SPDX-License-Identifier: MIT */
/*
 * Frames that missed the queue that the NIC was told, beside all that it has brought: of all link
 * servers, as each counts its own.
 */
#include "net/link/misses.h"

#include "drivers/nic/counters.h"
#include "net/configuration.h"
#include "net/counters.h"

struct sums {
    uint64_t received, missed;
};

static struct sums read_sums(const struct configuration *configuration)
{
    struct sums sums = {0};

    for (unsigned i = 0; i < configuration->ls_count; i++) {
        sums.received += counter_read(configuration->ls[i], COUNTER_NIC_RX_PACKETS);
        sums.missed += counter_read(configuration->ls[i], COUNTER_STEER_MISSED);
    }
    return sums;
}

bool link_misses_look(const struct configuration *configuration, bool is_steady)
{
    static struct sums before;
    static unsigned bad_count;
    struct sums now = read_sums(configuration);
    uint64_t received = now.received - before.received;
    uint64_t missed = now.missed - before.missed;

    /* A node that came back counts from 0 again. */
    if (!is_steady || now.received < before.received || now.missed < before.missed) {
        before = now;
        bad_count = 0;
        return false;
    }
    if (received < LINK_MISSES_FRAMES) {
        return false; /* more are to come */
    }
    before = now;
    bad_count = missed >= received / 4 ? bad_count + 1 : 0;
    return bad_count >= LINK_MISSES_LOOKS;
}
