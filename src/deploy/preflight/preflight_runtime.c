#include "preflight_internal.h"

#include "base/json.h"
#include "base/text.h"

static const struct check_subject subject = {"runtime", "runtime", ERROR_RUNTIME};
static const struct check_subject subject_shadow = {"runtime", "shadow", ERROR_ROLLOUT};

/* Read by its name, an object tells its kind; of a list only the cluster's are taken. */
bool preflight_runtime_is_of_namespace(const struct runtime_choice *choice) {
    return text_equal(json_text_at(choice->runtime, "kind", NULL), "ServingRuntime");
}

int preflight_check_runtime(struct checks *checks, const struct runtime_choice *choice,
                            const struct error *problem, const char *library, struct error **err) {
    if (choice == NULL && problem != NULL)
        return checks_add_error(checks, err, &subject, CHECK_FAIL, problem);
    if (choice == NULL)
        return checks_add(checks, err, &subject, CHECK_SKIPPED,
                          "runtime not checked: the parameters come first");
    for (size_t i = 0; i < choice->warnings.count; i++)
        if (checks_add(checks, err, &subject, CHECK_WARN, "%s", choice->warnings.items[i]) < 0)
            return -1;
    const char *kind =
        preflight_runtime_is_of_namespace(choice) ? "ServingRuntime" : "ClusterServingRuntime";
    if (library[0] == '\0') {
        if (checks_add(checks, err, &subject, CHECK_SKIPPED,
                       "%s %s is there and enabled; its model formats are not "
                       "checked: the model's format is not known",
                       kind, choice->name) < 0)
            return -1;
        return checks_hint(checks, err, "LIBRARY_NAME says it when the model cannot be read");
    }
    return checks_add(checks, err, &subject, CHECK_OK, "%s %s is enabled and takes format %s%s%s",
                      kind, choice->name, library, choice->protocol[0] != '\0' ? ", protocol " : "",
                      choice->protocol);
}

int preflight_check_shadow(struct checks *checks, const struct reading *shadow,
                           const struct runtime_choice *choice, const char *library,
                           const struct inputs *inputs, struct error **err) {
    const struct error *error = shadow->error;
    const json_t *runtime = shadow->object;
    if (choice == NULL || preflight_runtime_is_of_namespace(choice) ||
        (error != NULL && error->http_status == 404))
        return 0;
    if (runtime == NULL)
        return preflight_skip(checks, &subject_shadow, error,
                              "a namespaced runtime of the same name", err);
    bool disabled = json_is_true_at(runtime, "spec", "disabled", NULL);
    bool unfit = disabled || (library[0] != '\0' && !runtime_supports(runtime, library));
    if (checks_add(checks, err, &subject_shadow, unfit ? CHECK_FAIL : CHECK_WARN,
                   "KServe will use the ServingRuntime %s of namespace %s in place of the "
                   "ClusterServingRuntime%s",
                   choice->name, inputs->namespace_,
                   disabled ? ", and it is disabled"
                   : unfit  ? ", and it does not take the model's format"
                            : "; its command and environment are taken") < 0)
        return -1;
    return checks_hint(checks, err, "rename or delete it, or choose another RUNTIME_NAME");
}
