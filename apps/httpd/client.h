/* SPDX-License-Identifier: MIT */
/*
 * One client's connection: requests in, responses out, in order; and how long it may take.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "apps/httpd/work.h"

/* What a client is waited for. Each has its own time limit. */
enum client_wait {
    WAIT_REQUEST, /* the rest of a request, or the first one */
    WAIT_IDLE,    /* the next request of a kept-alive connection */
    WAIT_ENDING,  /* the same of one that shall end: host_is_ending() */
    WAIT_SEND,    /* room to send */
    WAIT_LINGER,  /* the end of what it sends, after the last response */
    WAIT_COUNT,
    WAIT_NOT = WAIT_COUNT, /* on no list */
};

/* All that an idle one costs: no request is under way, or the shared work serves. */
struct client {
    int fd;
    uint8_t wait;       /* enum client_wait: which list it stands on */
    bool is_watched;    /* by the epoll */
    bool is_sending;    /* `response` is not sent whole */
    bool is_last;       /* close when it is */
    bool must_linger;   /* unread bytes may still come: a close would reset the connection */
    bool has_requested; /* at least one request was answered */
    /* Of `input`. */
    uint16_t input_bytes, input_parsed, input_capacity;
    uint64_t deadline_ms;
    struct client *next, *previous;
    struct work *work; /* its own, while it is waited for in the middle of it; else NULL */
    /* Bytes of a request that is not complete, or of those behind a response not yet sent. */
    char *input;
};

/* How long a kept-alive connection may be idle, where nobody says otherwise. */
#define CLIENT_IDLE_S 60u

/* The epoll that watches the clients, and how long they may be idle; before any other call. */
void client_start(int epoll_fd, unsigned idle_s);
/* The time from here on. */
void client_set_time(uint64_t now_ms);

/* Serve a fresh connection: often its request is there already, and it is over at once. Without
 * memory for it, turn it away. */
void client_open(int fd);
/* Answer 503 and close: there are as many clients as there can be. Counted. */
void client_turn_away(int fd);
/* Something has happened to it. May be gone afterwards. `events` as epoll tells them. */
void client_handle_events(struct client *client, uint32_t events);
/* With many clients, of each that client_handle_events() is called for soon: have it fetched into
 * the cache; and later, when that is so, what it is linked to. */
bool client_is_to_be_expected(void);
void client_expect(const struct client *client);
void client_expect_links(const struct client *client);
/* Give up on those whose time is over; milliseconds until the next one's is, or -1. */
int client_expire(void);
/* How many there are. */
unsigned client_count(void);
