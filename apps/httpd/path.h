/* SPDX-License-Identifier: MIT */
/*
 * From a request's target to a path of the site (RFC 9112 3.2, RFC 3986).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether it has origin-form or absolute-form: "/path" or "http://authority", the latter right
 * (authority.h). The path behind that is path_decode()'s to check. */
bool path_is_target(const char *target, size_t bytes);
/* The server's name in a target of absolute-form; NULL in one of origin-form. */
const char *path_authority(const char *target, size_t bytes, size_t *authority_bytes);

/*
 * Write the decoded path of `target` (origin-form or absolute-form, its query left out) to
 * `path`, which has room for `target_bytes` and a zero.
 *
 * Returns its length; -EINVAL for what is no path: no path_is_target(), a broken escape, a zero
 * byte; -ENOENT for what no site has: a segment "..", an escaped slash. Escapes are decoded once.
 */
int path_decode(const char *target, size_t target_bytes, char *path);
