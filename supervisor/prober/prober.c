#include "prober.h"

#include "../lib/log.h"
#include "../lib/memory.h"
#include "../lib/sandbox.h"
#include "check.h"
#include "confine.h"
#include "http.h"
#include "watches.h"
#include <jansson.h>
#include <limits.h>
#include <signal.h>

struct options {
        int link;
        uid_t uid;
        gid_t gid;
};

static int parse_options(int argc, char **argv, struct options *ret_options);
static int set_up(struct prober *prober, const struct options *options);
static int on_link(sd_event_source *source, int fd, uint32_t revents, void *userdata);
static void dispatch(struct prober *prober, struct wire_message *message);
static bool is_sound(struct wire_message *message);

int prober_main(int argc, char **argv) {
        struct prober_ready ready = {.pid = (uint64_t)getpid()};
        struct options options;
        log_open("prober");
        int r = parse_options(argc, argv, &options);
        if (r < 0) {
                log_error("the prober is started by the keeper, with --link FD --uid U --gid G (neither 0)");
                return 2;
        }
        /* Most of it is never touched, and then costs no memory. */
        _cleanup_free_ struct prober *prober = calloc(1, sizeof(*prober));
        r = prober ? set_up(prober, &options) : -ENOMEM;
        if (r < 0) {
                (void)log_errno(r, "the prober cannot start");
                return 1;
        }
        prober_tell(prober, PROBER_READY, &ready, sizeof(ready));
        memory_rest();
        r = sd_event_loop(prober->event);
        if (r < 0)
                (void)log_errno(r, "the prober's loop ended");
        return r < 0 ? 1 : 0;
}

static int parse_options(int argc, char **argv, struct options *ret_options) {
        uint64_t link = UINT64_MAX, uid = 0, gid = 0;
        for (int i = 1; i < argc; i += 2) {
                uint64_t *value = strcmp(argv[i], "--link") == 0  ? &link
                                  : strcmp(argv[i], "--uid") == 0 ? &uid
                                  : strcmp(argv[i], "--gid") == 0 ? &gid
                                                                  : NULL;
                if (!value || i + 1 >= argc || parse_u64(argv[i + 1], value) < 0)
                        return -EINVAL;
        }
        /* The id -1 would mean "do not change it". */
        if (link > INT_MAX || uid == 0 || gid == 0 || uid >= UINT32_MAX || gid >= UINT32_MAX)
                return -EINVAL;
        *ret_options = (struct options){.link = (int)link, .uid = (uid_t)uid, .gid = (gid_t)gid};
        return 0;
}

static int set_up(struct prober *prober, const struct options *options) {
        prober->link = options->link;
        for (size_t i = 0; i < CHECKS_MAX; i++)
                prober->checks[i].fd = -1;
        for (size_t i = 0; i < WATCHES_MAX; i++)
                prober->logs[i].fd = prober->notifies[i].fd = -1;
        (void)signal(SIGPIPE, SIG_IGN);
        relay_open(&prober->relay, STDERR_FILENO);
        int r = sandbox_become(options->uid, options->gid, NULL, 0);
        /* Behind the filter jansson could not open /dev/urandom, and its hash tables could be flooded. */
        json_object_seed(0);
        if (r >= 0)
                r = sd_event_default(&prober->event);
        if (r >= 0)
                r = http_open(prober);
        if (r >= 0)
                r = sd_event_add_io(
                                prober->event, &prober->link_source, prober->link, EPOLLIN, on_link, prober);
        return r < 0 ? r : prober_confine();
}

static int on_link(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct prober *prober = userdata;
        (void)source;
        if (revents & EPOLLOUT)
                outbox_flush(prober);
        int r = wire_receive(fd, prober_requests, n_prober_requests, &prober->message);
        if (r < 0 && r != -EBADMSG)
                return sd_event_exit(prober->event, 0);
        if (r == -EBADMSG || (r > 0 && !is_sound(&prober->message)))
                log_warning("the director sent a message that is none; it is left out");
        else if (r > 0)
                dispatch(prober, &prober->message);
        if (r > 0)
                wire_message_done(&prober->message);
        return 0;
}

static void dispatch(struct prober *prober, struct wire_message *message) {
        const void *body = message->body;
        int fd = message->n_fds > 0 ? TAKE_FD(message->fds[0]) : -1;
        switch (message->type) {
        case PROBER_CHECK:
                check_begin(prober, body, fd);
                break;
        case PROBER_READ_TEXT:
                check_begin_text(prober, body, fd);
                break;
        case PROBER_WATCH_LOG:
                watch_log(prober, body, fd);
                break;
        case PROBER_WATCH_NOTIFY:
                watch_notify(prober, body, fd);
                break;
        case PROBER_CANCEL:
                check_cancel(prober, ((const struct prober_cancel *)body)->id);
                break;
        case PROBER_FORGET:
                watch_forget_log(prober, ((const struct prober_forget *)body)->generation);
                watch_forget_notify(prober, ((const struct prober_forget *)body)->generation);
                break;
        case PROBER_PING:
                prober_tell(prober, PROBER_PONG, NULL, 0);
                break;
        default:
                close_fd(fd);
        }
}

/* Texts end within their arrays, lengths lie within theirs, and 0, which marks a free place, is no number.
 */
static bool is_sound(struct wire_message *message) {
        const struct prober_check *check = (const void *)message->body;
        const struct prober_read_text *text = (const void *)message->body;
        const struct prober_watch_log *log = (const void *)message->body;
        const struct prober_watch_notify *notify = (const void *)message->body;
        switch (message->type) {
        case PROBER_CHECK:
                return check->id != 0 && check->address_length <= sizeof(check->address) &&
                       wire_text_is_valid(check->url, sizeof(check->url)) &&
                       wire_text_is_valid(check->argument, sizeof(check->argument));
        case PROBER_READ_TEXT:
                return text->id != 0 && wire_text_is_valid(text->pattern, sizeof(text->pattern));
        case PROBER_WATCH_LOG:
                return log->generation != 0 && wire_text_is_valid(log->prefix, sizeof(log->prefix)) &&
                       wire_text_is_valid(log->pattern, sizeof(log->pattern)) &&
                       wire_text_is_valid(log->halt_pattern, sizeof(log->halt_pattern));
        case PROBER_WATCH_NOTIFY:
                return notify->generation != 0;
        }
        return true;
}
