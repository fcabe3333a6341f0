/* SPDX-License-Identifier: MIT */
/*
 * Captures of frames as a file: pcapng (draft-ietf-opsawg-pcapng), which Wireshark and tcpdump
 * read. Blocks are appended in the machine's byte order, which the file tells. No frames, no clock
 * and no network here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A block is put at the end; the caller has seen to its room. */
struct pcapng {
    uint8_t *at;
    size_t bytes, room_bytes;
};

/* The longest text of an option here; a longer one is cut. */
#define PCAPNG_TEXT_MAX_BYTES  200u
/* The longest block but for a frame's bytes. */
#define PCAPNG_BLOCK_MAX_BYTES (64u + 4 * (4 + PCAPNG_TEXT_MAX_BYTES))

/* The first block of a file (4.1). */
void pcapng_add_section(struct pcapng *file, const char *hardware, const char *system,
                        const char *program);

/* An Ethernet interface (4.2), numbered from 0 on in their order, before any of its frames. Times
 * are in nanoseconds. */
struct pcapng_interface {
    const char *name, *description, *filter;
    uint32_t snap_bytes;
};
void pcapng_add_interface(struct pcapng *file, const struct pcapng_interface *interface);

/* A frame (4.3). */
struct pcapng_frame {
    uint32_t interface;
    uint64_t time_ns; /* since 1970 */
    uint32_t captured_bytes, original_bytes;
    const void *data;
    bool is_out;
    uint64_t lost_count; /* of the interface, since its last frame */
};
void pcapng_add_frame(struct pcapng *file, const struct pcapng_frame *frame);
/* How much it will take. */
size_t pcapng_frame_bytes(const struct pcapng_frame *frame);

/* What has become of an interface (4.6). */
struct pcapng_statistics {
    uint32_t interface;
    uint64_t time_ns, start_ns, end_ns; /* since 1970 */
    uint64_t received, dropped, accepted, delivered;
    const char *comment; /* empty: none */
};
void pcapng_add_statistics(struct pcapng *file, const struct pcapng_statistics *statistics);
