/* SPDX-License-Identifier: MIT */
/*
 * An application's sockets for unit tests. Tests name application_world.c too, and are built with
 * rename_sockets.h.
 */
#pragma once

#include "tests/unit/world/application_world.h"

/* A test's set-up, and its end: nothing may be open any more. */
int start_sockets(void **state);
int end_sockets(void **state);
#define SOCKET_TEST(name) CONSERVED_TEST(name, start_sockets, end_sockets)

struct pair {
    int listener;
    int fd;
    uint32_t stream_index;
    uint32_t generation;
};

/* How often lines without an end were ended. */
extern unsigned socket_line_ends;

int open_listener(int backlog);
void close_listener(int fd);
/* The listener has nothing, and asks its CM for a place on the list. */
void expect_ask(int listener);
/* A connection (index 7, generation 3) that is accepted, non-blocking. */
struct pair open_connection(const char *data);
void close_pair(struct pair pair);

/* The call fails with that error. */
#define assert_fails(call, error_number)                                                           \
    do {                                                                                           \
        errno = 0;                                                                                 \
        assert_int_equal(call, -1);                                                                \
        assert_int_equal(errno, error_number);                                                     \
    } while (0)
