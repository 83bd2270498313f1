#include "minisign.h"

#include "version.h"
#include <sodium.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define UNTRUSTED "untrusted comment:"
#define TRUSTED "trusted comment: "

static int decode(const char *line, size_t length, uint8_t *ret_bytes, size_t size);
static const char *next_line(const char *line);
static int find_key(
                const struct minisign_signature *signature, char *const *keys, struct minisign_key *ret_key);

int minisign_key_parse(const char *text, struct minisign_key *ret_key) {
        uint8_t bytes[2 + 8 + 32];
        if (strncmp(text, UNTRUSTED, strlen(UNTRUSTED)) == 0)
                text = next_line(text);
        if (!text || decode(text, strcspn(text, "\r\n"), bytes, sizeof(bytes)) < 0 ||
                        memcmp(bytes, "Ed", 2) != 0)
                return -EINVAL;
        memcpy(ret_key->id, bytes + 2, sizeof(ret_key->id));
        memcpy(ret_key->public_key, bytes + 10, sizeof(ret_key->public_key));
        return 0;
}

int minisign_parse(const char *text, struct minisign_signature *ret_signature) {
        struct minisign_signature signature = {0};
        uint8_t bytes[2 + 8 + 64];
        const char *first = next_line(text), *comment = first ? next_line(first) : NULL;
        const char *last = comment ? next_line(comment) : NULL;
        if (strnlen(text, MINISIGN_TEXT_MAX) == MINISIGN_TEXT_MAX || !last ||
                        strncmp(text, UNTRUSTED, strlen(UNTRUSTED)) != 0 ||
                        strncmp(comment, TRUSTED, strlen(TRUSTED)) != 0)
                return -EINVAL;
        comment += strlen(TRUSTED);
        size_t length = strcspn(comment, "\r\n");
        if (decode(first, strcspn(first, "\r\n"), bytes, sizeof(bytes)) < 0 ||
                        length >= sizeof(signature.trusted_comment) ||
                        decode(last, strcspn(last, "\r\n"), signature.comment_signature,
                                        sizeof(signature.comment_signature)) < 0)
                return -EINVAL;
        signature.is_prehashed = memcmp(bytes, "ED", 2) == 0;
        if (!signature.is_prehashed && memcmp(bytes, "Ed", 2) != 0)
                return -EINVAL;
        memcpy(signature.id, bytes + 2, sizeof(signature.id));
        memcpy(signature.signature, bytes + 10, sizeof(signature.signature));
        memcpy(signature.trusted_comment, comment, length);
        *ret_signature = signature;
        return 0;
}

int minisign_verify(const struct minisign_signature *signature, char *const *keys, const void *data,
                size_t size) {
        struct minisign_key key;
        uint8_t hash[64], commented[64 + MINISIGN_COMMENT_MAX];
        int r = find_key(signature, keys, &key);
        if (r < 0)
                return r;
        if (signature->is_prehashed) {
                INVARIANT(crypto_generichash(hash, sizeof(hash), data, size, NULL, 0) == 0);
                data = hash;
                size = sizeof(hash);
        }
        size_t length = strlen(signature->trusted_comment);
        memcpy(commented, signature->signature, sizeof(signature->signature));
        memcpy(commented + sizeof(signature->signature), signature->trusted_comment, length);
        if (crypto_sign_verify_detached(signature->signature, data, size, key.public_key) != 0 ||
                        crypto_sign_verify_detached(signature->comment_signature, commented,
                                        sizeof(signature->signature) + length, key.public_key) != 0)
                return -EKEYREJECTED;
        return 0;
}

int minisign_verify_fd(const struct minisign_signature *signature, char *const *keys, int fd) {
        struct stat st;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size == 0)
                return minisign_verify(signature, keys, "", 0);
        void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
                return -errno;
        int r = minisign_verify(signature, keys, data, (size_t)st.st_size);
        (void)munmap(data, (size_t)st.st_size);
        return r;
}

bool minisign_is_by_one_of(const struct minisign_signature *signature, char *const *keys) {
        struct minisign_key key;
        return find_key(signature, keys, &key) == 0;
}

bool minisign_is_for_other_version(const struct minisign_signature *signature, const char *version) {
        const char *word = strstr(signature->trusted_comment, "version:");
        struct version named, wanted;
        char text[VERSION_TEXT_MAX];
        if (!word)
                return false;
        word += strlen("version:");
        size_t length = strcspn(word, " \t");
        if (length >= sizeof(text))
                return true;
        memcpy(text, word, length);
        text[length] = '\0';
        return version_parse(text, &named) < 0 || version_parse(version, &wanted) < 0 ||
               version_compare(&named, &wanted) != 0 || strcmp(named.build, wanted.build) != 0;
}

/* Exactly SIZE bytes. */
static int decode(const char *line, size_t length, uint8_t *ret_bytes, size_t size) {
        const char *end = NULL;
        size_t n = 0;
        if (sodium_base642bin(ret_bytes, size, line, length, NULL, &n, &end,
                            sodium_base64_VARIANT_ORIGINAL) != 0 ||
                        n != size || end != line + length)
                return -EINVAL;
        return 0;
}

static const char *next_line(const char *line) {
        const char *end = strchr(line, '\n');
        return end && end[1] ? end + 1 : NULL;
}

static int find_key(const struct minisign_signature *signature, char *const *keys,
                struct minisign_key *ret_key) {
        for (; *keys; keys++)
                if (minisign_key_parse(*keys, ret_key) >= 0 &&
                                memcmp(ret_key->id, signature->id, sizeof(signature->id)) == 0)
                        return 0;
        return -ENOKEY;
}
