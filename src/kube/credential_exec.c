#include "credential_private.h"

#include "base/base64.h"
#include "base/json.h"
#include "base/text.h"

#include <string.h>
#include <unistd.h>

enum {
    ANSWER_LIMIT = 256 * 1024,
    PLUGIN_TIMEOUT_MS = 60 * 1000,
};

void exec_answer_free(struct exec_answer *answer) {
    secret_free(answer->token);
    free(answer->client_certificate_pem);
    secret_free(answer->client_key_pem);
    *answer = (struct exec_answer){0};
}

/* ---- what the plugin is told ---- */

static int add_ca(json_t *cluster, const char *ca_pem, struct error **err) {
    if (text_is_empty(ca_pem))
        return 0;
    cleanup_buffer struct buffer encoded = BUFFER_INIT(2 * ANSWER_LIMIT);
    base64_encode(&encoded, ca_pem, strlen(ca_pem));
    if (buffer_check(&encoded, "the CA certificates for the exec plugin", err) < 0)
        return -1;
    return json_set_text(cluster, "certificate-authority-data", buffer_text(&encoded), err);
}

static int add_cluster(json_t *spec, const struct kube_config *config, struct error **err) {
    json_t *cluster = json_object_in(spec, "cluster", err);
    if (cluster == NULL || json_set_text(cluster, "server", config->server, err) < 0 ||
        json_set_text(cluster, "tls-server-name", config->server_name, err) < 0 ||
        json_set_text(cluster, "proxy-url", config->proxy, err) < 0 ||
        add_ca(cluster, config->ca_pem, err) < 0)
        return -1;
    if (config->skip_verification &&
        json_set_take(cluster, "insecure-skip-tls-verify", json_true(), err) < 0)
        return -1;
    if (config->disable_compression &&
        json_set_take(cluster, "disable-compression", json_true(), err) < 0)
        return -1;
    if (config->exec_cluster_config == NULL)
        return 0;
    return json_set_take(cluster, "config", json_incref(config->exec_cluster_config), err);
}

char *exec_info(const struct kube_config *config, bool interactive, struct error **err) {
    const struct kube_exec *exec = config->user.exec;
    cleanup_json json_t *info =
        json_pack("{s:s, s:s, s:{s:b}}", "apiVersion", exec->api_version, "kind", "ExecCredential",
                  "spec", "interactive", interactive);
    if (info == NULL) {
        error_no_memory(err);
        return NULL;
    }
    if (exec->provide_cluster_info && add_cluster(json_object_get(info, "spec"), config, err) < 0)
        return NULL;
    char *text = json_dumps(info, JSON_COMPACT);
    if (text == NULL)
        error_no_memory(err);
    return text;
}

/* ---- what it answers ---- */

static int refuse(struct error **err, const char *command, const char *what) {
    return error_new(err, ERROR_UNREACHABLE, "exec plugin %s: %s", command, what);
}

static int take_text(char **out, const json_t *status, const char *key, struct error **err) {
    const char *text = json_text_at(status, key, NULL);
    if (text_is_empty(text))
        return 0;
    *out = text_copy(text, err);
    return *out != NULL ? 0 : -1;
}

static int take_status(struct exec_answer *out, const json_t *status, const char *command,
                       struct error **err) {
    if (take_text(&out->token, status, "token", err) < 0 ||
        take_text(&out->client_certificate_pem, status, "clientCertificateData", err) < 0 ||
        take_text(&out->client_key_pem, status, "clientKeyData", err) < 0)
        return -1;
    bool half = (out->client_certificate_pem == NULL) != (out->client_key_pem == NULL);
    if (half)
        return refuse(err, command,
                      "its answer has only one of clientCertificateData and clientKeyData");
    if (out->token == NULL && out->client_key_pem == NULL)
        return refuse(err, command, "its answer has neither token nor client certificate");
    const char *expiry = json_text_at(status, "expirationTimestamp", NULL);
    out->expires_wall_ms = -1;
    if (expiry == NULL)
        return 0;
    out->expires_wall_ms = time_parse_rfc3339(expiry);
    return out->expires_wall_ms >= 0
               ? 0
               : refuse(err, command, "its expirationTimestamp is no RFC 3339 time");
}

int exec_parse(struct exec_answer *out, const char *text, size_t length, const char *api_version,
               const char *command, struct error **err) {
    struct error *malformed = NULL;
    cleanup_json json_t *object = NULL;
    if (json_parse(&object, text, length, "its answer", ERROR_UNREACHABLE, &malformed) < 0) {
        error_free(malformed); /* could quote a part of a token */
        return refuse(err, command, "its answer is no JSON");
    }
    const char *version = json_text_at(object, "apiVersion", NULL);
    if (!text_equal(json_text_at(object, "kind", NULL), "ExecCredential"))
        return refuse(err, command, "its answer is no ExecCredential");
    if (!text_equal(version, api_version))
        return error_new(err, ERROR_UNREACHABLE,
                         "exec plugin %s: the kubeconfig says %s, but its answer is %s", command,
                         api_version, version != NULL ? version : "without apiVersion");
    const json_t *status = json_at(object, "status", NULL);
    if (!json_is_object(status))
        return refuse(err, command, "its answer has no status");
    struct exec_answer answer = {.expires_wall_ms = -1};
    if (take_status(&answer, status, command, err) < 0) {
        exec_answer_free(&answer);
        return -1;
    }
    *out = answer;
    return 0;
}

/* ---- running it ---- */

static int decide_interactive(bool *out, const struct kube_exec *exec, struct error **err) {
    bool terminal = isatty(STDIN_FILENO) == 1;
    if (text_equal(exec->interactive_mode, "Always") && !terminal)
        return refuse(err, exec->command,
                      "it must talk to a person (interactiveMode: Always), but standard input is "
                      "no terminal");
    /* our standard input is not handed on, so a plugin that merely may ask must not */
    *out = false;
    return 0;
}

static char **arguments_of(const struct kube_exec *exec, struct error **err) {
    char **list = calloc(exec->arguments.count + 2, sizeof(*list));
    if (list == NULL) {
        error_no_memory(err);
        return NULL;
    }
    list[0] = exec->command;
    for (size_t i = 0; i < exec->arguments.count; i++)
        list[i + 1] = exec->arguments.items[i];
    return list;
}

static char **environment_of(const struct kube_exec *exec, char *info, struct error **err) {
    char **list = calloc(exec->environment.count + 2, sizeof(*list));
    if (list == NULL) {
        error_no_memory(err);
        return NULL;
    }
    for (size_t i = 0; i < exec->environment.count; i++)
        list[i] = exec->environment.items[i];
    list[exec->environment.count] = info;
    return list;
}

static int run_plugin(struct process_result *result, const struct kube_config *config, char *info,
                      const struct deps *deps, struct error **err) {
    const struct kube_exec *exec = config->user.exec;
    cleanup_free char **arguments = arguments_of(exec, err);
    cleanup_free char **environment = arguments != NULL ? environment_of(exec, info, err) : NULL;
    if (environment == NULL)
        return -1;
    struct process_request request = {.timeout_ms = PLUGIN_TIMEOUT_MS,
                                      .cancel_descriptor = deps->cancel_descriptor};
    memcpy(&request.arguments, &arguments, sizeof(arguments));
    memcpy(&request.environment, &environment, sizeof(environment));
    struct error *failure = NULL;
    if (deps->processes->run(deps->processes->user, &request, result, &failure) < 0) {
        if (failure != NULL && failure->kind == ERROR_PARAMETER)
            error_set_kind(&failure, ERROR_UNREACHABLE);
        error_wrap(&failure, "exec plugin");
        bool not_run = failure != NULL && failure->kind == ERROR_UNREACHABLE;
        if (not_run && !text_is_empty(exec->install_hint)) {
            cleanup_free char *hint = text_copy(exec->install_hint, NULL);
            if (hint != NULL)
                error_hint(&failure, "%s", text_make_printable(hint));
        }
        return error_take(err, failure);
    }
    if (result->exit_code != 0)
        return error_new(err, ERROR_UNREACHABLE, "exec plugin %s failed with exit code %d",
                         exec->command, result->exit_code);
    return 0;
}

int exec_run(struct exec_answer *out, const struct kube_config *config, const struct deps *deps,
             struct error **err) {
    const struct kube_exec *exec = config->user.exec;
    bool interactive = false;
    if (decide_interactive(&interactive, exec, err) < 0)
        return -1;
    cleanup_free char *json = exec_info(config, interactive, err);
    cleanup_free char *info =
        json != NULL ? text_format(err, "KUBERNETES_EXEC_INFO=%s", json) : NULL;
    if (info == NULL)
        return -1;
    struct process_result result = {.output = BUFFER_INIT(ANSWER_LIMIT)};
    result.output.secret = true;
    int outcome = run_plugin(&result, config, info, deps, err);
    if (outcome == 0)
        outcome = exec_parse(out, buffer_text(&result.output), result.output.length,
                             exec->api_version, exec->command, err);
    buffer_free(&result.output);
    return outcome;
}
