#include "symbols.h"

#include <ctype.h>
#include <gelf.h>
#include <libelf.h>
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
/* Many section headers may point at one table; the largest real binaries have a few million symbols. */
#define SYMBOLS_MAX (16 * 1024 * 1024)

struct near_name {
        unsigned distance;
        char name[NEAREST_NAME_MAX];
};

struct search {
        const char *name;
        size_t length;
        bool has_full_table; /* .symtab, which strip removes; .dynsym stays */
        bool wants_nearest;
        size_t n_seen, n_functions, n_found;
        GElf_Sym symbol;
        struct near_name nearest[NEAREST];
        size_t n_nearest;
};

static int open_elf(int fd, Elf **ret_elf, char **ret_error);
static int search_tables(Elf *elf, struct search *search, char **ret_error);
static int to_file_offset(Elf *elf, uint64_t address, uint64_t *ret_offset);
static int refuse_missing(const struct search *search, char **ret_error);
static int refuse(char **ret_error, int error, const char *format, ...) _printf_(3, 4);

static void elf_end_at(Elf **elf) {
        if (*elf)
                (void) elf_end(*elf);
}

int symbol_find(int fd, const char *name, struct symbol_location *ret_location, char **ret_error) {
        _cleanup_(elf_end_at) Elf *elf = NULL;
        struct search search = {.name = name, .length = strlen(name)};
        struct stat st;
        if (fstat(fd, &st) < 0)
                return refuse(ret_error, -errno, "the command cannot be read: %m");
        int r = open_elf(fd, &elf, ret_error);
        if (r >= 0)
                r = search_tables(elf, &search, ret_error);
        if (r < 0)
                return r;
        if (search.n_found == 0) {
                search.wants_nearest = true; /* apart, because it costs much more than to compare */
                r = search_tables(elf, &search, ret_error);
                return r < 0 ? r : refuse_missing(&search, ret_error);
        }
        if (search.n_found > 1)
                return refuse(ret_error, -ENOTUNIQ,
                                "more than one function of the binary is called \"%.200s\", and a gate at "
                                "one would miss the others: name a function that is there once, or use "
                                "another gate",
                                name);
        struct symbol_location location = {.address = search.symbol.st_value, .size = search.symbol.st_size};
        if (to_file_offset(elf, location.address, &location.offset) < 0 || location.offset >= (uint64_t) st.st_size)
                return refuse(ret_error, -ENOEXEC,
                                "the function \"%.200s\" lies outside of the code that is loaded: the "
                                "binary is damaged or not linked; add the release again from its source",
                                name);
        text_copy(location.name, sizeof(location.name), name);
        *ret_location = location;
        return 0;
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
        text_copy(search->nearest[i].name, sizeof(search->nearest[i].name), name);
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
        if (room <= search->length || memcmp(name, search->name, search->length + 1) != 0)
                return;
        /* An exported function is in both tables, at one address. */
        if (search->n_found == 0 || symbol->st_value != search->symbol.st_value)
                search->n_found++;
        if (search->n_found == 1)
                search->symbol = *symbol;
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

static int refuse_missing(const struct search *search, char **ret_error) {
        char near[NEAREST * (NEAREST_NAME_MAX + 2)] = "";
        const char *stripped = search->has_full_table ? "" : " (it is stripped: only exported functions can be found)";
        if (search->n_functions == 0)
                return refuse(ret_error, -ENOEXEC,
                                "the binary is stripped, so its function \"%.200s\" cannot be found: use "
                                "a build without `strip` and without the linker's -s, or another gate",
                                search->name);
        for (size_t i = 0; i < search->n_nearest; i++) {
                size_t used = strlen(near);
                (void) snprintf(near + used, sizeof(near) - used, "%s%s", i ? ", " : "", search->nearest[i].name);
        }
        if (search->n_nearest == 0)
                return refuse(ret_error, -ENOENT,
                                "the binary has no function \"%.200s\"%s, and none that comes near: `nm` "
                                "lists those it has",
                                search->name, stripped);
        return refuse(ret_error, -ENOENT, "the binary has no function \"%.200s\"%s; the nearest are: %s", search->name, stripped,
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
