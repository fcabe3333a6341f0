/* SPDX-License-Identifier: MIT */
/*
 * Each kind of overload has a timer that runs from its first dropped SYN until there has been none
 * for a while. So the log gets two lines in ten seconds of each at most.
 */
#include "net/transport/overload.h"

#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "kernel/thread/timer.h"

static const struct {
    const char *beginning; /* with the limit */
    const char *end;
} texts[OVERLOAD_COUNT] = {
    [OVERLOAD_HALF_OPEN] = {"SYN flood: %u handshakes are going on, further SYNs are dropped",
                            "the SYN flood is over"},
    [OVERLOAD_TABLE] = {"all %u connections are in use, further SYNs are dropped",
                        "there are connections to be had again"},
};

static struct {
    struct timer timer; /* set while it lasts */
    uint64_t first_ns, last_ns;
    uint64_t dropped;
} overloads[OVERLOAD_COUNT];

static void look_for_the_end(struct timer *timer)
{
    unsigned kind = 0;
    uint64_t quiet_ns;

    while (timer != &overloads[kind].timer) {
        kind++;
        ASSERT(kind < OVERLOAD_COUNT);
    }
    quiet_ns = overloads[kind].last_ns + OVERLOAD_QUIET_NS;
    if (quiet_ns > dispatch_now_ns() && timer_start(timer, quiet_ns) == 0) {
        return;
    }
    log_info("ts", "%s: %llu SYNs dropped in %llu s", texts[kind].end,
             (unsigned long long)overloads[kind].dropped,
             (unsigned long long)((overloads[kind].last_ns - overloads[kind].first_ns) / NS_PER_S));
}

void overload_note(enum overload overload, uint32_t limit)
{
    uint64_t now_ns = dispatch_now_ns();

    ASSERT(overload < OVERLOAD_COUNT);
    if (!timer_is_set(&overloads[overload].timer)) {
        if (timer_start(&overloads[overload].timer, now_ns + OVERLOAD_QUIET_NS) != 0) {
            return; /* without memory for its end there is no beginning: the counters say it */
        }
        overloads[overload].first_ns = now_ns;
        overloads[overload].dropped = 0;
        log_warning("ts", texts[overload].beginning, limit);
    }
    overloads[overload].last_ns = now_ns;
    overloads[overload].dropped++;
}

void overload_initialise(void)
{
    for (unsigned i = 0; i < OVERLOAD_COUNT; i++) {
        timer_initialise(&overloads[i].timer, look_for_the_end);
    }
}
