/* SPDX-License-Identifier: MIT */
/*
 * The font of the framebuffer console: printable ASCII in cells of 8 by 16 pixels, drawn for Talus.
 */
#pragma once

#include "kernel/base.h"

#define FONT_WIDTH  8u
#define FONT_HEIGHT 16u

/* Line `y` (0 .. FONT_HEIGHT - 1, from the top) of a character: the leftmost pixel is bit 7. What
 * is not printable looks like a space. */
uint8_t font_line(char character, unsigned y);
