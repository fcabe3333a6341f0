/* SPDX-License-Identifier: MIT */
/*
 * The text mode of a VGA: characters and their attributes in memory, the adapter draws.
 */
#pragma once

#include "kernel/base.h"

struct framebuffer_info;

/*
 * Whether a BIOS has left a colour VGA in its text mode of 80 by 25; fills *info if so. For loaders
 * that do not say: asks the BIOS's data area and then the memory itself, which must keep what is
 * written. `low_memory` is where physical address 0 is mapped, with at least 1 MiB behind it.
 */
bool vga_text_detect(struct framebuffer_info *info, uint8_t *low_memory);

/* Bytes of the text; 0 when the description makes no sense. */
uint64_t vga_text_bytes(const struct framebuffer_info *info);
/* Draw there from now on; `cells` is where info->paddr is mapped. False when the description makes
 * no sense. The adapter's own cursor is the caller's to hide: vga_text_hide_cursor(). */
bool vga_text_open(const struct framebuffer_info *info, void *cells);
void vga_text_hide_cursor(void);

/* Draw one character. Outside the screen it does nothing. */
void vga_text_draw(unsigned column, unsigned row, char character, bool is_inverse);
