/* SPDX-License-Identifier: MIT */
/*
 * A transport server's connection: TCP's block (tcp/tcb.h) and what the applications are told of
 * it.
 *
 * A connection exists from the ACK that completes its handshake until TCP is done with it *and* its
 * application has closed or been told of its end. What happens to it in a round, TCP's events and
 * messages, changes it and marks what is due. connection_settle_all() then runs once at the end of
 * the round: it sends what is due to the application, and the segments that can wait so long, so
 * that what came in one round leaves in as few as it can. What cannot wait leaves at once: resets,
 * answers from TIME_WAIT, messages to connection managers; and bytes for an application that has
 * been told all before them, so that its answer leaves in the same round.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/message/send.h"
#include "libc/core/pool.h"
#include "net/messages.h"
#include "net/transport/queue.h"
#include "net/transport/state.h"
#include "net/transport/tcp/tcb.h"

struct handshake;
struct handshake_completion;
struct pbuf;

/* What is to be done for a connection at the end of the round. */
enum {
    DUE_TELL = 1 << 0,    /* its application, of what has come; that stays while it is blocked */
    DUE_OUTPUT = 1 << 1,  /* tcb_settle() */
    DUE_IN_LIST = 1 << 2, /* of those that are to be settled */
    DUE_CLAIM = 1 << 3, /* with DUE_TELL: it was told of at once, availability_announce_at_once() */
    /* These stay: what comes goes to another connection, what goes comes from one (splice.h). */
    DUE_IS_SOURCE = 1 << 4,
    DUE_IS_DRAIN = 1 << 5,
    DUE_IS_SPLICED = DUE_IS_SOURCE | DUE_IS_DRAIN,
};

/*
 * The fields lie by cache lines: what is read together lies together. On each line they stand in
 * groups by the file that writes them; a file that needs another's field changed calls a function
 * of that file. Any file may read. tests/check/connection holds them to it, by these headings;
 * `tcb`, whose lines are these, has headings of its own.
 */
struct connection {
    /* === Lines 0 to 3: its names, and TCP. === */

    /* --- table.c --- */
    _Alignas(64) struct pool_object place;
    struct tcb tcb;

    /* === Line 4: the stream, and whose it is. === */

    /* --- connection.c --- */
    struct connection *due_next;
    /* Received and not yet given to the application, linked by `next` alone: the total lengths
     * in these pbufs mean nothing. */
    struct pbuf *received_head, *received_tail;

    /* --- stream.c --- */
    uint32_t stream_index;    /* the application's name for it */
    uint32_t allowance_bytes; /* that it has been told of, and has not sent */
    uint32_t window_bytes;    /* the most that it may have sent without its being acknowledged */

    /* --- table.c --- */
    uint32_t generation; /* counts the uses of this entry */

    /* What comes now is zero when it begins. */

    /* --- stream.c --- */
    uint32_t credit_bytes;    /* acknowledged by the peer, not yet told to the application */
    bool is_confirmation_due; /* CLAIM_CONFIRMED has not been sent yet */
    bool is_told_peer_closed; /* PEER_CLOSED has been sent */
    bool is_send_closed;

    /* --- state.c --- */
    uint8_t state; /* enum connection_state */

    /* --- table.c --- */
    bool is_counted; /* by address */

    /* --- connection.c --- */
    uint8_t due; /* DUE_... */
    bool has_peer_closed;
    bool is_holding;       /* what is received has waited since an earlier round */
    uint16_t error_number; /* why TCP gave up; 0 while it has not */

    /* --- availability.c --- */
    struct acceptor acceptor; /* its node on this line, the rest on the next */

    /* === Line 5: what is seldom asked for. === */

    /* --- connection.c --- */
    struct connection_link blocked_link; /* waits for room in the channel: */
    node_id_t blocked_on;                /* of that node, then */

    /* --- availability.c --- */
    uint16_t availability_number;
    bool is_announced;      /* the acceptor has been told of it */
    bool is_data_announced; /* the first frame of received_head went along with that */
    bool is_awaiting_data;  /* ASSIGNED, and not told of before some has come */
    bool is_assignment_due; /* a CM was asked with the SYN, and has not answered yet */

    /* The one until it is DETACHED, and the other from then on. */
    union {
        struct {
            /* --- availability.c --- */
            struct connection_link claim_link; /* unclaimed, without data, or WAITING: in order */
            uint64_t since_ns; /* when it was announced, or put on claim_link's queue */

            /* --- connection.c --- */
            uint64_t opened_ns; /* when the SYN came */
        };
        struct {
            /* --- orphan.c --- */
            struct connection_link orphan_link; /* orphans, by the end of their periods: */
            uint64_t orphan_deadline_ns;
            uint32_t orphan_acknowledged; /* the byte that the peer had acknowledged, and TCP's */
            uint8_t orphan_tcp_state;     /* state, when the period began */
            bool is_orphan_counted;       /* by address */

            /* --- splice.c --- */
            uint16_t splice_place; /* of one that is spliced, from CLAIMED on */
        };
    };
};

#define CONNECTION_LINE_BYTES   64u
#define CONNECTION_LINES_IN_USE 5u /* the first ones, by an exchange of request and answer */

#define CONNECTION_LINE(field, line)                                                               \
    _Static_assert(offsetof(struct connection, field) == (line)*CONNECTION_LINE_BYTES,             \
                   "the line begins there")

CONNECTION_LINE(place, 0);
CONNECTION_LINE(tcb.rcv_buffer_bytes, 1);
CONNECTION_LINE(tcb.cwnd, 2);
CONNECTION_LINE(tcb.loss_deadline_us, 3);
CONNECTION_LINE(acceptor.listener_index, 5);
_Static_assert(sizeof(struct connection) == 6 * CONNECTION_LINE_BYTES,
               "a pool's 64 are whole pages");

static inline struct connection *connection_of_tcb(struct tcb *tcb)
{
    return CONTAINER_OF(tcb, struct connection, tcb);
}

/* Whether TCP is not done with it. */
static inline bool connection_has_tcp(const struct connection *connection)
{
    return connection->tcb.state != TCB_CLOSED;
}

/* Before any connection. */
void connection_initialise(void);
/* A handshake is complete: the connection is there, and found by its flow, in the handshake's place
 * if that has one. Returns its block; NULL, and counted: it is not admitted, or there is no memory;
 * nothing has changed. */
MUST_CHECK struct tcb *connection_open(struct handshake *handshake,
                                       struct handshake_completion completion);

/* Something has happened to it that somebody may have to be told: at the end of the round. */
void connection_mark_dirty(struct connection *connection);
/* Its application has claimed it, and knows all: nothing is due to it at the end of the round. */
void connection_note_told(struct connection *connection);
/* Which of DUE_IS_SPLICED it is. */
void connection_set_spliced(struct connection *connection, uint8_t ends);
/* Let TCP send what it can, at the end of the round. */
void connection_request_output(struct connection *connection);
/* Settle what is dirty: tell applications, CMs and the peer what has changed. */
void connection_settle_all(void);
/* Some could not be settled for lack of room in a channel, and now there is some, or its node is
 * dead. Costs a look at each channel that somebody waits for. */
bool connection_can_unblock(void);

/* Received bytes, a frame at a time. Taking from an empty queue is allowed. */
struct pbuf *connection_take_received(struct connection *connection);
void connection_drop_received(struct connection *connection);
/* What connection_take_received() would take, for a message; it is freed when that has been read.
 */
struct message_loan connection_lend_received(const struct connection *connection);

/* Reset it; an application that has claimed it is told of `error_number` unless that is 0. */
void connection_abort(struct connection *connection, uint32_t error_number);
/* The same without a word to its peer: TCP must not be done with it. */
void connection_end(struct connection *connection, uint32_t error_number);
/* Its application is done with it: only TCP goes on. It must be CLAIMED. */
void connection_detach(struct connection *connection);
