/* SPDX-License-Identifier: MIT */
/*
 * A load: requests that are due meet sessions that are free, in one event loop. It waits in
 * epoll_wait() and nowhere else.
 */
#pragma once

#include "apps/webswamp/options.h"
#include "apps/webswamp/result.h"

/*
 * Load the server as `options` says, until each request is answered or has failed; those that are
 * due but find no connection until the time-out after the last one's time are never sent.
 *
 * Returns 0, or -errno if nothing could begin. targets_make() was called.
 */
int load_run(const struct options *options, struct result *result);
