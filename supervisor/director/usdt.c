/* USDT probes: notes of type stapsdt, as <sys/sdt.h> makes them. */
#include "symbols.h"

#include <asm/ptrace.h>
#include <gelf.h>
#include <libelf.h>

#define NOTE_TYPE_STAPSDT 3

static void elf_end_at(Elf **elf) {
        if (*elf)
                (void) elf_end(*elf);
}

static int say(char **ret_error, int error, const char *format, const char *what) {
        if (ret_error && asprintf(ret_error, format, what) < 0)
                *ret_error = NULL;
        return error;
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

#if defined(__x86_64__)
static int find_register(const char *name, size_t length, uint32_t *ret_offset) {
        static const struct {
                const char *names[5];
                uint32_t offset;
        } registers[] = {
                        {{"rax", "eax", "ax", "al"}, offsetof(struct pt_regs, rax)},
                        {{"rbx", "ebx", "bx", "bl"}, offsetof(struct pt_regs, rbx)},
                        {{"rcx", "ecx", "cx", "cl"}, offsetof(struct pt_regs, rcx)},
                        {{"rdx", "edx", "dx", "dl"}, offsetof(struct pt_regs, rdx)},
                        {{"rsi", "esi", "si", "sil"}, offsetof(struct pt_regs, rsi)},
                        {{"rdi", "edi", "di", "dil"}, offsetof(struct pt_regs, rdi)},
                        {{"rbp", "ebp", "bp", "bpl"}, offsetof(struct pt_regs, rbp)},
                        {{"rsp", "esp", "sp", "spl"}, offsetof(struct pt_regs, rsp)},
                        {{"r8", "r8d", "r8w", "r8b"}, offsetof(struct pt_regs, r8)},
                        {{"r9", "r9d", "r9w", "r9b"}, offsetof(struct pt_regs, r9)},
                        {{"r10", "r10d", "r10w", "r10b"}, offsetof(struct pt_regs, r10)},
                        {{"r11", "r11d", "r11w", "r11b"}, offsetof(struct pt_regs, r11)},
                        {{"r12", "r12d", "r12w", "r12b"}, offsetof(struct pt_regs, r12)},
                        {{"r13", "r13d", "r13w", "r13b"}, offsetof(struct pt_regs, r13)},
                        {{"r14", "r14d", "r14w", "r14b"}, offsetof(struct pt_regs, r14)},
                        {{"r15", "r15d", "r15w", "r15b"}, offsetof(struct pt_regs, r15)},
        };
        for (size_t i = 0; i < ELEMENTS(registers); i++)
                for (size_t j = 0; registers[i].names[j]; j++)
                        if (strlen(registers[i].names[j]) == length && strncmp(registers[i].names[j], name, length) == 0) {
                                *ret_offset = registers[i].offset;
                                return 0;
                        }
        return -EINVAL;
}
#else
static int find_register(const char *name, size_t length, uint32_t *ret_offset) {
        (void) name;
        (void) length;
        (void) ret_offset;
        return -EOPNOTSUPP;
}
#endif

/* "-8@%rax", "4@-16(%rbp)", "8@$5". */
static int parse_argument(const char *text, struct usdt_location *location) {
        char *end = NULL;
        long size = strtol(text, &end, 10);
        if (end == text || *end != '@' || size == 0 || size < -8 || size > 8)
                return -EINVAL;
        location->size = (uint32_t) labs(size);
        text = end + 1;
        if (*text == '$') {
                location->kind = USDT_CONSTANT;
                location->value = strtoll(text + 1, &end, 10);
                return end == text + 1 ? -EINVAL : 0;
        }
        if (*text == '%') {
                location->kind = USDT_REGISTER;
                return find_register(text + 1, strcspn(text + 1, " "), &location->register_offset);
        }
        location->kind = USDT_MEMORY;
        location->value = strtoll(text, &end, 10);
        if (end[0] != '(' || end[1] != '%')
                return -EINVAL;
        return find_register(end + 2, strcspn(end + 2, ")"), &location->register_offset);
}

static int take_note(Elf *elf, const char *description, size_t size, const char *wanted, unsigned argument, uint64_t base,
                struct usdt_location *ret_location) {
        uint64_t addresses[3];
        char full[300];
        if (size < sizeof(addresses) + 3 || memchr(description + size - 1, '\0', 1) == NULL)
                return -EINVAL;
        memcpy(addresses, description, sizeof(addresses));
        const char *provider = description + sizeof(addresses), *end = description + size;
        const char *name = provider + strnlen(provider, (size_t) (end - provider)) + 1;
        const char *arguments = name < end ? name + strnlen(name, (size_t) (end - name)) + 1 : end;
        if (arguments >= end)
                return -EINVAL;
        (void) snprintf(full, sizeof(full), "%.140s:%.140s", provider, name);
        if (strcmp(full, wanted) != 0)
                return -ENOENT;
        uint64_t moved = base ? base - addresses[1] : 0;
        struct usdt_location location = {0};
        for (unsigned i = 1; i < argument && arguments; i++) {
                arguments = strchr(arguments, ' ');
                arguments = arguments ? arguments + 1 : NULL;
        }
        if (!arguments || parse_argument(arguments, &location) < 0)
                return -EINVAL;
        int r = to_file_offset(elf, addresses[0] + moved, &location.offset);
        if (r >= 0 && addresses[2])
                r = to_file_offset(elf, addresses[2] + moved, &location.semaphore_offset);
        if (r >= 0)
                *ret_location = location;
        return r;
}

static uint64_t find_base(Elf *elf, size_t names) {
        for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
                GElf_Shdr header;
                const char *name = gelf_getshdr(section, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;
                if (name && strcmp(name, ".stapsdt.base") == 0)
                        return header.sh_addr;
        }
        return 0;
}

static int search_notes(Elf *elf, Elf_Data *data, const char *wanted, unsigned argument, uint64_t base,
                struct usdt_location *ret_location) {
        GElf_Nhdr note;
        size_t name_at, description_at, r = -1UL;
        int result = -ENOENT;
        for (size_t at = 0; result == -ENOENT && (r = gelf_getnote(data, at, &note, &name_at, &description_at)) > 0; at = r)
                if (note.n_type == NOTE_TYPE_STAPSDT && description_at + note.n_descsz <= data->d_size)
                        result = take_note(elf, (const char *) data->d_buf + description_at, note.n_descsz, wanted, argument, base,
                                        ret_location);
        return result;
}

int usdt_find(int fd, const char *probe, unsigned argument, struct usdt_location *ret_location, char **ret_error) {
        size_t names = 0;
        if (elf_version(EV_CURRENT) == EV_NONE)
                return -ENOSYS;
        _cleanup_(elf_end_at) Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
        if (!elf || elf_kind(elf) != ELF_K_ELF || elf_getshdrstrndx(elf, &names) < 0)
                return say(ret_error, -ENOEXEC, "the command is not an ELF binary: no probe %s", probe);
        uint64_t base = find_base(elf, names);
        for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
                GElf_Shdr header;
                if (!gelf_getshdr(section, &header) || header.sh_type != SHT_NOTE)
                        continue;
                Elf_Data *data = elf_getdata(section, NULL);
                int r = data ? search_notes(elf, data, probe, argument, base, ret_location) : -ENOENT;
                if (r != -ENOENT)
                        return r < 0 ? say(ret_error, r, "the probe %s does not have that argument in a form that can be read",
                                                       probe)
                                     : 0;
        }
        return say(ret_error, -ENOENT, "it has no USDT probe %s; `readelf -n` lists those it has", probe);
}
