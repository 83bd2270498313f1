#include "memory.h"

#include "base.h"
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>

static int give_back(struct dl_phdr_info *object, size_t size, void *userdata);

void memory_rest(void) {
        (void)malloc_trim(0);
        (void)dl_iterate_phdr(give_back, NULL);
}

/* What the program header maps writable is left alone: it holds relocations even where it was made read-only since, and a
 * private page that was written is lost when it is given back. */
static int give_back(struct dl_phdr_info *object, size_t size, void *userdata) {
        uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
        (void)size;
        (void)userdata;
        for (size_t i = 0; i < object->dlpi_phnum; i++) {
                const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
                if (segment->p_type != PT_LOAD || segment->p_flags & PF_W)
                        continue;
                uintptr_t begin = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
                uintptr_t end = (object->dlpi_addr + segment->p_vaddr + segment->p_memsz + page - 1) &
                                ~(page - 1);
                (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
        }
        return 0;
}
