/* kubeconfig files of any bytes: a usable configuration, or an error without the file's secrets. */

#include "base/deps.h"
#include "base/memory.h"
#include "kube/config.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct content {
    const uint8_t *data;
    size_t size;
};

static int read_content(void *user, const char *path, struct buffer *out, struct error **err) {
    const struct content *content = user;
    buffer_append(out, content->data, content->size);
    return buffer_check(out, path, err);
}

static bool always(void *user, const char *path) {
    (void)user;
    (void)path;
    return true;
}

static bool never(void *user, const char *path) {
    (void)user;
    (void)path;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct content content = {.data = data, .size = size};
    const struct file_access files = {
        .read = read_content, .exists = always, .is_directory = never, .user = &content};
    const struct environment environment = {.variables = NULL};
    const struct deps deps = {.clock = &clock_system,
                              .files = &files,
                              .environment = &environment,
                              .cancel_descriptor = -1};
    const struct kube_config_options options = {.kubeconfig = "kubeconfig"};
    cleanup_kube_config struct kube_config *config = NULL;
    cleanup_error struct error *error = NULL;
    if (kube_config_load(&config, &options, &deps, &error) < 0) {
        if (error == NULL || config != NULL || error->kind != ERROR_PARAMETER)
            __builtin_trap();
        return 0;
    }
    if (config->server == NULL || config->origin == NULL ||
        (config->user.client_certificate_pem != NULL) > (config->user.client_key_pem != NULL) ||
        (config->user.exec != NULL && config->user.exec->command == NULL))
        __builtin_trap();
    return 0;
}
