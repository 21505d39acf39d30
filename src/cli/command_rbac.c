#include "cli/connect.h"

#include "base/json.h"
#include "base/text.h"
#include "base/yaml.h"
#include "cli/rbac.h"
#include "deploy/names.h"

static int print_yaml(FILE *output, const json_t *objects, struct error **err) {
    size_t index = 0;
    const json_t *object = NULL;
    for (; (object = json_array_get(objects, index)) != NULL; index++) {
        cleanup_free char *text = yaml_from_json(object, err);
        if (text == NULL)
            return -1;
        fprintf(output, "%s%s", index > 0 ? "---\n" : "", text);
    }
    return 0;
}

static int print_json(FILE *output, const json_t *objects, struct error **err) {
    cleanup_json json_t *list =
        json_pack("{s:s, s:s, s:O}", "apiVersion", "v1", "kind", "List", "items", objects);
    if (list == NULL)
        return error_no_memory(err);
    cleanup_free char *text = json_pretty_text(list, err);
    if (text == NULL)
        return -1;
    fprintf(output, "%s\n", text);
    return 0;
}

static int check_names(struct application *application, struct error **err) {
    const struct invocation *invocation = application->invocation;
    struct problems *problems = &application->invocation->problems;
    const char *namespace_ = invocation->inputs.namespace_;
    const char *account = invocation->settings.service_account;
    if (namespace_[0] != '\0' && !name_is_dns_label(namespace_) &&
        problems_add(problems, err, true, "NAMESPACE", "kubectl get namespaces lists them",
                     "NAMESPACE \"%.80s\" is no name of a namespace", namespace_) < 0)
        return -1;
    if (!name_is_dns_subdomain(account) &&
        problems_add(problems, err, true, "service-account", "for example deployer",
                     "--service-account \"%.80s\" is no name of a ServiceAccount", account) < 0)
        return -1;
    return refuse_problems(application, err);
}

/* Takes over WHY: no kubeconfig names the namespace. One that was asked for speaks for itself. */
static int namespace_missing(const struct settings *settings, struct error *why,
                             struct error **err) {
    bool asked_for = settings->kubeconfig[0] != '\0' || settings->context[0] != '\0';
    if (asked_for || why == NULL || why->kind != ERROR_PARAMETER)
        return error_take(err, why);
    cleanup_error struct error *cause = why;
    error_new(err, ERROR_PARAMETER, "NAMESPACE is not set");
    return error_hint(err, "rbac -n NAMESPACE names it; no kubeconfig does: %s", cause->message);
}

/* NAMESPACE comes from the kubeconfig's context when it is not given: a file is read, no server
 * asked. */
int command_rbac(struct application *application, struct error **err) {
    const struct invocation *invocation = application->invocation;
    if (check_names(application, err) < 0)
        return -1;
    cleanup_session struct session session = {0};
    struct error *unknown = NULL;
    if (invocation->inputs.namespace_[0] == '\0' &&
        connect_session(&session, application, &unknown) < 0)
        return namespace_missing(&invocation->settings, unknown, err);
    const struct rbac_request request = {.namespace_ = invocation->inputs.namespace_,
                                         .service_account = invocation->settings.service_account,
                                         .diagnostics = invocation->settings.diagnostics,
                                         .preflight = invocation->settings.preflight_rights};
    cleanup_json json_t *objects = NULL;
    if (rbac_objects(&objects, &request, err) < 0)
        return -1;
    if (text_equal(invocation->settings.output, "json"))
        return print_json(application->output, objects, err);
    return print_yaml(application->output, objects, err);
}
