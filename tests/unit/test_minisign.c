/* Signatures made by Debian's minisign 0.10 are taken; whatever was changed in them, in the bytes or in the key is not. */
#include "lib/minisign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#define KEY "RWSWjSgZe2WhWVorIMI2QO95S8JtJbAN7rmGg64h46V9bYTLt9V4s2zJ"
#define OTHER_KEY "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3" /* minisign's own */

static const char content[] = "hello release\n";
static const char prehashed[] =
                "untrusted comment: signature from minisign secret key\n"
                "RUSWjSgZe2WhWeeLltWiS+NAnMFmPXh7J1OaNEfJSHdi3ahrSZ13K1Zi0J+"
                "NRsT7jVpXidyCNmteS9OMCMC4UIZ39NV/"
                "+YWv/go=\n"
                "trusted comment: version:1.0.0 first\n"
                "mw141VTxqpwdebOsTsq52tbrM5VK2+YA0wHS+wiqmXwq3GpXWSW5I2090kIP5bQhYxF8NktONWGjJDsSn7L7Ag==\n";
static const char legacy[] =
                "untrusted comment: signature from minisign secret key\n"
                "RWSWjSgZe2WhWTBJJfo8ZgQ6gRRJXnsnIjGdti+u+"
                "yinhlKWsGhflX6B3VYflWsGMY4wFjk8XFYn3ONrIxj4WPW0JcjGj5FE"
                "BQk=\n"
                "trusted comment: legacy\n"
                "nwhZr1SJJUl161Nsb6qILJ38/ph4/hZ3RqctGbumtW9fpaKkV/JhL7Qt+ekRsOwRqa2tqb09VLdp0Lit0wvNBw==\n";
static char *const keys[] = {(char *)OTHER_KEY, (char *)KEY, NULL};

static int check(const char *text, char *const *with, const char *data) {
        struct minisign_signature signature;
        int r = minisign_parse(text, &signature);
        return r < 0 ? r : minisign_verify(&signature, with, data, strlen(data));
}

static void both_forms_are_taken(void **state) {
        (void)state;
        assert_int_equal(check(prehashed, keys, content), 0);
        assert_int_equal(check(legacy, keys, content), 0);
}

static void a_file_is_read_whole_and_from_its_beginning(void **state) {
        struct minisign_signature signature;
        _cleanup_close_ int fd = memfd_create("content", MFD_CLOEXEC);
        (void)state;
        assert_int_equal(write(fd, content, strlen(content)), (int)strlen(content));
        assert_int_equal(minisign_parse(legacy, &signature), 0);
        assert_int_equal(minisign_verify_fd(&signature, keys, fd), 0);
        assert_int_equal(write(fd, "!", 1), 1);
        assert_int_equal(minisign_verify_fd(&signature, keys, fd), -EKEYREJECTED);
}

static void other_bytes_and_other_keys_are_refused(void **state) {
        char *const others[] = {(char *)OTHER_KEY, NULL};
        (void)state;
        assert_int_equal(check(prehashed, keys, "hello release"), -EKEYREJECTED);
        assert_int_equal(check(legacy, keys, ""), -EKEYREJECTED);
        assert_int_equal(check(prehashed, others, content), -ENOKEY);
}

/* Also the trusted comment; only the untrusted one may be anything. */
static void every_changed_character_is_refused(void **state) {
        static const char *const texts[] = {prehashed, legacy};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(texts); i++)
                for (size_t at = strcspn(texts[i], "\n") + 1; texts[i][at + 1]; at++) {
                        char *changed = strdup(texts[i]);
                        assert_non_null(changed);
                        changed[at] = changed[at] == 'A' ? 'B' : 'A';
                        if (check(changed, keys, content) == 0)
                                fail_msg("taken although character %zu was changed:\n%s", at, changed);
                        free(changed);
                }
}

static void every_truncated_text_is_refused(void **state) {
        (void)state;
        for (size_t length = 0; length + 1 < strlen(prehashed); length++) {
                char *text = strndup(prehashed, length);
                assert_non_null(text);
                assert_int_not_equal(check(text, keys, content), 0);
                free(text);
        }
}

static void a_key_is_a_line_or_a_file(void **state) {
        struct minisign_key key;
        (void)state;
        assert_int_equal(minisign_key_parse(KEY, &key), 0);
        assert_int_equal(minisign_key_parse("untrusted comment: minisign public key\n" KEY "\n", &key), 0);
        assert_int_equal(minisign_key_parse("RWQ", &key), -EINVAL);
        assert_int_equal(minisign_key_parse("", &key), -EINVAL);
        assert_int_equal(minisign_key_parse(KEY KEY, &key), -EINVAL);
}

/* An old release under a new number. */
static void the_trusted_comment_may_bind_the_version(void **state) {
        struct minisign_signature signature;
        (void)state;
        assert_int_equal(minisign_parse(prehashed, &signature), 0);
        assert_false(minisign_is_for_other_version(&signature, "1.0.0"));
        assert_true(minisign_is_for_other_version(&signature, "1.0.1"));
        assert_int_equal(minisign_parse(legacy, &signature), 0);
        assert_false(minisign_is_for_other_version(&signature, "1.0.1"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(both_forms_are_taken),
                        cmocka_unit_test(a_file_is_read_whole_and_from_its_beginning),
                        cmocka_unit_test(other_bytes_and_other_keys_are_refused),
                        cmocka_unit_test(every_changed_character_is_refused),
                        cmocka_unit_test(every_truncated_text_is_refused),
                        cmocka_unit_test(a_key_is_a_line_or_a_file),
                        cmocka_unit_test(the_trusted_comment_may_bind_the_version),
        };
        return cmocka_run_group_tests_name("minisign", tests, NULL, NULL);
}
