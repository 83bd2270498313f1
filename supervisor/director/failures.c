#include "failures.h"

uint32_t failures_of(const struct follow *follow, const char *release) {
        for (uint32_t i = 0; i < follow->n_failed; i++)
                if (strcmp(follow->failed[i].release, release) == 0)
                        return follow->failed[i].tries;
        return 0;
}

const char *failures_given_up(const struct follow *follow, const struct range *range) {
        struct version version;
        for (uint32_t i = follow->n_failed; i > 0; i--)
                if (follow->failed[i - 1].tries >= FOLLOW_TRIES_MAX &&
                                version_parse(follow->failed[i - 1].release, &version) >= 0 && range_allows(range, &version))
                        return follow->failed[i - 1].release;
        return NULL;
}
