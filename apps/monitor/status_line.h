/* SPDX-License-Identifier: MIT */
/*
 * The line of status at the bottom of the screen: address, configuration, requests a second of the
 * nodes that answer any. It is put together at most once a second, and only while requests are
 * being answered or something it says has changed: an idle system sets no timer.
 */
#pragma once

#include "kernel/base.h"

#define STATUS_LINE_MAX_BYTES 256u

/* Keep the line on the screen from now on, by the event loop of this node; again: start afresh. */
void status_line_start(void);
/* What the machine runs, in the paper's notation; cut to size. */
void status_line_set_configuration(const char *text);

/* For the event loop: look whether there is something new. Costs a comparison for all but one call
 * in a second. */
void status_line_poll(uint64_t now_ns);
/* Before sleep: if something is new that is not to be shown yet, have a timer show it. */
void status_line_prepare_sleep(void);

/* Put the line together: the text, cut to size, zero-terminated. */
void status_line_print(char *text, size_t size, uint64_t now_ns);
