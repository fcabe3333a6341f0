/* SPDX-License-Identifier: MIT */
/*
 * Hosts on both sides of a transport server that forwards, over the wire of fake_wire.h: clients at
 * WIRE_CLIENT_ADDRESS or behind it, and backends, to which it is the way. A segment is all that
 * stands in its headers but for checksums, which are made and checked.
 */
#pragma once

#include "net/messages.h"
#include "tests/unit/world/fake_wire.h"

#define FORWARD_PORT    8080u
#define BACKEND_ADDRESS 0x0500000Au /* 10.0.0.5, behind the gateway */
#define BACKEND_PORT    9000u
#define SILENT_ADDRESS  0x4D01A8C0u /* 192.168.1.77: on the link, and answers nothing */

#define FLAG_URG 0x20u

struct host_segment {
    uint32_t source, destination; /* addresses, as on the wire */
    uint16_t source_port, destination_port;
    uint32_t sequence, acknowledgment;
    uint16_t window, urgent;
    uint8_t flags, ttl, tos;
    uint16_t identification, fragment;
    bool is_checksum_partial; /* as a host gives it to a virtual machine (drivers/nic/frame.h) */
    uint8_t option_bytes;     /* of TCP */
    uint8_t options[40];
    uint16_t payload_bytes;
    uint8_t payload[1460];
};

/* Rules as an application tells them, one port's: the last one of a set, and the first one. */
void forward_tell(uint16_t port, enum forward_algorithm algorithm,
                  const struct forward_backend *backends, unsigned count);
/* One message of them, from that node. */
void forward_tell_raw(node_id_t from, const struct forward_rule *rule);
/* FORWARD_PORT goes to the one backend. */
void forward_tell_usual(void);

/* Put it on the wire, and run the server. */
void host_send(const struct host_segment *segment);
/* As a frame. Returns its length. */
size_t host_build(uint8_t *frame, const struct host_segment *segment);
/* The next one that the server has sent, checksums good. */
struct host_segment host_expect(void);
void host_expect_silence(void);
/* The next frame that is no TCP's. */
const uint8_t *host_expect_other(size_t *length);

/* A connection through the server: what the client sends to it, and the backend. */
struct forwarded {
    struct host_segment from_client, from_backend; /* headers; numbers are kept up */
};

/* From the SYN on to the client's acknowledgement; each goes on as it should. */
struct forwarded forwarded_begin(uint16_t client_port);
struct forwarded forwarded_open(uint16_t client_port);
/* One side sends; it comes to the other as it was but for addresses, ports and time to live. */
void forwarded_pass(struct forwarded *connection, bool is_client, uint8_t flags,
                    const void *payload, unsigned bytes);
/* Both say FIN, the client first, and acknowledge. */
void forwarded_finish(struct forwarded *connection);
