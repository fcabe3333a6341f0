/* SPDX-License-Identifier: MIT */
/*
 * The table of messages as numbers: how long each is, and who may send it.
 */
#include "net/messages.h"

#include "kernel/platform.h"
#include "net/configuration.h"

/* By the words in the table's column `from`. */
enum {
    SENDERS_APP = ROLE_APPLICATION,
    SENDERS_CM = ROLE_CM,
    SENDERS_TS = ROLE_TS,
    SENDERS_LS = ROLE_LS,
    SENDERS_LS_TS = ROLE_LS | ROLE_TS,
    SENDERS_TS_CM = ROLE_TS | ROLE_CM,
    SENDERS_ANY = ROLE_LS | ROLE_TS | ROLE_CM | ROLE_APPLICATION,
};

static const struct {
    uint8_t bytes;
    uint8_t senders; /* enum role, OR-ed */
} table[] = {
#define X(type, name, from, to)                                                                    \
    [type - MESSAGE_TYPE_FIRST_FREE] = {sizeof(struct name), SENDERS_##from},
    MESSAGE_TABLE(X)
#undef X
};

static unsigned row_of(uint16_t type)
{
    unsigned row = type - MESSAGE_TYPE_FIRST_FREE;

    ASSERT(type >= MESSAGE_TYPE_FIRST_FREE && row < ARRAY_COUNT(table));
    return row;
}

struct node_set net_message_senders(const struct configuration *configuration, uint16_t type)
{
    struct node_set nodes = {{0}};

    for (unsigned node = 0; node < configuration->node_count; node++) {
        if ((configuration->roles[node] & table[row_of(type)].senders) != 0) {
            node_set_add(&nodes, node);
        }
    }
    return nodes;
}

size_t net_message_bytes(uint16_t type)
{
    return table[row_of(type)].bytes;
}
