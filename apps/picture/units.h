/* SPDX-License-Identifier: MIT */
/*
 * Numbers as people read them, three digits or so, in a text that is HTML or SVG: what stands in no
 * ASCII table is a numeric character reference, which both know.
 */
#pragma once

#include "libc/core/base.h"
#include "libc/core/output.h"

/* A space that does not break. */
#define UNITS_SPACE "&#160;"

/* A number that is given in thousandths: `0`, `4.2`, `1,234`, `12.3 k`, `4.56 M`. */
void units_append(struct output *output, uint64_t thousandths);
/* A whole number: `1,234`, `12.3 k`. */
void units_append_count(struct output *output, uint64_t count);
/* `0 ns`, `310 ns`, `12.3 &#181;s`, `4.56 ms`, `78 s`. */
void units_append_duration(struct output *output, uint64_t duration_ns);
/* `2 min`, `3 h 20 min`, `12 d 4 h`. */
void units_append_long_duration(struct output *output, uint64_t duration_ns);
/* Of a length, `12.34%`, from ten-thousandths. */
void units_append_share(struct output *output, unsigned ten_thousandths);
/* Text that comes from elsewhere, with & < > and quotes as XML writes them; cut behind so many
 * characters, with an ellipsis. */
void units_append_escaped(struct output *output, const char *text, size_t most);
