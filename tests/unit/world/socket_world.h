/* SPDX-License-Identifier: MIT */
/*
 * The world of an application's sockets for unit tests: node 2 of 4 runs the application, nodes 0
 * and 1, which the test plays, are composite servers. Tests are built with rename_sockets.h.
 */
#pragma once

#include "net/messages.h"

#define NODE   2
#define TS     1
#define PORT   80
#define WINDOW 8000 /* fits the ring of a channel */

extern node_id_t own_cm;

/* A test's set-up. */
int start_sockets(void **state);

/* --- What the servers say --- */

void offer(uint32_t index, uint32_t generation, const char *data);
/* Take the claim of that connection; returns the application's name for it. */
uint32_t expect_claim(uint32_t index, uint32_t generation);
void confirm(uint32_t index, uint32_t generation, uint32_t socket_index, const char *data);
void reject(uint32_t index, uint32_t generation, uint32_t socket_index);
void deliver_data(uint32_t socket_index, uint32_t generation, const void *bytes, size_t length);
void close_by_peer(uint32_t socket_index, uint32_t generation);
void fail_connection(uint32_t socket_index, uint32_t generation, int error);
void give_credit(uint32_t socket_index, uint32_t generation, uint32_t bytes);

/* --- What most tests start from --- */

struct pair {
    int listener;
    int fd;
    uint32_t socket_index;
    uint32_t generation;
};

int open_listener(int backlog);
void close_listener(int fd);
/* The listener has nothing, and asks its CM for a place on the list. */
void expect_ask(int listener);
/* A connection (index 7, generation 3) that is accepted, non-blocking. */
struct pair open_connection(const char *data);
void close_pair(struct pair pair);
const struct close *expect_close(enum close_kind kind);
