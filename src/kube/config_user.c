/* The user of a kubeconfig (client-go tools/clientcmd/validation.go validateAuthInfo,
 * api/v1/types.go, api/v1/defaults.go). */
#include "config_private.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

static const char exec_group[] = "client.authentication.k8s.io/";

static void exec_free(struct kube_exec *exec) {
    if (exec == NULL)
        return;
    free(exec->api_version);
    free(exec->command);
    strings_free(&exec->arguments);
    /* plugins get passwords that way */
    for (size_t i = 0; i < exec->environment.count; i++)
        memory_wipe(exec->environment.items[i], strlen(exec->environment.items[i]));
    strings_free(&exec->environment);
    free(exec->install_hint);
    free(exec->interactive_mode);
    free(exec);
}

void kube_user_free(struct kube_user *user) {
    secret_free(user->token);
    free(user->token_file);
    free(user->username);
    secret_free(user->password);
    free(user->client_certificate_pem);
    secret_free(user->client_key_pem);
    free(user->impersonate);
    free(user->impersonate_uid);
    strings_free(&user->impersonate_groups);
    json_decref(user->impersonate_extra);
    exec_free(user->exec);
    *user = (struct kube_user){0};
}

static int copy_field(char **out, const struct kubeconfig_entry *entry, const json_t *object,
                      const char *field, struct error **err) {
    const char *text = NULL;
    if (entry_text(&text, entry, object, field, err) < 0)
        return -1;
    if (text == NULL)
        return 0;
    *out = text_copy(text, err);
    return *out != NULL ? 0 : -1;
}

/* ---- exec ---- */

static int take_exec_version(struct kube_exec *exec, const struct kubeconfig_entry *entry,
                             const json_t *object, struct error **err) {
    if (copy_field(&exec->api_version, entry, object, "apiVersion", err) < 0)
        return -1;
    if (exec->api_version == NULL)
        return entry_error(err, entry, "exec.apiVersion", "is missing");
    const char *version = text_has_prefix(exec->api_version, exec_group)
                              ? exec->api_version + strlen(exec_group)
                              : "";
    if (text_equal(version, "v1") || text_equal(version, "v1beta1"))
        return 0;
    error_new(err, ERROR_PARAMETER,
              "%s: user \"%s\": exec.apiVersion %s is not supported; v1 and v1beta1 of "
              "client.authentication.k8s.io are",
              entry->file->path, entry->name, exec->api_version);
    return error_hint(err,
                      "update the plugin and its entry in the kubeconfig (v1alpha1 was removed "
                      "in Kubernetes 1.24)");
}

static int take_exec_command(struct kube_exec *exec, const struct kubeconfig_entry *entry,
                             const json_t *object, struct error **err) {
    const char *command = NULL;
    if (entry_text(&command, entry, object, "command", err) < 0)
        return -1;
    if (command == NULL)
        return entry_error(err, entry, "exec.command", "is missing");
    /* a bare name is for PATH, a path with a slash belongs to the file's directory */
    bool relative = command[0] != '/' && strchr(command, '/') != NULL;
    exec->command = relative ? text_format(err, "%s/%s", entry->file->directory, command)
                             : text_copy(command, err);
    return exec->command != NULL ? 0 : -1;
}

static int take_exec_environment(struct kube_exec *exec, const struct kubeconfig_entry *entry,
                                 const json_t *object, struct error **err) {
    const json_t *list = json_object_get(object, "env");
    if (list == NULL || json_is_null(list))
        return 0;
    if (!json_is_array(list))
        return entry_error(err, entry, "exec.env", "must be a list of name and value");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *variable = json_array_get(list, i);
        const char *name = NULL;
        const char *value = NULL;
        if (entry_text(&name, entry, variable, "name", err) < 0 ||
            entry_text(&value, entry, variable, "value", err) < 0)
            return -1;
        if (name == NULL || strchr(name, '=') != NULL)
            return entry_error(err, entry, "exec.env", "has a variable without a usable name");
        if (strings_add_format(&exec->environment, err, "%s=%s", name, value != NULL ? value : "") <
            0)
            return -1;
    }
    return 0;
}

static int take_exec_mode(struct kube_exec *exec, const struct kubeconfig_entry *entry,
                          const json_t *object, struct error **err) {
    if (copy_field(&exec->interactive_mode, entry, object, "interactiveMode", err) < 0)
        return -1;
    if (exec->interactive_mode == NULL && text_has_suffix(exec->api_version, "/v1beta1")) {
        exec->interactive_mode = text_copy("IfAvailable", err);
        return exec->interactive_mode != NULL ? 0 : -1;
    }
    static const char *const modes[] = {"Never", "IfAvailable", "Always"};
    for (size_t i = 0; i < array_length(modes); i++)
        if (text_equal(exec->interactive_mode, modes[i]))
            return 0;
    return entry_error(err, entry, "exec.interactiveMode",
                       "must be Never, IfAvailable or Always (version v1 requires it)");
}

static int take_exec(struct kube_user *user, const struct kubeconfig_entry *entry,
                     struct error **err) {
    const json_t *object = json_object_get(entry->body, "exec");
    if (object == NULL || json_is_null(object))
        return 0;
    if (!json_is_object(object))
        return entry_error(err, entry, "exec", "must be a mapping");
    user->exec = calloc(1, sizeof(*user->exec));
    if (user->exec == NULL)
        return error_no_memory(err);
    struct kube_exec *exec = user->exec;
    if (take_exec_version(exec, entry, object, err) < 0 ||
        take_exec_command(exec, entry, object, err) < 0 ||
        entry_list(&exec->arguments, entry, object, "args", err) < 0 ||
        take_exec_environment(exec, entry, object, err) < 0 ||
        copy_field(&exec->install_hint, entry, object, "installHint", err) < 0 ||
        take_exec_mode(exec, entry, object, err) < 0)
        return -1;
    return entry_flag(&exec->provide_cluster_info, entry, object, "provideClusterInfo", err);
}

/* ---- impersonation ---- */

static int check_extra(const json_t *extra, const struct kubeconfig_entry *entry,
                       struct error **err) {
    static const char wrong[] = "must map names to lists of texts";
    if (!json_is_object(extra))
        return entry_error(err, entry, "as-user-extra", wrong);
    const char *key;
    json_t *values;
    json_object_foreach(json_iterable(extra), key, values) {
        if (!json_is_array(values))
            return entry_error(err, entry, "as-user-extra", wrong);
        for (size_t i = 0; i < json_array_size(values); i++)
            if (!json_is_string(json_array_get(values, i)))
                return entry_error(err, entry, "as-user-extra", wrong);
    }
    return 0;
}

static int take_impersonation(struct kube_user *user, const struct kubeconfig_entry *entry,
                              struct error **err) {
    if (entry_copy(&user->impersonate, entry, "as", err) < 0 ||
        entry_copy(&user->impersonate_uid, entry, "as-uid", err) < 0 ||
        entry_list(&user->impersonate_groups, entry, entry->body, "as-groups", err) < 0)
        return -1;
    const json_t *extra = json_object_get(entry->body, "as-user-extra");
    if (extra != NULL && !json_is_null(extra)) {
        if (check_extra(extra, entry, err) < 0)
            return -1;
        user->impersonate_extra = json_deep_copy(extra);
        if (user->impersonate_extra == NULL)
            return error_no_memory(err);
    }
    bool more = user->impersonate_uid != NULL || user->impersonate_groups.count > 0 ||
                json_object_size(user->impersonate_extra) > 0;
    if (more && user->impersonate == NULL)
        return entry_error(err, entry, "as-uid, as-groups, as-user-extra",
                           "need the user to impersonate in `as`");
    return 0;
}

/* ---- the whole user ---- */

static int check_methods(const struct kube_user *user, const struct kubeconfig_entry *entry,
                         struct error **err) {
    bool basic = user->username != NULL || user->password != NULL;
    if (user->token != NULL && basic)
        return entry_error(err, entry, "token", "and username/password exclude each other");
    if (user->client_certificate_pem != NULL && user->client_key_pem == NULL)
        return entry_error(err, entry, "client-certificate",
                           "needs client-key or client-key-data beside it");
    const json_t *provider = json_object_get(entry->body, "auth-provider");
    if (provider == NULL || json_is_null(provider))
        return 0;
    if (user->exec != NULL)
        return entry_error(err, entry, "auth-provider", "and exec exclude each other");
    const char *name = json_text_at(provider, "name", NULL);
    error_new(err, ERROR_PARAMETER, "%s: user \"%s\": auth-provider \"%s\" is not supported",
              entry->file->path, entry->name, name != NULL ? name : "");
    return error_hint(err, "use its exec plugin instead: gke-gcloud-auth-plugin for gcp, kubelogin "
                           "for azure, kubectl-oidc_login for oidc");
}

int kube_config_take_user(struct kube_user *user, const struct kubeconfig_entry *entry,
                          const struct deps *deps, struct error **err) {
    if (entry_copy(&user->token, entry, "token", err) < 0 ||
        entry_path(&user->token_file, entry, "tokenFile", err) < 0 ||
        entry_copy(&user->username, entry, "username", err) < 0 ||
        entry_copy(&user->password, entry, "password", err) < 0 ||
        entry_pem(&user->client_certificate_pem, entry, "client-certificate", deps, err) < 0 ||
        entry_pem(&user->client_key_pem, entry, "client-key", deps, err) < 0 ||
        take_impersonation(user, entry, err) < 0 || take_exec(user, entry, err) < 0)
        return -1;
    return check_methods(user, entry, err);
}
