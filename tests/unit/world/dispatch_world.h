/* SPDX-License-Identifier: MIT */
/*
 * A dispatcher's world for unit tests: node 1 of 4 is under test, the others are the test's.
 */
#pragma once

#include "kernel/message/message.h"

#define NODE       1
#define TYPE       20
#define OTHER_TYPE 21

struct number {
    struct message_header header;
    uint32_t number;
    uint32_t reserved;
};

#define HANDLED_MAX 256

struct handled {
    node_id_t from;
    uint16_t type;
    uint32_t number;
    uint16_t length_bytes;
};

/* What note_message(), the handler of TYPE, was called with. */
extern struct handled handled[HANDLED_MAX];
extern unsigned handled_count;
void note_message(node_id_t from, const struct message *message);

/* A test's set-up. */
int start_dispatcher(void **state);
/* Its tear-down: posted messages and memory are back at what they were, no thread has a turn left
 * or waits for one.
 */
int finish_dispatcher(void **state);

struct number number_message(uint32_t number);
void deliver_number(node_id_t from, uint32_t number);
int send_number(node_id_t to, uint32_t number);
void post_number(node_id_t to, uint32_t number);
void expect_number(node_id_t to, uint32_t number);
/* With numbers from 0 on; returns how many it took. */
unsigned fill_channel(node_id_t to);
void kill_node_2(void);
