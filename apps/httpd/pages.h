/* SPDX-License-Identifier: MIT */
/*
 * The pages that the web server writes itself.
 */
#pragma once

/* "/", which an index.html that is added later replaces. Behind the built-in files, before any
 * others: its parts are found here. */
void pages_add_welcome(void);
/* "/stats" with its parts, and "/metrics": for operators, whatever else the site holds. Last. */
void pages_add_status(void);
