/* SPDX-License-Identifier: MIT */
/*
 * What a boot entry or the UEFI shell gives a program: text in UCS-2, or any bytes at all, since
 * the specification (UEFI 2.10, 9.1) leaves the format to the program.
 */
#pragma once

#include "kernel/base.h"

/*
 * Write the words for the command line to text, cut to its size, with a NUL. The shell puts the
 * program's name in front of its words: a first word that ends in .efi is left out.
 *
 * Returns false, and no words, when the bytes are not printable ASCII in UCS-2.
 */
MUST_CHECK bool load_options_read(char *text, size_t size, const void *options, size_t bytes);
