/* SPDX-License-Identifier: MIT */
/* sources: tests/fuzz/world/node.c tests/fuzz/world/clients.c tests/fuzz/world/application.c tests/fuzz/world/peers.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h -DTIMEWAIT_BLOCK_ENTRIES=64u */
/* library: lwip */
/* objects: node */
/*
 * The input is a program: what faulty nodes send to one that has some of the roles, or all,
 * while its clients and its application go on. The node survives each message in each state, and
 * when the others are dead nothing is left of what they had here; one that has all roles serves on.
 */
#include "tests/fuzz/world/application.h"
#include "tests/fuzz/world/clients.h"
#include "tests/fuzz/world/node.h"
#include "tests/fuzz/world/peers.h"

#define ACTION_MAX   400u
#define ANSWER_BYTES 1000u

/* Which roles the node has, and the others. */
static const struct {
    const char *words;
    uint8_t node, node_count;
    bool is_whole; /* can serve alone */
} machines[] = {
    /* clang-format off: a table */
    {"pika=TS3LS3CM3 app=fuzz:3@ts", 0, 3, true}, {"pika=TS3LS3CM3 app=fuzz:3@ts", 1, 3},
    {"pika=TS1LS1CM1 app=fuzz:2", 0, 3},          {"pika=TS1LS1CM1 app=fuzz:2", 2, 3},
    {"pika=TS1+LS1+CM1 app=fuzz:1", 0, 4},        {"pika=TS1+LS1+CM1 app=fuzz:1", 1, 4},
    {"pika=TS1+LS1+CM1 app=fuzz:1", 2, 4},        {"pika=TS2LS2CM2 app=fuzz:2", 3, 4},
    /* clang-format on */
};

void fuzz_one(const uint8_t *bytes, size_t count)
{
    struct fuzz_input input = {.at = bytes, .left = count};
    uint8_t machine = fuzz_take8(&input) % (sizeof(machines) / sizeof(machines[0]));

    clients_start(false);
    node_start(&input, machines[machine].words, machines[machine].node,
               machines[machine].node_count);
    application_start();
    for (unsigned i = 0; i < ACTION_MAX && input.left > 0; i++) {
        switch (fuzz_take8(&input) % 8u) {
        case 0:
            node_act(&input);
            break;
        case 1:
            application_act(&input);
            break;
        case 2:
        case 3:
            clients_act(&input);
            break;
        default:
            peers_act(&input);
            break;
        }
    }
    clients_leave();
    peers_die();
    node_finish();
    if (machines[machine].is_whole) {
        application_start();
        clients_ask();
        application_answer(ANSWER_BYTES);
        FUZZ_CHECK(clients_answer_bytes() == ANSWER_BYTES + 1); /* with the FIN */
    }
}
