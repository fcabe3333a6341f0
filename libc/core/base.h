/* SPDX-License-Identifier: MIT */
/*
 * Small macros that every file may use.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_argument)                                                  \
    __attribute__((format(printf, format_index, first_argument)))

/* What objects call that are compiled by themselves, assembly above all: the whole-program link of
 * all others (boot/boot.mk) must leave it be. */
#define CALLED_FROM_OUTSIDE __attribute__((externally_visible))

/* A function of the packet path without an array on its stack, over whose end anything could be
 * written: the stack's guard would cost it six instructions each time. */
#define NO_STACK_GUARD __attribute__((no_stack_protector))

#define LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#define ARRAY_COUNT(array)                  (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* Powers of two only. */
#define ALIGN_DOWN(value, alignment) ((value) & ~((__typeof__(value))(alignment)-1))
#define ALIGN_UP(value, alignment)   ALIGN_DOWN((value) + (alignment)-1, alignment)
#define IS_POWER_OF_TWO(value)       ((value) != 0 && ((value) & ((value)-1)) == 0)

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

/* Checks that cost on the packet path are on in unit tests and in one image for tests. */
#ifdef TALUS_SLOW_CHECKS
#define HAS_SLOW_CHECKS true
#else
#define HAS_SLOW_CHECKS false
#endif
