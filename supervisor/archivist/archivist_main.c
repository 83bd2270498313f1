#include "archive.h"

#include "../lib/log.h"
#include "../lib/release.h"
#include "confine.h"
#include "subvolume.h"
#include <jansson.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/vfs.h>

/* The director reads one line of at most 4 KiB. */
#define ERROR_SHOWN_MAX 1500

struct order {
        const char *verb, *name;
        enum snapshot_kind kind;
        struct state_config state;
        const char *releases_dir, *version, *command;
        int command_fd;
        char *const *keys; /* that must have signed the release; none: digests only */
};

/* What the answer tells besides success or failure. */
struct findings {
        struct snapshot_plan plan;
        struct release_identity identity; /* of what was verified */
        bool has_identity, identity_counts;
};

static int parse(int argc, char **argv, struct order *order, char **ret_error);
static int parse_verify(int argc, char **argv, struct order *order, char **ret_error);
static int parse_setting(struct order *order, const char *flag, const char *value);
static int obey(const struct order *order, struct findings *findings, char **ret_error);
static int give_up_privileges(const struct order *order);
static int verify(const struct order *order, struct findings *findings, char **ret_error);
static int answer(int r, const struct findings *findings, uint64_t elapsed_us, const char *error);

int archivist_main(int argc, char **argv) {
        struct order order = {.command_fd = -1};
        struct findings findings = {.plan = {.kind = SNAPSHOT_NONE}};
        _cleanup_free_ char *error = NULL;
        uint64_t started_at = now_monotonic();
        log_open("archivist");
        int r = parse(argc, argv, &order, &error);
        if (r == 0)
                r = obey(&order, &findings, &error);
        strv_free(order.state.keep);
        strv_free(order.state.hook);
        return answer(r, &findings, now_monotonic() - started_at, error);
}

static int parse(int argc, char **argv, struct order *order, char **ret_error) {
        int next = 2;
        order->verb = argc > 1 ? argv[1] : "";
        if (strcmp(order->verb, "verify") == 0)
                return parse_verify(argc, argv, order, ret_error);
        bool is_plan = strcmp(order->verb, "plan") == 0, is_take = strcmp(order->verb, "take") == 0;
        if (!is_plan && !is_take && strcmp(order->verb, "restore") != 0 &&
                        strcmp(order->verb, "remove") != 0 && strcmp(order->verb, "sweep") != 0 &&
                        strcmp(order->verb, "clear") != 0)
                return fail_with(ret_error, -EINVAL, "the archivist knows no verb \"%s\"", order->verb);
        if (argc < next + !is_plan + is_take)
                return fail_with(ret_error, -EINVAL, "%s: the snapshot's name or kind is missing",
                                order->verb);
        order->name = is_plan ? "" : argv[next++];
        if (is_take && snapshot_kind_parse(argv[next++], &order->kind) < 0)
                return fail_with(ret_error, -EINVAL, "%s is no kind of snapshot", argv[next - 1]);
        if (!is_plan && !*order->name)
                return fail_with(ret_error, -EINVAL, "the name of a snapshot is empty");
        order->state.snapshot = order->kind;
        for (; next < argc; next += 2) {
                int r = next + 1 < argc ? parse_setting(order, argv[next], argv[next + 1]) : -EINVAL;
                if (r < 0)
                        return fail_with(ret_error, r, "%s %s: no such setting of the state", argv[next],
                                        next + 1 < argc ? argv[next + 1] : "");
        }
        return 0;
}

static int parse_verify(int argc, char **argv, struct order *order, char **ret_error) {
        uint64_t fd;
        if (argc < 6 || parse_u64(argv[5], &fd) < 0 || fd > INT32_MAX)
                return fail_with(ret_error, -EINVAL,
                                "verify needs a directory, a version, a command and a descriptor");
        order->releases_dir = argv[2];
        order->version = argv[3];
        order->command = argv[4];
        order->command_fd = (int)fd;
        order->keys = argv + 6; /* argv ends with a NULL */
        return 0;
}

static int parse_setting(struct order *order, const char *flag, const char *value) {
        struct state_config *state = &order->state;
        if (strcmp(flag, "--directory") == 0)
                state->directory = (char *)value;
        else if (strcmp(flag, "--keep") == 0)
                return strv_push(&state->keep, value);
        else if (strcmp(flag, "--signer") == 0 && strcmp(value, "files") == 0)
                state->signer = SIGNER_FILES;
        else if (strcmp(flag, "--hook") == 0)
                return strv_push(&state->hook, value);
        else if (strcmp(flag, "--copy-limit") == 0)
                return parse_u64(value, &state->copy_limit);
        else if (strcmp(flag, "--want") == 0)
                return snapshot_kind_parse(value, &state->snapshot);
        else
                return -EINVAL;
        return 0;
}

static int obey(const struct order *order, struct findings *findings, char **ret_error) {
        struct snapshot_plan *plan = &findings->plan;
        int r = give_up_privileges(order);
        if (r < 0)
                return fail_with(ret_error, r, "the archivist cannot give up its privileges: %s",
                                strerror(-r));
        if (strcmp(order->verb, "verify") == 0)
                return verify(order, findings, ret_error);
        if (strcmp(order->verb, "plan") == 0) {
                r = snapshot_plan(&order->state, plan);
                return r < 0 ? fail_with(ret_error, r, "%s", plan->reason) : 0;
        }
        plan->kind = strcmp(order->verb, "take") == 0 ? order->kind : order->state.snapshot;
        if (strcmp(order->verb, "take") == 0)
                plan->signer_mark = snapshot_signer_mark(&order->state);
        if (strcmp(order->verb, "take") == 0)
                return snapshot_take(&order->state, order->name, order->kind, ret_error);
        if (strcmp(order->verb, "restore") == 0)
                return snapshot_restore(&order->state, order->name, ret_error);
        if (strcmp(order->verb, "sweep") == 0 || strcmp(order->verb, "clear") == 0)
                return snapshot_sweep(&order->state, order->name, strcmp(order->verb, "sweep") == 0,
                                plan->reason, sizeof(plan->reason), ret_error);
        return snapshot_remove(&order->state, order->name, ret_error);
}

/* A hook is the operator's own program and keeps what this process was given: it may have to mount, or to
 * talk to a storage array. */
static int give_up_privileges(const struct order *order) {
        struct statfs filesystem;
        if (order->releases_dir)
                return confine(CONFINE_READING);
        if (order->state.snapshot == SNAPSHOT_HOOK || order->kind == SNAPSHOT_HOOK)
                return 0;
        bool is_btrfs = order->state.directory && statfs(order->state.directory, &filesystem) == 0 &&
                        filesystem.f_type == BTRFS_SUPER_MAGIC;
        return confine(is_btrfs ? CONFINE_WRITING_AS_ADMIN : CONFINE_WRITING);
}

static int verify_release(const struct order *order, const struct release *release, char **ret_error) {
        int r = release_verify(order->releases_dir, release, order->command, order->command_fd, ret_error);
        if (r >= 0 && order->keys && *order->keys)
                r = release_verify_signature(
                                order->releases_dir, release, order->keys, order->command_fd, ret_error);
        return r;
}

/* Where it does not change meanwhile, the director may compare what the kernel tells instead of having it all read again. */
static int verify(const struct order *order, struct findings *findings, char **ret_error) {
        struct release release;
        struct release_identity before, after;
        uint64_t began_at = now_realtime();
        bool has_before = release_identify(order->releases_dir, order->version, &before) == 0;
        int r = release_load(order->releases_dir, order->version, &release);
        if (r < 0)
                return fail_with(ret_error, r,
                                "the manifest of release %s in %s cannot be read: %s; add the release again "
                                "with `interrex release add`",
                                order->version, order->releases_dir, strerror(-r));
        /* A lease that somebody breaks just now is told by this signal, which would end the process. */
        (void)signal(SIGIO, SIG_IGN);
        findings->identity_counts = has_before && release_identity_counts(order->releases_dir, &release,
                                                                  &before, began_at);
        r = verify_release(order, &release, ret_error);
        release_done(&release);
        if (r < 0)
                return r;
        if (!has_before || release_identify(order->releases_dir, order->version, &after) < 0 ||
                        memcmp(before.digest, after.digest, sizeof(before.digest)) != 0)
                return fail_with(ret_error, -EBUSY,
                                "release %s was changed while it was verified: nobody may write to %s/%s, "
                                "where it "
                                "lies; try again",
                                order->version, order->releases_dir, order->version);
        findings->identity = after;
        findings->has_identity = true;
        return 0;
}

/* Names of files need not be UTF-8, and a text that was cut may end within a character: JSON takes neither.
 */
static json_t *json_text(const char *text) {
        char plain[ERROR_SHOWN_MAX];
        json_t *json = json_string(text);
        if (json)
                return json;
        text_copy(plain, sizeof(plain), text);
        for (char *c = plain; *c; c++)
                if ((unsigned char)*c >= 0x80)
                        *c = '?';
        return json_string(plain);
}

static int answer(int r, const struct findings *findings, uint64_t elapsed_us, const char *error) {
        const struct snapshot_plan *plan = &findings->plan;
        char shown[ERROR_SHOWN_MAX], identity[65];
        sha256_format(findings->identity.digest, identity);
        text_copy(shown, sizeof(shown), error ? error : "it failed without a reason");
        json_t *line = json_pack("{s:b, s:o?, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:b, s:s?}", "ok",
                        r >= 0, "error", r < 0 ? json_text(shown) : json_null(), "kind",
                        snapshot_kind_name(plan->kind), "reason", json_text(plan->reason), "files",
                        (json_int_t)plan->files, "bytes", (json_int_t)plan->bytes, "extents",
                        (json_int_t)plan->extents, "estimated_us", (json_int_t)plan->estimated_us,
                        "elapsed_us", (json_int_t)elapsed_us, "identity",
                        findings->has_identity ? json_string(identity) : json_null(), "identity_counts",
                        findings->identity_counts, "signer_mark", plan->signer_mark);
        if (!line || json_dumpfd(line, STDOUT_FILENO, JSON_COMPACT | JSON_PRESERVE_ORDER) < 0 ||
                        write(STDOUT_FILENO, "\n", 1) != 1)
                r = r < 0 ? r : -EIO;
        json_decref(line);
        return r < 0 ? 1 : 0;
}
