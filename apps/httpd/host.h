/* SPDX-License-Identifier: MIT */
/*
 * What the web server tells the system it runs on, beyond POSIX: a few calls, answered by
 * host_talus.c and linux/host.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Which of the machine's nodes it runs on; 0 where there are none. */
unsigned host_node(void);
/* A name for it that others know, in one word. */
#define HOST_NAME_BYTES 256
void host_name(char name[HOST_NAME_BYTES]);
/* The server accepts connections on this port: say where, in the one line that people and
 * harnesses wait for. */
void host_announce(uint16_t port);
/* Whether this connection shall end with the answer under way, or soon without one: whoever keeps
 * its state is about to go, or the machine is. All that may have changed for are told by an event
 * that there is room to send. */
bool host_is_ending(int fd);
/* As recv(fd, buffer, bytes, 0), but what has come may be left where it lies: *data is where it is
 * until the next call that may wait, and is only read. */
ssize_t host_receive(int fd, void *buffer, size_t bytes, const void **data);
/* A request has been answered. */
void host_count_request(void);
/* A round of the event loop is over: what it has answered leaves now. */
void host_end_round(void);
/* A client was sent away, or lost, for lack of room. */
void host_count_turned_away(void);
/* So many lines of httpd.cfg are wrong. */
void host_count_wrong_lines(unsigned count);
/* A request was refused with this status. */
void host_note_refusal(unsigned status);
/* Add pages that only this system has, at the start. */
void host_add_pages(void);
/* A line of the access log has been sent, or is lost. */
void host_count_access_line(bool is_sent);
