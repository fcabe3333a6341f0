/* SPDX-License-Identifier: MIT */
/*
 * The steering scheme: see steering.h.
 */
#include "net/steering.h"

#include <errno.h>
#include <string.h>

#include "libc/core/command_line.h"
#include "libc/core/format.h"

node_id_t steering_ls(const struct configuration *configuration, unsigned group)
{
    const unsigned ts_count = configuration->ts_count;
    uint64_t place = steering_place(configuration, group) * (uint64_t)ts_count;
    unsigned piece = (unsigned)(place >> 32);
    unsigned spare_count = (configuration->spare_ls_count + ts_count - 1 - piece) / ts_count;
    unsigned part = (unsigned)((uint64_t)(uint32_t)place * (1 + spare_count) >> 32);

    return part == 0 ? configuration_own_ls(configuration, configuration->flow_owners[piece])
                     : configuration->spare_ls[piece + (part - 1) * ts_count];
}

node_id_t steering_port_owner(const struct configuration *configuration, uint16_t port)
{
    uint32_t number = port - EPHEMERAL_FIRST;
    unsigned i;

    if (port < EPHEMERAL_FIRST) {
        return NODE_NONE;
    }
    i = number * configuration->ts_count >> EPHEMERAL_COUNT_LOG;
    while (i + 1 < configuration->ts_count &&
           steering_block_start(configuration, i + 1) <= number) {
        i++; /* where a block begins between two ports */
    }
    return configuration->ts[i];
}

#define WORD_BYTES 16 /* the longest word that can be right is shorter */

int steering_parse(struct configuration *configuration, const char *line, char *reason,
                   size_t reason_bytes)
{
    char word[WORD_BYTES];
    int length = command_line_copy(line, "steer", word, sizeof(word));

    configuration->steering = STEERING_SOURCE12;
    if (length == -ENOENT || (length >= 0 && strcmp(word, "source12") == 0)) {
        return 0;
    }
    if (length < 0 || strcmp(word, "xor6") != 0) {
        (void)format_text(reason, reason_bytes, "steer=: source12 or xor6 is expected");
        return -EINVAL;
    }
    if (configuration->ts_count > STEERING_XOR6_TS_MAX) {
        (void)format_text(reason, reason_bytes,
                          "steer=xor6 has flows for %u transport servers, there are %u",
                          STEERING_XOR6_TS_MAX, configuration->ts_count);
        return -EINVAL;
    }
    configuration->steering = STEERING_XOR6;
    return 0;
}

void steering_fold(struct configuration *configuration)
{
    if (configuration->ts_count <= STEERING_FOLDED_TS_MAX) {
        configuration->steering = configuration->steering == STEERING_XOR6
                                      ? STEERING_XOR6_FOLDED
                                      : STEERING_SOURCE12_FOLDED;
    }
}
