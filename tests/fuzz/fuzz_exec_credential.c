/* What an exec plugin prints, any bytes: a credential, or an error. */

#include "base/memory.h"
#include "credential_private.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct exec_answer answer = {0};
    cleanup_error struct error *error = NULL;
    if (exec_parse(&answer, (const char *)data, size, "client.authentication.k8s.io/v1", "plugin",
                   &error) < 0) {
        if (error == NULL || answer.token != NULL || answer.client_key_pem != NULL)
            __builtin_trap();
        return 0;
    }
    if ((answer.token == NULL && answer.client_key_pem == NULL) ||
        (answer.client_key_pem == NULL) != (answer.client_certificate_pem == NULL))
        __builtin_trap();
    exec_answer_free(&answer);
    return 0;
}
