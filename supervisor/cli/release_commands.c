#include "../lib/log.h"
#include "../lib/release.h"
#include "commands.h"
#include "control.h"
#include "output.h"
#include "render.h"

static int tell_director(const struct node *node);
static int explain(int error, const char *sentence);

int command_release_add(const struct arguments *arguments) {
        _cleanup_(node_done) struct node node = {0};
        _cleanup_free_ char *sentence = NULL;
        const char *version = arguments->words[0], *path = arguments->words[1];
        bool existed = false;
        int status = node_find(arguments, true, &node);
        if (status == 0)
                status = node_make_state(arguments, &node);
        if (status != 0)
                return status;
        int r = release_add(node.releases, version, path, NULL, arguments->sha256, &existed, &sentence);
        if (r < 0)
                return explain(r, sentence);
        if (existed)
                (void)printf("release %s of node %s is there already, with the same bytes\n", version,
                                node.name);
        else
                (void)printf("release %s of node %s is added\n", version, node.name);
        return tell_director(&node);
}

int command_release_remove(const struct arguments *arguments) {
        _cleanup_(node_done) struct node node = {0};
        _cleanup_free_ char *sentence = NULL;
        int status = node_find(arguments, false, &node);
        if (status != 0)
                return status;
        if (geteuid() != 0) {
                log_error("only root may remove releases of node %s: try sudo", node.name);
                return EXIT_NOT_PERMITTED;
        }
        int r = release_remove(node.releases, arguments->words[0], &sentence);
        if (r < 0)
                return explain(r, sentence);
        (void)printf("release %s of node %s is removed\n", arguments->words[0], node.name);
        return tell_director(&node);
}

int command_release_list(const struct arguments *arguments) {
        _cleanup_(node_done) struct node node = {0};
        _cleanup_free_ char *text = NULL;
        struct release *releases = NULL;
        size_t n = 0;
        int status = node_find(arguments, false, &node);
        if (status != 0)
                return status;
        int r = release_list(node.releases, &releases, &n);
        if (r < 0) {
                log_errno(r, "cannot read the releases in %s", node.releases);
                return r == -EACCES ? EXIT_NOT_PERMITTED : EXIT_FAILED;
        }
        if (arguments->json) {
                _cleanup_(output_json_done) json_t *json = render_releases_json(releases, n);
                status = output_json(json);
        } else {
                r = render_releases(releases, n, &text);
                status = output_text(r, text);
        }
        release_list_free(releases, n);
        return status;
}

/* A node that does not run reads the folder when it starts. */
static int tell_director(const struct node *node) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r = control_ask(node, "Refresh", CONTROL_CALL_TIMEOUT_US, &error, &reply, "");
        return r < 0 && r != -ESRCH ? control_explain(node, r, &error) : EXIT_DONE;
}

static int explain(int error, const char *sentence) {
        if (sentence)
                log_error("%s", sentence);
        else
                log_errno(error, "cannot change the releases");
        switch (error) {
        case -EACCES:
        case -EPERM:
                return EXIT_NOT_PERMITTED;
        case -EINVAL:
        case -ERANGE:
                return EXIT_USAGE;
        default:
                return EXIT_FAILED;
        }
}
