/* SPDX-License-Identifier: MIT */
/*
 * The console's command `balance`: how connections are given out, by whom, and what each connection
 * manager knows of applications. What stands on status pages is answered at once; each manager's
 * own knowledge comes by messages, a moment later.
 */
#pragma once

void balance_show(const char *argument);
