#include "release_internal.h"

#include <elf.h>
#include <limits.h>
#include <link.h>

#define FIRST_LINE_MAX 256 /* as much of it as the kernel reads */

/* The linker puts this program's own header here. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

/* False: it is no program of this host's kind. */
static bool read_header(int fd, ElfW(Ehdr) * ret_header) {
        return pread(fd, ret_header, sizeof(*ret_header), 0) == (ssize_t)sizeof(*ret_header) &&
               memcmp(ret_header->e_ident, __ehdr_start.e_ident, EI_DATA + 1) == 0;
}

static bool read_segment(int fd, const ElfW(Ehdr) * header, size_t i, ElfW(Phdr) * ret_segment) {
        uint64_t at = header->e_phoff + i * sizeof(*ret_segment);
        return header->e_phentsize == sizeof(*ret_segment) && at <= INT64_MAX &&
               pread(fd, ret_segment, sizeof(*ret_segment), (off_t)at) == (ssize_t)sizeof(*ret_segment);
}

static bool read_section(int fd, const ElfW(Ehdr) * header, size_t i, ElfW(Shdr) * ret_section) {
        uint64_t at = header->e_shoff + i * sizeof(*ret_section);
        return header->e_shentsize == sizeof(*ret_section) && at <= INT64_MAX &&
               pread(fd, ret_section, sizeof(*ret_section), (off_t)at) == (ssize_t)sizeof(*ret_section);
}

static void reach(uint64_t *end, uint64_t offset, uint64_t size) {
        uint64_t last;
        if (size > 0 && __builtin_add_overflow(offset, size, &last))
                last = UINT64_MAX;
        if (size > 0 && last > *end)
                *end = last;
}

/* Behind the last byte that the file tells of. */
static uint64_t find_end(int fd, const ElfW(Ehdr) * header) {
        uint64_t end = 0;
        ElfW(Phdr) segment;
        ElfW(Shdr) section;
        reach(&end, header->e_phoff, (uint64_t)header->e_phnum * header->e_phentsize);
        reach(&end, header->e_shoff, (uint64_t)header->e_shnum * header->e_shentsize);
        for (size_t i = 0; i < header->e_phnum && read_segment(fd, header, i, &segment); i++)
                reach(&end, segment.p_offset, segment.p_filesz);
        for (size_t i = 0; i < header->e_shnum && read_section(fd, header, i, &section); i++)
                if (section.sh_type != SHT_NULL && section.sh_type != SHT_NOBITS)
                        reach(&end, section.sh_offset, section.sh_size);
        return end;
}

int release_check_whole(int fd, const char *what, char **ret_error) {
        ElfW(Ehdr) header;
        struct stat st;
        if (fstat(fd, &st) < 0 || !read_header(fd, &header))
                return 0;
        uint64_t end = find_end(fd, &header);
        if (end <= (uint64_t)st.st_size)
                return 0;
        return fail_with(ret_error, -ENOEXEC,
                        "%s is cut short: it has %lu bytes and tells of %lu in itself; download it again",
                        what, (uint64_t)st.st_size, end);
}

static void read_first_line(int fd, char *path, size_t size) {
        char line[FIRST_LINE_MAX + 1] = "";
        if (pread(fd, line, FIRST_LINE_MAX, 0) <= 2 || line[0] != '#' || line[1] != '!')
                return;
        char *begin = line + 2 + strspn(line + 2, " \t");
        begin[strcspn(begin, " \t\n")] = '\0';
        text_copy(path, size, begin);
}

static void read_loader(int fd, char *path, size_t size) {
        ElfW(Ehdr) header;
        ElfW(Phdr) segment;
        if (!read_header(fd, &header))
                return;
        for (size_t i = 0; i < header.e_phnum && read_segment(fd, &header, i, &segment); i++) {
                if (segment.p_type != PT_INTERP || segment.p_filesz >= size || segment.p_offset > INT64_MAX)
                        continue;
                ssize_t n = pread(fd, path, segment.p_filesz, (off_t)segment.p_offset);
                path[n > 0 ? n : 0] = '\0';
                return;
        }
}

char *release_missing_interpreter(const char *releases_dir, const char *version, const char *command) {
        struct release release = {0};
        _cleanup_free_ char *program = NULL;
        _cleanup_close_ int fd = -1;
        char path[PATH_MAX] = "";
        if (release_load(releases_dir, version, &release) < 0)
                return NULL;
        int r = release_open_command(releases_dir, &release, command, &program, &fd);
        release_done(&release);
        if (r < 0)
                return NULL;
        read_first_line(fd, path, sizeof(path));
        if (!*path)
                read_loader(fd, path, sizeof(path));
        if (*path != '/' || access(path, F_OK) == 0)
                return NULL;
        /* It was downloaded, and goes to a terminal. */
        for (char *c = path; *c; c++)
                if (*c <= ' ' || *c > '~')
                        *c = '?';
        return strdup(path);
}
