/* What the director knows: the one context of its process. */
#pragma once

#include "../lib/base.h"
#include "../lib/config.h"
#include "../lib/journal.h"
#include "../lib/keeper_protocol.h"
#include "../lib/prober_protocol.h"
#include "../lib/wire.h"
#include "halting.h"
#include "interrex.h"
#include "machine.h"
#include "plausible.h"
#include "schedule.h"
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#define UNITS_MAX 8      /* generations known at once */
#define MEMBERS_MAX 256  /* adopted sockets */
#define JOBS_MAX 16      /* helpers and archivists under way */
#define DEFERRED_MAX 128 /* keeper messages that came while an answer was awaited */
#define CHECKS_MAX 48    /* checks under way at the prober */
#define PROBES_MAX 32
/* What a generation is asked for: the configured probes, by their index, then these. */
enum asked { ASKED_HEIGHT = PROBES_MAX, ASKED_VIEW, ASKED_EPOCH, ASKED_END };
#define WAITERS_MAX 32

struct director;

enum end_state { END_UNREAD, END_ASKED, END_AWAITED, END_READ };

/* One generation as the director sees it. */
struct unit {
        uint64_t generation; /* 0: free */
        char release[MACHINE_RELEASE_MAX];
        int pid, pidfd, cgroup_fd;
        bool is_running, is_empty, empty_was_told, exit_was_told, is_past_fence, waits_at_fence, is_frozen, was_proved;
        bool is_terminated, was_killed;
        bool was_recovered;       /* what it said while there was no director is not known */
        uint64_t terminated_at;   /* monotonic: it was first told to end; 0: it was not */
        uint64_t later_locks;     /* past the fence: each was asked about, in vain */
        bool spawn_is_pending;    /* its release is still being verified */
        bool pass_is_pending;     /* it waits at exec, and its release is being verified anew */
        bool has_executed;        /* what was verified; before it, it is a process of interrex */
        enum machine_fence fence; /* asked for by the machine */
        int fence_kind;           /* enum keeper_fence, as spawned */
        uint64_t started_at;      /* monotonic */
        uint64_t exited_at;
        int exit_status; /* -1: it was ended by a signal, or it is not known */
        struct halting_word word;
        enum end_state end_state; /* of reading how far the state has come when it has ended */
        uint64_t end_height;      /* what was read; MACHINE_NO_HEIGHT: nothing */
        char failure[400];        /* of exec, or of spawning */
        char ending[256];         /* how it ended */
        char last_words[PROBER_TEXT_MAX];
        bool log_has_ended;
        uint64_t log_ends_at; /* monotonic: then no more of its output is waited for; 0: it may still come */
        int log_fd, notify_fd;
        uint64_t height;        /* the last good one */
        uint64_t stands_before; /* the first height that it did not begin when it last stood at its gate; 0: it did not yet */
        uint64_t unasked_from;  /* the first told since it could say that it asks its gate, and has not; MACHINE_NO_HEIGHT: none */
        struct plausible known;
        uint64_t doubt_said_at;
        bool says_ready;
        bool has_unheld, unheld_was_said; /* it has more sockets on an address than can be held */
        bool elsewhere_was_said;          /* where it listens that is not held */
};

/* One adopted socket. */
struct member {
        uint64_t generation; /* 0: free */
        uint64_t cookie;
        uint32_t group, index; /* where it lies in the steering maps */
        int fd;
};

struct listen_group {
        bool used;
        struct socket_address address;
        size_t listen;      /* which configured address it belongs to */
        uint64_t opened_by; /* the generation that has opened sockets there since its others were looked for; 0: none */
};

/* A release whose command was verified through this descriptor. */
struct verified_release {
        char release[MACHINE_RELEASE_MAX];
        int fd;     /* -1: free */
        char *path; /* NULL: by a director before this one, which knew its identity too */
        uint8_t identity[32];
        bool identity_counts; /* while it stays the same, so do the contents */
};

enum job_kind {
        JOB_NONE,
        JOB_VERIFY,
        JOB_VERIFY_AHEAD, /* nothing waits for it yet */
        JOB_SNAPSHOT,
        JOB_RESTORE,
        JOB_DROP,
        JOB_SWEEP,
        JOB_PLAN,
        JOB_REHEARSE,
        JOB_PROBE,
        JOB_HEIGHT,
        JOB_FETCH,
        JOB_READ,
        JOB_DROPPED /* nobody waits for it any more */
};

/* A process for one job under way. */
struct job {
        enum job_kind kind;
        uint64_t number;
        uint32_t spawn_kind;     /* enum keeper_spawn_kind */
        uint64_t for_generation; /* VERIFY before a spawn; PROBE, HEIGHT; REHEARSE: the candidate */
        size_t probe;
        char release[MACHINE_RELEASE_MAX];
        int command_fd;                           /* VERIFY: what is being verified */
        int document_fd, signature_fd, result_fd; /* FETCH and READ; -1: none */
        sd_bus_message *asked_by;                 /* READ: the call that it is for; NULL: it is for the source */
        uint16_t aimed_port;                      /* of a command: its connections from there go to for_generation; 0: none */
        int aim_fd;                               /* of a command: aims all its connections; -1: it does not */
        int output_fd;
        sd_event_source *output_source, *deadline;
        bool was_killed;  /* at its deadline */
        char failure[96]; /* why it could not be executed; "": it could */
        char output[4096];
        size_t output_size;
        struct director *director;
};

struct check {
        uint64_t id; /* 0: free */
        uint64_t generation;
        size_t probe; /* index into probes, or one of enum asked */
        uint16_t port;
        bool is_text;
};

/* One probe against the generation that is watched. */
struct probe_state {
        uint64_t due_at;
        bool is_under_way, was_healthy;
        unsigned failures;
        char last_failure[PROBER_TEXT_MAX];
        char warning[200]; /* of one that is healthy; "": none */
};

/* A view or an epoch, as the generations that serve tell it while a boundary in it is pending. */
struct counter {
        struct plausible known;
        uint64_t generation; /* which told the last good one; 0: none was told */
        uint64_t doubt_said_at;
};

struct watch {
        uint64_t generation; /* whom the probes are aimed at */
        bool is_proving, is_probation, was_on_trial;
        uint64_t probation_ends_at, progress_ends_at;
        uint64_t height_at_begin;
        struct probe_state probes[ASKED_END];
};

/* A mapping of the page that a generation's gate of `kind: notify` lies in. */
struct shared_page {
        uint64_t generation; /* 0: free */
        struct interrex_gate_page *memory;
};

#define GATE_USERS_MAX 4

/* A release that was heard to ask the gate before each block. */
struct gate_user {
        char release[MACHINE_RELEASE_MAX]; /* empty: none */
        uint8_t identity[16];              /* of its bytes and of how it is executed */
        uint64_t generation;               /* the newest that has said so */
};

struct gate_users {
        struct gate_user items[GATE_USERS_MAX];
        uint32_t next; /* the place to be filled next */
};

/* Where a generation stops by itself (gate.kind: node). */
struct gate_halt {
        uint64_t generation, height; /* before it; MACHINE_NO_HEIGHT: nowhere */
        uint64_t started_at;         /* realtime */
        uint64_t stops_before;       /* the height, as it has said or shown; MACHINE_NO_HEIGHT: not */
        uint64_t doubted;            /* the same, as a line said that is not believed yet */
};

#define FOLLOW_FAILED_MAX 8
#define FOLLOW_TRIES_MAX 3 /* of one release at one boundary, by itself */

/* How far the schedule has been followed. */
struct follow {
        uint64_t held_at;  /* the height that the release in force must not begin; MACHINE_NO_HEIGHT: it does not stand at one */
        uint64_t found_at; /* the height that a new release found the state at, which the old one had said to be further */
        uint64_t overshot; /* the height that the release in force has committed although it was told to stop below; 0: none */
        bool is_ours;      /* the swap under way was begun by the schedule, not by an operator */
        bool went_back;    /* an operator went back to the release before: no window is used until he asks for something else */
        uint32_t n_failed;
        struct {
                char release[MACHINE_RELEASE_MAX];
                uint16_t tries, unverified; /* so many of these: for what lies there, its signature included */
        } failed[FOLLOW_FAILED_MAX];        /* since the last swap that was committed, in vain */
};

/* The journal's row of the machine, with what the shell must remember beside it. */
struct record {
        struct machine machine;
        uint64_t swap;          /* the journal's id of the swap under way; else of the last */
        bool boundary_is_ours;  /* the swap put its boundary into the schedule */
        bool takes_lock;        /* the node was seen to take a lock below its state directory */
        char snapshot_kind[16]; /* as planned last; empty: none is possible or wanted */
        char signer_mark[64];   /* by what the node was seen to sign; empty: by nothing */
        bool journal_was_lost;  /* what the gate of the generation in force was set to is not known, and it stays so */
        uint64_t prepare_began_at, gap_began_at; /* monotonic, of the swap under way; 0: not */
        struct follow follow;
        struct gate_users gate_users;
        struct gate_halt halts[MACHINE_SLOTS]; /* by generation modulo their number */
        uint64_t keeper_instance;              /* of the keeper under which the node was started */
        uint64_t last_height; /* the highest that the release in force has told; MACHINE_NO_HEIGHT: none, or another state came */
};

struct rate {
        uint64_t height, at;   /* the last observation; at 0: none */
        uint64_t generation;   /* which told it */
        double usec_per_block; /* 0: not known */
        double deviation;      /* of it, mean */
        unsigned n;            /* intervals that it was measured over, as far as they count */
};

struct file_identity {
        uint64_t device, inode, size, modified;
};

/* What the journal remembers of the source. */
struct source_record {
        uint64_t good_at; /* realtime, usec: when it was last found in order; 0: never */
        uint64_t height;  /* of the last upgrade that a node asked for */
};

/* Where the schedule comes from, if not from operators alone. */
struct source {
        struct source_record record;
        char error[768];                /* of the last attempt; empty: it was in order */
        struct boundary_rule beside;    /* one that is in force and not in the file that was read last; range "": none */
        unsigned failures;              /* in a row */
        bool is_under_way, has_changed; /* it changed again while it was read */
        bool start_waits;               /* the node is started when it has been read once */
        struct file_identity seen[2];   /* the file and its signature, when they were read last */
        struct file_identity folder;    /* that is watched */
        sd_event_source *timer, *watch, *patience;
};

struct waiter {
        sd_bus_message *message;
        uint64_t swap; /* 0: for the end of STOP */
};

#define GATE_CHECKS_MAX 16
#define GATE_CHECK_TEXT_MAX 1600

/* Whether the gate can be set in a release. */
struct gate_check {
        char release[MACHINE_RELEASE_MAX]; /* empty: free */
        int result;
        char text[GATE_CHECK_TEXT_MAX]; /* the function that was found, or why none */
};

#define REFUSED_RELEASES_MAX 8

/* One that was found not to be what was added or signed. */
struct refused_release {
        char release[MACHINE_RELEASE_MAX]; /* empty: free */
        uint8_t identity[32];              /* as it was then */
        char text[512];                    /* why */
};

struct steering;
struct gate;
struct aim_bpf;
struct hold;
struct gate_uprobe;
struct interrex_gate_page;

struct director {
        sd_event *event;
        int keeper;
        sd_event_source *keeper_source;
        int prober; /* -1 while there is none */
        sd_event_source *prober_source;
        uint64_t prober_asked_at; /* monotonic: whether it still answers; 0: not asked, or it has answered */
        struct wire_message message, prober_message;
        struct wire_message *deferred; /* an array, allocated: messages are large */
        size_t n_deferred, next_deferred;
        sd_event_source *deferred_source;
        uint64_t last_serial;

        struct keeper_welcome welcome;
        struct keeper_directories directories;
        char cut_short[200]; /* at the stop: what had to be killed at exec.stop_timeout; "": nothing */
        bool has_resumed, is_exiting, is_performing;
        uint64_t ports_deadline; /* monotonic: until then a port of the node may be somebody else's */
        bool ports_wait_was_said;
        bool is_selecting; /* the state's height is being read before the start */
        int parent_cgroup_fd;
        int self_fd; /* this executable, for archivists */
        char *releases_dir;
        char *state_directory; /* resolved; NULL without state */
        uid_t node_uid;
        gid_t node_gid;
        gid_t node_groups[32];
        size_t n_node_groups;

        struct config *config;
        struct machine_settings settings;
        struct record record;
        struct journal *journal;
        char journal_complaint[512]; /* it is not where it was opened; "": it is */
        struct schedule schedule;
        uint64_t rolling_seed;     /* of this node on this machine: where in a window it goes over */
        uint64_t missing_said_for; /* the boundary for which the log said that no release is here */
        sd_event_source *releases_source, *follow_source, *retry_timer, *boundary_timer, *standing_timer;
        bool retry_is_due;
        struct journal_swap swap; /* the row of record.swap */
        char snapshot_reason[256];
        bool is_in_transaction; /* the journal waits for the machine's row to come along */

        struct unit units[UNITS_MAX];
        struct job jobs[JOBS_MAX];
        uint64_t last_job;
        uint64_t last_look; /* the last job begun of those that told whether the node may sign */
        struct verified_release verified[2];
        struct refused_release refused[REFUSED_RELEASES_MAX];
        size_t n_refused;       /* so far; the oldest are overwritten */
        uint8_t read_again[32]; /* the identity of the release that runs, as it was when that was read again last */
        uint64_t read_again_at; /* monotonic: then; 0: it was not */
        char replaced[512];     /* what keeps the release that runs from being started again before it has ended; "": nothing */
        char unstartable[512];  /* why the release that runs could not be started again; "": it could, as far as is known */

        struct steering *steering;
        struct source source;
        char stray[320]; /* who left its cgroup and keeps the state open; "": nobody is known to */
        sd_event_source *stray_end;
        char no_hooks[160];  /* why the cgroup has no kernel programs, so that sockets are found by seccomp; "": it has */
        struct aim_bpf *aim; /* NULL: not wanted, or not possible */
        char no_aim[200];    /* why it is not possible; "": it is */
        int notify_program_fd, notify_writers_fd; /* the filter of notify sockets and its map; -1: none */
        char no_notify_filter[160];               /* why there is none; "": there is, or none is wanted */
        struct gate *gate;
        struct gate_check gate_checks[GATE_CHECKS_MAX];
        size_t n_gate_checks; /* so far; the oldest are overwritten */
        struct hold *hold;
        bool can_cut_off;         /* what hold.serve asks for */
        char hold_complaint[160]; /* why hold.serve cannot be done; "": it can, or is not asked for */
        struct gate_uprobe *gate_uprobe;
        struct shared_page gate_pages[UNITS_MAX];
        struct listen_group groups[STEERING_GROUPS];
        struct member members[MEMBERS_MAX];
        sd_event_source *unheld_timer, *elsewhere_timer;
        int waiting_fds[STEERING_GROUPS]; /* the waiting room's socket of each group; -1: none */

        struct watch watch;
        struct check checks[CHECKS_MAX];
        uint64_t last_check;
        sd_event_source *probe_timer, *phase_timer, *drain_timer;
        struct rate rate;
        struct counter counters[BOUNDARY_UNITS]; /* by unit; of heights and moments it is not used */

        int control_fd;
        int unix_fds[WIRE_FDS_MAX]; /* listeners of unix: addresses, by index into config->listen; -1: none */
        struct waiter waiters[WAITERS_MAX];
        uint64_t height_written_at;     /* monotonic: when record.last_height was written last */
        uint32_t restarts;              /* of the node, by crashes */
        struct machine_event later[16]; /* events to be fed from the loop */
        char later_text[16][512];
        size_t n_later;
        sd_event_source *later_source;
};
