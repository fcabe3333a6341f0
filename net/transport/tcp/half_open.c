/* SPDX-License-Identifier: MIT */
/*
 * SYN-RECEIVED (RFC 9293 3.10.7.4) without a connection: see half_open.h. Here entries change;
 * half_open_table.c keeps them, flood.c says how many are dealt with.
 */
#include "net/transport/tcp/half_open.h"

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "libc/core/timer.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/transport/admission.h"
#include "net/transport/closed.h"
#include "net/transport/connection.h"
#include "net/transport/counters.h"
#include "net/transport/hash.h"
#include "net/transport/table.h"
#include "net/transport/tcp/cookie.h"
#include "net/transport/tcp/flood.h"
#include "net/transport/tcp/half_open_table.h"
#include "net/transport/tcp/handshake.h"
#include "net/transport/tcp/options.h"
#include "net/transport/tcp/segment.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/sequence.h"

/* After the SYN, when an entry leaves each queue: RFC 6298 2.1 and 5.5. */
static const uint64_t leaves_ns[HALF_OPEN_QUEUE_COUNT] = {NS_PER_S, 3 * NS_PER_S, 7 * NS_PER_S};

/* Entries dealt with when the timer expires; the others in the next round. Chosen: what goes to a
 * card's ring of 512 at once. */
#define EXPIRE_BATCH 64u

static const struct acceptor nobody = {
    .node = NODE_NONE, .cm = NODE_NONE, .assigned_by = NODE_NONE};
static struct timer timer;

/* The clock of `answered_tick`. */
static uint32_t tick_of(uint64_t now_ns)
{
    return (uint32_t)(now_ns >> 20);
}

/* --- Answers --- */

__attribute__((always_inline)) static inline struct bare_segment
make_syn_ack(const struct handshake *handshake, bool has_scale, bool has_sack)
{
    struct bare_segment answer = {
        .flow = handshake->flow,
        .sequence = handshake->iss,
        .acknowledgment = handshake->irs + 1,
        .window = HANDSHAKE_WINDOW_BYTES, /* not scaled (RFC 7323 2.2) */
        .tcp_flags = TCP_FLAG_SYN | TCP_FLAG_ACK,
    };

    answer.option_bytes = (uint8_t)tcp_options_put_syn_ack(answer.options, HANDSHAKE_MSS, has_scale,
                                                           HANDSHAKE_SCALE, has_sack);
    return answer;
}

static __attribute__((noinline)) void send_syn_ack_with_less(const struct handshake *handshake)
{
    struct bare_segment answer = make_syn_ack(handshake, handshake->has_scale, handshake->has_sack);

    segment_out_send_bare(&answer);
}

/* Nearly all offer what we do: then all but the numbers is known here. */
static __attribute__((noinline)) void send_syn_ack(const struct handshake *handshake)
{
    struct bare_segment answer;

    if (UNLIKELY(!handshake->has_scale || !handshake->has_sack)) {
        send_syn_ack_with_less(handshake);
        return;
    }
    answer = make_syn_ack(handshake, true, true);
    segment_out_send_bare_inline(&answer);
}

static void answer_again(struct half_open *entry)
{
    entry->handshake.is_repeated = true;
    counter_increment(COUNTER_TCP_RETRANSMITS);
    send_syn_ack(&entry->handshake);
}

/* Whether what has come for an entry may be answered now. */
static bool take_answer_turn(struct half_open *entry, uint64_t now_ns)
{
    uint32_t tick = tick_of(now_ns);

    if (tick - entry->answered_tick < HALF_OPEN_ANSWER_TICKS) {
        return false;
    }
    entry->answered_tick = tick;
    return true;
}

/* An ACK that says where we are, for a segment that is not believed (RFC 5961 3.2) or does not fit
 * (RFC 9293 3.10.7.4, first). */
static __attribute__((noinline)) void challenge(struct half_open *entry, uint64_t now_ns)
{
    const struct bare_segment answer = {
        .flow = entry->handshake.flow,
        .sequence = entry->handshake.iss + 1,
        .acknowledgment = entry->handshake.irs + 1,
        .window = HANDSHAKE_WINDOW_BYTES >> (entry->handshake.has_scale ? HANDSHAKE_SCALE : 0),
        .tcp_flags = TCP_FLAG_ACK,
    };

    counter_increment(COUNTER_DROP_PROTOCOL);
    if (!take_answer_turn(entry, now_ns)) {
        counter_increment(COUNTER_TCP_CHALLENGES_WITHHELD);
        return;
    }
    counter_increment(COUNTER_TCP_CHALLENGES_SENT);
    segment_out_send_bare(&answer);
}

/* --- Time --- */

static inline uint64_t due_ns_of(const struct half_open *entry)
{
    return entry->handshake.opened_ns + leaves_ns[entry->handshake.queue];
}

static void start_timer(uint64_t due_ns)
{
    if (timer_start(&timer, due_ns) != 0) {
        PANIC("no memory for the timer of handshakes");
    }
}

static void watch(uint64_t due_ns)
{
    if (!timer_is_set(&timer) || timer.deadline.key > due_ns) {
        start_timer(due_ns);
    }
}

/* --- The end of an entry --- */

static void report_closed(struct half_open *entry)
{
    if (entry->handshake.acceptor.node != NODE_NONE) {
        closed_report(&entry->handshake.acceptor, swap16(entry->handshake.flow.local_port), 0);
    }
    entry->handshake.acceptor = nobody;
}

static void end_entry(struct half_open *entry)
{
    report_closed(entry);
    half_open_table_remove(entry);
}

/* The first of a queue has been there for its time. */
static void expire_entry(struct half_open *entry)
{
    unsigned next_queue = entry->handshake.queue + 1u;

    if (next_queue == HALF_OPEN_QUEUE_COUNT) {
        counter_increment(COUNTER_HANDSHAKES_EXPIRED);
        end_entry(entry);
        return;
    }
    half_open_table_move(entry, next_queue);
    answer_again(entry);
}

static uint64_t next_due_ns(void)
{
    uint64_t next_ns = UINT64_MAX;

    for (unsigned queue = 0; queue < HALF_OPEN_QUEUE_COUNT; queue++) {
        const struct half_open *entry = half_open_table_first(queue);

        next_ns = entry != NULL && due_ns_of(entry) < next_ns ? due_ns_of(entry) : next_ns;
    }
    return next_ns;
}

/* What is still due afterwards has its turn in the next round; so has an entry for which a late one
 * is due in two queues: the last queue comes first. */
static void expire(struct timer *expired)
{
    uint64_t now_ns = dispatch_now_ns();
    unsigned left = EXPIRE_BATCH;
    uint64_t next_ns;

    ASSERT_SLOW(expired == &timer);
    for (unsigned queue = HALF_OPEN_QUEUE_COUNT; queue-- > 0;) {
        struct half_open *entry;

        while (left > 0 && (entry = half_open_table_first(queue)) != NULL &&
               due_ns_of(entry) <= now_ns) {
            expire_entry(entry);
            left--;
        }
    }
    next_ns = next_due_ns();
    if (next_ns != UINT64_MAX) {
        start_timer(next_ns);
    }
}

/* --- SYNs --- */

/* Of a host, and another one than we are (RFC 1122 3.2.1.3): nothing is sent to anybody else. */
static bool is_from_other_host(const struct flow *flow)
{
    uint8_t first_byte = (uint8_t)flow->remote_address;

    return flow->remote_address != flow->local_address && first_byte != 0 && first_byte != 127 &&
           first_byte < 224;
}

/* RFC 6528, but not before that number: the flow has used others (RFC 6191 2). */
static uint32_t iss_from(const struct flow *flow, uint32_t floor, uint64_t now_ns)
{
    uint32_t iss = flow_initial_sequence(flow, now_ns);

    return sequence_is_before(iss, floor) ? floor : iss;
}

static uint16_t mss_of(const struct tcp_options *options)
{
    uint16_t mss = options->mss != 0 ? options->mss : TCP_OPTION_MSS_DEFAULT;

    return mss < HANDSHAKE_MSS ? mss : HANDSHAKE_MSS;
}

/* What the SYN says, in an entry that waits in the first queue. */
static void fill_entry(struct half_open *entry, const struct packet *syn,
                       const struct tcp_options *options, uint32_t iss, uint64_t now_ns)
{
    entry->handshake.irs = syn->sequence;
    entry->handshake.iss = iss;
    entry->answered_tick = tick_of(now_ns);
    entry->handshake.mss = mss_of(options);
    entry->handshake.snd_scale = options->has_scale ? options->scale : 0;
    entry->handshake.has_scale = options->has_scale;
    entry->handshake.has_sack = options->is_sack_permitted;
    entry->handshake.is_repeated = false;
}

/* The same one again, or another, for which a passive open returns to LISTEN first (RFC 9293
 * 3.10.7.4, fourth). Who shall have the connection is not asked again. */
__attribute__((noinline)) void half_open_syn_again(struct half_open *entry,
                                                   const struct segment *segment)
{
    const struct packet *syn = segment->packet;
    uint64_t now_ns = dispatch_now_ns();
    struct tcp_options options;

    if (!flood_take_syn()) {
        return;
    }
    if (syn->sequence == entry->handshake.irs) {
        if (take_answer_turn(entry, now_ns)) {
            answer_again(entry);
        }
        return;
    }
    tcp_options_parse(&options, packet_options(syn), syn->option_bytes);
    fill_entry(entry, syn, &options, iss_from(&entry->handshake.flow, entry->handshake.iss, now_ns),
               now_ns);
    entry->handshake.opened_ns = now_ns;
    half_open_table_move(entry, 0);
    watch(due_ns_of(entry));
    send_syn_ack(&entry->handshake);
}

/* Speculation (PIKA 3.2): the answer is there before the handshake is complete, most often. */
static void ask_for_acceptor(struct half_open *entry)
{
    node_id_t cm = NODE_NONE;

    if (half_open_table_count() <= HALF_OPEN_ASKED_MAX) {
        cm = admission_ask(&entry->handshake.flow);
    }
    entry->handshake.acceptor = nobody;
    entry->handshake.acceptor.assigned_by = cm;
    entry->handshake.is_acceptor_due = cm != NODE_NONE;
}

static void send_cookie(const struct packet *syn, const struct tcp_options *options,
                        uint64_t now_ns)
{
    const struct handshake handshake = {
        .flow = syn->flow,
        .irs = syn->sequence,
        .iss = cookie_make(syn, options, now_ns),
        .has_scale = options->has_scale,
        .has_sack = options->is_sack_permitted,
    };

    flood_note_cookie_sent(now_ns);
    send_syn_ack(&handshake);
}

void half_open_syn(struct segment *segment, uint32_t least_iss, bool has_least_iss)
{
    const struct packet *syn = segment->packet;
    uint64_t now_ns = dispatch_now_ns();
    struct tcp_options options;
    struct half_open *entry = NULL;

    if (!is_from_other_host(&syn->flow) && !packet_is_looped(syn)) {
        counter_increment(COUNTER_DROP_PROTOCOL);
        return;
    }
    if (!flood_take_syn()) {
        return;
    }
    if (!connection_admit(syn->flow.remote_address)) {
        return;
    }
    tcp_options_parse(&options, packet_options(syn), syn->option_bytes);
    if (!flood_switch_cookies(half_open_table_count(), now_ns) || has_least_iss) {
        entry = half_open_table_add(&syn->flow, segment->flow_hash, now_ns);
    }
    if (entry == NULL) {
        send_cookie(syn, &options, now_ns);
        return;
    }
    fill_entry(entry, syn, &options,
               has_least_iss ? iss_from(&syn->flow, least_iss + HALF_OPEN_ISS_DISTANCE, now_ns)
                             : flow_initial_sequence(&syn->flow, now_ns),
               now_ns);
    watch(due_ns_of(entry));
    send_syn_ack(&entry->handshake);
    ask_for_acceptor(entry);
}

bool half_open_assign(const struct flow *flow, const struct acceptor *acceptor, bool is_refused)
{
    struct half_open *entry = half_open_table_find(flow);

    if (entry == NULL || !entry->handshake.is_acceptor_due) {
        return false;
    }
    ASSERT_SLOW(entry->handshake.acceptor.node == NODE_NONE);
    entry->handshake.is_acceptor_due = false;
    if (is_refused) {
        end_entry(entry);
    } else {
        entry->handshake.acceptor = *acceptor;
    }
    return true;
}

/* --- What follows a SYN --- */

static uint32_t round_trip_us(const struct half_open *entry, uint64_t now_ns)
{
    uint64_t us = (now_ns - entry->handshake.opened_ns) / NS_PER_US;

    if (entry->handshake.is_repeated) {
        return 0; /* of which of them nobody knows (Karn; RFC 6298 3) */
    }
    return us > 0 ? (uint32_t)us : 1; /* less than 7 s */
}

/* Everything about it is as it should be. If there is no connection nevertheless, the entry stays:
 * the peer will send something again. */
static struct tcb *complete_entry(struct half_open *entry, const struct segment *segment,
                                  uint64_t now_ns)
{
    struct tcb *tcb = connection_open(
        &entry->handshake, (struct handshake_completion){
                               (uint32_t)segment->packet->window << entry->handshake.snd_scale,
                               round_trip_us(entry, now_ns),
                           });

    if (LIKELY(tcb != NULL)) {
        half_open_table_forget(entry);
    }
    return tcb;
}

/* RFC 9293 3.10.7.4 in SYN-RECEIVED, and RFC 5961 3.2: one that does not complete it. */
static __attribute__((noinline)) void
take_other_segment(struct half_open *entry, const struct packet *packet, uint32_t distance)
{
    if ((packet->tcp_flags & TCP_FLAG_RST) != 0 && distance == 0 &&
        (packet->tcp_flags & TCP_FLAG_SYN) == 0) {
        end_entry(entry);
    } else if ((packet->tcp_flags & TCP_FLAG_SYN) != 0 ||
               (packet->tcp_flags & (TCP_FLAG_RST | TCP_FLAG_ACK)) == 0) {
        counter_increment(COUNTER_DROP_PROTOCOL); /* not what a peer sends that has sent a SYN */
    } else if ((packet->tcp_flags & TCP_FLAG_RST) != 0 && distance >= HANDSHAKE_WINDOW_BYTES) {
        counter_increment(COUNTER_DROP_PROTOCOL);
    } else if ((packet->tcp_flags & TCP_FLAG_RST) != 0 || distance >= HANDSHAKE_WINDOW_BYTES) {
        challenge(entry, dispatch_now_ns());
    } else {
        segment_out_refuse(packet); /* it acknowledges something else */
    }
}

struct tcb *half_open_segment(struct half_open *entry, const struct segment *segment)
{
    const struct packet *packet = segment->packet;
    uint32_t distance = packet->sequence - (entry->handshake.irs + 1);

    if (LIKELY((packet->tcp_flags & (TCP_FLAG_RST | TCP_FLAG_SYN | TCP_FLAG_ACK)) ==
               TCP_FLAG_ACK) &&
        LIKELY(distance < HANDSHAKE_WINDOW_BYTES) &&
        LIKELY(packet->acknowledgment == entry->handshake.iss + 1)) {
        return complete_entry(entry, segment, dispatch_now_ns());
    }
    take_other_segment(entry, packet, distance);
    return NULL;
}

/* Returns whether it may be one; if it is one and there is room, there is a connection now. */
static __attribute__((noinline)) bool meet_cookie(const struct segment *segment, uint64_t now_ns,
                                                  struct tcb **opened)
{
    struct handshake handshake;

    if (!flood_take_check()) {
        return true; /* if it is one, its sender shall not be reset */
    }
    if (!cookie_check(segment->packet, now_ns, &handshake)) {
        counter_increment(COUNTER_COOKIES_REFUSED);
        return false;
    }
    *opened = connection_open(&handshake, (struct handshake_completion){
                                              .snd_window_bytes = (uint32_t)segment->packet->window
                                                                  << handshake.snd_scale,
                                          });
    if (*opened != NULL) {
        flood_note_cookie_returned();
    }
    return true;
}

bool half_open_cookie(const struct segment *segment, struct tcb **opened)
{
    const struct packet *packet = segment->packet;

    if ((packet->tcp_flags & (TCP_FLAG_ACK | TCP_FLAG_SYN | TCP_FLAG_RST)) == TCP_FLAG_ACK &&
        UNLIKELY(cookie_is_awaited(dispatch_now_ns()))) {
        return meet_cookie(segment, dispatch_now_ns(), opened);
    }
    return false;
}

/* --- The rest --- */

uint32_t half_open_count(void)
{
    return half_open_table_count();
}

bool half_open_has_any(bool (*is_such)(const struct flow *flow))
{
    for (unsigned place = 0; place < HALF_OPEN_MAX; place++) {
        const struct half_open *entry = half_open_table_at(place);

        if (entry != NULL && is_such(&entry->handshake.flow)) {
            return true;
        }
    }
    return false;
}

void half_open_lose_node(node_id_t node)
{
    for (unsigned place = 0; place < HALF_OPEN_MAX; place++) {
        struct half_open *entry = half_open_table_at(place);

        if (entry == NULL) {
            continue;
        }
        if (node == (entry->handshake.acceptor.node == NODE_NONE
                         ? entry->handshake.acceptor.assigned_by
                         : entry->handshake.acceptor.cm)) {
            entry->handshake.acceptor =
                nobody; /* the list that it is on is gone, and who would be told */
            entry->handshake.is_acceptor_due = false;
        } else if (entry->handshake.acceptor.node == node) {
            report_closed(entry);
        }
    }
}

void half_open_initialise(void)
{
    half_open_table_initialise();
    cookie_initialise();
    flood_initialise();
    timer_initialise(&timer, expire);
}
