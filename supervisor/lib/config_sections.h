/* One function for each section of the configuration: reads it, with defaults already set. */
#pragma once

#include "config_reader.h"

/* config_sections.c: how it is run. */
void take_exec(struct reader *reader, const yaml_node_t *value, void *target);     /* struct exec_config */
void take_state(struct reader *reader, const yaml_node_t *value, void *target);    /* struct state_config */
void take_progress(struct reader *reader, const yaml_node_t *value, void *target); /* struct config */
void take_restart(struct reader *reader, const yaml_node_t *value, void *target);  /* struct config */
void take_trust(struct reader *reader, const yaml_node_t *value, void *target);    /* struct config */
void take_schedule(
                struct reader *reader, const yaml_node_t *value, void *target); /* struct schedule_config */
void take_deadlines(
                struct reader *reader, const yaml_node_t *value, void *target); /* struct deadline_config */

/* config_watching.c: where it listens and how it is watched. */
void take_listen(struct reader *reader, const yaml_node_t *value, void *target); /* struct config */
void take_height(struct reader *reader, const yaml_node_t *value, void *target); /* struct height_config */
void counter_done(struct counter_config *counter);
void take_units(struct reader *reader, const yaml_node_t *value, void *target); /* struct counter_config[] */
void take_gate(struct reader *reader, const yaml_node_t *value, void *target);  /* struct gate_config */
void take_probes(struct reader *reader, const yaml_node_t *value, void *target); /* struct config */

/* config_hold.c: what is served while it is held. The second looks at what the other sections say. */
void take_hold(struct reader *reader, const yaml_node_t *value, void *target); /* struct config */
void hold_check(struct reader *reader, const yaml_node_t *root, const struct config *config);

/* rehearse: at-gate */
void take_rehearse(struct reader *reader, const yaml_node_t *value, void *target);
void rehearse_check(struct reader *reader, const yaml_node_t *root, const struct config *config);
