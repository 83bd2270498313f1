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

int command_status(const struct arguments *arguments) {
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
