#include "curl_library.h"

#include "../lib/base.h"
#include <dlfcn.h>

int curl_library_load(struct curl_library *ret_library, const char **ret_why) {
        struct curl_library library = {0};
        const struct {
                const char *name;
                void *field;
        } functions[] = {
                        {"curl_global_init", &library.global_init},
                        {"curl_version_info", &library.version_info},
                        {"curl_easy_init", &library.easy_init},
                        {"curl_easy_cleanup", &library.easy_cleanup},
                        {"curl_easy_perform", &library.easy_perform},
                        {"curl_easy_setopt", &library.easy_setopt},
                        {"curl_easy_getinfo", &library.easy_getinfo},
                        {"curl_easy_strerror", &library.easy_strerror},
                        {"curl_easy_recv", &library.easy_recv},
                        {"curl_easy_send", &library.easy_send},
                        {"curl_multi_init", &library.multi_init},
                        {"curl_multi_cleanup", &library.multi_cleanup},
                        {"curl_multi_setopt", &library.multi_setopt},
                        {"curl_multi_add_handle", &library.multi_add_handle},
                        {"curl_multi_remove_handle", &library.multi_remove_handle},
                        {"curl_multi_socket_action", &library.multi_socket_action},
                        {"curl_multi_assign", &library.multi_assign},
                        {"curl_multi_info_read", &library.multi_info_read},
                        {"curl_slist_append", &library.slist_append},
                        {"curl_slist_free_all", &library.slist_free_all},
        };
        void *handle = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
        for (size_t i = 0; handle && i < ELEMENTS(functions); i++) {
                void *symbol = dlsym(handle, functions[i].name);
                if (!symbol) {
                        *ret_why = dlerror();
                        (void)dlclose(handle);
                        return -ENOENT;
                }
                memcpy(functions[i].field, &symbol, sizeof(symbol));
        }
        if (!handle) {
                *ret_why = dlerror();
                return -ENOENT;
        }
        void *sha1 = dlsym(handle, "SHA1");
        memcpy(&library.sha1, &sha1, sizeof(sha1));
        *ret_library = library;
        return 0;
}
