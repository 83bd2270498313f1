/* Heights over a WebSocket: a real prober against the test as the node, which breaks what can be broken, and against a real
 * anvil. */
#include "prober/prober.h"

#include "prober/curl_library.h"
#include "prober/websocket.h"
#include "support/prober_stage.h"
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#define ANVIL "/var/cache/interrex-nodes/anvil-1.7.1"
#define ID 5
#define TRUSTED "/etc/ssl/certs/ca-certificates.crt"
#define SCRATCH "/tmp/interrex-test-prober-heads"

static int set_up(void **state) {
        return prober_stage_set_up(state, prober_main);
}

static void ask(struct prober_stage *stage, uint32_t timeout_ms, uint32_t silence_ms, const char *url) {
        struct prober_check check = {.id = ID,
                        .kind = CHECK_ETHEREUM_HEADS,
                        .timeout_ms = timeout_ms,
                        .silence_ms = silence_ms,
                        .every_ms = 30,
                        .address_length = sizeof(stage->address)};
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        memcpy(&check.address, &stage->address, sizeof(stage->address));
        text_copy(check.url, sizeof(check.url), url);
        assert_int_equal(wire_send(stage->link, PROBER_CHECK, &check, sizeof(check), &fd, 1), 0);
}

static void read_exactly(int fd, char *bytes, size_t size) {
        for (size_t used = 0; used < size;) {
                assert_true(prober_stage_await(fd, PROBER_STAGE_PATIENCE_MS));
                ssize_t n = read(fd, bytes + used, size - used);
                assert_true(n > 0);
                used += (size_t)n;
        }
}

/* One frame of the client, which must be masked: its kind, and its text without the mask. */
static unsigned take_frame(int fd, char *text, size_t size) {
        uint8_t head[2], mask[4];
        read_exactly(fd, (char *)head, 2);
        assert_true(head[0] & 0x80);
        assert_true(head[1] & 0x80);
        size_t length = head[1] & 0x7f;
        assert_true(length < 126 && length < size);
        read_exactly(fd, (char *)mask, 4);
        read_exactly(fd, text, length);
        for (size_t i = 0; i < length; i++)
                text[i] = (char)(text[i] ^ mask[i % 4]);
        text[length] = '\0';
        return head[0] & 0x0f;
}

static void expect_frame(int fd, unsigned opcode, const char *part) {
        char text[200];
        assert_int_equal(take_frame(fd, text, sizeof(text)), opcode);
        if (!strstr(text, part))
                fail_msg("\"%s\" does not hold \"%s\"", text, part);
}

static void send_frame(int fd, unsigned opcode, const char *text) {
        char frame[1024];
        size_t size = strlen(text), header = size < 126 ? 2 : 4;
        frame[0] = (char)(0x80 | opcode);
        frame[1] = (char)(size < 126 ? size : 126);
        frame[2] = (char)(size >> 8);
        frame[3] = (char)(size & 0xff);
        memcpy(frame + header, text, size);
        assert_int_equal(send(fd, frame, header + size, MSG_NOSIGNAL), header + size);
}

static void send_head(int fd, unsigned number) {
        char text[300];
        (void)snprintf(text, sizeof(text),
                        "{\"jsonrpc\":\"2.0\",\"method\":\"eth_subscription\",\"params\":{\"subscription\":"
                        "\"0x9\","
                        "\"result\":{\"number\":\"0x%x\",\"hash\":\"0xab\"}}}",
                        number);
        send_frame(fd, WEBSOCKET_TEXT, text);
}

static void answer_handshake(int fd, bool is_right) {
        char request[2048] = "", source[WEBSOCKET_KEY_SIZE + 40], accept[WEBSOCKET_ACCEPT_SIZE], answer[300];
        unsigned char digest[20];
        struct curl_library curl;
        const char *why;
        size_t used = 0;
        assert_int_equal(curl_library_load(&curl, &why), 0);
        assert_non_null(curl.sha1);
        while (!strstr(request, "\r\n\r\n")) {
                read_exactly(fd, request + used++, 1);
                assert_true(used < sizeof(request) - 1);
        }
        const char *key = strstr(request, "Sec-WebSocket-Key: ");
        assert_ptr_equal(strstr(request, "GET /ws HTTP/1.1\r\n"), request);
        assert_non_null(key);
        size_t size = websocket_accept_source(key + strlen("Sec-WebSocket-Key: "), source);
        (void)curl.sha1((const unsigned char *)source, size, digest);
        sodium_bin2base64(accept, sizeof(accept), digest, sizeof(digest), sodium_base64_VARIANT_ORIGINAL);
        if (!is_right)
                accept[0] = accept[0] == 'A' ? 'B' : 'A';
        (void)snprintf(answer, sizeof(answer),
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %s\r\n\r\n",
                        accept);
        assert_int_equal(send(fd, answer, strlen(answer), MSG_NOSIGNAL), strlen(answer));
}

static int accept_handshake(struct prober_stage *stage, bool is_right) {
        assert_true(prober_stage_await(stage->listener, PROBER_STAGE_PATIENCE_MS));
        int fd = accept4(stage->listener, NULL, NULL, SOCK_CLOEXEC);
        answer_handshake(fd, is_right);
        return fd;
}

/* Up to the first height, 100, with blocks to be told. */
static void go_on_subscribing(int fd) {
        expect_frame(fd, WEBSOCKET_TEXT, "\"id\":1,\"method\":\"eth_subscribe\",\"params\":[\"newHeads\"]");
        expect_frame(fd, WEBSOCKET_TEXT, "\"id\":2,\"method\":\"eth_blockNumber\"");
        send_frame(fd, WEBSOCKET_TEXT, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x9\"}");
        send_frame(fd, WEBSOCKET_TEXT, "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":\"0x64\"}");
}

static int subscribe(struct prober_stage *stage) {
        int fd = accept_handshake(stage, true);
        go_on_subscribing(fd);
        return fd;
}

static void expect_told(struct prober_stage *stage, uint64_t height) {
        const struct prober_result *result = prober_stage_expect(stage, PROBER_RESULT);
        assert_int_equal(result->id, ID);
        if (!result->healthy)
                fail_msg("unhealthy: %s", result->text);
        assert_int_equal(result->goes_on, 1);
        assert_int_equal(result->height, height);
}

static void blocks_are_told_and_nothing_else_is_asked(void **state) {
        struct prober_stage *stage = *state;
        ask(stage, 2000, 60000, "ws://127.0.0.1:8546/ws");
        int fd = subscribe(stage);
        expect_told(stage, 100);
        send_head(fd, 101);
        expect_told(stage, 101);
        send_frame(fd, WEBSOCKET_PING, "are you there");
        expect_frame(fd, WEBSOCKET_PONG, "are you there");
        send_frame(fd, WEBSOCKET_TEXT, "{\"jsonrpc\":\"2.0\",\"method\":\"something_else\"}");
        /* Longer than the timeout of the first answer. */
        assert_false(prober_stage_await(fd, 2300));
        assert_false(prober_stage_await(stage->link, 0));
        send_head(fd, 102);
        expect_told(stage, 102);
        send_frame(fd, WEBSOCKET_CLOSE, "\x03\xe9going away");
        expect_frame(fd, WEBSOCKET_CLOSE, "");
        (void)prober_stage_expect_unhealthy(stage, ID, "it closed the connection: going away");
        close_fd(fd);
}

static void a_long_silence_is_ended_by_a_question(void **state) {
        struct prober_stage *stage = *state;
        ask(stage, 200, 100, "ws://127.0.0.1:8546/ws");
        int fd = subscribe(stage);
        expect_told(stage, 100);
        expect_frame(fd, WEBSOCKET_TEXT, "eth_blockNumber");
        send_frame(fd, WEBSOCKET_TEXT, "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":\"0x64\"}");
        expect_told(stage, 100);
        expect_frame(fd, WEBSOCKET_TEXT, "eth_blockNumber");
        (void)prober_stage_expect_unhealthy(stage, ID, "within 200 ms");
        char end;
        assert_true(prober_stage_await(fd, PROBER_STAGE_PATIENCE_MS));
        assert_int_equal(read(fd, &end, 1), 0);
        close_fd(fd);
}

static void a_node_without_subscriptions_is_polled(void **state) {
        struct prober_stage *stage = *state;
        ask(stage, 2000, 60000, "ws://127.0.0.1:8546/ws");
        int fd = accept_handshake(stage, true);
        expect_frame(fd, WEBSOCKET_TEXT, "eth_subscribe");
        expect_frame(fd, WEBSOCKET_TEXT, "eth_blockNumber");
        send_frame(fd, WEBSOCKET_TEXT,
                        "{\"id\":1,\"error\":{\"code\":-32601,\"message\":\"no such method\"}}");
        for (unsigned i = 0; i < 3; i++) {
                char text[100];
                (void)snprintf(text, sizeof(text), "{\"id\":2,\"result\":\"0x%x\"}", 200 + i);
                send_frame(fd, WEBSOCKET_TEXT, text);
                expect_told(stage, 200 + i);
                expect_frame(fd, WEBSOCKET_TEXT, "eth_blockNumber");
        }
        close_fd(fd);
        (void)prober_stage_expect_unhealthy(stage, ID, "it closed the connection");
}

static void what_is_no_websocket_is_refused(void **state) {
        struct prober_stage *stage = *state;
        ask(stage, 2000, 60000, "ws://127.0.0.1:8546/ws");
        int fd = accept_handshake(stage, false);
        (void)prober_stage_expect_unhealthy(stage, ID, "does not complete a WebSocket handshake");
        close_fd(fd);
        ask(stage, 2000, 60000, "ws://127.0.0.1:8546/ws");
        fd = subscribe(stage);
        expect_told(stage, 100);
        send_frame(fd, WEBSOCKET_TEXT,
                        "{\"jsonrpc\":\"2.0\",\"method\":\"eth_subscription\",\"params\":{}}");
        (void)prober_stage_expect_unhealthy(stage, ID, "a new head has no number");
        close_fd(fd);
        ask(stage, 100, 60000, "ws://127.0.0.1:8546/ws");
        (void)prober_stage_expect_unhealthy(stage, ID, "within 100 ms");
        close_fd(accept4(stage->listener, NULL, NULL, SOCK_CLOEXEC));
        /* The listener accepts TLS as little as anything else. */
        ask(stage, 2000, 60000, "wss://127.0.0.1:8546/ws");
        assert_true(prober_stage_await(stage->listener, PROBER_STAGE_PATIENCE_MS));
        close_fd(accept4(stage->listener, NULL, NULL, SOCK_CLOEXEC));
        (void)prober_stage_expect_unhealthy(stage, ID, "");
}

/* As fast as the node can; the director is told what is newest, and other checks go on meanwhile. */
static void a_flood_of_blocks_stops_nothing(void **state) {
        struct prober_stage *stage = *state;
        struct prober_cancel cancel = {.id = ID};
        ask(stage, 2000, 60000, "ws://127.0.0.1:8546/ws");
        int fd = subscribe(stage);
        expect_told(stage, 100);
        for (unsigned i = 101; i <= 20000; i++)
                send_head(fd, i);
        for (uint64_t height = 100; height < 20000;) {
                const struct prober_result *result = prober_stage_expect(stage, PROBER_RESULT);
                assert_true(result->healthy && result->height > height && result->height <= 20000);
                height = result->height;
        }
        assert_int_equal(wire_send(stage->link, PROBER_CANCEL, &cancel, sizeof(cancel), NULL, 0), 0);
        char end;
        assert_true(prober_stage_await(fd, PROBER_STAGE_PATIENCE_MS));
        assert_int_equal(read(fd, &end, 1), 0);
        close_fd(fd);
        prober_stage_ask(stage, 6, CHECK_TCP, PROBER_STAGE_PATIENCE_MS, "", "");
        prober_stage_expect_healthy(stage, 6, PROBER_HEIGHT_NONE);
}

static void a_real_anvil_tells_its_blocks(void **state) {
        struct prober_stage *stage = *state;
        int output[2];
        char byte;
        if (access(ANVIL, X_OK) < 0) {
                print_message("there is no " ANVIL ": tests/support/fetch-nodes.sh fetches it\n");
                skip();
        }
        close_fd(stage->listener); /* its port is anvil's now */
        stage->listener = -1;
        assert_int_equal(pipe2(output, O_CLOEXEC), 0);
        pid_t anvil = fork();
        if (anvil == 0) {
                char port[8];
                (void)snprintf(port, sizeof(port), "%u", ntohs(stage->address.sin_port));
                (void)dup2(output[1], STDOUT_FILENO);
                (void)execl(ANVIL, "anvil", "--port", port, "--block-time", "1", (char *)NULL);
                _exit(127);
        }
        close_fd(output[1]);
        char text[8192] = "";
        for (size_t used = 0; !strstr(text, "Listening on") && used < sizeof(text) - 1; used++)
                read_exactly(output[0], text + used, 1);
        ask(stage, 2000, 60000, "ws://127.0.0.1/");
        const struct prober_result *result = prober_stage_expect(stage, PROBER_RESULT);
        assert_true(result->healthy && result->goes_on && result->height < 5);
        uint64_t height = result->height;
        expect_told(stage, height + 1);
        expect_told(stage, height + 2);
        assert_int_equal(kill(anvil, SIGKILL), 0);
        assert_int_equal(waitpid(anvil, NULL, 0), anvil);
        (void)prober_stage_expect_unhealthy(stage, ID, "it closed the connection");
        while (read(output[0], &byte, 1) > 0)
                ;
        close_fd(output[0]);
}

/* A certificate for 127.0.0.1, which the host trusts from here on: in a mount namespace of its own, so this comes last. */
static int set_up_trusted(void **state) {
        static const char make[] =
                        "set -e; d=" SCRATCH
                        "; rm -rf $d; mkdir $d; /usr/bin/openssl req -x509 -newkey ec -pkeyopt "
                        "ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1 -addext "
                        "subjectAltName=IP:127.0.0.1 -keyout $d/key -out $d/certificate 2>/dev/null";
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
                        system(make) != 0 || mount(SCRATCH "/certificate", TRUSTED, NULL, MS_BIND, NULL) < 0)
                print_message("the certificate of the test cannot be made or be trusted\n");
        return prober_stage_set_up(state, prober_main);
}

/* openssl in front of the stage's listener: what it deciphers and enciphers passes through its standard input and output. */
static void blocks_are_told_over_tls(void **state) {
        struct prober_stage *stage = *state;
        struct stat certificate, trusted;
        int pair[2];
        if (stat(SCRATCH "/certificate", &certificate) < 0 || stat(TRUSTED, &trusted) < 0 ||
                        certificate.st_ino != trusted.st_ino)
                skip();
        close_fd(stage->listener);
        stage->listener = -1;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        pid_t server = fork();
        if (server == 0) {
                char address[32];
                (void)snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(stage->address.sin_port));
                (void)dup2(pair[1], STDIN_FILENO);
                (void)dup2(pair[1], STDOUT_FILENO);
                (void)execl("/usr/bin/openssl", "openssl", "s_server", "-quiet", "-naccept", "1", "-accept",
                                address, "-cert", SCRATCH "/certificate", "-key", SCRATCH "/key",
                                (char *)NULL);
                _exit(127);
        }
        close_fd(pair[1]);
        const struct prober_result *result;
        struct pollfd either[] = {{.fd = pair[0], .events = POLLIN}, {.fd = stage->link, .events = POLLIN}};
        while (!(either[0].revents & POLLIN)) { /* until it listens */
                ask(stage, 5000, 60000, "wss://127.0.0.1:8546/ws");
                assert_true(poll(either, 2, PROBER_STAGE_PATIENCE_MS) > 0);
                if (either[1].revents & POLLIN) {
                        result = prober_stage_expect(stage, PROBER_RESULT);
                        assert_non_null(strstr(result->text, "connection refused"));
                }
        }
        answer_handshake(pair[0], true);
        go_on_subscribing(pair[0]);
        expect_told(stage, 100);
        for (unsigned i = 101; i < 2000; i++)
                send_head(pair[0], i);
        for (uint64_t height = 100; height < 1999; height = result->height) {
                result = prober_stage_expect(stage, PROBER_RESULT);
                if (!result->healthy)
                        fail_msg("%s", result->text);
        }
        assert_int_equal(kill(server, SIGKILL), 0);
        assert_int_equal(waitpid(server, NULL, 0), server);
        (void)prober_stage_expect_unhealthy(stage, ID, "it closed the connection");
        close_fd(pair[0]);
        (void)unlink(SCRATCH "/certificate");
        (void)unlink(SCRATCH "/key");
        (void)rmdir(SCRATCH);
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, prober_stage_tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                        STAGED(blocks_are_told_and_nothing_else_is_asked),
                        STAGED(a_long_silence_is_ended_by_a_question),
                        STAGED(a_node_without_subscriptions_is_polled),
                        STAGED(what_is_no_websocket_is_refused),
                        STAGED(a_flood_of_blocks_stops_nothing),
                        STAGED(a_real_anvil_tells_its_blocks),
                        cmocka_unit_test_setup_teardown(
                                        blocks_are_told_over_tls, set_up_trusted, prober_stage_tear_down),
        };
        return cmocka_run_group_tests_name("prober heads", tests, NULL, NULL);
}
