/* SPDX-License-Identifier: MIT */
/*
 * The image at other addresses than it was linked at. All of it moves by one slide, so only what is
 * absolute changes: words of the image that hold an address of the image. boot/relocations.awk
 * lists them from what the linker emits, in a table behind the image.
 */
#pragma once

#include "kernel/base.h"

/* Where the word lies, counted from the image's start; with this bit, it has 64 bits and not 32. */
#define RELOCATION_IS_64_BITS BIT(31)

struct relocations {
    const uint32_t *entries; /* in ascending order */
    size_t count;
};

/* Whether all of them lie one behind the other in these bytes of the image. */
bool relocations_are_within(const struct relocations *relocations, size_t start, size_t end);

/*
 * Copy so many bytes of the image, from offset `start` on, as they are at addresses `slide` higher.
 *
 * image  what would be the image's first byte: of the rest only what is copied is read, and the
 *        rest of words that reach into it
 */
void relocations_copy(const struct relocations *relocations, uint8_t *to, const uint8_t *image,
                      size_t start, size_t bytes, uint64_t slide);
/* Whether `copy` is what that would make. */
bool relocations_match(const struct relocations *relocations, const uint8_t *copy,
                       const uint8_t *image, size_t start, size_t bytes, uint64_t slide);
