/* SPDX-License-Identifier: MIT */
/*
 * Which frames a capture is about, and how much of it there may be: words of the command line
 * (capture=) and of a request (/capture?), and what a link server asks of each frame.
 */
#pragma once

#include "drivers/nic/frame.h"
#include "kernel/base.h"

/* Bits of struct capture_filter. A frame has one of each. */
enum { CAPTURE_IN = 1 << 0, CAPTURE_OUT = 1 << 1 };
enum {
    CAPTURE_TCP = 1 << 0,
    CAPTURE_UDP = 1 << 1,
    CAPTURE_ICMP = 1 << 2,
    CAPTURE_ARP = 1 << 3,
    CAPTURE_OTHER = 1 << 4,
};
#define CAPTURE_DIRECTIONS (CAPTURE_IN | CAPTURE_OUT)
#define CAPTURE_PROTOCOLS  (CAPTURE_TCP | CAPTURE_UDP | CAPTURE_ICMP | CAPTURE_ARP | CAPTURE_OTHER)

/* What is kept of a frame at most, and at least: headers. All of one that comes fits; of one that
 * the card cuts (FRAME_SEGMENT_TCP) the beginning. */
#define CAPTURE_SNAP_MAX_BYTES FRAME_BUFFER_BYTES
#define CAPTURE_SNAP_MIN_BYTES 14u

/* So much of a frame decides whether it is wanted: an IPv4 header with all its options, and ports.
 */
#define CAPTURE_LOOK_BYTES 80u

/* Addresses are in network byte order, ports in the machine's; 0: any. */
struct capture_filter {
    uint32_t host; /* of either side; in ARP, too */
    uint16_t port; /* of either side */
    uint16_t snap_bytes;
    uint8_t protocols;  /* never none */
    uint8_t directions; /* never none */
};

/* A connection that is left out: the one on which the frames go. Port 0: none. */
struct capture_peer {
    uint32_t address;
    uint16_t port;
};

/* The most of each, by the request. */
#define CAPTURE_SECONDS_MAX 3600u
#define CAPTURE_BYTES_MAX   (UINT64_C(1) << 30)

/* What the words say. */
struct capture_words {
    struct capture_filter filter;
    /* Of the command line alone: memory for each link server's frames, a power of two; 0: no
     * frames are recorded. */
    uint64_t ring_bytes;
    /* Of a request alone. */
    uint64_t frame_most;
    uint64_t byte_most; /* of the file, but for what stands behind the frames */
    uint32_t seconds;   /* so long what comes is told, too; 0: what is recorded now */
};

#define CAPTURE_RING_DEFAULT_BYTES (UINT64_C(1) << 20)
#define CAPTURE_RING_MIN_BYTES     (UINT64_C(1) << 16)
#define CAPTURE_RING_MAX_BYTES     (UINT64_C(1) << 30)

#define CAPTURE_REASON_BYTES 128u

/*
 * Read words: those of capture=, with commas between, of which the first says `on`, `off` or how
 * much memory; and those of a request's query, with ampersands between.
 *
 * Returns 0. -EINVAL: one of them is unknown, said twice, or wrong; `reason` names it, in printable
 * ASCII, and `words` says what it would without any.
 */
MUST_CHECK int capture_read_option(const char *text, size_t bytes, struct capture_words *words,
                                   char reason[CAPTURE_REASON_BYTES]);
MUST_CHECK int capture_read_query(const char *text, size_t bytes, struct capture_words *words,
                                  char reason[CAPTURE_REASON_BYTES]);

/* A filter for everything. */
struct capture_filter capture_filter_all(void);
/* As a text for people: "tcp port 80 in". */
#define CAPTURE_FILTER_TEXT_BYTES 96u
void capture_filter_print(const struct capture_filter *filter,
                          char text[CAPTURE_FILTER_TEXT_BYTES]);
/* Another node's word: whether it can be one. */
bool capture_filter_is_valid(const struct capture_filter *filter);

/* The frame's first bytes, CAPTURE_LOOK_BYTES or as many as it has; any. `direction`: CAPTURE_IN or
 * CAPTURE_OUT. */
bool capture_filter_wants(const struct capture_filter *filter, unsigned direction,
                          const uint8_t *frame, size_t bytes);
bool capture_is_of_peer(const struct capture_peer *peer, unsigned direction, const uint8_t *frame,
                        size_t bytes);
