/* SPDX-License-Identifier: MIT */
/*
 * Every message between PIKA's servers and applications, in one table (PIKA 3.2; the paper's
 * names where it has one). Who may send each, by its role, is checked for all in one place
 * (net/handlers.h). Receivers check what they get: what is out of range or names
 * nothing that ever was is counted (DROP_BAD_MESSAGE) and ignored. What only comes too late,
 * because it has crossed the end of its connection, is ignored.
 *
 * A payload (kernel/message/message.h) is no member of the struct: a receiver gets it apart.
 *
 * IPv4 addresses and ports are in network byte order in `struct flow`, as they stand on the
 * wire; everything else is in the machine's order.
 *
 * A connection is named by its TS's node (the sender or receiver), connection_index in that
 * TS's table and that entry's generation; entries are reused. `stream_index` is the application's
 * own name for it, given with CLAIM_CONNECTION, with the first message about it if that claims it,
 * or with OPEN_CONNECTION, and returned in every later message to it.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/message/message.h"
#include "libc/core/bits.h"
#include "libc/core/node_set.h"
#include "net/capture_messages.h"
#include "net/datagram_messages.h"
#include "net/forward_messages.h"
#include "net/frame_messages.h"
#include "net/group_messages.h"
#include "net/log_messages.h"
#include "net/name_messages.h"
#include "net/splice_messages.h"

/* clang-format off: a table */
/*   type                  struct                 from to */
#define MESSAGE_TABLE(X)                                                                           \
    X(LISTEN, listen, APP, CM)                                                                     \
    X(UNLISTEN, unlisten, APP, CM)                                                                 \
    X(ACCEPT_CONNECTION, accept_connection, APP, CM)                                               \
    X(PORTS_SERVED, ports_served, CM, TS)                                                          \
    X(SYN_ARRIVED, syn_arrived, TS, CM)                                                            \
    X(ASSIGN_CONNECTION, assign_connection, CM, TS)                                                \
    X(CONNECTION_AVAILABLE, connection_available, TS, APP)                                         \
    X(CLAIM_CONNECTION, claim_connection, APP, TS)                                                 \
    X(DECLINE_CONNECTION, decline_connection, APP, TS)                                             \
    X(CLAIM_CONFIRMED, claim_confirmed, TS, APP)                                                   \
    X(CLAIM_REJECTED, claim_rejected, TS, APP)                                                     \
    X(RECALL_CONNECTION, recall_connection, TS, APP)                                               \
    X(ACCEPT_TIMEOUT, accept_timeout, TS, CM)                                                      \
    X(REASSIGN_CONNECTION, reassign_connection, CM, TS)                                            \
    X(CONNECTION_CLOSED, connection_closed, TS, CM)                                                \
    X(OFFER, offer, CM, CM)                                                                        \
    X(DATA, data, TS, APP)                                                                         \
    X(PEER_CLOSED, peer_closed, TS, APP)                                                           \
    X(CONNECTION_FAILED, connection_failed, TS, APP)                                               \
    X(SEND_CREDIT, send_credit, TS, APP)                                                           \
    X(SEND, send, APP, TS)                                                                         \
    X(CONSUMED, consumed, APP, TS)                                                                 \
    X(CLOSE, close, APP, TS)                                                                       \
    X(FORWARD_FRAME, forward_frame, LS_TS, TS)                                                     \
    X(FORWARD_STRANGER, forward_stranger, TS, TS)                                                  \
    X(TRANSMIT_FRAME, transmit_frame, TS, LS)                                                      \
    X(TRANSMIT_SEGMENT, transmit_segment, TS, LS)                                                  \
    X(NIC_READY, nic_ready, LS, TS)                                                                \
    X(ATTACH_QUEUE, attach_queue, LS, LS)                                                          \
    X(QUEUE_ATTACHED, queue_attached, LS, LS)                                                      \
    X(ADDRESS_SET, address_set, TS, TS_APP)                                                        \
    X(NEIGHBOR_REQUEST, neighbor_request, TS, TS)                                                  \
    X(NEIGHBOR_SET, neighbor_set, TS, TS)                                                          \
    X(DHCP_LEASE, dhcp_lease, TS, TS)                                                              \
    X(GIVE_UP_PLACE, give_up_place, APP, CM)                                                       \
    X(LISTENERS_TOLD, listeners_told, APP, CM)                                                     \
    X(SERVES_AGAIN, serves_again, TS_CM, ALL)                                                      \
    X(FLOWS_KEPT, flows_kept, TS, TS)                                                              \
    X(DRAIN_STEP, drain_step, ANY, ALL)                                                            \
    X(OPEN_CONNECTION, open_connection, APP, TS)                                                   \
    X(CONNECTION_OPENED, connection_opened, TS, APP)                                               \
    DATAGRAM_MESSAGE_TABLE(X)                                                                      \
    FORWARD_MESSAGE_TABLE(X)                                                                       \
    NAME_MESSAGE_TABLE(X)                                                                          \
    SPLICE_MESSAGE_TABLE(X)                                                                        \
    CAPTURE_MESSAGE_TABLE(X)                                                                       \
    LOG_MESSAGE_TABLE(X)                                                                           \
    GROUP_MESSAGE_TABLE(X)
/* clang-format on */

enum net_message_type {
    MESSAGE_TYPE_BEFORE_NET = MESSAGE_TYPE_FIRST_FREE - 1,
#define X(type, name, from, to) type,
    MESSAGE_TABLE(X)
#undef X
        MESSAGE_TYPE_AFTER_NET
};

_Static_assert(MESSAGE_TYPE_AFTER_NET <= MESSAGE_TYPE_MAX, "dispatch's table holds every type");

struct configuration;

/* Of a type in the table: the size of its struct, and the nodes that may send it, by the table's
 * column `from`: a bit for each. */
size_t net_message_bytes(uint16_t type);
struct node_set net_message_senders(const struct configuration *configuration, uint16_t type);

/* A TCP flow as seen on a received frame, in network byte order. */
struct flow {
    uint32_t remote_address;
    uint32_t local_address;
    uint16_t remote_port;
    uint16_t local_port;
};

/* --- Listening ports and acceptors --- */

/* Ports that are served at a time, on the whole machine; so also the most listeners that one
 * application can have. */
#define LISTENER_MAX 64

/* The application serves a port (machine's order). Sent to every CM. Several applications may serve
 * the same port: the CM shares the connections out. No answer. */
struct listen {
    struct message_header header;
    uint16_t port;
    uint16_t listener_index; /* the application's own name for this listener */
    uint32_t backlog;        /* most connections that wait while nobody accepts, at least 1 */
};

/* It no longer does. Connections it has claimed go on; others are reassigned. Sent to every CM. */
struct unlisten {
    struct message_header header;
    uint16_t port;
    uint16_t listener_index;
    uint32_t reserved;
};

/* Connections that an application may claim in advance. Chosen: a message more for each eight. */
#define GRANT_MAX 16u

/*
 * Put me on the acceptor list of this port (first accept or poll; again after CLAIM_REJECTED).
 * Sent to the application's own CM (configuration_own_cm), and to the next one when that has died.
 *
 * The next grant_count connections that this CM assigns to me are claimed by this. A renewal adds
 * to what is left of them: its request_number is that of the place, which must still be there.
 * With wants_data they are told of when something has come on them, or a second has passed.
 */
struct accept_connection {
    struct message_header header;
    uint16_t port;
    uint8_t listener_index;
    uint8_t is_renewal;
    uint16_t request_number; /* counts this node's requests: a listener's successor goes on */
    uint8_t grant_count;     /* 0 .. GRANT_MAX */
    uint8_t wants_data;
};

/* Whether an acceptor has claimed the connection in advance. */
enum acceptor_grant {
    GRANT_NONE = 0,
    GRANT_AT_ONCE = 1,
    GRANT_WITH_DATA = 2,
};

/* Take me off this acceptor list: my own CM serves again, and I ask it. No answer. */
struct give_up_place {
    struct message_header header;
    uint16_t port;
    uint16_t listener_index;
    uint16_t request_number; /* by which it is on the list */
    uint16_t reserved;
};

/*
 * What a CM hands to a TS with a new connection: which application shall be told of it. The TS
 * returns it as it is. The CM counts what it has assigned, so each acceptor handed to a TS is
 * answered once: by ACCEPT_TIMEOUT, or by CONNECTION_CLOSED, also when the application was never
 * told of it (its handshake failed, or has ended before ASSIGN_CONNECTION came).
 */
struct acceptor {
    node_id_t node; /* NODE_NONE: nobody now; the TS asks again with ACCEPT_TIMEOUT */
    uint8_t listener_index;
    uint8_t grant;           /* enum acceptor_grant; what is none of these counts as AT_ONCE */
    node_id_t cm;            /* the CM that keeps this acceptor's list: told of its close */
    node_id_t assigned_by;   /* the CM that chose it: another one if it took that CM's OFFER */
    uint16_t request_number; /* of the ACCEPT_CONNECTION by which it is on that list */
};

/* --- Returns of nodes --- */

/* To a CM that has come back: all my listeners have been told to it by LISTEN. No answer. */
struct listeners_told {
    struct message_header header;
};

/* To all: I, who have come back, know what I must, and serve in this role again. From now on I have
 * the flows, or am the CM, that I was at first. */
struct serves_again {
    struct message_header header;
    uint32_t role; /* enum role: ROLE_TS or ROLE_CM */
    uint32_t reserved;
};

/* To a TS that serves again, from all others; and to all when it is no longer so: I may have
 * connections whose flows are others' now, from the time in which I had their place. */
struct flows_kept {
    struct message_header header;
    uint32_t is_keeping;
    uint32_t reserved;
};

/* --- Nodes that go --- */

enum drain_step_number {
    DRAIN_STEP_KEEPS = 1, /* connections of my flows are mine still when the flows are others' */
    DRAIN_STEP_GOES = 2,  /* they are: I take nothing new */
    DRAIN_STEP_STAYS = 3, /* they are mine again, after all */
};

/* To all. Answer owed to the first two: the same with is_answer, when the receiver acts by it; the
 * next one comes when all have answered: nobody gets a flow without knowing who has connections. */
struct drain_step {
    struct message_header header;
    uint32_t step; /* enum drain_step_number */
    uint32_t is_answer;
};

/* --- Opening --- */

/* Ports in one PORTS_SERVED: what fits a line. */
#define PORTS_SERVED_MAX 24u

/*
 * The ports that somebody serves, all of them, in as many messages as it takes: from a CM to the
 * TSs whose own CM it is (configuration_own_cm), when there is a change, and when it has become
 * theirs by a death. A TS resets who asks for another port, and does not answer at all before it
 * has the whole list. No answer.
 */
struct ports_served {
    struct message_header header;
    uint16_t ports[PORTS_SERVED_MAX]; /* machine's order; 0: this place is empty */
    uint8_t is_first;                 /* what was said before is void */
    uint8_t is_last;                  /* there are no others */
    uint8_t reserved[6];
};

/*
 * A SYN for a port that is served has come to the TS that owns its flow, and has been answered: who
 * shall have the connection, when its handshake completes? Sent to the TS's own CM. Answer owed:
 * ASSIGN_CONNECTION.
 */
struct syn_arrived {
    struct message_header header;
    struct flow flow;
    uint32_t reserved;
};

/*
 * That application, or nobody yet. The TS remembers the acceptor with the handshake, and tells it
 * when that completes; or gives it to the connection, if it has waited for this; or, if neither is
 * there any more, says that it has closed. When nobody serves the port any more is_refused is set:
 * the handshake is forgotten, or the connection reset.
 */
struct assign_connection {
    struct message_header header;
    struct flow flow;
    struct acceptor acceptor;
    uint8_t is_refused;
    uint8_t reserved;
};

/*
 * A connection can be had. The data that has already come follows the struct.
 *
 * Answer owed, within the claim time-out: CLAIM_CONNECTION or DECLINE_CONNECTION. One that was
 * granted is the application's at once, to be taken as if CLAIM_CONFIRMED had come: what it says
 * first about it, SEND, CONSUMED or CLOSE, claims it, or CLAIM_CONNECTION if it says nothing in the
 * round in which it takes it. Until then no other message comes. The TS does not give it to
 * anybody else by itself: see RECALL_CONNECTION.
 */
struct connection_available {
    struct message_header header;
    uint32_t connection_index;
    uint32_t generation;
    struct flow flow;
    uint16_t listener_index;
    uint16_t availability_number; /* counts these messages for one connection: an answer to an
                                   * earlier one changes nothing */
    uint32_t send_window_bytes;   /* as in CLAIM_CONFIRMED, if it was granted; else 0 */
    uint32_t reserved;
};

/* accept(), select() or poll() takes an available connection. Answer owed: CLAIM_CONFIRMED, after
 * which the application owns the byte stream, or CLAIM_REJECTED: it came too late. For one that was
 * granted CLAIM_CONFIRMED is not sent. */
struct claim_connection {
    struct message_header header;
    uint32_t connection_index;
    uint32_t generation;
    uint32_t stream_index;
    uint16_t availability_number;
    uint16_t reserved;
};

/* Not taken, nor will it be: the listener is closed, its backlog is full, or memory is short. The
 * TS asks for another acceptor at once, as at a time-out. No answer. */
struct decline_connection {
    struct message_header header;
    uint32_t connection_index;
    uint32_t generation;
    uint16_t availability_number;
    uint16_t reserved;
    uint32_t reserved_2;
};

/* Yours. Bytes after those of CONNECTION_AVAILABLE that have come meanwhile follow the struct. */
struct claim_confirmed {
    struct message_header header;
    uint32_t connection_index;
    uint32_t generation;
    uint32_t stream_index;
    uint32_t send_window_bytes; /* how much may be sent before the first SEND_CREDIT */
};

/* Too late, or gone: forget the connection and ask for a place on the list again. */
struct claim_rejected {
    struct message_header header;
    uint32_t connection_index;
    uint32_t generation;
    uint32_t stream_index;
    uint32_t reserved;
};

/* One that was granted has not been claimed in time. Answer owed: DECLINE_CONNECTION, if the
 * application has not taken it, which loses it its place on the list as well. If it has, none: the
 * claim is on its way. */
struct recall_connection {
    struct message_header header;
    uint32_t connection_index;
    uint32_t generation;
    uint16_t listener_index;
    uint16_t availability_number;
    uint32_t reserved;
};

/*
 * Not claimed in time, or declined; or the application has died; or there was no acceptor. Answer
 * owed: REASSIGN_CONNECTION, at once or when an acceptor appears.
 *
 * The CM drops the acceptor from its list, unless that has asked for its place again meanwhile: the
 * two messages come by different channels, in any order.
 *
 * Sent to the CM that keeps the acceptor's list; when there was no acceptor, to the CM that
 * assigned the connection. If that CM is dead, any other gets it, without an acceptor.
 */
struct accept_timeout {
    struct message_header header;
    uint32_t connection_index;
    uint32_t generation;
    struct acceptor acceptor; /* who did not claim; node NODE_NONE if there was none */
    uint16_t port;
    uint32_t reserved;
};

/* Tell this acceptor of it, which is granted nothing. When the connection is gone meanwhile:
 * CONNECTION_CLOSED. */
struct reassign_connection {
    struct message_header header;
    uint32_t connection_index;
    uint32_t generation;
    struct acceptor acceptor;
    uint16_t port;
    uint16_t is_refused; /* nobody serves the port any more, or too many wait: reset it */
    uint16_t reserved;
};

/* One of the connections that CONNECTION_CLOSED tells of (net/closed.h). */
struct closed_connection {
    node_id_t node, assigned_by; /* of its acceptor, as listener_index; the cm is the receiver */
    uint16_t port;               /* 0: this place is empty */
    uint8_t listener_index;
    uint8_t is_granted;
    uint32_t service; /* from CONNECTION_AVAILABLE to close; 0 if that was never sent */
};

/* As many as fit a line. */
#define CLOSED_MAX 4u

/* Connections that were assigned have ended. Sent to the CM named in their acceptors; not for one
 * without acceptor. A busy TS gathers them: at the latest when it sleeps, all have been told. */
struct connection_closed {
    struct message_header header;
    struct closed_connection closed[CLOSED_MAX];
};

/* What another CM may assign to, if that is better than its own acceptors (PIKA 3.3): sent while
 * there is news (net/manager/offering.h). acceptor.node NODE_NONE withdraws it. */
struct offer {
    struct message_header header;
    struct acceptor acceptor;
    uint16_t port;
    uint32_t reserved;
    uint64_t service_ns; /* of that application; 0 while unknown */
};

/* --- Active opens --- */

/*
 * Connect to that address and port (network byte order), from that port of ours, or, if it is 0,
 * from one that the TS chooses. The first one with a stream_index: answer owed, CONNECTION_OPENED,
 * after as long as TCP takes. With is_withdrawn: no longer wanted, no answer, but one may be on its
 * way already.
 */
struct open_connection {
    struct message_header header;
    uint32_t stream_index;
    uint32_t remote_address;
    uint16_t remote_port, local_port;
    uint32_t is_withdrawn;
};

/* It is the application's, as if it were claimed; who does not want it any more says CLOSE_ABORT.
 * Or it has failed, and there is none: error_number as errno, and the rest is zero. */
struct connection_opened {
    struct message_header header;
    uint32_t stream_index;
    uint32_t connection_index;
    uint32_t generation;
    struct flow flow;
    uint32_t send_window_bytes; /* as in CLAIM_CONFIRMED */
    uint32_t error_number;
};

/* --- The byte stream --- */

/* Received bytes follow the struct. Each counts against TCP's window until CONSUMED. */
struct data {
    struct message_header header;
    uint32_t stream_index;
    uint32_t generation;
};

/* The peer has sent FIN: no more data after what has been delivered. */
struct peer_closed {
    struct message_header header;
    uint32_t stream_index;
    uint32_t generation;
};

/* Reset, timed out, or its TS aborted it; error_number as errno. The connection is gone. */
struct connection_failed {
    struct message_header header;
    uint32_t stream_index;
    uint32_t generation;
    uint32_t error_number;
    uint32_t reserved;
};

/* The most that an application may have in flight, where a path takes much at a time. Chosen: 160
 * ms at 100 MB/s. */
#define SEND_WINDOW_MAX_BYTES (16 * 1024 * 1024u)

/* So many bytes were acknowledged, or the window has become wider: as many more may be sent. */
struct send_credit {
    struct message_header header;
    uint32_t stream_index;
    uint32_t generation;
    uint32_t bytes;
    uint32_t send_window_bytes; /* it never becomes narrower */
};

/*
 * To be sent: the bytes that follow the struct, then some of the boot archive, which every node
 * maps, so that they are not copied; then perhaps a FIN. Each may be missing. All of it fits the
 * credit. On the application's own node it may be a snapshot instead of the archive's bytes
 * (libc/core/snapshot.h), all of it, which becomes the receiver's.
 */
struct send {
    struct message_header header;
    uint32_t connection_index;
    uint32_t generation;
    uint32_t consumed_bytes; /* as in CONSUMED: saves a message */
    uint32_t archive_bytes;
    uint64_t archive_offset; /* offset + bytes within platform_archive_bytes(); or the next */
    uint32_t close_kind;     /* but CLOSE_ABORT: as in CLOSE, saves a message */
    uint32_t stream_index;   /* as in CLAIM_CONNECTION, for one that was granted */
};

#define SEND_SNAPSHOT BIT(63) /* in archive_offset: the rest is the snapshot's index */

/* The application has read so many bytes: open the receive window again. */
struct consumed {
    struct message_header header;
    uint32_t connection_index;
    uint32_t generation;
    uint32_t consumed_bytes;
    uint32_t stream_index; /* as in SEND */
};

enum close_kind {
    CLOSE_NOT = 0,       /* in SEND */
    CLOSE_SEND_ONLY = 1, /* shutdown(SHUT_WR): FIN after what has been sent; reading goes on */
    CLOSE_BOTH = 2,      /* close(): the application forgets the connection */
    CLOSE_ABORT = 3,     /* reset at once (SO_LINGER 0) */
};

/* After CLOSE_BOTH, here or in SEND, and CLOSE_ABORT the TS sends nothing more for this
 * connection. */
struct close {
    struct message_header header;
    uint32_t connection_index;
    uint32_t generation;
    uint32_t consumed_bytes; /* all that was read: what is left unread makes the close a reset */
    uint32_t kind;           /* enum close_kind */
    uint32_t stream_index;   /* as in SEND */
    uint32_t reserved;
};

/* What a receiver copies (kernel/message/channel.h): all but a payload. A simulation of more nodes
 * than a machine has sends nothing by channels. */
#define X(type, name, from, to)                                                                    \
    _Static_assert(NODE_SET_LIMIT > 256 || sizeof(struct name) <= CHANNEL_LINE_BYTES,              \
                   #name " is copied whole");
MESSAGE_TABLE(X)
#undef X
