/* libcurl, loaded in the prober and the fetcher alone: its two dozen libraries would otherwise be mapped and relocated in
 * the keeper and the director as well, which are the same executable and must stay small. The types are
 * curl's own, so the compiler checks them. */
#pragma once

#include <curl/curl.h>

struct curl_library {
        typeof(&curl_global_init) global_init;
        typeof(&curl_version_info) version_info;
        typeof(&curl_easy_init) easy_init;
        typeof(&curl_easy_cleanup) easy_cleanup;
        typeof(&curl_easy_perform) easy_perform;
        CURLcode (*easy_setopt)(CURL *easy, CURLoption option, ...);
        CURLcode (*easy_getinfo)(CURL *easy, CURLINFO info, ...);
        typeof(&curl_easy_strerror) easy_strerror;
        typeof(&curl_easy_recv) easy_recv;
        typeof(&curl_easy_send) easy_send;
        typeof(&curl_multi_init) multi_init;
        typeof(&curl_multi_cleanup) multi_cleanup;
        CURLMcode (*multi_setopt)(CURLM *multi, CURLMoption option, ...);
        typeof(&curl_multi_add_handle) multi_add_handle;
        typeof(&curl_multi_remove_handle) multi_remove_handle;
        typeof(&curl_multi_socket_action) multi_socket_action;
        typeof(&curl_multi_assign) multi_assign;
        typeof(&curl_multi_info_read) multi_info_read;
        typeof(&curl_slist_append) slist_append;
        typeof(&curl_slist_free_all) slist_free_all;
        /* Of the libcrypto that comes along, for WebSocket handshakes; NULL: libcurl is built on another one. */
        unsigned char *(*sha1)(const unsigned char *data, size_t size, unsigned char digest[20]);
};

/* Before the sandbox is closed: it opens files. The library is never unloaded. -ENOENT: libcurl 4 is not to
 * be had, or lacks a function; *ret_why then is a sentence, valid until the next dlopen() or dlsym(). */
int curl_library_load(struct curl_library *ret_library, const char **ret_why);
