/* SPDX-License-Identifier: MIT */
/*
 * The line of status at the bottom of the screen: address, configuration, requests a second of the
 * nodes that answer any. It is put together at most once a second, and only while requests are
 * being answered or something it says has changed: an idle system sets no timer.
 */
#pragma once

#include "kernel/base.h"

#define STATUS_LINE_MAX_BYTES 256u

/* What the machine runs, in the paper's notation; cut to size. */
void status_line_set_configuration(const char *text);

/* The rest is for tests: the console's user, which keeps the line on the screen of the node that
 * has the console; its source's two parts; and the line itself, cut to size. */
void status_line_start(bool has_screen);
unsigned status_line_poll(void *context);
bool status_line_prepare_sleep(void *context);
void status_line_print(char *text, size_t size, uint64_t now_ns);
