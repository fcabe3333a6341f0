/* SPDX-License-Identifier: MIT */
/*
 * The word is the date when the machine's clock showed 0: so it says all, whoever reads it when.
 */
#include "net/wall_clock.h"

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/configuration.h"
#include "net/counters.h"

static uint64_t base_ns;   /* the last word that made sense; 0: none has come */
static uint64_t last_word; /* of the speaker */
static uint64_t last_ns;   /* what was told last */

/* Another node's word is input. */
static void hear(uint64_t word)
{
    if (LIKELY(word == last_word)) {
        return;
    }
    last_word = word;
    if (word >= WALL_CLOCK_MIN_NS && word < WALL_CLOCK_MAX_NS) {
        base_ns = word;
    } else if (word != 0) {
        counter_increment(COUNTER_DROP_BAD_DATE);
    }
}

static uint64_t base(void)
{
    return base_ns != 0 ? base_ns : platform_boot_epoch_s() * NS_PER_S;
}

uint64_t wall_clock_at(uint64_t now_ns)
{
    hear(status_word(configuration_current()->speaker, STATUS_WORD_DATE));
    uint64_t wall_ns = base() + now_ns + platform_standstill_ns();

    if (wall_ns < last_ns && last_ns - wall_ns < WALL_CLOCK_HOLD_NS) {
        return last_ns;
    }
    last_ns = wall_ns;
    return wall_ns;
}

static void tell(uint64_t word)
{
    hear(word);
    status_set_word(STATUS_WORD_DATE, word);
}

void wall_clock_move(int64_t more_ns)
{
    uint64_t word = base() + (uint64_t)more_ns;

    if (word >= WALL_CLOCK_MIN_NS && word < WALL_CLOCK_MAX_NS) {
        tell(word);
    }
}

/* Those that live, or have lived, for longer may have spoken before; the last one's word counts. */
void wall_clock_inherit(void)
{
    const struct configuration *configuration = configuration_current();
    uint32_t own_order = configuration->start_orders[platform_node()];
    bool is_before = true;

    for (unsigned i = 0; i < configuration->ts_count; i++) {
        uint32_t order = configuration->start_orders[configuration->ts[i]];

        is_before &= configuration->ts[i] != platform_node();
        if (order < own_order || (order == own_order && is_before)) {
            hear(status_word(configuration->ts[i], STATUS_WORD_DATE));
        }
    }
    if (base_ns != 0) {
        tell(base_ns);
    }
}
