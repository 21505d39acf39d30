#include "config_private.h"

#include "base/json.h"
#include "base/text.h"
#include "net/url.h"

#include <ctype.h>
#include <string.h>

enum { LONGEST_NAMESPACE_FILE = 4096 };

void kube_config_free(struct kube_config *config) {
    if (config == NULL)
        return;
    free(config->server);
    free(config->ca_pem);
    free(config->server_name);
    free(config->proxy);
    free(config->namespace_);
    free(config->origin);
    kube_user_free(&config->user);
    json_decref(config->exec_cluster_config);
    free(config);
}

/* ---- the pod's service account ---- */

static char *account_path(const struct deps *deps, const char *file, struct error **err) {
    return text_format(err, "%s/%s", deps->service_account_directory, file);
}

/* 1: host, port and token file are there; 0: not; -1: out of memory. */
static int in_cluster_possible(const struct deps *deps, struct error **err) {
    if (text_is_empty(environment_get(deps->environment, "KUBERNETES_SERVICE_HOST")) ||
        text_is_empty(environment_get(deps->environment, "KUBERNETES_SERVICE_PORT")) ||
        deps->service_account_directory == NULL)
        return 0;
    cleanup_free char *token = account_path(deps, "token", err);
    if (token == NULL)
        return -1;
    return deps->files->exists(deps->files->user, token) ? 1 : 0;
}

static int in_cluster_server(struct kube_config *config, const struct deps *deps,
                             struct error **err) {
    const char *host = environment_get(deps->environment, "KUBERNETES_SERVICE_HOST");
    const char *port = environment_get(deps->environment, "KUBERNETES_SERVICE_PORT");
    bool bare_ipv6 = strchr(host, ':') != NULL && host[0] != '[';
    cleanup_free char *text = text_format(err, "https://%s%s%s:%s", bare_ipv6 ? "[" : "", host,
                                          bare_ipv6 ? "]" : "", port);
    if (text == NULL)
        return -1;
    cleanup_url struct url url = {0};
    if (url_parse(&url, text, "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT",
                  ERROR_PARAMETER, err) < 0)
        return -1;
    config->server = url_base(&url, err);
    return config->server != NULL ? 0 : -1;
}

/* Without it client-go goes on with the system's roots; nobody wants that here. */
static int in_cluster_ca(struct kube_config *config, const struct deps *deps, struct error **err) {
    cleanup_free char *path = account_path(deps, "ca.crt", err);
    if (path == NULL)
        return -1;
    config->ca_pem = file_read_text(deps->files, path, KUBECONFIG_LIMIT, err);
    if (config->ca_pem == NULL)
        return error_wrap(err, "the pod's service account has no usable certificate authority");
    if (strstr(config->ca_pem, "-----BEGIN ") == NULL)
        return error_new(err, ERROR_PARAMETER, "%s holds no PEM text (-----BEGIN ...)", path);
    return 0;
}

static int load_in_cluster(struct kube_config *config, const struct deps *deps,
                           struct error **err) {
    config->in_cluster = true;
    if (in_cluster_server(config, deps, err) < 0 || in_cluster_ca(config, deps, err) < 0)
        return -1;
    config->user.token_file = account_path(deps, "token", err);
    config->origin = text_copy("the pod's service account", err);
    return config->user.token_file != NULL && config->origin != NULL ? 0 : -1;
}

static int pod_namespace(char **out, const struct deps *deps, struct error **err) {
    int possible = in_cluster_possible(deps, err);
    if (possible <= 0)
        return possible;
    const char *given = environment_get(deps->environment, "POD_NAMESPACE");
    if (!text_is_empty(given)) {
        *out = text_copy(given, err);
        return *out != NULL ? 0 : -1;
    }
    cleanup_free char *path = account_path(deps, "namespace", err);
    if (path == NULL)
        return -1;
    if (!deps->files->exists(deps->files->user, path))
        return 0;
    cleanup_free char *text = file_read_text(deps->files, path, LONGEST_NAMESPACE_FILE, err);
    if (text == NULL)
        return -1;
    const char *start = text;
    while (isspace((unsigned char)*start))
        start++;
    size_t length = strlen(start);
    while (length > 0 && isspace((unsigned char)start[length - 1]))
        length--;
    if (length == 0)
        return 0;
    *out = text_copy_bytes(start, length, err);
    return *out != NULL ? 0 : -1;
}

/* ---- kubeconfig ---- */

static int unknown_context(struct error **err, const struct kubeconfig *kubeconfig,
                           const char *name, bool by_option) {
    cleanup_strings struct strings names = {0};
    cleanup_strings struct strings empty = {0};
    const struct strings *files = kubeconfig->looked_at.count > 0 ? &kubeconfig->looked_at : &empty;
    cleanup_free char *looked_at = strings_join(files, ", ", err);
    if (looked_at == NULL || kubeconfig_names(&names, kubeconfig, "context", err) < 0)
        return -1;
    cleanup_free char *known = strings_join(&names, ", ", err);
    if (known == NULL)
        return -1;
    error_new(err, ERROR_PARAMETER, "%s \"%s\" does not exist in the kubeconfig (%s)",
              by_option ? "context" : "current-context", name,
              looked_at[0] != '\0' ? looked_at : "there is no file");
    const char *const *candidates = (const char *const *)names.items;
    const char *nearest = text_nearest(name, candidates, names.count);
    if (nearest != NULL)
        return error_hint(err, "did you mean \"%s\"?", nearest);
    return names.count > 0 ? error_hint(err, "there are: %s", known) : -1;
}

static int find_named(struct kubeconfig_entry *out, const struct kubeconfig *kubeconfig,
                      const struct kubeconfig_entry *context, const char *kind, const char *name,
                      struct error **err) {
    if (kubeconfig_find(out, kubeconfig, kind, name))
        return 0;
    return error_new(err, ERROR_PARAMETER,
                     "%s: context \"%s\" names the %s \"%s\", which does not exist",
                     context->file->path, context->name, kind, name);
}

/* client-go sends nothing that identifies anybody, and no CA, over plain http. */
static void drop_tls(struct kube_config *config) {
    free(config->ca_pem);
    config->ca_pem = NULL;
    config->skip_verification = false;
    free(config->server_name);
    config->server_name = NULL;
}

static int load_context(struct kube_config *config, const struct kubeconfig *kubeconfig,
                        const struct kubeconfig_entry *context, const struct deps *deps,
                        struct error **err) {
    const char *cluster_name = NULL;
    const char *user_name = NULL;
    if (entry_text(&cluster_name, context, context->body, "cluster", err) < 0 ||
        entry_text(&user_name, context, context->body, "user", err) < 0 ||
        entry_copy(&config->namespace_, context, "namespace", err) < 0)
        return -1;
    if (cluster_name == NULL)
        return entry_error(err, context, "cluster", "is missing");
    struct kubeconfig_entry cluster;
    if (find_named(&cluster, kubeconfig, context, "cluster", cluster_name, err) < 0 ||
        kube_config_take_cluster(config, &cluster, deps, err) < 0)
        return -1;
    struct kubeconfig_entry user;
    if (user_name != NULL && (find_named(&user, kubeconfig, context, "user", user_name, err) < 0 ||
                              kube_config_take_user(&config->user, &user, deps, err) < 0))
        return -1;
    if (!text_has_prefix(config->server, "https://"))
        drop_tls(config);
    config->origin = text_format(err, "context \"%s\" of %s", context->name, context->file->path);
    return config->origin != NULL ? 0 : -1;
}

static int nothing_found(struct error **err, const struct kubeconfig *kubeconfig,
                         const struct deps *deps) {
    cleanup_strings struct strings names = {0};
    cleanup_free char *looked_at = strings_join(&kubeconfig->looked_at, ", ", err);
    if (looked_at == NULL || kubeconfig_names(&names, kubeconfig, "context", err) < 0)
        return -1;
    cleanup_free char *known = strings_join(&names, ", ", err);
    if (known == NULL)
        return -1;
    if (names.count > 0) {
        error_new(err, ERROR_PARAMETER, "the kubeconfig (%s) sets no current-context", looked_at);
        return error_hint(err, "choose one with --context: %s", known);
    }
    if (kubeconfig->is_explicit) {
        error_new(err, ERROR_PARAMETER, "the kubeconfig (%s) names no cluster", looked_at);
        return -1;
    }
    error_new(err, ERROR_PARAMETER, "no Kubernetes cluster is configured");
    return error_hint(err,
                      "name one with --kubeconfig or KUBECONFIG (looked at: %s, the pod's service "
                      "account: %s)",
                      looked_at[0] != '\0' ? looked_at : "KUBECONFIG and ~/.kube/config (not set)",
                      text_is_empty(environment_get(deps->environment, "KUBERNETES_SERVICE_HOST"))
                          ? "KUBERNETES_SERVICE_HOST is not set"
                          : "its token cannot be read");
}

static int load(struct kube_config *config, const struct kube_config_options *options,
                const struct deps *deps, struct error **err) {
    cleanup_kubeconfig struct kubeconfig kubeconfig = {0};
    if (kubeconfig_read(&kubeconfig, options, deps, err) < 0)
        return -1;
    bool by_option = !text_is_empty(options->context);
    const char *name = by_option ? options->context : kubeconfig_current_context(&kubeconfig);
    if (name != NULL) {
        struct kubeconfig_entry context;
        if (!kubeconfig_find(&context, &kubeconfig, "context", name))
            return unknown_context(err, &kubeconfig, name, by_option);
        return load_context(config, &kubeconfig, &context, deps, err);
    }
    int possible = kubeconfig.is_explicit ? 0 : in_cluster_possible(deps, err);
    if (possible < 0)
        return -1;
    return possible ? load_in_cluster(config, deps, err) : nothing_found(err, &kubeconfig, deps);
}

int kube_config_load(struct kube_config **out, const struct kube_config_options *options,
                     const struct deps *deps, struct error **err) {
    static const struct kube_config_options defaults = {0};
    cleanup_kube_config struct kube_config *config = calloc(1, sizeof(*config));
    if (config == NULL)
        return error_no_memory(err);
    if (load(config, options != NULL ? options : &defaults, deps, err) < 0)
        return -1;
    if (config->namespace_ == NULL && pod_namespace(&config->namespace_, deps, err) < 0)
        return -1;
    *out = steal_pointer(config);
    return 0;
}
