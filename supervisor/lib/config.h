/* The configuration of one node, typed and checked. Parsing reads text only; nothing here touches the host. */
#pragma once

#include "address.h"
#include "base.h"
#include "boundary.h"

#define NODE_NAME_MAX 48
#define PROBES_CONFIGURED_MAX 32
#define TRUST_KEYS_MAX 16

enum fence_kind { FENCE_LOCK, FENCE_EXEC };
enum snapshot_kind {
        SNAPSHOT_AUTO,
        SNAPSHOT_BTRFS,
        SNAPSHOT_REFLINK,
        SNAPSHOT_COPY,
        SNAPSHOT_HOOK,
        SNAPSHOT_NONE
};
enum signer_kind { SIGNER_UNSAID, SIGNER_NONE, SIGNER_FILES, SIGNER_INSIDE };
enum height_source {
        HEIGHT_NONE,
        HEIGHT_ETHEREUM,
        HEIGHT_COMETBFT,
        HEIGHT_FLOW,
        HEIGHT_METRICS,
        HEIGHT_LOG,
        HEIGHT_FILE,
        HEIGHT_NOTIFY,
        HEIGHT_EXEC,
        HEIGHT_BITCOIN, /* getblockcount over JSON-RPC with a cookie or user:password in the URL */
};
enum flow_role {
        FLOW_NONE,
        FLOW_EXECUTION,
        FLOW_ACCESS,
        FLOW_COLLECTION,
        FLOW_CONSENSUS,
        FLOW_VERIFICATION
};
enum gate_kind { GATE_NONE, GATE_UPROBE, GATE_NODE, GATE_NOTIFY, GATE_LOG, GATE_OBSERVE };
enum gate_abi { ABI_C, ABI_GO };
enum probe_kind { PROBE_HEIGHT, PROBE_HTTP, PROBE_TCP, PROBE_EXEC, PROBE_FLOW_VERSION };

enum source_kind { SOURCE_NONE, SOURCE_FILE, SOURCE_HTTPS, SOURCE_COSMOVISOR, SOURCE_FLOW };

struct rlimit_setting {
        int resource;  /* RLIMIT_* */
        uint64_t soft; /* UINT64_MAX: infinity */
        uint64_t hard;
};

struct probe_config {
        char *name;
        enum probe_kind kind;
        char *url;              /* http, flow-version */
        struct address address; /* from the URL, and of tcp */
        char *address_text;     /* tcp, as written */
        unsigned status;        /* http; 0: any 2xx */
        char *contains;         /* http: the body must contain it; may be NULL */
        char **command;         /* exec; exit status 0 is healthy */
        uint64_t every_us, timeout_us;
        unsigned failures; /* so many in a row make the probe failed */
};

struct exec_config {
        char *command;
        char **args;
        char **env; /* NAME=VALUE */
        char *user; /* NULL: root */
        char *group;
        char *working_directory; /* NULL: the state directory, or / without one */
        int stop_signal;
        uint64_t stop_timeout_us;
        bool listen_fds; /* hand the held sockets over as LISTEN_FDS */
        struct rlimit_setting *limits;
        size_t n_limits;
};

struct state_config {
        char *directory;         /* absolute; NULL: the node has no state on disk */
        unsigned directory_line; /* where it stands in the file */
        bool overlap;
        enum fence_kind fence;
        enum snapshot_kind snapshot;
        uint64_t copy_limit; /* bytes; a plain copy is made only below it */
        char **hook;         /* snapshot: hook; called with take|restore|remove and the snapshot's name */
        char **keep;         /* relative to directory */
        enum signer_kind signer;
};

/* It is configured to be a signer. */
static inline bool state_signs(const struct state_config *state) {
        return state->signer == SIGNER_FILES || state->signer == SIGNER_INSIDE;
}

/* By what boundaries in a unit are told that is not the height's own. */
struct counter_config {
        enum height_source source; /* HEIGHT_METRICS or HEIGHT_EXEC; HEIGHT_NONE: by nothing */
        char *url;
        struct address address; /* from the URL */
        char *metric;
        char **command;
        uint64_t every_us;
        unsigned line; /* where it stands in the file */
};

struct height_config {
        enum height_source source;
        enum boundary_unit unit; /* what the source and the gate tell */
        enum flow_role role;     /* of the source flow: whose metrics the URL is; FLOW_NONE: REST */
        char *url;               /* of the source ethereum also ws:// or wss:// */
        struct address address;  /* from the URL */
        char *metric, *pattern, *path;
        char **command;
        uint64_t every_us;
        struct counter_config units[BOUNDARY_UNITS]; /* by unit */
};

struct gate_config {
        enum gate_kind kind;
        char *symbol, *symbol_pattern, *usdt; /* uprobe: one of them */
        char *pattern;                        /* log; node: of the line that says where the node stops */
        unsigned argument;                    /* counted from 1 */
        enum gate_abi abi;
        char **args; /* node: behind those of exec, with {last} and {boundary} in them */
        int exit_status; /* node: of one that has stopped by itself at its height; -1: any, if its height was seen */
        bool overshoot_allowed;
};

struct deadline_config {
        uint64_t prepare_us;  /* from spawn to the fence (exclusive) or to healthy (overlap) */
        uint64_t rehearse_us; /* at the gate */
        uint64_t gate_us;     /* from armed-and-near to the gate's hit; infinity: wait for the height */
        uint64_t snapshot_us; /* take or restore */
        uint64_t prove_us;    /* from fence to healthy */
        uint64_t drain_us;    /* overlap: how long the old generation may keep its connections */
};

/* Where the schedule comes from, besides from operators. */
struct schedule_config {
        enum source_kind source;
        char *path, *url;  /* one of them; NULL for both: cosmovisor's file in the state directory */
        char *ca;          /* a file of authorities for https; NULL: those of the host */
        uint64_t every_us; /* 0: as the source has it */
        char **names;      /* NAME=VERSION or NAME=RANGE, of a chain's upgrades */
        char **compatible; /* versions of a Version Beacon that break nothing */
        bool unsigned_allowed;
};

struct config {
        char *node;
        char *release; /* may be NULL */
        struct exec_config exec;
        struct address *listen;
        size_t n_listen;
        struct state_config state;
        struct height_config height;
        struct gate_config gate;
        struct probe_config *probes;
        size_t n_probes;
        unsigned progress_blocks; /* 0: progress is not asked for */
        uint64_t progress_within_us;
        uint64_t probation_us;
        uint64_t *restart_backoff_us;
        size_t n_restart_backoff;
        unsigned restart_give_up_after;
        char **trust_keys; /* base64 of minisign public keys; NULL: digests only */
        struct deadline_config deadlines;
        bool rehearses_at_gate;
        struct address *hold_serve; /* each is one of listen; what a held release serves, cut off from its peers */
        size_t n_hold_serve;
        struct schedule_config schedule;
};

/* Something says where the node stands: who is asked, or the gate. */
static inline bool config_tells_heights(const struct config *config) {
        return config->height.source != HEIGHT_NONE || config->gate.kind != GATE_NONE;
}

struct config_mistake {
        unsigned line; /* 1-based; 0: the file as a whole */
        char *text;    /* what is wrong and what would be right, one sentence */
};

struct config_mistakes {
        struct config_mistake *items;
        size_t n;
};

/* Parses LENGTH bytes of YAML. 0: *ret_config is owned by the caller (config_free). -EINVAL: *ret_mistakes
 * holds every mistake found, ordered by line (config_mistakes_done). -ENOMEM. "{state}" is replaced in all paths,
 * lists and exec.env. Unknown keys are mistakes, with the nearest known key named. TEXT may be hostile: time and
 * memory stay small. Nothing that is taken is too long for the messages that carry it; no duration is over a
 * year (deadlines.gate_us may be USEC_INFINITY). Pure, thread safe. */
int config_parse(const char *text, size_t length, struct config **ret_config,
                struct config_mistakes *ret_mistakes);

void config_free(struct config *config);
void config_free_at(struct config **config);
void config_mistakes_done(struct config_mistakes *mistakes);

/* Is DIRECTORY no place for a node's state, because interrex's own files are in it, or would be spoilt by the node?
 * NODE_FOLDER is where interrex keeps this node's journal and releases. Both are absolute and without links. Pure. */
bool config_place_is_taken(const char *directory, const char *node_folder);

/* A node's name: [a-z0-9][a-z0-9_.-]*, at most NODE_NAME_MAX - 1 long; it becomes a folder and a cgroup. */
bool node_name_is_valid(const char *name);
