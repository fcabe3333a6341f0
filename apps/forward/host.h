/* SPDX-License-Identifier: MIT */
/*
 * What forward tells the system it runs on, beyond POSIX: what it counts of each backend, and that
 * it is ready.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A port that it listens on, for each; then all of them are told, in the lines that people and
 * harnesses wait for, when there is an address; the last is about the status port, if it is not 0.
 */
void forward_announce(uint16_t port, unsigned backend_count);
void forward_announce_all(uint16_t status_port);
/* A connection to this backend begins, ends. */
void forward_count_begin(unsigned backend);
void forward_count_end(unsigned backend);
/* Bytes from its clients, or from it. */
void forward_count_bytes(unsigned backend, bool is_from_client, uint64_t bytes);
/* A backend did not accept, and another one was tried. */
void forward_count_retry(void);
void forward_note_health(unsigned backend, bool is_up);
/* A client was reset: no backend is there, or there is no room. */
void forward_count_refused(void);
