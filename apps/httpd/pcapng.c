/* SPDX-License-Identifier: MIT */
/*
 * Each block begins with its type and length and ends with its length again; what it holds, and
 * each option in it, is filled up to four bytes. Sections are those of draft-ietf-opsawg-pcapng.
 */
#include "apps/httpd/pcapng.h"

#include <string.h>

#include "apps/httpd/check.h"

/* 4.1 to 4.6, 10.1. */
#define BLOCK_SECTION    0x0A0D0D0Au
#define BLOCK_INTERFACE  1u
#define BLOCK_STATISTICS 5u
#define BLOCK_FRAME      6u
#define BYTE_ORDER_MAGIC 0x1A2B3C4Du
#define MAJOR_VERSION    1
#define LENGTH_UNKNOWN   UINT64_MAX
#define LINK_ETHERNET    1 /* LINKTYPE_ETHERNET */

/* 3.5; those of a section, an interface, a frame and statistics. */
#define OPTION_END            0
#define OPTION_COMMENT        1
#define SECTION_HARDWARE      2
#define SECTION_SYSTEM        3
#define SECTION_PROGRAM       4
#define INTERFACE_NAME        2
#define INTERFACE_DESCRIPTION 3
#define INTERFACE_RESOLUTION  9
#define INTERFACE_FILTER      11
#define FRAME_FLAGS           2
#define FRAME_LOST            4
#define STATISTICS_START      2
#define STATISTICS_END        3
#define STATISTICS_RECEIVED   4
#define STATISTICS_DROPPED    5
#define STATISTICS_ACCEPTED   6
#define STATISTICS_DELIVERED  8

#define RESOLUTION_NS  9 /* of ten, its negative power */
#define FILTER_IS_TEXT 0 /* before the filter's text */
#define FLAG_IN        1u
#define FLAG_OUT       2u

/* --- Pieces --- */

static void add(struct pcapng *file, const void *bytes, size_t count)
{
    assert(count <= file->room_bytes - file->bytes);
    if (count != 0) {
        memcpy(file->at + file->bytes, bytes, count);
        file->bytes += count;
    }
}

static void add16(struct pcapng *file, uint16_t number)
{
    add(file, &number, sizeof(number));
}

static void add32(struct pcapng *file, uint32_t number)
{
    add(file, &number, sizeof(number));
}

static size_t padding_of(size_t bytes)
{
    return -bytes % 4;
}

static void add_padded(struct pcapng *file, const void *bytes, size_t count)
{
    static const uint8_t zeros[4];

    add(file, bytes, count);
    add(file, zeros, padding_of(count));
}

/* Returns where it starts, for end_block(). */
static size_t begin_block(struct pcapng *file, uint32_t type)
{
    size_t start = file->bytes;

    add32(file, type);
    add32(file, 0);
    return start;
}

static void end_block(struct pcapng *file, size_t start)
{
    uint32_t bytes = (uint32_t)(file->bytes - start + sizeof(bytes));

    memcpy(file->at + start + sizeof(uint32_t), &bytes, sizeof(bytes));
    add32(file, bytes);
}

static void add_option(struct pcapng *file, uint16_t code, const void *value, size_t bytes)
{
    add16(file, code);
    add16(file, (uint16_t)bytes);
    add_padded(file, value, bytes);
}

static size_t text_bytes(const char *text)
{
    size_t bytes = strlen(text);

    return bytes < PCAPNG_TEXT_MAX_BYTES ? bytes : PCAPNG_TEXT_MAX_BYTES;
}

/* Nothing for an empty text. */
static void add_text(struct pcapng *file, uint16_t code, const char *text)
{
    size_t bytes = text_bytes(text);

    if (bytes != 0) {
        add_option(file, code, text, bytes);
    }
}

static void add_count(struct pcapng *file, uint16_t code, uint64_t count)
{
    add_option(file, code, &count, sizeof(count));
}

/* In two words, the higher one first, in either byte order. */
static void add_time(struct pcapng *file, uint64_t time_ns)
{
    add32(file, (uint32_t)(time_ns >> 32));
    add32(file, (uint32_t)time_ns);
}

static void add_time_option(struct pcapng *file, uint16_t code, uint64_t time_ns)
{
    const uint32_t words[2] = {(uint32_t)(time_ns >> 32), (uint32_t)time_ns};

    add_option(file, code, words, sizeof(words));
}

static void end_options(struct pcapng *file)
{
    add_option(file, OPTION_END, NULL, 0);
}

/* --- Blocks --- */

void pcapng_add_section(struct pcapng *file, const char *hardware, const char *system,
                        const char *program)
{
    const uint64_t length = LENGTH_UNKNOWN;
    size_t start = begin_block(file, BLOCK_SECTION);

    add32(file, BYTE_ORDER_MAGIC);
    add16(file, MAJOR_VERSION);
    add16(file, 0);
    add(file, &length, sizeof(length));
    add_text(file, SECTION_HARDWARE, hardware);
    add_text(file, SECTION_SYSTEM, system);
    add_text(file, SECTION_PROGRAM, program);
    end_options(file);
    end_block(file, start);
}

void pcapng_add_interface(struct pcapng *file, const struct pcapng_interface *interface)
{
    const uint8_t resolution = RESOLUTION_NS;
    char filter[1 + PCAPNG_TEXT_MAX_BYTES] = {FILTER_IS_TEXT};
    size_t filter_bytes = text_bytes(interface->filter);
    size_t start = begin_block(file, BLOCK_INTERFACE);

    add16(file, LINK_ETHERNET);
    add16(file, 0);
    add32(file, interface->snap_bytes);
    add_text(file, INTERFACE_NAME, interface->name);
    add_text(file, INTERFACE_DESCRIPTION, interface->description);
    add_option(file, INTERFACE_RESOLUTION, &resolution, sizeof(resolution));
    if (filter_bytes != 0) {
        memcpy(filter + 1, interface->filter, filter_bytes);
        add_option(file, INTERFACE_FILTER, filter, 1 + filter_bytes);
    }
    end_options(file);
    end_block(file, start);
}

/* Type, two lengths, interface, time, two lengths of the frame; flags, the end of options. */
#define FRAME_FIXED_BYTES (8 * 4 + 8 + 4)
#define FRAME_LOST_BYTES  12

size_t pcapng_frame_bytes(const struct pcapng_frame *frame)
{
    return FRAME_FIXED_BYTES + frame->captured_bytes + padding_of(frame->captured_bytes) +
           (frame->lost_count != 0 ? FRAME_LOST_BYTES : 0);
}

void pcapng_add_frame(struct pcapng *file, const struct pcapng_frame *frame)
{
    const uint32_t flags = frame->is_out ? FLAG_OUT : FLAG_IN;
    size_t start = begin_block(file, BLOCK_FRAME);

    add32(file, frame->interface);
    add_time(file, frame->time_ns);
    add32(file, frame->captured_bytes);
    add32(file, frame->original_bytes);
    add_padded(file, frame->data, frame->captured_bytes);
    add_option(file, FRAME_FLAGS, &flags, sizeof(flags));
    if (frame->lost_count != 0) {
        add_count(file, FRAME_LOST, frame->lost_count);
    }
    end_options(file);
    end_block(file, start);
    check(file->bytes - start == pcapng_frame_bytes(frame));
}

void pcapng_add_statistics(struct pcapng *file, const struct pcapng_statistics *statistics)
{
    size_t start = begin_block(file, BLOCK_STATISTICS);

    add32(file, statistics->interface);
    add_time(file, statistics->time_ns);
    add_text(file, OPTION_COMMENT, statistics->comment);
    add_time_option(file, STATISTICS_START, statistics->start_ns);
    add_time_option(file, STATISTICS_END, statistics->end_ns);
    add_count(file, STATISTICS_RECEIVED, statistics->received);
    add_count(file, STATISTICS_DROPPED, statistics->dropped);
    add_count(file, STATISTICS_ACCEPTED, statistics->accepted);
    add_count(file, STATISTICS_DELIVERED, statistics->delivered);
    end_options(file);
    end_block(file, start);
}
