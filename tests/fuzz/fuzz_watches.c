/* libFuzzer on what a node writes by itself, log lines and notify datagrams in any order and pieces, while the director reads now
 * and then or not at all: what it is told in the end fits the protocol, and its room suffices. */
#include "prober/watches.h"

#include <fcntl.h>
#include <sys/socket.h>

#define GENERATION 7

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct stage {
        struct prober prober;
        int director, output, notify; /* where the test reads and writes */
        bool has_ended;
        struct wire_message message;
};

static int on_link(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        (void)source;
        (void)fd;
        if (revents & EPOLLOUT)
                outbox_flush(userdata);
        return 0;
}

static void begin(struct stage *stage) {
        static const struct prober_watch_log log = {.generation = GENERATION,
                        .pattern = "height=([0-9]+)",
                        .halt_pattern = "halt.*at ([0-9a-fx]+)"};
        static const struct prober_watch_notify notify = {.generation = GENERATION};
        int link[2], output[2], datagrams[2], little = 1;
        stage->prober.n_outbox = 0;
        stage->has_ended = false;
        INVARIANT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) == 0);
        INVARIANT(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, datagrams) == 0);
        INVARIANT(pipe2(output, O_CLOEXEC | O_NONBLOCK) == 0);
        /* So that it is full soon. */
        INVARIANT(setsockopt(link[0], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)) == 0);
        stage->prober.link = link[0];
        stage->director = link[1];
        stage->output = output[1];
        stage->notify = datagrams[1];
        INVARIANT(sd_event_new(&stage->prober.event) >= 0);
        INVARIANT(sd_event_add_io(stage->prober.event, &stage->prober.link_source, link[0], EPOLLIN, on_link,
                                  &stage->prober) >= 0);
        watch_log(&stage->prober, &log, output[0]);
        watch_notify(&stage->prober, &notify, datagrams[0]);
}

static void check_told(struct stage *stage, const struct wire_message *message) {
        const struct prober_height *height = (const void *)message->body;
        const struct prober_gate *gate = (const void *)message->body;
        const struct prober_notified *notified = (const void *)message->body;
        const struct prober_log_ended *ended = (const void *)message->body;
        switch (message->type) {
        case PROBER_HEIGHT:
        case PROBER_HALTED:
                INVARIANT(height->generation == GENERATION && height->height <= HEIGHT_MAX);
                break;
        case PROBER_GATE:
                INVARIANT(gate->generation == GENERATION &&
                                (gate->height <= HEIGHT_MAX || gate->height == PROBER_HEIGHT_NONE));
                break;
        case PROBER_NOTIFIED:
                INVARIANT(notified->generation == GENERATION && notified->what >= NOTIFIED_READY &&
                                notified->what <= NOTIFIED_STATUS &&
                                wire_text_is_valid(notified->text, sizeof(notified->text)));
                break;
        default:
                INVARIANT(message->type == PROBER_LOG_ENDED && ended->generation == GENERATION &&
                                wire_text_is_valid(ended->text, sizeof(ended->text)));
                stage->has_ended = true;
        }
}

static bool take_one(struct stage *stage) {
        int r = wire_receive(stage->director, prober_answers, n_prober_answers, &stage->message);
        INVARIANT(r >= 0);
        if (r > 0)
                check_told(stage, &stage->message);
        return r > 0;
}

/* True: something was done. */
static bool turn(struct stage *stage) {
        int r = sd_event_run(stage->prober.event, 0);
        INVARIANT(r >= 0);
        return r > 0;
}

static void end(struct stage *stage) {
        stage->output = close_fd(stage->output);
        while (turn(stage) || take_one(stage))
                ;
        INVARIANT(stage->has_ended && stage->prober.n_outbox == 0);
        watch_forget_notify(&stage->prober, GENERATION);
        stage->prober.link_source = sd_event_source_unref(stage->prober.link_source);
        stage->prober.event = sd_event_unref(stage->prober.event);
        close_fd(stage->prober.link);
        close_fd(stage->director);
        close_fd(stage->notify);
}

/* Pieces of data, each behind a byte that says what becomes of it, and one with its length. A few are written so often that all
 * room is used up if nobody reads. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static struct stage stage;
        begin(&stage);
        for (size_t at = 0; at + 2 <= size;) {
                unsigned order = data[at], times = order >= UINT8_MAX - 3 ? OUTBOX_MAX + 50 : 1;
                size_t length = data[at + 1] < size - at - 2 ? data[at + 1] : size - at - 2;
                const uint8_t *piece = data + at + 2;
                at += 2 + length;
                for (unsigned i = 0; i < times; i++) {
                        int fd = order & 1 ? stage.notify : stage.output;
                        (void)!write(fd, piece, length); /* what has no room is lost */
                        (void)turn(&stage);
                        if (order & 2)
                                (void)take_one(&stage);
                }
        }
        end(&stage);
        return 0;
}
