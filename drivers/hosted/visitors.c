/* SPDX-License-Identifier: MIT */
/*
 * The clients' TCP (RFC 9293): what comes out of order is not kept, and one thing at a time waits
 * for an answer, so that sending again needs no more than knowing which.
 */
#include "drivers/hosted/visitors.h"

#include <string.h>

#include "drivers/hosted/faults.h"
#include "drivers/hosted/packet.h"
#include "drivers/hosted/page.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "libc/core/format.h"
#include "libc/core/memory.h"

#define FIRST_PORT    1024u
#define PORT_COUNT    64000u
#define CLIENTS_FIRST 0x0A010001u /* 10.1.0.1 */
#define SERVER_PORT   80

/* Chosen: longer than any answer takes that is coming, short enough for many losses in a test. */
#define RETRY_NS  (50 * NS_PER_MS)
#define TRIES_MAX 200u

/*
 * With `among` a place has many connections, and one of them at a time is not at rest.
 *
 *   SYN_SENT  -> ASKING   the SYN is acknowledged, the request goes out
 *             -> SYN_SENT refused: nobody listens yet; later from another port
 *   ASKING    -> ASKING   answered, and another request follows
 *             -> CLOSING  answered for the last time: FIN
 *             -> SYN_SENT answered, and it rests: the place's next connection
 *             -> IDLE     the same, and all of the place's are open: until those of all are
 *   CLOSING   -> SYN_SENT both FINs are acknowledged: the next connection
 *             -> IDLE     the same, and nothing is left to ask for
 */
enum state { IDLE, SYN_SENT, ASKING, CLOSING };

static struct connection {
    enum state state;
    uint32_t address;
    uint16_t port;
    uint32_t serial; /* connections that this place has had */
    uint32_t awake;  /* with `among`: the serial of the one that does not rest */
    uint32_t send_next;
    uint32_t unacknowledged_bytes; /* of what was sent last; SYN and FIN count one */
    uint32_t receive_next;
    bool has_peer_ended; /* its FIN has come */
    bool owes_acknowledgment;
    bool is_refused;   /* it waits, and then another one is tried */
    unsigned answered; /* requests of this connection */
    unsigned tries;
    uint64_t retry_ns;
    struct page page;
} connections[VISITORS_PARALLEL_MAX];

/* Those that rest, by serial and place: what their numbers are. */
static struct {
    uint32_t send_next, receive_next;
} * resting;
static unsigned resting_first_count; /* that have been opened, and answered once */
MEMORY_KIND(resting_kind, "card_resting");

static struct visitors_setting setting;
static char request[128];
static uint32_t request_bytes;

static struct {
    uint64_t asked, answered, opened;
    uint64_t wrong, turned_away, retried, refused, reset, given_up, lost;
} counts;

/* --- Sending --- */

static void send_segment(struct connection *connection, uint8_t flags, uint32_t sequence,
                         const void *payload, uint32_t payload_bytes)
{
    struct segment segment = {
        .client_address = connection->address,
        .client_port = connection->port,
        .server_port = SERVER_PORT,
        .sequence = sequence,
        .acknowledgment = connection->receive_next,
        .flags = flags,
        .payload = payload,
        .payload_bytes = payload_bytes,
    };

    if ((flags & TCP_ACK) != 0) {
        connection->owes_acknowledgment = false;
    }
    if (packet_is_lost()) {
        counts.lost++;
        return;
    }
    packet_send(&segment);
}

/* In halves: on every other connection the second one follows only when it is sent again. */
static void send_request(struct connection *connection)
{
    uint32_t start = connection->send_next - request_bytes;
    uint32_t half = request_bytes / 2;

    if (!setting.is_halved || connection->tries != 0) {
        send_segment(connection, TCP_ACK | TCP_PSH, start, request, request_bytes);
        return;
    }
    send_segment(connection, TCP_ACK | TCP_PSH, start, request, half);
    if ((connection - connections) % 2 != 0) {
        send_segment(connection, TCP_ACK | TCP_PSH, start + half, request + half,
                     request_bytes - half);
    }
}

/* What waits for an answer, for the first time or again. */
static void send_outstanding(struct connection *connection)
{
    switch (connection->state) {
    case SYN_SENT:
        send_segment(connection, TCP_SYN, connection->send_next - 1, NULL, 0);
        break;
    case ASKING:
        send_request(connection);
        break;
    case CLOSING:
        send_segment(connection, TCP_ACK | TCP_FIN, connection->send_next - 1, NULL, 0);
        break;
    case IDLE:
        break;
    }
    connection->retry_ns = platform_now_ns() + RETRY_NS;
}

static void begin(struct connection *connection, enum state state, uint32_t bytes)
{
    connection->state = state;
    connection->tries = 0;
    connection->send_next += bytes;
    connection->unacknowledged_bytes = bytes;
    send_outstanding(connection);
}

static void take_name(struct connection *connection, uint32_t serial)
{
    unsigned place = (unsigned)(connection - connections);
    unsigned rounds = PORT_COUNT / setting.parallel;

    connection->address = CLIENTS_FIRST + serial / rounds;
    connection->port = (uint16_t)(FIRST_PORT + serial % rounds * setting.parallel + place);
}

/* A connection that no other has been before: of another port, or another client. */
static void open(struct connection *connection)
{
    uint32_t serial = connection->serial++;

    connection->state = IDLE;
    if (counts.asked >= setting.count) {
        return;
    }
    counts.asked += setting.among == 0;
    counts.opened++;
    take_name(connection, serial);
    connection->send_next = (uint32_t)packet_random();
    connection->receive_next = 0;
    connection->has_peer_ended = connection->owes_acknowledgment = false;
    connection->is_refused = false;
    connection->answered = 0;
    page_begin(&connection->page, setting.path, setting.is_checked);
    begin(connection, SYN_SENT, 1);
}

static void open_from(unsigned first)
{
    for (unsigned i = first; i < setting.parallel; i++) {
        open(&connections[i]);
    }
}

/* --- Many that rest --- */

static size_t resting_index(const struct connection *connection, uint32_t serial)
{
    return (size_t)serial * setting.parallel + (size_t)(connection - connections);
}

/* The place has another one of its connections ask. */
static void wake_one(struct connection *connection)
{
    uint32_t serial = (uint32_t)(packet_random() % (setting.among / setting.parallel));
    size_t index = resting_index(connection, serial);

    counts.asked++;
    connection->awake = serial;
    take_name(connection, serial);
    connection->send_next = resting[index].send_next;
    connection->receive_next = resting[index].receive_next;
    page_begin(&connection->page, setting.path, setting.is_checked);
    begin(connection, ASKING, request_bytes);
}

/* It is answered. What it has got it acknowledges now: its next request may be long in coming. */
static void rest(struct connection *connection)
{
    size_t index = resting_index(connection, connection->awake);

    send_segment(connection, TCP_ACK, connection->send_next, NULL, 0);
    resting[index].send_next = connection->send_next;
    resting[index].receive_next = connection->receive_next;
    if (resting_first_count == setting.among) {
        counts.answered++;
        if (counts.asked < setting.count) {
            wake_one(connection);
        } else {
            connection->state = IDLE;
        }
        return;
    }
    resting_first_count++;
    if (connection->serial < setting.among / setting.parallel) {
        connection->awake = connection->serial;
        open(connection);
        return;
    }
    connection->state = IDLE;
    for (unsigned i = 0; i < setting.parallel && resting_first_count == setting.among; i++) {
        wake_one(&connections[i]);
    }
}

static struct connection *find(uint32_t address, uint16_t port)
{
    struct connection *connection;

    if (port < FIRST_PORT || setting.parallel == 0) {
        return NULL;
    }
    connection = &connections[(port - FIRST_PORT) % setting.parallel];
    return connection->state != IDLE && connection->port == port && connection->address == address
               ? connection
               : NULL;
}

/* --- Receiving --- */

/* The request is asked again on another connection. */
static void fail(struct connection *connection, uint64_t *count)
{
    ++*count;
    if (setting.among != 0 && connection->state == SYN_SENT) {
        connection->serial--; /* the same one again */
        open(connection);
        return;
    }
    if (setting.among != 0) {
        counts.given_up++; /* the measurement is none */
        connection->state = IDLE;
        return;
    }
    if (connection->state == ASKING || connection->state == SYN_SENT) {
        counts.asked--;
    }
    open(connection);
}

/* As a program does that closes what it wants no more of: the server need not wait. */
static void abort_connection(struct connection *connection, uint64_t *count)
{
    send_segment(connection, TCP_RST | TCP_ACK, connection->send_next, NULL, 0);
    fail(connection, count);
}

static void note_answer(struct connection *connection)
{
    bool is_turned_away = connection->page.is_turned_away;

    if (setting.among != 0) {
        counts.wrong += is_turned_away || !page_is_right(&connection->page);
        rest(connection);
        return;
    }
    if (is_turned_away) {
        counts.turned_away++;
        counts.asked--; /* it is asked again on another connection */
    } else {
        counts.answered++;
        connection->answered++;
    }
    if (!page_is_right(&connection->page)) {
        counts.wrong++;
    }
    if (!is_turned_away && connection->answered < setting.per_connection &&
        !connection->has_peer_ended && counts.asked < setting.count) {
        counts.asked++;
        page_begin(&connection->page, setting.path, setting.is_checked);
        begin(connection, ASKING, request_bytes);
    } else if (setting.per_connection > 1 || connection->has_peer_ended) {
        begin(connection, CLOSING, 1);
    }
    /* Else the server was asked to close, and its FIN follows. */
}

static void take_data(struct connection *connection, const struct received *received)
{
    uint32_t skipped = connection->receive_next - received->segment.sequence;
    uint32_t bytes = received->segment.payload_bytes;

    connection->owes_acknowledgment |=
        bytes != 0 || (received->segment.flags & (TCP_FIN | TCP_SYN)) != 0;
    if (skipped > bytes) {
        return; /* what lies before it is missing, or all of it has come before */
    }
    connection->receive_next += bytes - skipped;
    if ((received->segment.flags & TCP_FIN) != 0 && !connection->has_peer_ended) {
        connection->receive_next++;
        connection->has_peer_ended = true;
    }
    if (connection->state != ASKING) {
        counts.wrong += bytes != skipped; /* nobody has asked for it */
        return;
    }
    if (page_is_complete(&connection->page)) {
        counts.wrong += bytes != skipped;
        if (connection->has_peer_ended) {
            begin(connection, CLOSING, 1);
        }
        return;
    }
    packet_each_piece(received, skipped, page_take, &connection->page);
    if (page_is_complete(&connection->page)) {
        note_answer(connection);
    } else if (connection->has_peer_ended) {
        abort_connection(connection, &counts.reset); /* ended before it had answered */
    }
}

static void take_acknowledgment(struct connection *connection, uint32_t acknowledgment)
{
    uint32_t left = connection->send_next - acknowledgment;

    if (left <= connection->unacknowledged_bytes) {
        connection->unacknowledged_bytes = left;
    }
}

static void take_syn_answer(struct connection *connection, const struct segment *segment)
{
    if ((segment->flags & (TCP_SYN | TCP_ACK)) != (TCP_SYN | TCP_ACK) ||
        segment->acknowledgment != connection->send_next) {
        return;
    }
    if (faults_begin()) {
        open_from(1);
    }
    connection->receive_next = segment->sequence + 1;
    send_segment(connection, TCP_ACK, connection->send_next, NULL, 0);
    begin(connection, ASKING, request_bytes);
}

static void take_segment(struct connection *connection, const struct received *received)
{
    const struct segment *segment = &received->segment;

    if ((segment->flags & TCP_RST) != 0) {
        if (connection->state == SYN_SENT && segment->acknowledgment == connection->send_next) {
            connection->is_refused = true; /* nobody listens yet: later from another port */
        } else if (connection->state != SYN_SENT && segment->sequence == connection->receive_next) {
            fail(connection, &counts.reset);
        }
        return;
    }
    if (connection->state == SYN_SENT) {
        take_syn_answer(connection, segment);
        return;
    }
    if ((segment->flags & TCP_ACK) != 0) {
        take_acknowledgment(connection, segment->acknowledgment);
    }
    take_data(connection, received);
    if (connection->state == CLOSING && connection->unacknowledged_bytes == 0 &&
        connection->has_peer_ended) {
        if (connection->owes_acknowledgment) {
            send_segment(connection, TCP_ACK, connection->send_next, NULL, 0);
        }
        open(connection);
    }
}

void visitors_take(const struct frame_to_send *frame)
{
    struct received received;
    struct connection *connection;

    if (packet_is_lost()) {
        counts.lost++;
        return;
    }
    switch (packet_take_apart(frame, setting.is_checked, &received)) {
    case ANSWER_SEGMENT:
        connection = find(received.segment.client_address, received.segment.client_port);
        if (connection != NULL) {
            take_segment(connection, &received);
        }
        break;
    case ANSWER_WRONG:
        counts.wrong++;
        break;
    case ANSWER_OTHER:
        break;
    }
}

void visitors_end_batch(void)
{
    for (unsigned i = 0; i < setting.parallel; i++) {
        struct connection *connection = &connections[i];

        if (connection->owes_acknowledgment && connection->state != IDLE) {
            send_segment(connection, TCP_ACK, connection->send_next, NULL, 0);
        }
    }
    packet_flood();
}

void visitors_look_at_clock(uint64_t now_ns)
{
    for (unsigned i = 0; i < setting.parallel; i++) {
        struct connection *connection = &connections[i];

        if (connection->state == IDLE || now_ns < connection->retry_ns) {
            continue;
        }
        if (connection->is_refused) {
            fail(connection, &counts.refused);
        } else if (connection->tries++ < TRIES_MAX) {
            counts.retried++;
            send_outstanding(connection);
        } else if (connection->state == CLOSING) {
            open(connection); /* its last words were lost: it has had its answers */
        } else {
            abort_connection(connection, &counts.given_up);
        }
    }
}

/* --- The whole --- */

void visitors_start(const struct visitors_setting *wanted, const uint8_t server_mac[6])
{
    setting = *wanted;
    request_bytes = (uint32_t)format_text(
        request, sizeof(request), "GET %s HTTP/1.1\r\nHost: 192.0.2.10\r\n%s\r\n", setting.path,
        setting.per_connection > 1 ? "" : "Connection: close\r\n");
    packet_start(&setting, server_mac);
    if (setting.among != 0) {
        resting = memory_renew(&resting_kind, resting, setting.among * sizeof(*resting));
    }
    open(&connections[0]);
    if (!faults_are_wanted()) {
        open_from(1);
    } /* else one finds out when the server has come up: then the others, with faults, follow */
}

bool visitors_is_done(void)
{
    return counts.answered >= setting.count;
}

bool visitors_are_gone(void)
{
    for (unsigned i = 0; i < setting.parallel; i++) {
        if (connections[i].state != IDLE) {
            return false;
        }
    }
    return visitors_is_done();
}

uint64_t visitors_answered(void)
{
    return counts.answered;
}

bool visitors_report(void)
{
    log_info("card",
             "%llu requests answered on %llu connections, %llu wrong; %llu frames lost, %llu sent "
             "again, %llu of nobody's; %llu connections refused, %llu reset, %llu given up, %llu "
             "turned away",
             (unsigned long long)counts.answered, (unsigned long long)counts.opened,
             (unsigned long long)counts.wrong, (unsigned long long)counts.lost,
             (unsigned long long)counts.retried, (unsigned long long)packet_flood_count(),
             (unsigned long long)counts.refused, (unsigned long long)counts.reset,
             (unsigned long long)counts.given_up, (unsigned long long)counts.turned_away);
    return counts.wrong == 0 && counts.given_up == 0;
}
