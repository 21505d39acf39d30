/* The cluster of a kubeconfig (client-go tools/clientcmd/validation.go validateClusterInfo,
 * client_config.go, rest/url_utils.go). */
#include "config_private.h"

#include "base/json.h"
#include "base/text.h"
#include "net/url.h"

#include <string.h>

/* Where exec plugins find what their cluster's administrator tells them (KEP-541). */
static const char exec_extension[] = "client.authentication.k8s.io/exec";

static int take_server(struct kube_config *config, const struct kubeconfig_entry *entry,
                       struct error **err) {
    const char *server = NULL;
    if (entry_text(&server, entry, entry->body, "server", err) < 0)
        return -1;
    if (server == NULL)
        return entry_error(err, entry, "server", "is missing");
    /* without a scheme it is plain http, as for kubectl (rest/url_utils.go DefaultServerURL) */
    cleanup_free char *text = strstr(server, "://") != NULL ? text_copy(server, err)
                                                            : text_format(err, "http://%s", server);
    cleanup_free char *what =
        text_format(err, "%s: cluster \"%s\": server", entry->file->path, entry->name);
    if (text == NULL || what == NULL)
        return -1;
    cleanup_url struct url url = {0};
    if (url_parse(&url, text, what, ERROR_PARAMETER, err) < 0)
        return -1;
    if (url.has_credentials)
        return entry_error(err, entry, "server", "must not contain a user or password");
    config->server = url_base(&url, err);
    return config->server != NULL ? 0 : -1;
}

static int take_proxy(struct kube_config *config, const struct kubeconfig_entry *entry,
                      struct error **err) {
    if (entry_copy(&config->proxy, entry, "proxy-url", err) < 0)
        return -1;
    static const char *const schemes[] = {"http://", "https://", "socks5://"};
    for (size_t i = 0; config->proxy != NULL && i < array_length(schemes); i++) {
        size_t length = strlen(schemes[i]);
        if (text_has_prefix(config->proxy, schemes[i]) && config->proxy[length] != '\0')
            return 0;
    }
    if (config->proxy == NULL)
        return 0;
    return entry_error(err, entry, "proxy-url", "must begin with http://, https:// or socks5://");
}

static int take_exec_config(struct kube_config *config, const struct kubeconfig_entry *entry,
                            struct error **err) {
    const json_t *extensions = json_object_get(entry->body, "extensions");
    for (size_t i = 0; i < json_array_size(extensions); i++) {
        const json_t *extension = json_array_get(extensions, i);
        if (!text_equal(json_text_at(extension, "name", NULL), exec_extension))
            continue;
        const json_t *value = json_object_get(extension, "extension");
        if (value == NULL)
            return 0;
        config->exec_cluster_config = json_deep_copy(value);
        return config->exec_cluster_config != NULL ? 0 : error_no_memory(err);
    }
    return 0;
}

int kube_config_take_cluster(struct kube_config *config, const struct kubeconfig_entry *entry,
                             const struct deps *deps, struct error **err) {
    if (take_server(config, entry, err) < 0 ||
        entry_pem(&config->ca_pem, entry, "certificate-authority", deps, err) < 0 ||
        entry_flag(&config->skip_verification, entry, entry->body, "insecure-skip-tls-verify",
                   err) < 0 ||
        entry_flag(&config->disable_compression, entry, entry->body, "disable-compression", err) <
            0 ||
        entry_copy(&config->server_name, entry, "tls-server-name", err) < 0 ||
        take_proxy(config, entry, err) < 0 || take_exec_config(config, entry, err) < 0)
        return -1;
    if (config->skip_verification && config->ca_pem != NULL) {
        entry_error(err, entry, "insecure-skip-tls-verify",
                    "and certificate-authority exclude each other");
        return error_hint(err,
                          "remove insecure-skip-tls-verify: the certificate authority is there");
    }
    return 0;
}
