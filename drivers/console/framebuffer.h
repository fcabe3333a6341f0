/* SPDX-License-Identifier: MIT */
/*
 * Characters as pixels in a linear framebuffer: any layout of red, green and blue in 15 to 32 bits.
 * The memory is only written: reading it back costs a bus transaction each time.
 */
#pragma once

#include "kernel/base.h"

struct framebuffer_info;

/*
 * Draw there from now on. `pixels` is where info->paddr is mapped.
 *
 * Returns false when the description makes no sense: an unknown pixel size, colours outside the
 * pixel, lines longer than their pitch, not even one character wide or high.
 */
bool framebuffer_open(const struct framebuffer_info *info, void *pixels);
/* Bytes from the first line to the end of the last; 0 when the description makes no sense. */
uint64_t framebuffer_bytes(const struct framebuffer_info *info);

/* How many characters fit. Glyphs are enlarged until no more than SCREEN_COLUMNS_MAX by
 * SCREEN_ROWS_MAX of them do: twice at 3840 x 2160. */
unsigned framebuffer_columns(void);
unsigned framebuffer_rows(void);

/* Draw one character. Outside the screen it does nothing. */
void framebuffer_draw(unsigned column, unsigned row, char character, bool is_inverse);
