#include "ledger.h"

#include "process.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>

static int say(char **ret_why, const char *format, ...) _printf_(2, 3);
static int check_heights(const struct ledger *ledger, char **ret_why);

int ledger_read(const char *path, struct ledger *ret_ledger) {
        struct ledger ledger = {0};
        char *rest = NULL;
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        _cleanup_free_ char *text = read_whole_fd(fd);
        char *end = text ? strrchr(text, '\n') : NULL;
        if (!text)
                return -ENOMEM;
        *(end ? end : text) = '\0';
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                struct ledger_entry entry, *more = reallocarray(ledger.entries, ledger.n + 1, sizeof(entry));
                int r = more ? 0 : -ENOMEM;
                if (more)
                        ledger.entries = more;
                if (r == 0 && sscanf(line, "%" SCNu64 " %31s %d", &entry.height, entry.version,
                                              &entry.pid) != 3)
                        r = -EBADMSG;
                if (r < 0) {
                        ledger_done(&ledger);
                        return r;
                }
                ledger.entries[ledger.n++] = entry;
        }
        *ret_ledger = ledger;
        return 0;
}

void ledger_done(struct ledger *ledger) {
        free(ledger->entries);
        *ledger = (struct ledger){0};
}

int ledger_check(const struct ledger *ledger, const struct ledger_range *ranges, size_t n_ranges,
                char **ret_why) {
        int r = check_heights(ledger, ret_why);
        for (size_t i = 0; r == 0 && n_ranges > 0 && i < ledger->n; i++) {
                const struct ledger_entry *entry = &ledger->entries[i];
                const char *wanted = NULL;
                for (size_t k = 0; k < n_ranges; k++)
                        if (entry->height >= ranges[k].from && entry->height <= ranges[k].to)
                                wanted = ranges[k].version;
                if (!wanted || strcmp(wanted, entry->version) != 0)
                        r = say(ret_why, "height %" PRIu64 " was processed by %s, not by %s", entry->height,
                                        entry->version, wanted ? wanted : "nobody");
        }
        return r;
}

int ledger_check_order(const struct ledger *ledger, const char *const *versions, char **ret_why) {
        int r = check_heights(ledger, ret_why);
        size_t at = 0;
        for (size_t i = 0; r == 0 && i < ledger->n; i++) {
                const struct ledger_entry *entry = &ledger->entries[i];
                if (versions[at] && strcmp(entry->version, versions[at]) == 0)
                        continue;
                if (i > 0 && versions[at] && versions[at + 1] &&
                                strcmp(entry->version, versions[at + 1]) == 0)
                        at++;
                else
                        r = say(ret_why, "height %" PRIu64 " was processed by %s after blocks of %s",
                                        entry->height, entry->version,
                                        i > 0 ? ledger->entries[i - 1].version : "nobody");
        }
        if (r == 0 && (ledger->n == 0 || !versions[at] || versions[at + 1]))
                r = say(ret_why, "no block was processed by %s",
                                versions[at] ? versions[at + (ledger->n > 0)] : "anybody");
        return r;
}

uint64_t ledger_last(const struct ledger *ledger) {
        return ledger->n ? ledger->entries[ledger->n - 1].height : 0;
}

static int check_heights(const struct ledger *ledger, char **ret_why) {
        for (size_t i = 0; i < ledger->n; i++)
                if (ledger->entries[i].height != ledger->entries[0].height + i)
                        return say(ret_why,
                                        "line %zu has height %" PRIu64 " (%s, process %d) where %" PRIu64
                                        " was to come",
                                        i + 1, ledger->entries[i].height, ledger->entries[i].version,
                                        ledger->entries[i].pid, ledger->entries[0].height + i);
        return 0;
}

static int say(char **ret_why, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        int n = vasprintf(ret_why, format, arguments);
        va_end(arguments);
        return n < 0 ? -ENOMEM : -EBADMSG;
}
