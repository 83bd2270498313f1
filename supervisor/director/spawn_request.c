#include "spawn_request.h"

#include "gate_node.h"
#include "hold.h"
#include "verification.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static int append(struct keeper_spawn *request, const char *text) {
        size_t length = strlen(text) + 1;
        if (length > sizeof(request->strings) - request->strings_size)
                return -E2BIG;
        memcpy(request->strings + request->strings_size, text, length);
        request->strings_size += (uint32_t) length;
        return 0;
}

static int append_all(struct keeper_spawn *request, char *const *texts, uint32_t *count) {
        int r = 0;
        for (size_t i = 0; r >= 0 && texts && texts[i]; i++) {
                r = append(request, texts[i]);
                (*count)++;
        }
        return r;
}

static bool environment_has(char *const *environment, const char *name) {
        size_t n = strlen(name);
        for (size_t i = 0; environment && environment[i]; i++)
                if (strncmp(environment[i], name, n) == 0 && environment[i][n] == '=')
                        return true;
        return false;
}

static int append_environment_variable(struct keeper_spawn *request, const char *name, const char *value) {
        char text[1024];
        int n = snprintf(text, sizeof(text), "%s=%s", name, value);
        if (n < 0 || (size_t) n >= sizeof(text))
                return -E2BIG;
        request->n_environment++;
        return append(request, text);
}

static void set_user(const struct director *director, struct keeper_spawn *request) {
        request->uid = director->node_uid;
        request->gid = director->node_gid;
        request->n_groups = (uint32_t) director->n_node_groups;
        for (size_t i = 0; i < director->n_node_groups; i++)
                request->groups[i] = director->node_groups[i];
}

/* The first socket is LISTEN_FDS' first name. */
static int append_listen_environment(const struct director *director, struct keeper_spawn *request) {
        char names[1024] = "", number[16];
        for (size_t i = 0; i < director->config->n_listen; i++) {
                size_t used = strlen(names);
                (void) snprintf(names + used, sizeof(names) - used, "%slisten%zu", i ? ":" : "", i);
        }
        (void) snprintf(number, sizeof(number), "%zu", director->config->n_listen);
        int r = append_environment_variable(request, "LISTEN_FDS", number);
        return r < 0 ? r : append_environment_variable(request, "LISTEN_FDNAMES", names);
}

/* Behind the sockets of LISTEN_FDS, which begin at 3 and are as many as LISTEN_FDS says. */
static int append_gate_environment(const struct director *director, struct keeper_spawn *request) {
        char number[16];
        (void) snprintf(number, sizeof(number), "%zu", 3 + (director->config->exec.listen_fds ? director->config->n_listen : 0));
        return append_environment_variable(request, "INTERREX_GATE", number);
}

int spawn_request_for_node(struct director *director, const struct unit *unit, const char *notify_socket,
                struct keeper_spawn *ret_request) {
        const struct exec_config *exec = &director->config->exec;
        _cleanup_strv_ char **gate_arguments = NULL;
        const char *path = verification_path(director, unit->release);
        const char *folder = exec->working_directory             ? exec->working_directory
                             : director->config->state.directory ? director->config->state.directory
                                                                 : "/";
        ret_request->kind = SPAWN_GENERATION;
        ret_request->generation = unit->generation;
        ret_request->fence = (uint32_t) unit->fence_kind;
        ret_request->watches_sockets = *director->no_hooks != '\0';
        ret_request->is_cut_off = hold_must_precede(director, unit->generation);
        set_user(director, ret_request);
        for (size_t i = 0; i < exec->n_limits && i < KEEPER_LIMITS_MAX; i++)
                ret_request->limits[ret_request->n_limits++] = (struct keeper_limit){.resource = exec->limits[i].resource,
                                .soft = exec->limits[i].soft,
                                .hard = exec->limits[i].hard};
        int r = append(ret_request, path);
        if (r >= 0)
                r = append(ret_request, folder);
        ret_request->n_arguments = 1;
        if (r >= 0)
                r = append(ret_request, path);
        if (r >= 0)
                r = append_all(ret_request, exec->args, &ret_request->n_arguments);
        if (r >= 0)
                r = gate_node_arguments(director, unit->generation, &gate_arguments);
        if (r >= 0)
                r = append_all(ret_request, gate_arguments, &ret_request->n_arguments);
        if (r >= 0)
                r = append_all(ret_request, exec->env, &ret_request->n_environment);
        if (r >= 0 && !environment_has(exec->env, "PATH")) {
                ret_request->n_environment++;
                r = append(ret_request, DEFAULT_PATH);
        }
        if (r >= 0 && !environment_has(exec->env, "HOME"))
                r = append_environment_variable(ret_request, "HOME", folder);
        if (r >= 0 && *notify_socket)
                r = append_environment_variable(ret_request, "NOTIFY_SOCKET", notify_socket);
        if (r >= 0 && exec->listen_fds)
                r = append_listen_environment(director, ret_request);
        if (r >= 0 && director->config->gate.kind == GATE_NOTIFY)
                r = append_gate_environment(director, ret_request);
        return r;
}

int spawn_request_for_helper(struct director *director, uint64_t number, const char *path, char *const *command,
                char *const *environment, struct keeper_spawn *ret_request) {
        ret_request->kind = SPAWN_HELPER;
        ret_request->generation = number;
        ret_request->fence = SPAWN_FENCE_EXEC;
        set_user(director, ret_request);
        int r = append(ret_request, path);
        if (r >= 0)
                r = append(ret_request, "/");
        if (r >= 0)
                r = append_all(ret_request, command, &ret_request->n_arguments);
        ret_request->n_environment = 1;
        if (r >= 0)
                r = append(ret_request, DEFAULT_PATH);
        return r < 0 ? r : append_all(ret_request, environment, &ret_request->n_environment);
}

int spawn_request_for_role(enum keeper_spawn_kind kind, uint64_t number, char *const *arguments, struct keeper_spawn *ret_request) {
        ret_request->kind = kind;
        ret_request->generation = number;
        int r = append(ret_request, "/proc/self/exe");
        if (r >= 0)
                r = append(ret_request, "/");
        if (r >= 0)
                r = append_all(ret_request, arguments, &ret_request->n_arguments);
        ret_request->n_environment = 1;
        return r < 0 ? r : append(ret_request, DEFAULT_PATH);
}
