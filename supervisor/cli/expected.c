#include "expected.h"

#include "../lib/schedule_reading.h"
#include <fcntl.h>
#include <sys/stat.h>

#define CONFIG_SIZE_MAX ((size_t)1024 * 1024)

/* Where it is read the director has said, and it may have been taken over: so root's own files only. */
static int open_config(const char *path) {
        struct stat st;
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        bool is_ours = S_ISREG(st.st_mode) && st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
        return is_ours ? TAKE_FD(fd) : -EPERM;
}

/* What is wrong with it is for `check` to say. */
static void read_config(const struct node *node, struct expected *expected) {
        _cleanup_(config_free_at) struct config *config = NULL;
        _cleanup_(config_mistakes_done) struct config_mistakes mistakes = {0};
        _cleanup_free_ char *text = NULL;
        size_t length = 0;
        _cleanup_close_ int fd = open_config(expected->config);
        if (fd < 0 || schedule_reading_load(fd, CONFIG_SIZE_MAX, &text, &length) < 0 ||
                        config_parse(text, length, &config, &mistakes) < 0 ||
                        strcmp(config->node, node->name) != 0)
                return;
        expected->command = strdup(config->exec.command);
        expected->release = config->release ? strdup(config->release) : NULL;
        for (size_t i = 0; config->trust_keys && config->trust_keys[i]; i++)
                if (!strv_contains(expected->keys, config->trust_keys[i]))
                        (void)strv_push(&expected->keys, config->trust_keys[i]);
}

void expected_find(const struct node *node, struct expected *ret_expected) {
        struct journal *journal = NULL;
        /* One that cannot be read keeps nobody from adding a release. */
        if (journal_open(node->journal, false, &journal) < 0)
                journal = NULL;
        ret_expected->config = node_config_path(node, journal);
        ret_expected->noted = node_note(journal, JOURNAL_COMMAND);
        if (journal) {
                (void)expected_note_keys(journal, &ret_expected->keys);
                journal_close(journal);
        }
        if (ret_expected->config)
                read_config(node, ret_expected);
}

int expected_note_keys(struct journal *journal, char ***keys) {
        _cleanup_free_ char *noted = NULL;
        void *value = NULL;
        size_t size = 0;
        int r = journal_get(journal, JOURNAL_TRUST, &value, &size);
        noted = value;
        for (size_t at = 0; r >= 0 && at < size; at += strlen(noted + at) + 1)
                r = strv_push(keys, noted + at);
        return r;
}

void expected_done(struct expected *expected) {
        free(expected->command);
        free(expected->release);
        free(expected->config);
        free(expected->noted);
        strv_free(expected->keys);
        *expected = (struct expected){0};
}
