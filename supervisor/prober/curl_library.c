#include "curl_library.h"

#include "../lib/log.h"
#include <dlfcn.h>

/* curl's own macros of these names would check variadic arguments against a call that is not made here. */
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

const struct curl_library *curl_library_load(void) {
        static struct curl_library library;
        void *handle = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
        const struct {
                const char *name;
                void *field;
        } functions[] = {
                        {"curl_global_init", &library.global_init},
                        {"curl_easy_init", &library.easy_init},
                        {"curl_easy_cleanup", &library.easy_cleanup},
                        {"curl_easy_setopt", &library.easy_setopt},
                        {"curl_easy_getinfo", &library.easy_getinfo},
                        {"curl_easy_strerror", &library.easy_strerror},
                        {"curl_multi_init", &library.multi_init},
                        {"curl_multi_setopt", &library.multi_setopt},
                        {"curl_multi_add_handle", &library.multi_add_handle},
                        {"curl_multi_remove_handle", &library.multi_remove_handle},
                        {"curl_multi_socket_action", &library.multi_socket_action},
                        {"curl_multi_assign", &library.multi_assign},
                        {"curl_multi_info_read", &library.multi_info_read},
                        {"curl_slist_append", &library.slist_append},
                        {"curl_slist_free_all", &library.slist_free_all},
        };
        for (size_t i = 0; handle && i < sizeof(functions) / sizeof(functions[0]); i++) {
                void *symbol = dlsym(handle, functions[i].name);
                if (!symbol) {
                        log_error("libcurl has no %s", functions[i].name);
                        return NULL;
                }
                *(void **) functions[i].field = symbol;
        }
        if (!handle)
                log_error("cannot load libcurl: %s; install the package libcurl4", dlerror());
        return handle ? &library : NULL;
}
