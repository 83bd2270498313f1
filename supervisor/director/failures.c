#include "failures.h"

uint32_t failures_of(const struct follow *follow, const char *release) {
        for (uint32_t i = 0; i < follow->n_failed; i++)
                if (strcmp(follow->failed[i].release, release) == 0)
                        return follow->failed[i].tries;
        return follow->n_failed == FOLLOW_FAILED_MAX ? FOLLOW_TRIES_MAX : 0; /* so many in a row need a person */
}

const char *failures_given_up(const struct follow *follow, const struct range *range) {
        struct version version;
        for (uint32_t i = follow->n_failed; i > 0; i--)
                if (follow->failed[i - 1].tries >= FOLLOW_TRIES_MAX &&
                                version_parse(follow->failed[i - 1].release, &version) >= 0 &&
                                (!range || range_allows(range, &version)))
                        return follow->failed[i - 1].release;
        return NULL;
}

void failures_note(struct follow *follow, const char *release, bool may_be_tried_again, bool is_unverified) {
        uint32_t i = 0;
        while (i < follow->n_failed && strcmp(follow->failed[i].release, release) != 0)
                i++;
        if (i == FOLLOW_FAILED_MAX)
                return;
        if (i == follow->n_failed) {
                text_copy(follow->failed[i].release, sizeof(follow->failed[i].release), release);
                follow->failed[i].tries = follow->failed[i].unverified = 0;
                follow->n_failed++;
        }
        uint16_t before = follow->failed[i].tries;
        follow->failed[i].tries = may_be_tried_again && before < FOLLOW_TRIES_MAX ? (uint16_t) (before + 1) : FOLLOW_TRIES_MAX;
        if (is_unverified)
                follow->failed[i].unverified = (uint16_t) (follow->failed[i].unverified + follow->failed[i].tries - before);
}

/* A release is a directory, its manifest and its signature. */
static bool is_of(const char *file, const char *release) {
        size_t length = strlen(release);
        const char *rest = file + length;
        return strncmp(file, release, length) == 0 && (!*rest || strcmp(rest, ".json") == 0 || strcmp(rest, ".minisig") == 0);
}

bool failures_forgive(struct follow *follow, const char *file) {
        uint32_t i = 0;
        while (i < follow->n_failed && !(follow->failed[i].unverified > 0 && is_of(file, follow->failed[i].release)))
                i++;
        if (i == follow->n_failed)
                return false;
        follow->failed[i].tries = (uint16_t) (follow->failed[i].tries - follow->failed[i].unverified);
        follow->failed[i].unverified = 0;
        if (follow->failed[i].tries == 0) {
                follow->n_failed--;
                memmove(&follow->failed[i], &follow->failed[i + 1], (follow->n_failed - i) * sizeof(follow->failed[0]));
        }
        return true;
}
