/* SPDX-License-Identifier: MIT */
/*
 * Lets Talus' string functions stand beside the host's in one unit test: see rename_sockets.h.
 */
#pragma once

#define memchr   talus_memchr
#define memcmp   talus_memcmp
#define memcpy   talus_memcpy
#define memmem   talus_memmem
#define memmove  talus_memmove
#define memrchr  talus_memrchr
#define memset   talus_memset
#define strcat   talus_strcat
#define strchr   talus_strchr
#define strcmp   talus_strcmp
#define strcpy   talus_strcpy
#define strcspn  talus_strcspn
#define strlen   talus_strlen
#define strncmp  talus_strncmp
#define strncpy  talus_strncpy
#define strnlen  talus_strnlen
#define strpbrk  talus_strpbrk
#define strrchr  talus_strrchr
#define strspn   talus_strspn
#define strstr   talus_strstr
#define strtok_r talus_strtok_r
