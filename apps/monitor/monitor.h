/* SPDX-License-Identifier: MIT */
/*
 * The monitor: commands typed on the console, for the person at the machine and for tests. On
 * node 0; `help` lists them.
 */
#pragma once

/* Read the console from the event loop. After dispatch_initialise(). */
void monitor_start(void);
