#include "life.h"

static const uint64_t backoff[] = {1000, 5000};

static struct machine_settings exclusive(void) {
        return (struct machine_settings){.snapshot = true,
                        .prepare_us = 1,
                        .gate_us = USEC_INFINITY,
                        .snapshot_us = 1,
                        .prove_us = 1,
                        .drain_us = 1,
                        .stop_us = 1,
                        .probation_us = 1,
                        .backoff_us = backoff,
                        .n_backoff = 2,
                        .give_up_after = 2};
}

int feed(struct life *life, enum machine_event_type type, uint64_t generation, const char *text) {
        struct machine_event event = {
                        .type = type, .generation = generation, .text = text, .height = MACHINE_NO_HEIGHT};
        life->actions.n = 0;
        return machine_step(&life->machine, &life->settings, &event, &life->actions);
}

int feed_at(struct life *life, const char *release, uint64_t height, bool breaking) {
        struct machine_event event = {
                        .type = EVENT_UPGRADE, .text = release, .height = height, .flag = breaking};
        return machine_step(&life->machine, &life->settings, &event, &life->actions);
}

bool did(const struct life *life, enum machine_action_type type, uint64_t generation) {
        for (size_t i = 0; i < life->actions.n; i++)
                if (life->actions.items[i].type == type && life->actions.items[i].generation == generation)
                        return true;
        return false;
}

size_t place_of(const struct life *life, enum machine_action_type type) {
        for (size_t i = 0; i < life->actions.n; i++)
                if (life->actions.items[i].type == type)
                        return i;
        return SIZE_MAX;
}

struct life running(void) {
        struct life life = {.machine = machine_initial(), .settings = exclusive()};
        assert_int_equal(feed(&life, EVENT_START, 0, "1.0.0"), 1);
        assert_true(did(&life, ACTION_SPAWN, 1));
        assert_int_equal(feed(&life, EVENT_PROVED, 1, NULL), 1);
        assert_int_equal(life.machine.phase, PHASE_RUNNING);
        return life;
}

struct life proving(bool breaking) {
        struct life life = running();
        struct machine_event event = {.type = EVENT_UPGRADE,
                        .text = "2.0.0",
                        .height = MACHINE_NO_HEIGHT,
                        .flag = breaking};
        assert_int_equal(machine_step(&life.machine, &life.settings, &event, &life.actions), 1);
        assert_int_equal(feed(&life, EVENT_VERIFIED, 0, NULL), 1);
        assert_int_equal(feed(&life, EVENT_AT_FENCE, 2, NULL), 1);
        assert_int_equal(life.machine.phase, PHASE_QUIESCING);
        assert_true(did(&life, ACTION_TERMINATE, 1));
        assert_int_equal(feed(&life, EVENT_EXITED, 1, ""), 1);
        assert_int_equal(life.machine.phase, PHASE_QUIESCING);
        assert_int_equal(feed(&life, EVENT_EMPTY, 1, NULL), 1);
        assert_int_equal(life.machine.phase, PHASE_SNAPSHOTTING);
        assert_int_equal(feed(&life, EVENT_SNAPSHOT_TAKEN, 0, NULL), 1);
        assert_int_equal(life.machine.phase, PHASE_PROVING);
        return life;
}
