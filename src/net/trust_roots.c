#include "net/trust_roots.h"

#include "base/text.h"

enum { BUNDLE_LIMIT = 2 * 1024 * 1024 };

int trust_roots_read(char **out, const struct deps *deps, struct error **err) {
    const char *const candidates[] = {
        environment_get(deps->environment, "SSL_CERT_FILE"),
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    };
    for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
        const char *path = candidates[i];
        if (text_is_empty(path) || !deps->files->exists(deps->files->user, path))
            continue;
        char *roots = file_read_text(deps->files, path, BUNDLE_LIMIT, err);
        if (roots == NULL)
            return error_wrap(err, "the system's CA certificates");
        *out = roots;
        return 0;
    }
    *out = NULL;
    return 0;
}
