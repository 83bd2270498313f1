#include "node.h"

#include "../lib/log.h"
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Whom the keeper makes the director if the package's users are missing; the same number as in
 * keeper/setup.c. */
#define FALLBACK_DIRECTOR_UID 61380

static int find_only_node(const struct arguments *arguments, char **ret_name);
static int set_paths(const struct arguments *arguments, const char *name, struct node *ret_node);
static int make_journal(const struct node *node);
static int give_to_director(const struct node *node, const char *path);

int node_find(const struct arguments *arguments, bool may_be_new, struct node *ret_node) {
        _cleanup_free_ char *only = NULL;
        const char *name = arguments->node;
        if (!name) {
                int status = find_only_node(arguments, &only);
                if (status != 0)
                        return status;
                name = only;
        }
        if (!node_name_is_valid(name)) {
                log_error("%s is not a node's name: names are lower-case letters, digits, '.', '_' and '-'",
                                name);
                return EXIT_USAGE;
        }
        if (set_paths(arguments, name, ret_node) < 0)
                return EXIT_FAILED;
        if (may_be_new || access(ret_node->state, F_OK) == 0 || access(ret_node->run, F_OK) == 0)
                return 0;
        log_error("there is no node %s under %s or %s: `interrex run CONFIG` makes it, --state-dir and "
                  "--run-dir look "
                  "elsewhere",
                        name, arguments->run_dir, arguments->state_dir);
        node_done(ret_node);
        return EXIT_NO_NODE;
}

void node_done(struct node *node) {
        char **const paths[] = {&node->state, &node->run, &node->releases, &node->journal, &node->lock,
                        &node->control};
        for (size_t i = 0; i < ELEMENTS(paths); i++) {
                free(*paths[i]);
                *paths[i] = NULL;
        }
}

static int set_paths(const struct arguments *arguments, const char *name, struct node *ret_node) {
        struct node node = {0};
        text_copy(node.name, sizeof(node.name), name);
        if (asprintf(&node.state, "%s/%s", arguments->state_dir, name) < 0)
                node.state = NULL;
        if (asprintf(&node.run, "%s/%s", arguments->run_dir, name) < 0)
                node.run = NULL;
        if (asprintf(&node.releases, "%s/%s/releases", arguments->state_dir, name) < 0)
                node.releases = NULL;
        if (asprintf(&node.journal, "%s/%s/journal.db", arguments->state_dir, name) < 0)
                node.journal = NULL;
        if (asprintf(&node.lock, "%s/%s/lock", arguments->run_dir, name) < 0)
                node.lock = NULL;
        if (asprintf(&node.control, "%s/%s/" CONTROL_SOCKET_NAME, arguments->run_dir, name) < 0)
                node.control = NULL;
        if (!node.state || !node.run || !node.releases || !node.journal || !node.lock || !node.control) {
                node_done(&node);
                return -ENOMEM;
        }
        *ret_node = node;
        return 0;
}

static void closedir_at(DIR **folder) {
        if (*folder)
                (void)closedir(*folder);
}

/* Under the run directory a folder counts only if something of ours is in it. */
static bool is_node(const char *parent, const char *name, bool is_run_dir) {
        static const char *const marks[] = {CONTROL_SOCKET_NAME, "lock"};
        struct stat st;
        char path[4096];
        if (!node_name_is_valid(name))
                return false;
        for (size_t i = 0; i < (is_run_dir ? ELEMENTS(marks) : 1); i++) {
                int n = snprintf(path, sizeof(path), is_run_dir ? "%s/%s/%s" : "%s/%s", parent, name,
                                marks[i]);
                if (n > 0 && (size_t)n < sizeof(path) && stat(path, &st) == 0 &&
                                (is_run_dir || S_ISDIR(st.st_mode)))
                        return true;
        }
        return false;
}

bool node_exists(const struct arguments *arguments, const char *name) {
        return is_node(arguments->run_dir, name, true) || is_node(arguments->state_dir, name, false);
}

static int collect_nodes(const char *parent, bool is_run_dir, char ***names) {
        _cleanup_(closedir_at) DIR *folder = opendir(parent);
        const struct dirent *entry;
        if (!folder)
                return errno == ENOENT ? 0 : -errno;
        while ((entry = readdir(folder))) {
                if (!is_node(parent, entry->d_name, is_run_dir) || strv_contains(*names, entry->d_name))
                        continue;
                int r = strv_push(names, entry->d_name);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

int node_list(const struct arguments *arguments, char ***ret_names) {
        _cleanup_strv_ char **names = NULL;
        int r = collect_nodes(arguments->run_dir, true, &names);
        if (r >= 0)
                r = collect_nodes(arguments->state_dir, false, &names);
        if (r < 0) {
                log_errno(r, "cannot look for nodes under %s and %s", arguments->run_dir,
                                arguments->state_dir);
                return r == -EACCES ? EXIT_NOT_PERMITTED : EXIT_FAILED;
        }
        if (strv_length(names) == 0) {
                log_error("there is no node under %s or %s: `interrex run CONFIG` starts one, --state-dir "
                          "and --run-dir "
                          "look elsewhere",
                                arguments->run_dir, arguments->state_dir);
                return EXIT_NO_NODE;
        }
        INVARIANT(names);
        qsort(names, strv_length(names), sizeof(*names), compare_names);
        *ret_names = TAKE_POINTER(names);
        return 0;
}

static int find_only_node(const struct arguments *arguments, char **ret_name) {
        _cleanup_strv_ char **names = NULL;
        char list[512] = "";
        int status = node_list(arguments, &names);
        if (status != 0)
                return status;
        size_t n = strv_length(names), used = 0;
        if (n == 1) {
                *ret_name = TAKE_POINTER(names[0]);
                return 0;
        }
        for (size_t i = 0; i < n && used < sizeof(list); i++) {
                int length = snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", names[i]);
                used += length > 0 ? (size_t)length : 0;
        }
        log_error("there are %zu nodes, say which one: %s", n, list);
        return EXIT_USAGE;
}

int node_supervisor(const struct node *node) {
        char line[256];
        struct stat st;
        if (stat(node->lock, &st) < 0)
                return 0;
        _cleanup_fclose_ FILE *locks = fopen("/proc/locks", "re");
        while (locks && fgets(line, sizeof(line), locks)) {
                unsigned device_major, device_minor;
                unsigned long inode;
                int pid;
                /* On some file systems (btrfs, overlayfs) the device told here is not the one stat() tells,
                 * so the device counts only where nothing else can tell two files apart: the holder must be
                 * alive. */
                if (sscanf(line, "%*d: FLOCK ADVISORY WRITE %d %x:%x:%lu", &pid, &device_major,
                                    &device_minor, &inode) != 4 ||
                                inode != st.st_ino || pid <= 0)
                        continue;
                if (makedev(device_major, device_minor) == st.st_dev)
                        return pid;
                _cleanup_fclose_ FILE *lock = fopen(node->lock, "re");
                int holder;
                if (lock && fscanf(lock, "%d", &holder) == 1 && holder == pid)
                        return pid;
        }
        return 0;
}

char *node_note(struct journal *journal, const char *key) {
        void *value = NULL;
        size_t size = 0;
        if (!journal || journal_get(journal, key, &value, &size) < 0)
                return NULL;
        if (size == 0 || strlen(value) != size) {
                free(value);
                return NULL;
        }
        return value;
}

char *node_config_path(const struct node *node, struct journal *journal) {
        char *path = node_note(journal, JOURNAL_CONFIG);
        return path || asprintf(&path, "/etc/interrex/%s.yaml", node->name) >= 0 ? path : NULL;
}

/* The director wrote it, and may have been taken over: a terminal is told no commands. */
static bool is_plain_path(const char *path) {
        for (const char *c = path; *c; c++)
                if ((unsigned char)*c <= ' ' || *c == 0x7f)
                        return false;
        return *path == '/';
}

const char *node_config(const struct node *node, char *text, size_t size) {
        _cleanup_(journal_close_at) struct journal *journal = NULL;
        _cleanup_free_ char *path = NULL;
        if (journal_open(node->journal, false, &journal) < 0)
                journal = NULL;
        path = node_config_path(node, journal);
        bool is_there = path && is_plain_path(path) && access(path, F_OK) == 0 && strlen(path) < size;
        text_copy(text, size, is_there ? path : "CONFIG");
        return text;
}

int node_not_running(const struct node *node) {
        char config[512];
        log_error("node %s is not running; start it with `interrex run %s`", node->name,
                        node_config(node, config, sizeof(config)));
        return EXIT_NO_NODE;
}

static int explain_journal(const struct node *node, int error) {
        switch (error) {
        case -EBADMSG:
                log_error("the journal %s is damaged and was left as it is: stop the node, move the file "
                          "away or put a "
                          "copy back, then start again",
                                node->journal);
                return EXIT_FAILED;
        case -EACCES:
                log_error("%s may not be opened: try as root", node->journal);
                return EXIT_NOT_PERMITTED;
        default:
                log_errno(error, "cannot open the journal %s", node->journal);
                return EXIT_FAILED;
        }
}

int node_open_journal(const struct node *node, struct journal **ret_journal) {
        int r = journal_open(node->journal, false, ret_journal);
        if (r == -ENOENT) {
                *ret_journal = NULL;
                return 0;
        }
        return r < 0 ? explain_journal(node, r) : 0;
}

int node_make_state(const struct arguments *arguments, const struct node *node) {
        if (geteuid() != 0) {
                log_error("only root may write below %s: try sudo", node->state);
                return EXIT_NOT_PERMITTED;
        }
        if (mkdir(arguments->state_dir, 0755) < 0 && errno != EEXIST) {
                log_error("cannot make %s: %m; make its parent folder, or choose another by --state-dir",
                                arguments->state_dir);
                return EXIT_FAILED;
        }
        if (mkdir(node->state, 0755) == 0) {
                bool is_new = access(node->run, F_OK) < 0;
                if (is_new)
                        (void)printf("this makes a new node, %s: its folder is %s\n", node->name,
                                        node->state);
                return give_to_director(node, node->state);
        }
        if (errno == EEXIST)
                return 0;
        log_error("cannot make %s: %m", node->state);
        return EXIT_FAILED;
}

int node_write_journal(const struct node *node, struct journal **ret_journal) {
        if (geteuid() != 0) {
                log_error("only root may change %s while node %s does not run: try sudo", node->journal,
                                node->name);
                return EXIT_NOT_PERMITTED;
        }
        int status = make_journal(node);
        if (status != 0)
                return status;
        int r = journal_open(node->journal, true, ret_journal);
        return r < 0 ? explain_journal(node, r) : 0;
}

/* An empty file is the director's before anything is written to it. */
static int make_journal(const struct node *node) {
        _cleanup_close_ int fd = open(node->journal, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd >= 0)
                return give_to_director(node, node->journal);
        if (errno == EEXIST)
                return 0;
        log_error("cannot make %s: %m", node->journal);
        return EXIT_FAILED;
}

/* The director writes there later, and is not root. What belongs to somebody already tells whom to give it
 * to. */
static int give_to_director(const struct node *node, const char *path) {
        const struct passwd *user = getpwnam("interrex");
        const struct group *group = getgrnam("interrex");
        uid_t uid = user ? user->pw_uid : FALLBACK_DIRECTOR_UID;
        gid_t gid = group ? group->gr_gid : user ? user->pw_gid : FALLBACK_DIRECTOR_UID;
        struct stat st;
        if (stat(node->state, &st) == 0 && st.st_uid != 0) {
                uid = st.st_uid;
                gid = st.st_gid;
        }
        if (lchown(path, uid, gid) == 0)
                return 0;
        log_error("cannot give %s to the director (uid %u): %m", path, uid);
        return EXIT_FAILED;
}
