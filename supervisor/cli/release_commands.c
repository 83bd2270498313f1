#include "../director/release_use.h"
#include "../lib/journal.h"
#include "../lib/log.h"
#include "../lib/minisign.h"
#include "../lib/release.h"
#include "../lib/release_files.h"
#include "commands.h"
#include "control.h"
#include "expected.h"
#include "output.h"
#include "render.h"
#include <fcntl.h>
#include <sys/stat.h>

#define PROGRAMS_SHOWN 4

static int add_expected(const struct node *node, const struct arguments *arguments, const char *signature,
                const struct expected *expected, bool *ret_existed, char **ret_error);
static void say_expected(const struct node *node, const char *version, const struct expected *expected);
static void say_interpreter(const struct node *node, const char *version, const struct expected *expected);
static int read_signature(const struct arguments *arguments, char **ret_text);
static bool is_new_signature(const struct node *node, const char *version, const char *text);
static void tell_added(const struct node *node, const char *version, bool existed, bool has_new_signature);
static int tell_director(const struct node *node);
static int check_unused(const struct node *node, const char *version);
static int ask_journal(const struct node *node, const char *version, char *text, size_t size);
static int explain(int error, const char *sentence);

int command_release_add(const struct arguments *arguments) {
        _cleanup_(node_done) struct node node = {0};
        _cleanup_free_ char *sentence = NULL;
        const char *version = arguments->words[0];
        _cleanup_(expected_done) struct expected expected = {0};
        _cleanup_free_ char *signature = NULL;
        bool existed = false;
        int status = node_find(arguments, true, &node);
        if (status == 0)
                status = node_make_state(arguments, &node);
        if (status == 0)
                status = read_signature(arguments, &signature);
        if (status != 0)
                return status;
        bool has_new_signature = signature && is_new_signature(&node, version, signature);
        expected_find(&node, &expected);
        int r = add_expected(&node, arguments, signature, &expected, &existed, &sentence);
        if (r < 0)
                return explain(r, sentence);
        tell_added(&node, version, existed, has_new_signature);
        say_expected(&node, version, &expected);
        say_interpreter(&node, version, &expected);
        return tell_director(&node);
}

static void tell_added(const struct node *node, const char *version, bool existed, bool has_new_signature) {
        (void)printf("release %s of node %s is %s%s\n", version, node->name,
                        existed ? "there already, with the same bytes" : "added",
                        !has_new_signature ? ""
                        : existed          ? "; its signature was added"
                                           : " with its signature");
}

/* It must fit the configuration as it is, or as the node runs with it. */
static int add_expected(const struct node *node, const struct arguments *arguments, const char *signature,
                const struct expected *expected, bool *ret_existed, char **ret_error) {
        const struct release_signing signing = {.text = signature, .keys = expected->keys};
        const char *version = arguments->words[0], *path = arguments->words[1];
        _cleanup_free_ char *error = NULL, *other = NULL;
        int r = release_add_signed(node->releases, version, path, expected->command, arguments->sha256,
                        &signing, ret_existed, &error);
        if (r == -ENOEXEC && expected->command && expected->noted &&
                        release_add_signed(node->releases, version, path, expected->noted, arguments->sha256,
                                        &signing, ret_existed, &other) >= 0)
                return 0;
        if (r == -ENOEXEC && expected->command &&
                        asprintf(ret_error,
                                        "%s; nothing was added (exec.command is %s in %s: if that is about "
                                        "to "
                                        "change, change it first)",
                                        error, expected->command, expected->config) >= 0)
                return r;
        *ret_error = TAKE_POINTER(error);
        return r;
}

static void list_programs(const struct release *release, char *text, size_t size) {
        size_t used = 0, n = 0;
        text[0] = '\0';
        for (size_t i = 0; i < release->n_files; i++) {
                const struct release_file *file = &release->files[i];
                if (S_ISLNK(file->mode) || (file->mode & 0111) == 0 || ++n > PROGRAMS_SHOWN || used >= size)
                        continue;
                used += (size_t)snprintf(
                                text + used, size - used, "%s%.100s", n > 1 ? ", " : "", file->path);
        }
        if (n > PROGRAMS_SHOWN && used < size)
                (void)snprintf(text + used, size - used, " and %zu more", n - PROGRAMS_SHOWN);
}

/* What a start would find out, as far as it is not known yet. */
static void say_expected(const struct node *node, const char *version, const struct expected *expected) {
        _cleanup_free_ char *why = NULL;
        struct release release = {0};
        char programs[512];
        if (expected->command || !expected->config || release_load(node->releases, version, &release) < 0)
                return;
        list_programs(&release, programs, sizeof(programs));
        if (!expected->noted && release.n_files > 1)
                (void)printf("no configuration of node %s can be read yet (%s): its exec.command must name "
                             "what "
                             "is "
                             "started in this release, from: %s\n",
                                node->name, expected->config, programs);
        else if (expected->noted &&
                        release_check_command(node->releases, version, expected->noted, &why) < 0)
                log_warning("it cannot be started with exec.command %s, with which node %s was started "
                            "last: "
                            "%s",
                                expected->noted, node->name, why);
        release_done(&release);
}

/* It may yet be installed. */
static void say_interpreter(const struct node *node, const char *version, const struct expected *expected) {
        _cleanup_free_ char *missing = release_missing_interpreter(
                        node->releases, version, expected->command ? expected->command : expected->noted);
        if (missing)
                log_warning("it is run by %s, which is not on this machine: install that before release %s "
                            "is started",
                                missing, version);
}

int command_release_manifest(const struct arguments *arguments) {
        _cleanup_(node_done) struct node node = {0};
        struct release release = {0};
        char here[RELEASE_HERE_MAX];
        int status = node_find(arguments, false, &node);
        if (status != 0)
                return status;
        int r = release_load(node.releases, arguments->words[0], &release);
        if (r < 0) {
                if (r == -ENOENT)
                        log_error("there is no release %s of node %s: %s", arguments->words[0], node.name,
                                        release_here(node.releases, here, sizeof(here)));
                else
                        log_error("release %s of node %s cannot be read (%s); add it again with `interrex "
                                  "release add`",
                                        arguments->words[0], node.name, strerror(-r));
                return EXIT_FAILED;
        }
        _cleanup_free_ char *text = release_canonical_text(&release);
        release_done(&release);
        return output_text(text ? 0 : -ENOMEM, text);
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
        status = check_unused(&node, arguments->words[0]);
        if (status != 0)
                return status;
        int r = release_remove(node.releases, arguments->words[0], &sentence);
        if (r < 0)
                return explain(r, sentence);
        (void)printf("release %s of node %s is removed\n", arguments->words[0], node.name);
        return tell_director(&node);
}

/* For each release, whether files of it are not there any more. */
static bool *find_gone(const struct node *node, const struct release *releases, size_t n) {
        struct release_identity identity;
        bool *are_gone = calloc(n + 1, sizeof(*are_gone));
        for (size_t i = 0; are_gone && i < n; i++)
                are_gone[i] = release_identify(node->releases, releases[i].text, &identity) == -ENOENT;
        return are_gone;
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
        _cleanup_free_ bool *are_gone = find_gone(&node, releases, n);
        if (!are_gone)
                status = output_text(-ENOMEM, NULL);
        else if (arguments->json) {
                _cleanup_(output_json_done) json_t *json = render_releases_json(releases, are_gone, n);
                status = output_json(json);
        } else {
                r = render_releases(releases, are_gone, n, &text);
                status = output_text(r, text);
        }
        release_list_free(releases, n);
        return status;
}

/* NULL: none was given, and none lies beside the release. */
static int read_signature(const struct arguments *arguments, char **ret_text) {
        char beside[PATH_BELOW_MAX], text[MINISIGN_TEXT_MAX] = "";
        const char *path = arguments->signature;
        (void)snprintf(beside, sizeof(beside), "%s.minisig", arguments->words[1]);
        if (!path && access(beside, F_OK) < 0)
                return EXIT_DONE;
        path = path ? path : beside;
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0) {
                log_error("cannot read the signature %s: %m", path);
                return EXIT_FAILED;
        }
        *ret_text = strdup(text);
        return *ret_text ? EXIT_DONE : output_text(-ENOMEM, NULL);
}

static bool is_new_signature(const struct node *node, const char *version, const char *text) {
        _cleanup_free_ char *before = NULL;
        struct version parsed;
        if (version_parse(version, &parsed) >= 0)
                (void)release_read_signature(node->releases, version, &before);
        return !before || strcmp(before, text) != 0;
}

/* A node that does not run reads the folder when it starts. */
static int tell_director(const struct node *node) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r = control_ask(node, "Refresh", CONTROL_CALL_TIMEOUT_US, &error, &reply, "");
        return r < 0 && r != -ESRCH ? control_explain(node, r, &error) : EXIT_DONE;
}

/* What would be removed between this look and the removal is found missing when it is started. */
static int check_unused(const struct node *node, const char *version) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        char text[400] = "";
        const char *use;
        int status = EXIT_DONE;
        int r = control_ask(node, "ReleaseUse", CONTROL_CALL_TIMEOUT_US, &error, &reply, "s", version);
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &use);
        if (r >= 0)
                text_copy(text, sizeof(text), use);
        else if (r == -ESRCH)
                status = ask_journal(node, version, text, sizeof(text));
        else
                status = control_explain(node, r, &error);
        if (status != EXIT_DONE || *text == '\0')
                return status;
        log_error("release %s of node %s is not removed: %s", version, node->name, text);
        return EXIT_FAILED;
}

/* As it was noted at the last start; before the first one, as it lies there. */
static int find_configured(const struct node *node, struct journal *journal, char **ret_configured) {
        _cleanup_(expected_done) struct expected expected = {0};
        void *noted = NULL;
        size_t length;
        int r = journal ? journal_get(journal, JOURNAL_CONFIGURED, &noted, &length) : -ENOENT;
        *ret_configured = noted;
        if (r != -ENOENT)
                return r;
        expected_find(node, &expected);
        *ret_configured = TAKE_POINTER(expected.release);
        return 0;
}

/* Without a supervisor it says what ran last. */
static int ask_journal(const struct node *node, const char *version, char *text, size_t size) {
        _cleanup_(journal_close_at) struct journal *journal = NULL;
        _cleanup_free_ void *value = NULL;
        _cleanup_free_ char *configured = NULL;
        struct machine machine = machine_initial();
        size_t length;
        int status = node_open_journal(node, &journal);
        if (status != EXIT_DONE)
                return status;
        int r = find_configured(node, journal, &configured);
        if (r >= 0)
                r = journal ? journal_get(journal, JOURNAL_MACHINE, &value, &length) : -ENOENT;
        if (r < 0 && r != -ENOENT) {
                log_errno(r, "cannot read %s, which says what node %s runs: nothing is removed",
                                node->journal, node->name);
                return EXIT_FAILED;
        }
        if (r >= 0 && !release_use_machine(value, length, &machine)) {
                log_error("%s was written by another version of interrex, so it is not known what node %s "
                          "runs: nothing is removed; "
                          "use the version that wrote it",
                                node->journal, node->name);
                return EXIT_FAILED;
        }
        (void)release_use(&machine, configured, version, text, size);
        return EXIT_DONE;
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
