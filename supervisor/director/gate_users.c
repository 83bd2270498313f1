#include "gate_users.h"

#include "../lib/log.h"
#include "../lib/release.h"
#include "record.h"
#include <sodium.h>

/* What it was told while it was learned may be a block that it had asked for before, in vain: nobody was there to hear it. */
#define BLOCKS_UNHEARD 2

/* GATE_USERS_MAX: it is not known. */
static size_t find(const struct gate_users *users, const char *release) {
        for (size_t i = 0; *release && i < GATE_USERS_MAX; i++)
                if (strcmp(users->items[i].release, release) == 0)
                        return i;
        return GATE_USERS_MAX;
}

bool gate_users_know(const struct gate_users *users, const char *release) {
        return find(users, release) < GATE_USERS_MAX;
}

bool gate_users_heard(const struct gate_users *users, const struct unit *unit) {
        size_t i = find(users, unit->release);
        return i < GATE_USERS_MAX && users->items[i].generation >= unit->generation;
}

static void hash_words(crypto_generichash_state *state, char *const *words) {
        for (; words && *words; words++)
                (void) crypto_generichash_update(state, (const unsigned char *) *words, strlen(*words) + 1);
        (void) crypto_generichash_update(state, (const unsigned char *) "", 1);
}

/* A flag or a variable may tell the same bytes not to ask. */
static int identify(const struct director *director, const char *release, uint8_t ret_identity[16]) {
        const struct exec_config *exec = &director->config->exec;
        struct release loaded = {0};
        crypto_generichash_state state;
        int r = release_load(director->releases_dir, release, &loaded);
        _cleanup_free_ char *text = r >= 0 ? release_canonical_text(&loaded) : NULL;
        release_done(&loaded);
        if (!text)
                return r < 0 ? r : -ENOMEM;
        (void) crypto_generichash_init(&state, NULL, 0, 16);
        hash_words(&state, (char *[]){text, exec->command, NULL});
        hash_words(&state, exec->args);
        hash_words(&state, exec->env);
        (void) crypto_generichash_final(&state, ret_identity, 16);
        return 0;
}

/* In force is what the journal has. */
static int write_down(struct director *director, const struct gate_users *users) {
        struct record next = director->record;
        next.gate_users = *users;
        int r = record_write(director, &next);
        if (r >= 0)
                director->record.gate_users = *users;
        return r;
}

/* Not the one of the release in force: however many others fail, it must be known when it comes back. */
static struct gate_user *take_place(struct gate_users *users, const char *in_force) {
        if (strcmp(users->items[users->next].release, in_force) == 0)
                users->next = (users->next + 1) % GATE_USERS_MAX;
        struct gate_user *place = &users->items[users->next];
        users->next = (users->next + 1) % GATE_USERS_MAX;
        return place;
}

void gate_users_learn(struct director *director, const struct unit *unit) {
        struct gate_users users = director->record.gate_users;
        bool is_new = !gate_users_know(&users, unit->release);
        if (gate_users_heard(&users, unit))
                return;
        struct gate_user *user = is_new ? take_place(&users, director->record.machine.current_release)
                                        : &users.items[find(&users, unit->release)];
        text_copy(user->release, sizeof(user->release), unit->release);
        user->generation = unit->generation;
        int r = identify(director, unit->release, user->identity);
        if (r >= 0)
                r = write_down(director, &users);
        if (r < 0)
                log_errno(r,
                                "generation %lu (%s) asks before each block, but that could not be written down: its gate counts as not "
                                "exact",
                                unit->generation, unit->release);
        else if (is_new)
                log_info("generation %lu (%s) asks before each block: its gate is exact", unit->generation, unit->release);
}

bool gate_users_doubt(struct director *director, struct unit *unit, uint64_t height, uint64_t boundary) {
        const struct gate_users *users = &director->record.gate_users;
        if (!gate_users_know(users, unit->release) || gate_users_heard(users, unit))
                return false;
        if (unit->unasked_from == MACHINE_NO_HEIGHT)
                unit->unasked_from = height;
        /* A gate at 1 only looks where the state stands. */
        bool has_passed = boundary > 1 && boundary != MACHINE_NO_HEIGHT && height >= boundary && height > unit->unasked_from;
        if (!has_passed && height < unit->unasked_from + BLOCKS_UNHEARD)
                return false;
        log_warning("generation %lu (%s) has come from height %lu to %lu without asking, as its release did before: its gate is not "
                    "exact any more",
                        unit->generation, unit->release, unit->unasked_from, height);
        gate_users_forget(director, unit->release);
        return true;
}

void gate_users_forget(struct director *director, const char *release) {
        struct gate_users users = director->record.gate_users;
        size_t i = find(&users, release);
        if (i == GATE_USERS_MAX)
                return;
        users.items[i] = (struct gate_user){0};
        int r = write_down(director, &users);
        director->record.gate_users = users;
        if (r < 0)
                log_errno(r, "that release %s does not ask the gate any more could not be written to the journal", release);
}

void gate_users_recover(struct director *director) {
        struct gate_users *users = &director->record.gate_users;
        uint8_t identity[sizeof(users->items[0].identity)];
        for (size_t i = 0; i < GATE_USERS_MAX; i++)
                if (*users->items[i].release && (identify(director, users->items[i].release, identity) < 0 ||
                                                                memcmp(identity, users->items[i].identity, sizeof(identity)) != 0))
                        users->items[i] = (struct gate_user){0};
}
