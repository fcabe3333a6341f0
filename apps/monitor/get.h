/* SPDX-License-Identifier: MIT */
/*
 * The command `get`: pages fetched from a web server, this machine's or another one.
 */
#pragma once

/* http://HOST[:PORT]/PATH [COUNT]: each node with an application fetches it so many times, one
 * behind the other; what has come of it is logged there. NULL: what the command expects. */
void get_command(const char *argument);
