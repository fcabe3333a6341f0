/* SPDX-License-Identifier: MIT */
/*
 * Pages of another node that changes them between any two reads of the node under test: a node that
 * fetches a word twice gets two words. The pages cannot be touched; each instruction that tries to
 * is run alone, with the pages open, after the test has changed them.
 */
#pragma once

#include <stddef.h>

/* `change` is called before each instruction that touches these whole pages, and may write there.
 */
void hostile_page_start(void *pages, size_t bytes, void (*change)(void));
/* Returns how many instructions have touched them. */
unsigned hostile_page_stop(void);
