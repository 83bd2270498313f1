/* The configuration's reader meets any bytes at all. What it takes must be what the rest of interrex relies
 * on without checking again; what it refuses must come with a reason. `make fuzz` builds and runs it. */
#include "lib/config.h"

#include "lib/prober_protocol.h"
#include "lib/release_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_mistakes(const struct config_mistakes *mistakes) {
        INVARIANT(mistakes->n > 0);
        for (size_t i = 0; i < mistakes->n; i++) {
                INVARIANT(*mistakes->items[i].text);
                INVARIANT(i == 0 || mistakes->items[i - 1].line <= mistakes->items[i].line);
                for (const char *c = mistakes->items[i].text; *c; c++)
                        INVARIANT((unsigned char)*c >= ' ' && *c != 0x7f);
        }
}

static void check_config(const struct config *config) {
        INVARIANT(node_name_is_valid(config->node));
        INVARIANT(path_stays_below(config->exec.command));
        INVARIANT(!config->state.directory || *config->state.directory == '/');
        INVARIANT(!config->state.overlap || !state_signs(&config->state));
        INVARIANT(config->state.signer != SIGNER_FILES || config->state.keep);
        for (size_t i = 0; config->state.keep && config->state.keep[i]; i++)
                INVARIANT(path_stays_below(config->state.keep[i]));
        INVARIANT(config->n_restart_backoff > 0);
        INVARIANT(config->gate.kind != GATE_OBSERVE || config->gate.overshoot_allowed);
        INVARIANT(config->gate.kind != GATE_UPROBE || !config->gate.symbol != !config->gate.usdt);
        INVARIANT(config->gate.kind != GATE_LOG || config->gate.pattern);
        INVARIANT(!config->height.url || strlen(config->height.url) < PROBER_URL_MAX);
        INVARIANT(!config->height.pattern || strlen(config->height.pattern) < PROBER_PATTERN_MAX);
        INVARIANT(config->height.source != HEIGHT_EXEC || *config->height.command[0] == '/');
        for (size_t i = 0; i < config->n_probes; i++) {
                const struct probe_config *probe = &config->probes[i];
                INVARIANT(probe->name && probe->failures > 0 && probe->timeout_us > 0);
                INVARIANT(probe->kind != PROBE_HEIGHT || config->height.source != HEIGHT_NONE);
                INVARIANT(probe->kind != PROBE_HTTP || probe->url);
                INVARIANT(probe->kind != PROBE_TCP || probe->address.port > 0);
                INVARIANT(probe->kind != PROBE_EXEC || *probe->command[0] == '/');
        }
        for (size_t i = 0; i < config->n_listen; i++)
                for (size_t j = 0; j < i; j++)
                        INVARIANT(!address_equal(&config->listen[i], &config->listen[j]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(config_free_at) struct config *config = NULL;
        struct config_mistakes mistakes = {0};
        int r = config_parse((const char *)data, size, &config, &mistakes);
        if (r == 0)
                check_config(config);
        else if (r == -EINVAL)
                check_mistakes(&mistakes);
        else
                INVARIANT(r == -ENOMEM);
        INVARIANT((r == 0) == (config != NULL));
        config_mistakes_done(&mistakes);
        return 0;
}
