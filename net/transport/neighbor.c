/* SPDX-License-Identifier: MIT */
/*
 * The cache of neighbours: sets of a few entries by hash of the address. A full set gives up the
 * entry that was confirmed or asked for longest ago: it can be found out again.
 */
#include "net/transport/neighbor.h"

#include <string.h>

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "libc/core/timer.h"

#define SET_ENTRIES 4u
#define SET_COUNT   (NEIGHBOR_MAX / SET_ENTRIES)

enum entry_state { ENTRY_FREE, ENTRY_ASKED, ENTRY_KNOWN };

/* A line of the cache. */
struct entry {
    _Alignas(64) uint8_t header[NEIGHBOR_HEADER_BYTES]; /* with its Ethernet address, once known */
    uint32_t known_address;                             /* 0 before ENTRY_KNOWN */
    uint32_t address;
    uint8_t state; /* enum entry_state */
    uint8_t waiting_count;
    uint64_t changed_ns;                 /* last confirmed, or last asked for */
    void *waiting[NEIGHBOR_WAITING_MAX]; /* oldest first */
};

_Static_assert(IS_POWER_OF_TWO(SET_COUNT), "sets are chosen by masking");
_Static_assert(IS_POWER_OF_TWO(NEIGHBOR_MAX), "so is a place that may be any number");
_Static_assert(NEIGHBOR_MAX <= UINT16_MAX, "places are remembered in 16 bits");

static struct entry sets[SET_COUNT][SET_ENTRIES];
static uint8_t own_mac[6];
static struct neighbor_functions functions;
static struct timer patience_timer; /* set while packets wait */

/* Neighbours differ in the last bytes of their addresses, which stand highest. */
static struct entry *set_of(uint32_t address)
{
    return sets[(address * 0x9E3779B1u) >> 24 & (SET_COUNT - 1)];
}

static struct entry *find(uint32_t address)
{
    struct entry *set = set_of(address);

    for (unsigned i = 0; i < SET_ENTRIES; i++) {
        if (set[i].address == address && set[i].state != ENTRY_FREE) {
            return &set[i];
        }
    }
    return NULL;
}

static void drop_waiting(struct entry *entry, enum neighbor_loss loss)
{
    ASSERT(entry->waiting_count <= NEIGHBOR_WAITING_MAX);
    ASSERT(entry->waiting_count == 0 || entry->state == ENTRY_ASKED);
    for (unsigned i = 0; i < entry->waiting_count; i++) {
        functions.drop(entry->waiting[i], loss);
    }
    entry->waiting_count = 0;
}

static struct entry *find_or_take(uint32_t address)
{
    struct entry *set = set_of(address);
    struct entry *entry = find(address);

    if (entry != NULL) {
        return entry;
    }
    entry = &set[0];
    for (unsigned i = 0; i < SET_ENTRIES; i++) {
        if (set[i].state == ENTRY_FREE) {
            entry = &set[i];
            break;
        }
        if (set[i].changed_ns < entry->changed_ns) {
            entry = &set[i];
        }
    }
    drop_waiting(entry, NEIGHBOR_CROWDED_OUT);
    ASSERT_SLOW(find(address) == NULL);
    *entry = (struct entry){.address = address};
    return entry;
}

/* Inline: once for each connection. */
inline const uint8_t *neighbor_find(uint32_t address)
{
    const struct entry *entry = find(address);

    return entry != NULL && entry->state == ENTRY_KNOWN ? entry->header : NULL;
}

static __attribute__((noinline)) const uint8_t *search_at(uint32_t address, uint16_t *place)
{
    const struct entry *entry = find(address);

    if (entry == NULL || entry->state != ENTRY_KNOWN) {
        return NULL;
    }
    *place = (uint16_t)(entry - &sets[0][0]);
    return entry->header;
}

/* Inline: once for each segment out. */
inline __attribute__((always_inline)) const uint8_t *neighbor_find_at(uint32_t address,
                                                                      uint16_t *place)
{
    const struct entry *entry = &sets[0][0] + (*place & (NEIGHBOR_MAX - 1));

    ASSERT_SLOW(address != 0);
    return LIKELY(entry->known_address == address) ? entry->header : search_at(address, place);
}

static void start_patience_timer(void)
{
    uint64_t deadline_ns = dispatch_now_ns() + NEIGHBOR_RETRY_NS;

    if (!timer_is_set(&patience_timer) && timer_start(&patience_timer, deadline_ns) != 0) {
        return; /* no memory: the next packet that waits starts it */
    }
}

/* Each second: give up those that do not answer. */
static void lose_patience(struct timer *timer)
{
    uint64_t now_ns = dispatch_now_ns();
    bool does_any_wait = false;

    (void)timer;
    for (unsigned i = 0; i < SET_COUNT * SET_ENTRIES; i++) {
        struct entry *entry = &sets[i / SET_ENTRIES][i % SET_ENTRIES];

        if (entry->waiting_count == 0) {
            continue;
        }
        if (now_ns - entry->changed_ns < NEIGHBOR_PATIENCE_NS) {
            does_any_wait = true;
        } else {
            drop_waiting(entry, NEIGHBOR_GONE);
            entry->state = ENTRY_FREE; /* from ENTRY_ASKED */
        }
    }
    if (does_any_wait) {
        start_patience_timer();
    }
}

/* The question, unless it has been asked a moment ago. */
static void ask(struct entry *entry)
{
    uint64_t now_ns = dispatch_now_ns();
    bool is_first = entry->state == ENTRY_FREE;

    ASSERT_SLOW(entry->state != ENTRY_KNOWN);
    entry->state = ENTRY_ASKED;
    if (is_first || now_ns - entry->changed_ns >= NEIGHBOR_RETRY_NS) {
        entry->changed_ns = now_ns;
        functions.resolve(entry->address);
    }
}

void neighbor_ask(uint32_t address)
{
    struct entry *entry = find_or_take(address);

    if (entry->state != ENTRY_KNOWN) {
        ask(entry);
    }
}

void neighbor_wait(uint32_t address, void *packet)
{
    struct entry *entry = find_or_take(address);

    if (entry->state == ENTRY_KNOWN) {
        functions.send(packet, entry->header);
        return;
    }
    ASSERT(entry->waiting_count <= NEIGHBOR_WAITING_MAX);
    if (entry->waiting_count == NEIGHBOR_WAITING_MAX) {
        functions.drop(entry->waiting[0], NEIGHBOR_CROWDED_OUT);
        entry->waiting_count--;
        memmove(&entry->waiting[0], &entry->waiting[1],
                entry->waiting_count * sizeof(entry->waiting[0]));
    }
    entry->waiting[entry->waiting_count++] = packet;
    start_patience_timer();
    ask(entry);
}

bool neighbor_set(uint32_t address, const uint8_t mac[6])
{
    struct entry *entry = find_or_take(address);
    bool is_news = entry->state != ENTRY_KNOWN || memcmp(entry->header, mac, sizeof(own_mac)) != 0;
    unsigned count = entry->waiting_count;
    void *waiting[NEIGHBOR_WAITING_MAX];

    ASSERT(count == 0 || entry->state == ENTRY_ASKED);
    neighbor_make_header(entry->header, mac, own_mac);
    entry->state = ENTRY_KNOWN;
    entry->known_address = address;
    entry->changed_ns = dispatch_now_ns();
    memcpy(waiting, entry->waiting, sizeof(waiting));
    entry->waiting_count = 0;
    for (unsigned i = 0; i < count; i++) {
        functions.send(waiting[i], mac);
    }
    return is_news;
}

void neighbor_forget(uint32_t address)
{
    struct entry *entry = find(address);

    if (entry != NULL) {
        drop_waiting(entry, NEIGHBOR_GONE);
        entry->state = ENTRY_FREE;
        entry->known_address = 0;
    }
}

void neighbor_visit(void (*visit)(uint32_t address, const uint8_t mac[6], uint64_t confirmed_ns,
                                  void *context),
                    void *context)
{
    for (unsigned i = 0; i < SET_COUNT; i++) {
        for (unsigned j = 0; j < SET_ENTRIES; j++) {
            const struct entry *entry = &sets[i][j];

            if (entry->state == ENTRY_KNOWN) {
                visit(entry->address, entry->header, entry->changed_ns, context);
            }
        }
    }
}

void neighbor_set_own(const uint8_t mac[6])
{
    memcpy(own_mac, mac, sizeof(own_mac));
    for (unsigned i = 0; i < NEIGHBOR_MAX; i++) {
        struct entry *entry = &sets[i / SET_ENTRIES][i % SET_ENTRIES];
        uint8_t its[6];

        memcpy(its, entry->header, sizeof(its));
        neighbor_make_header(entry->header, its, own_mac);
    }
}

void neighbor_initialise(const struct neighbor_functions *new_functions)
{
    ASSERT(new_functions->send != NULL && new_functions->drop != NULL);
    ASSERT(new_functions->resolve != NULL);
    memset(sets, 0, sizeof(sets));
    memset(own_mac, 0, sizeof(own_mac));
    timer_initialise(&patience_timer, lose_patience);
    functions = *new_functions;
}
