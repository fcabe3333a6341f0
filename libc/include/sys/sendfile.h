/* SPDX-License-Identifier: MIT */
/* From a file to a descriptor (Linux). */
#pragma once

#include <sys/types.h>

ssize_t sendfile(int to, int from, off_t *offset, size_t bytes);
