/* Checking signatures made by minisign (https://jedisct1.github.io/minisign/, format of version 0.8 and later: Ed25519 over the bytes
 * as `Ed`, or over their BLAKE2b-512 as `ED`; a second signature covers the trusted comment). Thread safe: no state. */
#pragma once

#include "base.h"

#define MINISIGN_TEXT_MAX 4096 /* of a signature file */
#define MINISIGN_COMMENT_MAX 1024

struct minisign_key {
        uint8_t id[8];
        uint8_t public_key[32];
};

struct minisign_signature {
        bool is_prehashed;
        uint8_t id[8]; /* of the key that made it */
        uint8_t signature[64];
        uint8_t comment_signature[64];
        char trusted_comment[MINISIGN_COMMENT_MAX];
};

/* TEXT is the base64 line of a public key file, or the whole file. -EINVAL: it is not a public key. */
int minisign_key_parse(const char *text, struct minisign_key *ret_key);

/* TEXT is a whole signature file; it may be hostile. -EINVAL: it is not a signature. */
int minisign_parse(const char *text, struct minisign_signature *ret_signature);

/* Did one of the keys (base64 texts, at least one) sign all that can be read from FD, and the trusted comment? The position of FD is not
 * moved. 0: yes. -ENOKEY: by none of the keys. -EKEYREJECTED: the bytes or the comment are not what was signed. -errno: FD cannot be read. */
int minisign_verify_fd(const struct minisign_signature *signature, char *const *keys, int fd);

/* The same for bytes in memory. */
int minisign_verify(const struct minisign_signature *signature, char *const *keys, const void *data,
                size_t size);

/* Does it say that one of the keys made it? Whether that is true, the functions above tell. */
bool minisign_is_by_one_of(const struct minisign_signature *signature, char *const *keys);

/* Does the trusted comment name another version than VERSION? It names one by a word "version:1.2.3". Without such a word it is for any. */
bool minisign_is_for_other_version(const struct minisign_signature *signature, const char *version);
