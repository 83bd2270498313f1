/* What the director asks of the keeper and what it is told. The keeper does exactly these things and decides nothing.
 * A request that can fail is answered by KEEPER_DONE with its serial; events come by themselves. After a restart of
 * the director the keeper sends WELCOME, then one STORED for each descriptor it holds, one GENERATION for each
 * generation it knows, one FENCED for each lock request nobody has answered, then RESUME. */
#pragma once

#include "base.h"
#include "config.h"
#include "wire.h"

#define KEEPER_NAME_MAX 64
#define KEEPER_GATE_LINK "link.gate." /* how the names of gates that are stored begin; the release follows */
#define KEEPER_STRINGS_MAX (64 * 1024)
#define KEEPER_LIMITS_MAX 16
#define KEEPER_SPAWN_FDS_MAX 13 /* command, output, and the rest for LISTEN_FDS; a gate is one more */

enum keeper_message_type {
        /* director -> keeper */
        KEEPER_SETUP = 1, /* struct keeper_setup: the configuration is right, the node's name is this */
        KEEPER_READY,     /* struct keeper_status: I1 begins here; tells systemd READY=1 and STATUS= */
        KEEPER_STORE,     /* struct keeper_name; 1 fd: hold it under this name; replaces one of that name */
        KEEPER_DROP,      /* struct keeper_name: close it */
        KEEPER_SPAWN,     /* struct keeper_spawn; fds: command, output, [LISTEN_FDS...], [gate] -> DONE */
        KEEPER_SIGNAL,    /* struct keeper_signal: to the first process of a generation */
        KEEPER_CGROUP,    /* struct keeper_cgroup: kill, freeze, thaw the whole cgroup -> DONE */
        KEEPER_FORGET,    /* struct keeper_forget: remove an empty generation's cgroup and record */
        KEEPER_PASS, /* struct keeper_forget: the generation is past the fence; parked requests go on -> DONE */
        KEEPER_CONTINUE, /* struct keeper_continue: one call that waits for our answer goes on */
        KEEPER_PARK,     /* struct keeper_park: seize this stopped thread, let the others run -> DONE */
        KEEPER_UNPARK,   /* struct keeper_forget: the generation's parked threads run on */
        KEEPER_UPROBE,   /* struct keeper_uprobe; 1 fd: the file -> DONE with the perf event's descriptor */
        KEEPER_OPEN,     /* struct keeper_open: read-only descriptor of a regular file -> DONE with it */
        KEEPER_CHOWN,    /* struct keeper_chown; 1 fd: this socket is to count as that user's -> DONE */
        KEEPER_PONG,     /* no body: the answer to PING */
        KEEPER_KILL_PROBER, /* no body: it does not answer; the next one is started as after any death */
        KEEPER_EXIT,        /* struct keeper_status: all is over, end with this exit status */

        /* keeper -> director */
        KEEPER_WELCOME = 64, /* struct keeper_welcome; fds: the configuration, or (restart) none */
        KEEPER_DIRECTORIES, /* struct keeper_directories; answer to SETUP; fd: the generations' parent cgroup */
        KEEPER_STORED,      /* struct keeper_name; 1 fd */
        KEEPER_GENERATION, /* struct keeper_generation; fds: pidfd, cgroup directory */
        KEEPER_FENCED, /* struct keeper_fenced: a generation asked for a lock (or binds, or listens) and waits */
        KEEPER_EXITED,  /* struct keeper_exited: the generation's first process ended */
        KEEPER_EMPTY,   /* struct keeper_forget: no process is left in the generation's cgroup */
        KEEPER_STARTED, /* struct keeper_started: exec worked, or why it did not */
        KEEPER_PROBER,  /* no body; 1 fd: the link to a (new) prober */
        KEEPER_RESUME,  /* no body: everything known has been said */
        KEEPER_DONE,    /* struct keeper_done; 0..2 fds */
        KEEPER_STOP,    /* struct keeper_stop: the keeper was asked to end (SIGTERM, SIGINT) */
        KEEPER_PING,    /* no body: answer with PONG, or count as hung */
};

struct keeper_setup {
        char node[NODE_NAME_MAX];
        char socket_group[32]; /* who may write to the control socket beside root; empty: nobody */
};

struct keeper_status {
        int32_t exit_status;
        uint32_t unused;
        char text[256];
};

struct keeper_name {
        char name[KEEPER_NAME_MAX];
};

enum keeper_spawn_kind {
        SPAWN_GENERATION = 1, /* a node, in cgroup gen-N */
        SPAWN_HELPER, /* a command of the operator's (probe, height): user as given, cgroup helper-N, killed as a whole */
        SPAWN_ARCHIVIST, /* this executable as archivist: stays root and drops what it does not need */
        SPAWN_FETCHER, /* this executable as fetcher or reader, as the prober's user, whatever the message says */
        SPAWN_READER,
};

/* Below the generations' parent cgroup, by its number. */
#define KEEPER_GENERATION_CGROUP "gen-%lu"

enum keeper_fence { SPAWN_NO_FENCE, SPAWN_FENCE_LOCK, SPAWN_FENCE_EXEC };

struct keeper_limit {
        int32_t resource;
        uint32_t unused;
        uint64_t soft, hard;
};

struct keeper_spawn {
        uint64_t serial;
        uint64_t generation; /* helpers and archivists count in a space of their own */
        uint32_t kind;
        uint32_t fence;
        uint32_t watches_sockets; /* bind and listen are asked about, because the cgroup cannot have kernel programs */
        uint32_t is_cut_off; /* no sockets but those that a cgroup's programs see, and unix ones */
        uint32_t uid, gid;
        uint32_t n_groups;
        uint32_t groups[32];
        uint32_t n_limits;
        struct keeper_limit limits[KEEPER_LIMITS_MAX];
        uint32_t n_arguments, n_environment, n_listen;
        uint32_t has_gate; /* the last descriptor is one more for the node, behind those of LISTEN_FDS */
        uint32_t strings_size;
        /* NUL-terminated one behind the other: the path shown as argv[0]'s file, the working directory, the arguments
         * (argv[0] first), the environment. */
        char strings[KEEPER_STRINGS_MAX];
};

struct keeper_signal {
        uint64_t generation;
        int32_t signal;
        uint32_t unused;
};

enum keeper_cgroup_verb { CGROUP_KILL = 1, CGROUP_FREEZE, CGROUP_THAW };

struct keeper_cgroup {
        uint64_t serial;
        uint64_t generation;
        uint32_t kind; /* enum keeper_spawn_kind */
        uint32_t verb;
};

struct keeper_forget {
        uint64_t serial;
        uint64_t generation;
        uint32_t kind;
        uint32_t unused;
};

struct keeper_continue {
        uint64_t generation;
        uint64_t request;
        uint32_t is_done; /* the director has done on its duplicate what was asked for: the call returns 0 */
        uint32_t unused;
};

struct keeper_park {
        uint64_t serial;
        uint64_t generation;
        int32_t process, thread;
};

struct keeper_uprobe {
        uint64_t serial;
        uint64_t offset;
        uint64_t reference_counter_offset; /* USDT semaphore; 0: none */
};

struct keeper_open {
        uint64_t serial;
        char path[1024];
};

struct keeper_chown {
        uint64_t serial;
        uint32_t uid;
        uint32_t unused;
};

struct keeper_welcome {
        uint32_t restarts; /* of the director; 0: the first start */
        uint32_t is_pid_1;
        uint32_t director_uid, director_gid;
        uint64_t instance;                 /* no other keeper ever had this number */
        char node[NODE_NAME_MAX];          /* empty before SETUP */
        char state_dir[512], run_dir[512]; /* the parents: --state-dir and --run-dir */
        char config_path[512];             /* for messages */
};

struct keeper_directories {
        int32_t error;     /* 0, or -errno with text saying why the node cannot be set up */
        int32_t pin_error; /* 0, or -errno: a gate that is stored ends with who holds it */
        char text[512];
        char state[600], run[600]; /* this node's own */
};

struct keeper_generation {
        uint64_t generation;
        uint32_t kind;
        int32_t pid;
        uint32_t is_running, is_empty, is_past_fence, is_started, is_frozen;
        int32_t exit_code, exit_status; /* as siginfo's si_code and si_status, if not running */
        int32_t exec_error;
        uint64_t later_locks; /* lock requests since the fence: each costs the node some microseconds */
};

#define KEEPER_FENCED_AT_EXEC (-1)
#define KEEPER_FENCED_HELPER (-2) /* at exec too, but the number is a helper's */

struct keeper_fenced {
        uint64_t generation;
        uint64_t request;
        int32_t thread; /* in the keeper's pid namespace */
        int32_t call;   /* __NR_flock, __NR_fcntl, __NR_bind, __NR_listen, or KEEPER_FENCED_ */
        uint64_t arguments[3];
};

/* Does it wait with bind or listen, and not for a lock? */
bool keeper_fenced_is_about_socket(const struct keeper_fenced *fenced);

struct keeper_exited {
        uint64_t generation;
        uint32_t kind;
        int32_t code, status;
        uint32_t unused;
};

struct keeper_started {
        uint64_t generation;
        uint32_t kind;
        int32_t error; /* 0, or -errno of exec or of a step before it */
        char step[64]; /* which step failed */
};

struct keeper_done {
        uint64_t serial;
        int32_t error;
        int32_t value; /* SPAWN: the pid; PARK: threads parked */
};

struct keeper_stop {
        int32_t signal;
        uint32_t unused;
};

extern const struct wire_type keeper_requests[];
extern const size_t n_keeper_requests;
extern const struct wire_type keeper_events[];
extern const size_t n_keeper_events;
