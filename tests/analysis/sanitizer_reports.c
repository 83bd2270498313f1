/* Linked into interrex only where it runs under the sanitizers (make check-sanitize). Its processes have no environment
 * to be configured by, their output is read by nobody while a test passes, and those with a sandbox can open no file: so
 * each opens the file of reports as it starts. A role that dies of a finding would else be started again, unnoticed. */
#include <fcntl.h>
#include <sanitizer/common_interface_defs.h>
#include <stdint.h>
#include <stdlib.h>

const char *__asan_default_options(void);

/* Leaks are looked for by another process with ptrace, which no sandbox here allows; the unit tests look for them. */
const char *__asan_default_options(void) {
        return "detect_leaks=0:strict_string_checks=1:detect_stack_use_after_return=1";
}

__attribute__((constructor)) static void open_reports(void) {
        int fd = open(SANITIZER_REPORTS, O_WRONLY | O_APPEND | O_CLOEXEC);
        if (fd < 0)
                abort();
        __sanitizer_set_report_fd((void *)(intptr_t)fd);
}
