/* SPDX-License-Identifier: MIT */
/*
 * A client of httpd for unit tests of its client.c: one connection, which the test plays, as it
 * does the clock and the memory that is left. Tests are built with the flags that put the calls
 * here in place of the system's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;

#define FD         7
#define HOST       "Host: a\r\n"
#define PAGE_BYTES 100000
/* Of so many bytes each: written for the request, and a file of an archive. */
#define GET_PAGE   "GET /page HTTP/1.1\r\n" HOST "\r\n"
#define GET_FILE   "GET /file HTTP/1.1\r\n" HOST "\r\n"

#define NOW_S 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */

/* The connection. */
struct http_connection {
    const char *input; /* what the client has sent and is not read */
    bool has_ended;    /* and behind it nothing follows */
    unsigned reads;
    size_t room_bytes; /* that can be sent */
    int send_error;    /* instead, if not 0 */
    char sent[3 * PAGE_BYTES];
    size_t sent_bytes;
    bool is_shut, is_closed;
    bool has_unread;     /* when it was closed: that is a reset */
    unsigned send_count; /* calls */
    struct client *client;
};

extern struct http_connection wire;
extern unsigned turned_away_count;
extern unsigned refusal_status;
extern unsigned blocks_left; /* so many can be had */
extern bool has_no_watch;
extern bool is_ending;             /* its node goes */
extern char http_file[PAGE_BYTES]; /* what /file holds */

/* For a group of tests, and for each of them. Nothing of a client may stay behind, however it
 * ended. */
int http_set_up_group(void **state);
int http_set_up(void **state);
int http_tear_down(void **state);
#define HTTP_TEST(name) cmocka_unit_test_setup_teardown(name, http_set_up, http_tear_down)

/* Let time pass. */
void advance(uint64_t ms);
/* The client ends its side, which ends the connection. */
void end_client(void);
bool has_sent(const char *text);
unsigned count_sent(const char *text);
