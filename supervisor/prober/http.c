/* HTTP by libcurl's multi interface, driven by sd-event, over a socket that is already connected. */
#include "http.h"

#include "../lib/log.h"
#include "check.h"
#include "heads.h"
#include "judge.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

static const char ethereum_request[] =
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_blockNumber\",\"params\":[]}";
static const char bitcoin_request[] =
                "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"getblockcount\",\"params\":[]}";

static void map_authorities(struct prober *prober);
static bool set_options(struct check *check);
static bool set_request(struct check *check);
static void take_finished(struct transfers *transfers);
static void finish(struct check *check, CURLcode code, uint32_t status);
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socket_data);
static int on_timer(CURLM *multi, long timeout_ms, void *userdata);
static size_t on_body(char *data, size_t size, size_t n, void *userdata);
static curl_socket_t give_socket(void *userdata, curlsocktype purpose, struct curl_sockaddr *address);
static int is_connected_already(void *userdata, curl_socket_t fd, curlsocktype purpose);

int http_open(struct prober *prober) {
        const char *why = "";
        int r = curl_library_load(&prober->curl, &why);
        if (r < 0) {
                log_error("cannot load libcurl (%s): install the package libcurl4", why);
                return r;
        }
        const struct curl_library *curl = &prober->curl;
        if (curl->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
                        transfers_open(&prober->transfers, prober) < 0)
                return log_errno(-ENOMEM, "cannot prepare libcurl");
        map_authorities(prober);
        return 0;
}

int transfers_open(struct transfers *transfers, struct prober *prober) {
        const struct curl_library *curl = &prober->curl;
        *transfers = (struct transfers){.prober = prober, .multi = curl->multi_init()};
        bool is_open = transfers->multi &&
                       curl->multi_setopt(transfers->multi, CURLMOPT_SOCKETFUNCTION, on_socket) ==
                                       CURLM_OK &&
                       curl->multi_setopt(transfers->multi, CURLMOPT_SOCKETDATA, transfers) == CURLM_OK &&
                       curl->multi_setopt(transfers->multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
                       curl->multi_setopt(transfers->multi, CURLMOPT_TIMERDATA, transfers) == CURLM_OK;
        if (!is_open)
                transfers_close(transfers);
        return is_open ? 0 : -ENOMEM;
}

void transfers_close(struct transfers *transfers) {
        if (transfers->multi)
                (void)transfers->prober->curl.multi_cleanup(transfers->multi);
        transfers->multi = NULL;
        transfers->timer = sd_event_source_disable_unref(transfers->timer);
}

int http_begin(struct check *check, struct transfers *transfers) {
        struct prober *prober = check->prober;
        check->easy = prober->curl.easy_init();
        if (!check->easy || !set_options(check) || !set_request(check))
                return -EINVAL;
        check->multi = transfers->multi;
        return prober->curl.multi_add_handle(check->multi, check->easy) == CURLM_OK ? 0 : -EINVAL;
}

void http_end(struct check *check) {
        if (check->easy) {
                (void)check->prober->curl.multi_remove_handle(check->multi, check->easy);
                check->prober->curl.easy_cleanup(check->easy);
        }
        if (check->headers)
                check->prober->curl.slist_free_all(check->headers);
        if (check->connect_to)
                check->prober->curl.slist_free_all(check->connect_to);
        check->easy = check->multi = check->headers = check->connect_to = NULL;
}

/* In the sandbox no file is opened, so the trust store is mapped before; its pages cost memory once https is
 * probed. Without one, https probes fail and say so. */
static void map_authorities(struct prober *prober) {
        const curl_version_info_data *version = prober->curl.version_info(CURLVERSION_NOW);
        struct stat st;
        if (!version || version->age < CURLVERSION_SEVENTH || !version->cainfo)
                return;
        _cleanup_close_ int fd = open(version->cainfo, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0)
                return;
        void *mapped = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (mapped == MAP_FAILED)
                return;
        prober->authorities = mapped;
        prober->authorities_size = (size_t)st.st_size;
}

/* No resolver is asked: whatever host the URL names is only a name in the request, the socket is connected. libcurl 7.88
 * speaks no WebSocket; for that it connects only, with TLS where the URL says so. */
static bool set_options(struct check *check) {
        const struct curl_library *curl = &check->prober->curl;
        struct curl_blob authorities = {.data = check->prober->authorities,
                        .len = check->prober->authorities_size,
                        .flags = CURL_BLOB_NOCOPY};
        CURL *easy = check->easy;
        char url[PROBER_URL_MAX + 8];
        bool is_websocket = strncmp(check->request.url, "ws", 2) == 0;
        (void)snprintf(url, sizeof(url), "%s%s", is_websocket ? "http" : "",
                        check->request.url + (is_websocket ? 2 : 0));
        check->connect_to = curl->slist_append(NULL, "::127.0.0.1:");
        return check->connect_to &&
               curl->easy_setopt(easy, CURLOPT_CONNECT_TO, check->connect_to) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_PRIVATE, check) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_FORBID_REUSE, is_websocket ? 0L : 1L) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_CONNECT_ONLY, is_websocket ? 1L : 0L) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_USERAGENT, "interrex") == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, give_socket) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_OPENSOCKETDATA, check) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, is_connected_already) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_WRITEDATA, check) == CURLE_OK &&
               (!authorities.data || strncmp(url, "https:", 6) != 0 ||
                               curl->easy_setopt(easy, CURLOPT_CAINFO_BLOB, &authorities) == CURLE_OK);
}

static bool set_request(struct check *check) {
        const struct curl_library *curl = &check->prober->curl;
        const char *post = check->request.kind == CHECK_ETHEREUM  ? ethereum_request
                           : check->request.kind == CHECK_BITCOIN ? bitcoin_request
                                                                  : NULL;
        if (!post)
                return true;
        check->headers = curl->slist_append(NULL, "Content-Type: application/json");
        return check->headers &&
               curl->easy_setopt(check->easy, CURLOPT_HTTPHEADER, check->headers) == CURLE_OK &&
               curl->easy_setopt(check->easy, CURLOPT_POSTFIELDS, post) == CURLE_OK;
}

/* Heads have transfers of their own, of which nothing may be left after the last check is finished. */
static void take_finished(struct transfers *transfers) {
        struct prober *prober = transfers->prober;
        bool is_shared = transfers == &prober->transfers;
        int left;
        for (CURLMsg *message; (message = prober->curl.multi_info_read(transfers->multi, &left));) {
                struct check *check = NULL;
                long status = 0;
                if (message->msg != CURLMSG_DONE)
                        continue;
                (void)prober->curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &check);
                (void)prober->curl.easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
                INVARIANT(check && check->easy == message->easy_handle);
                CURLcode code = message->data.result;
                if (check->heads && code == CURLE_OK)
                        heads_connected(check);
                else
                        finish(check, code, (uint32_t)status);
                if (!is_shared)
                        return;
        }
}

static void finish(struct check *check, CURLcode code, uint32_t status) {
        uint64_t height = PROBER_HEIGHT_NONE;
        char why[400] = "";
        bool is_healthy = false;
        if (code == CURLE_OK)
                is_healthy = judge_answer(&check->request, status, check->body, check->body_size, &height,
                                             why, sizeof(why)) >= 0;
        else if (code == CURLE_WRITE_ERROR)
                (void)snprintf(why, sizeof(why), "its answer is larger than %d KiB", BODY_MAX / 1024);
        else if (code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING || code == CURLE_SEND_ERROR ||
                        code == CURLE_PARTIAL_FILE)
                (void)snprintf(why, sizeof(why), "it closed the connection before its answer was complete");
        else if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_HTTP2)
                (void)snprintf(why, sizeof(why), "what it answers is not HTTP/1, or the URL is not");
        else if (code == CURLE_PEER_FAILED_VERIFICATION)
                (void)snprintf(why, sizeof(why),
                                "its certificate is not trusted by this host for the name in the URL");
        else
                (void)snprintf(why, sizeof(why), "the request failed: %s",
                                check->prober->curl.easy_strerror(code));
        check_finish(check, is_healthy, status, height, why);
}

static int on_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct transfers *transfers = userdata;
        int running, what = 0;
        (void)source;
        if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
                what |= CURL_CSELECT_IN;
        if (revents & EPOLLOUT)
                what |= CURL_CSELECT_OUT;
        (void)transfers->prober->curl.multi_socket_action(transfers->multi, fd, what, &running);
        take_finished(transfers);
        return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socket_data) {
        struct transfers *transfers = userdata;
        struct prober *prober = transfers->prober;
        sd_event_source *source = socket_data;
        uint32_t events = ((what & CURL_POLL_IN) ? EPOLLIN : 0) | ((what & CURL_POLL_OUT) ? EPOLLOUT : 0);
        (void)easy;
        if (what == CURL_POLL_REMOVE) {
                (void)sd_event_source_disable_unref(source);
                (void)prober->curl.multi_assign(transfers->multi, fd, NULL);
        } else if (source)
                (void)sd_event_source_set_io_events(source, events);
        else if (sd_event_add_io(prober->event, &source, fd, events, on_ready, transfers) >= 0)
                (void)prober->curl.multi_assign(transfers->multi, fd, source);
        return 0;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        struct transfers *transfers = userdata;
        int running;
        (void)source;
        (void)usec;
        (void)transfers->prober->curl.multi_socket_action(
                        transfers->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        take_finished(transfers);
        return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *userdata) {
        struct transfers *transfers = userdata;
        (void)multi;
        transfers->timer = sd_event_source_disable_unref(transfers->timer);
        if (timeout_ms >= 0)
                (void)sd_event_add_time_relative(transfers->prober->event, &transfers->timer,
                                CLOCK_MONOTONIC, (uint64_t)timeout_ms * USEC_PER_MSEC, USEC_PER_MSEC,
                                on_timeout, transfers);
        return 0;
}

/* Nothing is taken beyond the limit: less than was offered makes curl end the exchange. */
static size_t on_body(char *data, size_t size, size_t n, void *userdata) {
        struct check *check = userdata;
        size_t length = size * n;
        if (length > BODY_MAX - check->body_size)
                return 0;
        if (length == 0)
                return 0;
        char *grown = realloc(check->body, check->body_size + length);
        if (!grown)
                return 0;
        memcpy(grown + check->body_size, data, length);
        check->body = grown;
        check->body_size += length;
        return length;
}

/* The descriptor is handed out once; a second connection would not be aimed. */
static curl_socket_t give_socket(void *userdata, curlsocktype purpose, struct curl_sockaddr *address) {
        struct check *check = userdata;
        (void)purpose;
        (void)address;
        return check->fd < 0 ? CURL_SOCKET_BAD : TAKE_FD(check->fd);
}

static int is_connected_already(void *userdata, curl_socket_t fd, curlsocktype purpose) {
        (void)userdata;
        (void)fd;
        (void)purpose;
        return CURL_SOCKOPT_ALREADY_CONNECTED;
}
