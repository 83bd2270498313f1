#include "plan_stage.h"

#include "lib/release.h"
#include "lib/release_files.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static void add_releases(const struct plan_stage *stage) {
        static const char *const versions[] = {"1.7.1", "2.0.0", "3.0.1"};
        for (size_t i = 0; i < ELEMENTS(versions); i++) {
                _cleanup_free_ char *error = NULL;
                bool existed;
                assert_true(release_add(stage->releases, versions[i], stage->source, NULL, NULL, &existed,
                                            &error) >= 0);
        }
}

int plan_stage_make(void **state) {
        struct plan_stage *stage = calloc(1, sizeof(*stage));
        assert_non_null(stage);
        struct director *director = &stage->director;
        char path[96];
        text_copy(stage->top, sizeof(stage->top), "/tmp/interrex-plan-XXXXXX");
        assert_non_null(mkdtemp(stage->top));
        (void)snprintf(stage->source, sizeof(stage->source), "%s/node", stage->top);
        (void)snprintf(stage->releases, sizeof(stage->releases), "%s/releases", stage->top);
        (void)snprintf(path, sizeof(path), "%s/journal.db", stage->top);
        _cleanup_close_ int fd = open(stage->source, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
        assert_int_equal(write(fd, "#!/bin/sh\n", 10), 10);
        add_releases(stage);
        assert_int_equal(journal_open(path, true, &director->journal), 0);
        assert_true(sd_event_new(&director->event) >= 0);
        stage->config.node = (char *)"anvil";
        stage->config.exec.command = (char *)"node";
        stage->config.gate.kind = GATE_OBSERVE;
        stage->config.gate.overshoot_allowed = true;
        director->config = &stage->config;
        director->releases_dir = stage->releases;
        director->settings.snapshot = true;
        director->record.machine = machine_initial();
        director->record.machine.phase = PHASE_RUNNING;
        text_copy(director->record.machine.current_release, MACHINE_RELEASE_MAX, "1.7.1");
        director->record.follow.held_at = director->record.follow.found_at = MACHINE_NO_HEIGHT;
        director->rate = (struct rate){
                        .height = PLAN_STAGE_HEIGHT, .at = now_monotonic(), .usec_per_block = USEC_PER_SEC};
        *state = stage;
        return 0;
}

int plan_stage_remove(void **state) {
        struct plan_stage *stage = *state;
        schedule_done(&stage->director.schedule);
        journal_close(stage->director.journal);
        (void)sd_event_source_disable_unref(stage->director.retry_timer);
        (void)sd_event_source_disable_unref(stage->director.phase_timer);
        sd_event_unref(stage->director.event);
        free(stage->director.gate);
        assert_int_equal(tree_remove(AT_FDCWD, stage->top), 0);
        free(stage);
        return 0;
}

void plan_stage_rule(struct plan_stage *stage, struct boundary_rule rule, const char *range) {
        text_copy(rule.range, sizeof(rule.range), range);
        assert_int_equal(schedule_add(&stage->director.schedule, &rule,
                                         rule.unit == UNIT_HEIGHT ? rule.at : SCHEDULE_NO_HEIGHT, NULL),
                        0);
}

void plan_stage_schedule(struct plan_stage *stage, uint32_t unit, uint64_t at, const char *range) {
        plan_stage_rule(stage, (struct boundary_rule){.unit = unit, .at = at, .from = BOUNDARY_NO_WINDOW},
                        range);
}

json_t *plan_stage_read(char *text) {
        json_t *json = json_loads(text, 0, NULL);
        assert_non_null(json);
        free(text);
        return json;
}

const char *plan_stage_text(const json_t *object, const char *key) {
        return json_string_value(json_object_get(object, key));
}

void plan_stage_assert_says(const json_t *object, const char *key, const char *expected) {
        const char *text = plan_stage_text(object, key);
        if (!text || !strstr(text, expected))
                fail_msg("%s is \"%s\", without \"%s\"", key, text ? text : "(null)", expected);
}

const json_t *plan_stage_first(const json_t *plan) {
        return json_array_get(json_object_get(plan, "boundaries"), 0);
}

void plan_stage_arm(struct plan_stage *stage, const char *from, const char *to) {
        struct machine *machine = &stage->director.record.machine;
        machine->phase = PHASE_ARMED;
        machine->kind = SWAP_UPGRADE;
        machine->boundary = PLAN_STAGE_BOUNDARY;
        text_copy(machine->current_release, MACHINE_RELEASE_MAX, from);
        text_copy(machine->candidate_release, MACHINE_RELEASE_MAX, to);
}

void plan_stage_note_failures(struct plan_stage *stage, const char *release, uint16_t tries) {
        struct follow *follow = &stage->director.record.follow;
        text_copy(follow->failed[0].release, MACHINE_RELEASE_MAX, release);
        follow->failed[0].tries = tries;
        follow->n_failed = 1;
}

void plan_stage_assert_about(const json_t *object, const char *key, double least, double most) {
        const json_t *value = json_object_get(object, key);
        assert_true(json_is_number(value));
        assert_true(json_number_value(value) > least && json_number_value(value) <= most);
}
