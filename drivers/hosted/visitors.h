/* SPDX-License-Identifier: MIT */
/*
 * Clients of a web server, made up: they live behind the card in memory (memory.c), open TCP
 * connections to the node that drives it, ask for a page over and over and check what comes. They
 * stand on nothing of net/, so that a mistake there is not made twice.
 *
 * The server is SERVER_ADDRESS and its gateway GATEWAY_ADDRESS, by which every client comes; each
 * connection has an address and a port of its own.
 */
#pragma once

#include "drivers/hosted/setting.h"
#include "drivers/nic/frame.h"
#include "kernel/base.h"

/* Chosen of what is reserved for examples (RFC 5737): 192.0.2.10 and 192.0.2.1. */
#define VISITORS_SERVER_ADDRESS  0xC000020Au
#define VISITORS_GATEWAY_ADDRESS 0xC0000201u

/* Begin. */
void visitors_start(const struct visitors_setting *setting, const uint8_t server_mac[6]);
/* A frame that the server has sent: lost, or taken in at once. */
void visitors_take(const struct frame_to_send *frame);
/* Acknowledge what has been taken in: after the last frame of a batch. */
void visitors_end_batch(void);
/* Send again what has not been answered for long. To be called now and then. */
void visitors_look_at_clock(uint64_t now_ns);

/* The end: all requests have been answered. */
bool visitors_is_done(void);
/* And all connections are closed. */
bool visitors_are_gone(void);
/* How many requests have been answered so far. */
uint64_t visitors_answered(void);
/* The log is told what happened. Returns whether all that was asked for came, and was right. */
bool visitors_report(void);

/* --- What the card gives --- */

/* Room for a frame to the server, FRAME_BUFFER_BYTES; NULL when there is none: it is lost. */
uint8_t *memory_card_reserve(void);
/* The frame that stands there goes to the server. */
void memory_card_deliver(size_t length_bytes, unsigned frame_flags);
