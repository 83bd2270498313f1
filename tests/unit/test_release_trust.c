/* A signature that comes with a release is looked at when it is added, while there is time to get another. */
#include "lib/release.h"
#include "lib/release_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>

struct signer {
        char id[9], key[80];
        uint8_t secret[crypto_sign_SECRETKEYBYTES];
};

struct stage {
        char top[64], releases[96], source[96], tree[96];
        struct signer ours, theirs;
        char *error;
};

static void write_file(const char *path, const char *text) {
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(path, 0755), 0);
}

static void encode(const void *bytes, size_t size, char *text, size_t text_size) {
        assert_non_null(sodium_bin2base64(text, text_size, bytes, size, sodium_base64_VARIANT_ORIGINAL));
}

static void make_signer(struct signer *signer, const char *id) {
        uint8_t bytes[2 + 8 + crypto_sign_PUBLICKEYBYTES] = "Ed";
        text_copy(signer->id, sizeof(signer->id), id);
        memcpy(bytes + 2, id, 8);
        assert_int_equal(crypto_sign_keypair(bytes + 10, signer->secret), 0);
        encode(bytes, sizeof(bytes), signer->key, sizeof(signer->key));
}

/* As minisign's old form does: of the bytes themselves. */
static void sign(const struct signer *signer, const char *data, const char *comment, char *text,
                size_t size) {
        uint8_t bytes[2 + 8 + 64] = "Ed", commented[64 + 100], global[64];
        char first[120], last[120];
        memcpy(bytes + 2, signer->id, 8);
        assert_int_equal(crypto_sign_detached(bytes + 10, NULL, (const uint8_t *)data, strlen(data),
                                         signer->secret),
                        0);
        memcpy(commented, bytes + 10, 64);
        memcpy(commented + 64, comment, strlen(comment));
        assert_int_equal(crypto_sign_detached(global, NULL, commented, 64 + strlen(comment), signer->secret),
                        0);
        encode(bytes, sizeof(bytes), first, sizeof(first));
        encode(global, sizeof(global), last, sizeof(last));
        (void)snprintf(text, size, "untrusted comment: a test's\n%s\ntrusted comment: %s\n%s\n", first,
                        comment, last);
}

#define SCRIPT "#!/bin/sh\nexit 0\n"

static int setup(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        char path[120];
        assert_non_null(stage);
        assert_true(sodium_init() >= 0);
        text_copy(stage->top, sizeof(stage->top), "/tmp/interrex-trust-XXXXXX");
        assert_non_null(mkdtemp(stage->top));
        (void)snprintf(stage->releases, sizeof(stage->releases), "%s/state/node/releases", stage->top);
        (void)snprintf(stage->source, sizeof(stage->source), "%s/node", stage->top);
        (void)snprintf(stage->tree, sizeof(stage->tree), "%s/tree", stage->top);
        write_file(stage->source, SCRIPT);
        assert_int_equal(mkdir(stage->tree, 0755), 0);
        (void)snprintf(path, sizeof(path), "%s/node", stage->tree);
        write_file(path, SCRIPT);
        (void)snprintf(path, sizeof(path), "%s/rules", stage->tree);
        write_file(path, "rules\n");
        make_signer(&stage->ours, "ours    ");
        make_signer(&stage->theirs, "theirs  ");
        *state = stage;
        return 0;
}

static int teardown(void **state) {
        struct stage *stage = *state;
        assert_int_equal(tree_remove(AT_FDCWD, stage->top), 0);
        free(stage->error);
        free(stage);
        return 0;
}

static int add(struct stage *stage, const char *version, const char *source, const char *signature,
                bool is_known) {
        char *keys[] = {stage->ours.key, NULL};
        const struct release_signing signing = {.text = signature, .keys = is_known ? keys : NULL};
        bool existed;
        free(stage->error);
        stage->error = NULL;
        return release_add_signed(
                        stage->releases, version, source, NULL, NULL, &signing, &existed, &stage->error);
}

static int check_signer(struct stage *stage, const char *version) {
        char *keys[] = {stage->ours.key, NULL};
        free(stage->error);
        stage->error = NULL;
        return release_check_signer(stage->releases, version, keys, &stage->error);
}

static void assert_refused(struct stage *stage, int r, int wanted, const char *part) {
        struct release release;
        assert_int_equal(r, wanted);
        if (!stage->error || !strstr(stage->error, part))
                fail_msg("it says %s", stage->error);
        assert_int_equal(release_load(stage->releases, "1.0.0", &release), -ENOENT);
        assert_false(release_is_signed(stage->releases, "1.0.0"));
}

static void what_is_not_signed_as_trusted_is_not_added(void **state) {
        struct stage *stage = *state;
        char text[1000];
        sign(&stage->theirs, SCRIPT, "none", text, sizeof(text));
        assert_refused(stage, add(stage, "1.0.0", stage->source, text, true), -ENOKEY, "trust.keys");
        sign(&stage->ours, SCRIPT " ", "none", text, sizeof(text));
        assert_refused(stage, add(stage, "1.0.0", stage->source, text, true), -EKEYREJECTED,
                        "not what was signed");
        sign(&stage->ours, SCRIPT, "version:1.0.1", text, sizeof(text));
        assert_refused(stage, add(stage, "1.0.0", stage->source, text, true), -EINVAL, "another version");
        assert_refused(stage, add(stage, "1.0.0", stage->source, "no signature", true), -EINVAL, "minisign");
        sign(&stage->ours, SCRIPT, "none", text, sizeof(text));
        assert_refused(stage, add(stage, "1.0.0", stage->tree, text, true), -EKEYREJECTED,
                        "not what was signed");
}

static void what_is_signed_as_trusted_is_added(void **state) {
        struct stage *stage = *state;
        struct release release;
        char text[1000];
        sign(&stage->ours, SCRIPT, "version:1.0.0", text, sizeof(text));
        assert_int_equal(add(stage, "1.0.0", stage->source, text, true), 0);
        assert_int_equal(check_signer(stage, "1.0.0"), 0);
        /* Of more files it is the manifest that is signed. */
        assert_int_equal(add(stage, "2.0.0", stage->tree, NULL, true), 0);
        assert_int_equal(release_load(stage->releases, "2.0.0", &release), 0);
        _cleanup_free_ char *manifest = release_canonical_text(&release);
        release_done(&release);
        sign(&stage->ours, manifest, "none", text, sizeof(text));
        assert_int_equal(add(stage, "2.0.0", stage->tree, text, true), 0);
        assert_int_equal(check_signer(stage, "2.0.0"), 0);
}

/* A good signature that is there stays. */
static void a_bad_one_replaces_none(void **state) {
        struct stage *stage = *state;
        char good[1000], bad[1000];
        sign(&stage->ours, SCRIPT, "none", good, sizeof(good));
        sign(&stage->theirs, SCRIPT, "none", bad, sizeof(bad));
        assert_int_equal(add(stage, "1.0.0", stage->source, good, true), 0);
        assert_int_equal(add(stage, "1.0.0", stage->source, bad, true), -ENOKEY);
        assert_int_equal(check_signer(stage, "1.0.0"), 0);
        assert_int_equal(add(stage, "1.0.0", stage->source, NULL, true), 0);
        assert_int_equal(check_signer(stage, "1.0.0"), 0);
}

/* Where no keys are known it is kept, and the plan tells whose it is. */
static void the_signer_is_told(void **state) {
        struct stage *stage = *state;
        char text[1000];
        sign(&stage->theirs, SCRIPT, "none", text, sizeof(text));
        assert_int_equal(add(stage, "1.0.0", stage->source, text, false), 0);
        assert_int_equal(check_signer(stage, "1.0.0"), -ENOKEY);
        assert_non_null(strstr(stage->error, "not among trust.keys"));
        assert_int_equal(add(stage, "1.0.1", stage->source, NULL, false), 0);
        assert_int_equal(check_signer(stage, "1.0.1"), -ENOKEY);
        assert_non_null(strstr(stage->error, "not signed"));
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {STAGED(what_is_not_signed_as_trusted_is_not_added),
                        STAGED(what_is_signed_as_trusted_is_added), STAGED(a_bad_one_replaces_none),
                        STAGED(the_signer_is_told)};
        return cmocka_run_group_tests_name("trust in releases", tests, NULL, NULL);
}
