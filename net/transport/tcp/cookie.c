/* SPDX-License-Identifier: MIT */
/*
 * SYN cookies: see cookie.h. A hash of 64 bits is made of flow and peer's number by a secret. The
 * upper 24 bits of ours are those of the hash's product with an odd number that the data makes, so
 * that the same hash with other data is another number; of the rest, seven bits are the data under
 * the hash's lowest, and one, which says by which secret, under the number's own highest, because
 * it is wanted first.
 *
 * A secret is made anew when it is first wanted: while there are no cookies nothing happens.
 */
#include "net/transport/tcp/cookie.h"

#include "kernel/platform.h"
#include "net/packet.h"
#include "net/transport/hash.h"
#include "net/transport/tcp/handshake.h"
#include "net/transport/tcp/options.h"

/* What three bits each can say; the largest that is no larger than what the peer has said. Too
 * small a value wastes, too large a one overruns the peer. */
static const uint16_t segment_sizes[8] = {
    TCP_OPTION_MSS_LEAST, TCP_OPTION_MSS_DEFAULT, 1220, 1360, 1400, 1440, 1452, HANDSHAKE_MSS};
/* Behind the place that says that there is none. */
static const uint8_t scales[7] = {0, 2, 4, 6, 7, 8, 10};

/* The data: bits of a byte, the highest of which is the secret's parity. */
#define DATA_SACK        (1u << 6)
#define DATA_SCALE_SHIFT 3
#define DATA_INDEX_MASK  7u
#define DATA_MASK        0x7Fu
#define PARITY_SHIFT     7

/* By parity: that of this period, and of the one before it. */
static struct siphash_key secrets[2];
static uint64_t period; /* the last in which a secret was wanted */
static uint64_t last_made_ns;
static bool has_made;

static void make_secret(unsigned parity)
{
    secrets[parity] = siphash_key_of(platform_random(), platform_random());
}

/* Returns the parity of this period's secret. */
static unsigned turn_secrets(uint64_t now_ns)
{
    uint64_t now_period = now_ns / COOKIE_SECRET_NS;
    unsigned parity = now_period & 1;

    ASSERT_SLOW(now_period >= period);
    if (UNLIKELY(now_period != period)) {
        make_secret(parity);
        if (now_period != period + 1) {
            make_secret(parity ^ 1); /* the last one is older than the period before */
        }
        period = now_period;
    }
    return parity;
}

static uint32_t number_of(uint64_t hash, uint32_t data, unsigned parity)
{
    uint32_t upper = (uint32_t)(hash * (2 * data + 1) >> 32) & 0xFFFFFF00;

    return upper | ((data ^ (uint32_t)hash) & DATA_MASK) | (parity ^ upper >> 31) << PARITY_SHIFT;
}

static uint32_t index_of_segment_size(uint16_t mss)
{
    uint32_t index = 7;

    while (index > 0 && segment_sizes[index] > mss) {
        index--;
    }
    return index;
}

static uint32_t index_of_scale(const struct tcp_options *options)
{
    uint32_t index = 6;

    if (!options->has_scale) {
        return 0;
    }
    while (scales[index] > options->scale) {
        index--; /* the first is 0 */
    }
    return index + 1;
}

uint32_t cookie_make(const struct packet *syn, const struct tcp_options *options, uint64_t now_ns)
{
    unsigned parity = turn_secrets(now_ns);
    uint32_t data = options->is_sack_permitted ? DATA_SACK : 0;

    data |= index_of_scale(options) << DATA_SCALE_SHIFT;
    data |= index_of_segment_size(options->mss != 0 ? options->mss : TCP_OPTION_MSS_DEFAULT);
    last_made_ns = now_ns;
    has_made = true;
    return number_of(flow_siphash(&secrets[parity], &syn->flow, syn->sequence), data, parity);
}

bool cookie_is_awaited(uint64_t now_ns)
{
    return has_made && now_ns - last_made_ns < COOKIE_LIFETIME_NS;
}

bool cookie_check(const struct packet *ack, uint64_t now_ns, struct handshake *handshake)
{
    uint32_t number = ack->acknowledgment - 1;
    uint32_t irs = ack->sequence - 1;
    unsigned parity = (number >> 31 ^ number >> PARITY_SHIFT) & 1;
    uint32_t data, scale_index;
    uint64_t hash;

    (void)turn_secrets(now_ns);
    hash = flow_siphash(&secrets[parity], &ack->flow, irs);
    data = (number ^ (uint32_t)hash) & DATA_MASK;
    if (number_of(hash, data, parity) != number) {
        return false;
    }
    scale_index = data >> DATA_SCALE_SHIFT & DATA_INDEX_MASK;
    *handshake = (struct handshake){
        .flow = ack->flow,
        .irs = irs,
        .iss = number,
        .mss = segment_sizes[data & DATA_INDEX_MASK],
        .snd_scale = scale_index == 0 ? 0 : scales[scale_index - 1],
        .has_scale = scale_index != 0,
        .has_sack = (data & DATA_SACK) != 0,
        .opened_ns = now_ns,
        .acceptor = {.node = NODE_NONE, .cm = NODE_NONE, .assigned_by = NODE_NONE},
    };
    return true;
}

void cookie_initialise(void)
{
    make_secret(0);
    make_secret(1);
    period = 0;
    has_made = false;
}
