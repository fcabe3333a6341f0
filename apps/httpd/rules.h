/* SPDX-License-Identifier: MIT */
/*
 * What httpd.cfg (settings.h) makes of sites: as much as possible is done to their resources once,
 * at the start; the rest is looked up when there is no file.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "apps/httpd/settings.h"
#include "apps/httpd/site.h"

/* Do all of it, on sites that hold the files of this archive; `settings` stay in use. Once. Returns
 * 0, or -ENOMEM: some has not been done. */
int rules_apply(struct settings *settings, unsigned archive);
/* Lines of httpd.cfg that were found wrong. */
unsigned rules_refused(void);

/* The site that is asked for, by the name of its host. */
unsigned rules_site_of_host(const char *host, size_t bytes);
/* Where one who asks for this path, at which nothing is, is sent; or NULL. */
const struct setting *rules_redirect(unsigned site, const char *path, size_t bytes);
/* The content of an answer of this status; NULL: none of the site's own. */
const struct resource *rules_error_page(unsigned site, uint16_t status);
