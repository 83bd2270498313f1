/* A program that was cut short is told from a whole one, wherever its linker put its tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../supervisor/lib/release_internal.h"
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>

static int check(int fd) {
        char *error = NULL;
        int r = release_check_whole(fd, "node", &error);
        assert_true((r < 0) == (error != NULL));
        if (r < 0)
                assert_non_null(strstr(error, "node is cut short: it has "));
        free(error);
        return r;
}

static void copy_self(int *ret_fd, off_t *ret_size) {
        _cleanup_close_ int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        int copy = memfd_create("program", MFD_CLOEXEC);
        char piece[65536];
        ssize_t n;
        assert_true(self >= 0 && copy >= 0);
        for (*ret_size = 0; (n = read(self, piece, sizeof(piece))) > 0; *ret_size += n)
                assert_int_equal(write(copy, piece, (size_t)n), n);
        *ret_fd = copy;
}

static void a_program_is_whole_or_it_is_not(void **state) {
        _cleanup_close_ int fd = -1;
        off_t size;
        (void)state;
        copy_self(&fd, &size);
        assert_int_equal(check(fd), 0);
        assert_int_equal(ftruncate(fd, size + 1000), 0); /* what is appended is not the linker's */
        assert_int_equal(check(fd), 0);
        const off_t lengths[] = {size - 1, size / 2, 4096, (off_t)sizeof(ElfW(Ehdr))};
        for (size_t i = 0; i < ELEMENTS(lengths); i++) {
                assert_int_equal(ftruncate(fd, lengths[i]), 0);
                assert_int_equal(check(fd), -ENOEXEC);
        }
}

static void put(int fd, off_t at, const void *data, size_t size) {
        assert_int_equal(pwrite(fd, data, size, at), (ssize_t)size);
}

/* As Go has it: all tables in front, so that the file's end is only what they tell of. */
static void what_tables_in_front_tell_of_is_looked_for(void **state) {
        ElfW(Ehdr) header;
        ElfW(Phdr) segment = {.p_type = PT_LOAD, .p_offset = 4096, .p_filesz = 4096, .p_memsz = 1 << 20};
        ElfW(Shdr) section = {.sh_type = SHT_PROGBITS, .sh_offset = 8192, .sh_size = 100};
        _cleanup_close_ int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
                            fd = memfd_create("program", MFD_CLOEXEC);
        (void)state;
        assert_int_equal(pread(self, &header, sizeof(header), 0), (ssize_t)sizeof(header));
        header.e_phoff = 1024;
        header.e_shoff = 2048;
        header.e_phnum = header.e_shnum = 1;
        put(fd, 0, &header, sizeof(header));
        put(fd, 1024, &segment, sizeof(segment));
        put(fd, 2048, &section, sizeof(section));
        assert_int_equal(ftruncate(fd, 8292), 0);
        assert_int_equal(check(fd), 0);
        assert_int_equal(ftruncate(fd, 8291), 0);
        assert_int_equal(check(fd), -ENOEXEC);
        section.sh_type = SHT_NOBITS;
        put(fd, 2048, &section, sizeof(section));
        assert_int_equal(check(fd), 0);
        assert_int_equal(ftruncate(fd, 8191), 0);
        assert_int_equal(check(fd), -ENOEXEC);
        assert_int_equal(ftruncate(fd, 8192), 0);
        segment.p_offset = UINT64_MAX;
        put(fd, 1024, &segment, sizeof(segment));
        assert_int_equal(check(fd), -ENOEXEC);
        segment.p_filesz = 0;
        put(fd, 1024, &segment, sizeof(segment));
        assert_int_equal(check(fd), 0);
        header.e_shoff = UINT64_MAX;
        put(fd, 0, &header, sizeof(header));
        assert_int_equal(check(fd), -ENOEXEC);
}

static void what_is_no_program_is_left_to_others(void **state) {
        _cleanup_close_ int fd = memfd_create("program", MFD_CLOEXEC);
        (void)state;
        assert_int_equal(check(fd), 0);
        put(fd, 0, "#!/bin/sh\n", 10);
        assert_int_equal(check(fd), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(a_program_is_whole_or_it_is_not),
                        cmocka_unit_test(what_tables_in_front_tell_of_is_looked_for),
                        cmocka_unit_test(what_is_no_program_is_left_to_others),
        };
        return cmocka_run_group_tests_name("programs of releases", tests, NULL, NULL);
}
