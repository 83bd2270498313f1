/* What a cosmovisor set-up says: its folders, its upgrade-info.json files, the node's config.toml, the DAEMON_* variables. Reads only, runs
 * nothing. Everything in it may have been written by somebody else. */
#pragma once

#include "../lib/upgrade_info.h"
#include <limits.h>

#define COSMOVISOR_UPGRADES_MAX 64
#define COSMOVISOR_NAME_MAX UPGRADE_NAME_MAX

struct cosmovisor_upgrade {
        char name[COSMOVISOR_NAME_MAX]; /* "genesis", or as the chain named it */
        char path[PATH_MAX];            /* of the binary */
        uint64_t height;                /* 0: the genesis; UINT64_MAX: nothing says it */
        char version[VERSION_TEXT_MAX];
        bool is_current, is_missing; /* nothing that can be executed is at PATH */
};

enum cosmovisor_address { /* those at which the node listens, of config.toml and app.toml */
        COSMOVISOR_RPC,
        COSMOVISOR_P2P,
        COSMOVISOR_PROMETHEUS,
        COSMOVISOR_API,
        COSMOVISOR_GRPC,
        COSMOVISOR_ADDRESSES,
};

struct cosmovisor {
        char home[PATH_MAX], daemon[COSMOVISOR_NAME_MAX];
        struct cosmovisor_upgrade upgrades
                        [COSMOVISOR_UPGRADES_MAX]; /* the genesis first, then by height, those without one last */
        size_t n_upgrades;
        bool versions_are_names; /* taken from the upgrades' names; else numbered */
        char addresses[COSMOVISOR_ADDRESSES]
                      [64]; /* "127.0.0.1:26657"; "" if it is not there, or not enabled */
        bool signs;         /* it has a validator's key */
};

/* DAEMON: $DAEMON_NAME, or NULL: the only file in genesis/bin. -errno with *ret_error (malloc'ed), a sentence for the operator. */
int cosmovisor_read(
                const char *home, const char *daemon, struct cosmovisor *ret_cosmovisor, char **ret_error);

/* Versions for all upgrades, in their order: their names where these are versions that grow, else numbers. Pure. */
void cosmovisor_number(struct cosmovisor *cosmovisor);

/* Whether what the chain names its next upgrade leads to a release that goes on from those of now. Pure. */
bool cosmovisor_can_be_followed(const struct cosmovisor *cosmovisor);
