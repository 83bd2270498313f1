#include "heads.h"

#include "../lib/log.h"
#include "answers.h"
#include "check.h"
#include "http.h"
#include "websocket.h"
#include <sodium.h>
#include <sys/random.h>

#define OUT_MAX 2048
#define BYTES_A_TURN (64 * 1024)

struct heads {
        struct transfers
                        transfers; /* its own: others would take an idle connection with unread bytes for a dead one */
        struct websocket websocket;
        sd_event_source *source;
        bool is_asked;  /* eth_blockNumber, and no height has come since */
        bool is_polled; /* the node refuses subscriptions */
        uint64_t height, told_height;
        size_t out_size;
        char out[OUT_MAX];
};

static const char subscribe_request[] =
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_subscribe\",\"params\":[\"newHeads\"]}";
static const char number_request[] =
                "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"eth_blockNumber\",\"params\":[]}";

static int write_handshake(struct check *check);
static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata);
static int receive(struct check *check, char *why, size_t why_size);
static int take_news(struct check *check, char *why, size_t why_size);
static int take_message(struct check *check, const char *text, size_t size, char *why, size_t why_size);
static int send_frame(struct check *check, enum websocket_opcode opcode, const char *text, size_t size);
static int flush(struct check *check);
static void tell(struct check *check);
static void set_deadline(struct check *check, uint32_t timeout_ms);

void heads_begin(struct check *check) {
        if (!check->prober->curl.sha1) {
                check_finish(check, false, 0, PROBER_HEIGHT_NONE,
                                "WebSocket needs a libcurl that is built with OpenSSL: use an http:// URL");
                return;
        }
        check->heads = calloc(1, sizeof(*check->heads));
        if (!check->heads || transfers_open(&check->heads->transfers, check->prober) < 0 ||
                        http_begin(check, &check->heads->transfers) < 0) {
                check_finish(check, false, 0, PROBER_HEIGHT_NONE,
                                "the prober cannot make the request: check the URL in the configuration");
                return;
        }
        check->heads->height = check->heads->told_height = PROBER_HEIGHT_NONE;
        check->heads->is_asked = true;
}

void heads_end(struct check *check) {
        if (!check->heads)
                return;
        transfers_close(&check->heads->transfers);
        check->heads->source = sd_event_source_disable_unref(check->heads->source);
        free(check->heads);
        check->heads = NULL;
}

void heads_connected(struct check *check) {
        struct heads *heads = check->heads;
        curl_socket_t fd = CURL_SOCKET_BAD;
        (void)check->prober->curl.easy_getinfo(check->easy, CURLINFO_ACTIVESOCKET, &fd);
        if (fd == CURL_SOCKET_BAD || write_handshake(check) < 0 ||
                        sd_event_add_io(check->prober->event, &heads->source, fd, EPOLLIN, on_readable,
                                        check) < 0)
                check_finish(check, false, 0, PROBER_HEIGHT_NONE, "the WebSocket handshake cannot be sent");
        else if (flush(check) < 0)
                check_finish(check, false, 0, PROBER_HEIGHT_NONE, "it closed the connection");
}

bool heads_ask(struct check *check) {
        struct heads *heads = check->heads;
        if (heads->is_asked)
                return false;
        heads->is_asked = true;
        set_deadline(check, check->request.timeout_ms);
        return send_frame(check, WEBSOCKET_TEXT, number_request, strlen(number_request)) >= 0;
}

static int write_handshake(struct check *check) {
        struct heads *heads = check->heads;
        unsigned char nonce[16], digest[20];
        char key[WEBSOCKET_KEY_SIZE], source[WEBSOCKET_KEY_SIZE + 40];
        if (getrandom(nonce, sizeof(nonce), 0) != sizeof(nonce))
                return -EIO;
        sodium_bin2base64(key, sizeof(key), nonce, sizeof(nonce), sodium_base64_VARIANT_ORIGINAL);
        size_t size = websocket_accept_source(key, source);
        (void)check->prober->curl.sha1((const unsigned char *)source, size, digest);
        sodium_bin2base64(heads->websocket.accept, sizeof(heads->websocket.accept), digest, sizeof(digest),
                        sodium_base64_VARIANT_ORIGINAL);
        int n = websocket_request(check->request.url, key, heads->out, sizeof(heads->out));
        if (n < 0)
                return n;
        heads->out_size = (size_t)n;
        return 0;
}

static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct check *check = userdata;
        char why[400] = "it closed the connection";
        (void)source;
        (void)fd;
        int r = (revents & EPOLLOUT) ? flush(check) : 0;
        if (r >= 0)
                r = receive(check, why, sizeof(why));
        tell(check);
        if (r < 0)
                check_finish(check, false, 0, PROBER_HEIGHT_NONE, why);
        return 0;
}

/* Until nothing is left; at most so much that others have their turn. */
static int receive(struct check *check, char *why, size_t why_size) {
        struct heads *heads = check->heads;
        for (size_t taken = 0;;) {
                size_t room, n = 0;
                char *in = websocket_room(&heads->websocket, &room);
                CURLcode code = check->prober->curl.easy_recv(check->easy, in, room, &n);
                if (code == CURLE_AGAIN)
                        return 0;
                if (code != CURLE_OK || n == 0)
                        return -ECONNRESET;
                websocket_received(&heads->websocket, n);
                int r = take_news(check, why, why_size);
                if (r < 0)
                        return r;
                taken += n;
                /* What TLS has deciphered ahead wakes nobody; that the socket can be written to does. */
                if (taken >= BYTES_A_TURN)
                        return sd_event_source_set_io_events(heads->source, EPOLLIN | EPOLLOUT);
        }
}

static int take_news(struct check *check, char *why, size_t why_size) {
        enum websocket_news news;
        const char *text = NULL;
        size_t size = 0;
        int r;
        while ((r = websocket_next(&check->heads->websocket, &news, &text, &size, why, why_size)) > 0) {
                switch (news) {
                case WEBSOCKET_OPENED:
                        r = send_frame(check, WEBSOCKET_TEXT, subscribe_request, strlen(subscribe_request));
                        if (r >= 0)
                                r = send_frame(check, WEBSOCKET_TEXT, number_request,
                                                strlen(number_request));
                        break;
                case WEBSOCKET_PINGED:
                        r = send_frame(check, WEBSOCKET_PONG, text, size);
                        break;
                case WEBSOCKET_CLOSED:
                        (void)send_frame(check, WEBSOCKET_CLOSE, "\x03\xe8", 2);
                        (void)snprintf(why, why_size, "it closed the connection%s%.*s", size ? ": " : "",
                                        (int)(size < 100 ? size : 100), text);
                        return -ECONNRESET;
                case WEBSOCKET_MESSAGE:
                        r = take_message(check, text, size, why, why_size);
                        break;
                }
                if (r < 0)
                        break;
        }
        return r;
}

static int take_message(struct check *check, const char *text, size_t size, char *why, size_t why_size) {
        struct heads *heads = check->heads;
        int r = answer_head(text, size, &heads->height, why, why_size);
        if (r == HEAD_HEIGHT) {
                heads->is_asked = false;
                /* One that is asked is told though it is the same, as a sign of life. */
                heads->told_height = PROBER_HEIGHT_NONE;
        }
        if (r == HEAD_NO_SUBSCRIPTION) {
                heads->is_polled = true;
                log_warning("the node does not tell new blocks (%.200s): its height is asked for every %u "
                            "ms over the "
                            "same connection",
                                why, check->request.every_ms);
        }
        return r < 0 ? r : 0;
}

/* More than a few frames that the node does not read are not kept for it. */
static int send_frame(struct check *check, enum websocket_opcode opcode, const char *text, size_t size) {
        struct heads *heads = check->heads;
        uint8_t mask[4];
        if (size + WEBSOCKET_SENT_HEADER > sizeof(heads->out) - heads->out_size ||
                        getrandom(mask, sizeof(mask), 0) != sizeof(mask))
                return -ENOBUFS;
        heads->out_size += websocket_frame(opcode, text, size, mask, heads->out + heads->out_size);
        return flush(check);
}

static int flush(struct check *check) {
        struct heads *heads = check->heads;
        CURLcode code = CURLE_OK;
        while (heads->out_size > 0 && code == CURLE_OK) {
                size_t n = 0;
                code = check->prober->curl.easy_send(check->easy, heads->out, heads->out_size, &n);
                if (code == CURLE_OK) {
                        memmove(heads->out, heads->out + n, heads->out_size - n);
                        heads->out_size -= n;
                }
        }
        (void)sd_event_source_set_io_events(heads->source, EPOLLIN | (heads->out_size > 0 ? EPOLLOUT : 0));
        return code == CURLE_OK || code == CURLE_AGAIN ? 0 : -ECONNRESET;
}

static void tell(struct check *check) {
        struct heads *heads = check->heads;
        if (heads->height == heads->told_height)
                return;
        heads->told_height = heads->height;
        set_deadline(check, heads->is_polled ? check->request.every_ms : check->request.silence_ms);
        check_tell(check, heads->height);
}

static void set_deadline(struct check *check, uint32_t timeout_ms) {
        (void)sd_event_source_set_time_relative(check->deadline, timeout_ms * USEC_PER_MSEC);
        (void)sd_event_source_set_enabled(check->deadline, SD_EVENT_ONESHOT);
}
