/* SPDX-License-Identifier: MIT */
/*
 * A NIC that wants the machine's address made known: how often it gets that, and its answer.
 */
#include "net/link/announcement.h"

#include "drivers/nic/counters.h"
#include "drivers/nic/nic.h"
#include "kernel/thread/thread.h"

bool link_announcement_admit(uint64_t now_ns)
{
    static uint64_t next_ns;

    if (now_ns < next_ns) {
        return false;
    }
    next_ns = now_ns + LINK_ANNOUNCEMENT_INTERVAL_NS;
    counter_increment(COUNTER_NIC_ANNOUNCEMENTS);
    return true;
}

static void acknowledge(void *nic)
{
    struct nic *const *current = nic;

    if (*current != NULL) {
        nic_note_announced(*current);
    }
}

void link_announcement_acknowledge(struct nic **nic)
{
    if (thread_run_handler("announcement", acknowledge, nic) != 0) {
        return; /* no memory for one: it asks again */
    }
}
