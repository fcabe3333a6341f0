/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which queue takes a frame: EtherType, 5-tuple and SYN filters, flow director, RSS; the first
 * that assigns one wins. Looking changes nothing.
 */
#include "ixgbe82599.h"

#include "ixgbe82599_hash.h"

enum {
    ETHER_FILTERS = 8,
    FIVE_TUPLE_FILTERS = 128,
    TCP_FLAG_SYN = 0x02,
    MRQE_RSS = 1,
};

static int match_ether_filter(IXGBEState *s, const IXGBEFrame *frame)
{
    for (int i = 0; i < ETHER_FILTERS; i++) {
        uint32_t filter = ixgbe_get(s, IXGBE_ETQF(i));

        if ((filter & ETQF_ENABLE) && (filter & 0xffff) == frame->ethertype) {
            return i;
        }
    }
    return -1;
}

/* FTQF's protocol field. */
static uint32_t five_tuple_protocol(IXGBEL4 l4)
{
    static const uint8_t code[] = {
        [IXGBE_L4_TCP] = 0, [IXGBE_L4_UDP] = 1, [IXGBE_L4_SCTP] = 2, [IXGBE_L4_OTHER] = 3,
    };

    return code[l4];
}

static bool matches_five_tuple(IXGBEState *s, const IXGBEFrame *frame, int i)
{
    uint32_t filter = ixgbe_get(s, IXGBE_FTQF(i));
    uint32_t ports = ixgbe_get(s, IXGBE_SDPQF(i));

    /* Addresses and ports stand in network order: a port's first byte is the low one. */
    return (filter & FTQF_ENABLE) &&
           ((filter & FTQF_IGNORE_PROTOCOL) ||
            (filter & 3) == five_tuple_protocol(frame->l4)) &&
           ((filter & FTQF_IGNORE_SOURCE) ||
            ixgbe_get(s, IXGBE_SAQF(i)) == ldl_le_p(frame->source)) &&
           ((filter & FTQF_IGNORE_DESTINATION) ||
            ixgbe_get(s, IXGBE_DAQF(i)) == ldl_le_p(frame->destination)) &&
           ((filter & FTQF_IGNORE_SOURCE_PORT) ||
            bswap16(ports & 0xffff) == frame->source_port) &&
           ((filter & FTQF_IGNORE_DESTINATION_PORT) ||
            bswap16(ports >> 16) == frame->destination_port);
}

/* The matching filter of the highest priority, the lowest index among equals; -1 without one. */
static int five_tuple_queue(IXGBEState *s, const IXGBEFrame *frame)
{
    int queue = -1, best_priority = -1;

    if (!s->five_tuple_filters || frame->ip_version != 4 || frame->is_fragment) {
        return -1;
    }
    for (int i = 0; i < FIVE_TUPLE_FILTERS; i++) {
        int priority = extract32(ixgbe_get(s, IXGBE_FTQF(i)), 2, 3);

        if (priority > best_priority && matches_five_tuple(s, frame, i)) {
            best_priority = priority;
            queue = extract32(ixgbe_get(s, IXGBE_L34TIMIR(i)), 21, 7);
        }
    }
    return queue;
}

static int syn_queue(IXGBEState *s, const IXGBEFrame *frame)
{
    uint32_t filter = ixgbe_get(s, IXGBE_SYNQF);

    if ((filter & SYNQF_ENABLE) && frame->l4 == IXGBE_L4_TCP &&
        (frame->tcp_flags & TCP_FLAG_SYN)) {
        return extract32(filter, 1, 7);
    }
    return -1;
}

static int filter_queue(IXGBEState *s, const IXGBEFrame *frame)
{
    bool is_syn_first = ixgbe_get(s, IXGBE_SYNQF) & SYNQF_FIRST;
    int queue = is_syn_first ? syn_queue(s, frame) : five_tuple_queue(s, frame);

    if (queue >= 0) {
        return queue;
    }
    return is_syn_first ? five_tuple_queue(s, frame) : syn_queue(s, frame);
}

/* The hash function that MRQC chooses for a frame, as the descriptor reports it. */
static uint8_t rss_type(uint32_t mrqc, const IXGBEFrame *frame)
{
    enum { NONE = 0, TCP_IPV4 = 1, IPV4 = 2, TCP_IPV6 = 3, IPV6 = 5, UDP_IPV4 = 7, UDP_IPV6 = 8 };
    const bool is_tcp = frame->l4 == IXGBE_L4_TCP, is_udp = frame->l4 == IXGBE_L4_UDP;

    if (frame->ip_version == 4) {
        return is_tcp && (mrqc & MRQC_TCP_IPV4) ? TCP_IPV4 :
               is_udp && (mrqc & MRQC_UDP_IPV4) ? UDP_IPV4 : mrqc & MRQC_IPV4 ? IPV4 : NONE;
    }
    if (frame->ip_version == 6) {
        return is_tcp && (mrqc & MRQC_TCP_IPV6) ? TCP_IPV6 :
               is_udp && (mrqc & MRQC_UDP_IPV6) ? UDP_IPV6 : mrqc & MRQC_IPV6 ? IPV6 : NONE;
    }
    return NONE;
}

static bool hashes_ports(uint8_t type)
{
    return type == 1 || type == 3 || type == 7 || type == 8;
}

static uint32_t rss_hash(IXGBEState *s, const IXGBEFrame *frame, bool has_ports)
{
    size_t address_bytes = frame->ip_version == 4 ? 4 : 16;
    uint8_t key[IXGBE_RSS_KEY_BYTES], input[2 * 16 + 4];
    size_t bytes = 2 * address_bytes;

    for (int i = 0; i < IXGBE_RSS_KEY_BYTES / 4; i++) {
        stl_le_p(key + 4 * i, ixgbe_get(s, IXGBE_RSSRK(i)));
    }
    memcpy(input, frame->source, address_bytes);
    memcpy(input + address_bytes, frame->destination, address_bytes);
    if (has_ports) {
        ixgbe_put16(input + bytes, frame->source_port);
        ixgbe_put16(input + bytes + 2, frame->destination_port);
        bytes += 4;
    }
    return ixgbe_toeplitz(key, input, bytes);
}

/* Entry `hash` mod 128 of the redirection table: one byte each, four bits of it used. */
static int redirect(IXGBEState *s, uint32_t hash)
{
    unsigned entry = hash & 127;

    return ixgbe_get(s, IXGBE_RETA(entry / 4)) >> 8 * (entry % 4) & 0xf;
}

static int rss_queue(IXGBEState *s, const IXGBEFrame *frame, IXGBESteering *steering)
{
    uint32_t mrqc = ixgbe_get(s, IXGBE_MRQC);

    if ((mrqc & 0xf) != MRQE_RSS) {
        return 0;
    }
    steering->rss_type = rss_type(mrqc, frame);
    if (!steering->rss_type) {
        return 0;
    }
    steering->rss_hash = rss_hash(s, frame, hashes_ports(steering->rss_type));
    return redirect(s, steering->rss_hash);
}

void ixgbe_steer(IXGBEState *s, const IXGBEFrame *frame, IXGBESteering *steering)
{
    int queue;

    memset(steering, 0, sizeof(*steering));
    steering->fdir.queue = -1;
    steering->ether_filter = match_ether_filter(s, frame);
    if (steering->ether_filter >= 0) {
        uint32_t action = ixgbe_get(s, IXGBE_ETQS(steering->ether_filter));

        /* Such a frame counts as layer 2: nothing behind its EtherType is looked at. */
        steering->queue = action & ETQS_QUEUE_ENABLE ? extract32(action, 16, 7) : 0;
        return;
    }
    /* The hash is reported and the flow director looks, whoever chooses the queue. */
    steering->queue = rss_queue(s, frame, steering);
    ixgbe_fdir_lookup(s, frame, &steering->fdir);
    if (steering->fdir.queue >= 0) {
        steering->queue = steering->fdir.queue;
    }
    queue = filter_queue(s, frame);
    if (queue >= 0) {
        steering->queue = queue;
    }
}

static void ftqf_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    s->five_tuple_filters += !!(value & FTQF_ENABLE) - !!(old & FTQF_ENABLE);
}

static void mrqc_written(IXGBEState *s, unsigned n, uint32_t value, uint32_t old)
{
    if ((value & 0xf) > MRQE_RSS) {
        ixgbe_log_once(s, IXGBE_LOG_MRQC);
    }
}

void ixgbe_steer_reset(IXGBEState *s)
{
    s->five_tuple_filters = 0;
    for (int i = 0; i < FIVE_TUPLE_FILTERS; i++) {
        s->five_tuple_filters += !!(ixgbe_get(s, IXGBE_FTQF(i)) & FTQF_ENABLE);
    }
}

/* `n` registers whose content after reset is undefined. */
#define UNDEFINED(from, n) \
    { .first = (from), .count = (n), .stride = 4, .writable = IXGBE_ALL, \
      .flags = IXGBE_REG_UNDEFINED }

const IXGBERegRule ixgbe_steer_rules[] = {
    { .first = IXGBE_ETQF(0), .count = ETHER_FILTERS, .stride = 4, .writable = IXGBE_ALL },
    { .first = IXGBE_ETQS(0), .count = ETHER_FILTERS, .stride = 4, .writable = IXGBE_ALL },
    UNDEFINED(IXGBE_SAQF(0), FIVE_TUPLE_FILTERS),
    UNDEFINED(IXGBE_DAQF(0), FIVE_TUPLE_FILTERS),
    UNDEFINED(IXGBE_SDPQF(0), FIVE_TUPLE_FILTERS),
    { .first = IXGBE_FTQF(0), .count = FIVE_TUPLE_FILTERS, .stride = 4, .writable = IXGBE_ALL,
      .flags = IXGBE_REG_UNDEFINED, .written = ftqf_written },
    UNDEFINED(IXGBE_L34TIMIR(0), FIVE_TUPLE_FILTERS),
    { .first = IXGBE_SYNQF, .count = 1, .stride = 4, .writable = IXGBE_ALL },
    { .first = 0x0ec60, .count = 1, .stride = 4, .writable = IXGBE_ALL },     /* IMIRVP */
    { .first = 0x05ac0, .count = 1, .stride = 4, .flags = IXGBE_REG_ALIAS,
      .alias_of = 0x0ec60 },
    { .first = 0x0ec70, .count = 1, .stride = 4, .writable = IXGBE_ALL },     /* RQTC */
    { .first = 0x0ec90, .count = 1, .stride = 4, .writable = IXGBE_ALL },     /* LLITHRESH */
    { .first = 0x0ed00, .count = 12, .stride = 4, .writable = IXGBE_ALL,
      .flags = IXGBE_REG_UNMODELLED },                                        /* FCoE */
    UNDEFINED(IXGBE_RETA(0), 32),
    { .first = 0x05c00, .count = 32, .stride = 4, .flags = IXGBE_REG_ALIAS,
      .alias_of = IXGBE_RETA(0) },
    UNDEFINED(IXGBE_RSSRK(0), 10),
    { .first = 0x05c80, .count = 10, .stride = 4, .flags = IXGBE_REG_ALIAS,
      .alias_of = IXGBE_RSSRK(0) },
    { .first = IXGBE_MRQC, .count = 1, .stride = 4, .writable = IXGBE_ALL,
      .written = mrqc_written },
    { .first = 0x05818, .count = 1, .stride = 4, .flags = IXGBE_REG_ALIAS,
      .alias_of = IXGBE_MRQC },
    { .count = 0 },
};
