#include "../lib/log.h"
#include "commands.h"
#include "output.h"
#include "render.h"
#include "status.h"
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>

#define EVERY_MS 1000

static int show(const struct node *node, bool on_terminal, bool once, char **last_line);
static int watch_signals(void);
static bool wait_for_turn(int signals, int changes);

/* Ctrl-C is how an operator leaves: it ends with 0, as everything that was asked for was done. */
int command_watch(const struct arguments *arguments) {
        _cleanup_(node_done) struct node node = {0};
        _cleanup_free_ char *last_line = NULL;
        _cleanup_close_ int signals = -1, changes = -1;
        int status = node_find(arguments, false, &node);
        if (status != 0)
                return status;
        signals = watch_signals();
        if (signals < 0) {
                log_errno(signals, "cannot watch for signals");
                return EXIT_FAILED;
        }
        /* The director writes a file there at each change of phase; the height is asked for every second. */
        changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (changes >= 0)
                (void)inotify_add_watch(changes, node.run, IN_CLOSE_WRITE);
        bool on_terminal = isatty(STDOUT_FILENO);
        do
                status = show(&node, on_terminal, arguments->once, &last_line);
        while (status == 0 && !arguments->once && wait_for_turn(signals, changes));
        return status;
}

static int show_on_terminal(const json_t *status) {
        _cleanup_free_ char *text = NULL;
        struct text_style style = text_style_for(STDOUT_FILENO);
        int r = render_status(status, &style, &text);
        /* Home, then clear: a screen that is cleared first flickers. */
        if (r >= 0)
                (void)fputs("\033[H\033[2J", stdout);
        return output_text(r, text);
}

/* A line only when something other than the height has changed. */
static int show_line(const json_t *status, char **last_line) {
        _cleanup_free_ char *key = NULL, *line = NULL;
        int r = render_status_line(status, false, &key);
        if (r >= 0 && *last_line && strcmp(key, *last_line) == 0)
                return 0;
        if (r >= 0)
                r = render_status_line(status, true, &line);
        if (r >= 0) {
                free(*last_line);
                *last_line = TAKE_POINTER(key);
        }
        return output_text(r, line);
}

static int show_once(const json_t *status) {
        _cleanup_free_ char *text = NULL;
        struct text_style style = text_style_for(STDOUT_FILENO);
        int r = render_status(status, &style, &text);
        return output_text(r, text);
}

static int show(const struct node *node, bool on_terminal, bool once, char **last_line) {
        _cleanup_(output_json_done) json_t *status = NULL;
        int exit_status = status_ask(node, &status);
        if (exit_status != 0)
                return exit_status;
        if (once)
                return show_once(status);
        return on_terminal ? show_on_terminal(status) : show_line(status, last_line);
}

static int watch_signals(void) {
        sigset_t stop;
        sigemptyset(&stop);
        sigaddset(&stop, SIGINT);
        sigaddset(&stop, SIGTERM);
        if (sigprocmask(SIG_BLOCK, &stop, NULL) < 0)
                return -errno;
        int fd = signalfd(-1, &stop, SFD_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* False: asked to leave. */
static bool wait_for_turn(int signals, int changes) {
        struct pollfd events[] = {{.fd = signals, .events = POLLIN}, {.fd = changes, .events = POLLIN}};
        char ignored[4096];
        (void)poll(events, ELEMENTS(events), EVERY_MS);
        while (changes >= 0 && read(changes, ignored, sizeof(ignored)) > 0)
                continue;
        return events[0].revents == 0;
}
