/* SPDX-License-Identifier: MIT */
/* Memory, numbers, sorting and the end of a program (C11 7.22). No floating point. */
#pragma once

#include <stddef.h>

#define EXIT_SUCCESS 0
#define EXIT_FAILURE 1
#define RAND_MAX     2147483647

void *malloc(size_t bytes);
void *calloc(size_t count, size_t bytes);
void *realloc(void *block, size_t bytes);
void free(void *block);

int atoi(const char *text);
long atol(const char *text);
long long atoll(const char *text);
long strtol(const char *restrict text, char **restrict end, int base);
unsigned long strtoul(const char *restrict text, char **restrict end, int base);
long long strtoll(const char *restrict text, char **restrict end, int base);
unsigned long long strtoull(const char *restrict text, char **restrict end, int base);

int abs(int value);
long labs(long value);
long long llabs(long long value);

void qsort(void *base, size_t count, size_t bytes, int (*compare)(const void *, const void *));
void *bsearch(const void *key, const void *base, size_t count, size_t bytes,
              int (*compare)(const void *, const void *));

int rand(void);
void srand(unsigned seed);

/* There is no environment: NULL for every name. */
char *getenv(const char *name);

/* Closes all descriptors and ends the calling thread; the status is logged. The node goes on. */
_Noreturn void exit(int status);
/* A failed program cannot be told from a failed node: halts this node. */
_Noreturn void abort(void);
