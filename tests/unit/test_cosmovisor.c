/* What is read from a cosmovisor's folders, and what of it is refused. */
#include "cli/cosmovisor.h"
#include "lib/control_protocol.h"
#include "support/cli_stage.h"

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
        assert_string_equal(cosmovisor->upgrades[2].name, "V3");
        assert_string_equal(cosmovisor->addresses[COSMOVISOR_RPC], "127.0.0.1:26657");
        assert_string_equal(cosmovisor->addresses[COSMOVISOR_P2P], "");
        assert_false(cosmovisor->signs);
        (void)snprintf(link_path, sizeof(link_path), "%s/cosmovisor/upgrades/v3/bin/d", home);
        assert_int_equal(unlink(link_path), 0);
        assert_int_equal(symlink("/bin/true", link_path), 0);
        assert_int_equal(cosmovisor_read(home, NULL, cosmovisor, &error), -EXDEV);
        assert_non_null(strstr(error, "leads out"));
        assert_int_equal(nftw(home, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
        free(cosmovisor);
}

/* What a name of the chain's would lead to is another numbering than ours. */
static void what_can_be_followed_depends_on_the_names(void **state) {
        struct cosmovisor *cosmovisor = malloc(sizeof(*cosmovisor));
        (void)state;
        assert_non_null(cosmovisor);
        number(cosmovisor, (const char *const[]){NULL});
        assert_true(cosmovisor_can_be_followed(cosmovisor));
        number(cosmovisor, (const char *const[]){"v2", "v3", NULL});
        assert_true(cosmovisor_can_be_followed(cosmovisor));
        number(cosmovisor, (const char *const[]){"acme", "boron", NULL});
        assert_true(cosmovisor_can_be_followed(cosmovisor));
        number(cosmovisor, (const char *const[]){"acme", "v2", NULL});
        assert_false(cosmovisor_can_be_followed(cosmovisor));
        number(cosmovisor, (const char *const[]){"a=b", NULL});
        assert_false(cosmovisor_can_be_followed(cosmovisor));
        free(cosmovisor);
}

static void addresses_that_are_enabled_are_read(void **state) {
        char home[] = "/tmp/test-cosmovisor.XXXXXX";
        struct cosmovisor *cosmovisor = malloc(sizeof(*cosmovisor));
        _cleanup_free_ char *error = NULL;
        (void)state;
        assert_non_null(cosmovisor);
        assert_non_null(mkdtemp(home));
        make_file(home, "cosmovisor/genesis/bin/d", "x");
        make_file(home, "config/config.toml",
                        "[p2p]\nladdr = \"tcp://0.0.0.0:26656\"\n[instrumentation]\nprometheus = true\n"
                        "prometheus_listen_addr = \":26660\"\n");
        make_file(home, "config/app.toml",
                        "[api]\nenable = true\naddress = \"tcp://localhost:1317\"\n[grpc]\nenable = false\n"
                        "address = \"localhost:9090\"\n[grpc-web]\nenable = true\naddress = "
                        "\"0.0.0.0:9091\"\n");
        assert_int_equal(cosmovisor_read(home, NULL, cosmovisor, &error), 0);
        assert_string_equal(cosmovisor->addresses[COSMOVISOR_P2P], "0.0.0.0:26656");
        assert_string_equal(cosmovisor->addresses[COSMOVISOR_PROMETHEUS], "[::]:26660");
        assert_string_equal(cosmovisor->addresses[COSMOVISOR_API], "localhost:1317");
        assert_string_equal(cosmovisor->addresses[COSMOVISOR_GRPC], "");
        assert_int_equal(nftw(home, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
        free(cosmovisor);
}

static void read_back(const struct scratch *s, const char *file, char *text, size_t size) {
        char path[160];
        (void)snprintf(path, sizeof(path), "%s/made/%s", s->folder, file);
        FILE *stream = fopen(path, "re");
        assert_non_null(stream);
        text[fread(text, 1, size - 1, stream)] = '\0';
        (void)fclose(stream);
}

/* An upgrade's folder is there before its binary is. */
static void an_import_goes_on_without_what_is_not_there(void **state) {
        struct scratch *s = *state;
        char home[80], line[300], text[4096];
        (void)snprintf(home, sizeof(home), "%s/home", s->folder);
        stage_make_folder(home);
        make_file(home, "cosmovisor/genesis/bin/d", "x");
        make_file(home, "cosmovisor/upgrades/v2/bin/d", "x");
        make_file(home, "cosmovisor/upgrades/v2/upgrade-info.json", "{\"name\": \"v2\", \"height\": 50}");
        make_file(home, "cosmovisor/upgrades/v3/bin/.empty", "");
        make_file(home, "cosmovisor/upgrades/notes", "x");
        make_file(home, "config/app.toml",
                        "[api]\nenable = true\naddress = \"tcp://acme:1317\"\n"
                        "[grpc]\nenable = true\naddress = \"localhost:9090\"\n");
        (void)snprintf(line, sizeof(line), "import cosmovisor %s %s/no/made", home, s->folder);
        assert_int_equal(stage_run_cli(s, line), EXIT_FAILED);
        stage_assert_says(s->err, "/no/made cannot be made: No such file");
        (void)snprintf(line, sizeof(line), "import cosmovisor %s %s/made", home, s->folder);
        assert_int_equal(stage_run_cli(s, line), EXIT_DONE);
        stage_assert_says(s->out, "adds the 2 releases");
        stage_assert_says(s->out, "\ncarried over: upgrades to come are followed");
        stage_assert_says(s->out,
                        "not carried over: the release 3.0.0 (v3): nothing that can be executed is at");
        stage_assert_says(s->out, "not carried over: the height of v3");
        stage_assert_says(s->out, "not carried over: the node is to listen at acme:1317");
        (void)snprintf(line, sizeof(line), "check %s/made/d.yaml", s->folder);
        assert_int_equal(stage_run_cli(s, line), EXIT_DONE);
        read_back(s, "d.yaml", text, sizeof(text));
        stage_assert_says(text, "\"tcp:0.0.0.0:26656\", \"tcp:localhost:9090\"]");
        stage_assert_says(text, "source: cosmovisor");
        stage_assert_says(text, "names: {\"v2\": \"=2.0.0\", \"v3\": \"=3.0.0\"}");
        /* The same words: a second line for one height would be refused. */
        read_back(s, "d.schedule", text, sizeof(text));
        stage_assert_says(text, "\n50 =2.0.0 ");
        read_back(s, "d.import", text, sizeof(text));
        assert_null(strstr(text, "3.0.0"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(an_upgrade_info_is_an_object_with_name_and_height),
                        cmocka_unit_test(hostile_upgrade_infos_are_refused),
                        cmocka_unit_test(names_that_are_versions_become_versions),
                        cmocka_unit_test(other_names_are_numbered_in_their_order),
                        cmocka_unit_test(folders_are_read_in_the_order_of_their_heights),
                        cmocka_unit_test(what_can_be_followed_depends_on_the_names),
                        cmocka_unit_test(addresses_that_are_enabled_are_read),
                        cmocka_unit_test_setup_teardown(an_import_goes_on_without_what_is_not_there,
                                        stage_make_scratch, stage_remove_scratch),
        };
        return cmocka_run_group_tests_name("cosmovisor", tests, NULL, NULL);
}
