/* SPDX-License-Identifier: MIT */
/*
 * Web roots: tar archives that stay mapped, whose files become resources of sites (site.h).
 */
#pragma once

/*
 * Add the files of an archive to the default site. archive_add_root(): as the httpd.cfg in its root
 * says, if there is one (settings.h); once.
 *
 * Returns how many, or -1 with errno when it cannot be opened, or when there is no memory to read
 * httpd.cfg; a broken archive counts up to where it breaks, and says so on stderr. No httpd.cfg is
 * ever a resource. Reads all of it, and lets others run meanwhile: before the first client is
 * served.
 */
int archive_add(const char *file_name);
int archive_add_root(const char *file_name);
