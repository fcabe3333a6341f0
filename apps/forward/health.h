/* SPDX-License-Identifier: MIT */
/*
 * Whether a backend is there, by what its checks have found: it is down after so many bad ones in a
 * row, and up after so many good ones. It begins up, so that nobody waits for the first checks.
 */
#pragma once

#include <stdbool.h>

struct health {
    bool is_up;
    unsigned in_a_row; /* checks that say otherwise */
};

enum health_change {
    HEALTH_STAYS,
    HEALTH_COMES_UP,
    HEALTH_GOES_DOWN,
};

static inline enum health_change health_note(struct health *health, bool is_good, unsigned rise,
                                             unsigned fall)
{
    if (is_good == health->is_up) {
        health->in_a_row = 0;
        return HEALTH_STAYS;
    }
    if (++health->in_a_row < (health->is_up ? fall : rise)) {
        return HEALTH_STAYS;
    }
    health->is_up = is_good;
    health->in_a_row = 0;
    return is_good ? HEALTH_COMES_UP : HEALTH_GOES_DOWN;
}
