#include "symbols.h"

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>

#define NEAREST 5

struct nearest {
        unsigned distance[NEAREST];
        char name[NEAREST][128];
        size_t n;
};

struct search {
        const char *name;
        bool found;
        GElf_Sym symbol;
        size_t n_functions;
        struct nearest nearest;
};

static void elf_end_at(Elf **elf) {
        if (*elf)
                (void) elf_end(*elf);
}

static int say(char **ret_error, const char *text, int error) {
        if (ret_error)
                *ret_error = strdup(text);
        return error;
}

/* Few letters apart, or one contained in the other (a symbol with its package or namespace left out). */
static unsigned distance(const char *a, const char *b) {
        unsigned row[128];
        size_t n = strlen(b), m = strlen(a);
        if (n >= ELEMENTS(row) || m >= ELEMENTS(row))
                return UINT32_MAX;
        if (strstr(b, a) || strstr(a, b))
                return (unsigned) (n > m ? n - m : m - n) / 8 + 1;
        for (unsigned j = 0; j <= n; j++)
                row[j] = j;
        for (unsigned i = 1; i <= m; i++) {
                unsigned diagonal = row[0];
                row[0] = i;
                for (size_t j = 1; j <= n; j++) {
                        unsigned above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
                        diagonal = above;
                        best = above + 1 < best ? above + 1 : best;
                        row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
                }
        }
        return row[n];
}

static void note_near(struct nearest *nearest, const char *name, unsigned how_far) {
        size_t i = nearest->n;
        for (size_t j = 0; j < nearest->n; j++)
                if (strcmp(nearest->name[j], name) == 0)
                        return;
        while (i > 0 && nearest->distance[i - 1] > how_far)
                i--;
        if (i == NEAREST || how_far == UINT32_MAX)
                return;
        size_t last = nearest->n < NEAREST ? nearest->n : NEAREST - 1;
        for (size_t j = last; j > i; j--) {
                nearest->distance[j] = nearest->distance[j - 1];
                memcpy(nearest->name[j], nearest->name[j - 1], sizeof(nearest->name[j]));
        }
        nearest->distance[i] = how_far;
        text_copy(nearest->name[i], sizeof(nearest->name[i]), name);
        if (nearest->n < NEAREST)
                nearest->n++;
}

static void search_table(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, struct search *search) {
        Elf_Data *data = elf_getdata(section, NULL);
        size_t n = data && header->sh_entsize ? data->d_size / header->sh_entsize : 0;
        for (size_t i = 0; i < n && i <= INT32_MAX && !search->found; i++) {
                GElf_Sym symbol;
                if (!gelf_getsym(data, (int) i, &symbol) || GELF_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF)
                        continue;
                const char *name = elf_strptr(elf, header->sh_link, symbol.st_name);
                if (!name || !*name)
                        continue;
                search->n_functions++;
                if (strcmp(name, search->name) == 0) {
                        search->symbol = symbol;
                        search->found = true;
                } else
                        note_near(&search->nearest, name, distance(search->name, name));
        }
}

static int to_file_offset(Elf *elf, uint64_t address, uint64_t *ret_offset) {
        size_t n = 0;
        if (elf_getphdrnum(elf, &n) < 0)
                return -ENOEXEC;
        for (size_t i = 0; i < n && i <= INT32_MAX; i++) {
                GElf_Phdr segment;
                if (gelf_getphdr(elf, (int) i, &segment) && segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
                                address - segment.p_vaddr < segment.p_memsz) {
                        *ret_offset = address - segment.p_vaddr + segment.p_offset;
                        return 0;
                }
        }
        return -ENOEXEC;
}

static int refuse_missing(const struct search *search, char **ret_error) {
        char text[1024];
        if (search->n_functions == 0)
                return say(ret_error, "the binary is stripped: it has no symbols; build it with them, or use another gate", -ENOEXEC);
        (void) snprintf(text, sizeof(text), "it has no function \"%.200s\"; the nearest are:", search->name);
        for (size_t i = 0; i < search->nearest.n; i++) {
                size_t used = strlen(text);
                (void) snprintf(text + used, sizeof(text) - used, "%s %s", i ? "," : "", search->nearest.name[i]);
        }
        return say(ret_error, text, -ENOENT);
}

int symbol_find(int fd, const char *name, struct symbol_location *ret_location, char **ret_error) {
        struct search search = {.name = name};
        struct symbol_location location = {0};
        if (elf_version(EV_CURRENT) == EV_NONE)
                return -ENOSYS;
        _cleanup_(elf_end_at) Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
        if (!elf || elf_kind(elf) != ELF_K_ELF)
                return say(ret_error, "the command is not an ELF binary, so it has no symbols (is it a script?)", -ENOEXEC);
        for (Elf_Scn *section = NULL; !search.found && (section = elf_nextscn(elf, section));) {
                GElf_Shdr header;
                if (gelf_getshdr(section, &header) && (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM))
                        search_table(elf, section, &header, &search);
        }
        if (!search.found)
                return refuse_missing(&search, ret_error);
        if (to_file_offset(elf, search.symbol.st_value, &location.offset) < 0)
                return say(ret_error, "the symbol lies outside of what is loaded: the binary is damaged", -ENOEXEC);
        location.address = search.symbol.st_value;
        location.size = search.symbol.st_size;
        text_copy(location.name, sizeof(location.name), name);
        *ret_location = location;
        return 0;
}
