/* SPDX-License-Identifier: MIT */
/*
 * The entries form a first-in, first-out queue in a ring of blocks: new ones behind `tail`, and
 * what is over goes at `head`. Where the tail has filled a block and the next one still has
 * entries, a fresh block is put between them; when there may be no more, the tail follows the head
 * into its block, and overwrites. An entry that leaves from the middle is a hole until the head
 * comes there; one whose time was restarted is appended again then. Nothing ticks.
 *
 * They are found by buckets, chained by the entries' numbers. Buckets are split one at a time
 * (linear hashing: Litwin 1980), as entries are added, so that none is ever hashed again with all
 * others. Each block of entries brings memory for as many buckets.
 */
#include "net/transport/tcp/timewait.h"

#include <string.h>

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "net/counters.h"
#include "net/transport/counters.h"
#include "net/transport/hash.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/segment.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/sequence.h"

/* A peer that keeps sending into a closed connection gets so many answers: chosen. */
#define ANSWERS_MAX       8
/* How far behind the old connection's last number a new one begins: chosen, as much as a window
 * without scaling lets be under way. */
#define ISS_DISTANCE      65536u
/* Looked at, for every so many new entries, so that more leave than come; and for each call to
 * expire. */
#define ADDS_PER_FORGET   4u
#define FORGET_PER_ADD    16u
#define FORGET_PER_EXPIRE 64u

/* Units of time in an entry: 2^24 ns, 17 ms. They wrap after 2.3 years. */
#define TIME_SHIFT 24u

#define FLAG_FIN 0x01
#define FLAG_SYN 0x02
#define FLAG_RST 0x04
#define FLAG_ACK 0x10

enum { IS_USED = 1 << 0, IS_RESTARTED = 1 << 1, IS_MUTE = 1 << 2, IS_FIN_AWAITED = 1 << 3 };

struct entry {
    struct flow flow;
    uint32_t rcv_nxt, snd_nxt;
    uint32_t expires;
    uint32_t next; /* in the bucket's chain: a name, see name_of() */
    uint8_t answer_count;
    uint8_t flags; /* IS_...: mute after a reset, it answers nothing and lets any SYN open; with
                      FIN awaited it is in FIN-WAIT-2 */
};

/* A place in the ring. `index` may be behind the block's end: the next one is another block's. */
struct place {
    uint32_t block, index;
};

#define PAGES_FOR(bytes) (((bytes) + MEMORY_PAGE_BYTES - 1) / MEMORY_PAGE_BYTES)
#define ENTRIES_PAGES    PAGES_FOR(TIMEWAIT_BLOCK_ENTRIES * sizeof(struct entry))
#define BUCKETS_PAGES    PAGES_FOR(TIMEWAIT_BLOCK_ENTRIES * sizeof(uint32_t))
#define BLOCK_BYTES      ((ENTRIES_PAGES + BUCKETS_PAGES) * (uint64_t)MEMORY_PAGE_BYTES)

_Static_assert(sizeof(struct entry) == 32, "as the header says");
_Static_assert(IS_POWER_OF_TWO(TIMEWAIT_BLOCK_ENTRIES), "names and hashes are masked");

/* A block of entries, its buckets, and the next block in the ring. */
struct block {
    struct entry *entries;
    uint32_t *buckets; /* first of a chain: a name */
    uint32_t next;
};

MEMORY_KIND(table_kind, "tcp_timewait");

static struct block *blocks;
static uint32_t block_count, block_limit;
static struct place head, tail;
static uint32_t place_count; /* from head to before tail, holes among them */
static uint32_t used_count, fin_wait_count;
static uint32_t bucket_count, bucket_mask; /* the mask covers them, and is the least that does */

/* --- Entries and buckets --- */

/* What chains are made of: 0 is none. */
static uint32_t name_of(struct place place)
{
    return place.block * TIMEWAIT_BLOCK_ENTRIES + place.index + 1;
}

static struct entry *entry_at(struct place place)
{
    return &blocks[place.block].entries[place.index];
}

static struct entry *entry_named(uint32_t name)
{
    uint32_t number = name - 1;

    ASSERT_SLOW(name != 0 && number / TIMEWAIT_BLOCK_ENTRIES < block_count);
    return &blocks[number / TIMEWAIT_BLOCK_ENTRIES].entries[number % TIMEWAIT_BLOCK_ENTRIES];
}

static uint32_t *bucket_numbered(uint32_t number)
{
    return &blocks[number / TIMEWAIT_BLOCK_ENTRIES].buckets[number % TIMEWAIT_BLOCK_ENTRIES];
}

static inline uint32_t *bucket_of(uint32_t flow_hash)
{
    uint32_t number = flow_hash & bucket_mask;

    /* Its bucket has not been split yet: it is still with the one that will be. */
    if (number >= bucket_count) {
        number &= bucket_mask >> 1;
    }
    return bucket_numbered(number);
}

/* The bucket after the last takes from the one that had its entries so far those that are its own;
 * both keep their order. */
static __attribute__((noinline)) void split_bucket(void)
{
    uint32_t number = bucket_count++;
    uint32_t *stay, *move;

    if (number > bucket_mask) {
        bucket_mask = bucket_mask << 1 | 1;
    }
    stay = bucket_numbered(number & bucket_mask >> 1);
    move = bucket_numbered(number);
    for (uint32_t name = *stay; name != 0;) {
        struct entry *entry = entry_named(name);
        uint32_t next = entry->next;

        if ((flow_hash(&entry->flow) & bucket_mask) == number) {
            *move = name;
            move = &entry->next;
        } else {
            *stay = name;
            stay = &entry->next;
        }
        name = next;
    }
    *stay = *move = 0;
}

static struct entry *find(const struct flow *flow, uint32_t flow_hash)
{
    uint32_t name = block_count == 0 ? 0 : *bucket_of(flow_hash);

    while (name != 0) {
        struct entry *entry = entry_named(name);

        ASSERT_SLOW((entry->flags & IS_USED) != 0);
        if (flow_equals(&entry->flow, flow)) {
            return entry;
        }
        name = entry->next;
    }
    return NULL;
}

static void remove_entry(struct entry *entry)
{
    uint32_t *link = bucket_of(flow_hash(&entry->flow));

    ASSERT_SLOW((entry->flags & IS_USED) != 0 && used_count > 0);
    while (entry_named(*link) != entry) {
        link = &entry_named(*link)->next;
    }
    *link = entry->next;
    fin_wait_count -= (entry->flags & IS_FIN_AWAITED) != 0;
    entry->flags = 0;
    used_count--;
}

/* --- The ring --- */

/* Put a new block behind this one, or make the first one; false: there may be no more, or there is
 * no memory. */
static bool grow(uint32_t behind)
{
    struct block *block = &blocks[block_count];

    if (block_count == block_limit) {
        return false;
    }
    block->entries = memory_allocate_pages(&table_kind, ENTRIES_PAGES);
    if (block->entries == NULL) {
        return false;
    }
    block->buckets = memory_allocate_pages(&table_kind, BUCKETS_PAGES);
    if (block->buckets == NULL) {
        memory_release_pages(&table_kind, block->entries, ENTRIES_PAGES);
        return false;
    }
    if (block_count == 0) {
        block->next = 0;
        /* The first block's buckets are all there from the beginning. */
        memset(block->buckets, 0, TIMEWAIT_BLOCK_ENTRIES * sizeof(*block->buckets));
        bucket_count = TIMEWAIT_BLOCK_ENTRIES;
        bucket_mask = TIMEWAIT_BLOCK_ENTRIES - 1;
    } else {
        block->next = blocks[behind].next;
        blocks[behind].next = block_count;
    }
    block_count++;
    return true;
}

static void leave_head(void)
{
    ASSERT_SLOW(place_count > 0);
    place_count--;
    head.index++;
    if (head.index == TIMEWAIT_BLOCK_ENTRIES && place_count > 0) {
        head = (struct place){.block = blocks[head.block].next};
    }
}

static inline bool is_tail_at_head(void)
{
    return head.index == tail.index && head.block == tail.block;
}

/* Whether the place at the tail is free, and the head is one. */
static inline bool has_place(void)
{
    return place_count > 0 && tail.index != TIMEWAIT_BLOCK_ENTRIES && !is_tail_at_head();
}

/* What has_place() asks for, or an empty queue that begins at the tail. There is a block. */
static void make_place(void)
{
    if (tail.index == TIMEWAIT_BLOCK_ENTRIES) {
        if (place_count > 0 && blocks[tail.block].next == head.block) {
            (void)grow(tail.block); /* else it overwrites */
        }
        tail = (struct place){.block = blocks[tail.block].next};
    }
    if (place_count > 0 && is_tail_at_head()) {
        struct entry *oldest = entry_at(head);

        if ((oldest->flags & IS_USED) != 0) {
            remove_entry(oldest);
            counter_increment(COUNTER_TIME_WAIT_OVERWRITTEN);
        }
        leave_head();
    }
    if (place_count == 0) {
        head = tail;
    }
}

/* At the tail, where there is a place. */
static inline struct entry *append(const struct flow *flow, struct timewait_numbers numbers,
                                   uint32_t expires)
{
    struct entry *entry = entry_at(tail);
    uint32_t *bucket = bucket_of(flow_hash(flow));

    ASSERT_SLOW(tail.index < TIMEWAIT_BLOCK_ENTRIES);
    entry->flow = *flow;
    entry->rcv_nxt = numbers.rcv_nxt;
    entry->snd_nxt = numbers.snd_nxt;
    entry->expires = expires;
    entry->answer_count = 0;
    entry->flags = IS_USED;
    entry->next = *bucket;
    *bucket = name_of(tail);
    if (UNLIKELY(numbers.is_fin_awaited)) {
        entry->flags |= IS_FIN_AWAITED;
        fin_wait_count++;
    }
    tail.index++;
    place_count++;
    used_count++;
    if (UNLIKELY(used_count > bucket_count) &&
        bucket_count < block_count * TIMEWAIT_BLOCK_ENTRIES) {
        split_bucket();
    }
    return entry;
}

static uint32_t time_of(uint64_t now_ns)
{
    return (uint32_t)(now_ns >> TIME_SHIFT);
}

/* When what begins now is over: never early. */
static uint32_t expiry_of(uint64_t now_ns)
{
    return time_of(now_ns + TIMEWAIT_LIFETIME_NS) + 1;
}

/* Whether the head may leave its place: as a hole, as one that is over, or for the tail, because it
 * was restarted. */
static inline bool may_leave(uint32_t now)
{
    const struct entry *oldest = entry_at(head);

    return (oldest->flags & (IS_USED | IS_RESTARTED)) != IS_USED ||
           time_has_come(now, oldest->expires);
}

static __attribute__((noinline)) void forget_oldest(uint32_t now)
{
    struct entry *oldest = entry_at(head);
    const struct entry last = *oldest;

    if ((last.flags & IS_USED) != 0) {
        remove_entry(oldest);
    }
    leave_head();
    if ((last.flags & IS_USED) != 0 && !time_has_come(now, last.expires)) {
        const struct timewait_numbers numbers = {last.rcv_nxt, last.snd_nxt,
                                                 (last.flags & IS_FIN_AWAITED) != 0};
        struct entry *restarted;

        make_place(); /* that which has just been left, if need be */
        restarted = append(&last.flow, numbers, last.expires);
        restarted->answer_count = last.answer_count;
        restarted->flags = last.flags & (uint8_t)~IS_RESTARTED;
    }
}

/* Look at so many of the oldest places, as long as they may leave. */
static void forget(uint32_t now, unsigned most)
{
    for (; most > 0 && place_count > 0 && may_leave(now); most--) {
        forget_oldest(now);
    }
}

/* For one more, after some that are over have left. False: without memory for the first block. */
static __attribute__((noinline)) bool make_room(uint32_t now)
{
    if (block_count == 0 && !grow(0)) {
        return false;
    }
    forget(now, FORGET_PER_ADD);
    make_place();
    return true;
}

/* --- Used by the transport server --- */

void timewait_initialise(void)
{
    uint64_t limit = status_memory_bytes(platform_node()) / TIMEWAIT_PART_OF_MEMORY / BLOCK_BYTES;

    for (uint32_t i = 0; i < block_count; i++) {
        memory_release_pages(&table_kind, blocks[i].entries, ENTRIES_PAGES);
        memory_release_pages(&table_kind, blocks[i].buckets, BUCKETS_PAGES);
    }
    block_limit = limit < 1 ? 1
                  : limit > UINT32_MAX / TIMEWAIT_BLOCK_ENTRIES
                      ? UINT32_MAX / TIMEWAIT_BLOCK_ENTRIES
                      : (uint32_t)limit;
    blocks = memory_renew(&table_kind, blocks, block_limit * sizeof(*blocks));
    block_count = 0;
    head = tail = (struct place){.block = 0};
    place_count = used_count = fin_wait_count = bucket_count = bucket_mask = 0;
}

void timewait_add(const struct flow *flow, struct timewait_numbers numbers, uint64_t now_ns)
{
    uint32_t now = time_of(now_ns);

    if (UNLIKELY(!has_place() || (tail.index % ADDS_PER_FORGET == 0 && may_leave(now))) &&
        !make_room(now)) {
        counter_increment(COUNTER_TIME_WAIT_NO_MEMORY);
        return;
    }
    (void)append(flow, numbers, expiry_of(now_ns));
}

void timewait_expire(uint64_t now_ns)
{
    forget(time_of(now_ns), FORGET_PER_EXPIRE);
}

uint32_t timewait_count(void)
{
    return used_count;
}

uint32_t timewait_fin_wait_count(void)
{
    return fin_wait_count;
}

/* An acknowledgement with the numbers of the connection that was; nothing is left to come, so its
 * window is closed. Returns whether there was one. */
static bool answer(struct entry *entry)
{
    struct bare_segment bare = {
        .flow = entry->flow,
        .sequence = entry->snd_nxt,
        .acknowledgment = entry->rcv_nxt,
        .tcp_flags = FLAG_ACK,
    };

    if (entry->answer_count == ANSWERS_MAX) {
        return false;
    }
    entry->answer_count++;
    segment_out_send_bare(&bare);
    return true;
}

/* Its time begins again. */
static void restart(struct entry *entry, uint64_t now_ns)
{
    entry->expires = expiry_of(now_ns);
    entry->flags |= IS_RESTARTED;
}

/* --- FIN-WAIT-2, of who does not read any more --- */

static void reset(struct entry *entry)
{
    segment_out_send_bare(&(struct bare_segment){.flow = entry->flow,
                                                 .sequence = entry->snd_nxt,
                                                 .acknowledgment = entry->rcv_nxt,
                                                 .tcp_flags = FLAG_RST | FLAG_ACK});
    counter_increment(COUNTER_TCP_RESETS);
    remove_entry(entry);
}

/* The peer's FIN, which is the next in order: TIME-WAIT begins. */
static void take_fin(struct entry *entry, uint64_t now_ns)
{
    entry->rcv_nxt++;
    entry->flags &= (uint8_t)~IS_FIN_AWAITED;
    fin_wait_count--;
    entry->answer_count = 0;
    (void)answer(entry);
    restart(entry, now_ns);
}

/*
 * As receiver.h has it for a connection, with RFC 5961, but that the peer has acknowledged all
 * there was: so what is said now acknowledges just that. What may be somebody else's, or is old,
 * gets an acknowledgement, of which there are as many as in TIME-WAIT.
 */
static void take_in_fin_wait(struct entry *entry, const struct packet *packet, uint64_t now_ns)
{
    uint32_t end = packet->sequence + packet->payload_bytes;
    bool is_next = packet->sequence == entry->rcv_nxt;
    bool has_fin = (packet->tcp_flags & FLAG_FIN) != 0;

    if ((packet->tcp_flags & FLAG_RST) != 0 && is_next) {
        counter_increment(COUNTER_TCP_RESETS);
        remove_entry(entry);
    } else if ((packet->tcp_flags & (FLAG_RST | FLAG_SYN | FLAG_ACK)) != FLAG_ACK ||
               packet->acknowledgment != entry->snd_nxt) {
        (void)answer(entry);
    } else if (packet->payload_bytes == 0 && !has_fin && is_next) {
        return; /* nothing new */
    } else if (sequence_is_within(end, entry->rcv_nxt + 1, RECEIVER_BUFFER_MAX_BYTES) &&
               packet->payload_bytes != 0) {
        reset(entry); /* bytes that nobody reads: RFC 9293 3.10.7.4, seventh */
    } else if (has_fin && end == entry->rcv_nxt) {
        take_fin(entry, now_ns);
    } else {
        (void)answer(entry);
    }
}

/* --- TIME-WAIT --- */

/* RFC 6191 2, with no timestamps on either side: beyond all that the connection has used. */
static enum timewait_verdict judge_syn(struct entry *entry, const struct packet *packet,
                                       uint32_t *least_iss)
{
    bool is_later =
        packet->sequence == entry->rcv_nxt || sequence_is_after(packet->sequence, entry->rcv_nxt);

    if (!is_later && (entry->flags & IS_MUTE) == 0) {
        (void)answer(entry); /* a challenge: RFC 5961 4.2 */
        return TIMEWAIT_TAKEN;
    }
    *least_iss = entry->snd_nxt + ISS_DISTANCE;
    remove_entry(entry);
    counter_increment(COUNTER_TIME_WAIT_REOPENED);
    return TIMEWAIT_REOPEN;
}

enum timewait_verdict timewait_look(const struct flow *flow, uint64_t now_ns, uint32_t *least_iss)
{
    const struct entry *entry = find(flow, flow_hash(flow));

    if (entry == NULL || time_has_come(time_of(now_ns), entry->expires)) {
        return TIMEWAIT_UNKNOWN;
    }
    *least_iss = entry->snd_nxt + ISS_DISTANCE;
    return (entry->flags & IS_FIN_AWAITED) != 0 ? TIMEWAIT_TAKEN : TIMEWAIT_REOPEN;
}

void timewait_forget(const struct flow *flow)
{
    struct entry *entry = find(flow, flow_hash(flow));

    if (entry != NULL) {
        remove_entry(entry);
        counter_increment(COUNTER_TIME_WAIT_REOPENED);
    }
}

/* The FIN that has ended it, again: our last acknowledgement was lost, perhaps. */
static bool is_repeated_fin(const struct entry *entry, const struct packet *packet)
{
    return (packet->tcp_flags & FLAG_FIN) != 0 &&
           packet->sequence + packet->payload_bytes + 1 == entry->rcv_nxt;
}

enum timewait_verdict timewait_segment(const struct segment *segment, uint64_t now_ns,
                                       uint32_t *least_iss)
{
    const struct packet *packet = segment->packet;
    struct entry *entry = find(&packet->flow, segment->flow_hash);

    ASSERT_SLOW(packet->kind != PACKET_OTHER);
    if (entry == NULL) {
        return TIMEWAIT_UNKNOWN;
    }
    if (time_has_come(time_of(now_ns), entry->expires)) {
        remove_entry(entry);
        return TIMEWAIT_UNKNOWN;
    }
    if (UNLIKELY((entry->flags & IS_FIN_AWAITED) != 0)) {
        take_in_fin_wait(entry, packet, now_ns);
        return TIMEWAIT_TAKEN;
    }
    if (packet->kind == PACKET_SYN) {
        return judge_syn(entry, packet, least_iss);
    }
    if ((packet->tcp_flags & FLAG_RST) != 0) {
        /* It is not freed (RFC 1337). But a client sends one when its SYN was answered with our
         * old numbers: its next SYN is welcome. */
        if (packet->sequence == entry->rcv_nxt) {
            entry->flags |= IS_MUTE;
        }
        return TIMEWAIT_TAKEN;
    }
    if ((packet->payload_bytes == 0 && (packet->tcp_flags & (FLAG_FIN | FLAG_SYN)) == 0) ||
        (entry->flags & IS_MUTE) != 0) {
        return TIMEWAIT_TAKEN;
    }
    if (answer(entry) && is_repeated_fin(entry, packet)) {
        restart(entry, now_ns);
    }
    return TIMEWAIT_TAKEN;
}
