/* SPDX-License-Identifier: MIT */
/*
 * Reading is strict: a wrong date is worse than none.
 */
#include "net/transport/ntp.h"

#include "libc/core/bytes.h"

/* RFC 5905 figure 8. */
#define LEAP_VERSION_MODE 0
#define STRATUM           1
#define ROOT_DELAY        4 /* both in seconds with 16 bits behind the point */
#define ROOT_DISPERSION   8
#define ORIGINATE         24
#define RECEIVE           32
#define TRANSMIT          40

#define MODE_CLIENT         3
#define MODE_SERVER         4
#define VERSION             4
#define VERSION_OLDEST      3 /* RFC 1305's packets are the same */
#define LEAP_UNSYNCHRONISED 3
#define STRATUM_MAX         15

/* RFC 5905 7.2, MAXDIST: half the delay to the root and its dispersion, 1.5 s. */
#define DISTANCE_MAX (3u << 15)

/* Its seconds begin with 1900 and wrap in 2036: from 2000 on, they are told apart. */
#define SECONDS_TO_1970 2208988800u
#define SECONDS_TO_2000 (SECONDS_TO_1970 + 946684800u)

static uint64_t ns_of(uint64_t timestamp)
{
    uint64_t seconds = timestamp >> 32;
    uint64_t fraction = timestamp & UINT32_MAX;

    seconds += seconds < SECONDS_TO_2000 ? UINT64_C(1) << 32 : 0;
    return (seconds - SECONDS_TO_1970) * NS_PER_S + (fraction * NS_PER_S >> 32);
}

void ntp_write_request(uint8_t packet[NTP_PACKET_BYTES], uint64_t nonce)
{
    for (unsigned i = 0; i < NTP_PACKET_BYTES; i++) {
        packet[i] = 0;
    }
    packet[LEAP_VERSION_MODE] = VERSION << 3 | MODE_CLIENT;
    store_be64(packet + TRANSMIT, nonce);
}

enum ntp_verdict ntp_read_answer(const uint8_t *packet, size_t bytes, uint64_t nonce,
                                 struct ntp_times *times)
{
    if (bytes < NTP_PACKET_BYTES) {
        return NTP_BROKEN;
    }
    unsigned mode = packet[LEAP_VERSION_MODE] & 7;
    unsigned version = packet[LEAP_VERSION_MODE] >> 3 & 7;
    unsigned leap = packet[LEAP_VERSION_MODE] >> 6;
    uint64_t receive = load_be64(packet + RECEIVE);
    uint64_t transmit = load_be64(packet + TRANSMIT);

    if (mode != MODE_SERVER || version < VERSION_OLDEST || version > VERSION) {
        return NTP_BROKEN;
    }
    if (load_be64(packet + ORIGINATE) != nonce) {
        return NTP_NOT_ANSWER;
    }
    if (packet[STRATUM] == 0) {
        return NTP_GO_AWAY;
    }
    if (leap == LEAP_UNSYNCHRONISED || packet[STRATUM] > STRATUM_MAX ||
        (uint64_t)load_be32(packet + ROOT_DELAY) / 2 + load_be32(packet + ROOT_DISPERSION) >=
            DISTANCE_MAX) {
        return NTP_UNSYNCHRONISED;
    }
    if (receive == 0 || transmit == 0 || ns_of(transmit) < ns_of(receive)) {
        return NTP_BROKEN;
    }
    *times = (struct ntp_times){ns_of(receive), ns_of(transmit)};
    return NTP_GOOD;
}
