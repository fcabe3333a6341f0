/* SPDX-License-Identifier: MIT */
/*
 * /capture: what link servers have recorded, as a file for Wireshark and tcpdump. For Talus alone.
 */
#pragma once

/* Add the page, if the command line has frames recorded; once, before the first request. */
void capture_add_page(void);
