#include "signer.h"

#include <fcntl.h>
#include <sys/stat.h>

/* Each node keeps its signing memory here, or makes these with it. A keystore of accounts, as geth has it, is none: it is there in
 * each node, and what it signs is no vote. */
static const struct {
        const char *path, *keep; /* what of it is never to be rolled back */
} marks[] = {
                {"data/priv_validator_state.json", "data/priv_validator_state.json, "
                                                   "config/priv_validator_key.json"}, /* CometBFT */
                {"config/priv_validator_key.json",
                                "data/priv_validator_state.json, config/priv_validator_key.json"},
                {"priv_validator_state.json", "priv_validator_state.json"},
                {"validators/slashing_protection.sqlite", "validators"}, /* Lighthouse */
                {"slashing_protection.sqlite", "slashing_protection.sqlite"},
                {"validators/slashing_protection.sqlite3", "validators"}, /* Nimbus */
                {"slashing_protection.sqlite3", "slashing_protection.sqlite3"},
                {"validator.db", "validator.db"}, /* Prysm */
                {"direct/validator.db", "direct/validator.db"},
                {"validator-client-data", "validator-client-data"},
                {"validator/slashprotection", "validator"},                               /* Teku */
                {"slashprotection", "slashprotection"}, {"validator-db", "validator-db"}, /* Lodestar */
};

const char *signer_find_mark(int directory_fd) {
        struct stat status;
        for (size_t i = 0; i < ELEMENTS(marks); i++)
                if (fstatat(directory_fd, marks[i].path, &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) ==
                                0)
                        return marks[i].path;
        return NULL;
}

/* Both vote by HotStuff, and remember it in the database with everything else. */
static const char *voting_role(const struct config *config) {
        return config->height.role == FLOW_CONSENSUS    ? "consensus"
               : config->height.role == FLOW_COLLECTION ? "collection"
                                                        : NULL;
}

enum signer_kind signer_assume(const struct config *config, const char *mark) {
        if (config->state.signer != SIGNER_UNSAID)
                return config->state.signer;
        return (mark && *mark) || voting_role(config) ? SIGNER_INSIDE : SIGNER_NONE;
}

static const char *keep_of(const char *mark) {
        for (size_t i = 0; mark && i < ELEMENTS(marks); i++)
                if (strcmp(marks[i].path, mark) == 0)
                        return marks[i].keep;
        return NULL;
}

bool signer_describe(const struct config *config, const char *mark, char *text, size_t size) {
        const char *role = voting_role(config), *keep = keep_of(mark);
        char seen[200], answer[200] = "`signer: inside`";
        if (config->state.signer != SIGNER_UNSAID || signer_assume(config, mark) == SIGNER_NONE)
                return false;
        if (mark && *mark)
                (void)snprintf(seen, sizeof(seen), "%s in state.directory", mark);
        else
                (void)snprintf(seen, sizeof(seen), "height.role: %s", role);
        if (keep && !role)
                (void)snprintf(answer, sizeof(answer), "`signer: files` and `keep: [%s]`", keep);
        (void)snprintf(text, size,
                        "state.signer is not set, and %s tells that this node may sign: it is held where "
                        "its "
                        "state would have to be put back%s%s. If it signs, write %s into `state`; if it "
                        "does "
                        "not, `signer: none`",
                        seen, config->state.overlap ? ", and no two generations overlap" : "",
                        config->n_hold_serve > 0 ? ", and hold.serve is not done" : "", answer);
        return true;
}
