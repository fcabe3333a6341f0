/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flow director: exact filters on masked fields of IP packets, and signature filters.
 *
 * The table is a hash table whose bucket is computed by software when it programs a filter and
 * by the device for each packet: a filter programmed under a wrong hash is never found. Masks
 * apply to packets only. A filter with a bit set in an ignored place never matches.
 * Programmed fields and packet fields meet in one form, the hash's own words.
 */
#include "ixgbe82599.h"

#include "ixgbe82599_hash.h"

enum {
    BUCKETS_MAX = 32768,
    FILTERS_MAX = 32768,
    NO_FILTER = -1,

    COMMAND_ADD = 1,
    COMMAND_REMOVE = 2,
    COMMAND_QUERY = 3,
};

/* FDIRCMD bits that make up a filter's action, and those that only a query sets. */
#define ACTION_BITS (FDIRCMD_DROP | FDIRCMD_QUEUE_ENABLE | 0x007f0000)
#define RESULT_BITS (FDIRCMD_VALID | FDIRCMD_COLLISION)

static bool is_perfect(IXGBEState *s)
{
    return ixgbe_get(s, IXGBE_FDIRCTRL) & FDIRCTRL_PERFECT;
}

static bool is_enabled(IXGBEState *s)
{
    uint32_t control = ixgbe_get(s, IXGBE_FDIRCTRL);

    return (control & FDIRCTRL_PBALLOC) && (control & FDIRCTRL_INIT_DONE);
}

/* Both kinds have as many buckets as filters, two of which the device keeps. */
static uint32_t bucket_count(IXGBEState *s)
{
    uint32_t unit = is_perfect(s) ? 1024 : 4096;

    return unit << (ixgbe_get(s, IXGBE_FDIRCTRL) & FDIRCTRL_PBALLOC);
}

static uint32_t free_filters(IXGBEState *s)
{
    return ixgbe_get(s, IXGBE_FDIRFREE) & 0xffff;
}

static void set_free_filters(IXGBEState *s, uint32_t count)
{
    uint32_t *reg = ixgbe_csr(s, IXGBE_FDIRFREE);

    *reg = deposit32(*reg, 0, 16, count);
}

/* Count in a field that stops at its largest value. */
static void count_field(IXGBEState *s, uint32_t offset, int start, int length)
{
    uint32_t *reg = ixgbe_csr(s, offset);
    uint32_t value = extract32(*reg, start, length);

    if (value != MAKE_64BIT_MASK(0, length)) {
        *reg = deposit32(*reg, start, length, value + 1);
    }
}

static void empty_table(IXGBEState *s)
{
    memset(s->fdir.buckets, 0xff, BUCKETS_MAX * sizeof(*s->fdir.buckets));
    s->fdir.free = NO_FILTER;
    s->fdir.used = 0;
}

/* The bucket that software names in FDIRHASH: it may have computed more bits than there are. */
static uint32_t programmed_bucket(IXGBEState *s)
{
    return ixgbe_get(s, IXGBE_FDIRHASH) & FDIRHASH_BUCKET & (bucket_count(s) - 1);
}

static uint16_t programmed_id(IXGBEState *s)
{
    return extract32(ixgbe_get(s, IXGBE_FDIRHASH), 16, is_perfect(s) ? 13 : 15);
}

/* The fields of a filter as software wrote them. Addresses have their first byte lowest. */
static void programmed_key(IXGBEState *s, uint32_t command, IXGBEFdirKey *key)
{
    uint32_t vlan = ixgbe_get(s, IXGBE_FDIRVLAN);
    uint32_t ports = ixgbe_get(s, IXGBE_FDIRPORT);

    memset(key, 0, sizeof(*key));
    key->word[0] = extract32(command, 24, 6) << 24 | extract32(command, 5, 3) << 16 |
                   (vlan & 0xffff);
    if (command & FDIRCMD_IPV6) {
        for (int i = 0; i < 3; i++) {
            key->word[5 + i] = bswap32(ixgbe_get(s, IXGBE_FDIRSIPV6(i)));
        }
        key->word[8] = bswap32(ixgbe_get(s, IXGBE_FDIRIPSA));
        if (command & FDIRCMD_IPV6_DESTINATION) {
            ixgbe_log_once(s, IXGBE_LOG_FDIR_IP6AT);
        }
    } else {
        key->word[1] = bswap32(ixgbe_get(s, IXGBE_FDIRIPDA));
        key->word[5] = bswap32(ixgbe_get(s, IXGBE_FDIRIPSA));
    }
    key->word[9] = ports << 16 | ports >> 16;
    key->word[10] = (uint32_t)bswap16(vlan >> 16) << 16;
}

/* A query shows the filter that it found where software would have programmed it. */
static void show_filter(IXGBEState *s, const IXGBEFdirFilter *filter)
{
    const uint32_t *word = filter->key.word;

    if (filter->command & FDIRCMD_IPV6) {
        for (int i = 0; i < 3; i++) {
            *ixgbe_csr(s, IXGBE_FDIRSIPV6(i)) = bswap32(word[5 + i]);
        }
        *ixgbe_csr(s, IXGBE_FDIRIPSA) = bswap32(word[8]);
    } else {
        *ixgbe_csr(s, IXGBE_FDIRIPDA) = bswap32(word[1]);
        *ixgbe_csr(s, IXGBE_FDIRIPSA) = bswap32(word[5]);
    }
    *ixgbe_csr(s, IXGBE_FDIRPORT) = word[9] << 16 | word[9] >> 16;
    *ixgbe_csr(s, IXGBE_FDIRVLAN) = (word[0] & 0xffff) | (uint32_t)bswap16(word[10] >> 16) << 16;
}

static bool is_same_flow(IXGBEState *s, const IXGBEFdirFilter *filter, const IXGBEFdirKey *key,
                         uint16_t id)
{
    return is_perfect(s) ? !memcmp(&filter->key, key, sizeof(*key)) : filter->id == id;
}

static IXGBEFdirFilter *allocate_filter(IXGBEState *s, int32_t *index)
{
    IXGBEFdir *fdir = &s->fdir;

    if (fdir->free != NO_FILTER) {
        *index = fdir->free;
        fdir->free = fdir->filters[*index].next;
    } else {
        *index = fdir->used++;
    }
    return &fdir->filters[*index];
}

static void refuse_filter(IXGBEState *s)
{
    count_field(s, IXGBE_FDIRFSTAT, 0, 8);
    ixgbe_intr_misc(s, EICR_FLOW_DIRECTOR);
}

static void note_list_length(IXGBEState *s, uint32_t bucket, uint32_t length)
{
    uint32_t *reg = ixgbe_csr(s, IXGBE_FDIRLEN);

    if (MIN(length, 63) > extract32(*reg, 0, 6)) {
        *reg = deposit32(deposit32(*reg, 0, 6, MIN(length, 63)), 16, 15, bucket);
    }
}

/* The same flow again: an update replaces its action, anything else must agree with it. */
static void add_again(IXGBEState *s, IXGBEFdirFilter *filter, uint32_t command, uint16_t id)
{
    uint32_t *free_reg = ixgbe_csr(s, IXGBE_FDIRFREE);

    if (command & FDIRCMD_UPDATE) {
        filter->command = command;
        filter->id = id;
    } else if ((filter->command ^ command) & ACTION_BITS) {
        if (!filter->is_collided) {
            *free_reg = deposit32(*free_reg, 16, 15, extract32(*free_reg, 16, 15) + 1);
        }
        filter->is_collided = true;
    }
}

static void add_filter(IXGBEState *s, uint32_t command)
{
    uint32_t bucket = programmed_bucket(s), length = 1;
    uint32_t threshold = extract32(ixgbe_get(s, IXGBE_FDIRCTRL), 28, 4) * 16;
    uint16_t id = programmed_id(s);
    int32_t *link = &s->fdir.buckets[bucket], index;
    IXGBEFdirFilter *filter;
    IXGBEFdirKey key;

    programmed_key(s, command, &key);
    for (; *link != NO_FILTER; link = &filter->next, length++) {
        filter = &s->fdir.filters[*link];
        if (is_same_flow(s, filter, &key, id)) {
            add_again(s, filter, command, id);
            return;
        }
    }
    if (!is_enabled(s) || free_filters(s) == 0) {
        refuse_filter(s);
        return;
    }
    filter = allocate_filter(s, &index);
    *filter = (IXGBEFdirFilter) { .key = key, .command = command, .id = id, .next = NO_FILTER };
    *link = index;
    count_field(s, IXGBE_FDIRUSTAT, 0, 16);
    note_list_length(s, bucket, length);
    set_free_filters(s, free_filters(s) - 1);
    if (free_filters(s) == threshold) {
        ixgbe_intr_misc(s, EICR_FLOW_DIRECTOR);
    }
}

/*
 * Find a filter as remove and query do: by bucket and software index or signature, not by its
 * fields. Returns the link to it, or to the list's end; `position` counts from 1.
 */
static int32_t *find_filter(IXGBEState *s, uint32_t *position)
{
    uint16_t id = programmed_id(s);
    int32_t *link = &s->fdir.buckets[programmed_bucket(s)];

    for (*position = 1; *link != NO_FILTER; ++*position) {
        IXGBEFdirFilter *filter = &s->fdir.filters[*link];

        if (filter->id == id) {
            return link;
        }
        link = &filter->next;
    }
    return link;
}

static void remove_filter(IXGBEState *s)
{
    uint32_t position, *free_reg = ixgbe_csr(s, IXGBE_FDIRFREE);
    int32_t *link = find_filter(s, &position), index = *link;
    IXGBEFdirFilter *filter;

    if (index == NO_FILTER) {
        count_field(s, IXGBE_FDIRFSTAT, 8, 8);
        return;
    }
    filter = &s->fdir.filters[index];
    if (filter->is_collided) {
        *free_reg = deposit32(*free_reg, 16, 15, extract32(*free_reg, 16, 15) - 1);
    }
    *link = filter->next;
    filter->next = s->fdir.free;
    s->fdir.free = index;
    set_free_filters(s, free_filters(s) + 1);
    count_field(s, IXGBE_FDIRUSTAT, 16, 16);
}

static void query_filter(IXGBEState *s)
{
    uint32_t position, *command = ixgbe_csr(s, IXGBE_FDIRCMD);
    uint32_t *hash = ixgbe_csr(s, IXGBE_FDIRHASH), *length = ixgbe_csr(s, IXGBE_FDIRLEN);
    int32_t index = *find_filter(s, &position);
    const IXGBEFdirFilter *filter;

    *hash = deposit32(*hash, 15, 1, s->fdir.buckets[programmed_bucket(s)] != NO_FILTER);
    if (index == NO_FILTER) {
        *length = deposit32(*length, 8, 6, MIN(position - 1, 63));
        return;
    }
    filter = &s->fdir.filters[index];
    *length = deposit32(*length, 8, 6, MIN(position, 63));
    *command |= FDIRCMD_VALID;
    if (is_perfect(s)) {
        *command = (filter->command & ~(FDIRCMD_COMMAND | RESULT_BITS)) | FDIRCMD_VALID;
        show_filter(s, filter);
    }
    *command |= filter->is_collided ? FDIRCMD_COLLISION : 0;
}

static void fdircmd_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    if (value & FDIRCMD_CLEARHT) {
        empty_table(s);
        return;
    }
    switch (value & FDIRCMD_COMMAND) {
    case COMMAND_ADD:
        add_filter(s, value);
        break;
    case COMMAND_REMOVE:
        remove_filter(s);
        break;
    case COMMAND_QUERY:
        query_filter(s);
        break;
    }
}

/* Software writes only 0, while it clears the table; anything else would not be a count. */
static void fdirfree_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    if (value == 0) {
        *ixgbe_csr(s, IXGBE_FDIRFREE) = 0;
    }
}

/* A size starts initialisation, which is over at once. */
static void fdirctrl_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    uint32_t *control = ixgbe_csr(s, IXGBE_FDIRCTRL);

    empty_table(s);
    if (value & FDIRCTRL_PBALLOC) {
        *control |= FDIRCTRL_INIT_DONE;
        *ixgbe_csr(s, IXGBE_FDIRFREE) = bucket_count(s) - 2;
    } else {
        *control &= ~FDIRCTRL_INIT_DONE;
        *ixgbe_csr(s, IXGBE_FDIRFREE) = 0;
    }
}

static uint32_t port_ignore_mask(IXGBEState *s, IXGBEL4 l4)
{
    uint32_t mask = l4 == IXGBE_L4_TCP ? ixgbe_get(s, IXGBE_FDIRTCPM) :
                    l4 == IXGBE_L4_UDP ? ixgbe_get(s, IXGBE_FDIRUDPM) : 0;

    /* In the hash's word the source port comes first, in the register it is the low half. */
    return (uint32_t)ixgbe_reverse16(mask) << 16 | ixgbe_reverse16(mask >> 16);
}

/* The four words of an IPv6 address without the bytes whose bit is set. */
static void mask_ipv6(uint32_t word[4], const uint8_t *address, uint16_t ignored_bytes)
{
    for (int i = 0; i < 16; i++) {
        if (!(ignored_bytes >> i & 1)) {
            word[i / 4] |= (uint32_t)address[i] << (24 - 8 * (i % 4));
        }
    }
}

static uint16_t flexible_bytes(IXGBEState *s, const IXGBEFrame *frame)
{
    size_t offset = 2 * extract32(ixgbe_get(s, IXGBE_FDIRCTRL), 16, 5);

    return offset + 2 <= frame->bytes ? ixgbe_get16(frame->data + offset) : 0;
}

static void packet_key(IXGBEState *s, const IXGBEFrame *frame, IXGBEFdirKey *key)
{
    uint32_t ignored = ixgbe_get(s, IXGBE_FDIRM);
    uint32_t flow_type = ignored & FDIRM_L4 ? IXGBE_L4_OTHER : frame->l4;
    uint16_t vlan = frame->vlan_tci & 0xefff;

    memset(key, 0, sizeof(*key));
    vlan &= ignored & FDIRM_VLAN_ID ? 0xf000 : 0xffff;
    vlan &= ignored & FDIRM_VLAN_PRIORITY ? 0x0fff : 0xffff;
    if (frame->ip_version == 4) {
        key->word[1] = ixgbe_get32(frame->destination) & ~bswap32(ixgbe_get(s, IXGBE_FDIRDIP4M));
        key->word[5] = ixgbe_get32(frame->source) & ~bswap32(ixgbe_get(s, IXGBE_FDIRSIP4M));
    } else {
        uint32_t ignored_bytes = ixgbe_get(s, IXGBE_FDIRIP6M);

        flow_type |= 4;
        mask_ipv6(&key->word[5], frame->source, ignored_bytes);
        /* An exact filter compares no IPv6 destination, apart from IP6AT's. */
        if (!is_perfect(s)) {
            mask_ipv6(&key->word[1], frame->destination, ignored_bytes >> 16);
        }
    }
    key->word[0] = flow_type << 16 | vlan;
    key->word[9] = ((uint32_t)frame->source_port << 16 | frame->destination_port) &
                   ~port_ignore_mask(s, frame->l4);
    key->word[10] = ignored & FDIRM_FLEX ? 0 : (uint32_t)flexible_bytes(s, frame) << 16;
}

/* What a match at a place in its list means for the frame. */
static void apply_filter(IXGBEState *s, const IXGBEFdirFilter *filter, bool is_too_far,
                         IXGBEFdirResult *result)
{
    bool is_drop = filter->command & FDIRCMD_DROP;

    result->is_match = true;
    result->errors = filter->is_collided ? RXD_FDIR_COLLISION : 0;
    if (is_too_far) {
        /* Found too late to drop it. */
        result->errors |= is_drop ? RXD_FDIR_LENGTH | RXD_FDIR_DROP : RXD_FDIR_LENGTH;
        is_drop = false;
    }
    if (is_drop) {
        result->queue = extract32(ixgbe_get(s, IXGBE_FDIRCTRL), 8, 7);
    } else if (filter->command & FDIRCMD_QUEUE_ENABLE) {
        result->queue = extract32(filter->command, 16, 7);
    }
}

void ixgbe_fdir_lookup(IXGBEState *s, const IXGBEFrame *frame, IXGBEFdirResult *result)
{
    uint32_t max_length, length = 0, bucket;
    uint16_t id = 0;
    IXGBEFdirKey key;

    if (!is_enabled(s) || frame->ip_version == 0 ||
        (frame->l4 == IXGBE_L4_OTHER && !(ixgbe_get(s, IXGBE_FDIRM) & FDIRM_L4))) {
        return;
    }
    result->is_candidate = true;
    packet_key(s, frame, &key);
    bucket = ixgbe_fdir_hash(ixgbe_get(s, IXGBE_FDIRHKEY), key.word) & (bucket_count(s) - 1);
    if (!is_perfect(s)) {
        id = ixgbe_fdir_hash(ixgbe_get(s, IXGBE_FDIRSKEY), key.word);
    }
    max_length = extract32(ixgbe_get(s, IXGBE_FDIRCTRL), 24, 4);
    for (int32_t i = s->fdir.buckets[bucket]; i != NO_FILTER; i = s->fdir.filters[i].next) {
        const IXGBEFdirFilter *filter = &s->fdir.filters[i];

        length++;
        if (is_same_flow(s, filter, &key, id)) {
            apply_filter(s, filter, length > max_length, result);
            id = filter->id;
            break;
        }
    }
    if (!result->is_match && length > max_length) {
        result->errors = RXD_FDIR_LENGTH;
    }
    result->id = bucket << 16 | id;
}

void ixgbe_fdir_count(IXGBEState *s, const IXGBEFdirResult *result)
{
    if (result->is_candidate) {
        ixgbe_stats_add(s, result->is_match ? IXGBE_FDIRMATCH : IXGBE_FDIRMISS, 1);
    }
}

void ixgbe_fdir_reset(IXGBEState *s)
{
    empty_table(s);
}

void ixgbe_fdir_init(IXGBEState *s)
{
    s->fdir.filters = g_new(IXGBEFdirFilter, FILTERS_MAX);
    s->fdir.buckets = g_new(int32_t, BUCKETS_MAX);
}

void ixgbe_fdir_finalize(IXGBEState *s)
{
    g_free(s->fdir.filters);
    g_free(s->fdir.buckets);
}

const IXGBERegRule ixgbe_fdir_rules[] = {
    { .first = IXGBE_FDIRCTRL, .count = 1, .stride = 4,
      .writable = ~(uint32_t)FDIRCTRL_INIT_DONE, .written = fdirctrl_written },
    { .first = IXGBE_FDIRSIPV6(0), .count = 3, .stride = 4, .writable = IXGBE_ALL },
    { .first = IXGBE_FDIRIPSA, .count = 4, .stride = 4, .writable = IXGBE_ALL }, /* to VLAN */
    { .first = IXGBE_FDIRHASH, .count = 1, .stride = 4, .writable = IXGBE_ALL },
    { .first = IXGBE_FDIRCMD, .count = 1, .stride = 4,
      .writable = ~(uint32_t)FDIRCMD_COMMAND, .written = fdircmd_written },
    { .first = IXGBE_FDIRFREE, .count = 1, .stride = 4, .written = fdirfree_written },
    { .first = IXGBE_FDIRDIP4M, .count = 4, .stride = 4, .writable = IXGBE_ALL }, /* to UDPM */
    { .first = IXGBE_FDIRLEN, .count = 5, .stride = 4, .flags = IXGBE_REG_COUNTER }, /* MISS */
    { .first = IXGBE_FDIRHKEY, .count = 1, .stride = 4, .reset = 0x80000001,
      .writable = IXGBE_ALL },
    { .first = IXGBE_FDIRSKEY, .count = 1, .stride = 4, .reset = 0x80800101,
      .writable = IXGBE_ALL },
    { .first = IXGBE_FDIRM, .count = 1, .stride = 4, .writable = 0x3f },
    { .first = IXGBE_FDIRIP6M, .count = 1, .stride = 4, .writable = IXGBE_ALL },
    { .first = 0x0ee78, .count = 1, .stride = 4 },   /* FDIRSCTPM: a later part's, ignored */
    { .count = 0 },
};
