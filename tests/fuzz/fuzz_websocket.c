/* libFuzzer on what a WebSocket server sends: in pieces of any size, told the same as in one. */
#include "prober/answers.h"
#include "prober/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The end of it (0 or -errno); *ret_sum tells apart what was told. */
static int feed(const uint8_t *data, size_t size, size_t piece, uint64_t *ret_sum) {
        static struct websocket websocket;
        memset(&websocket, 0, offsetof(struct websocket, in));
        text_copy(websocket.accept, sizeof(websocket.accept), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        websocket.is_open = size > 0 && data[0] & 1; /* few inputs get through a handshake */
        uint64_t sum = 0;
        int r = 0;
        for (size_t at = size > 0; at < size && r == 0;) {
                enum websocket_news news;
                const char *text = NULL;
                size_t room, length = 0;
                char why[200] = "", *in = websocket_room(&websocket, &room);
                INVARIANT(room > 0);
                size_t n = size - at < piece ? size - at : piece;
                n = n < room ? n : room;
                memcpy(in, data + at, n);
                websocket_received(&websocket, n);
                at += n;
                while ((r = websocket_next(&websocket, &news, &text, &length, why, sizeof(why))) > 0) {
                        sum = sum * 31 + (uint64_t)news + 1;
                        for (size_t i = 0; news != WEBSOCKET_OPENED && i < length; i++)
                                sum = sum * 31 + (uint8_t)text[i];
                        uint64_t height = 0;
                        if (news == WEBSOCKET_MESSAGE &&
                                        answer_head(text, length, &height, why, sizeof(why)) < 0)
                                INVARIANT(*why);
                        INVARIANT(height <= HEIGHT_MAX);
                }
                INVARIANT(r == 0 || *why);
        }
        *ret_sum = sum;
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint64_t whole, pieces;
        int r = feed(data, size, SIZE_MAX, &whole);
        INVARIANT(feed(data, size, size > 1 ? data[1] % 16 + 1u : 1, &pieces) == r);
        INVARIANT(whole == pieces);
        return 0;
}
