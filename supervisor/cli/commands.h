/* The operator's commands. Each gets the arguments and gives the exit status (enum exit_status), having
 * printed what was asked for on stdout and what went wrong on stderr. */
#pragma once

#include "arguments.h"

int command_run(const struct arguments *arguments);
int command_status(const struct arguments *arguments);
int command_plan(const struct arguments *arguments);
int command_watch(const struct arguments *arguments);
int command_release_add(const struct arguments *arguments);
int command_release_list(const struct arguments *arguments);
int command_release_manifest(const struct arguments *arguments);
int command_release_remove(const struct arguments *arguments);
int command_schedule_show(const struct arguments *arguments);
int command_schedule_set(const struct arguments *arguments);
int command_schedule_import(const struct arguments *arguments);
int command_schedule_remove(const struct arguments *arguments);
int command_upgrade(const struct arguments *arguments);
int command_rollback(const struct arguments *arguments);
int command_restart(const struct arguments *arguments);
int command_accept_state(const struct arguments *arguments);
int command_cancel(const struct arguments *arguments);
int command_stop(const struct arguments *arguments);
int command_history(const struct arguments *arguments);
int command_report(const struct arguments *arguments);
int command_rehearse(const struct arguments *arguments);
int command_import_cosmovisor(const struct arguments *arguments);
int command_doctor(const struct arguments *arguments);
int command_check_config(const struct arguments *arguments);
int command_help(const struct arguments *arguments);
int command_version(const struct arguments *arguments);
