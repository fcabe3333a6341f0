/* SPDX-License-Identifier: MIT */
/*
 * Pages that show what is in folders without an index, where httpd.cfg wants them. They are made
 * once, as files.
 */
#pragma once

#include "apps/httpd/settings.h"

/* Files that were added with this archive are shown, but not those whose name begins with a dot.
 * Returns 0, or -ENOMEM: some pages are missing. */
int listing_add(unsigned site, const struct settings *settings, unsigned archive);
