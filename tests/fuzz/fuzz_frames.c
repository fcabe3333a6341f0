/* SPDX-License-Identifier: MIT */
/* sources: tests/fuzz/world/node.c tests/fuzz/world/clients.c tests/fuzz/world/application.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h -DTIMEWAIT_BLOCK_ENTRIES=64u */
/* library: lwip */
/* objects: node */
/*
 * The input is a program: what clients and strangers send to a whole node, what its application
 * does, and what happens to clock, card and memory. The node survives, sends what is right, keeps
 * nothing, and serves the next client.
 */
#include "tests/fuzz/world/application.h"
#include "tests/fuzz/world/clients.h"
#include "tests/fuzz/world/node.h"

#define ACTION_MAX   400u
#define ANSWER_BYTES 1000u

void fuzz_one(const uint8_t *bytes, size_t count)
{
    struct fuzz_input input = {.at = bytes, .left = count};

    clients_start(true);
    node_start(&input, "pika=TS1LS1CM1 app=fuzz:1@ts", 0, 1);
    application_start();
    for (unsigned i = 0; i < ACTION_MAX && input.left > 0; i++) {
        switch (fuzz_take8(&input) % 8u) {
        case 0:
            node_act(&input);
            break;
        case 1:
        case 2:
        case 3:
            application_act(&input);
            break;
        default:
            clients_act(&input);
            break;
        }
    }
    clients_leave();
    node_finish();
    /* It serves as on the first day. */
    application_start();
    clients_ask();
    application_answer(ANSWER_BYTES);
    FUZZ_CHECK(clients_answer_bytes() == ANSWER_BYTES + 1); /* with the FIN */
}
