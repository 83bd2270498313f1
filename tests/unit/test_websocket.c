/* The WebSocket client against bytes as servers send them, good and bad, whole and in pieces. */
#include "prober/websocket.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* The example of RFC 6455, section 1.3. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define HEAD                                                                                            \
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n" \
        "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n"

static struct websocket *begin(void) {
        static struct websocket websocket;
        websocket = (struct websocket){.accept = ACCEPT};
        return &websocket;
}

static void put(struct websocket *websocket, const char *bytes, size_t size) {
        size_t room;
        char *in = websocket_room(websocket, &room);
        assert_true(size <= room);
        memcpy(in, bytes, size);
        websocket_received(websocket, size);
}

/* As NEWS with TEXT; or nothing (-1). */
static void expect(struct websocket *websocket, int news, const char *text) {
        enum websocket_news found;
        const char *bytes = NULL;
        size_t size = 0;
        char why[200] = "";
        int r = websocket_next(websocket, &found, &bytes, &size, why, sizeof(why));
        if (r < 0)
                fail_msg("%s", why);
        assert_int_equal(r, news >= 0);
        if (news < 0)
                return;
        assert_int_equal(found, news);
        assert_int_equal(size, strlen(text));
        assert_memory_equal(bytes, text, size);
}

static void expect_refused(struct websocket *websocket, const char *sentence) {
        enum websocket_news found;
        const char *bytes;
        size_t size;
        char why[200] = "";
        int r;
        while ((r = websocket_next(websocket, &found, &bytes, &size, why, sizeof(why))) > 0)
                ;
        assert_int_equal(r, -EBADMSG);
        if (!strstr(why, sentence))
                fail_msg("\"%s\" does not say \"%s\"", why, sentence);
}

static struct websocket *open_one(void) {
        struct websocket *websocket = begin();
        put(websocket, HEAD, strlen(HEAD));
        expect(websocket, WEBSOCKET_OPENED, "");
        expect(websocket, -1, NULL);
        return websocket;
}

static void test_the_request_is_what_servers_expect(void **state) {
        char text[1024], source[WEBSOCKET_KEY_SIZE + 40];
        (void)state;
        int n = websocket_request("ws://127.0.0.1:8546/a?b#c", KEY, text, sizeof(text));
        assert_int_equal(n, strlen(text));
        assert_string_equal(text,
                        "GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:8546\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n"
                        "User-Agent: interrex\r\n\r\n");
        assert_true(websocket_request("wss://[::1]", KEY, text, sizeof(text)) > 0);
        assert_non_null(strstr(text, "GET / HTTP/1.1\r\nHost: [::1]\r\n"));
        assert_true(websocket_request("ws://localhost?x", KEY, text, sizeof(text)) > 0);
        assert_non_null(strstr(text, "GET /?x HTTP/1.1\r\n"));
        assert_int_equal(websocket_request("ws://u:p@127.0.0.1/", KEY, text, sizeof(text)), -EINVAL);
        assert_int_equal(websocket_request("ws://a/ b", KEY, text, sizeof(text)), -EINVAL);
        assert_int_equal(websocket_request("ws://127.0.0.1/", KEY, text, 40), -ENAMETOOLONG);
        assert_int_equal(websocket_accept_source(KEY, source), 60);
        assert_string_equal(source, KEY "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
}

static void test_messages_come_whole_in_fragments_and_byte_by_byte(void **state) {
        static const char bytes[] =
                        HEAD "\x81\x05hello"                   /* a message */
                             "\x01\x03hel\x89\x02pi\x80\x02lo" /* one in two parts, a ping between */
                             "\x8a\x00"                        /* a pong nobody asked for */
                             "\x81\x00"                        /* an empty one */
                             "\x88\x05\x03\xe8"
                             "bye";
        static const struct {
                int news;
                const char *text;
        } expected[] = {{WEBSOCKET_OPENED, ""}, {WEBSOCKET_MESSAGE, "hello"}, {WEBSOCKET_PINGED, "pi"},
                        {WEBSOCKET_MESSAGE, "hello"}, {WEBSOCKET_MESSAGE, ""}, {WEBSOCKET_CLOSED, "bye"}};
        (void)state;
        struct websocket *websocket = begin();
        put(websocket, bytes, sizeof(bytes) - 1);
        for (size_t i = 0; i < ELEMENTS(expected); i++)
                expect(websocket, expected[i].news, expected[i].text);
        expect_refused(websocket, "is closed");

        websocket = begin();
        size_t told = 0;
        for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
                enum websocket_news news;
                const char *text;
                size_t size = 0;
                char why[100];
                put(websocket, bytes + i, 1);
                if (websocket_next(websocket, &news, &text, &size, why, sizeof(why)) == 0)
                        continue;
                assert_int_equal(news, expected[told].news);
                assert_int_equal(size, strlen(expected[told].text));
                told++;
        }
        assert_int_equal(told, ELEMENTS(expected));
}

static void test_lengths_of_all_kinds_are_read_and_bounded(void **state) {
        static char frame[WEBSOCKET_MESSAGE_MAX + 10];
        (void)state;
        struct websocket *websocket = open_one();
        memset(frame, 'x', sizeof(frame));
        memcpy(frame, "\x81\x7e\x00\x7e", 4);
        put(websocket, frame, 4 + 126);
        enum websocket_news news;
        const char *text;
        size_t size;
        char why[100];
        assert_int_equal(websocket_next(websocket, &news, &text, &size, why, sizeof(why)), 1);
        assert_int_equal(size, 126);
        expect(websocket, -1, NULL);
        memcpy(frame, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10);
        put(websocket, frame, sizeof(frame));
        assert_int_equal(websocket_next(websocket, &news, &text, &size, why, sizeof(why)), 1);
        assert_int_equal(size, WEBSOCKET_MESSAGE_MAX);
        expect(websocket, -1, NULL);
        put(websocket, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x01", 10);
        expect_refused(websocket, "larger than 64 KiB");

        websocket = open_one();
        memcpy(frame, "\x01\x7e\xff\xff", 4);
        put(websocket, frame, 4 + 0xffff);
        expect(websocket, -1, NULL);
        put(websocket, "\x00\x02yz", 4);
        expect_refused(websocket, "a message is larger than 64 KiB");
}

static void test_servers_that_break_the_protocol_are_refused(void **state) {
        static const struct {
                const char *bytes;
                size_t size;
                const char *sentence;
        } vectors[] = {{"\xc1\x00", 2, "extension"}, {"\x81\x80", 2, "masked"},
                        {"\x83\x00", 2, "no known kind"}, {"\x8b\x00", 2, "no known kind"},
                        {"\x82\x00", 2, "binary"}, {"\x80\x00", 2, "not begun"},
                        {"\x01\x00\x01\x00", 4, "within another"}, {"\x09\x00", 2, "control frame"},
                        {"\x89\x7e\x00\x7e", 4, "control frame"}, {"\x88\x01x", 3, "half a code"},
                        {"\x81\x7e\x00\x7d", 4, "shortest"},
                        {"\x81\x7f\0\0\0\0\0\0\xff\xff", 10, "shortest"},
                        {"\x81\x7f\x80\0\0\0\0\0\0\0", 10, "larger than 64 KiB"}};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(vectors); i++) {
                struct websocket *websocket = open_one();
                put(websocket, vectors[i].bytes, vectors[i].size);
                expect_refused(websocket, vectors[i].sentence);
        }
}

static void test_handshakes_that_are_none_are_refused(void **state) {
        static const char first[] = "HTTP/1.1 101 S\r\n";
        static const struct {
                const char *head, *sentence;
        } vectors[] = {{"HTTP/1.1 403 Forbidden\r\n\r\n", "status 403 instead of 101"},
                        {"HTTP/1.0 101 S\r\n\r\n", "not HTTP/1.1"}, {"SSH-2.0-x\r\n\r\n", "not HTTP/1.1"},
                        {"HTTP/1.1 1010\r\n\r\n", "status 101 instead"},
                        {"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "complete"},
                        {"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Accept: AAAALMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
                                        "complete"},
                        {"HTTP/1.1 101 S\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
                                        "complete"},
                        {"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgraded\r\n"
                         "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
                                        "complete"},
                        {"HTTP/1.1 101 S\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
                                        "not asked for"},
                        {"HTTP/1.1 101 S\r\nnonsense\r\n\r\n", "without a colon"}};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(vectors); i++) {
                struct websocket *websocket = begin();
                put(websocket, vectors[i].head, strlen(vectors[i].head));
                expect_refused(websocket, vectors[i].sentence);
        }
        struct websocket *websocket = begin();
        put(websocket, first, strlen(first));
        for (size_t i = 0; i < WEBSOCKET_HEAD_MAX / 8; i++)
                put(websocket, "x: yyy\r\n", 8);
        expect_refused(websocket, "larger than 8 KiB");
        websocket = begin();
        put(websocket, "HTTP/1.1 101\0\r\n\r\n", 17);
        expect_refused(websocket, "not HTTP/1");
}

static void test_frames_to_the_server_are_masked(void **state) {
        static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
        static char large[300];
        char out[400];
        (void)state;
        /* RFC 6455, section 5.7. */
        assert_int_equal(websocket_frame(WEBSOCKET_TEXT, "Hello", 5, mask, out), 11);
        assert_memory_equal(out, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
        assert_int_equal(websocket_frame(WEBSOCKET_PONG, "", 0, mask, out), 6);
        assert_int_equal(
                        websocket_frame(WEBSOCKET_TEXT, large, sizeof(large), mask, out), sizeof(large) + 8);
        assert_memory_equal(out, "\x81\xfe\x01\x2c", 4);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_the_request_is_what_servers_expect),
                        cmocka_unit_test(test_messages_come_whole_in_fragments_and_byte_by_byte),
                        cmocka_unit_test(test_lengths_of_all_kinds_are_read_and_bounded),
                        cmocka_unit_test(test_servers_that_break_the_protocol_are_refused),
                        cmocka_unit_test(test_handshakes_that_are_none_are_refused),
                        cmocka_unit_test(test_frames_to_the_server_are_masked),
        };
        return cmocka_run_group_tests_name("websocket", tests, NULL, NULL);
}
