/* SPDX-License-Identifier: MIT */
/*
 * The table of connections: gives them the names used in messages, an index and a generation that
 * counts the uses of that entry. An entry never moves.
 */
#pragma once

#include "kernel/base.h"

struct connection;

/*
 * How many there can be follows the node's memory: one for each KiB, of which it takes little more
 * than a third while it is idle; at least and at most so many (gauge tcp_connections_max). Beyond
 * it a SYN is not taken (DROP_TABLE_FULL): the peer asks again.
 */
#define CONNECTION_SHARE_BYTES 1024u
#define CONNECTION_LEAST       8192u
#define CONNECTION_MAX         (1u << 20)

/* Before any other call. */
void connection_table_initialise(void);
/* The most that there can be on this node. */
uint32_t connection_table_limit(void);

/* A new connection of that address in state ASSIGNED, without bytes, its block to be opened
 * (tcb_open()). NULL when the table does not allow it or memory is short. */
struct connection *connection_allocate(uint32_t remote_address);
/* Frees the entry and what it still holds. It must be DETACHED, done with by TCP, and neither
 * hashed nor dirty; its flow says whose it was. */
void connection_release(struct connection *connection);
/* The live connection of that name; NULL if there is none. Any numbers will do. */
struct connection *connection_find(uint32_t index, uint32_t generation);
/* Whether there was one of that name, or is. */
bool connection_has_been(uint32_t index, uint32_t generation);
/* By index alone, for walks over 0 .. connection_table_size() - 1. NULL if the entry is free. */
struct connection *connection_at(uint32_t index);
uint32_t connection_table_size(void);
/* How many live. */
uint32_t connection_table_count(void);
/* Each that lives; it may end meanwhile. Long for a large table, so the others are told that the
 * node goes on (status_note_progress()). */
void connection_for_each(void (*visit)(struct connection *connection, void *context),
                         void *context);
/* Whether as many as there can be live now. */
bool connection_table_is_full(void);
/* Whether this address may have one more (share.h): while less than two thirds of the table are in
 * use each may. How many it has, as far as they are counted. */
bool connection_table_allows(uint32_t remote_address);
uint32_t connection_count_of(uint32_t remote_address);
/* Whether the node takes one more, of this address; counted, and noted in the log, if not. */
MUST_CHECK bool connection_admit(uint32_t remote_address);
