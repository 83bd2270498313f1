/* The schedule comes from a file, a server or the node itself, and nobody stands by. What is not in order changes nothing. */
#include "support/signing.h"
#include <arpa/inet.h>
#include <poll.h>
#include <sys/stat.h>

#define TIMEOUT_US (60 * USEC_PER_SEC)
#define NEVER "100000000"

struct place {
        char schedule[128], other[128];
};

static void configure(struct scenario *s, const char *more);
static void add_signed_release(struct scenario *s, const char *version);
static void write_file(const char *path, const char *text);
static void replace_file(const char *path, const char *text);
static void start_server(struct scenario *s, struct process *ret_server);
static void make_certificates(struct scenario *s);
static struct place place(struct scenario *s, const char *name);

struct wanted {
        int64_t sequence;  /* -1: none */
        const char *error; /* NULL: none */
};

static bool schedule_is(const json_t *status, const void *userdata) {
        const struct wanted *wanted = userdata;
        const json_t *schedule = json_object_get(status, "schedule"),
                     *sequence = json_object_get(schedule, "sequence");
        const char *error = json_string_value(json_object_get(schedule, "error"));
        return (wanted->sequence < 0 ? json_is_null(sequence)
                                     : json_integer_value(sequence) == wanted->sequence) &&
               (wanted->error ? error && strstr(error, wanted->error) : !error) &&
               (!wanted->error || json_array_size(json_object_get(status, "degraded")) > 0);
}

static void wait_schedule(struct scenario *s, int64_t sequence, const char *error) {
        const struct wanted wanted = {sequence, error};
        json_decref(scenario_wait_status(s, schedule_is, &wanted, TIMEOUT_US));
}

SCENARIO(I3_a_file_is_followed_when_it_is_edited) {
        static const struct ledger_range ranges[] = {
                        {1, 19, "1.0.0"}, {20, 299, "2.0.0"}, {300, UINT64_MAX, "3.0.0"}};
        struct place at = place(s, "schedule");
        char more[256];
        (void)snprintf(more, sizeof(more),
                        "release: \"3.0.0\"\nschedule: {source: file, path: %s, every: 1h}", at.schedule);
        write_file(at.schedule, "sequence 1\n1 1.x\n20 2.x\n");
        configure(s, more);
        scenario_add_testnodes(s, 1, 3);
        scenario_start(s); /* with 1.0.0, because the file was read before */
        scenario_wait_height(s, 25, TIMEOUT_US);
        scenario_assert_release(s, "2.0.0");
        wait_schedule(s, 1, NULL);
        write_file(at.schedule, "sequence 2\n1 1.x\n20 2.x\n200 whatever\n");
        wait_schedule(s, 1, "line 4: whatever");
        int director = scenario_role(s, "interrex-director");
        scenario_kill(director);
        (void)scenario_wait_role(s, "interrex-director", director, TIMEOUT_US);
        wait_schedule(s, 1, "line 4: whatever");
        replace_file(at.schedule, "sequence 2\n1 1.x\n20 2.x\n300 3.x\n");
        wait_schedule(s, 2, NULL);
        write_file(at.schedule, "sequence 1\n1 1.x\n20 2.x\n");
        wait_schedule(s, 2, "is older than 2");
        assert_int_equal(unlink(at.schedule), 0);
        wait_schedule(s, 2, "No such file");
        scenario_wait_height(s, 310, TIMEOUT_US);
        scenario_assert_release(s, "3.0.0");
        scenario_stop(s);
        scenario_assert_ranges(s, ranges, ELEMENTS(ranges));
}

static bool is_clean(const json_t *status, const void *words) {
        return !scenario_is_degraded(status, words);
}

/* Who edits a line of it moves nothing: the old one stays beside the new one, and that is said. */
SCENARIO(a_line_that_is_gone_from_a_file_without_a_number_is_named) {
        static const char *const beside = "the boundary \"30000000 2.x\" is in force and not in";
        struct place at = place(s, "schedule");
        char more[256];
        (void)snprintf(more, sizeof(more),
                        "release: \"1.0.0\"\nschedule: {source: file, path: %s, every: 100ms}", at.schedule);
        write_file(at.schedule, "30000000 2.x\n");
        configure(s, more);
        scenario_add_testnodes(s, 1, 2);
        scenario_start(s);
        wait_schedule(s, -1, NULL);
        replace_file(at.schedule, "40000000 2.x\n");
        json_decref(scenario_wait_status(s, scenario_is_degraded, beside, TIMEOUT_US));
        scenario_expect(s, 0, "schedule", "remove", s->node, "30000000", NULL);
        json_decref(scenario_wait_status(s, is_clean, beside, TIMEOUT_US));
        scenario_stop(s);
}

/* The director may not look into the folder: the keeper opens the file, and it is looked at now and then. */
SCENARIO(I3_a_file_that_only_root_may_read_is_followed) {
        struct place at;
        char folder[128], more[256];
        (void)snprintf(folder, sizeof(folder), "%s/closed", s->directory);
        assert_int_equal(mkdir(folder, 0700), 0);
        at = place(s, "closed/schedule");
        (void)snprintf(more, sizeof(more),
                        "release: \"1.0.0\"\nschedule: {source: file, path: %s, every: 100ms}", at.schedule);
        configure(s, more);
        scenario_add_testnodes(s, 1, 3);
        scenario_start(s);
        wait_schedule(s, -1, "No such file");
        write_file(at.schedule, "sequence 1\n1 1.x\n" NEVER " 2.x\n");
        wait_schedule(s, 1, NULL);
        replace_file(at.schedule, "sequence 2\n1 1.x\n");
        wait_schedule(s, 2, NULL);
        scenario_stop(s);
}

static void serve(struct scenario *s, const char *url_and_more, struct process *ret_server) {
        struct place at = place(s, "www/schedule");
        char key[128], more[512], folder[128];
        scenario_need("/usr/bin/minisign");
        scenario_need("/usr/sbin/nginx");
        (void)snprintf(folder, sizeof(folder), "%s/www", s->directory);
        assert_int_equal(mkdir(folder, 0755), 0);
        signing_make_key(s, "theirs", key, sizeof(key));
        signing_make_key(s, "ours", key, sizeof(key));
        (void)snprintf(more, sizeof(more),
                        "release: \"1.0.0\"\ntrust: {keys: [\"%s\"]}\nschedule: {source: https, every: "
                        "100ms, %s}",
                        key, url_and_more);
        configure(s, more);
        add_signed_release(s, "1.0.0");
        add_signed_release(s, "2.0.0");
        write_file(at.schedule, "sequence 1\n1 1.x\n" NEVER " 2.x\n");
        start_server(s, ret_server);
        scenario_start(s);
}

/* Signed, unsigned, replayed, swapped, by another key, not there any more. */
static void serve_all_sorts(struct scenario *s, const char *url_and_more) {
        struct place at = place(s, "www/schedule");
        struct process server;
        char signature[160], kept[170], text[64];
        serve(s, url_and_more, &server);
        (void)snprintf(signature, sizeof(signature), "%s.minisig", at.schedule);
        (void)snprintf(kept, sizeof(kept), "%s.kept", signature);
        wait_schedule(s, -1, "404"); /* there is no signature */
        signing_sign(s, "ours", at.schedule, "none");
        wait_schedule(s, 1, NULL);
        SIGNING_RUN(NULL, "cp", signature, kept);
        write_file(at.schedule, "sequence 2\n1 1.x\n" NEVER " 1.x\n");
        wait_schedule(s, 1, "not what was signed");
        signing_sign(s, "theirs", at.schedule, "none");
        wait_schedule(s, 1, "not among trust.keys");
        signing_sign(s, "ours", at.schedule, "node:another");
        wait_schedule(s, 1, "of node another");
        signing_sign(s, "ours", at.schedule, "sequence:7");
        wait_schedule(s, 1, "for sequence 7");
        signing_sign(s, "ours", at.schedule, "sequence:2");
        wait_schedule(s, 2, NULL);
        write_file(at.schedule, "sequence 1\n1 1.x\n" NEVER " 2.x\n");
        SIGNING_RUN(NULL, "cp", kept, signature);
        wait_schedule(s, 2, "is older than 2");
        write_file(at.schedule, "1 1.x\n");
        signing_sign(s, "ours", at.schedule, "none");
        wait_schedule(s, 2, "no sequence number");
        process_kill(&server);
        wait_schedule(s, 2, "cannot be fetched");
        start_server(s, &server);
        json_t *status = scenario_status(s);
        assert_non_null(status);
        uint64_t boundary = (uint64_t)scenario_number(status, "height") +
                            200; /* ahead, however long all this took */
        json_decref(status);
        (void)snprintf(text, sizeof(text), "sequence 3\n1 1.x\n%lu 2.x\n", boundary);
        write_file(at.schedule, text);
        signing_sign(s, "ours", at.schedule, "none");
        wait_schedule(s, 3, NULL);
        scenario_wait_height(s, boundary + 10, TIMEOUT_US);
        scenario_assert_release(s, "2.0.0");
        scenario_stop(s);
        process_kill(&server);
}

static void serve_in_vain(struct scenario *s, const char *url_and_more, const char *why) {
        struct place at = place(s, "www/schedule");
        struct process server;
        serve(s, url_and_more, &server);
        signing_sign(s, "ours", at.schedule, "none");
        wait_schedule(s, -1, why);
        scenario_stop(s);
        process_kill(&server);
}

SCENARIO(I7_a_server_is_believed_what_was_signed) {
        serve_all_sorts(s, "url: \"http://127.0.0.1:8080/schedule?of=testnode\"");
}

SCENARIO(I7_a_server_with_a_certificate_of_a_known_authority) {
        char more[256];
        scenario_need("/usr/bin/openssl");
        make_certificates(s);
        (void)snprintf(more, sizeof(more), "url: \"https://localhost:8443/schedule\", ca: %s/ca.pem",
                        s->directory);
        serve_all_sorts(s, more);
}

SCENARIO(I7_a_server_with_a_certificate_of_nobody_known) {
        scenario_need("/usr/bin/openssl");
        make_certificates(s);
        serve_in_vain(s, "url: \"https://localhost:8443/schedule\"", "certificate");
}

SCENARIO(I7_a_server_with_a_certificate_of_another_name) {
        char more[256];
        scenario_need("/usr/bin/openssl");
        make_certificates(s);
        (void)snprintf(more, sizeof(more), "url: \"https://127.0.0.1:8443/schedule\", ca: %s/ca.pem",
                        s->directory);
        serve_in_vain(s, more, "certificate");
}

static int listen_and_say_nothing(uint16_t port) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                        .sin_port = htons(port),
                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 8), 0);
        return fd;
}

static void read_status(int pid, char *status, size_t size) {
        char path[64];
        (void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        assert_non_null(file);
        status[fread(status, 1, size - 1, file)] = '\0';
}

static bool has_same(const char *one, const char *other, const char *name) {
        const char *line = strstr(one, name), *others = strstr(other, name);
        assert_non_null(line);
        assert_non_null(others);
        return strncmp(line, others, strcspn(line + 1, "\n") + 2) == 0;
}

/* As the prober, which has a filter of its own behind the keeper's; both may still be about to load theirs. */
static void assert_is_confined(int pid, int prober) {
        static const char *const names[] = {
                        "\nUid:", "\nGid:", "\nGroups:", "\nCapPrm:", "\nCapEff:", "\nNoNewPrivs:"};
        static const char two[] = "\nSeccomp_filters:\t2\n";
        char status[4096], probers[4096];
        uint64_t deadline = now_monotonic() + process_patience(TIMEOUT_US);
        do {
                (void)poll(NULL, 0, 10);
                read_status(pid, status, sizeof(status));
                read_status(prober, probers, sizeof(probers));
        } while (now_monotonic() < deadline && (!strstr(probers, two) || !strstr(status, two)));
        assert_true(has_same(status, probers, "\nSeccomp_filters:"));
        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (!has_same(status, probers, names[i]))
                        fail_msg("%s of the prober and of the fetcher differ: %s", names[i] + 1, status);
        assert_non_null(strstr(status, "\nCapPrm:\t0000000000000000\n"));
        assert_null(strstr(status, "\nUid:\t0\t"));
}

/* A server that never answers holds neither the node's start nor anything else. */
SCENARIO(I7_what_fetches_has_no_privileges) {
        int fd = listen_and_say_nothing(8080);
        configure(s, "release: \"1.0.0\"\nschedule: {source: flow, url: \"http://127.0.0.1:8080/\"}");
        scenario_add_testnodes(s, 1, 3);
        scenario_start_supervisor(s);
        int prober = scenario_wait_role(s, "interrex-prober", 0, TIMEOUT_US);
        assert_is_confined(scenario_wait_role(s, "interrex-fetcher", 0, TIMEOUT_US), prober);
        scenario_wait_phase(s, "running", TIMEOUT_US);
        close_fd(fd);
        wait_schedule(s, -1, "cannot be fetched");
        scenario_stop(s);
}

static void assert_import(struct scenario *s, const char *path, int status, const char *word) {
        struct process_result result = scenario_cli(s, "schedule", "import", s->node, path, NULL);
        if (result.status != status || (word && !strstr(result.error, word)))
                fail_msg("%d instead of %d with \"%s\": %s%s", result.status, status, word ? word : "",
                                result.output, result.error);
        process_result_done(&result);
}

/* What was taken first is still there, and nothing else. */
static void assert_in_force(struct scenario *s) {
        struct process_result result = scenario_cli(s, "schedule", "show", s->node, NULL);
        if (!strstr(result.output, NEVER) || !strstr(result.output, "2.x") || strstr(result.output, "3.x"))
                fail_msg("%s", result.output);
        process_result_done(&result);
}

static void import_all_sorts(struct scenario *s, unsigned first) {
        struct place at = place(s, "import");
        char text[128], signature[160], other[160];
        (void)snprintf(signature, sizeof(signature), "%s.minisig", at.schedule);
        (void)snprintf(other, sizeof(other), "%s.minisig", at.other);
        (void)snprintf(text, sizeof(text), "sequence %u\n1 1.x\n" NEVER " 2.x\n", first);
        write_file(at.schedule, text);
        (void)unlink(signature);
        assert_import(s, at.schedule, 1, "not signed");
        signing_sign(s, "theirs", at.schedule, "none");
        assert_import(s, at.schedule, 1, "not among trust.keys");
        write_file(at.other, "1 2.x\n");
        signing_sign(s, "ours", at.other, "none");
        SIGNING_RUN(NULL, "cp", other, signature);
        assert_import(s, at.schedule, 1, "not what was signed");
        signing_sign(s, "ours", at.schedule, "none");
        assert_import(s, at.schedule, 0, NULL);
        assert_in_force(s);
        assert_int_equal(truncate(at.schedule, (off_t)strlen("sequence 2\n1 1.x\n")), 0);
        assert_import(s, at.schedule, 1, "not what was signed");
        (void)snprintf(text, sizeof(text), "sequence %u\n1 1.x\n" NEVER " 3.x\n", first - 1);
        write_file(at.schedule, text);
        signing_sign(s, "ours", at.schedule, "none");
        assert_import(s, at.schedule, 1, "is older than");
        write_file(at.schedule, "sequence 9\nsoon 1.x\n1 1.x\n2 ???\n");
        signing_sign(s, "ours", at.schedule, "none");
        assert_import(s, at.schedule, 2, "import:2: soon");
        assert_import(s, at.schedule, 2, "import:4: ???");
        assert_in_force(s);
}

SCENARIO(I7_an_import_must_be_signed_where_keys_are_configured) {
        char key[128], more[256];
        scenario_need("/usr/bin/minisign");
        signing_make_key(s, "theirs", key, sizeof(key));
        signing_make_key(s, "ours", key, sizeof(key));
        (void)snprintf(more, sizeof(more), "release: \"1.0.0\"\ntrust: {keys: [\"%s\"]}", key);
        configure(s, more);
        add_signed_release(s, "1.0.0");
        scenario_start(s);
        import_all_sorts(s, 2);
        scenario_stop(s);
        import_all_sorts(s, 5); /* by root, while it does not run */
        scenario_expect(s, 0, "schedule", "set", s->node, "5", "1.x", NULL); /* an operator's own word */
}

/* As x/upgrade does it: the node writes the file and goes no further with the old release. */
SCENARIO(I3_a_node_asks_for_an_upgrade_in_its_own_file) {
        static const struct ledger_range ranges[] = {{1, 199, "1.0.0"}, {200, UINT64_MAX, "2.0.0"}};
        char folder[160];
        (void)snprintf(folder, sizeof(folder), "%s/data", s->data);
        configure(s, "release: \"1.0.0\"\nschedule: {source: cosmovisor, every: 100ms, names: "
                     "{second-birth: \"2.0.0\"}}");
        scenario_add_testnodes(s, 1, 3);
        scenario_start(s);
        wait_schedule(s, -1, NULL); /* none is there: so it is before the first upgrade */
        assert_int_equal(mkdir(folder, 0700), 0);
        struct place at = place(s, "unused");
        (void)snprintf(at.schedule, sizeof(at.schedule), "%s/upgrade-info.json", folder);
        write_file(at.schedule, "{\"name\": \"acme\", \"height\": 200}");
        wait_schedule(s, -1, "which release is the upgrade \"acme\"");
        write_file(at.schedule, "{\"name\": \"second-birth\", \"height\": 200, \"info\": \"{}\"}");
        wait_schedule(s, -1, NULL);
        write_file(at.schedule, "{\"name\": \"second-birth\", \"height\": 150}");
        wait_schedule(s, -1, "has asked for one at 200 before");
        scenario_wait_height(s, 210, TIMEOUT_US);
        scenario_stop(s);
        scenario_assert_ranges(s, ranges, ELEMENTS(ranges));
}

SCENARIO(I3_a_version_beacon_is_followed) {
        static const struct ledger_range ranges[] = {
                        {1, 199, "1.0.0"}, {200, 299, "2.0.0"}, {300, UINT64_MAX, "3.0.0"}};
        struct place at = place(s, "beacon");
        char more[256];
        (void)snprintf(more, sizeof(more), "release: \"1.0.0\"\nschedule: {source: flow, path: %s}",
                        at.schedule);
        write_file(at.schedule, "{\"VersionBoundaries\": [{\"BlockHeight\": 0, \"Version\": \"v1.0.0\"}, "
                                "{\"BlockHeight\": 200, \"Version\": \"v2.0.0\"}], \"Sequence\": 4}");
        configure(s, more);
        scenario_add_testnodes(s, 1, 3);
        scenario_start(s);
        wait_schedule(s, 4, NULL);
        /* 3.0.0 is at hand already, and no boundary is for it yet. */
        scenario_wait_height(s, 210, TIMEOUT_US);
        replace_file(at.schedule, "{\"VersionBoundaries\": [{\"BlockHeight\": 0, \"Version\": \"v1.0.0\"}, "
                                  "{\"BlockHeight\": 200, \"Version\": \"v2.0.0\"}, {\"BlockHeight\": 300, "
                                  "\"Version\": \"v3.0.0\"}], "
                                  "\"Sequence\": 5}");
        wait_schedule(s, 5, NULL);
        scenario_wait_height(s, 310, TIMEOUT_US);
        scenario_stop(s);
        scenario_assert_ranges(s, ranges, ELEMENTS(ranges));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I3_a_file_is_followed_when_it_is_edited),
                        SCENARIO_TEST(a_line_that_is_gone_from_a_file_without_a_number_is_named),
                        SCENARIO_TEST(I3_a_file_that_only_root_may_read_is_followed),
                        SCENARIO_TEST(I7_a_server_is_believed_what_was_signed),
                        SCENARIO_TEST(I7_a_server_with_a_certificate_of_a_known_authority),
                        SCENARIO_TEST(I7_a_server_with_a_certificate_of_nobody_known),
                        SCENARIO_TEST(I7_a_server_with_a_certificate_of_another_name),
                        SCENARIO_TEST(I7_what_fetches_has_no_privileges),
                        SCENARIO_TEST(I7_an_import_must_be_signed_where_keys_are_configured),
                        SCENARIO_TEST(I3_a_node_asks_for_an_upgrade_in_its_own_file),
                        SCENARIO_TEST(I3_a_version_beacon_is_followed),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("sources of schedules", tests, NULL, NULL);
}

static void configure(struct scenario *s, const char *more) {
        char text[1024];
        (void)snprintf(text, sizeof(text),
                        "%s\nprobation: 100ms\nprogress: {blocks: 1, within: 10s}\nrestart: {backoff: "
                        "[10ms]}\n",
                        more);
        scenario_configure_testnode(s, &(struct scenario_testnode){.block_ms = 20, .more = text});
}

/* The test node, as one file with bytes behind it that tell its versions apart. */
static void add_signed_release(struct scenario *s, const char *version) {
        char from[300], path[128];
        (void)snprintf(from, sizeof(from), "%s/testnode", s->nodes);
        (void)snprintf(path, sizeof(path), "%s/testnode-%s", s->directory, version);
        SIGNING_RUN(NULL, "cp", from, path);
        signing_sign(s, "ours", path, "none");
        scenario_expect(s, 0, "release", "add", s->node, version, path, NULL);
}

static struct place place(struct scenario *s, const char *name) {
        struct place at;
        (void)snprintf(at.schedule, sizeof(at.schedule), "%s/%s", s->directory, name);
        (void)snprintf(at.other, sizeof(at.other), "%s/%s-other", s->directory, name);
        return at;
}

static void write_file(const char *path, const char *text) {
        _cleanup_fclose_ FILE *file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
}

/* As most editors save. */
static void replace_file(const char *path, const char *text) {
        char temporary[160];
        (void)snprintf(temporary, sizeof(temporary), "%s~", path);
        write_file(temporary, text);
        assert_int_equal(rename(temporary, path), 0);
}

static void make_certificates(struct scenario *s) {
        char ca[96], ca_key[96], certificate[96], key[96], request[96], extension[96];
        (void)snprintf(ca, sizeof(ca), "%s/ca.pem", s->directory);
        (void)snprintf(ca_key, sizeof(ca_key), "%s/ca.key", s->directory);
        (void)snprintf(certificate, sizeof(certificate), "%s/server.pem", s->directory);
        (void)snprintf(key, sizeof(key), "%s/server.key", s->directory);
        (void)snprintf(request, sizeof(request), "%s/server.csr", s->directory);
        (void)snprintf(extension, sizeof(extension), "%s/server.ext", s->directory);
        write_file(extension, "subjectAltName=DNS:localhost\n");
        SIGNING_RUN(NULL, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                        "/CN=scenario", "-keyout", ca_key, "-out", ca);
        SIGNING_RUN(NULL, "openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
                        "-keyout", key, "-out", request);
        SIGNING_RUN(NULL, "openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key,
                        "-CAcreateserial", "-days", "2", "-extfile", extension, "-out", certificate);
}

static void start_server(struct scenario *s, struct process *ret_server) {
        char config[96], text[1500], certificate[96];
        bool is_secure;
        (void)snprintf(certificate, sizeof(certificate), "%s/server.pem", s->directory);
        is_secure = access(certificate, F_OK) == 0;
        (void)snprintf(config, sizeof(config), "%s/server.conf", s->directory);
        (void)snprintf(text, sizeof(text),
                        "daemon off;\nmaster_process off;\npid %s/server.pid;\nerror_log stderr "
                        "crit;\nevents {}\n"
                        "http {\n  access_log off;\n  client_body_temp_path %s/t1; proxy_temp_path %s/t2; "
                        "fastcgi_temp_path %s/t3;\n"
                        "  uwsgi_temp_path %s/t4; scgi_temp_path %s/t5;\n  server {\n    listen "
                        "127.0.0.1:8080;\n%s%s%s%s%s    root "
                        "%s/www;\n  }\n}\n",
                        s->directory, s->directory, s->directory, s->directory, s->directory, s->directory,
                        is_secure ? "    listen 127.0.0.1:8443 ssl;\n    ssl_certificate " : "",
                        is_secure ? certificate : "", is_secure ? ";\n    ssl_certificate_key " : "",
                        is_secure ? s->directory : "", is_secure ? "/server.key;\n" : "", s->directory);
        write_file(config, text);
        const char *const arguments[] = {"/usr/sbin/nginx", "-e", "stderr", "-c", config, NULL};
        const struct process_start start = {
                        .arguments = arguments, .output_fd = -1, .error_fd = -1, .cgroup_fd = -1};
        assert_int_equal(process_start(&start, ret_server), 0);
        scenario_wait_port(s, 8080, TIMEOUT_US);
}
