/* SPDX-License-Identifier: MIT */
/*
 * Options of TCP: see options.h.
 */
#include "net/transport/tcp/options.h"

#include "kernel/platform.h"
#include "libc/core/bytes.h"

/* Kinds (RFC 9293 3.1, 7323 2.2 and 3.2, 2018 2 and 3), and the bytes of each, both of these among
 * them. */
enum {
    KIND_END = 0,
    KIND_NO_OPERATION = 1,
    KIND_MSS = 2,
    KIND_SCALE = 3,
    KIND_SACK_PERMITTED = 4,
    KIND_SACK = 5,
    KIND_TIMESTAMPS = 8,
};
#define MSS_BYTES            4u
#define SCALE_BYTES          3u
#define SACK_PERMITTED_BYTES 2u
#define SACK_BLOCK_BYTES     8u
#define TIMESTAMPS_BYTES     10u

#define OPTIONS_MAX_BYTES 40u
#define USUAL_SYN_BYTES   20u

/* --- One each, of the length that it must have --- */

static inline void take_mss(struct tcp_options *options, const uint8_t *option)
{
    uint16_t mss = load_be16(option + 2);

    options->mss = mss > TCP_OPTION_MSS_LEAST ? mss : TCP_OPTION_MSS_LEAST;
}

static inline void take_scale(struct tcp_options *options, const uint8_t *option)
{
    options->has_scale = true;
    options->scale = option[2] < TCP_OPTION_SCALE_MAX ? option[2] : TCP_OPTION_SCALE_MAX;
}

static inline void take_timestamps(struct tcp_options *options, const uint8_t *option)
{
    options->has_timestamps = true;
    options->timestamp = load_be32(option + 2);
    options->timestamp_echo = load_be32(option + 6);
}

static void take_sack(struct tcp_options *options, const uint8_t *option, unsigned bytes)
{
    unsigned count = (bytes - 2) / SACK_BLOCK_BYTES;

    if (bytes != 2 + count * SACK_BLOCK_BYTES) {
        return;
    }
    ASSERT_SLOW(count <= TCP_OPTION_SACK_BLOCKS_MAX); /* 40 bytes hold no more */
    options->sack_count = (uint8_t)count;
    for (unsigned i = 0; i < count; i++) {
        options->sack[i][0] = load_be32(option + 2 + i * SACK_BLOCK_BYTES);
        options->sack[i][1] = load_be32(option + 2 + i * SACK_BLOCK_BYTES + 4);
    }
}

/* --- Lists of them --- */

/* Passed over, if it is unknown or of another length than its kind's. */
static inline void take_option(struct tcp_options *options, const uint8_t *option, unsigned bytes)
{
    if (option[0] == KIND_MSS && bytes == MSS_BYTES) {
        take_mss(options, option);
    } else if (option[0] == KIND_SCALE && bytes == SCALE_BYTES) {
        take_scale(options, option);
    } else if (option[0] == KIND_SACK_PERMITTED && bytes == SACK_PERMITTED_BYTES) {
        options->is_sack_permitted = true;
    } else if (option[0] == KIND_SACK) {
        take_sack(options, option, bytes);
    } else if (option[0] == KIND_TIMESTAMPS && bytes == TIMESTAMPS_BYTES) {
        take_timestamps(options, option);
    }
}

/* Whether they are what Linux writes into a SYN: then all of them are known at once. */
static inline bool is_usual_syn(const uint8_t *option, unsigned bytes)
{
    const uint32_t sack_and_timestamps = (uint32_t)KIND_SACK_PERMITTED << 24 |
                                         SACK_PERMITTED_BYTES << 16 | KIND_TIMESTAMPS << 8 |
                                         TIMESTAMPS_BYTES;
    const uint32_t scale = KIND_NO_OPERATION << 16 | KIND_SCALE << 8 | SCALE_BYTES;

    return bytes == USUAL_SYN_BYTES && load_be16(option) == (KIND_MSS << 8 | MSS_BYTES) &&
           load_be32(option + 4) == sack_and_timestamps && load_be32(option + 16) >> 8 == scale;
}

void tcp_options_parse(struct tcp_options *options, const uint8_t *option, unsigned bytes)
{
    const uint8_t *end = option + bytes;

    ASSERT_SLOW(bytes <= OPTIONS_MAX_BYTES);
    options->mss = 0;
    options->scale = 0;
    options->has_scale = false;
    options->is_sack_permitted = false;
    options->has_timestamps = false;
    options->sack_count = 0;
    if (is_usual_syn(option, bytes)) {
        take_mss(options, option);
        options->is_sack_permitted = true;
        take_timestamps(options, option + 6);
        take_scale(options, option + 17);
        return;
    }
    while (option < end && option[0] != KIND_END) {
        unsigned option_bytes = 1;

        if (option[0] != KIND_NO_OPERATION) {
            option_bytes = end - option > 1 ? option[1] : 0;
            if (option_bytes < 2 || option_bytes > (unsigned)(end - option)) {
                return;
            }
            take_option(options, option, option_bytes);
        }
        option += option_bytes;
    }
}

unsigned tcp_options_put_syn_ack(uint8_t *option, uint16_t mss, bool has_scale, uint8_t scale,
                                 bool has_sack)
{
    unsigned bytes = MSS_BYTES;

    ASSERT_SLOW(!has_scale || scale <= TCP_OPTION_SCALE_MAX);
    store_be32(option, (uint32_t)KIND_MSS << 24 | MSS_BYTES << 16 | mss);
    if (has_scale) {
        store_be32(option + bytes,
                   (uint32_t)KIND_NO_OPERATION << 24 | KIND_SCALE << 16 | SCALE_BYTES << 8 | scale);
        bytes += 4;
    }
    if (has_sack) {
        store_be32(option + bytes, (uint32_t)KIND_NO_OPERATION << 24 | KIND_NO_OPERATION << 16 |
                                       KIND_SACK_PERMITTED << 8 | SACK_PERMITTED_BYTES);
        bytes += 4;
    }
    ASSERT_SLOW(bytes <= TCP_OPTION_SYN_ACK_MAX_BYTES);
    return bytes;
}
