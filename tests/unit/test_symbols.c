/* Functions in ELF files, as an operator's configuration names them: what is found is the very first
 * instruction, and what is not found is answered with what to do. The files are compiled while the test
 * runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../supervisor/director/symbols.h"
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define FLIPS 4000

static char scratch[64];

static const char node_source[] =
                "#include <stdio.h>\n"
                "int commit_total;\n"
                "__attribute__((noipa)) void commit_block(unsigned long height) { commit_total += (int) "
                "height; }\n"
                "__attribute__((noipa)) void consensus_commit_block_now(void) { puts(\"now\"); }\n"
                "__attribute__((noipa)) static void verify(void) { puts(\"one\"); }\n"
                "void verify_other(void);\n"
                "int main(int argc, char **argv) { (void) argv; commit_block((unsigned long) argc);\n"
                "  consensus_commit_block_now(); verify(); verify_other(); return commit_total; }\n";
static const char other_source[] = "#include <stdio.h>\n"
                                   "__attribute__((noipa)) static void verify(void) { puts(\"two\"); }\n"
                                   "void verify_other(void) { verify(); }\n";
/* Names as Rust's legacy mangling makes them: the hash at their end is another one with every build. */
static const char rust_source[] = "#define F(symbol) __attribute__((noipa)) void symbol##_(void) "
                                  "__asm__(#symbol); void symbol##_(void) "
                                  "{ __asm__ volatile(\"\"); }\n"
                                  "F(_ZN4node5chain12commit_block17h0123456789abcdefE)\n"
                                  "F(_ZN4node5chain17commit_block_late17hfedcba9876543210E)\n"
                                  "F(_ZN4node7mempool6insert17h00112233445566ffE)\n"
                                  "F(_ZN4node7mempool6remove17h00112233445566feE)\n"
                                  "__asm__(\".globl other_name\\n.type other_name, @function\\n\"\n"
                                  "  \".set other_name, _ZN4node7mempool6insert17h00112233445566ffE\");\n"
                                  "int main(void) { return 0; }\n";
static const char go_source[] = "package main\n"
                                "//go:noinline\n"
                                "func commitBlock(height uint64) uint64 { return height + 1 }\n"
                                "func main() { println(commitBlock(1)) }\n";

static void put(const char *name, const char *text) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/%s", scratch, name);
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
}

static void in_scratch(const char *command) {
        char line[512];
        (void)snprintf(line, sizeof(line), "cd %s && %s", scratch, command);
        if (system(line) != 0)
                fail_msg("failed: %s", line);
}

static int setup(void **state) {
        (void)state;
        text_copy(scratch, sizeof(scratch), "/tmp/interrex-symbols-XXXXXX");
        assert_non_null(mkdtemp(scratch));
        put("node.c", node_source);
        put("other.c", other_source);
        put("rust.c", rust_source);
        put("script", "#!/bin/sh\nexec node\n");
        put("empty", "");
        in_scratch("gcc -O2 -o node node.c other.c && gcc -O2 -c -o object node.c && strip -o stripped "
                   "node");
        in_scratch("gcc -O2 -rdynamic -s -o exporting node.c other.c");
        in_scratch("gcc -O2 -rdynamic -o rust rust.c");
        return 0;
}

static int teardown(void **state) {
        (void)state;
        in_scratch("rm -rf \"$PWD\"");
        return 0;
}

static int open_file(const char *name) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/%s", scratch, name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

static int find_in(const char *file, const char *name, struct symbol_location *location, char **error) {
        _cleanup_close_ int fd = open_file(file);
        return symbol_find(fd, name, location, error);
}

static int match_in(const char *file, const char *pattern, struct symbol_location *location, char **error) {
        _cleanup_close_ int fd = open_file(file);
        return symbol_find_matching(fd, pattern, location, error);
}

static void check_refusal(int r, int expected, const struct symbol_location *location, const char *error,
                const char *says) {
        assert_int_equal(r, expected);
        assert_int_equal(location->offset, 4711);
        assert_non_null(error);
        if (!strstr(error, says))
                fail_msg("\"%s\" does not say \"%s\"", error, says);
}

static void refused(const char *file, const char *name, int expected, const char *says) {
        _cleanup_free_ char *error = NULL;
        struct symbol_location location = {.offset = 4711};
        int r = find_in(file, name, &location, &error);
        check_refusal(r, expected, &location, error, says);
}

static void no_match(const char *file, const char *pattern, int expected, const char *says) {
        _cleanup_free_ char *error = NULL;
        struct symbol_location location = {.offset = 4711};
        int r = match_in(file, pattern, &location, &error);
        check_refusal(r, expected, &location, error, says);
}

static void matches(const char *file, const char *pattern, const char *name) {
        _cleanup_free_ char *error = NULL, *other_error = NULL;
        struct symbol_location location, by_name;
        if (match_in(file, pattern, &location, &error) < 0)
                fail_msg("\"%s\" should be found: %s", pattern, error);
        assert_string_equal(location.name, name);
        assert_int_equal(find_in(file, name, &by_name, &other_error), 0);
        assert_int_equal(location.offset, by_name.offset);
}

__attribute__((noipa)) static uint64_t probed_function(uint64_t height) {
        return height * 3 + 0x1234567;
}

static void test_the_offset_is_that_of_the_first_instruction(void **state) {
        (void)state;
        _cleanup_free_ char *error = NULL;
        _cleanup_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        struct symbol_location location;
        unsigned char code[16];
        assert_int_equal(symbol_find(fd, "probed_function", &location, &error), 0);
        assert_int_equal(pread(fd, code, sizeof(code), (off_t)location.offset), sizeof(code));
        assert_memory_equal(code, (const void *)(uintptr_t)probed_function, sizeof(code));
        assert_true(location.size > 0);
        assert_string_equal(location.name, "probed_function");
        assert_true(probed_function(1) > 1);
}

static void test_a_function_of_another_program_is_found(void **state) {
        (void)state;
        _cleanup_free_ char *error = NULL;
        struct symbol_location location;
        char command[256];
        assert_int_equal(find_in("node", "commit_block", &location, &error), 0);
        (void)snprintf(command, sizeof(command), "nm node | grep -qx '%016lx T commit_block'",
                        location.address);
        in_scratch(command);
}

static void test_an_exported_function_survives_strip(void **state) {
        (void)state;
        _cleanup_free_ char *error = NULL;
        struct symbol_location location;
        assert_int_equal(find_in("exporting", "commit_block", &location, &error), 0);
        refused("exporting", "commit_blocks", -ENOENT, "stripped");
        refused("exporting", "commit_blocks", -ENOENT, "commit_block");
}

static void test_a_stripped_binary_is_called_so(void **state) {
        (void)state;
        refused("stripped", "commit_block", -ENOEXEC, "stripped");
}

static void test_a_mistyped_name_is_answered_with_the_nearest(void **state) {
        (void)state;
        refused("node", "comit_blokc", -ENOENT, "nearest are: commit_block");
        refused("node", "Comit_Block", -ENOENT, "nearest are: commit_block");
        refused("node", "COMMIT_BLOCK", -ENOENT, "nearest are: commit_block, consensus_commit_block_now");
        refused("node", "Consensus_commit_block", -ENOENT, "consensus_commit_block_now");
        refused("node", "qqqqqqqqqqqqqqqqqqqq", -ENOENT, "none that comes near");
}

static void test_two_functions_of_one_name_are_refused(void **state) {
        (void)state;
        refused("node", "verify", -ENOTUNIQ, "more than one function");
}

static void test_a_variable_is_no_function(void **state) {
        (void)state;
        refused("node", "commit_total", -ENOENT, "no function \"commit_total\"");
}

static void test_a_name_of_any_length_is_answered(void **state) {
        (void)state;
        char name[5000];
        memset(name, 'x', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        refused("node", name, -ENOENT, "no function");
        refused("node", "", -ENOENT, "no function");
}

static void test_a_pattern_finds_what_the_hash_of_a_build_is_part_of(void **state) {
        (void)state;
        matches("rust", "_ZN.*commit_block17h[0-9a-f]{16}E",
                        "_ZN4node5chain12commit_block17h0123456789abcdefE");
        matches("rust", "_late", "_ZN4node5chain17commit_block_late17hfedcba9876543210E");
        matches("node", "^commit_block$", "commit_block");
        matches("exporting", "^commit_(block|unit)$", "commit_block");
}

/* An exported function is in two tables, and one function may have two names. */
static void test_one_function_in_two_places_is_one(void **state) {
        (void)state;
        matches("rust", "insert|other_name", "_ZN4node7mempool6insert17h00112233445566ffE");
}

static void test_several_matches_are_listed(void **state) {
        (void)state;
        no_match("rust", "_ZN.*commit_block.*17h[0-9a-f]{16}E", -ENOTUNIQ,
                        "2 functions of the binary match");
        no_match("rust", "commit_block", -ENOTUNIQ, "12commit_block17h0123456789abcdefE");
        no_match("rust", "commit_block", -ENOTUNIQ, "17commit_block_late17hfedcba9876543210E");
        no_match("rust", ".", -ENOTUNIQ, ", ...");
        no_match("node", "^verify$", -ENOTUNIQ, "verify, verify");
}

static void test_a_pattern_without_a_match_is_answered_with_the_nearest(void **state) {
        (void)state;
        no_match("rust", "_ZN.*[c]ommit_block17h[g-z]{16}E", -ENOENT, "12commit_block17h0123456789abcdefE");
        no_match("rust", "^mempool::insert", -ENOENT, "6insert17h");
        no_match("node", "^comit_blokc[0-9]*$", -ENOENT, "nearest are: commit_block");
        no_match("node", "main\\.commit_block", -ENOENT, "nearest are: main, commit_block");
        no_match("node", "qqqqqqqqqqqqqqqq", -ENOENT, "none that comes near");
        no_match("node", "^[.]*$", -ENOENT, "no function that matches");
        no_match("exporting", "^commit_blocks$", -ENOENT, "stripped");
        no_match("stripped", "commit_block", -ENOEXEC, "stripped");
        no_match("script", "commit_block", -ENOEXEC, "not an ELF binary");
        no_match("node", "commit_(block", -EINVAL, "not a POSIX extended regular expression");
}

static void test_a_variable_does_not_match(void **state) {
        (void)state;
        no_match("node", "^commit_total$", -ENOENT, "no function that matches");
}

static void test_what_is_no_linked_binary_is_refused(void **state) {
        (void)state;
        refused("script", "commit_block", -ENOEXEC, "not an ELF binary");
        refused("empty", "commit_block", -ENOEXEC, "not an ELF binary");
        refused(".", "commit_block", -ENOEXEC, "not an ELF binary");
        refused("object", "commit_block", -ENOEXEC, "not linked");
}

/* A copy of the compiled node in memory, to be damaged. */
static unsigned char *node_bytes(size_t *ret_size) {
        _cleanup_close_ int fd = open_file("node");
        struct stat st;
        assert_int_equal(fstat(fd, &st), 0);
        unsigned char *bytes = malloc((size_t)st.st_size);
        assert_non_null(bytes);
        assert_int_equal(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
        *ret_size = (size_t)st.st_size;
        return bytes;
}

static int find_in_bytes(const void *bytes, size_t size, struct symbol_location *location) {
        _cleanup_free_ char *error = NULL, *usdt_error = NULL, *match_error = NULL;
        struct usdt_location probe;
        struct symbol_location matching = {0};
        _cleanup_close_ int fd = memfd_create("damaged", MFD_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, size), (ssize_t)size);
        (void)usdt_find(fd, "node:commit", 1, &probe, &usdt_error);
        if (symbol_find_matching(fd, "^commit_b", &matching, &match_error) < 0)
                assert_non_null(match_error);
        else
                assert_in_range(matching.offset, 0, size - 1);
        int r = symbol_find(fd, "commit_block", location, &error);
        assert_true(r == 0 || error);
        return r;
}

static void test_a_binary_for_another_processor_is_refused(void **state) {
        (void)state;
        size_t size;
        struct symbol_location location;
        _cleanup_free_ unsigned char *bytes = node_bytes(&size);
        Elf64_Ehdr header;
        memcpy(&header, bytes, sizeof(header));
        header.e_machine = EM_SPARCV9;
        assert_int_equal(find_in_bytes(bytes, size, &location), 0);
        memcpy(bytes, &header, sizeof(header));
        assert_int_equal(find_in_bytes(bytes, size, &location), -ENOEXEC);
}

static void test_a_function_outside_of_executable_code_is_refused(void **state) {
        (void)state;
        size_t size;
        struct symbol_location location;
        _cleanup_free_ unsigned char *bytes = node_bytes(&size);
        Elf64_Ehdr header;
        memcpy(&header, bytes, sizeof(header));
        for (size_t i = 0; i < header.e_phnum; i++) {
                Elf64_Phdr segment;
                unsigned char *at = bytes + header.e_phoff + i * sizeof(segment);
                memcpy(&segment, at, sizeof(segment));
                segment.p_flags &= ~(uint32_t)PF_X;
                memcpy(at, &segment, sizeof(segment));
        }
        assert_int_equal(find_in_bytes(bytes, size, &location), -ENOEXEC);
}

static void test_a_truncated_file_is_refused(void **state) {
        (void)state;
        size_t size;
        struct symbol_location location;
        _cleanup_free_ unsigned char *bytes = node_bytes(&size);
        for (size_t length = 0; length < size; length += length < 512 ? 1 : 97)
                assert_true(find_in_bytes(bytes, length, &location) < 0);
}

static void test_a_damaged_file_never_leads_outside_of_it(void **state) {
        (void)state;
        size_t size;
        _cleanup_free_ unsigned char *bytes = node_bytes(&size);
        Elf64_Ehdr header;
        uint64_t random = 0x9e3779b97f4a7c15U;
        memcpy(&header, bytes, sizeof(header));
        assert_in_range(header.e_shoff, sizeof(header), size - 1);
        for (size_t i = 0; i < FLIPS; i++) {
                struct symbol_location location;
                random = random * 6364136223846793005U + 1442695040888963407U;
                /* Headers of the file, of sections and of segments are where damage has consequences. */
                size_t tables = size - header.e_shoff, where = (random >> 24) % (size + 8 * 1024);
                size_t at = where < size ? where
                            : i % 2      ? (random >> 33) % 1024
                                         : header.e_shoff + (random >> 33) % tables;
                unsigned char before = bytes[at];
                bytes[at] ^= (unsigned char)(1 + (random >> 56) % 255);
                if (find_in_bytes(bytes, size, &location) == 0)
                        assert_in_range(location.offset, 0, size - 1);
                bytes[at] = before;
        }
}

/* What a name holds is printed where an operator reads it, and a name that is too long to search leaves the answer open. */
static void test_hostile_names_are_neither_printed_nor_searched(void **state) {
        (void)state;
        char name[80 * 1024];
        memset(name, 'y', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        in_scratch("sed 's/consensus_commit_block_now/consensus_commit\\x1b[2Jck_now/g' node >hostile");
        no_match("hostile", "^consensus_commit_block_now$", -ENOENT, "consensus_commit?[2Jck_now");
        _cleanup_free_ char *text = NULL;
        assert_true(asprintf(&text,
                                    "void a(void) __asm__(\"%s\");\nvoid a(void) { }\nint main(void) { "
                                    "return 0; }\n",
                                    name) > 0);
        put("long.c", text);
        in_scratch("gcc -o long long.c");
        no_match("long", "^main$", -E2BIG, "gate.symbol");
        _cleanup_free_ char *error = NULL;
        struct symbol_location location;
        assert_int_equal(find_in("long", "main", &location, &error), 0);
}

static void test_a_go_function_is_found(void **state) {
        (void)state;
        _cleanup_free_ char *error = NULL;
        struct symbol_location location;
        char command[256];
        if (system("command -v go >/dev/null") != 0)
                skip();
        put("node.go", go_source);
        in_scratch("GO111MODULE=off go build -o node-go node.go && "
                   "GO111MODULE=off go build -ldflags '-s -w' -o stripped-go node.go");
        assert_int_equal(find_in("node-go", "main.commitBlock", &location, &error), 0);
        (void)snprintf(command, sizeof(command),
                        "go tool nm node-go | grep ' *%lx T main.commitBlock$' >/dev/null",
                        location.address);
        in_scratch(command);
        refused("node-go", "commitblock", -ENOENT, "main.commitBlock");
        refused("stripped-go", "main.commitBlock", -ENOEXEC, "stripped");
        matches("node-go", "^main\\.commit", "main.commitBlock");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_the_offset_is_that_of_the_first_instruction),
                        cmocka_unit_test(test_a_function_of_another_program_is_found),
                        cmocka_unit_test(test_an_exported_function_survives_strip),
                        cmocka_unit_test(test_a_stripped_binary_is_called_so),
                        cmocka_unit_test(test_a_mistyped_name_is_answered_with_the_nearest),
                        cmocka_unit_test(test_two_functions_of_one_name_are_refused),
                        cmocka_unit_test(test_a_variable_is_no_function),
                        cmocka_unit_test(test_a_name_of_any_length_is_answered),
                        cmocka_unit_test(test_a_pattern_finds_what_the_hash_of_a_build_is_part_of),
                        cmocka_unit_test(test_one_function_in_two_places_is_one),
                        cmocka_unit_test(test_several_matches_are_listed),
                        cmocka_unit_test(test_a_pattern_without_a_match_is_answered_with_the_nearest),
                        cmocka_unit_test(test_a_variable_does_not_match),
                        cmocka_unit_test(test_hostile_names_are_neither_printed_nor_searched),
                        cmocka_unit_test(test_what_is_no_linked_binary_is_refused),
                        cmocka_unit_test(test_a_binary_for_another_processor_is_refused),
                        cmocka_unit_test(test_a_function_outside_of_executable_code_is_refused),
                        cmocka_unit_test(test_a_truncated_file_is_refused),
                        cmocka_unit_test(test_a_damaged_file_never_leads_outside_of_it),
                        cmocka_unit_test(test_a_go_function_is_found),
        };
        return cmocka_run_group_tests_name("symbols", tests, setup, teardown);
}
