/* What is read from a cosmovisor's folders, and what of it is refused. */
#include "cli/cosmovisor.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

static int parse(const char *text, uint64_t *ret_height) {
        char name[16];
        return upgrade_info_parse(text, strlen(text), name, sizeof(name), ret_height);
}

static void an_upgrade_info_is_an_object_with_name_and_height(void **state) {
        uint64_t height = 0;
        (void)state;
        assert_int_equal(parse("{\"name\": \"v2\", \"height\": 123, \"info\": \"{}\"}", &height), 0);
        assert_int_equal(height, 123);
}

static void hostile_upgrade_infos_are_refused(void **state) {
        static const char *const texts[] = {"", "[]", "{}", "{\"name\": \"v2\"}",
                        "{\"name\": \"v2\", \"height\": \"12\"}", "{\"name\": \"v2\", \"height\": 0}",
                        "{\"name\": \"v2\", \"height\": -5}", "{\"name\": \"v2\", \"height\": 1e30}",
                        "{\"name\": \"v2\", \"height\": 99999999999999999999}",
                        "{\"name\": \"\", \"height\": 5}",
                        "{\"name\": \"a much too long name\", \"height\": 5}",
                        "{\"name\": \"a\\nb\", \"height\": 5}",
                        "{\"name\": \"v2\", \"height\": 5, \"height\": 6}",
                        "{\"name\": \"v2\", \"height\": 5"};
        uint64_t height = 7;
        char *deep = malloc(60001);
        (void)state;
        for (size_t i = 0; i < ELEMENTS(texts); i++)
                if (parse(texts[i], &height) >= 0)
                        fail_msg("taken: %s", texts[i]);
        assert_non_null(deep);
        memset(deep, '[', 60000);
        deep[60000] = '\0';
        assert_int_equal(parse(deep, &height), -EINVAL);
        assert_int_equal(height, 7);
        free(deep);
}

static void number(struct cosmovisor *cosmovisor, const char *const *names) {
        *cosmovisor = (struct cosmovisor){.n_upgrades = 1};
        for (; *names; names++)
                text_copy(cosmovisor->upgrades[cosmovisor->n_upgrades++].name, COSMOVISOR_NAME_MAX, *names);
        cosmovisor_number(cosmovisor);
}

static void names_that_are_versions_become_versions(void **state) {
        struct cosmovisor *cosmovisor = malloc(sizeof(*cosmovisor));
        (void)state;
        assert_non_null(cosmovisor);
        number(cosmovisor, (const char *const[]){"v2", "v2.1", "v3.0.0-rc1", "v10", NULL});
        static const char *const wanted[] = {"0.0.0", "2.0.0", "2.1.0", "3.0.0-rc1", "10.0.0"};
        for (size_t i = 0; i < ELEMENTS(wanted); i++)
                assert_string_equal(cosmovisor->upgrades[i].version, wanted[i]);
        free(cosmovisor);
}

static void other_names_are_numbered_in_their_order(void **state) {
        struct cosmovisor *cosmovisor = malloc(sizeof(*cosmovisor));
        (void)state;
        assert_non_null(cosmovisor);
        number(cosmovisor, (const char *const[]){"v3", "acme", "v2", NULL});
        static const char *const wanted[] = {"1.0.0", "2.0.0", "3.0.0", "4.0.0"};
        for (size_t i = 0; i < ELEMENTS(wanted); i++)
                assert_string_equal(cosmovisor->upgrades[i].version, wanted[i]);
        free(cosmovisor);
}

static void make_file(const char *home, const char *below, const char *text) {
        char path[512];
        (void)snprintf(path, sizeof(path), "%s/%s", home, below);
        for (char *slash = path + strlen(home) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
                *slash = '/';
        }
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
        assert_int_equal(write(fd, text, strlen(text)), (int)strlen(text));
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where) {
        (void)st;
        (void)kind;
        (void)where;
        return remove(path);
}

static void folders_are_read_in_the_order_of_their_heights(void **state) {
        char home[] = "/tmp/test-cosmovisor.XXXXXX", link_path[64];
        struct cosmovisor *cosmovisor = malloc(sizeof(*cosmovisor));
        _cleanup_free_ char *error = NULL;
        (void)state;
        assert_non_null(cosmovisor);
        assert_non_null(mkdtemp(home));
        make_file(home, "cosmovisor/genesis/bin/d", "x");
        make_file(home, "cosmovisor/upgrades/v3/bin/d", "x");
        make_file(home, "cosmovisor/upgrades/v2/bin/d", "x");
        make_file(home, "cosmovisor/upgrades/v2/upgrade-info.json", "{\"name\": \"v2\", \"height\": 50}");
        make_file(home, "data/upgrade-info.json", "{\"name\": \"V3\", \"height\": 90}");
        make_file(home, "config/config.toml",
                        "laddr = \"tcp://9.9.9.9:1\"\n[rpc]\nladdr = \"tcp://127.0.0.1:26657\"\n");
        assert_int_equal(cosmovisor_read(home, NULL, cosmovisor, &error), 0);
        assert_int_equal(cosmovisor->n_upgrades, 3);
        assert_int_equal(cosmovisor->upgrades[1].height, 50);
        assert_int_equal(cosmovisor->upgrades[2].height, 90);
        assert_string_equal(cosmovisor->upgrades[2].version, "3.0.0");
        assert_true(cosmovisor->upgrades[0].is_current);
        assert_string_equal(cosmovisor->rpc, "127.0.0.1:26657");
        assert_string_equal(cosmovisor->p2p, "");
        assert_false(cosmovisor->signs);
        (void)snprintf(link_path, sizeof(link_path), "%s/cosmovisor/upgrades/v3/bin/d", home);
        assert_int_equal(unlink(link_path), 0);
        assert_int_equal(symlink("/bin/true", link_path), 0);
        assert_int_equal(cosmovisor_read(home, NULL, cosmovisor, &error), -EXDEV);
        assert_non_null(strstr(error, "leads out"));
        assert_int_equal(nftw(home, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
        free(cosmovisor);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(an_upgrade_info_is_an_object_with_name_and_height),
                        cmocka_unit_test(hostile_upgrade_infos_are_refused),
                        cmocka_unit_test(names_that_are_versions_become_versions),
                        cmocka_unit_test(other_names_are_numbered_in_their_order),
                        cmocka_unit_test(folders_are_read_in_the_order_of_their_heights),
        };
        return cmocka_run_group_tests_name("cosmovisor", tests, NULL, NULL);
}
