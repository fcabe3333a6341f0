/* SPDX-License-Identifier: MIT */
/*
 * Each kind of overload has a timer that runs from its first SYN until there has been none for a
 * while. So the log gets two lines in ten seconds of each at most.
 */
#include "net/transport/overload.h"

#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "libc/core/timer.h"

static const struct {
    const char *beginning; /* with the limit */
    const char *end;
    const char *fate; /* of the SYNs */
} texts[OVERLOAD_COUNT] = {
    [OVERLOAD_COOKIES] = {"SYN flood: %u handshakes are going on, further SYNs get cookies",
                          "the SYN flood is over", "got cookies"},
    [OVERLOAD_SYNS] = {"SYN flood: %u SYNs in one round, further ones are dropped",
                       "less SYNs come again", "dropped"},
    [OVERLOAD_TABLE] = {"all %u connections are in use, further SYNs are dropped",
                        "there are connections to be had again", "dropped"},
    [OVERLOAD_ADDRESS] = {"one address has %u connections, further SYNs of it are dropped",
                          "no address has too many connections any more", "dropped"},
};

static struct {
    struct timer timer; /* set while it lasts */
    uint64_t first_ns, last_ns;
    uint64_t syn_count;
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
    log_info("ts", "%s: %llu SYNs %s in %llu s", texts[kind].end,
             (unsigned long long)overloads[kind].syn_count, texts[kind].fate,
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
        overloads[overload].syn_count = 0;
        log_warning("ts", texts[overload].beginning, limit);
    }
    overloads[overload].last_ns = now_ns;
    overloads[overload].syn_count++;
}

void overload_initialise(void)
{
    for (unsigned i = 0; i < OVERLOAD_COUNT; i++) {
        timer_initialise(&overloads[i].timer, look_for_the_end);
    }
}
