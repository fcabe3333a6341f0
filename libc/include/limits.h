/* SPDX-License-Identifier: MIT */
/* Ranges of the integer types (C11 5.2.4.2.1) on x86-64, and POSIX's few that we keep. */
#pragma once

#define CHAR_BIT   8
#define SCHAR_MAX  127
#define SCHAR_MIN  (-SCHAR_MAX - 1)
#define UCHAR_MAX  255
#define CHAR_MAX   SCHAR_MAX
#define CHAR_MIN   SCHAR_MIN
#define SHRT_MAX   __SHRT_MAX__
#define SHRT_MIN   (-SHRT_MAX - 1)
#define USHRT_MAX  (SHRT_MAX * 2 + 1)
#define INT_MAX    __INT_MAX__
#define INT_MIN    (-INT_MAX - 1)
#define UINT_MAX   (INT_MAX * 2u + 1u)
#define LONG_MAX   __LONG_MAX__
#define LONG_MIN   (-LONG_MAX - 1)
#define ULONG_MAX  (LONG_MAX * 2ul + 1ul)
#define LLONG_MAX  __LONG_LONG_MAX__
#define LLONG_MIN  (-LLONG_MAX - 1)
#define ULLONG_MAX (LLONG_MAX * 2ull + 1ull)
#define SSIZE_MAX  LONG_MAX

#define PATH_MAX 4096
#define PIPE_BUF 4096
#define IOV_MAX  1024
