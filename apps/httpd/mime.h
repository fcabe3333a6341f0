/* SPDX-License-Identifier: MIT */
/*
 * Media types by the end of a file's name (IANA's registry of media types).
 */
#pragma once

#include <stddef.h>

/* The value of Content-Type, with the charset for text; "application/octet-stream" otherwise. */
const char *mime_type(const char *path, size_t path_bytes);
