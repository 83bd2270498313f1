#include "support/journal_stage.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

int journal_stage_make(void **state) {
        struct journal_scratch *scratch = calloc(1, sizeof(*scratch));
        assert_non_null(scratch);
        strcpy(scratch->folder, "/tmp/interrex-journal-XXXXXX");
        assert_non_null(mkdtemp(scratch->folder));
        (void)snprintf(scratch->path, sizeof(scratch->path), "%s/journal.db", scratch->folder);
        *state = scratch;
        return 0;
}

int journal_stage_remove(void **state) {
        struct journal_scratch *scratch = *state;
        static const char *const suffixes[] = {"", "-wal", "-shm"};
        for (size_t i = 0; i < ELEMENTS(suffixes); i++) {
                char path[160];
                (void)snprintf(path, sizeof(path), "%s%s", scratch->path, suffixes[i]);
                (void)unlink(path);
        }
        int r = rmdir(scratch->folder);
        free(scratch);
        return r;
}

struct journal *journal_stage_open(const struct journal_scratch *scratch, bool create) {
        struct journal *journal = NULL;
        assert_int_equal(journal_open(scratch->path, create, &journal), 0);
        return journal;
}

struct journal_swap journal_stage_swap(void) {
        return (struct journal_swap){
                        .kind = "upgrade",
                        .from = "1.7.0",
                        .to = "1.7.1",
                        .at_height = 1300,
                        .mode = "exclusive",
                        .started_at = 1700000000000000,
                        .outcome = "",
                        .snapshot = "reflink",
        };
}

int journal_stage_wait_for(pid_t pid) {
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

int journal_stage_set_boundary(struct journal *journal, uint64_t height, const char *range) {
        struct boundary_rule rule = {.at = height, .from = BOUNDARY_NO_WINDOW};
        text_copy(rule.range, sizeof(rule.range), range);
        return journal_boundary_set(journal, &rule);
}

int journal_stage_remove_boundary(struct journal *journal, uint64_t height) {
        return journal_boundary_remove(
                        journal, &(const struct boundary_rule){.at = height, .from = BOUNDARY_NO_WINDOW});
}

static _Noreturn void write_and_stop(const struct journal_scratch *scratch) {
        struct journal *journal = NULL;
        struct journal_swap swap = journal_stage_swap();
        uint64_t id = 0;
        if (journal_open(scratch->path, true, &journal) < 0 ||
                        journal_set(journal, "machine", "abc\0def", 7) < 0 ||
                        journal_swap_begin(journal, &swap, &id) < 0 || id != 1 ||
                        journal_stage_set_boundary(journal, 1300, ">=1.7.1") < 0)
                _exit(1);
        if (journal_begin(journal) < 0 || journal_set(journal, "machine", "half", 4) < 0)
                _exit(2);
        (void)raise(SIGSTOP);
        _exit(3);
}

void journal_stage_crash(const struct journal_scratch *scratch) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0)
                write_and_stop(scratch);
        assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
        assert_true(WIFSTOPPED(status));
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
}
