/* SPDX-License-Identifier: MIT */
/*
 * lwIP's TCP, for our own files. Its state LISTEN bears the name of our message (net/messages.h),
 * so here it is TCP_STATE_LISTEN.
 */
#pragma once

#define LISTEN TCP_STATE_LISTEN
#include "lwip/priv/tcp_priv.h"
#undef LISTEN
