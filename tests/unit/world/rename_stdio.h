/* SPDX-License-Identifier: MIT */
/*
 * Lets Talus' <stdio.h> be tested beside the host's C library: see rename_sockets.h. The test is
 * compiled with libc/include in front of the host's headers.
 */
#pragma once

#define errno     talus_errno
#define fflush    talus_fflush
#define fprintf   talus_fprintf
#define fputc     talus_fputc
#define fputs     talus_fputs
#define fwrite    talus_fwrite
#define perror    talus_perror
#define printf    talus_printf
#define putc      talus_putc
#define putchar   talus_putchar
#define puts      talus_puts
#define snprintf  talus_snprintf
#define stderr    talus_stderr
#define stdout    talus_stdout
#define vfprintf  talus_vfprintf
#define vprintf   talus_vprintf
#define vsnprintf talus_vsnprintf
