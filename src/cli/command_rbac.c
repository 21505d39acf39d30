#include "cli/connect.h"

#include "base/json.h"
#include "base/text.h"
#include "base/yaml.h"
#include "cli/rbac.h"

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

/* NAMESPACE comes from the kubeconfig's context when it is not given: a file is read, no server
 * asked. */
int command_rbac(struct application *application, struct error **err) {
    const struct invocation *invocation = application->invocation;
    cleanup_session struct session session = {0};
    if (invocation->inputs.namespace_[0] == '\0' && connect_session(&session, application, err) < 0)
        return error_hint(err, "name the namespace: rbac -n NAMESPACE");
    const struct rbac_request request = {.namespace_ = invocation->inputs.namespace_,
                                         .service_account = invocation->settings.service_account,
                                         .diagnostics = invocation->settings.diagnostics,
                                         .preflight = invocation->settings.preflight_rights};
    cleanup_json json_t *objects = NULL;
    if (rbac_objects(&objects, &request, err) < 0)
        return -1;
    const char *format = invocation->settings.output;
    if (text_equal(format, "json"))
        return print_json(application->output, objects, err);
    if (!text_is_empty(format) && !text_equal(format, "yaml"))
        return error_new(err, ERROR_PARAMETER, "-o is \"%s\": rbac prints yaml or json", format);
    return print_yaml(application->output, objects, err);
}
