/* SPDX-License-Identifier: MIT */
/*
 * A transport server's world for unit tests: it runs on node 0 with nothing else; node 1 is an
 * application, node 2 the connection manager, and both are played by the test with messages. The
 * link server is played here: what the transport server sends is cut into segments as the NIC
 * would, every checksum is verified, and each frame waits to be taken. TCP clients are the test's.
 *
 * The server lives as long as the process: a test goes on where the one before it stopped.
 */
#pragma once

#include "drivers/nic/frame.h"
#include "kernel/base.h"
#include "net/configuration.h"
#include "net/messages.h"

#define NODE_APPLICATION 1
#define NODE_CM          2
#define NODE_OTHER_CM    3

#define WIRE_MSS            1460u       /* the most; what clients say unless a test changes it */
#define WIRE_CLIENT_ADDRESS 0x0201A8C0u /* 192.168.1.2 */
#define WIRE_OWN_ADDRESS    0x0F01A8C0u /* 192.168.1.15 */
#define WIRE_SERVER_PORT    80

#define WIRE_FIN 0x01u
#define WIRE_SYN 0x02u
#define WIRE_RST 0x04u
#define WIRE_PSH 0x08u
#define WIRE_ACK 0x10u

/* A TCP segment. */
struct segment {
    uint16_t client_port;
    uint8_t flags;
    uint32_t sequence, acknowledgement;
    uint32_t window; /* as it stands in the header */
    const uint8_t *payload;
    uint32_t length;
};

/* The client's end of a connection. */
struct client {
    uint16_t port;
    uint32_t send_next, receive_next;
    /* As the transport server told the application. */
    uint32_t connection_index, generation;
    uint16_t availability_number;
};

/* What the server is told of the NIC: all of it, unless a test changes it before the start. */
struct wire_nic {
    bool lacks_segmentation;
    bool wants_announcement; /* the machine has moved */
    bool lacks_own_queue;    /* the first of two link servers, on NODE_OTHER_CM, has the only one */
    bool is_relayed;         /* and that one is played, too: what it is sent goes on the wire */
    uint64_t queues;         /* NIC_READY's, if not 0 */
    bool is_late;            /* it comes with wire_bring_up_nic(), not at the start */
};
extern struct wire_nic wire_nic;
/* Of the server's node, at the start; 8 MiB unless a test changes it. */
extern uint64_t wire_memory_bytes;

/* From where clients speak: WIRE_CLIENT_ADDRESS unless a test changes it. */
extern uint32_t wire_client_address;
/* To where: WIRE_OWN_ADDRESS, likewise. */
extern uint32_t wire_server_address;
/* What a client's SYN says of the segments it takes. */
extern uint16_t wire_client_mss;
/* The first transport server is on NODE_OTHER_CM, played by the test; ours is the second. */
extern bool wire_has_other_speaker;
/* What else is to be another configuration than this world's; called before the start. NULL: none.
 */
extern void (*wire_change_configuration)(struct configuration *configuration);

/* The command line, if it is to be another one; with the same address. */
extern const char *wire_words;
/* Start the server; ends with its address set and everything sent so far thrown away. */
void wire_start(void);
/* Start it with these words; what it has sent so far is on the wire. */
void wire_start_with(const char *words);
/* The CM says that the clients' port is served, as it has at the start, or that none is. */
void wire_serve(bool is_served);
/* What the link server says once the NIC is there; a part of the start, unless that is late. */
void wire_bring_up_nic(void);
/* Rounds of the server until one has nothing to do. */
void wire_run(void);
void wire_advance_ns(uint64_t step_ns);

/* A frame to the server, handed over in its next round as by its own link server. `flags` as in
 * drivers/nic/frame.h. */
void wire_receive_frame(const uint8_t *bytes, size_t length, uint16_t flags);
/* How many of them the server has not given back. */
unsigned wire_frames_held(void);
/* Build a frame from a segment; returns its length. `bytes` holds FRAME_MAX_BYTES. */
size_t wire_build(uint8_t *bytes, const struct segment *segment);
/* Give a frame of IPv4 its checksums, after a change: of the header, and of TCP, UDP or ICMP. */
void wire_seal(uint8_t *bytes);
/* From the client: what its numbers say, with payload. */
void wire_send(const struct client *client, uint8_t flags, const void *payload, uint32_t length);

/* The oldest TCP segment that the server has sent and the test has not taken; false: none. Its
 * payload is valid until the next call. */
bool wire_take(struct segment *segment);
/* The next one must be there and be the client's. */
struct segment wire_expect(const struct client *client);
/* The same as it is, whoever it is for; or the oldest frame, if that is not TCP's. */
bool wire_take_frame(bool is_tcp, const uint8_t **bytes, size_t *length);
/* Frames that are not TCP. */
bool wire_take_other(const uint8_t **bytes, size_t *length);
void wire_expect_silence(void);
/* How many frames the server has left to the NIC to cut. */
unsigned wire_cut_count(void);
/* How many messages with frames the link server on the other node has been sent. */
unsigned wire_relayed_count(void);

/* --- Between fake_wire.c and fake_relay.c --- */

/* A frame for the NIC: look at it, cut it where it is to be cut, and put it on the wire. */
void wire_put_frame(const struct frame_to_send *frame);
/* Do as the other node's link server does, if it is played. Returns whether there was anything. */
bool wire_relay(void);

/* --- For tests --- */

/* Throw away what is on the wire and in the application's and CM's channels. */
void wire_clear(void);

/* Until this is switched off again, the NIC says of no frame that it has read it. */
void wire_hold_sent(bool is_held);
/* The transmit ring takes no frame. */
void wire_block_transmit(bool is_blocked);
/* There is no NIC. */
void wire_unplug(bool is_unplugged);

/* Bytes of the boot archive: byte i is wire_archive_byte(i). */
#define WIRE_ARCHIVE_BYTES (512 * KIB)
uint8_t wire_archive_byte(size_t index);
