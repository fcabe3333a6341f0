/* SPDX-License-Identifier: MIT */
/*
 * Applies the table of relocations. A word of 32 bits is one that the processor sign-extends, so
 * that it names the upper 2 GiB: as long as the image stays there, adding the slide in 32 bits is
 * right.
 */
#include "boot/relocate.h"

#include <string.h>

#include "libc/core/bits.h"
#include "libc/core/bytes.h"

#define WORD_MAX_BYTES sizeof(uint64_t)

static size_t place_of(uint32_t entry)
{
    return entry & ~RELOCATION_IS_64_BITS;
}

static size_t width_of(uint32_t entry)
{
    return entry & RELOCATION_IS_64_BITS ? sizeof(uint64_t) : sizeof(uint32_t);
}

bool relocations_are_within(const struct relocations *relocations, size_t start, size_t end)
{
    size_t free = start;

    for (size_t i = 0; i < relocations->count; i++) {
        size_t place = place_of(relocations->entries[i]);

        if (place < free || place + width_of(relocations->entries[i]) > end) {
            return false;
        }
        free = place + width_of(relocations->entries[i]);
    }
    return true;
}

/* The first whose place is not before this one. */
static size_t find(const struct relocations *relocations, size_t place)
{
    size_t low = 0;
    size_t high = relocations->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (place_of(relocations->entries[middle]) < place) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The first that may reach behind this place. */
static size_t find_reaching(const struct relocations *relocations, size_t place)
{
    return find(relocations, place < WORD_MAX_BYTES ? 0 : place - WORD_MAX_BYTES);
}

/* The word as it becomes, lowest byte first. */
static void slide_word(uint8_t word[WORD_MAX_BYTES], const uint8_t *from, uint32_t entry,
                       uint64_t slide)
{
    if (entry & RELOCATION_IS_64_BITS) {
        store_le64(word, load_le64(from) + slide);
    } else {
        store_le32(word, load_le32(from) + (uint32_t)slide);
    }
}

static bool is_slid(const uint8_t *word, const uint8_t *from, uint32_t entry, uint64_t slide)
{
    return entry & RELOCATION_IS_64_BITS ? load_le64(word) == load_le64(from) + slide
                                         : load_le32(word) == load_le32(from) + (uint32_t)slide;
}

void relocations_copy(const struct relocations *relocations, uint8_t *to, const uint8_t *image,
                      size_t start, size_t bytes, uint64_t slide)
{
    const size_t end = start + bytes;

    memcpy(to, image + start, bytes);
    for (size_t i = find_reaching(relocations, start);
         i < relocations->count && place_of(relocations->entries[i]) < end; i++) {
        uint32_t entry = relocations->entries[i];
        size_t place = place_of(entry);
        size_t place_end = place + width_of(entry);
        uint8_t word[WORD_MAX_BYTES];

        if (place >= start && place_end <= end) {
            slide_word(to + (place - start), image + place, entry, slide);
            continue;
        }
        /* It reaches over an end of what is copied. */
        slide_word(word, image + place, entry, slide);
        for (size_t at = place; at < place_end; at++) {
            if (at >= start && at < end) {
                to[at - start] = word[at - place];
            }
        }
    }
}

bool relocations_match(const struct relocations *relocations, const uint8_t *copy,
                       const uint8_t *image, size_t start, size_t bytes, uint64_t slide)
{
    const size_t end = start + bytes;
    size_t at = start; /* up to here it does */

    for (size_t i = find_reaching(relocations, start);
         i < relocations->count && place_of(relocations->entries[i]) < end; i++) {
        uint32_t entry = relocations->entries[i];
        size_t place = place_of(entry);
        size_t place_end = place + width_of(entry);
        uint8_t word[WORD_MAX_BYTES];

        if (place_end <= start) {
            continue;
        }
        if (place > at && memcmp(copy + (at - start), image + at, place - at) != 0) {
            return false;
        }
        if (place >= start && place_end <= end) {
            if (!is_slid(copy + (place - start), image + place, entry, slide)) {
                return false;
            }
            at = place_end;
            continue;
        }
        slide_word(word, image + place, entry, slide);
        for (at = place > start ? place : start; at < place_end && at < end; at++) {
            if (copy[at - start] != word[at - place]) {
                return false;
            }
        }
    }
    return memcmp(copy + (at - start), image + at, end - at) == 0;
}
