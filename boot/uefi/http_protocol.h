/* SPDX-License-Identifier: MIT */
/*
 * EFI_HTTP_PROTOCOL, as far as it is used here (UEFI 2.10, 29.6): GNU-EFI does not declare it.
 */
#pragma once

#include <efi.h>

#define HTTP_SERVICE_BINDING_GUID                                                                  \
    {                                                                                              \
        0xbdc8e6af, 0xd9bc, 0x4379,                                                                \
        {                                                                                          \
            0xa7, 0x2a, 0xe0, 0xc4, 0xe7, 0x5d, 0xae, 0x1c                                         \
        }                                                                                          \
    }
#define HTTP_PROTOCOL_GUID                                                                         \
    {                                                                                              \
        0x7a59b29b, 0x910b, 0x4171,                                                                \
        {                                                                                          \
            0x82, 0x42, 0xa8, 0x5a, 0x0d, 0xf2, 0x5b, 0x5b                                         \
        }                                                                                          \
    }

/* Values of enumerations. Status codes are numbered in the order of their own numbers. */
#define HTTP_VERSION_11       1
#define HTTP_METHOD_GET       0
#define HTTP_STATUS_OK        3
#define HTTP_STATUS_NOT_FOUND 21
#define HTTP_STATUS_GONE      27

struct http_access_point_v4 {
    BOOLEAN has_default_address;
    EFI_IPv4_ADDRESS address;
    EFI_IPv4_ADDRESS subnet;
    UINT16 port; /* 0: any */
};

struct http_access_point_v6 {
    EFI_IPv6_ADDRESS address;
    UINT16 port;
};

struct http_configuration {
    UINT32 version;
    UINT32 timeout_ms;
    BOOLEAN is_v6;
    union {
        struct http_access_point_v4 *v4;
        struct http_access_point_v6 *v6;
    } access_point;
};

struct http_request {
    UINT32 method;
    CHAR16 *url;
};

struct http_response {
    UINT32 status;
};

struct http_header {
    CHAR8 *name;
    CHAR8 *value;
};

struct http_message {
    union {
        struct http_request *request;
        struct http_response *response;
    } data;
    UINTN header_count;
    struct http_header *headers;
    UINTN body_bytes;
    void *body;
};

struct http_token {
    EFI_EVENT event; /* signalled when the rest is filled in */
    EFI_STATUS status;
    struct http_message *message;
};

/* Configure(NULL) forgets everything. Request() and Response() return before they are done. */
struct http_protocol {
    void *get_mode_data;
    EFI_STATUS(EFIAPI *configure)(struct http_protocol *http, struct http_configuration *to);
    EFI_STATUS(EFIAPI *request)(struct http_protocol *http, struct http_token *token);
    EFI_STATUS(EFIAPI *cancel)(struct http_protocol *http, struct http_token *token);
    EFI_STATUS(EFIAPI *response)(struct http_protocol *http, struct http_token *token);
    EFI_STATUS(EFIAPI *poll)(struct http_protocol *http);
};
