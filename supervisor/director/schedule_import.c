#include "schedule_import.h"

#include "../lib/control_protocol.h"
#include "boundaries.h"
#include "reading_jobs.h"

static int answer(sd_bus_message *message, const struct schedule_reading *reading);

/* 1: a rule was read; 0: there is no more. */
static int read_rule(sd_bus_message *message, struct boundary_rule *rule) {
        const char *range, *protocol;
        int r = sd_bus_message_read(message, "(uuttss)", &rule->unit, &rule->mode, &rule->at, &rule->from, &range, &protocol);
        if (r <= 0)
                return r;
        if (strlen(range) >= sizeof(rule->range) || strlen(protocol) >= sizeof(rule->protocol))
                return -EINVAL;
        text_copy(rule->range, sizeof(rule->range), range);
        text_copy(rule->protocol, sizeof(rule->protocol), protocol);
        return 1;
}

int schedule_on_set(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        _cleanup_free_ struct boundary_rule *rules = calloc(BOUNDARIES_MAX + 1, sizeof(*rules));
        struct refusal refusal = {0};
        uint64_t sequence = SCHEDULE_NO_SEQUENCE;
        size_t n = 0;
        int r = rules ? sd_bus_message_enter_container(message, 'a', "(uuttss)") : -ENOMEM;
        while (r >= 0 && n <= BOUNDARIES_MAX && (r = read_rule(message, &rules[n])) > 0)
                n++;
        if (r >= 0 && n <= BOUNDARIES_MAX)
                r = sd_bus_message_exit_container(message);
        if (n > BOUNDARIES_MAX)
                return sd_bus_error_setf(error, CONTROL_ERROR_USAGE, "more than %d boundaries at once", BOUNDARIES_MAX);
        if (r >= 0)
                r = sd_bus_message_read(message, "t", &sequence);
        if (r < 0)
                return r;
        if (boundaries_check_near(userdata, rules, n, &refusal) < 0 || boundaries_set(userdata, rules, n, sequence, &refusal) < 0)
                return sd_bus_error_set(error, refusal.name, refusal.text);
        return sd_bus_reply_method_return(message, "");
}

int schedule_on_remove(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct refusal refusal = {0};
        uint32_t unit;
        uint64_t at;
        int r = sd_bus_message_read(message, "ut", &unit, &at);
        if (r < 0)
                return r;
        if (unit >= BOUNDARY_UNITS)
                return sd_bus_error_set(error, CONTROL_ERROR_USAGE, "there is no such unit");
        if (boundaries_remove(userdata, unit, at, &refusal) < 0)
                return sd_bus_error_set(error, refusal.name, refusal.text);
        return sd_bus_reply_method_return(message, "");
}

/* An operator's import may be without a number: he says what is to be. */
int schedule_on_document(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct reading_request request = {.kind = READING_DOCUMENT, .is_checked = true, .asked_by = message};
        int is_signed = 0;
        int r = sd_bus_message_read(message, "hhb", &request.document_fd, &request.signature_fd, &is_signed);
        if (r < 0)
                return r;
        if (!is_signed)
                request.signature_fd = -1;
        if (reading_jobs_read(userdata, &request) < 0)
                return sd_bus_error_set(error, CONTROL_ERROR_BUSY,
                                "no process could be started to read the schedule: nothing was changed, try again");
        return 1;
}

void schedule_import_is_read(struct director *director, sd_bus_message *message, const struct schedule_reading *reading,
                const char *error) {
        struct refusal refusal = {.name = CONTROL_ERROR_REFUSED};
        bool has_mistakes = reading && reading->n_mistakes > 0;
        if (!reading || (reading->error < 0 && !has_mistakes))
                (void) refuse(&refusal, CONTROL_ERROR_REFUSED, "the schedule is not taken: %s", reading ? reading->text : error);
        else if (!has_mistakes)
                (void) boundaries_set(director, reading->rules, reading->n_rules, reading->sequence, &refusal);
        if (*refusal.text)
                (void) sd_bus_reply_method_errorf(message, refusal.name, "%s", refusal.text);
        else if (reading)
                (void) answer(message, reading);
}

/* The mistakes, if there are any: then nothing was changed. */
static int answer(sd_bus_message *message, const struct schedule_reading *reading) {
        sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "ut", reading->n_mistakes_in_all > 0 ? 0 : reading->n_rules, reading->sequence);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(us)");
        for (size_t i = 0; r >= 0 && i < reading->n_mistakes; i++)
                r = sd_bus_message_append(reply, "(us)", reading->mistakes[i].line, reading->mistakes[i].text);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(sd_bus_message_get_bus(message), reply, NULL);
        sd_bus_message_unref(reply);
        return r;
}
