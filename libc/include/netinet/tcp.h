/* SPDX-License-Identifier: MIT */
/* TCP's socket options; Linux's values. */
#pragma once

#define TCP_NODELAY      1
#define TCP_CORK         3
#define TCP_KEEPIDLE     4
#define TCP_DEFER_ACCEPT 9
