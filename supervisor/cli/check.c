#include "check.h"

#include "../lib/config.h"
#include "../lib/control_protocol.h"
#include "../lib/signer.h"
#include "../lib/state_access.h"
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#define CONFIG_BYTES_MAX ((size_t)1024 * 1024)

static int read_all(const char *path, char **ret_text, size_t *ret_length);
static void print_mistakes(const char *path, const struct config_mistakes *mistakes);
static void print_signer(const struct config *config);
static void warn_of_host(const struct config *config);
static int check_place(
                const struct config *config, const char *state_dir, struct config_mistakes *ret_mistakes);

int command_check(const char *path, const char *state_dir) {
        _cleanup_free_ char *text = NULL;
        _cleanup_(config_free_at) struct config *config = NULL;
        _cleanup_(config_mistakes_done) struct config_mistakes mistakes = {0};
        size_t length = 0;
        int r = read_all(path, &text, &length);
        if (r < 0) {
                (void)fprintf(stderr,
                                "interrex: cannot read the configuration %s: %s; give the path of a YAML "
                                "file, or - for standard input\n",
                                path, strerror(-r));
                return EXIT_USAGE;
        }
        r = config_parse(text, length, &config, &mistakes);
        if (r >= 0)
                r = check_place(config, state_dir, &mistakes);
        if (r == -EINVAL) {
                print_mistakes(path, &mistakes);
                return EXIT_USAGE;
        }
        if (r < 0) {
                (void)fprintf(stderr, "interrex: cannot check the configuration %s: %s; try again\n", path,
                                strerror(-r));
                return EXIT_FAILED;
        }
        (void)printf("%s is right: node %s runs %s as %s, holds %zu address%s, %s\n", path, config->node,
                        config->exec.command, config->exec.user ? config->exec.user : "root",
                        config->n_listen, config->n_listen == 1 ? "" : "es",
                        config->state.overlap ? "two generations may overlap" : "one generation at a time");
        print_signer(config);
        warn_of_host(config);
        return EXIT_DONE;
}

static void warn_of_access(const struct config *config, const struct passwd *user) {
        const struct group *group = config->exec.group ? getgrnam(config->exec.group) : NULL;
        gid_t groups[64];
        int n = ELEMENTS(groups);
        char text[1024];
        if (!user || getgrouplist(user->pw_name, user->pw_gid, groups, &n) < 0)
                return;
        const struct state_user node = {.name = config->exec.user,
                        .uid = user->pw_uid,
                        .gid = group ? group->gr_gid : user->pw_gid,
                        .groups = groups,
                        .n_groups = (size_t)n};
        if (state_access_is_missing(config->state.directory, &node, text, sizeof(text)))
                (void)printf("! %s\n", text);
}

static void warn_of_command(const char *key, char *const *command) {
        if (command && command[0] && command[0][0] == '/' && access(command[0], X_OK) < 0)
                (void)printf("! %s: %s cannot be run here: %s\n", key, command[0], strerror(errno));
}

/* The file may be checked elsewhere than it is for, so these are no mistakes. */
static void warn_of_host(const struct config *config) {
        const char *name = config->exec.user, *directory = config->state.directory;
        const struct passwd *user = name ? getpwnam(name) : NULL;
        struct stat st;
        if (name && !user)
                (void)printf("! exec.user: %s does not exist here; make it with `adduser --system %s`\n",
                                name, name);
        if (directory && stat(directory, &st) < 0)
                (void)printf("! state.directory: %s cannot be used here (%s); make it with `install -d -o "
                             "%s %s`\n",
                                directory, strerror(errno), name ? name : "root", directory);
        else if (directory)
                warn_of_access(config, user);
        char text[600];
        if (state_keep_is_missing(&config->state, text, sizeof(text)))
                (void)printf("! %s\n", text);
        warn_of_command("height.command", config->height.command);
        for (size_t i = 0; i < BOUNDARY_UNITS; i++)
                warn_of_command("height.units", config->height.units[i].command);
        for (size_t i = 0; i < config->n_probes; i++)
                warn_of_command(config->probes[i].name, config->probes[i].command);
}

/* Where the directory cannot be read, the supervisor will say it. */
static void print_signer(const struct config *config) {
        const char *directory = config->state.directory;
        char text[700];
        _cleanup_close_ int fd = directory ? open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
        if (signer_describe(config, fd >= 0 ? signer_find_mark(fd) : NULL, text, sizeof(text)))
                (void)printf("! %s\n", text);
}

/* What the file alone does not tell. */
static int check_place(
                const struct config *config, const char *state_dir, struct config_mistakes *ret_mistakes) {
        const char *directory = config->state.directory;
        _cleanup_free_ char *resolved = directory ? realpath(directory, NULL) : NULL,
                            *ours = realpath(state_dir, NULL);
        _cleanup_free_ char *node_folder = NULL, *sentence = NULL;
        if (!directory || asprintf(&node_folder, "%s/%s", ours ? ours : state_dir, config->node) < 0 ||
                        !config_place_is_taken(resolved ? resolved : directory, node_folder))
                return 0;
        struct config_mistake *mistake = calloc(1, sizeof(*mistake));
        if (!mistake || asprintf(&sentence,
                                        "state.directory: interrex keeps the journal and the releases of "
                                        "node %s in %s, and a rollback would "
                                        "take them along; name a folder of the node's own",
                                        config->node, node_folder) < 0) {
                sentence = NULL;
                free(mistake);
                return -ENOMEM;
        }
        *mistake = (struct config_mistake){
                        .line = config->state.directory_line, .text = TAKE_POINTER(sentence)};
        *ret_mistakes = (struct config_mistakes){.items = mistake, .n = 1};
        return -EINVAL;
}

/* One byte more than is allowed, so that the parser sees that it is too much. */
static int read_all(const char *path, char **ret_text, size_t *ret_length) {
        _cleanup_free_ char *text = malloc(CONFIG_BYTES_MAX + 1);
        size_t length = 0;
        ssize_t n;
        if (!text)
                return -ENOMEM;
        _cleanup_close_ int fd =
                        strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        do {
                n = read(fd, text + length, CONFIG_BYTES_MAX + 1 - length);
                if (n < 0)
                        return -errno;
                length += (size_t)n;
        } while (n > 0 && length <= CONFIG_BYTES_MAX);
        *ret_text = TAKE_POINTER(text);
        *ret_length = length;
        return 0;
}

/* A mistake of the file as a whole has no line; editors that jump to places want one. */
static void print_mistakes(const char *path, const struct config_mistakes *mistakes) {
        for (size_t i = 0; i < mistakes->n; i++)
                (void)fprintf(stderr, "%s:%u: %s\n", path,
                                mistakes->items[i].line ? mistakes->items[i].line : 1,
                                mistakes->items[i].text);
        (void)fprintf(stderr, "interrex: %zu mistake%s in %s\n", mistakes->n, mistakes->n == 1 ? "" : "s",
                        path);
}
