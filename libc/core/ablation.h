/* SPDX-License-Identifier: MIT */
/*
 * Specialisations that one image, of a benchmark (`make bench-ablation`), can leave out, to measure
 * what each saves. Where one is chosen the source asks WITHOUT(NAME): the constant false but in
 * that image, where the word `without=` names what is left out. It serves the same bytes then, with
 * more work. What the names stand for, and what is done instead, is in
 * tests/bench/specialisations.py.
 */
#pragma once

#include "libc/core/base.h"

#define ABLATIONS(X)                                                                               \
    X(ARCHIVE_REFERENCES)                                                                          \
    X(READY_RESPONSES)                                                                             \
    X(KNOWN_REQUESTS)                                                                              \
    X(REPEATED_FIELDS)                                                                             \
    X(LENT_REQUESTS)                                                                               \
    X(HELD_ACKNOWLEDGMENTS)                                                                        \
    X(FIN_WITH_BYTES)                                                                              \
    X(POOLS)                                                                                       \
    X(CUTTING_BY_CARD)                                                                             \
    X(SUMS_BY_CARD)

#ifdef TALUS_ABLATION

#define X(name) ABLATION_##name,
enum ablation { ABLATIONS(X) ABLATION_COUNT };
#undef X

/* Set before there are servers, and constant then (tests/bench/ablation_words.c). */
extern bool ablation_is_without[ABLATION_COUNT];

#define WITHOUT(name) UNLIKELY(ablation_is_without[ABLATION_##name])

#else
#define WITHOUT(name) false
#endif
