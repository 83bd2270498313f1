#include "release_internal.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

/* The linker puts this program's own header here: the surest word on what this host is. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static int check_elf(const unsigned char *head, size_t length, const char *what, char **ret_error);
static const char *machine_name(unsigned machine);

int release_open_file(int release_fd, const char *path, int flags) {
        struct open_how how = {
                        .flags = (unsigned)flags | O_CLOEXEC,
                        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
        };
        int fd = (int)syscall(SYS_openat2, release_fd, path, &how, sizeof(how));
        return fd < 0 ? -errno : fd;
}

const char *release_command_path(const struct release *release, const char *command) {
        return release->n_files == 1 && !S_ISLNK(release->files[0].mode) ? release->files[0].path : command;
}

int release_open_command(const char *releases_dir, const struct release *release, const char *command,
                char **ret_path, int *ret_fd) {
        _cleanup_free_ char *absolute = realpath(releases_dir, NULL), *path = NULL;
        struct stat st;
        command = release_command_path(release, command);
        if (!absolute)
                return -errno;
        if (!command || asprintf(&path, "%s/%s", absolute, release->text) < 0)
                return command ? -ENOMEM : -ENOENT;
        _cleanup_close_ int directory = directory_open(AT_FDCWD, path);
        if (directory < 0)
                return directory;
        _cleanup_close_ int fd = release_open_file(directory, command, O_RDONLY | O_NONBLOCK);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111))
                return -EACCES;
        free(path);
        path = NULL;
        if (asprintf(&path, "%s/%s/%s", absolute, release->text, command) < 0)
                return -ENOMEM;
        *ret_path = TAKE_POINTER(path);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int release_check_program(int release_fd, const char *command, const char *source, char **ret_error) {
        _cleanup_close_ int fd = release_open_file(release_fd, command, O_RDONLY | O_NONBLOCK);
        if (fd < 0)
                return fail_with(ret_error, -ENOEXEC,
                                "%s holds no %s, which the configuration names as exec.command; add the "
                                "directory that holds it",
                                source, command);
        int r = release_check_executable(fd, command, ret_error);
        return r < 0 ? r : release_check_whole(fd, command, ret_error);
}

int release_check_command(
                const char *releases_dir, const char *version, const char *command, char **ret_error) {
        struct release release = {0};
        _cleanup_free_ char *path = NULL;
        int r = release_load(releases_dir, version, &release);
        if (r < 0)
                return fail_with(ret_error, r, "release %s cannot be read: %s", version, strerror(-r));
        _cleanup_close_ int directory = -1;
        if (asprintf(&path, "%s/%s", releases_dir, release.text) >= 0)
                directory = directory_open(AT_FDCWD, path);
        r = directory < 0 ? fail_with(ret_error, -ENOENT, "release %s cannot be opened", version)
                          : release_check_program(directory, release_command_path(&release, command),
                                            version, ret_error);
        release_done(&release);
        return r;
}

int release_check_executable(int fd, const char *what, char **ret_error) {
        unsigned char head[sizeof(Elf64_Ehdr)] = {0};
        struct stat st;
        if (fstat(fd, &st) < 0)
                return fail_with(ret_error, -errno, "%s cannot be examined: %s", what, strerror(errno));
        if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111))
                return fail_with(ret_error, -ENOEXEC,
                                "%s is not executable; run `chmod +x` on it and add it again", what);
        ssize_t n = pread(fd, head, sizeof(head), 0);
        if (n < 0)
                return fail_with(ret_error, -errno, "%s cannot be read: %s", what, strerror(errno));
        if (n >= 2 && head[0] == '#' && head[1] == '!')
                return 0;
        if (n >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0)
                return check_elf(head, (size_t)n, what, ret_error);
        return fail_with(ret_error, -ENOEXEC,
                        "%s is neither an ELF program nor a script that begins with #!; was an archive or a "
                        "web page downloaded instead?",
                        what);
}

/* e_type and e_machine stand at the same place in both classes, so that the 32-bit layout serves for both.
 */
static int check_elf(const unsigned char *head, size_t length, const char *what, char **ret_error) {
        Elf32_Ehdr header;
        if (length < sizeof(header))
                return fail_with(ret_error, -ENOEXEC,
                                "%s is cut short within its first %zu bytes; download it again", what,
                                sizeof(header));
        memcpy(&header, head, sizeof(header));
        if (header.e_ident[EI_DATA] != __ehdr_start.e_ident[EI_DATA] ||
                        header.e_machine != __ehdr_start.e_machine)
                return fail_with(ret_error, -ENOEXEC,
                                "%s was built for %s (ELF machine %u), this host is %s; get the release for "
                                "this architecture",
                                what, machine_name(header.e_machine), header.e_machine,
                                machine_name(__ehdr_start.e_machine));
        if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
                return fail_with(ret_error, -ENOEXEC,
                                "%s is an ELF file of type %u and no program; name the program itself", what,
                                header.e_type);
        return 0;
}

static const char *machine_name(unsigned machine) {
        static const struct {
                unsigned machine;
                const char *name;
        } names[] = {
                        {EM_X86_64, "x86-64"},
                        {EM_AARCH64, "arm64"},
                        {EM_386, "x86"},
                        {EM_ARM, "arm"},
                        {EM_RISCV, "risc-v"},
                        {EM_PPC64, "ppc64"},
                        {EM_S390, "s390"},
                        {EM_MIPS, "mips"},
        };
        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (names[i].machine == machine)
                        return names[i].name;
        return "another architecture";
}
