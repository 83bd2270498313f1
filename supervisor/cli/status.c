#include "status.h"

#include "../lib/log.h"
#include "commands.h"
#include "output.h"
#include "render.h"

int status_ask(const struct node *node, json_t **ret_status) {
        return status_ask_for(node, "Status", ret_status);
}

int status_ask_for(const struct node *node, const char *method, json_t **ret_object) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *text;
        json_error_t mistake;
        int r = control_ask(node, method, CONTROL_CALL_TIMEOUT_US, &error, &reply, "");
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &text);
        if (r < 0)
                return control_explain(node, r, &error);
        json_t *status = json_loads(text, 0, &mistake);
        if (!json_is_object(status)) {
                log_error("the director of node %s answered with something that cannot be shown: %s",
                                node->name, status ? "not an object" : mistake.text);
                json_decref(status);
                return EXIT_FAILED;
        }
        *ret_object = status;
        return 0;
}

static int status_of_one(const struct arguments *arguments) {
        _cleanup_(node_done) struct node node = {0};
        _cleanup_(output_json_done) json_t *status = NULL;
        _cleanup_free_ char *text = NULL;
        int exit_status = node_find(arguments, false, &node);
        if (exit_status == 0)
                exit_status = status_ask(&node, &status);
        if (exit_status != 0)
                return exit_status;
        if (arguments->json)
                return output_json(status);
        struct text_style style = text_style_for(STDOUT_FILENO);
        int r = render_status(status, &style, &text);
        return output_text(r, text);
}

/* That a node is stopped is an answer; that its director does not give one is an error, and is told. */
static int ask_or_say_stopped(const struct arguments *arguments, const char *name, json_t **ret_status) {
        _cleanup_(node_done) struct node node = {0};
        struct arguments one = *arguments;
        one.node = name;
        int exit_status = node_find(&one, false, &node);
        if (exit_status != 0 || node_supervisor(&node) > 0)
                return exit_status != 0 ? exit_status : status_ask(&node, ret_status);
        *ret_status = json_pack("{ss ss}", "node", name, "phase", "stopped");
        return *ret_status ? 0 : EXIT_FAILED;
}

static int print_line(const json_t *status) {
        _cleanup_free_ char *text = NULL;
        int r = render_status_line(status, true, &text);
        return output_text(r, text);
}

static int status_of_each(const struct arguments *arguments, char *const *names) {
        _cleanup_(output_json_done) json_t *all = json_array();
        int exit_status = 0;
        for (; all && *names; names++) {
                _cleanup_(output_json_done) json_t *status = NULL;
                int r = ask_or_say_stopped(arguments, *names, &status);
                if (r == 0)
                        r = arguments->json ? json_array_append(all, status) < 0 : print_line(status);
                exit_status = exit_status ? exit_status : r;
        }
        int r = arguments->json ? output_json(all) : 0;
        return exit_status ? exit_status : r;
}

int command_status(const struct arguments *arguments) {
        _cleanup_strv_ char **names = NULL;
        if (arguments->node)
                return status_of_one(arguments);
        int exit_status = node_list(arguments, &names);
        if (exit_status != 0)
                return exit_status;
        return strv_length(names) == 1 ? status_of_one(arguments) : status_of_each(arguments, names);
}
