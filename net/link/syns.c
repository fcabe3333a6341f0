/* SPDX-License-Identifier: MIT */
/*
 * When SYNs go to a queue of their own: the rate is looked at over windows of 0.1 s, in which other
 * frames are counted, too: those of connections that open and close are one of five frames.
 */
#include "net/link/syns.h"

#include <errno.h>

#include "drivers/nic/counters.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/link/capture.h"

#define WINDOW_NS (100 * NS_PER_MS)

static struct {
    struct nic *nic;
    struct nic_queue *queue; /* NULL: the card has none, or this node has not started it */
    bool is_directed;
    bool is_polled; /* until nothing is left of it afterwards */
    /* Of the own queue, while SYNs come there. */
    uint64_t window_start_ns, window_start_frames;
    uint32_t window_syns;
    /* Of theirs, since this check, and since when they have been few. */
    uint64_t checked_ns, few_since_ns;
    uint32_t taken;
} syns;

static uint64_t per_second(uint64_t count, uint64_t elapsed_ns)
{
    return elapsed_ns == 0 ? 0 : count * NS_PER_S / elapsed_ns;
}

static uint64_t frames_so_far(void)
{
    return counter_read(platform_node(), COUNTER_NIC_RX_PACKETS);
}

static void direct(bool is_directed)
{
    syns.is_directed = is_directed;
    syns.is_polled |= is_directed;
    nic_direct_syns(syns.nic, is_directed);
    counter_set(COUNTER_NIC_SYN_QUEUE, is_directed);
}

void link_syns_open(struct nic *nic)
{
    int result;

    ASSERT(syns.queue == NULL);
    syns.nic = nic;
    result = nic_open_syn_queue(nic, &syns.queue);
    if (result != 0) {
        syns.queue = NULL;
        if (result != -ENOTSUP) {
            log_warning("ls", "SYNs have no queue of their own: error %d", -result);
        }
    }
    link_capture_tap(syns.queue);
}

static void begin_window(uint64_t now_ns)
{
    syns.window_start_ns = now_ns;
    syns.window_start_frames = frames_so_far();
    syns.window_syns = 0;
}

bool link_syns_note(unsigned syn_count)
{
    uint64_t now_ns = dispatch_now_ns();
    uint64_t rate, frame_count;

    if (syns.queue == NULL || syns.is_directed) {
        return false;
    }
    syns.window_syns += syn_count;
    if (now_ns - syns.window_start_ns < WINDOW_NS) {
        return false;
    }
    rate = per_second(syns.window_syns, now_ns - syns.window_start_ns);
    frame_count = frames_so_far() - syns.window_start_frames;
    bool is_most = 2 * (uint64_t)syns.window_syns > frame_count;

    begin_window(now_ns);
    return rate >= LINK_SYNS_ON_PER_S && is_most;
}

void link_syns_begin(void)
{
    ASSERT(syns.queue != NULL && !syns.is_directed);
    log_warning("ls", "more SYNs than can be taken: they get a queue of their own");
    syns.checked_ns = syns.few_since_ns = dispatch_now_ns();
    direct(true);
}

unsigned link_syns_receive(struct frame **frames, unsigned frame_max)
{
    unsigned count;

    if (!syns.is_polled) {
        return 0;
    }
    count = nic_queue_receive(syns.queue, frames, frame_max);
    syns.taken += count;
    return count;
}

bool link_syns_is_pending(void)
{
    return UNLIKELY(syns.is_polled) && nic_queue_is_pending(syns.queue);
}

uint32_t link_syns_check(void)
{
    uint64_t now_ns = dispatch_now_ns();
    uint32_t lost;

    if (syns.queue == NULL) {
        return 0;
    }
    lost = nic_queue_take_dropped(syns.queue);
    counter_add(COUNTER_NIC_SYNS_MISSED, lost);
    if (!syns.is_directed) {
        syns.is_polled &= nic_queue_is_pending(syns.queue);
    } else {
        if (per_second((uint64_t)syns.taken + lost, now_ns - syns.checked_ns) >=
            LINK_SYNS_OFF_PER_S) {
            syns.few_since_ns = now_ns;
        } else if (now_ns - syns.few_since_ns >= LINK_SYNS_QUIET_NS) {
            log_info("ls", "SYNs are few again: they go as other frames do");
            direct(false);
            begin_window(now_ns);
        }
    }
    syns.checked_ns = now_ns;
    syns.taken = 0;
    return lost;
}
