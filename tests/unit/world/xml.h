/* SPDX-License-Identifier: MIT */
/*
 * Reads XML, as far as pictures have it: elements, attributes, text, numeric character references
 * and the five names that XML knows itself.
 */
#pragma once

#include <stddef.h>

/* Fails the test unless `text` is elements with text between, every one ended in its place. */
void assert_well_formed(const char *text);
/* How many elements of that name there are. */
unsigned count_elements(const char *text, const char *name);
