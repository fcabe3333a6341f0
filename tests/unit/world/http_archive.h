/* SPDX-License-Identifier: MIT */
/*
 * Tar archives for unit tests of httpd's site: files are added one by one, then the site takes the
 * archive. Their time is Sun, 06 Nov 1994 08:49:37 GMT.
 */
#pragma once

#include <stddef.h>

void add_file(const char *name, const char *content, size_t bytes);
void add_text(const char *name, const char *content);
/* Returns how many files the site took; the next archive begins empty. */
int finish_archive(void);
/* The same for the root: its httpd.cfg is obeyed. Once. */
int finish_root(void);
