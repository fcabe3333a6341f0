/* SPDX-License-Identifier: MIT */
/*
 * Frames to groups: groups.h. Groups whose addresses end alike share an Ethernet address; a
 * transport server tells these apart.
 */
#include "net/link/groups.h"

#include <string.h>

#include "drivers/nic/counters.h"
#include "drivers/nic/nic.h"
#include "kernel/message/status.h"
#include "kernel/thread/thread.h"
#include "libc/core/bytes.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/headers.h"
#include "net/messages.h"

/* Which may be wanted, by a hash of the address' last bytes: most that come are not. */
#define HINT_BITS 4096u

static uint32_t addresses[LINK_GROUP_MAX];
static unsigned count;
static uint64_t hints[HINT_BITS / 64];

_Static_assert(IS_POWER_OF_TWO(HINT_BITS), "hints are masked");

static unsigned hint_of(uint32_t low_bits)
{
    return (low_bits ^ low_bits >> 11) & (HINT_BITS - 1);
}

/* RFC 1112 6.4: all groups of IP are 01:00:5e and 23 bits. */
static bool is_wanted(const uint8_t mac[6])
{
    uint32_t low_bits = (uint32_t)mac[3] << 16 | load_be16(mac + 4);
    unsigned hint = hint_of(low_bits);

    if (mac[0] != 0x01 || mac[1] != 0x00 || mac[2] != 0x5E || low_bits > 0x7FFFFF ||
        (hints[hint / 64] >> (hint % 64) & 1) == 0) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        if (group_low_bits(addresses[i]) == low_bits) {
            return true;
        }
    }
    return false;
}

static bool is_everybody(const uint8_t mac[6])
{
    static const uint8_t everybody[6] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

    return memcmp(mac, everybody, sizeof(everybody)) == 0;
}

bool link_groups_admit(struct frame *frame)
{
    unsigned counter = COUNTER_DROP_TRUNCATED;

    if (frame->length_bytes >= ETHERNET_HEADER_BYTES) {
        if ((frame->data[0] & 1) == 0 || is_everybody(frame->data) || is_wanted(frame->data)) {
            return true;
        }
        counter = COUNTER_DROP_NO_GROUP;
    }
    counter_increment(counter);
    frame->release(frame);
    return false;
}

/* --- The NIC, where this node drives it --- */

static struct {
    struct nic *nic;
    bool is_due; /* they have changed since it was told */
    bool is_being_told;
} device;

_Static_assert(NIC_GROUP_MAX >= LINK_GROUP_MAX, "the NIC may be told of all");

static void list(uint8_t macs[LINK_GROUP_MAX][6])
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t low_bits = group_low_bits(addresses[i]);
        const uint8_t mac[6] = {0x01,
                                0x00,
                                0x5E,
                                (uint8_t)(low_bits >> 16),
                                (uint8_t)(low_bits >> 8),
                                (uint8_t)low_bits};

        memcpy(macs[i], mac, sizeof(mac));
    }
}

static void tell_nic(void *argument)
{
    static uint8_t macs[LINK_GROUP_MAX][6]; /* one thread at a time uses it */

    (void)argument;
    while (device.is_due && device.nic != NULL) {
        device.is_due = false;
        list(macs);
        nic_set_groups(device.nic, (const uint8_t(*)[6])macs, count);
    }
    device.is_being_told = false;
}

/* In a thread, as the NIC may take its time over a command. */
void link_groups_check(void)
{
    if (device.nic == NULL || !device.is_due || device.is_being_told) {
        return;
    }
    device.is_being_told = true;
    if (thread_run_handler("groups", tell_nic, NULL) != 0) {
        device.is_being_told = false; /* no memory for one: later */
    }
}

void link_groups_tell(struct nic *nic)
{
    device.nic = nic;
    device.is_due = true;
    link_groups_check();
}

/* --- What the speaker says --- */

static unsigned place_of(uint32_t address)
{
    unsigned place = 0;

    while (place < count && addresses[place] != address) {
        place++;
    }
    return place;
}

static void renew_hints(void)
{
    memset(hints, 0, sizeof(hints));
    for (unsigned i = 0; i < count; i++) {
        unsigned hint = hint_of(group_low_bits(addresses[i]));

        hints[hint / 64] |= (uint64_t)1 << (hint % 64);
    }
}

static void handle_group_wanted(node_id_t from, const struct message *raw)
{
    const struct group_wanted *message = (const struct group_wanted *)raw;
    unsigned kept = message->is_first != 0 ? 0 : count;
    unsigned place;

    if (!configuration_may_speak(from) || !group_is_address(message->address)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    count = kept;
    place = place_of(message->address);
    if (message->is_wanted != 0 && place == count) {
        if (count == LINK_GROUP_MAX) { /* more than a speaker has */
            counter_increment(COUNTER_DROP_BAD_MESSAGE);
            return;
        }
        addresses[count++] = message->address;
    } else if (message->is_wanted == 0 && place < count) {
        addresses[place] = addresses[--count];
    }
    renew_hints();
    device.is_due = true;
    link_groups_check();
}

void link_groups_initialise(void)
{
    net_register_message(GROUP_WANTED, handle_group_wanted);
}
