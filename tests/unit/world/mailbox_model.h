/* SPDX-License-Identifier: MIT */
/*
 * Leads each access to a mailbox page to memory_model.c, for tests of the real sources under a
 * memory model. By -include, so that it comes before all else. The name of the function in which an
 * ordering stands is what a test calls it by.
 */
#pragma once

#include "kernel/message/mailbox.h"

uint32_t memory_model_load(const uint32_t *word);
uint32_t memory_model_load_acquire(const uint32_t *word, const char *function);
void memory_model_store(uint32_t *word, uint32_t value);
void memory_model_store_release(uint32_t *word, uint32_t value, const char *function);
void memory_model_copy_line(uint64_t *to, const uint64_t *from);
void memory_model_flush(const void *start, size_t bytes);
void memory_model_fence(const char *function);

#define mailbox_load(word)                 memory_model_load(word)
#define mailbox_load_acquire(word)         memory_model_load_acquire(word, __func__)
#define mailbox_store(word, value)         memory_model_store(word, value)
#define mailbox_store_release(word, value) memory_model_store_release(word, value, __func__)
#define mailbox_copy_line(to, from)        memory_model_copy_line(to, from)
#define mailbox_flush(start, bytes)        memory_model_flush(start, bytes)
#define mailbox_fence()                    memory_model_fence(__func__)
