#include "nearness.h"

#define NAME_LENGTH_MAX 63
/* One wrong letter is a slip in a short word; in a longer one there may be one in so many. */
#define LETTERS_FOR_EACH_SLIP 3

size_t nearness(const char *typed, const char *name) {
        size_t row[NAME_LENGTH_MAX + 1], length = strlen(typed), n = strlen(name);
        size_t slips = length < 2 * LETTERS_FOR_EACH_SLIP ? 1 : length / LETTERS_FOR_EACH_SLIP;
        if (length > NAME_LENGTH_MAX || n > NAME_LENGTH_MAX)
                return NEARNESS_FAR;
        for (size_t j = 0; j <= n; j++)
                row[j] = j;
        for (size_t i = 1; i <= length; i++) {
                size_t diagonal = row[0];
                row[0] = i;
                for (size_t j = 1; j <= n; j++) {
                        size_t change = diagonal + (typed[i - 1] != name[j - 1]),
                               other = row[j] < row[j - 1] ? row[j] : row[j - 1];
                        diagonal = row[j];
                        row[j] = change < other + 1 ? change : other + 1;
                }
        }
        return row[n] <= slips ? row[n] : NEARNESS_FAR;
}
