/* SPDX-License-Identifier: MIT */
/*
 * The pages that are written when they are asked for: the welcome page, /stats and /metrics.
 */
#pragma once

/* Add them to the site: behind the user's own files, before the built-in ones that they use. */
void pages_add(void);
