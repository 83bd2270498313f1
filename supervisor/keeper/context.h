/* What the keeper knows: the one context of its process. */
#pragma once

#include "../lib/base.h"
#include "../lib/keeper_protocol.h"
#include "../lib/wire.h"
#include "keeper.h"
#include <signal.h>
#include <systemd/sd-event.h>

#define GENERATIONS_MAX 32 /* nodes, helpers and archivists alive or not yet forgotten */
#define STORE_MAX 512
#define FENCED_MAX 64
#define PARKED_MAX 64

struct fenced_request {
        uint64_t id;
        struct keeper_fenced told; /* as it was told to the director, to be told again to the next one */
};

struct generation {
        bool used;
        struct keeper_generation known; /* kind, number and everything the director is told again */
        int pidfd, cgroup_fd, events_fd;
        int status_fd;   /* to the child until exec; the fence at exec waits on it */
        int listener_fd; /* seccomp notifications of the fence */
        sd_event_source *events_source, *status_source, *listener_source;
        struct fenced_request fenced[FENCED_MAX];
        size_t n_fenced;
        bool executes_on_pass; /* parked at exec */
        struct keeper *keeper;
};

struct stored_descriptor {
        char name[KEEPER_NAME_MAX];
        int fd;
        bool is_nodes_socket; /* a Unix socket on which the director listens for the node */
};

struct parked_thread {
        uint64_t serial, generation;
        int process, thread;
        bool is_stopped, is_let_go; /* it is in its stop; it is to run on as soon as it is */
};

struct role {
        int pid;
        unsigned restarts;
        uint64_t started_at; /* monotonic, usec */
        sd_event_source *retry;
};

struct keeper {
        struct keeper_options options;
        sd_event *event;
        int config_fd;
        int null_fd;
        int cgroup_own_fd; /* the keeper's own cgroup */
        char *cgroup_own_path;
        int cgroup_fd; /* the parent of all generations; -1 before SETUP */
        char node[NODE_NAME_MAX];
        struct keeper_directories directories;
        int lock_fds[2];
        int pins_fd; /* the file system of pinned gates; -1: there is none */
        uid_t director_uid, prober_uid;
        gid_t director_gid, prober_gid;
        struct role director, prober;
        uint64_t instance;
        int director_link;
        sd_event_source *director_source;
        sd_event_source *liveness_timer;
        unsigned silences; /* limits that have passed since the director was asked; 1 is the one it still has */
        bool is_set_up, has_spawned, is_ready, is_ending;
        bool stop_was_asked;
        int stop_signal;
        struct stored_descriptor store[STORE_MAX];
        size_t n_stored;
        struct generation generations[GENERATIONS_MAX];
        struct parked_thread parked[PARKED_MAX];
        size_t n_parked;
        uint32_t uprobe_type; /* of perf_event_open; 0: the kernel has none */
        struct wire_message message;
};
