#include "../lib/address.h"
#include "../lib/config.h"
#include "../lib/control_protocol.h"
#include "../lib/log.h"
#include "commands.h"
#include "cosmovisor.h"
#include <ctype.h>
#include <inttypes.h>
#include <sys/stat.h>

static void node_name_of(const char *daemon, char *name, size_t size);
static int make_folder(const char *folder);
static int write_all(const struct cosmovisor *cosmovisor, const char *node, const char *folder);
static size_t count_present(const struct cosmovisor *cosmovisor);
static void say_what_comes(const struct cosmovisor *cosmovisor, const char *node);
static void say_what_is_left(const struct cosmovisor *cosmovisor, const char *node);

int command_import_cosmovisor(const struct arguments *arguments) {
        _cleanup_free_ struct cosmovisor *cosmovisor = calloc(1, sizeof(*cosmovisor));
        _cleanup_free_ char *error = NULL;
        char node[NODE_NAME_MAX];
        const char *folder = arguments->n_words > 1 ? arguments->words[1] : ".";
        if (!cosmovisor || cosmovisor_read(arguments->words[0], getenv("DAEMON_NAME"), cosmovisor, &error) <
                                           0) {
                log_error("nothing was written: %s", error ? error : "out of memory");
                return EXIT_FAILED;
        }
        node_name_of(cosmovisor->daemon, node, sizeof(node));
        if (make_folder(folder) < 0 || write_all(cosmovisor, node, folder) < 0)
                return EXIT_FAILED;
        (void)printf("%s/%s.yaml      the configuration: look through it\n"
                     "%s/%s.schedule  from which height on which release runs\n"
                     "%s/%s.import    adds the %zu releases and the schedule: run it as root\n\n",
                        folder, node, folder, node, folder, node, count_present(cosmovisor));
        say_what_comes(cosmovisor, node);
        say_what_is_left(cosmovisor, node);
        (void)printf("\nThen: interrex check %s/%s.yaml && sh %s/%s.import, stop cosmovisor, interrex run "
                     "%s/%s.yaml\n",
                        folder, node, folder, node, folder, node);
        return EXIT_DONE;
}

static void node_name_of(const char *daemon, char *name, size_t size) {
        size_t n = 0;
        for (const char *letter = daemon; *letter && n + 1 < size; letter++)
                name[n++] = isalnum((unsigned char)*letter) ? (char)tolower((unsigned char)*letter) : '-';
        name[n] = '\0';
        if (!node_name_is_valid(name))
                text_copy(name, size, "node");
}

/* The last part of it; what is above it was not meant if it is not there. */
static int make_folder(const char *folder) {
        if (mkdir(folder, 0755) == 0 || errno == EEXIST)
                return 0;
        log_error("nothing was written: the folder %s cannot be made: %m", folder);
        return -EIO;
}

/* A file that is there is somebody's work. */
static FILE *create(const char *folder, const char *node, const char *ending, char *path, size_t size) {
        (void)snprintf(path, size, "%s/%s.%s", folder, node, ending);
        FILE *file = fopen(path, "wxe");
        if (!file)
                log_error("cannot write %s: %m%s", path,
                                errno == EEXIST ? "; move it away, or give another folder" : "");
        return file;
}

static int finish(FILE *file, const char *path) {
        bool is_bad = ferror(file) != 0;
        if (fclose(file) == 0 && !is_bad)
                return 0;
        log_error("cannot write %s: %m", path);
        return -EIO;
}

/* A text between double quotes in YAML, or between single ones in a shell. */
static void put_quoted(FILE *out, char quote, const char *text) {
        (void)fputc(quote, out);
        for (; *text; text++)
                if (quote == '\'' && *text == '\'')
                        (void)fputs("'\\''", out);
                else if (quote == '"' && (*text == '"' || *text == '\\'))
                        (void)fprintf(out, "\\%c", *text);
                else
                        (void)fputc(*text, out);
        (void)fputc(quote, out);
}

static void put_time_of(FILE *out, const char *key, const char *variable, const char *otherwise) {
        const char *value = getenv(variable);
        bool is_simple = value && *value && strspn(value, "0123456789smh") == strlen(value) &&
                         isdigit((unsigned char)*value);
        (void)fprintf(out, ", %s: %s", key, is_simple ? value : otherwise);
}

/* What `listen` can say, or NULL. */
static const char *address_of(const struct cosmovisor *cosmovisor, enum cosmovisor_address which) {
        const char *text = cosmovisor->addresses[which];
        struct address address;
        char whole[80];
        (void)snprintf(whole, sizeof(whole), "tcp:%s", text);
        return *text && address_parse(whole, &address, NULL) >= 0 ? text : NULL;
}

static void put_listen(FILE *out, const struct cosmovisor *cosmovisor, const char *rpc) {
        const char *p2p = address_of(cosmovisor, COSMOVISOR_P2P);
        (void)fprintf(out, "listen: [\"tcp:%s\", \"tcp:%s\"", rpc, p2p ? p2p : "0.0.0.0:26656");
        for (size_t i = COSMOVISOR_P2P + 1; i < COSMOVISOR_ADDRESSES; i++)
                if (address_of(cosmovisor, i))
                        (void)fprintf(out, ", \"tcp:%s\"", address_of(cosmovisor, i));
        (void)fputs("]\n", out);
}

/* The names that are known stand for the very releases that they stand for in the schedule. */
static void put_source(FILE *out, const struct cosmovisor *cosmovisor) {
        if (!cosmovisor_can_be_followed(cosmovisor))
                return;
        (void)fputs("schedule:\n  source: cosmovisor   # upgrade-info.json, which the node writes when it "
                    "stops for an upgrade\n",
                        out);
        for (size_t i = 1; i < cosmovisor->n_upgrades; i++) {
                (void)fputs(i == 1 ? "  names: {" : ", ", out);
                put_quoted(out, '"', cosmovisor->upgrades[i].name);
                (void)fprintf(out, ": \"=%s\"", cosmovisor->upgrades[i].version);
        }
        (void)fputs(cosmovisor->n_upgrades > 1 ? "}\n" : "", out);
}

static void put_state(FILE *out, const struct cosmovisor *cosmovisor) {
        const char *skips_backup = getenv("UNSAFE_SKIP_BACKUP");
        (void)fputs("state:\n  directory: ", out);
        put_quoted(out, '"', cosmovisor->home);
        (void)fprintf(out, "\n  fence: lock\n  snapshot: %s\n",
                        skips_backup && strcmp(skips_backup, "true") == 0 ? "none" : "auto");
        if (cosmovisor->signs)
                (void)fputs("  signer: files          # it has a validator's key: what it signed is never "
                            "rolled back\n"
                            "  keep: [data/priv_validator_state.json, config/priv_validator_key.json]\n",
                                out);
}

static void put_config(FILE *out, const struct cosmovisor *cosmovisor, const char *node) {
        const char *release = cosmovisor->upgrades[0].version;
        const char *rpc = address_of(cosmovisor, COSMOVISOR_RPC);
        rpc = rpc ? rpc : "127.0.0.1:26657";
        for (size_t i = 0; i < cosmovisor->n_upgrades; i++)
                if (cosmovisor->upgrades[i].is_current)
                        release = cosmovisor->upgrades[i].version;
        (void)fprintf(out,
                        "# Made by `interrex import cosmovisor`.\nnode: %s\nrelease: \"%s\"   # what "
                        "cosmovisor/current leads to\n"
                        "exec:\n  {command: ",
                        node, release);
        put_quoted(out, '"', cosmovisor->daemon);
        (void)fputs(", args: [start, --home, \"{state}\"]", out);
        put_time_of(out, "stop_timeout", "DAEMON_SHUTDOWN_GRACE", "30s");
        (void)fputs("}   # add user: ...\n", out);
        put_listen(out, cosmovisor, rpc);
        put_state(out, cosmovisor);
        (void)fprintf(out,
                        "height: {source: cometbft, url: \"http://%s\"}\n"
                        "# The node stops by itself before an upgrade's height, and says so.\n"
                        "gate: {kind: node, pattern: 'UPGRADE .* NEEDED at height: ([0-9]+)'}\n",
                        rpc);
        put_source(out, cosmovisor);
        (void)fputs("probes:\n  - {name: rpc, kind: height}\nprobation: 60s\n", out);
}

static void put_schedule(FILE *out, const struct cosmovisor *cosmovisor) {
        for (size_t i = 0; i < cosmovisor->n_upgrades; i++) {
                const struct cosmovisor_upgrade *upgrade = &cosmovisor->upgrades[i];
                if (upgrade->height == UINT64_MAX)
                        (void)fprintf(out, "# %s (%s): nothing tells its height\n", upgrade->version,
                                        upgrade->name);
                else
                        (void)fprintf(out, "%" PRIu64 " =%s   # %s\n",
                                        upgrade->height == 0 ? 1 : upgrade->height, upgrade->version,
                                        upgrade->name);
        }
}

static void put_script(FILE *out, const struct cosmovisor *cosmovisor, const char *node) {
        (void)fputs("set -e\n", out);
        for (size_t i = 0; i < cosmovisor->n_upgrades; i++) {
                if (cosmovisor->upgrades[i].is_missing)
                        continue;
                (void)fprintf(out, "interrex release add %s %s ", node, cosmovisor->upgrades[i].version);
                put_quoted(out, '\'', cosmovisor->upgrades[i].path);
                (void)fputc('\n', out);
        }
        (void)fprintf(out, "interrex schedule import %s \"$(dirname \"$0\")/%s.schedule\"\n", node, node);
}

static int write_all(const struct cosmovisor *cosmovisor, const char *node, const char *folder) {
        static const char *const endings[] = {"yaml", "schedule", "import"};
        char path[PATH_MAX];
        for (size_t i = 0; i < ELEMENTS(endings); i++) {
                FILE *file = create(folder, node, endings[i], path, sizeof(path));
                if (!file)
                        return -EEXIST;
                if (i == 0)
                        put_config(file, cosmovisor, node);
                else if (i == 1)
                        put_schedule(file, cosmovisor);
                else
                        put_script(file, cosmovisor, node);
                int r = finish(file, path);
                if (r < 0)
                        return r;
        }
        return 0;
}

static size_t count_present(const struct cosmovisor *cosmovisor) {
        size_t n = 0;
        for (size_t i = 0; i < cosmovisor->n_upgrades; i++)
                n += !cosmovisor->upgrades[i].is_missing;
        return n;
}

static void say_what_comes(const struct cosmovisor *cosmovisor, const char *node) {
        if (!cosmovisor_can_be_followed(cosmovisor))
                (void)printf("not carried over: upgrades to come are not followed by themselves, for their "
                             "names are no versions that grow: set each with `interrex schedule set %s "
                             "HEIGHT VERSION`\n",
                                node);
        else if (cosmovisor->versions_are_names)
                (void)printf("carried over: upgrades to come are followed (schedule.source: cosmovisor): "
                             "one that is named v9 is for ^9.0.0, if you have added that; a name that is no "
                             "version needs a line in schedule.names\n");
        else
                (void)printf("carried over: upgrades to come are followed (schedule.source: cosmovisor), if "
                             "schedule.names says which release each is: here from %zu.0.0 on\n",
                                cosmovisor->n_upgrades + 1);
}

static void say_what_of_the_node_is_left(const struct cosmovisor *cosmovisor, const char *node) {
        const char *told = cosmovisor_can_be_followed(cosmovisor)
                                           ? "the node tells it when it stops there, or "
                                           : "";
        for (size_t i = 0; i < cosmovisor->n_upgrades; i++) {
                const struct cosmovisor_upgrade *upgrade = &cosmovisor->upgrades[i];
                if (upgrade->is_missing)
                        (void)printf("not carried over: the release %s (%s): nothing that can be executed "
                                     "is at %s: when it is there, `interrex release add %s %s %s`\n",
                                        upgrade->version, upgrade->name, upgrade->path, node,
                                        upgrade->version, upgrade->path);
                if (upgrade->height == UINT64_MAX)
                        (void)printf("not carried over: the height of %s is written nowhere: %sset it with "
                                     "`interrex schedule set`\n",
                                        upgrade->name, told);
        }
        for (size_t i = 0; i < COSMOVISOR_ADDRESSES; i++)
                if (*cosmovisor->addresses[i] && !address_of(cosmovisor, i))
                        (void)printf("not carried over: the node is to listen at %s, which is no IP address "
                                     "with a port: add where that is to `listen`\n",
                                        cosmovisor->addresses[i]);
}

static void say_what_is_left(const struct cosmovisor *cosmovisor, const char *node) {
        static const struct {
                const char *variable, *advice;
        } left[] = {
                        {"DAEMON_ALLOW_DOWNLOAD_BINARIES",
                                        "nothing is downloaded: add releases with `interrex release add`"},
                        {"DAEMON_DOWNLOAD_MUST_HAVE_CHECKSUM",
                                        "give `release add` --sha256 or a signature instead"},
                        {"DAEMON_DATA_BACKUP_DIR", "snapshots lie beside the state; see state.snapshot"},
                        {"DAEMON_PREUPGRADE_MAX_RETRIES", "pre-upgrade commands are not run: run them "
                                                          "before, or in the release"},
                        {"DAEMON_RESTART_AFTER_UPGRADE", "the next release is always started"},
                        {"DAEMON_RESTART_DELAY", "see restart.backoff"},
                        {"DAEMON_POLL_INTERVAL",
                                        "nothing is polled: what the node says when it stops is heard"},
                        {"COSMOVISOR_CUSTOM_PREUPGRADE", "pre-upgrade scripts are not run"},
                        {"COSMOVISOR_DISABLE_LOGS", "output goes to the journal or the terminal, with the "
                                                    "generation's number"},
        };
        for (size_t i = 0; i < ELEMENTS(left); i++)
                if (getenv(left[i].variable))
                        (void)printf("not carried over: %s: %s\n", left[i].variable, left[i].advice);
        say_what_of_the_node_is_left(cosmovisor, node);
        (void)printf("not carried over: the arguments that cosmovisor was started with: exec.args says "
                     "`start --home`, add yours\n");
        if (!cosmovisor->versions_are_names)
                (void)printf("the upgrades' names are no versions that grow: they are numbered 1.0.0, 2.0.0 "
                             "... in their order\n");
}
