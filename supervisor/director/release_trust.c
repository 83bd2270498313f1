#include "release_trust.h"

#include "../lib/release.h"

static const struct refused_release *find(const struct director *director, const char *release) {
        for (size_t i = 0; i < REFUSED_RELEASES_MAX; i++)
                if (strcmp(director->refused[i].release, release) == 0)
                        return &director->refused[i];
        return NULL;
}

void release_trust_note(struct director *director, const char *release, const char *why) {
        struct release_identity identity;
        struct refused_release *refused = (struct refused_release *) find(director, release);
        if (refused)
                *refused = (struct refused_release){0};
        if (!why || release_identify(director->releases_dir, release, &identity) < 0)
                return;
        refused = refused ? refused : &director->refused[director->n_refused++ % REFUSED_RELEASES_MAX];
        text_copy(refused->release, sizeof(refused->release), release);
        text_copy(refused->text, sizeof(refused->text), why);
        memcpy(refused->identity, identity.digest, sizeof(refused->identity));
}

bool release_trust_problem(const struct director *director, const char *release, char *text, size_t size) {
        const struct refused_release *refused = find(director, release);
        _cleanup_free_ char *why = NULL;
        struct release_identity now;
        char *const *keys = director->config->trust_keys;
        if (keys && *keys && release_check_signer(director->releases_dir, release, keys, &why) < 0) {
                text_copy(text, size, why);
                return true;
        }
        if (!refused || release_identify(director->releases_dir, release, &now) < 0 ||
                        memcmp(now.digest, refused->identity, sizeof(now.digest)) != 0)
                return false;
        text_copy(text, size, refused->text);
        return true;
}
