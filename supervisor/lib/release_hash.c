#include "release.h"

#include <fcntl.h>
#include <sodium.h>

#define HASH_BUFFER_SIZE (1024U * 1024)

void sha256_format(const uint8_t digest[32], char text[65]) {
        INVARIANT(sodium_bin2hex(text, 65, digest, 32) == text);
}

int sha256_parse(const char *text, uint8_t ret_digest[32]) {
        uint8_t digest[32];
        size_t length = 0;
        const char *end = NULL;
        if (strlen(text) != 64 ||
                        sodium_hex2bin(digest, sizeof(digest), text, 64, NULL, &length, &end) != 0 ||
                        length != sizeof(digest) || end != text + 64)
                return -EINVAL;
        memcpy(ret_digest, digest, sizeof(digest));
        return 0;
}

int sha256_fd(int fd, uint8_t ret_digest[32], uint64_t *ret_size) {
        _cleanup_free_ unsigned char *buffer = malloc(HASH_BUFFER_SIZE);
        crypto_hash_sha256_state state;
        off_t at = 0;
        if (!buffer)
                return -ENOMEM;
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        (void)crypto_hash_sha256_init(&state);
        for (;;) {
                ssize_t n = pread(fd, buffer, HASH_BUFFER_SIZE, at);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                (void)crypto_hash_sha256_update(&state, buffer, (unsigned long long)n);
                at += n;
        }
        (void)crypto_hash_sha256_final(&state, ret_digest);
        if (ret_size)
                *ret_size = (uint64_t)at;
        return 0;
}
