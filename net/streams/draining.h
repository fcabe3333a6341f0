/* SPDX-License-Identifier: MIT */
/*
 * An application's part in net/draining.h: on a node that goes its listeners give up their places;
 * on all, listeners change to other CMs, and who serves connections of a TS that goes is woken.
 * What an application has left ends as one does whose application dies: its TS resets it.
 */
#pragma once

void stream_draining_start(void);
