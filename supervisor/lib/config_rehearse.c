#include "config_sections.h"

void take_rehearse(struct reader *reader, const yaml_node_t *value, void *target) {
        const char *text = reader_scalar(reader, value);
        if (text && strcmp(text, "at-gate") != 0)
                reader_wrong(reader, value,
                                "\"%.60s\" must be at-gate; a rehearsal at any other time is "
                                "`interrex rehearse`",
                                text);
        else if (text)
                *(bool *)target = true;
}

/* The state must stand still while the old release goes on answering, and there must be one. */
void rehearse_check(struct reader *reader, const yaml_node_t *root, const struct config *config) {
        unsigned line = reader_find_line(reader, root, "rehearse");
        if (!config->rehearses_at_gate)
                return;
        if (config->gate.kind != GATE_UPROBE && config->gate.kind != GATE_NOTIFY)
                reader_mistake(reader, line,
                                "rehearse: at-gate needs gate.kind: uprobe or notify: no other gate lets "
                                "the "
                                "node stand at the height and answer");
        if (!config->state.directory)
                reader_mistake(reader, line,
                                "rehearse: at-gate needs state.directory: of what is the snapshot to be?");
        if (config->state.overlap)
                reader_mistake(reader, line,
                                "rehearse: at-gate and state.overlap: where both generations run, the new "
                                "one "
                                "proves itself beside the old one");
        if (config->state.snapshot == SNAPSHOT_NONE || config->state.snapshot == SNAPSHOT_HOOK)
                reader_mistake(reader, line,
                                "rehearse: at-gate needs a snapshot that interrex makes: state.snapshot "
                                "auto, btrfs or "
                                "reflink");
}
