/* SPDX-License-Identifier: MIT */
/*
 * One node under exploration: the real net/manager, net/streams and the protocol of net/transport,
 * over a kernel, a TCP and an application that are played.
 *
 * All that a node keeps between two inputs lies in two sections of the program
 * (tests/fuzz/node.ld), which image.c saves, compares and puts back: so the nodes of a machine
 * share one copy of the code, and one range of addresses, as they do on the machine. What is
 * declared here as `extern` lies beside them and means something only during one input.
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"
#include "net/transport/state.h"

#define PROOF_NODE_MAX   6u
#define PROOF_CLIENT_MAX 3u
#define PROOF_PORT       80u

/* --- In --- */

enum input_kind {
    INPUT_START,    /* the roles that `configuration_line` gives this node */
    INPUT_MESSAGE,  /* from another node */
    INPUT_TIMER,    /* time passes until the next timer expires */
    INPUT_DOWN,     /* node `argument` is seen dead */
    INPUT_TURN,     /* a round without any of these: a channel may have room again */
    INPUT_SYN,      /* client `argument` begins a handshake, or sends its SYN again */
    INPUT_ACK,      /* client `argument` completes its handshake */
    INPUT_RESET,    /* client `argument` gives up */
    INPUT_DATA,     /* client `argument` sends its only byte */
    INPUT_LISTEN,   /* the application calls listen() */
    INPUT_ACCEPT,   /* accept(): it waits until it has a connection */
    INPUT_CLOSE,    /* close() of the connection of client `argument` */
    INPUT_UNLISTEN, /* close() of the listener */
    INPUT_SLEEP     /* it has nothing to do, and is about to sleep */
};

#define PROOF_MESSAGE_BYTES 96u

/* A message as it lies in a channel. */
struct packed_message {
    uint16_t length_bytes;
    uint8_t bytes[PROOF_MESSAGE_BYTES - 2]; /* the rest is zero */
};

struct node_input {
    uint8_t kind;
    uint8_t node; /* who gets it */
    uint8_t from; /* of a message */
    uint8_t argument;
    /* How many messages may be reserved for each node before its channel is full. */
    uint8_t room[PROOF_NODE_MAX];
    struct packed_message message;
};

/* What an application of a scenario does. */
enum application_kind {
    APPLICATION_CALLS, /* accept() is a choice, as often as the scenario says */
    APPLICATION_SERVES /* it always waits for the next connection, as with epoll_wait() */
};

/* What it does with a connection in the round in which it takes it. */
enum application_answer {
    ANSWER_NOTHING,
    ANSWER_SEND, /* a byte */
    ANSWER_CLOSE
};

extern const char *configuration_line;
extern unsigned proof_node_count;
extern unsigned proof_backlog;
extern enum application_kind proof_application_kind;
extern bool proof_are_offers_prompt; /* their period is over before anything else happens */
extern unsigned proof_accept_max;    /* calls of accept() by each application */
extern enum application_answer proof_answer;
extern bool proof_wants_data; /* listeners do, first (TCP_DEFER_ACCEPT) */
extern bool proof_is_busy;    /* nodes sleep only when told to */

/* --- Out --- */

#define OUTBOX_MAX 24u

struct outgoing {
    node_id_t to;
    struct packed_message message;
};
extern struct outgoing outbox[OUTBOX_MAX];
extern unsigned outbox_count;

/* What has gone wrong inside the node: a failed assertion, a message that counts as bad; "" if
 * nothing. */
extern char node_fault[160];
void node_fail(const char *format, ...) PRINTF_LIKE(1, 2);

/* Let the node that is loaded act on it, until it has no more to do. */
void node_act(const struct node_input *input);

/* --- What can be seen of it --- */

enum client_state {
    CLIENT_UNKNOWN, /* no SYN of it has come to its TS */
    CLIENT_HALF_OPEN,
    CLIENT_OPEN,
    /* It is over. */
    CLIENT_GAVE_UP, /* it has reset the connection */
    CLIENT_REFUSED, /* its SYN was: nobody serves the port */
    CLIENT_RESET,   /* by us */
    CLIENT_CLOSED,  /* by the application */
};

/* As the state of a handshake, which is none of the connection's: its acceptor counts. */
#define SEEN_HALF_OPEN CONNECTION_FREE

struct seen_connection {
    uint8_t client;
    uint8_t state; /* enum connection_state, or SEEN_HALF_OPEN */
    bool has_deadline;
    bool is_blocked;
    bool is_awaiting_data;
    uint16_t availability_number;
    uint32_t index, generation;
    struct acceptor acceptor;
};

struct seen_application {
    node_id_t node;
    uint16_t listener_index;
    bool is_accepting;
    uint16_t request_number;
    uint8_t granted_count;
    uint32_t outstanding;
    uint32_t outstanding_by_ts[PROOF_NODE_MAX];
};

struct seen_waiting {
    node_id_t ts;
    uint32_t index, generation;
};

struct seen_stream {
    uint8_t client;
    uint8_t state; /* enum stream_state */
    node_id_t ts;
    uint32_t index, generation;
    bool is_gone;
    bool is_claim_due;
    uint16_t availability_number;
    uint32_t received_bytes;
};

#define SEEN_MAX PROOF_NODE_MAX

struct node_view {
    uint8_t roles; /* enum role, OR-ed */
    bool has_timer;
    uint8_t known_dead; /* a bit for each node */
    node_id_t own_cm;
    /* TS */
    unsigned connection_count;
    struct seen_connection connections[SEEN_MAX];
    uint8_t clients[PROOF_CLIENT_MAX]; /* enum client_state */
    uint8_t sent;                      /* clients, a bit each: whose byte has come */
    bool is_gathering;                 /* closed connections, for some CM */
    /* CM */
    unsigned application_count, waiting_count;
    struct seen_application applications[SEEN_MAX];
    struct seen_waiting waiting[SEEN_MAX];
    uint8_t offering; /* CMs, a bit each */
    node_id_t offered[PROOF_NODE_MAX];
    node_id_t published;
    bool is_offer_due; /* when its timer expires */
    /* Application */
    bool is_listening, is_waiting;
    uint8_t accepts_left;
    uint8_t held, taken; /* clients, a bit each: whose connection it has, and has ever had */
    unsigned stream_count;
    struct seen_stream streams[SEEN_MAX];
    uint16_t places_asked; /* on its CM's list, one after the other */
    uint16_t granted;      /* connections that it has claimed in advance and not been told of */
};

/* Of the node that is loaded. */
void node_look(struct node_view *view);

/* --- Between the parts of a node --- */

void kernel_start(node_id_t node);
void kernel_set_time_of(unsigned client);
void tcp_act(const struct node_input *input);
/* Peers acknowledge what has been closed; whether there was something. */
bool tcp_finish(void);
void tcp_look(struct node_view *view);
void application_act(const struct node_input *input);
/* Its thread runs if it can go on. */
void application_run(void);
void application_look(struct node_view *view);
void manager_look(struct node_view *view);
bool closed_is_gathering(void);
/* What the application says it claims in advance, and what it is told of. */
void grants_note_sent(const struct message *message);
void grants_note_received(const struct message *message);
void grants_look(struct node_view *view);
bool manager_is_offer_due(void);
