#include "symbols.h"

#include <ctype.h>
#include <gelf.h>
#include <libelf.h>
#include <regex.h>
#include <stdarg.h>
#include <sys/stat.h>

#if defined(__x86_64__)
#define HOST_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define HOST_MACHINE EM_AARCH64
#else
#error "which ELF machine is this?"
#endif

#define NEAREST 5
#define NEAREST_NAME_MAX 256 /* longer names are found, but not suggested */
#define FOUND 5              /* so many of several matches are named */
#define LITERAL_MAX 128
/* What a pattern is searched in: mangled names of real programs are some thousand characters long at most, and those of the
 * largest binaries 200 MB together. */
#define MATCHED_NAME_MAX (64 * 1024)
#define MATCHED_BYTES_MAX (UINT64_C(256) * 1024 * 1024)
/* Many section headers may point at one table; the largest real binaries have a few million symbols. */
#define SYMBOLS_MAX (16 * 1024 * 1024)

struct near_name {
        unsigned distance;
        char name[NEAREST_NAME_MAX];
};

struct found_function {
        uint64_t address, size;
        char name[NEAREST_NAME_MAX]; /* cut if longer */
};

struct search {
        const char *name; /* of the function; where a pattern is searched for, what names that come near have in them */
        size_t length;
        const char *pattern; /* NULL: by name */
        const regex_t *compiled;
        uint64_t n_matched_bytes;
        bool is_too_much;    /* some names were not looked at, so nobody knows whether a match is the only one */
        bool has_full_table; /* .symtab, which strip removes; .dynsym stays */
        bool wants_nearest;
        size_t n_seen, n_functions, n_found;
        struct found_function found[FOUND];
        struct near_name nearest[NEAREST];
        size_t n_nearest;
};

static int open_elf(int fd, Elf **ret_elf, char **ret_error);
static int search_tables(Elf *elf, struct search *search, char **ret_error);
static int to_file_offset(Elf *elf, uint64_t address, uint64_t *ret_offset);
static int refuse_missing(const struct search *search, char **ret_error);
static int refuse_several(const struct search *search, char **ret_error);
static int refuse(char **ret_error, int error, const char *format, ...) _printf_(3, 4);

static void elf_end_at(Elf **elf) {
        if (*elf)
                (void) elf_end(*elf);
}

/* A name may be anything in a hostile file, and goes to terminals and logs. */
static void copy_printable(char *to, size_t size, const char *name) {
        text_copy(to, size, name);
        for (char *c = to; *c; c++)
                if (!isgraph((unsigned char) *c))
                        *c = '?';
}

static int find(int fd, struct search *search, struct symbol_location *ret_location, char **ret_error) {
        _cleanup_(elf_end_at) Elf *elf = NULL;
        struct stat st;
        if (fstat(fd, &st) < 0)
                return refuse(ret_error, -errno, "the command cannot be read: %m");
        int r = open_elf(fd, &elf, ret_error);
        if (r >= 0)
                r = search_tables(elf, search, ret_error);
        if (r < 0)
                return r;
        if (search->n_found == 0) {
                search->wants_nearest = true; /* apart, because it costs much more than to compare */
                r = search_tables(elf, search, ret_error);
                return r < 0 ? r : refuse_missing(search, ret_error);
        }
        if (search->n_found > 1)
                return refuse_several(search, ret_error);
        const struct found_function *found = &search->found[0];
        struct symbol_location location = {.address = found->address, .size = found->size};
        if (to_file_offset(elf, location.address, &location.offset) < 0 || location.offset >= (uint64_t) st.st_size)
                return refuse(ret_error, -ENOEXEC,
                                "the function \"%.200s\" lies outside of the code that is loaded: the "
                                "binary is damaged or not linked; add the release again from its source",
                                found->name);
        text_copy(location.name, sizeof(location.name), found->name);
        *ret_location = location;
        return 0;
}

int symbol_find(int fd, const char *name, struct symbol_location *ret_location, char **ret_error) {
        struct search search = {.name = name, .length = strlen(name)};
        return find(fd, &search, ret_location, ret_error);
}

static bool is_ordinary(char c) {
        return isalnum((unsigned char) c) || c == '_' || c == '$';
}

/* The longest run of characters that stand for themselves, outside of brackets. It only serves to suggest names. */
static void find_literal(const char *pattern, char *literal, size_t size) {
        char run[LITERAL_MAX] = "";
        size_t length = 0, longest = 0;
        bool in_brackets = false;
        for (const char *c = pattern;; c++) {
                bool is_escaped = *c == '\\' && ispunct((unsigned char) c[1]);
                c += is_escaped;
                if (!in_brackets && (is_escaped || is_ordinary(*c)) && length < sizeof(run) - 1) {
                        run[length++] = *c;
                        continue;
                }
                length -= length > 0 && *c && strchr("*?{", *c) ? 1 : 0; /* the last one may be missing */
                if (length > longest) {
                        longest = length;
                        run[length] = '\0';
                        text_copy(literal, size, run);
                }
                length = 0;
                if (!*c)
                        return;
                in_brackets = in_brackets ? *c != ']' : *c == '[';
        }
}

int symbol_find_matching(int fd, const char *pattern, struct symbol_location *ret_location, char **ret_error) {
        char literal[LITERAL_MAX] = "", why[120];
        regex_t compiled;
        int r = regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB);
        if (r != 0) {
                (void) regerror(r, &compiled, why, sizeof(why));
                return refuse(ret_error, -EINVAL, "\"%.200s\" is not a POSIX extended regular expression: %s", pattern, why);
        }
        find_literal(pattern, literal, sizeof(literal));
        struct search search = {.name = literal, .length = strlen(literal), .pattern = pattern, .compiled = &compiled};
        r = find(fd, &search, ret_location, ret_error);
        regfree(&compiled);
        return r;
}

static int open_elf(int fd, Elf **ret_elf, char **ret_error) {
        GElf_Ehdr header;
        if (elf_version(EV_CURRENT) == EV_NONE)
                return refuse(ret_error, -ENOSYS, "the installed libelf is too old to read binaries: install a newer one");
        _cleanup_(elf_end_at) Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
        if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &header))
                return refuse(ret_error, -ENOEXEC,
                                "the command is not an ELF binary, so it has no functions to find; if it "
                                "is a script, let exec.command name the binary that it starts");
        if (header.e_machine != HOST_MACHINE || gelf_getclass(elf) != ELFCLASS64)
                return refuse(ret_error, -ENOEXEC,
                                "the command is a binary for another kind of processor (ELF machine %u, "
                                "%s bits): add a release that was built for this host",
                                header.e_machine, gelf_getclass(elf) == ELFCLASS64 ? "64" : "32");
        *ret_elf = TAKE_POINTER(elf);
        return 0;
}

/* Few letters apart. A name without its package or namespace, or without its mangling, counts as near too.
 */
static unsigned distance(const char *wanted, size_t m, const char *name, size_t n, unsigned limit) {
        unsigned row[NEAREST_NAME_MAX];
        size_t longer = m > n ? m : n, shorter = m > n ? n : m;
        if (shorter >= 4 && (strcasestr(name, wanted) || strcasestr(wanted, name)))
                return (unsigned) ((longer - shorter) / 16 + 1);
        if (longer - shorter > limit || longer >= ELEMENTS(row))
                return UINT32_MAX;
        for (unsigned j = 0; j <= n; j++)
                row[j] = j;
        for (unsigned i = 1; i <= m; i++) {
                unsigned diagonal = row[0];
                row[0] = i;
                for (size_t j = 1; j <= n; j++) {
                        bool differs = tolower((unsigned char) wanted[i - 1]) != tolower((unsigned char) name[j - 1]);
                        unsigned above = row[j], best = diagonal + (differs ? 1U : 0U);
                        best = above + 1 < best ? above + 1 : best;
                        row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
                        diagonal = above;
                }
        }
        return row[n] <= limit ? row[n] : UINT32_MAX;
}

static void note_near(struct search *search, const char *name, size_t length) {
        unsigned how_far = distance(search->name, search->length, name, length, (unsigned) (search->length / 3 + 1));
        size_t i = search->n_nearest;
        if (how_far == UINT32_MAX)
                return;
        for (size_t j = 0; j < search->n_nearest; j++)
                if (strcmp(search->nearest[j].name, name) == 0)
                        return; /* in both tables */
        while (i > 0 && search->nearest[i - 1].distance > how_far)
                i--;
        if (i == NEAREST)
                return;
        if (search->n_nearest < NEAREST)
                search->n_nearest++;
        memmove(&search->nearest[i + 1], &search->nearest[i], (search->n_nearest - 1 - i) * sizeof(search->nearest[0]));
        search->nearest[i].distance = how_far;
        copy_printable(search->nearest[i].name, sizeof(search->nearest[i].name), name);
}

/* The name ends within ROOM bytes, or it is none. */
static bool is_wanted(struct search *search, const char *name, size_t room) {
        if (!search->pattern)
                return room > search->length && memcmp(name, search->name, search->length + 1) == 0;
        size_t limit = room < MATCHED_NAME_MAX ? room : MATCHED_NAME_MAX, length = strnlen(name, limit);
        if (length == room)
                return false;
        search->n_matched_bytes += length;
        search->is_too_much = search->is_too_much || length == limit || search->n_matched_bytes > MATCHED_BYTES_MAX;
        if (search->is_too_much)
                return false;
        int r = regexec(search->compiled, name, 0, NULL, 0);
        search->is_too_much = r != 0 && r != REG_NOMATCH;
        return r == 0;
}

/* An exported function is in both tables, at one address; so are the names of one function. */
static void note_found(struct search *search, const GElf_Sym *symbol, const char *name) {
        size_t n = search->n_found < FOUND ? search->n_found : FOUND;
        /* cppcheck-suppress knownConditionTrueFalse ; it does not see that the caller calls this again */
        for (size_t i = 0; i < n; i++)
                if (search->found[i].address == symbol->st_value)
                        return;
        search->n_found++;
        if (n == FOUND)
                return;
        search->found[n].address = symbol->st_value;
        search->found[n].size = symbol->st_size;
        copy_printable(search->found[n].name, sizeof(search->found[n].name), name);
}

static void look_at(struct search *search, const GElf_Sym *symbol, const Elf_Data *names) {
        if (GELF_ST_TYPE(symbol->st_info) != STT_FUNC || symbol->st_shndx == SHN_UNDEF || symbol->st_name >= names->d_size)
                return;
        const char *name = (const char *) names->d_buf + symbol->st_name;
        size_t room = names->d_size - symbol->st_name;
        if (*name == '\0')
                return;
        if (search->wants_nearest) {
                size_t length = strnlen(name, room < NEAREST_NAME_MAX ? room : NEAREST_NAME_MAX);
                if (length < room && length < NEAREST_NAME_MAX)
                        note_near(search, name, length);
                return;
        }
        search->n_functions++;
        if (is_wanted(search, name, room))
                note_found(search, symbol, name);
}

static int search_table(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, struct search *search) {
        Elf_Scn *names_section = elf_getscn(elf, header->sh_link);
        Elf_Data *data = elf_getdata(section, NULL), *names = names_section ? elf_getdata(names_section, NULL) : NULL;
        size_t entry = gelf_fsize(elf, ELF_T_SYM, 1, EV_CURRENT);
        if (!data || !data->d_buf || data->d_type != ELF_T_SYM || !names || !names->d_buf || entry == 0)
                return 0;
        size_t n = data->d_size / entry;
        if (n > SYMBOLS_MAX - search->n_seen)
                return -E2BIG;
        search->n_seen += n;
        for (size_t i = 0; i < n; i++) {
                GElf_Sym symbol;
                if (gelf_getsym(data, (int) i, &symbol))
                        look_at(search, &symbol, names);
        }
        return 0;
}

static int search_tables(Elf *elf, struct search *search, char **ret_error) {
        search->n_seen = 0;
        for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
                GElf_Shdr header;
                if (!gelf_getshdr(section, &header) || (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM))
                        continue;
                search->has_full_table |= header.sh_type == SHT_SYMTAB;
                if (search_table(elf, section, &header, search) < 0)
                        return refuse(ret_error, -ENOEXEC,
                                        "the binary claims to have more than %d symbols: it is damaged; "
                                        "add the release again from its source",
                                        SYMBOLS_MAX);
        }
        if (search->is_too_much)
                return refuse(ret_error, -E2BIG,
                                "the names of the binary's functions are too many or too long to search all of them for "
                                "\"%.200s\": name the function with gate.symbol",
                                search->pattern);
        return 0;
}

/* Only what comes from the file and may be executed: in the rest of a segment there is nothing to put a
 * probe on. */
static int to_file_offset(Elf *elf, uint64_t address, uint64_t *ret_offset) {
        size_t n = 0;
        if (elf_getphdrnum(elf, &n) < 0)
                return -ENOEXEC;
        for (size_t i = 0; i < n && i <= INT32_MAX; i++) {
                GElf_Phdr segment;
                if (!gelf_getphdr(elf, (int) i, &segment))
                        return -ENOEXEC;
                if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X) || address < segment.p_vaddr ||
                                address - segment.p_vaddr >= segment.p_filesz)
                        continue;
                return __builtin_add_overflow(address - segment.p_vaddr, segment.p_offset, ret_offset) ? -ENOEXEC : 0;
        }
        return -ENOEXEC;
}

static int refuse_several(const struct search *search, char **ret_error) {
        char names[FOUND * (NEAREST_NAME_MAX + 2)] = "";
        if (!search->pattern)
                return refuse(ret_error, -ENOTUNIQ,
                                "more than one function of the binary is called \"%.200s\", and a gate at "
                                "one would miss the others: name a function that is there once, or use "
                                "another gate",
                                search->name);
        for (size_t i = 0; i < search->n_found && i < FOUND; i++) {
                size_t used = strlen(names);
                (void) snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "", search->found[i].name);
        }
        return refuse(ret_error, -ENOTUNIQ,
                        "%zu functions of the binary match \"%.200s\", and a gate at one would miss the others; "
                        "write a pattern that only one matches: %s%s",
                        search->n_found, search->pattern, names, search->n_found > FOUND ? ", ..." : "");
}

static int refuse_missing(const struct search *search, char **ret_error) {
        char near[NEAREST * (NEAREST_NAME_MAX + 2)] = "";
        const char *what = search->pattern ? "that matches " : "", *wanted = search->pattern ?: search->name;
        const char *stripped = search->has_full_table ? "" : " (it is stripped: only exported functions can be found)";
        if (search->n_functions == 0)
                return refuse(ret_error, -ENOEXEC,
                                "the binary is stripped, so its function %s\"%.200s\" cannot be found: use "
                                "a build without `strip` and without the linker's -s, or another gate",
                                what, wanted);
        for (size_t i = 0; i < search->n_nearest; i++) {
                size_t used = strlen(near);
                (void) snprintf(near + used, sizeof(near) - used, "%s%s", i ? ", " : "", search->nearest[i].name);
        }
        if (search->n_nearest == 0)
                return refuse(ret_error, -ENOENT,
                                "the binary has no function %s\"%.200s\"%s, and none that comes near: `nm` "
                                "lists those it has",
                                what, wanted, stripped);
        return refuse(ret_error, -ENOENT, "the binary has no function %s\"%.200s\"%s; the nearest are: %s", what, wanted, stripped,
                        near);
}

static int refuse(char **ret_error, int error, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        if (vasprintf(ret_error, format, arguments) < 0)
                *ret_error = NULL;
        va_end(arguments);
        return error;
}
