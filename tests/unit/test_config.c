/* The configuration: what the contract shows is read as it says, and every mistake is told with its line. */
#include "support/config_texts.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>

#include <cmocka.h>

/* Lines 1 and 2 of what most tests parse. */
#define HEAD "node: a\nexec: {command: a}\n"

static const char contract[] =
                "node: anvil\n"
                "release: \"1.7.0\"                # what starts first\n"
                "exec:\n"
                "  command: anvil\n"
                "  args: [\"--host\", \"127.0.0.1\", \"--port\", \"8545\", \"--block-time\", \"1\", "
                "\"--state\", "
                "\"{state}/chain.json\"]\n"
                "  env: {RUST_LOG: info}\n"
                "  user: nobody\n"
                "  stop_signal: SIGTERM\n"
                "  stop_timeout: 20s\n"
                "listen: [\"tcp:127.0.0.1:8545\"]    # tcp: udp: unix: ; [::]:port is dual-stack\n"
                "state:\n"
                "  directory: /srv/anvil           # {state} above\n"
                "  overlap: false\n"
                "  fence: lock\n"
                "  snapshot: auto\n"
                "  keep: []\n"
                "  signer: none\n"
                "height:\n"
                "  source: ethereum\n"
                "  url: http://127.0.0.1:8545\n"
                "  every: 250ms\n"
                "gate:\n"
                "  kind: observe\n"
                "  overshoot: allow\n"
                "probes:\n"
                "  - {name: rpc, kind: height}\n"
                "  - {name: page, kind: http, url: \"http://127.0.0.1:8545/\", status: 200, every: 1s, "
                "timeout: 500ms, "
                "failures: 3}\n"
                "  - {name: port, kind: tcp, address: \"127.0.0.1:8545\"}\n"
                "  - {name: own, kind: exec, command: [\"/usr/local/bin/check\", \"--quick\"]}\n"
                "progress: {blocks: 3, within: 30s}\n"
                "probation: 60s\n"
                "restart: {backoff: [1s, 5s, 30s], give_up_after: 10}\n"
                "trust: {keys: []}\n";

static void test_the_contracts_example_is_read_as_it_says(void **state) {
        _cleanup_(config_free_at) struct config *config = parse_config(contract);
        (void)state;
        assert_string_equal(config->node, "anvil");
        assert_string_equal(config->release, "1.7.0");
        assert_string_equal(config->exec.command, "anvil");
        assert_int_equal(strv_length(config->exec.args), 8);
        assert_string_equal(config->exec.args[7], "/srv/anvil/chain.json");
        assert_string_equal(config->exec.env[0], "RUST_LOG=info");
        assert_null(config->exec.env[1]);
        assert_string_equal(config->exec.user, "nobody");
        assert_int_equal(config->n_listen, 1);
        assert_int_equal(config->listen[0].port, 8545);
        assert_string_equal(config->state.directory, "/srv/anvil");
        assert_int_equal(config->height.source, HEIGHT_ETHEREUM);
        assert_string_equal(config->height.url, "http://127.0.0.1:8545");
        assert_int_equal(config->height.address.port, 8545);
        assert_int_equal(config->gate.kind, GATE_OBSERVE);
        assert_true(config->gate.overshoot_allowed);
        assert_int_equal(config->n_probes, 4);
        assert_int_equal(config->probes[0].kind, PROBE_HEIGHT);
        assert_int_equal(config->probes[1].status, 200);
        assert_int_equal(config->probes[1].timeout_us, 500 * USEC_PER_MSEC);
        assert_int_equal(config->probes[1].address.port, 8545);
        assert_int_equal(config->probes[2].address.port, 8545);
        assert_string_equal(config->probes[3].command[1], "--quick");
        assert_int_equal(config->progress_blocks, 3);
        assert_int_equal(config->progress_within_us, 30 * USEC_PER_SEC);
        assert_null(config->trust_keys);
}

static void test_the_contracts_other_heights_and_gates_are_read(void **state) {
        static const char *const sections[] = {"height: {source: metrics, url: "
                                               "\"http://127.0.0.1:9100/metrics\", metric: node_height}",
                        "height: {source: log, pattern: 'committed .*height=([0-9]+)'}",
                        "height: {source: file, path: \"{state}/height\", pattern: '([0-9]+)'}",
                        "height: {source: file, path: /srv/height}",
                        "height: {source: exec, command: [\"/usr/bin/node-cli\", \"height\"]}",
                        "height: {source: notify}",
                        "height: {source: cometbft, url: \"http://localhost:26657\"}",
                        "height: {source: flow, url: \"http://127.0.0.1:8888\"}",
                        "height: {source: bitcoin, url: \"http://user:pass@127.0.0.1:8332/\"}",
                        "gate:   {kind: uprobe, symbol: commit_block, argument: 1, abi: c}",
                        "gate:   {kind: uprobe, symbol: main.commit, argument: 2, abi: go}",
                        "gate:   {kind: uprobe, usdt: \"provider:name\"}", "gate:   {kind: notify}",
                        "gate: {kind: log, pattern: 'h=[[:xdigit:]]{64} [^]\"]+ [^ ]+ [^ ]+ [^ ]+ "
                        "([0-9]{1,20})'}"};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(sections); i++) {
                char text[512];
                (void)snprintf(text, sizeof(text), HEAD "state: {directory: /srv/a}\n%s\n", sections[i]);
                config_free(parse_config(text));
        }
        _cleanup_(config_free_at) struct config *config = parse_config(HEAD
                        "height: {source: file, path: \"{state}/height\"}\nstate: {directory: /srv/a}\n");
        assert_string_equal(config->height.path, "/srv/a/height");
}

static void test_what_is_left_out_has_its_default(void **state) {
        _cleanup_(config_free_at) struct config *config =
                        parse_config(HEAD "probes: [{name: p, kind: http, url: \"http://localhost/\"}]\n");
        static const uint64_t backoff[] = {USEC_PER_SEC, 5 * USEC_PER_SEC, 30 * USEC_PER_SEC};
        (void)state;
        assert_null(config->release);
        assert_null(config->exec.user);
        assert_int_equal(config->exec.stop_signal, SIGTERM);
        assert_int_equal(config->exec.stop_timeout_us, 20 * USEC_PER_SEC);
        assert_false(config->exec.listen_fds);
        assert_int_equal(config->state.fence, FENCE_LOCK);
        assert_int_equal(config->state.snapshot, SNAPSHOT_AUTO);
        assert_int_equal(config->state.copy_limit, UINT64_C(1) << 30);
        assert_int_equal(config->state.signer, SIGNER_UNSAID);
        assert_int_equal(config->height.source, HEIGHT_NONE);
        assert_int_equal(config->height.every_us, 250 * USEC_PER_MSEC);
        assert_int_equal(config->gate.kind, GATE_NONE);
        assert_int_equal(config->probes[0].every_us, USEC_PER_SEC);
        assert_int_equal(config->probes[0].timeout_us, USEC_PER_SEC);
        assert_int_equal(config->probes[0].failures, 3);
        assert_int_equal(config->probes[0].status, 0);
        assert_int_equal(config->progress_blocks, 0);
        assert_int_equal(config->probation_us, 60 * USEC_PER_SEC);
        assert_int_equal(config->n_restart_backoff, 3);
        assert_memory_equal(config->restart_backoff_us, backoff, sizeof(backoff));
        assert_int_equal(config->restart_give_up_after, 10);
        assert_int_equal(config->deadlines.prepare_us, 60 * USEC_PER_SEC);
        assert_true(config->deadlines.gate_us == USEC_INFINITY);
        assert_int_equal(config->deadlines.snapshot_us, 600 * USEC_PER_SEC);
        assert_int_equal(config->deadlines.prove_us, 60 * USEC_PER_SEC);
        assert_int_equal(config->deadlines.drain_us, 30 * USEC_PER_SEC);
}

static void test_what_the_examples_leave_out_is_read(void **state) {
        _cleanup_(config_free_at) struct config *config = parse_config(
                        "node: a\n"
                        "exec:\n"
                        "  command: bin/a\n"
                        "  group: staff\n"
                        "  working_directory: \"{state}/work\"\n"
                        "  listen_fds: true\n"
                        "  stop_signal: INT\n"
                        "  env: {HOME: \"{state}\", EMPTY: \"\"}\n"
                        "  limits: {nofile: 65536, core: \"0\", memlock: infinity, nproc: [10, 20]}\n"
                        "listen: [\"unix:{state}/a.sock\", \"udp:[::]:1\"]\n"
                        "state: {directory: /srv/a, snapshot: hook, hook: [/bin/hook, \"{state}\"], "
                        "copy_limit: 512MiB, keep: [a/b..c, d/]}\n"
                        "probes: [{name: p, kind: http, url: \"http://localhost/\", contains: ok}]\n"
                        "restart: {backoff: [0s, 1h]}\n"
                        "deadlines: {gate: 5m, drain: 0s}\n");
        (void)state;
        assert_string_equal(config->exec.group, "staff");
        assert_string_equal(config->exec.working_directory, "/srv/a/work");
        assert_true(config->exec.listen_fds);
        assert_int_equal(config->exec.stop_signal, SIGINT);
        assert_string_equal(config->exec.env[0], "HOME=/srv/a");
        assert_string_equal(config->exec.env[1], "EMPTY=");
        assert_int_equal(config->exec.n_limits, 4);
        for (size_t i = 0; i < config->exec.n_limits; i++) {
                const struct rlimit_setting *limit = &config->exec.limits[i];
                uint64_t soft = limit->resource == RLIMIT_NOFILE    ? 65536
                                : limit->resource == RLIMIT_CORE    ? 0
                                : limit->resource == RLIMIT_MEMLOCK ? UINT64_MAX
                                                                    : 10;
                assert_true(limit->soft == soft && limit->hard == (soft == 10 ? 20 : soft));
        }
        assert_string_equal(config->listen[0].path, "/srv/a/a.sock");
        assert_int_equal(config->state.snapshot, SNAPSHOT_HOOK);
        assert_string_equal(config->state.hook[1], "/srv/a");
        assert_int_equal(config->state.copy_limit, 512 << 20);
        assert_string_equal(config->state.keep[0], "a/b..c");
        assert_string_equal(config->state.keep[1], "d");
        assert_string_equal(config->probes[0].contains, "ok");
        assert_int_equal(config->n_restart_backoff, 2);
        assert_int_equal(config->deadlines.gate_us, 300 * USEC_PER_SEC);
        assert_int_equal(config->deadlines.drain_us, 0);
        _cleanup_(config_free_at) struct config *patient = parse_config(HEAD "deadlines: {gate: 0}\n");
        assert_true(patient->deadlines.gate_us == USEC_INFINITY);
        config_free(parse_config(
                        HEAD "state: {directory: /srv/a, snapshot: copy, fence: exec, overlap: true}\n"));
        _cleanup_(config_free_at) struct config *prefixed = parse_config(HEAD "release: v1.7.0-rc.1+b\n");
        assert_string_equal(prefixed->release, "1.7.0-rc.1+b"); /* as it is listed */
}

static void test_a_wrong_key_or_value_is_told_with_its_line(void **state) {
        static const struct config_mistake_case vectors[] = {
                        {"exec: {command: a}\n", 1, "`node` is missing"},
                        {"node: a\n", 1, "`exec` is missing"},
                        {"node: a\nexec:\n  user: nobody\n", 2, "`exec.command` is missing"},
                        {"node: A\nexec: {command: a}\n", 1, "letter or digit"},
                        {"node: a/b\nexec: {command: a}\n", 1, "a-z"},
                        {"node: .a\nexec: {command: a}\n", 1, "must begin"},
                        {"node: \"\"\nexec: {command: a}\n", 1, "must begin"},
                        {HEAD "release: 1.7\n", 3, "not a version"},
                        {HEAD "\n\nhieght: {source: notify}\n", 5, "did you mean \"height\"?"},
                        {HEAD "foo: 1\n", 3, "unknown key \"foo\"; there are node, release, exec"},
                        {HEAD "state: {type: a}\n", 3, "unknown key \"state.type\"; there are directory"},
                        {"node: a\nexec:\n  command: a\n  stop_timout: 1s\n", 4,
                                        "did you mean \"exec.stop_timeout\"?"},
                        {HEAD "node: b\n", 3, "\"node\" stands here twice, first in line 1"},
                        {"node: a\nexec:\n  command: a\n  command: b\n", 4,
                                        "stands here twice, first in line 3"},
                        {"node: a\nexec:\n  command: a\n  env:\n    A: 1\n    A: 2\n", 6,
                                        "\"A\" stands here twice"},
                        {"node: a\nexec:\n  command: a\n  limits:\n    core: 1\n    core: 2\n", 6,
                                        "\"core\" stands here twice"},
                        {HEAD "state: {fence: flock}\n", 3, "\"flock\" is none of: lock, exec"},
                        {HEAD "state: {snapshot: zfs}\n", 3, "auto, btrfs, reflink, copy, hook, none"},
                        {HEAD "state: {overlap: yes}\n", 3,
                                        "state.overlap: \"yes\" is none of: false, true"},
                        {HEAD "gate: {kind: none}\n", 3, "uprobe, node, notify, log, observe"},
                        {HEAD "height: {source: eth}\n", 3,
                                        "ethereum, cometbft, flow, metrics, log, file, notify, exec, "
                                        "bitcoin"},
                        {"node: a\nexec: a\n", 2, "exec: this must be keys with values"},
                        {HEAD "listen: tcp:127.0.0.1:1\n", 3, "must be a list"},
                        {HEAD "probation: [1s]\n", 3, "probation: a single value is needed"},
                        {HEAD "probation: 60\n", 3, "probation: \"60\" is not a duration"},
                        {HEAD "probation: 8761h\n", 3, "longer than a year"},
                        {HEAD "probation: 99999999999999999999s\n", 3, "longer than a year"},
                        {HEAD "deadlines: {prepare: 0s}\n", 3,
                                        "deadlines.prepare: this must be longer than 0"},
                        {HEAD "state: {copy_limit: 1GB}\n", 3, "not a size"},
                        {HEAD "state: {copy_limit: 99999999999TiB}\n", 3, "not a size"},
                        {HEAD "progress: {blocks: -1}\n", 3, "progress.blocks: \"-1\" is not a number"},
                        {HEAD "restart:\n  backoff: [1s, soon]\n", 4, "\"soon\" is not a duration"},
                        {HEAD "restart: {backoff: []}\n", 3, "at least one pause"},
                        {"node: a\nexec: {command: a, stop_signal: SIGFOO}\n", 2, "not a signal's name"},
                        {"node: a\nexec: {command: /bin/a}\n", 2, "inside of a release"},
                        {"node: a\nexec: {command: ../a}\n", 2, "inside of a release"},
                        {"node: a\nexec: {command: a, user: \"\"}\n", 2,
                                        "exec.user: this must not be empty"},
                        {"node: a\nexec: {command: a, limits: {nofiles: 1}}\n", 2,
                                        "did you mean \"exec.limits.nofile\"?"},
                        {"node: a\nexec: {command: a, limits: {nofile: [2, 1]}}\n", 2,
                                        "soft not above hard"},
                        {"node: a\nexec: {command: a, limits: {nofile: [2]}}\n", 2, "a limit is a number"},
                        {"node: a\nexec: {command: a, limits: {nofile: many}}\n", 2, "a limit is a number"},
                        {"node: a\nexec: {command: a, env: {\"A=B\": 1}}\n", 2,
                                        "cannot be a variable's name"},
                        {"node: a\nexec: {command: a, working_directory: work}\n", 2, "absolute path"},
                        {HEAD "trust: {keys: [RWQ]}\n", 3, "trust.keys"},
        };
        (void)state;
        assert_config_mistakes(vectors, ELEMENTS(vectors));
}

static void test_what_does_not_go_together_is_told_with_its_sections_line(void **state) {
        static const struct config_mistake_case vectors[] = {
                        {HEAD "height: {source: notify}\n\ngate:\n  kind: observe\n", 5, "overshoot: allow"},
                        {HEAD "gate:\n  kind: observe\n  overshoot: allow\n", 3, "needs a `height` section"},
                        {HEAD "gate:\n  symbol: x\n", 3, "gate needs `kind`"},
                        {HEAD "gate:\n  kind: uprobe\n", 3, "gate.symbol or gate.usdt"},
                        {HEAD "gate: {kind: uprobe, usdt: \"a:b\", symbol: x, argument: 1, abi: c}\n", 3,
                                        "either"},
                        {HEAD "gate: {kind: uprobe, symbol: x, abi: c}\n", 3, "needs gate.argument"},
                        {HEAD "gate: {kind: uprobe, symbol: x, argument: 1}\n", 3, "needs gate.abi"},
                        {HEAD "gate: {kind: uprobe, symbol: x, argument: 0, abi: c}\n", 3, "at least 1"},
                        {HEAD "gate: {kind: uprobe, usdt: name}\n", 3, "provider:name"},
                        {HEAD "gate: {kind: log}\n", 3, "needs gate.pattern"},
                        {HEAD "gate: {kind: node, args: [--halt-height, '199']}\n", 3, "needs {last}"},
                        {HEAD "rehearse: now\n", 3, "must be at-gate"},
                        {HEAD "rehearse: at-gate\nstate: {directory: /srv/a}\n", 3,
                                        "needs gate.kind: uprobe or notify"},
                        {HEAD "gate: {kind: node, exit_status: 256}\n", 3, "from 0 to 255"},
                        {HEAD "gate: {kind: log, pattern: 'h=([0-9]+)', exit_status: 3}\n", 3,
                                        "are for gate.kind: node"},
                        {HEAD "gate: {kind: log, pattern: 'height=[0-9]+'}\n", 3, "needs a group"},
                        {HEAD "gate: {kind: log, pattern: 'height=([0-9]+'}\n", 3,
                                        "not a POSIX extended regular expression"},
                        {HEAD "height:\n  url: http://127.0.0.1/\n", 3, "height needs `source`"},
                        {HEAD "height: {source: ethereum}\n", 3, "ethereum needs height.url"},
                        {HEAD "height: {source: metrics, url: \"http://127.0.0.1/\"}\n", 3,
                                        "metrics needs height.metric"},
                        {HEAD "height: {source: log}\n", 3, "log needs height.pattern"},
                        {HEAD "height: {source: file}\n", 3, "file needs height.path"},
                        {HEAD "height: {source: exec}\n", 3, "exec needs height.command"},
                        {HEAD "height: {source: notify, every: 1ms}\n", 3, "from 10ms to 1h"},
                        {HEAD "height: {source: flow, url: \"http://example.org/\"}\n", 3, "name server"},
                        {HEAD "height: {source: flow, url: \"ftp://127.0.0.1/\"}\n", 3, "http://"},
                        {HEAD "probes:\n  - {name: a, kind: tcp, address: \"127.0.0.1:1\"}\n  - {name: b, "
                              "kind: height}\n",
                                        5, "needs a `height` section"},
                        {HEAD "probes:\n  - {kind: tcp, address: \"127.0.0.1:1\"}\n", 4, "needs `name`"},
                        {HEAD "probes:\n  - {name: a}\n", 4, "needs `kind`"},
                        {HEAD "probes:\n  - {name: a, kind: http}\n", 4, "http needs `url`"},
                        {HEAD "probes:\n  - {name: a, kind: tcp}\n", 4, "tcp needs `address`"},
                        {HEAD "probes:\n  - {name: a, kind: tcp, address: \"host:1\"}\n", 4,
                                        "the host must be"},
                        {HEAD "probes:\n  - {name: a, kind: exec}\n", 4, "exec needs `command`"},
                        {HEAD "probes:\n  - {name: a, kind: exec, command: [b/c]}\n", 4, "absolute path"},
                        {HEAD "probes:\n  - {name: a, kind: http, url: \"http://localhost/\", status: 99}\n",
                                        4, "HTTP status"},
                        {HEAD "probes:\n  - {name: a, kind: http, url: \"http://localhost/\", failures: "
                              "0}\n",
                                        4, "at least 1"},
                        {HEAD "probes:\n  - {name: a, kind: http, url: \"http://localhost/\", timeout: "
                              "2h}\n",
                                        4, "1ms to 1h"},
                        {HEAD "probes:\n  - {name: a, kind: tcp, address: \"127.0.0.1:1\"}\n  - {name: a, "
                              "kind: tcp, address: "
                              "\"127.0.0.1:2\"}\n",
                                        5, "two probes have the name \"a\""},
                        {HEAD "progress:\n  blocks: 3\n", 3, "progress needs a `height` section"},
                        {HEAD "state:\n  directory: srv\n", 4, "absolute path"},
                        {HEAD "state:\n  directory: //\n", 4, "root of the file system"},
                        {HEAD "state:\n  directory: /a\n  keep: [b, /c]\n", 5, "below state.directory"},
                        {HEAD "state:\n  directory: /a\n  keep: [b/../c]\n", 5, "below state.directory"},
                        {HEAD "state: {keep: [b]}\n", 3, "need state.directory"},
                        {HEAD "state: {snapshot: reflink}\n", 3, "need state.directory"},
                        {HEAD "state: {directory: /a, signer: files}\n", 3, "files needs state.keep"},
                        {HEAD "state:\n  directory: /a\n  signer: inside\n  overlap: true\n", 3,
                                        "two generations would sign at once"},
                        {HEAD "state: {directory: /a, signer: files, keep: [k], overlap: true}\n", 3,
                                        "sign at once"},
                        {HEAD "state: {directory: /a, snapshot: hook}\n", 3, "hook needs state.hook"},
                        {HEAD "state: {directory: /a, snapshot: hook, hook: [b/c]}\n", 3, "absolute path"},
                        {HEAD "listen:\n  - tcp:127.0.0.1:1\n  - tcp:localhost:1\n", 5, "stands here twice"},
                        {HEAD "listen:\n  - tcp:127.0.0.1:1\n  - tcp:host:1\n", 5, "the host must be"},
                        {HEAD "\nlisten: [\"unix:/a\"]\n", 4, "exec.listen_fds: true"},
                        {"node: a\nexec:\n  command: a\n  args:\n    - x\n    - \"{state}/x\"\n", 6,
                                        "{state} stands for"},
                        {"node: a\nexec: {command: a, env: {A: \"{state}\"}}\n", 2, "{state} stands for"},
                        {HEAD "height: {source: file, path: \"{state}/h\"}\n", 3, "{state} stands for"},
                        {HEAD "probes: [{name: a, kind: exec, command: [\"{state}/x\"]}]\n", 3,
                                        "{state} stands for"},
        };
        (void)state;
        assert_config_mistakes(vectors, ELEMENTS(vectors));
}

static void test_every_mistake_is_told_at_once_ordered_by_line(void **state) {
        static const char text[] = "probes:\n"
                                   "  - {name: p, kind: html}\n"
                                   "node: NODE\n"
                                   "listen: [tcp:host:1, \"udp:127.0.0.1:0\"]\n"
                                   "exec:\n"
                                   "  comand: a\n"
                                   "  stop_timeout: long\n"
                                   "gate: {kind: observe}\n";
        static const unsigned lines[] = {2, 3, 4, 4, 5, 6, 7, 8, 8};
        struct config *config = NULL;
        struct config_mistakes mistakes = {0};
        (void)state;
        assert_int_equal(config_parse(text, strlen(text), &config, &mistakes), -EINVAL);
        assert_int_equal(mistakes.n, ELEMENTS(lines));
        for (size_t i = 0; i < ELEMENTS(lines); i++)
                assert_int_equal(mistakes.items[i].line, lines[i]);
        config_mistakes_done(&mistakes);
        assert_int_equal(mistakes.n, 0);
}

static void test_what_is_no_yaml_is_told_with_its_line(void **state) {
        static const struct config_mistake_case vectors[] = {
                        {"", 1, "begin with `node: NAME`"},
                        {"# nothing\n", 1, "begin with `node: NAME`"},
                        {"\n- a\n", 2, "begin with `node: NAME`"},
                        {"text\n", 1, "begin with `node: NAME`"},
                        {HEAD "a: [1, 2\nb: 3\n", 4, "not YAML"},
                        {HEAD "a: b: c\n", 3, "not YAML"},
                        {HEAD "\tlisten: []\n", 3, "a tab stands where the line is indented; write spaces"},
                        {HEAD "state:\n  \tdirectory: /srv\n", 4, "a tab stands where"},
                        {HEAD "listen: *nowhere\n", 3, "not YAML"},
                        {HEAD "# \xff\n", 3, "not YAML"},
                        {HEAD "#\n# \x01\n", 4, "not YAML"},
                        {HEAD "---\nnode: b\n", 3, "second document"},
                        {"node: \"a\\0b\"\nexec: {command: a}\n", 1, "NUL"},
                        {HEAD "[a]: b\n", 3, "a single value is needed"},
        };
        (void)state;
        assert_config_mistakes(vectors, ELEMENTS(vectors));
}

/* Repeats PIECE between BEFORE and AFTER. */
static char *repeated(const char *before, const char *piece, size_t n, const char *after) {
        size_t length = strlen(piece);
        char *text = malloc(strlen(before) + n * length + strlen(after) + 1);
        assert_non_null(text);
        char *end = stpcpy(text, before);
        for (size_t i = 0; i < n; i++)
                end = mempcpy(end, piece, length);
        (void)strcpy(end, after);
        return text;
}

/* Each took minutes or gigabytes, or ended in a cut value, before it was refused. */
static void test_a_hostile_file_is_refused_at_small_cost(void **state) {
        static const struct {
                const char *before, *piece;
                size_t n;
                const char *after;
                unsigned line;
                const char *says;
        } vectors[] = {{HEAD "listen: ", "[", 900000, "", 3, "nested more than"},
                        {HEAD "listen: ", "{a: ", 200000, "", 3, "nested more than"},
                        {HEAD "listen:\n ", "- ", 400000, "", 4, "nested more than"},
                        {HEAD "listen: [", "a,", 400000, "]\n", 3, "more than 1024 items"},
                        {HEAD, "x: y\n", 100000, "", 1, "more than 1024 entries"},
                        {HEAD "listen: [&a [*a]]\n", "", 0, "", 3, "a single value is needed"},
                        {HEAD "#", "x", 1024 * 1024, "", 0, "larger than 1 MiB"},
                        {"state: {directory: /srv/aaaaaaaaaaaaaaaa}\n" HEAD "restart:\n  backoff:\n    - '",
                                        "{state}", 60000, "'\n", 6, "larger than 1 MiB"},
                        {HEAD "height: {source: log, pattern: '", "(a)", 200, "'}\n", 3, "longer than 511"},
                        {HEAD "height: {source: log, pattern: '(a", "{1,255}", 3, ")'}\n", 3,
                                        "multiply too far"},
                        {HEAD "height: {source: log, pattern: '(a", "{1,}", 40, ")'}\n", 3,
                                        "multiply too far"},
                        {HEAD "height: {source: log, pattern: '(a)", "+", 40, "'}\n", 3, "multiply too far"},
                        {HEAD "height: {source: flow, url: 'http://127.0.0.1/", "a", 600, "'}\n", 3,
                                        "longer than 511"},
                        {HEAD "state: {directory: /", "a", 1000, "}\n", 3, "longer than 999"},
                        {"node: a\nexec:\n  command: a\n  args: [",
                                        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                        "aaaaaaaaaaaaaaaaaaaaaaaa,",
                                        800, "]\n", 2, "larger than 56 KiB"}};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(vectors); i++) {
                _cleanup_free_ char *text = repeated(
                                vectors[i].before, vectors[i].piece, vectors[i].n, vectors[i].after);
                assert_config_mistake(text, vectors[i].line, vectors[i].says);
        }
}

static void test_aliases_cannot_fill_the_memory(void **state) {
        _cleanup_free_ char *value = repeated("  env: {A: &a \"", "x", 100000, "\"}\n");
        _cleanup_free_ char *before = repeated("node: a\nexec:\n  command: a\n", value, 1, "  args: [");
        _cleanup_free_ char *text = repeated(before, "*a,", 1000, "]\n");
        struct config *config = NULL;
        struct config_mistakes mistakes = {0};
        (void)state;
        assert_int_equal(config_parse(text, strlen(text), &config, &mistakes), -EINVAL);
        assert_int_equal(mistakes.n, 2);
        assert_non_null(strstr(mistakes.items[1].text, "larger than 1 MiB"));
        config_mistakes_done(&mistakes);
        config_free(parse_config("node: &a a\nexec: {command: *a, args: [*a, *a]}\n"));
}

static void test_a_message_cannot_steer_the_terminal(void **state) {
        (void)state;
        assert_config_mistake("node: a\nexec: {command: a}\n\"\\e[2J\\u009b2J\": 1\n", 3, "\"?[2J??2J\"");
}

static void test_the_number_of_mistakes_ends(void **state) {
        _cleanup_free_ char *list = repeated(HEAD "listen: [", "a,", 1020, "]\nprobation: x\n");
        struct config *config = NULL;
        struct config_mistakes mistakes = {0};
        (void)state;
        assert_int_equal(config_parse(list, strlen(list), &config, &mistakes), -EINVAL);
        assert_int_equal(mistakes.n, 1001);
        assert_non_null(strstr(mistakes.items[1000].text, "more mistakes than these"));
        config_mistakes_done(&mistakes);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_the_contracts_example_is_read_as_it_says),
                        cmocka_unit_test(test_the_contracts_other_heights_and_gates_are_read),
                        cmocka_unit_test(test_what_is_left_out_has_its_default),
                        cmocka_unit_test(test_what_the_examples_leave_out_is_read),
                        cmocka_unit_test(test_a_wrong_key_or_value_is_told_with_its_line),
                        cmocka_unit_test(test_what_does_not_go_together_is_told_with_its_sections_line),
                        cmocka_unit_test(test_every_mistake_is_told_at_once_ordered_by_line),
                        cmocka_unit_test(test_what_is_no_yaml_is_told_with_its_line),
                        cmocka_unit_test(test_a_hostile_file_is_refused_at_small_cost),
                        cmocka_unit_test(test_aliases_cannot_fill_the_memory),
                        cmocka_unit_test(test_a_message_cannot_steer_the_terminal),
                        cmocka_unit_test(test_the_number_of_mistakes_ends),
        };
        return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
