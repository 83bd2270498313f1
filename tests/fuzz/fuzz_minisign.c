/* Signatures and keys from any bytes: what is taken is whole, and never fits bytes that nobody signed. `make fuzz` builds and runs it. */
#include "lib/minisign.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static char *const keys[] = {
                        (char *)"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3", NULL};
        struct minisign_signature signature;
        struct minisign_key key;
        char *text = strndup((const char *)data, size);
        if (!text)
                return 0;
        (void)minisign_key_parse(text, &key);
        if (minisign_parse(text, &signature) >= 0) {
                INVARIANT(strlen(signature.trusted_comment) < sizeof(signature.trusted_comment));
                (void)minisign_is_for_other_version(&signature, "1.0.0");
                INVARIANT(minisign_verify(&signature, keys, "nobody signed this", 18) < 0);
        }
        free(text);
        return 0;
}
