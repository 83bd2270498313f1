#include "cosmovisor.h"

#include "../lib/release_files.h"
#include "../lib/upgrade_info.h"
#include <ctype.h>
#include <dirent.h>
#include <sys/stat.h>

#define INFO_SIZE_MAX (64 * 1024)
#define CONFIG_SIZE_MAX (1024 * 1024)

static int read_upgrades(struct cosmovisor *cosmovisor, char **ret_error);
static int read_upgrade(struct cosmovisor *cosmovisor, const char *name, char **ret_error);
static int read_binary(
                struct cosmovisor *cosmovisor, const char *folder, const char *name, char **ret_error);
static int read_info(const char *path, char *ret_name, size_t size, uint64_t *ret_height, char **ret_error);
static int find_daemon(struct cosmovisor *cosmovisor, char **ret_error);
static void read_current(struct cosmovisor *cosmovisor);
static int read_last_info(struct cosmovisor *cosmovisor, char **ret_error);
static void read_addresses(struct cosmovisor *cosmovisor, const char *file);
static int compare_upgrades(const void *a, const void *b);

int cosmovisor_read(
                const char *home, const char *daemon, struct cosmovisor *ret_cosmovisor, char **ret_error) {
        _cleanup_free_ struct cosmovisor *cosmovisor = calloc(1, sizeof(*cosmovisor));
        char path[PATH_MAX + 64];
        if (!cosmovisor)
                return fail_with(ret_error, -ENOMEM, "out of memory");
        if (!realpath(home, cosmovisor->home))
                return fail_with(ret_error, -errno, "%s: %s; give the folder that DAEMON_HOME names", home,
                                strerror(errno));
        if (daemon && (strchr(daemon, '/') || strlen(daemon) >= sizeof(cosmovisor->daemon)))
                return fail_with(ret_error, -EINVAL, "DAEMON_NAME is not the name of a file: %.64s", daemon);
        text_copy(cosmovisor->daemon, sizeof(cosmovisor->daemon), daemon ? daemon : "");
        int r = find_daemon(cosmovisor, ret_error);
        if (r >= 0)
                r = read_binary(cosmovisor, "genesis", "genesis", ret_error);
        if (r >= 0)
                r = read_upgrades(cosmovisor, ret_error);
        if (r >= 0)
                r = read_last_info(cosmovisor, ret_error);
        if (r < 0)
                return r;
        qsort(cosmovisor->upgrades + 1, cosmovisor->n_upgrades - 1, sizeof(cosmovisor->upgrades[0]),
                        compare_upgrades);
        cosmovisor_number(cosmovisor);
        read_current(cosmovisor);
        read_addresses(cosmovisor, "config.toml");
        read_addresses(cosmovisor, "app.toml");
        (void)snprintf(path, sizeof(path), "%s/config/priv_validator_key.json", cosmovisor->home);
        cosmovisor->signs = access(path, F_OK) == 0;
        *ret_cosmovisor = *cosmovisor;
        return 0;
}

void cosmovisor_number(struct cosmovisor *cosmovisor) {
        struct version before = {0}, version;
        cosmovisor->versions_are_names = true;
        for (size_t i = 1; i < cosmovisor->n_upgrades; i++) {
                struct cosmovisor_upgrade *upgrade = &cosmovisor->upgrades[i];
                if (upgrade_name_to_version(upgrade->name, &version) < 0 ||
                                version_compare(&version, &before) <= 0) {
                        cosmovisor->versions_are_names = false;
                        break;
                }
                version_format(&version, upgrade->version, sizeof(upgrade->version));
                before = version;
        }
        for (size_t i = 0; i < cosmovisor->n_upgrades; i++)
                if (i == 0 || !cosmovisor->versions_are_names)
                        (void)snprintf(cosmovisor->upgrades[i].version, VERSION_TEXT_MAX, "%zu.0.0",
                                        cosmovisor->versions_are_names ? 0 : i + 1);
}

bool cosmovisor_can_be_followed(const struct cosmovisor *cosmovisor) {
        struct version version;
        bool can = true;
        for (size_t i = 1; can && i < cosmovisor->n_upgrades; i++) {
                const char *name = cosmovisor->upgrades[i].name;
                /* What a configuration cannot name. */
                for (const char *letter = name; can && *letter; letter++)
                        can = *letter != '=' && !iscntrl((unsigned char)*letter);
                /* A number of ours would be taken for one of the chain's. */
                can = can && (cosmovisor->versions_are_names || upgrade_name_to_version(name, &version) < 0);
        }
        return can;
}

static int find_daemon(struct cosmovisor *cosmovisor, char **ret_error) {
        char path[PATH_MAX + 64];
        size_t n = 0;
        if (*cosmovisor->daemon)
                return 0;
        (void)snprintf(path, sizeof(path), "%s/cosmovisor/genesis/bin", cosmovisor->home);
        DIR *directory = opendir(path);
        if (!directory)
                return fail_with(ret_error, -errno, "%s: %s; is %s really a DAEMON_HOME?", path,
                                strerror(errno), cosmovisor->home);
        for (const struct dirent *entry; (entry = readdir(directory));)
                if (entry->d_name[0] != '.' && strlen(entry->d_name) < sizeof(cosmovisor->daemon)) {
                        text_copy(cosmovisor->daemon, sizeof(cosmovisor->daemon), entry->d_name);
                        n++;
                }
        (void)closedir(directory);
        return n == 1 ? 0
                      : fail_with(ret_error, -EINVAL,
                                        "%zu files lie in %s: say which one is the node, by DAEMON_NAME=...",
                                        n, path);
}

/* FOLDER is below cosmovisor/; a link may lead anywhere below DAEMON_HOME, but not out of it. */
static int read_binary(
                struct cosmovisor *cosmovisor, const char *folder, const char *name, char **ret_error) {
        char path[2 * PATH_MAX + 512], resolved[PATH_MAX];
        struct stat st;
        if (cosmovisor->n_upgrades == COSMOVISOR_UPGRADES_MAX)
                return fail_with(ret_error, -E2BIG, "more than %d upgrades", COSMOVISOR_UPGRADES_MAX);
        struct cosmovisor_upgrade *upgrade = &cosmovisor->upgrades[cosmovisor->n_upgrades];
        (void)snprintf(path, sizeof(path), "%s/cosmovisor/%s/bin/%s", cosmovisor->home, folder,
                        cosmovisor->daemon);
        text_copy(upgrade->path, sizeof(upgrade->path), path);
        if (!realpath(path, resolved) || stat(resolved, &st) < 0)
                return fail_with(ret_error, -errno, "%s: %s", path, strerror(errno));
        text_copy(upgrade->path, sizeof(upgrade->path), resolved);
        size_t length = strlen(cosmovisor->home);
        if (strncmp(upgrade->path, cosmovisor->home, length) != 0 || upgrade->path[length] != '/')
                return fail_with(ret_error, -EXDEV, "%s leads out of %s, to %s", path, cosmovisor->home,
                                upgrade->path);
        if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111))
                return fail_with(ret_error, -EACCES, "%s cannot be executed", path);
        text_copy(upgrade->name, sizeof(upgrade->name), name);
        upgrade->height = strcmp(name, "genesis") == 0 ? 0 : UINT64_MAX;
        cosmovisor->n_upgrades++;
        return 0;
}

/* A folder whose binary has not come yet, or is gone, has its place in the order of the others all the same; a file beside the folders
 * has none. */
static int read_upgrade(struct cosmovisor *cosmovisor, const char *name, char **ret_error) {
        _cleanup_free_ char *error = NULL;
        char folder[300], info[PATH_MAX + 512];
        size_t n = cosmovisor->n_upgrades;
        struct cosmovisor_upgrade *upgrade = &cosmovisor->upgrades[n];
        (void)snprintf(folder, sizeof(folder), "upgrades/%s", name);
        if (strpbrk(name, "\n\r\"'\\"))
                return fail_with(ret_error, -EINVAL,
                                "%s/cosmovisor/upgrades has a folder that no upgrade has: %s",
                                cosmovisor->home, name);
        int r = read_binary(cosmovisor, folder, name, &error);
        if (r == -ENOTDIR)
                return 0;
        if (r == -ENOENT || r == -EACCES) {
                text_copy(upgrade->name, sizeof(upgrade->name), name);
                upgrade->height = UINT64_MAX;
                upgrade->is_missing = true;
                cosmovisor->n_upgrades++;
        } else if (r < 0) {
                *ret_error = TAKE_POINTER(error);
                return r;
        }
        (void)snprintf(info, sizeof(info), "%s/cosmovisor/%s/upgrade-info.json", cosmovisor->home, folder);
        return read_info(info, upgrade->name, sizeof(upgrade->name), &upgrade->height, ret_error);
}

static int read_upgrades(struct cosmovisor *cosmovisor, char **ret_error) {
        char path[PATH_MAX + 64];
        (void)snprintf(path, sizeof(path), "%s/cosmovisor/upgrades", cosmovisor->home);
        DIR *directory = opendir(path);
        int r = 0;
        if (!directory)
                return errno == ENOENT ? 0 : fail_with(ret_error, -errno, "%s: %s", path, strerror(errno));
        for (const struct dirent *entry; r >= 0 && (entry = readdir(directory));)
                if (entry->d_name[0] != '.')
                        r = read_upgrade(cosmovisor, entry->d_name, ret_error);
        (void)closedir(directory);
        return r;
}

/* A missing one says nothing. */
static int read_info(const char *path, char *ret_name, size_t size, uint64_t *ret_height, char **ret_error) {
        _cleanup_free_ char *text = NULL;
        size_t length = 0;
        int r = file_read_small(path, INFO_SIZE_MAX, &text, &length);
        if (r == -ENOENT)
                return 0;
        if (r >= 0)
                r = upgrade_info_parse(text, length, ret_name, size, ret_height);
        return r < 0 ? fail_with(ret_error, r,
                                       "%s is not an upgrade-info.json (a small object with name and "
                                       "height): %s",
                                       path, strerror(-r))
                     : 0;
}

/* The last upgrade that the chain asked for; older cosmovisors write it nowhere else. */
static int read_last_info(struct cosmovisor *cosmovisor, char **ret_error) {
        char path[PATH_MAX + 64], name[COSMOVISOR_NAME_MAX] = "";
        uint64_t height = UINT64_MAX;
        (void)snprintf(path, sizeof(path), "%s/data/upgrade-info.json", cosmovisor->home);
        int r = read_info(path, name, sizeof(name), &height, ret_error);
        for (size_t i = 1; r >= 0 && i < cosmovisor->n_upgrades; i++)
                if (strcasecmp(cosmovisor->upgrades[i].name, name) == 0) {
                        /* A folder may be named in small letters. */
                        text_copy(cosmovisor->upgrades[i].name, COSMOVISOR_NAME_MAX, name);
                        if (cosmovisor->upgrades[i].height == UINT64_MAX)
                                cosmovisor->upgrades[i].height = height;
                }
        return r;
}

static void read_current(struct cosmovisor *cosmovisor) {
        char path[PATH_MAX + 64], folder[PATH_MAX];
        (void)snprintf(path, sizeof(path), "%s/cosmovisor/current", cosmovisor->home);
        bool is_known = realpath(path, folder);
        for (size_t i = 0; i < cosmovisor->n_upgrades; i++) {
                struct cosmovisor_upgrade *upgrade = &cosmovisor->upgrades[i];
                size_t length = is_known ? strlen(folder) : 0;
                upgrade->is_current = is_known ? strncmp(upgrade->path, folder, length) == 0 &&
                                                                      upgrade->path[length] == '/'
                                               : i == 0;
        }
}

static const struct {
        const char *file, *section, *key, *enabled_by;
} places[COSMOVISOR_ADDRESSES] = {
                [COSMOVISOR_RPC] = {"config.toml", "rpc", "laddr", NULL},
                [COSMOVISOR_P2P] = {"config.toml", "p2p", "laddr", NULL},
                [COSMOVISOR_PROMETHEUS] = {"config.toml", "instrumentation", "prometheus_listen_addr",
                                "prometheus"},
                [COSMOVISOR_API] = {"app.toml", "api", "address", "enable"},
                [COSMOVISOR_GRPC] = {"app.toml", "grpc", "address", "enable"},
};

/* To Go an address without a host is all of both families. */
static void take_address(const char *value, char *address, size_t size) {
        const char *bare = strncmp(value, "tcp://", 6) == 0 ? value + 6 : value;
        (void)snprintf(address, size, "%s%s", *bare == ':' ? "[::]" : "", bare);
}

/* Enough of TOML for `laddr = "tcp://127.0.0.1:26657"` below [rpc] and `enable = true` below [api]. */
static void read_addresses(struct cosmovisor *cosmovisor, const char *file) {
        char path[PATH_MAX + 64], section[32] = "", key[32], value[64];
        bool is_enabled[COSMOVISOR_ADDRESSES] = {0};
        _cleanup_free_ char *text = NULL;
        size_t length = 0;
        (void)snprintf(path, sizeof(path), "%s/config/%s", cosmovisor->home, file);
        if (file_read_small(path, CONFIG_SIZE_MAX, &text, &length) < 0)
                return;
        char *rest = text, *line;
        while ((line = strsep(&rest, "\n"))) {
                if (sscanf(line, " [%31[^]]]", section) == 1)
                        continue;
                bool is_text = sscanf(line, " %31[a-z_] = \"%63[^\"]\"", key, value) == 2;
                bool is_word = !is_text && sscanf(line, " %31[a-z_] = %63[a-z]", key, value) == 2;
                for (size_t i = 0; (is_text || is_word) && i < COSMOVISOR_ADDRESSES; i++) {
                        if (strcmp(places[i].file, file) != 0 || strcmp(places[i].section, section) != 0)
                                continue;
                        if (is_text && strcmp(key, places[i].key) == 0)
                                take_address(value, cosmovisor->addresses[i],
                                                sizeof(cosmovisor->addresses[i]));
                        else if (is_word && places[i].enabled_by && strcmp(key, places[i].enabled_by) == 0)
                                is_enabled[i] = strcmp(value, "true") == 0;
                }
        }
        for (size_t i = 0; i < COSMOVISOR_ADDRESSES; i++)
                if (strcmp(places[i].file, file) == 0 && places[i].enabled_by && !is_enabled[i])
                        cosmovisor->addresses[i][0] = '\0';
}

static int compare_upgrades(const void *a, const void *b) {
        const struct cosmovisor_upgrade *one = a, *other = b;
        if (one->height != other->height)
                return one->height < other->height ? -1 : 1;
        return strcmp(one->name, other->name);
}
