/* SPDX-License-Identifier: MIT */
/*
 * What is asked for: a request for each path, made once, and what is known of its answers.
 */
#pragma once

#include "apps/webswamp/answer.h"
#include "apps/webswamp/options.h"

struct target {
    char *request;
    size_t request_bytes;
    struct answer_known known;
};

/* Make them as `options` says. False: no memory. targets_release() in either case. */
bool targets_make(const struct options *options);
void targets_release(void);

/* The path that the next request is for. */
struct target *targets_next(void);
