/* SPDX-License-Identifier: MIT */
/* Memory and strings (C11 7.24, and what POSIX adds). */
#pragma once

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *left, const void *right, size_t bytes);
void *memchr(const void *memory, int value, size_t bytes);
void *memrchr(const void *memory, int value, size_t bytes);
void *memmem(const void *memory, size_t bytes, const void *wanted, size_t wanted_bytes);

size_t strlen(const char *text);
size_t strnlen(const char *text, size_t limit);
int strcmp(const char *left, const char *right);
int strncmp(const char *left, const char *right, size_t limit);
char *strchr(const char *text, int character);
char *strrchr(const char *text, int character);
char *strstr(const char *text, const char *wanted);
size_t strspn(const char *text, const char *accepted);
size_t strcspn(const char *text, const char *refused);
char *strpbrk(const char *text, const char *accepted);
char *strtok_r(char *restrict text, const char *restrict separators, char **restrict rest);
char *strcpy(char *restrict to, const char *restrict from);
char *strncpy(char *restrict to, const char *restrict from, size_t limit);
char *strcat(char *restrict to, const char *restrict from);
char *strdup(const char *text);
char *strndup(const char *text, size_t limit);
char *strerror(int number);
