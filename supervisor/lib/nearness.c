#include "nearness.h"

#define NAME_LENGTH_MAX 63
/* One wrong letter is a slip in a short word; in a longer one there may be one in so many. */
#define LETTERS_FOR_EACH_SLIP 3

static size_t least(size_t a, size_t b) {
        return a < b ? a : b;
}

size_t nearness(const char *typed, const char *name) {
        uint8_t cost[NAME_LENGTH_MAX + 1][NAME_LENGTH_MAX + 1];
        size_t length = strlen(typed), n = strlen(name);
        size_t slips = length < 2 * LETTERS_FOR_EACH_SLIP ? 1 : length / LETTERS_FOR_EACH_SLIP;
        if (length > NAME_LENGTH_MAX || n > NAME_LENGTH_MAX)
                return NEARNESS_FAR;
        for (size_t i = 0; i <= length; i++)
                for (size_t j = 0; j <= n; j++) {
                        if (i == 0 || j == 0) {
                                cost[i][j] = (uint8_t)(i + j);
                                continue;
                        }
                        size_t change = cost[i - 1][j - 1] + (size_t)(typed[i - 1] != name[j - 1]);
                        size_t best = least(change, 1 + least((size_t)cost[i - 1][j], cost[i][j - 1]));
                        bool is_swapped = i > 1 && j > 1 && typed[i - 1] == name[j - 2] &&
                                          typed[i - 2] == name[j - 1];
                        if (is_swapped)
                                best = least(best, (size_t)cost[i - 2][j - 2] + 1);
                        cost[i][j] = (uint8_t)best;
                }
        return cost[length][n] <= slips ? cost[length][n] : NEARNESS_FAR;
}
