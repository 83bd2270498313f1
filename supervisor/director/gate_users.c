#include "gate_users.h"

#include "../lib/log.h"

bool gate_users_know(const struct gate_users *users, const char *release) {
        for (size_t i = 0; *release && i < GATE_USERS_MAX; i++)
                if (strcmp(users->releases[i], release) == 0)
                        return true;
        return false;
}

static void write_down(struct director *director) {
        int r = journal_set(director->journal, "machine", &director->record, sizeof(director->record));
        if (r < 0)
                log_errno(r, "which releases ask the gate could not be written to the journal");
}

/* Not the one of the release in force: however many others fail, it must be known when it comes back. */
static char *take_place(struct gate_users *users, const char *in_force) {
        if (strcmp(users->releases[users->next], in_force) == 0)
                users->next = (users->next + 1) % GATE_USERS_MAX;
        char *place = users->releases[users->next];
        users->next = (users->next + 1) % GATE_USERS_MAX;
        return place;
}

void gate_users_learn(struct director *director, const struct unit *unit) {
        struct gate_users *users = &director->record.gate_users;
        if (gate_users_know(users, unit->release))
                return;
        log_info("generation %lu (%s) asks before each block: its gate is exact", unit->generation, unit->release);
        text_copy(take_place(users, director->record.machine.current_release), sizeof(users->releases[0]), unit->release);
        write_down(director);
}

void gate_users_forget(struct director *director, const char *release) {
        struct gate_users *users = &director->record.gate_users;
        if (!gate_users_know(users, release))
                return;
        for (size_t i = 0; i < GATE_USERS_MAX; i++)
                if (strcmp(users->releases[i], release) == 0)
                        users->releases[i][0] = '\0';
        write_down(director);
}
