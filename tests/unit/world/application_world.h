/* SPDX-License-Identifier: MIT */
/*
 * The world of an application's node for unit tests: node 2 of 4 runs the application, nodes 0 and
 * 1, which the test plays, are composite servers.
 */
#pragma once

#include "net/configuration.h"
#include "net/messages.h"

#define NODE   2
#define TS     1
#define PORT   80
#define WINDOW 8000 /* fits the ring of a channel */

extern struct configuration configuration;
extern node_id_t own_cm;

/* Become that node. Messages are not yet registered. */
void start_application_node(void);

/*
 * A test that leaves nothing behind: no stream, no block of memory, no thread that waits. It runs
 * twice, because objects are kept for reuse: what the second run adds is lost. `set_up` and
 * `tear_down`, which may be NULL, are run around each. An entry for cmocka's list.
 */
#define CONSERVED_TEST(name, set_up, tear_down)                                                    \
    {                                                                                              \
#name, run_conserved_test, NULL, NULL, &(struct conserved_test)                            \
        {                                                                                          \
            name, set_up, tear_down                                                                \
        }                                                                                          \
    }
struct conserved_test {
    void (*test)(void **state);
    int (*set_up)(void **state);
    int (*tear_down)(void **state);
};
void run_conserved_test(void **state);

/* --- What the servers say --- */

void make_available(uint32_t index, uint32_t generation, const char *data);
/* One that was claimed in advance, with WINDOW; and its TS wants it back. */
void grant(uint32_t index, uint32_t generation, const char *data);
void recall(uint32_t index, uint32_t generation);
void confirm(uint32_t index, uint32_t generation, uint32_t stream_index, const char *data);
void reject(uint32_t index, uint32_t generation, uint32_t stream_index);
void deliver_data(uint32_t stream_index, uint32_t generation, const void *bytes, size_t length);
void close_by_peer(uint32_t stream_index, uint32_t generation);
void fail_connection(uint32_t stream_index, uint32_t generation, uint32_t error_number);
void give_credit(uint32_t stream_index, uint32_t generation, uint32_t bytes);
/* The same, and from then on so much may be under way. */
void widen_window(uint32_t stream_index, uint32_t generation, uint32_t bytes,
                  uint32_t window_bytes);

/* --- What the application does --- */

struct stream;
/* stream_send() of one piece. */
int64_t send_bytes(struct stream *stream, const void *bytes, size_t length);

/* --- What they are told --- */

/* Take the claim of that connection; returns the application's name for it. */
uint32_t expect_claim(uint32_t index, uint32_t generation);
void expect_decline(uint32_t index, uint32_t generation);
/* By every CM. */
void expect_listen(uint32_t backlog);
void expect_unlisten(void);
/* The node's own CM is asked for a place on the acceptor list. */
void expect_place_request(void);
/* Of connection 7. */
const struct close *expect_close(enum close_kind kind);
