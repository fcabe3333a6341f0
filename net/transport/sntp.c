/* SPDX-License-Identifier: MIT */
/*
 * One question at a time. Without a good answer the next comes after twice as long, up to a quarter
 * of an hour; with one, after a minute and then more rarely, as far. A date that is far off is set,
 * one that is nearly right is moved by half a millisecond each second.
 */
#include "net/transport/sntp.h"

#include "kernel/log.h"
#include "kernel/platform.h"
#include "libc/core/address.h"
#include "net/configuration.h"
#include "net/transport/counters.h"
#include "net/transport/lwip/interface.h"
#include "net/transport/network_options.h"
#include "net/transport/ntp.h"
#include "net/wall_clock.h"

#include "lwip/udp.h"

/* Chosen; RFC 4330 10 wants 15 s at least between questions that are answered. */
#define FIRST_PATIENCE_S 2u
#define FIRST_POLL_S     64u
#define POLL_MAX_S       1024u
/* RFC 5905 figure 27, STEPT. */
#define STEP_NS          (128 * (int64_t)NS_PER_MS)
/* RFC 5905 11.3 slews by 500 ppm. */
#define SLEW_NS_PER_S    (NS_PER_S / 2000)
/* An answer that took longer says too little of when it was right. */
#define DELAY_MAX_NS     (int64_t) NS_PER_S

static struct ntp_options options;
static struct udp_pcb *pcb;
static uint32_t server;
static uint64_t nonce; /* of the question that waits for an answer; 0: none does */
static uint64_t asked_ns;
static uint32_t wait_s;     /* until the next question */
static uint32_t patience_s; /* how long the next one will wait for a good answer */
static uint32_t poll_s;     /* and how long it will be until another after that */
static int64_t slew_ns;     /* by which the date still is to be moved */
static bool is_in_doubt;    /* the log knows that no good answer comes */
static bool is_known;       /* there has been one */

static const char *server_text(char text[ADDRESS_IPV4_TEXT_BYTES])
{
    address_print_ipv4(server, text);
    return text;
}

/* --- Answers --- */

static void doubt(const char *why)
{
    char text[ADDRESS_IPV4_TEXT_BYTES];

    if (!is_in_doubt) {
        is_in_doubt = true;
        log_warning("ts", "ntp: %s %s", server_text(text), why);
    }
}

static uint32_t double_up(uint32_t seconds)
{
    return seconds < POLL_MAX_S / 2 ? 2 * seconds : POLL_MAX_S;
}

static void set_date(int64_t more_ns)
{
    char text[ADDRESS_IPV4_TEXT_BYTES];
    bool is_far = more_ns > STEP_NS || more_ns < -STEP_NS;
    uint64_t size_ns = (uint64_t)(more_ns < 0 ? -more_ns : more_ns);

    if (is_far || !is_known) {
        slew_ns = 0;
        wall_clock_move(more_ns);
        log_info("ts", "ntp: date by %s, %llu.%03llu s %s", server_text(text),
                 (unsigned long long)(size_ns / NS_PER_S),
                 (unsigned long long)(size_ns % NS_PER_S / NS_PER_MS),
                 more_ns < 0 ? "earlier" : "later");
    } else {
        slew_ns = more_ns;
    }
    poll_s = is_far || !is_known ? FIRST_POLL_S : double_up(poll_s);
    is_known = true;
    is_in_doubt = false;
}

/* RFC 5905 8: the server's clock is ahead by the mean of what it seems to be on both ways. */
static void take(const struct ntp_times *times)
{
    uint64_t now_ns = platform_now_ns();
    int64_t answered_ns = (int64_t)wall_clock_at(now_ns);
    int64_t sent_ns = answered_ns - (int64_t)(now_ns - asked_ns);
    int64_t delay_ns =
        (int64_t)(now_ns - asked_ns) - (int64_t)(times->transmit_ns - times->receive_ns);

    if (delay_ns < 0 || delay_ns > DELAY_MAX_NS || times->transmit_ns >= WALL_CLOCK_MAX_NS) {
        counter_increment(COUNTER_NTP_REFUSED);
        doubt("answers too late, or with times that cannot be");
        return;
    }
    counter_increment(COUNTER_NTP_TAKEN);
    set_date(((int64_t)times->receive_ns - sent_ns) / 2 +
             ((int64_t)times->transmit_ns - answered_ns) / 2);
    patience_s = FIRST_PATIENCE_S;
    wait_s = poll_s;
}

static void receive(void *context, struct udp_pcb *from, struct pbuf *packet,
                    const ip_addr_t *address, u16_t port)
{
    uint8_t bytes[NTP_PACKET_BYTES];
    size_t length = pbuf_copy_partial(packet, bytes, sizeof(bytes), 0);
    struct ntp_times times;

    (void)context;
    (void)from;
    (void)address; /* the PCB is connected: it is the server's */
    (void)port;
    pbuf_free(packet);
    enum ntp_verdict verdict =
        nonce != 0 ? ntp_read_answer(bytes, length, nonce, &times) : NTP_NOT_ANSWER;

    if (verdict == NTP_NOT_ANSWER || verdict == NTP_BROKEN) {
        counter_increment(COUNTER_NTP_REFUSED); /* the answer may still come */
        return;
    }
    nonce = 0;
    if (verdict == NTP_GOOD) {
        take(&times);
        return;
    }
    counter_increment(COUNTER_NTP_REFUSED);
    if (verdict == NTP_GO_AWAY) {
        wait_s = POLL_MAX_S;
        doubt("does not want to be asked");
    } else {
        doubt("does not know the time");
    }
}

/* --- Questions --- */

static void ask(void)
{
    struct pbuf *packet = pbuf_alloc(PBUF_TRANSPORT, NTP_PACKET_BYTES, PBUF_RAM);

    if (packet == NULL) {
        return; /* as if it had been lost */
    }
    nonce = platform_random() | 1;
    ntp_write_request(packet->payload, nonce);
    asked_ns = platform_now_ns();
    (void)udp_send(pcb, packet); /* lost, as on any wire */
    pbuf_free(packet);
}

static void slew(uint64_t seconds)
{
    int64_t most_ns = (int64_t)((seconds < POLL_MAX_S ? seconds : POLL_MAX_S) * SLEW_NS_PER_S);
    int64_t more_ns = slew_ns > most_ns ? most_ns : slew_ns < -most_ns ? -most_ns : slew_ns;

    if (more_ns != 0) {
        slew_ns -= more_ns;
        wall_clock_move(more_ns);
    }
}

static bool open_pcb(void)
{
    ip_addr_t address = IPADDR4_INIT(server);

    if (pcb == NULL) {
        pcb = udp_new();
        if (pcb != NULL) {
            udp_recv(pcb, receive, NULL);
        }
    }
    return pcb != NULL && udp_connect(pcb, &address, NTP_PORT) == ERR_OK;
}

void transport_sntp_pass(uint64_t seconds)
{
    slew(seconds);
    if (server == 0 || netif_ip4_addr(interface_netif())->addr == 0) {
        return;
    }
    if (wait_s > seconds) {
        wait_s -= (uint32_t)seconds;
        return;
    }
    if (nonce != 0) {
        nonce = 0;
        counter_increment(COUNTER_NTP_SILENT);
        doubt("does not answer");
    }
    wait_s = patience_s;
    patience_s = double_up(patience_s);
    if (open_pcb()) {
        ask();
    }
}

static void begin(uint32_t new_server)
{
    server = new_server;
    nonce = 0;
    wait_s = 0;
    patience_s = FIRST_PATIENCE_S;
    poll_s = FIRST_POLL_S;
    is_in_doubt = false;
}

void transport_sntp_offer(uint32_t new_server)
{
    if (!network_options_is_host(new_server)) {
        new_server = 0;
    }
    if (options.is_dhcp && new_server != server) {
        begin(new_server);
    } else if (options.is_dhcp && new_server == 0 && !is_in_doubt) {
        is_in_doubt = true;
        log_warning("ts", "ntp=dhcp: the lease names no server");
    }
}

void transport_sntp_start(void)
{
    wall_clock_inherit();
    if (!options.is_dhcp) {
        begin(options.server);
    }
}

void transport_sntp_initialise(void)
{
    char reason[192];

    if (ntp_options_parse(&options, platform_command_line(), reason, sizeof(reason)) != 0 &&
        platform_node() == configuration_current()->speaker) {
        log_warning("ts", "%s; ignored", reason);
    }
}
