/* SPDX-License-Identifier: MIT */
/* assert() (C11 7.2): a failure halts this node only. May be included again with another NDEBUG. */
#undef assert

_Noreturn void assertion_failed(const char *condition, const char *file, int line);

#ifdef NDEBUG
#define assert(condition) ((void)0)
#else
#define assert(condition) ((condition) ? (void)0 : assertion_failed(#condition, __FILE__, __LINE__))
#endif
#ifndef static_assert
#define static_assert _Static_assert
#endif
