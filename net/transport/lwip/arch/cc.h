/* SPDX-License-Identifier: MIT */
/*
 * What lwIP asks of compiler and platform.
 */
#pragma once

#include "kernel/platform.h"
#include "libc/core/bytes.h"

/* The compiler does these in one instruction; lwIP 2.1's own are calls. */
#define lwip_htons(value) swap16(value)
#define lwip_htonl(value) swap32(value)

/* Freestanding code has no memcpy that the compiler may do in place: say so where it is short. */
#define MEMCPY(to, from, bytes)  __builtin_memcpy(to, from, bytes)
#define SMEMCPY(to, from, bytes) __builtin_memcpy(to, from, bytes)

#define LWIP_NO_STDINT_H   0
#define LWIP_NO_INTTYPES_H 0
#define LWIP_NO_CTYPE_H    1
#define LWIP_NO_UNISTD_H   1
#define SSIZE_MAX          INT64_MAX
typedef int64_t ssize_t_of_lwip;
#define ssize_t ssize_t_of_lwip

/* A stack whose invariants are broken may not go on: this node halts, the others do not. */
#define LWIP_PLATFORM_ASSERT(text) PANIC("lwIP: %s", text)
#define LWIP_PLATFORM_DIAG(arguments)

#define LWIP_RAND() ((uint32_t)platform_random())
