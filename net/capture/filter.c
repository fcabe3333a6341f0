/* SPDX-License-Identifier: MIT */
/*
 * Words to filters, and frames by filters.
 */
#include "net/capture/filter.h"

#include <errno.h>
#include <string.h>

#include "libc/core/address.h"
#include "libc/core/bytes.h"
#include "libc/core/format.h"
#include "libc/core/numbers.h"
#include "net/headers.h"

/* RFC 826: of Ethernet and IPv4; both protocol addresses stand at fixed places. */
#define ETHERNET_TYPE_ARP  0x0806
#define ARP_SENDER_OFFSET  14
#define ARP_TARGET_OFFSET  24
#define ARP_BYTES          28u
#define IPV4_PROTOCOL_ICMP 1
#define IPV4_OFFSET_MASK   0x1FFFu /* not the first fragment: no ports */
#define PORTS_BYTES        4u

struct capture_filter capture_filter_all(void)
{
    return (struct capture_filter){.snap_bytes = CAPTURE_SNAP_MAX_BYTES,
                                   .protocols = CAPTURE_PROTOCOLS,
                                   .directions = CAPTURE_DIRECTIONS};
}

/* --- Words --- */

struct name {
    const char *name;
    uint8_t bits;
};

static const struct name protocol_names[] = {
    {"tcp", CAPTURE_TCP}, {"udp", CAPTURE_UDP}, {"icmp", CAPTURE_ICMP}, {"arp", CAPTURE_ARP}};
static const struct name direction_names[] = {
    {"in", CAPTURE_IN}, {"out", CAPTURE_OUT}, {"both", CAPTURE_DIRECTIONS}};

/* 0: there is none of this name. */
static uint8_t find_bits(const struct name *names, size_t count, const char *text, size_t bytes)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(names[i].name) == bytes && memcmp(names[i].name, text, bytes) == 0) {
            return names[i].bits;
        }
    }
    return 0;
}

static bool read_number(const char *text, size_t bytes, uint64_t least, uint64_t most,
                        uint64_t *number)
{
    return number_parse(text, bytes, 10, most, number) == 0 && *number >= least;
}

static bool read_host(struct capture_words *words, const char *text, size_t bytes)
{
    char copy[ADDRESS_IPV4_TEXT_BYTES];
    const char *end;

    if (bytes >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    end = address_parse_ipv4(copy, &words->filter.host);
    return end == copy + bytes && words->filter.host != 0;
}

static bool read_port(struct capture_words *words, const char *text, size_t bytes)
{
    uint64_t port;
    bool is_good = read_number(text, bytes, 1, UINT16_MAX, &port);

    words->filter.port = (uint16_t)port;
    return is_good;
}

/* Protocols with a plus sign between, which neither a query's nor an option's words end with. */
static bool read_protocols(struct capture_words *words, const char *text, size_t bytes)
{
    const char *end = text + bytes;
    uint8_t protocols = 0;

    for (const char *at = text; at <= end;) {
        const char *plus = memchr(at, '+', (size_t)(end - at));
        const char *name_end = plus != NULL ? plus : end;
        uint8_t bits =
            find_bits(protocol_names, ARRAY_COUNT(protocol_names), at, (size_t)(name_end - at));

        if (bits == 0) {
            return false;
        }
        protocols |= bits;
        at = name_end + 1;
    }
    words->filter.protocols = protocols;
    return true;
}

static bool read_direction(struct capture_words *words, const char *text, size_t bytes)
{
    words->filter.directions =
        find_bits(direction_names, ARRAY_COUNT(direction_names), text, bytes);
    return words->filter.directions != 0;
}

static bool read_snap(struct capture_words *words, const char *text, size_t bytes)
{
    uint64_t snap_bytes;
    bool is_good =
        read_number(text, bytes, CAPTURE_SNAP_MIN_BYTES, CAPTURE_SNAP_MAX_BYTES, &snap_bytes);

    words->filter.snap_bytes = (uint16_t)snap_bytes;
    return is_good;
}

static bool read_count(struct capture_words *words, const char *text, size_t bytes)
{
    return read_number(text, bytes, 1, UINT64_MAX, &words->frame_most);
}

static bool read_bytes(struct capture_words *words, const char *text, size_t bytes)
{
    return number_parse_size(text, bytes, &words->byte_most) == 0 && words->byte_most != 0 &&
           words->byte_most <= CAPTURE_BYTES_MAX;
}

static bool read_seconds(struct capture_words *words, const char *text, size_t bytes)
{
    uint64_t seconds;
    bool is_good = read_number(text, bytes, 1, CAPTURE_SECONDS_MAX, &seconds);

    words->seconds = (uint32_t)seconds;
    return is_good;
}

static const struct word {
    const char *name;
    bool (*read)(struct capture_words *words, const char *text, size_t bytes);
    bool is_request_only;
} known_words[] = {
    {"host", read_host, false},          {"port", read_port, false},
    {"protocol", read_protocols, false}, {"direction", read_direction, false},
    {"snap", read_snap, false},          {"count", read_count, true},
    {"bytes", read_bytes, true},         {"seconds", read_seconds, true},
};

static int refuse(struct capture_words *words, char reason[CAPTURE_REASON_BYTES], const char *word,
                  size_t bytes, const char *why)
{
    struct output output;

    output_start(&output, reason, CAPTURE_REASON_BYTES);
    format_append(&output, "`%.*s` %s", (int)(bytes < 40 ? bytes : 40), word, why);
    output_replace_unprintable(&output);
    *words = (struct capture_words){
        .filter = capture_filter_all(), .byte_most = CAPTURE_BYTES_MAX, .frame_most = UINT64_MAX};
    return -EINVAL;
}

/* Returns NULL, or what is wrong with it. */
static const char *read_word(struct capture_words *words, const char *text, size_t bytes,
                             bool is_request, uint32_t *seen)
{
    const char *equals = memchr(text, '=', bytes);
    size_t name_bytes = equals != NULL ? (size_t)(equals - text) : bytes;

    for (unsigned i = 0; i < ARRAY_COUNT(known_words); i++) {
        const struct word *word = &known_words[i];

        if (strlen(word->name) != name_bytes || memcmp(word->name, text, name_bytes) != 0 ||
            (word->is_request_only && !is_request)) {
            continue;
        }
        if ((*seen & 1u << i) != 0) {
            return "is said twice";
        }
        *seen |= 1u << i;
        if (equals == NULL || !word->read(words, equals + 1, bytes - name_bytes - 1)) {
            return "has a value that cannot be";
        }
        return NULL;
    }
    return is_request ? "is none of host, port, protocol, direction, snap, count, bytes, seconds"
                      : "is none of host, port, protocol, direction, snap";
}

static int read_words(struct capture_words *words, const char *text, size_t bytes, bool is_request,
                      char reason[CAPTURE_REASON_BYTES])
{
    const char *end = text + bytes;
    uint32_t seen = 0;

    for (const char *at = text; at < end;) {
        const char *separator = memchr(at, is_request ? '&' : ',', (size_t)(end - at));
        size_t word_bytes = (size_t)((separator != NULL ? separator : end) - at);
        const char *why = read_word(words, at, word_bytes, is_request, &seen);

        if (why != NULL) {
            return refuse(words, reason, at, word_bytes, why);
        }
        at += word_bytes + 1;
    }
    return 0;
}

int capture_read_query(const char *text, size_t bytes, struct capture_words *words,
                       char reason[CAPTURE_REASON_BYTES])
{
    *words = (struct capture_words){
        .filter = capture_filter_all(), .frame_most = UINT64_MAX, .byte_most = CAPTURE_BYTES_MAX};
    return read_words(words, text, bytes, true, reason);
}

static bool is_word(const char *text, size_t bytes, const char *word)
{
    return strlen(word) == bytes && memcmp(word, text, bytes) == 0;
}

/* The largest power of two that is not more. */
static uint64_t round_down(uint64_t bytes)
{
    return UINT64_C(1) << (63 - __builtin_clzll(bytes));
}

int capture_read_option(const char *text, size_t bytes, struct capture_words *words,
                        char reason[CAPTURE_REASON_BYTES])
{
    const char *comma = memchr(text, ',', bytes);
    size_t first_bytes = comma != NULL ? (size_t)(comma - text) : bytes;
    uint64_t ring_bytes = CAPTURE_RING_DEFAULT_BYTES;
    bool is_off = is_word(text, first_bytes, "off");
    size_t rest = comma != NULL ? first_bytes + 1 : bytes;

    *words = (struct capture_words){.filter = capture_filter_all()};
    if (!is_off && !is_word(text, first_bytes, "on") &&
        (number_parse_size(text, first_bytes, &ring_bytes) != 0 ||
         ring_bytes < CAPTURE_RING_MIN_BYTES || ring_bytes > CAPTURE_RING_MAX_BYTES)) {
        return refuse(words, reason, text, first_bytes, "is neither on nor 64K to 1G of memory");
    }
    if (read_words(words, text + rest, bytes - rest, false, reason) != 0) {
        return -EINVAL;
    }
    words->ring_bytes = is_off ? 0 : round_down(ring_bytes);
    return 0;
}

/* --- Text --- */

void capture_filter_print(const struct capture_filter *filter, char text[CAPTURE_FILTER_TEXT_BYTES])
{
    char host[ADDRESS_IPV4_TEXT_BYTES];
    struct output output;

    output_start(&output, text, CAPTURE_FILTER_TEXT_BYTES);
    if (filter->protocols != CAPTURE_PROTOCOLS) {
        const char *before = "";

        for (unsigned i = 0; i < ARRAY_COUNT(protocol_names); i++) {
            if ((filter->protocols & protocol_names[i].bits) != 0) {
                format_append(&output, "%s%s", before, protocol_names[i].name);
                before = " or ";
            }
        }
        output_append_string(&output, " ");
    }
    if (filter->host != 0) {
        address_print_ipv4(filter->host, host);
        format_append(&output, "host %s ", host);
    }
    if (filter->port != 0) {
        format_append(&output, "port %u ", filter->port);
    }
    format_append(&output, "%s, %u bytes each",
                  filter->directions == CAPTURE_IN    ? "in"
                  : filter->directions == CAPTURE_OUT ? "out"
                                                      : "in and out",
                  filter->snap_bytes);
}

bool capture_filter_is_valid(const struct capture_filter *filter)
{
    return filter->snap_bytes >= CAPTURE_SNAP_MIN_BYTES &&
           filter->snap_bytes <= CAPTURE_SNAP_MAX_BYTES && filter->protocols != 0 &&
           (filter->protocols & ~CAPTURE_PROTOCOLS) == 0 && filter->directions != 0 &&
           (filter->directions & ~CAPTURE_DIRECTIONS) == 0;
}

/* --- Frames --- */

/* What there is of it; addresses as they stand on the wire. */
struct sight {
    uint8_t protocol;
    bool has_addresses, has_ports;
    uint32_t source, destination;
    uint16_t source_port, destination_port;
};

static void see_ipv4(struct sight *sight, const uint8_t *ip, size_t bytes)
{
    unsigned header_bytes;
    uint8_t protocol;

    if (bytes < IPV4_HEADER_MIN_BYTES || ip[0] >> 4 != 4) {
        return;
    }
    protocol = ip[IPV4_PROTOCOL_OFFSET];
    sight->has_addresses = true;
    memcpy(&sight->source, ip + IPV4_SOURCE_OFFSET, 4);
    memcpy(&sight->destination, ip + IPV4_DESTINATION_OFFSET, 4);
    sight->protocol = protocol == IPV4_PROTOCOL_TCP    ? CAPTURE_TCP
                      : protocol == IPV4_PROTOCOL_UDP  ? CAPTURE_UDP
                      : protocol == IPV4_PROTOCOL_ICMP ? CAPTURE_ICMP
                                                       : CAPTURE_OTHER;
    header_bytes = ipv4_header_bytes(ip);
    if ((sight->protocol & (CAPTURE_TCP | CAPTURE_UDP)) == 0 ||
        header_bytes < IPV4_HEADER_MIN_BYTES || bytes < header_bytes + PORTS_BYTES ||
        (load_be16(ip + IPV4_FRAGMENT_OFFSET) & IPV4_OFFSET_MASK) != 0) {
        return;
    }
    sight->has_ports = true;
    sight->source_port = load_be16(ip + header_bytes);
    sight->destination_port = load_be16(ip + header_bytes + 2);
}

static struct sight see(const uint8_t *frame, size_t bytes)
{
    struct sight sight = {.protocol = CAPTURE_OTHER};
    const uint8_t *packet = frame + ETHERNET_HEADER_BYTES;

    if (bytes < ETHERNET_HEADER_BYTES) {
        return sight;
    }
    bytes -= ETHERNET_HEADER_BYTES;
    switch (load_be16(frame + ETHERNET_TYPE_OFFSET)) {
    case ETHERNET_TYPE_IPV4:
        see_ipv4(&sight, packet, bytes);
        break;
    case ETHERNET_TYPE_ARP:
        sight.protocol = CAPTURE_ARP;
        sight.has_addresses = bytes >= ARP_BYTES;
        if (sight.has_addresses) {
            memcpy(&sight.source, packet + ARP_SENDER_OFFSET, 4);
            memcpy(&sight.destination, packet + ARP_TARGET_OFFSET, 4);
        }
        break;
    default:
        break;
    }
    return sight;
}

bool capture_filter_wants(const struct capture_filter *filter, unsigned direction,
                          const uint8_t *frame, size_t bytes)
{
    struct sight sight;

    if ((filter->directions & direction) == 0) {
        return false;
    }
    if (filter->host == 0 && filter->port == 0 && filter->protocols == CAPTURE_PROTOCOLS) {
        return true;
    }
    sight = see(frame, bytes);
    return (filter->protocols & sight.protocol) != 0 &&
           (filter->host == 0 || (sight.has_addresses && (sight.source == filter->host ||
                                                          sight.destination == filter->host))) &&
           (filter->port == 0 || (sight.has_ports && (sight.source_port == filter->port ||
                                                      sight.destination_port == filter->port)));
}

bool capture_is_of_peer(const struct capture_peer *peer, unsigned direction, const uint8_t *frame,
                        size_t bytes)
{
    struct sight sight;

    if (peer->port == 0) {
        return false;
    }
    sight = see(frame, bytes);
    if (sight.protocol != CAPTURE_TCP || !sight.has_ports) {
        return false;
    }
    return direction == CAPTURE_IN
               ? sight.source == peer->address && sight.source_port == peer->port
               : sight.destination == peer->address && sight.destination_port == peer->port;
}
