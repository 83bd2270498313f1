/* HTTP by libcurl's multi interface, driven by sd-event, over a socket that is already connected. */
#include "answers.h"
#include "check.h"
#include "curl_library.h"

static const char ethereum_request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_blockNumber\",\"params\":[]}";
static const char bitcoin_request[] = "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"getblockcount\",\"params\":[]}";

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socket_data);
static int on_timer(CURLM *multi, long timeout_ms, void *userdata);

int http_open(struct prober *prober) {
        prober->curl = curl_library_load();
        if (!prober->curl || prober->curl->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return -ENOENT;
        prober->multi = prober->curl->multi_init();
        if (!prober->multi)
                return -ENOMEM;
        (void) prober->curl->multi_setopt(prober->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
        (void) prober->curl->multi_setopt(prober->multi, CURLMOPT_SOCKETDATA, prober);
        (void) prober->curl->multi_setopt(prober->multi, CURLMOPT_TIMERFUNCTION, on_timer);
        (void) prober->curl->multi_setopt(prober->multi, CURLMOPT_TIMERDATA, prober);
        return 0;
}

static void judge(struct check *check, uint32_t status) {
        struct prober_check *request = &check->request;
        uint64_t height = PROBER_HEIGHT_NONE;
        char why[300] = "";
        int r = 0;
        const char *body = check->body ? check->body : "";
        switch (request->kind) {
        case CHECK_ETHEREUM:
                r = answer_ethereum(body, check->body_size, &height, why, sizeof(why));
                break;
        case CHECK_BITCOIN:
                r = answer_bitcoin(body, check->body_size, &height, why, sizeof(why));
                break;
        case CHECK_COMETBFT:
                r = answer_cometbft(body, check->body_size, &height, why, sizeof(why));
                break;
        case CHECK_FLOW:
                r = answer_flow(body, check->body_size, &height, why, sizeof(why));
                break;
        case CHECK_METRICS:
                r = answer_metrics(body, request->argument, &height, why, sizeof(why));
                break;
        }
        bool status_is_right = request->status ? status == request->status : status >= 200 && status < 300;
        if (!status_is_right) {
                /* The body often says why: "Loading block index". */
                char detail[sizeof(why)];
                text_copy(detail, sizeof(detail), r < 0 ? why : "");
                (void) snprintf(why, sizeof(why), "status %u instead of %u%s%.200s", status, request->status ? request->status : 200, *detail ? ": " : "", detail);
        } else if (r == 0 && request->kind == CHECK_HTTP && *request->argument && !strstr(body, request->argument)) {
                (void) snprintf(why, sizeof(why), "its answer does not contain \"%.100s\"", request->argument);
                r = -EBADMSG;
        }
        bool healthy = status_is_right && r == 0;
        check_finish(check, healthy, status, healthy ? height : PROBER_HEIGHT_NONE, healthy ? "" : why);
}

static void take_finished(struct prober *prober) {
        int left;
        for (CURLMsg *message; (message = prober->curl->multi_info_read(prober->multi, &left));) {
                struct check *check = NULL;
                long status = 0;
                char text[200];
                CURLcode code = message->data.result;
                if (message->msg != CURLMSG_DONE)
                        continue;
                (void) prober->curl->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &check);
                (void) prober->curl->easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
                if (!check)
                        continue;
                if (code == CURLE_OK) {
                        judge(check, (uint32_t) status);
                        continue;
                }
                if (code == CURLE_WRITE_ERROR)
                        (void) snprintf(text, sizeof(text), "its answer is larger than %d KiB", BODY_MAX / 1024);
                else if (code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING || code == CURLE_SEND_ERROR)
                        (void) snprintf(text, sizeof(text), "it closed the connection without a whole answer");
                else
                        (void) snprintf(text, sizeof(text), "the request failed: %.120s", prober->curl->easy_strerror(code));
                check_finish(check, false, (uint32_t) status, PROBER_HEIGHT_NONE, text);
        }
}

static int on_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct prober *prober = userdata;
        int running, what = 0;
        (void) source;
        if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
                what |= CURL_CSELECT_IN;
        if (revents & EPOLLOUT)
                what |= CURL_CSELECT_OUT;
        (void) prober->curl->multi_socket_action(prober->multi, fd, what, &running);
        take_finished(prober);
        return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socket_data) {
        struct prober *prober = userdata;
        sd_event_source *source = socket_data;
        uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
        (void) easy;
        if (what == CURL_POLL_REMOVE) {
                (void) sd_event_source_disable_unref(source);
                (void) prober->curl->multi_assign(prober->multi, fd, NULL);
        } else if (source)
                (void) sd_event_source_set_io_events(source, events);
        else if (sd_event_add_io(prober->event, &source, fd, events, on_ready, prober) >= 0)
                (void) prober->curl->multi_assign(prober->multi, fd, source);
        return 0;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        struct prober *prober = userdata;
        int running;
        (void) source;
        (void) usec;
        (void) prober->curl->multi_socket_action(prober->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        take_finished(prober);
        return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *userdata) {
        struct prober *prober = userdata;
        (void) multi;
        prober->curl_timer = sd_event_source_disable_unref(prober->curl_timer);
        if (timeout_ms >= 0)
                (void) sd_event_add_time_relative(prober->event, &prober->curl_timer, CLOCK_MONOTONIC, (uint64_t) timeout_ms * USEC_PER_MSEC, 1000, on_timeout, prober);
        return 0;
}

/* The descriptor is handed out once; a second connection would not be aimed. */
static curl_socket_t give_socket(void *userdata, curlsocktype purpose, struct curl_sockaddr *address) {
        struct check *check = userdata;
        (void) purpose;
        (void) address;
        return check->fd < 0 ? CURL_SOCKET_BAD : TAKE_FD(check->fd);
}

static int is_connected_already(void *userdata, curl_socket_t fd, curlsocktype purpose) {
        (void) userdata;
        (void) fd;
        (void) purpose;
        return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static size_t on_body(char *data, size_t size, size_t n, void *userdata) {
        struct check *check = userdata;
        size_t length = size * n;
        if (length > BODY_MAX - check->body_size)
                return 0;
        char *grown = realloc(check->body, check->body_size + length + 1);
        if (!grown)
                return 0;
        memcpy(grown + check->body_size, data, length);
        check->body = grown;
        check->body_size += length;
        check->body[check->body_size] = '\0';
        return length;
}

static void set_request(struct check *check, const struct curl_library *curl) {
        const char *post = check->request.kind == CHECK_ETHEREUM ? ethereum_request
                        : check->request.kind == CHECK_BITCOIN   ? bitcoin_request
                                                                 : NULL;
        if (!post)
                return;
        check->headers = curl->slist_append(NULL, "Content-Type: application/json");
        (void) curl->easy_setopt(check->easy, CURLOPT_HTTPHEADER, check->headers);
        (void) curl->easy_setopt(check->easy, CURLOPT_POSTFIELDS, post);
}

int http_begin(struct check *check) {
        struct prober *prober = check->prober;
        const struct curl_library *curl = prober->curl;
        CURL *easy = curl->easy_init();
        if (!easy)
                return -ENOMEM;
        check->easy = easy;
        /* No resolver is asked: the host in the URL is only a name in the request. */
        check->connect_to = curl->slist_append(NULL, "::127.0.0.1:");
        (void) curl->easy_setopt(easy, CURLOPT_CONNECT_TO, check->connect_to);
        (void) curl->easy_setopt(easy, CURLOPT_URL, check->request.url);
        (void) curl->easy_setopt(easy, CURLOPT_PRIVATE, check);
        (void) curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
        (void) curl->easy_setopt(easy, CURLOPT_PROXY, "");
        (void) curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        (void) curl->easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
        (void) curl->easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
        (void) curl->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
        (void) curl->easy_setopt(easy, CURLOPT_USERAGENT, "interrex");
        (void) curl->easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, give_socket);
        (void) curl->easy_setopt(easy, CURLOPT_OPENSOCKETDATA, check);
        (void) curl->easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, is_connected_already);
        (void) curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
        (void) curl->easy_setopt(easy, CURLOPT_WRITEDATA, check);
        set_request(check, curl);
        return curl->multi_add_handle(prober->multi, easy) == CURLM_OK ? 0 : -EINVAL;
}

void http_end(struct check *check) {
        const struct curl_library *curl = check->prober->curl;
        if (!check->easy)
                return;
        (void) curl->multi_remove_handle(check->prober->multi, check->easy);
        curl->easy_cleanup(check->easy);
        curl->slist_free_all(check->headers);
        curl->slist_free_all(check->connect_to);
        check->easy = check->headers = check->connect_to = NULL;
}
