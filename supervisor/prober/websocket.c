#include "websocket.h"

#include <ctype.h>
#include <strings.h>

struct frame {
        bool is_last;
        unsigned opcode;
        size_t header, size;
};

static void make_room(struct websocket *websocket);
static int read_head(struct websocket *websocket, char *why, size_t why_size);
static int check_head(const struct websocket *websocket, char *head, char *why, size_t why_size);
static int read_frame(
                const struct websocket *websocket, struct frame *ret_frame, char *why, size_t why_size);
static int check_frame(
                const struct websocket *websocket, const struct frame *frame, char *why, size_t why_size);
static int take_control(struct websocket *websocket, const struct frame *frame, const char *text,
                enum websocket_news *ret_news, const char **ret_text, size_t *ret_size, char *why,
                size_t why_size);
static int take_data(struct websocket *websocket, const struct frame *frame, const char *text,
                const char **ret_text, size_t *ret_size, char *why, size_t why_size);
static int refuse(char *why, size_t why_size, const char *text);

size_t websocket_accept_source(const char *key, char text[WEBSOCKET_KEY_SIZE + 40]) {
        int n = snprintf(text, WEBSOCKET_KEY_SIZE + 40, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
        return (size_t)n;
}

int websocket_request(const char *url, const char *key, char *text, size_t size) {
        const char *authority = strstr(url, "://");
        if (!authority)
                return -EINVAL;
        authority += 3;
        size_t length = strcspn(authority, "/?#");
        const char *path = authority + length;
        if (length == 0 || memchr(authority, '@', length) || strpbrk(url, " \t\r\n"))
                return -EINVAL;
        int n = snprintf(text, size,
                        "GET %s%.*s HTTP/1.1\r\nHost: %.*s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nUser-Agent: interrex\r\n\r\n",
                        *path == '/' ? "" : "/", (int)strcspn(path, "#"), path, (int)length, authority, key);
        return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : n;
}

char *websocket_room(struct websocket *websocket, size_t *ret_size) {
        *ret_size = sizeof(websocket->in) - websocket->in_size;
        return websocket->in + websocket->in_size;
}

void websocket_received(struct websocket *websocket, size_t size) {
        INVARIANT(size <= sizeof(websocket->in) - websocket->in_size);
        websocket->in_size += size;
}

int websocket_next(struct websocket *websocket, enum websocket_news *ret_news, const char **ret_text,
                size_t *ret_size, char *why, size_t why_size) {
        for (;;) {
                struct frame frame = {0};
                if (websocket->is_closed)
                        return refuse(why, why_size, "the connection is closed");
                int r = websocket->is_open ? read_frame(websocket, &frame, why, why_size)
                                           : read_head(websocket, why, why_size);
                if (r < 0)
                        return r;
                if (r == 0) {
                        make_room(websocket);
                        return 0;
                }
                if (!websocket->is_open) {
                        websocket->is_open = true;
                        *ret_news = WEBSOCKET_OPENED;
                        return 1;
                }
                const char *text = websocket->in + websocket->done + frame.header;
                websocket->done += frame.header + frame.size;
                *ret_news = WEBSOCKET_MESSAGE;
                r = frame.opcode >= WEBSOCKET_CLOSE
                                    ? take_control(websocket, &frame, text, ret_news, ret_text, ret_size,
                                                      why, why_size)
                                    : take_data(websocket, &frame, text, ret_text, ret_size, why, why_size);
                if (r != 0)
                        return r;
        }
}

/* Once for all the frames that came together. */
static void make_room(struct websocket *websocket) {
        memmove(websocket->in, websocket->in + websocket->done, websocket->in_size - websocket->done);
        websocket->in_size -= websocket->done;
        websocket->done = 0;
}

size_t websocket_frame(enum websocket_opcode opcode, const char *text, size_t size, const uint8_t mask[4],
                char *out) {
        size_t header = 0;
        INVARIANT(size <= WEBSOCKET_SENT_MAX);
        out[header++] = (char)(0x80 | opcode);
        if (size < 126)
                out[header++] = (char)(0x80 | size);
        else {
                out[header++] = (char)(0x80 | 126);
                out[header++] = (char)(size >> 8);
                out[header++] = (char)(size & 0xff);
        }
        memcpy(out + header, mask, 4);
        header += 4;
        for (size_t i = 0; i < size; i++)
                out[header + i] = (char)(text[i] ^ mask[i % 4]);
        return header + size;
}

/* 1: it is open. */
static int read_head(struct websocket *websocket, char *why, size_t why_size) {
        char head[WEBSOCKET_HEAD_MAX + 1];
        size_t searched = websocket->in_size < WEBSOCKET_HEAD_MAX ? websocket->in_size : WEBSOCKET_HEAD_MAX;
        const char *end = memmem(websocket->in, searched, "\r\n\r\n", 4);
        if (memchr(websocket->in, '\0', end ? (size_t)(end - websocket->in) : searched))
                return refuse(why, why_size, "what it answers is not HTTP/1");
        if (!end && searched == WEBSOCKET_HEAD_MAX)
                return refuse(why, why_size, "the head of its answer is larger than 8 KiB");
        if (!end)
                return 0;
        size_t size = (size_t)(end + 2 - websocket->in);
        memcpy(head, websocket->in, size);
        head[size] = '\0';
        int r = check_head(websocket, head, why, why_size);
        if (r < 0)
                return r;
        websocket->done = size + 2;
        return 1;
}

/* Is WORD one of those that commas separate? */
static bool has_word(const char *list, const char *word) {
        while (*list) {
                list += strspn(list, ", \t");
                size_t n = strcspn(list, ", \t");
                if (n == strlen(word) && strncasecmp(list, word, n) == 0)
                        return true;
                list += n;
        }
        return false;
}

/* HEAD is made of lines, each with its end. */
static int check_head(const struct websocket *websocket, char *head, char *why, size_t why_size) {
        bool upgrades = false, connection = false, accepts = false;
        char *rest = head, *line = strsep(&rest, "\n");
        if (strncmp(line, "HTTP/1.1 ", 9) != 0)
                return refuse(why, why_size, "what it answers is not HTTP/1.1");
        if (strncmp(line + 9, "101", 3) != 0 || isalnum((unsigned char)line[12])) {
                (void)snprintf(why, why_size,
                                "status %.3s instead of 101: it does not speak WebSocket at this URL",
                                line + 9);
                return -EBADMSG;
        }
        while ((line = strsep(&rest, "\n")) && *line) {
                char *value = strchr(line, ':');
                if (!value)
                        return refuse(why, why_size, "the head of its answer has a line without a colon");
                *value++ = '\0';
                value += strspn(value, " \t");
                size_t length = strlen(value);
                while (length > 0 && strchr(" \t\r", value[length - 1]))
                        value[--length] = '\0';
                if (strcasecmp(line, "Upgrade") == 0)
                        upgrades = strcasecmp(value, "websocket") == 0;
                else if (strcasecmp(line, "Connection") == 0)
                        connection = has_word(value, "upgrade");
                else if (strcasecmp(line, "Sec-WebSocket-Accept") == 0)
                        accepts = *websocket->accept && strcmp(value, websocket->accept) == 0;
                else if (strcasecmp(line, "Sec-WebSocket-Extensions") == 0 ||
                                strcasecmp(line, "Sec-WebSocket-Protocol") == 0)
                        return refuse(why, why_size,
                                        "it answers with an extension or protocol that was not asked for");
        }
        if (!upgrades || !connection || !accepts)
                return refuse(why, why_size, "its answer does not complete a WebSocket handshake");
        return 0;
}

/* 1: a whole frame lies at the beginning of what has come. */
static int read_frame(
                const struct websocket *websocket, struct frame *ret_frame, char *why, size_t why_size) {
        const uint8_t *in = (const uint8_t *)websocket->in + websocket->done;
        size_t n = websocket->in_size - websocket->done;
        if (n < 2)
                return 0;
        struct frame frame = {
                        .is_last = in[0] & 0x80, .opcode = in[0] & 0x0f, .header = 2, .size = in[1] & 0x7f};
        uint64_t size = frame.size;
        if (in[0] & 0x70)
                return refuse(why, why_size, "a frame uses an extension that was not asked for");
        if (in[1] & 0x80)
                return refuse(why, why_size, "a frame is masked, which only a client's may be");
        size_t more = size == 126 ? 2 : size == 127 ? 8 : 0;
        if (n < 2 + more)
                return 0;
        for (size_t i = 0; i < more; i++)
                size = (i == 0 ? 0 : size << 8) | in[2 + i];
        if ((more == 2 && size < 126) || (more == 8 && size <= UINT16_MAX))
                return refuse(why, why_size, "a frame's length is not written in the shortest way");
        if (size > WEBSOCKET_MESSAGE_MAX)
                return refuse(why, why_size, "a frame is larger than 64 KiB");
        frame.header += more;
        frame.size = (size_t)size;
        int r = check_frame(websocket, &frame, why, why_size);
        if (r < 0)
                return r;
        if (n < frame.header + frame.size)
                return 0;
        *ret_frame = frame;
        return 1;
}

static int check_frame(
                const struct websocket *websocket, const struct frame *frame, char *why, size_t why_size) {
        switch (frame->opcode) {
        case WEBSOCKET_CONTINUATION:
                return websocket->is_fragmented
                                       ? 0
                                       : refuse(why, why_size,
                                                         "a frame continues a message that was not begun");
        case WEBSOCKET_TEXT:
                return websocket->is_fragmented
                                       ? refuse(why, why_size, "a message begins within another one")
                                       : 0;
        case WEBSOCKET_BINARY:
                return refuse(why, why_size, "it sends a binary message instead of text");
        case WEBSOCKET_CLOSE:
        case WEBSOCKET_PING:
        case WEBSOCKET_PONG:
                if (!frame->is_last || frame->size > WEBSOCKET_CONTROL_MAX)
                        return refuse(why, why_size, "a control frame is too long or in fragments");
                return 0;
        }
        return refuse(why, why_size, "a frame is of no known kind");
}

static int take_control(struct websocket *websocket, const struct frame *frame, const char *text,
                enum websocket_news *ret_news, const char **ret_text, size_t *ret_size, char *why,
                size_t why_size) {
        if (frame->opcode == WEBSOCKET_PONG)
                return 0;
        if (frame->opcode == WEBSOCKET_CLOSE) {
                if (frame->size == 1)
                        return refuse(why, why_size, "a close frame has half a code");
                websocket->is_closed = true;
        }
        size_t code = frame->opcode == WEBSOCKET_CLOSE && frame->size > 0 ? 2 : 0;
        *ret_news = frame->opcode == WEBSOCKET_CLOSE ? WEBSOCKET_CLOSED : WEBSOCKET_PINGED;
        *ret_text = text + code;
        *ret_size = frame->size - code;
        return 1;
}

/* A message in one frame is told where it lies. */
static int take_data(struct websocket *websocket, const struct frame *frame, const char *text,
                const char **ret_text, size_t *ret_size, char *why, size_t why_size) {
        if (frame->is_last && !websocket->is_fragmented) {
                *ret_text = text;
                *ret_size = frame->size;
                return 1;
        }
        if (!websocket->is_fragmented)
                websocket->message_size = 0;
        if (frame->size > sizeof(websocket->message) - websocket->message_size)
                return refuse(why, why_size, "a message is larger than 64 KiB");
        memcpy(websocket->message + websocket->message_size, text, frame->size);
        websocket->message_size += frame->size;
        websocket->is_fragmented = !frame->is_last;
        *ret_text = websocket->message;
        *ret_size = websocket->message_size;
        return frame->is_last;
}

static int refuse(char *why, size_t why_size, const char *text) {
        (void)snprintf(why, why_size, "%s", text);
        return -EBADMSG;
}
