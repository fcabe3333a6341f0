/* SPDX-License-Identifier: MIT */
/*
 * Files from the web server that HTTP boot started the application from, through the firmware's
 * own HTTP driver (UEFI 2.10, 24.7 and 29.6). The device path says from which URL the application
 * came, and with which address of ours; other files lie in the same tree (url_read_root()).
 */
#include "boot/uefi/file_source.h"
#include "boot/uefi/http_protocol.h"
#include "boot/uefi/url.h"

#include <string.h>
#include <strings.h>

#include "libc/core/numbers.h"

/* A server that is silent for so long is gone. Chosen: TCP tries some times within. */
#define SILENCE_MAX_MS 10000

#define TIMER_TICKS_PER_MS 10000 /* of 100 ns (UEFI 2.10, 7.1) */

/* The largest part of a file that is asked for at once. Chosen. */
#define PART_BYTES_MAX (1 * MIB)

#define HOST_BYTES_MAX 256

static const EFI_GUID device_path_guid = DEVICE_PATH_PROTOCOL;
static const EFI_GUID http_binding_guid = HTTP_SERVICE_BINDING_GUID;
static const EFI_GUID http_guid = HTTP_PROTOCOL_GUID;

struct http_client {
    char root[URL_BYTES_MAX];
    struct http_access_point_v4 v4;
    struct http_access_point_v6 v6;
    struct http_configuration configuration;
    EFI_SERVICE_BINDING *binding;
    EFI_HANDLE child;
    struct http_protocol *protocol;
    EFI_EVENT done_event;
    EFI_EVENT silence_event;
    bool is_done;
    /* The firmware keeps pointers to these until a token is done or cancelled. */
    struct http_token token;
    struct http_message message;
    struct http_request request;
    struct http_response response;
    struct http_header headers[2];
    CHAR16 url[URL_BYTES_MAX + FILE_PATH_BYTES_MAX];
    char host[HOST_BYTES_MAX];
};

static struct http_client client;

static void EFIAPI note_done(EFI_EVENT event, void *client_pointer)
{
    struct http_client *done = client_pointer;

    (void)event;
    done->is_done = true;
}

/* Wait for the end of what the token was given for; `status` says whether the firmware took it. */
static EFI_STATUS finish(struct http_client *http, EFI_STATUS status)
{
    EFI_BOOT_SERVICES *services = firmware->BootServices;

    if (status == EFI_SUCCESS) {
        status = services->SetTimer(http->silence_event, TimerRelative,
                                    (UINT64)SILENCE_MAX_MS * TIMER_TICKS_PER_MS);
    }
    if (status != EFI_SUCCESS) {
        return status;
    }
    while (!http->is_done) {
        if (services->CheckEvent(http->silence_event) == EFI_SUCCESS) {
            (void)http->protocol->cancel(http->protocol,
                                         &http->token); /* it may have ended meanwhile */
            return EFI_TIMEOUT;
        }
        (void)http->protocol->poll(http->protocol); /* the token has the result */
    }
    return http->token.status;
}

static struct http_token *new_token(struct http_client *http, struct http_message message)
{
    http->is_done = false;
    http->message = message;
    http->token = (struct http_token){.event = http->done_event, .message = &http->message};
    return &http->token;
}

static EFI_STATUS request(struct http_client *http, const char *path)
{
    static char host_name[] = "Host";
    static char accept_name[] = "Accept";
    static char accept_value[] = "*/*";
    char file_path[FILE_PATH_BYTES_MAX];
    const char *parts[] = {http->root, "/", file_path};
    unsigned length = 0;

    file_network_path(file_path, path);
    for (unsigned i = 0; i < ARRAY_COUNT(parts); i++) {
        for (const char *from = parts[i]; *from != '\0'; from++) {
            http->url[length++] = (CHAR16)*from;
        }
    }
    http->url[length] = '\0';
    http->headers[0] = (struct http_header){(CHAR8 *)host_name, (CHAR8 *)http->host};
    http->headers[1] = (struct http_header){(CHAR8 *)accept_name, (CHAR8 *)accept_value};
    http->request = (struct http_request){HTTP_METHOD_GET, http->url};

    struct http_token *token = new_token(http, (struct http_message){
                                                   .data.request = &http->request,
                                                   .header_count = ARRAY_COUNT(http->headers),
                                                   .headers = http->headers,
                                               });

    return finish(http, http->protocol->request(http->protocol, token));
}

/* The length that the answer's head gives. Without one, the end of a file could not be told from
 * the end of a connection. */
static EFI_STATUS receive_head(struct http_client *http, uint64_t *bytes)
{
    struct http_token *token =
        new_token(http, (struct http_message){.data.response = &http->response});

    http->response.status = 0;
    EFI_STATUS status = finish(http, http->protocol->response(http->protocol, token));

    switch (http->response.status) {
    case HTTP_STATUS_OK:
        break;
    case HTTP_STATUS_NOT_FOUND:
    case HTTP_STATUS_GONE:
        return EFI_NOT_FOUND;
    default:
        return status == EFI_SUCCESS ? EFI_HTTP_ERROR : status;
    }
    for (UINTN i = 0; status == EFI_SUCCESS && i < http->message.header_count; i++) {
        const struct http_header *header = &http->message.headers[i];

        if (strcasecmp((const char *)header->name, "content-length") == 0) {
            const char *value = (const char *)header->value;

            return number_parse(value, strlen(value), 10, UINT64_MAX, bytes) == 0
                       ? EFI_SUCCESS
                       : EFI_PROTOCOL_ERROR;
        }
    }
    return status == EFI_SUCCESS ? EFI_PROTOCOL_ERROR : status;
}

static EFI_STATUS receive_body(struct http_client *http, struct file *file)
{
    for (uint64_t done = 0; done < file->bytes;) {
        uint64_t left = file->bytes - done;
        uint64_t part = left < PART_BYTES_MAX ? left : PART_BYTES_MAX;
        struct http_token *token = new_token(
            http, (struct http_message){.body_bytes = part, .body = (char *)file->start + done});
        EFI_STATUS status = finish(http, http->protocol->response(http->protocol, token));

        if (status != EFI_SUCCESS) {
            return status;
        }
        if (http->message.body_bytes == 0 || http->message.body_bytes > part) {
            return EFI_END_OF_FILE;
        }
        done += http->message.body_bytes;
    }
    return EFI_SUCCESS;
}

/* Each file is read by a child of its own: drivers are known to be hard to use twice, be it for
 * another file after an error, or after they were told to forget everything. */
static EFI_STATUS open_child(struct http_client *http)
{
    EFI_STATUS status = http->binding->CreateChild(http->binding, &http->child);

    if (status != EFI_SUCCESS) {
        http->child = NULL;
        return status;
    }
    http->protocol = firmware_protocol(http->child, &http_guid);
    return http->protocol == NULL ? EFI_UNSUPPORTED
                                  : http->protocol->configure(http->protocol, &http->configuration);
}

/* Of a child that keeps a token, nothing may be left when the application is gone. */
static void close_child(struct http_client *http)
{
    if (http->child != NULL) {
        (void)http->binding->DestroyChild(http->binding, http->child); /* or it stays: no harm */
        http->child = NULL;
    }
}

static EFI_STATUS read_file(struct file_source *source, const char *path, struct file *file)
{
    struct http_client *http = source->http;
    EFI_STATUS status = open_child(http);

    if (status == EFI_SUCCESS) {
        status = request(http, path);
    }
    if (status == EFI_SUCCESS) {
        status = receive_head(http, &file->bytes);
    }
    if (status == EFI_SUCCESS) {
        status = file_allocate(file);
    }
    if (status == EFI_SUCCESS) {
        status = receive_body(http, file);
    }
    close_child(http);
    return status;
}

static void close_client(struct file_source *source)
{
    EFI_BOOT_SERVICES *services = firmware->BootServices;
    struct http_client *http = source->http;

    if (http->done_event != NULL) {
        (void)services->CloseEvent(http->done_event); /* cannot fail (UEFI 2.10, 7.1) */
    }
    if (http->silence_event != NULL) {
        (void)services->CloseEvent(http->silence_event);
    }
}

static size_t node_bytes(const EFI_DEVICE_PATH *node)
{
    return (size_t)DevicePathNodeLength(node);
}

static void read_ipv4(struct http_client *http, const EFI_DEVICE_PATH *node)
{
    const IPv4_DEVICE_PATH *ipv4 = (const void *)node;

    /* Older ones have no mask. */
    if (node_bytes(node) >= offsetof(IPv4_DEVICE_PATH, SubnetMask) + sizeof(ipv4->SubnetMask)) {
        http->v4.address = ipv4->LocalIpAddress;
        http->v4.subnet = ipv4->SubnetMask;
        http->configuration.is_v6 = FALSE;
    }
}

static void read_ipv6(struct http_client *http, const EFI_DEVICE_PATH *node)
{
    const IPv6_DEVICE_PATH *ipv6 = (const void *)node;

    if (node_bytes(node) >= offsetof(IPv6_DEVICE_PATH, RemoteIpAddress)) {
        http->v6.address = ipv6->LocalIpAddress;
        http->configuration.is_v6 = TRUE;
    }
}

static bool read_device_path(struct http_client *http, const EFI_DEVICE_PATH *node)
{
    bool has_url = false;

    for (; node != NULL && !IsDevicePathEnd(node) && node_bytes(node) > sizeof(*node);
         node = NextDevicePathNode(node)) {
        if (DevicePathType(node) != MESSAGING_DEVICE_PATH) {
            continue;
        }
        switch (DevicePathSubType(node)) {
        case MSG_IPv4_DP:
            read_ipv4(http, node);
            break;
        case MSG_IPv6_DP:
            read_ipv6(http, node);
            break;
        case MSG_URI_DP:
            has_url = url_read_root(http->root, (const char *)(node + 1),
                                    node_bytes(node) - sizeof(*node));
            break;
        default:
            break;
        }
    }
    return has_url && url_read_host(http->host, sizeof(http->host), http->root);
}

/* The network card's handle carries the driver; the one that the application was started from lies
 * below it. */
static bool find_driver(struct http_client *http, EFI_DEVICE_PATH *path)
{
    EFI_BOOT_SERVICES *services = firmware->BootServices;
    EFI_GUID guid = http_binding_guid;
    EFI_HANDLE card;

    if (services->LocateDevicePath(&guid, &path, &card) != EFI_SUCCESS) {
        return false;
    }
    http->binding = firmware_protocol(card, &http_binding_guid);
    return http->binding != NULL &&
           services->CreateEvent(EVT_NOTIFY_SIGNAL, TPL_CALLBACK, note_done, http,
                                 &http->done_event) == EFI_SUCCESS &&
           services->CreateEvent(EVT_TIMER, TPL_CALLBACK, NULL, NULL, &http->silence_event) ==
               EFI_SUCCESS;
}

bool http_open(struct file_source *source, const EFI_LOADED_IMAGE *program)
{
    static const EFI_IPv4_ADDRESS no_address;
    EFI_DEVICE_PATH *path = firmware_protocol(program->DeviceHandle, &device_path_guid);

    client = (struct http_client){
        .configuration = {.version = HTTP_VERSION_11, .timeout_ms = SILENCE_MAX_MS},
    };
    if (path == NULL || !read_device_path(&client, path)) {
        return false;
    }
    client.v4.has_default_address =
        memcmp(&client.v4.address, &no_address, sizeof(no_address)) == 0;
    if (client.configuration.is_v6) {
        client.configuration.access_point.v6 = &client.v6;
    } else {
        client.configuration.access_point.v4 = &client.v4;
    }
    source->http = &client;
    if (!find_driver(&client, path)) {
        close_client(source);
        return false;
    }
    source->name = "the web server ";
    source->place = client.root;
    source->read = read_file;
    source->close = close_client;
    return true;
}
