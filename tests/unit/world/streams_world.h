/* SPDX-License-Identifier: MIT */
/*
 * Three accepted connections of one listener for unit tests of sockets. Tests name socket_world.c
 * and application_world.c too, and are built with rename_sockets.h.
 */
#pragma once

#include "tests/unit/world/socket_world.h"

#define STREAMS 3u

/* Connections 1 to 3, generation 1, non-blocking. */
struct open_stream {
    int fd;
    uint32_t stream_index;
};
extern struct open_stream streams[STREAMS];
extern int listener;

void open_streams(void);
void close_streams(void);
/* A byte comes on this one; all that has come is read. */
void come(unsigned number);
void read_all(unsigned number);
/* As many as any thread needs to get to where it waits. */
void run_rounds(void);
