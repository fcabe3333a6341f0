/* SPDX-License-Identifier: MIT */
/*
 * What stands between a test and kernel/thread/switch.S knows of threads: see thread_sanitizer.c.
 */
#pragma once

/* Threads that have begun and not ended: all those that wait for something. */
unsigned threads_begun(void);
