/*
 * The namespace and its Pod Security level. Sources: Kubernetes "Pod Security Standards",
 * pod-security-admission policy/check_*.go and api/helpers.go (a label with an unknown level counts
 * as restricted).
 */
#include "preflight_internal.h"

#include "base/json.h"
#include "base/text.h"

static const struct check_subject subject_namespace = {"namespace", "namespace", ERROR_REFUSED};
static const struct check_subject subject_security = {"namespace", "pod-security", ERROR_ROLLOUT};

enum level { LEVEL_PRIVILEGED, LEVEL_BASELINE, LEVEL_RESTRICTED };

static enum level level_of(const json_t *namespace_, const char *label) {
    const char *level = json_text_at(namespace_, "metadata", "labels", label, NULL);
    if (level == NULL || text_equal(level, "privileged"))
        return LEVEL_PRIVILEGED;
    return text_equal(level, "baseline") ? LEVEL_BASELINE : LEVEL_RESTRICTED;
}

static const char *const level_names[] = {"privileged", "baseline", "restricted"};

/* ---- what of the pod a level forbids ---- */

static const char *forbidden_volume(const json_t *runtime) {
    size_t index = 0;
    const json_t *volume = NULL;
    json_array_foreach(json_at(runtime, "spec", "volumes", NULL), index, volume) {
        if (json_at(volume, "hostPath", NULL) != NULL)
            return json_text_at(volume, "name", NULL);
    }
    return NULL;
}

static const json_t *container_with(const json_t *runtime, bool (*is_so)(const json_t *)) {
    size_t index = 0;
    const json_t *container = NULL;
    json_array_foreach(json_at(runtime, "spec", "containers", NULL), index, container) {
        if (is_so(container))
            return container;
    }
    return NULL;
}

static bool is_privileged(const json_t *container) {
    return json_is_true_at(container, "securityContext", "privileged", NULL);
}

static bool drops_all(const json_t *container) {
    size_t index = 0;
    const json_t *name = NULL;
    json_array_foreach(json_at(container, "securityContext", "capabilities", "drop", NULL), index,
                       name) {
        if (text_equal(json_string_value(name), "ALL"))
            return true;
    }
    return false;
}

/* A ServingRuntime has no security context of the pod: each container needs its own. */
static bool is_not_restricted(const json_t *container) {
    const json_t *context = json_at(container, "securityContext", NULL);
    const char *seccomp = json_text_at(context, "seccompProfile", "type", NULL);
    return !json_is_false(json_object_get(context, "allowPrivilegeEscalation")) ||
           !json_is_true(json_object_get(context, "runAsNonRoot")) || !drops_all(container) ||
           !(text_equal(seccomp, "RuntimeDefault") || text_equal(seccomp, "Localhost"));
}

static const char *name_of(const json_t *container) {
    const char *name = json_text_at(container, "name", NULL);
    return name != NULL ? name : "?";
}

static int tell(struct checks *checks, enum check_state state, const char *verb, enum level level,
                const char *what, struct error **err) {
    return checks_add(checks, err, &subject_security, state,
                      "the namespace %s Pod Security level \"%s\", which forbids %s", verb,
                      level_names[level], what);
}

/* 1 when something was told. */
static int check_level(struct checks *checks, enum level level, bool enforced,
                       const struct pod_plan *plan, struct error **err) {
    enum check_state state = enforced ? CHECK_FAIL : CHECK_WARN;
    const char *verb = enforced ? "enforces" : "warns by";
    const json_t *privileged = container_with(plan->runtime, is_privileged);
    const char *volume = forbidden_volume(plan->runtime);
    int found = 0;
    if (plan->inputs->host_ipc) {
        if (tell(checks, state, verb, level, "hostIPC", err) < 0 ||
            checks_hint(checks, err, "set HOST_IPC=false, or have the namespace labelled %s",
                        "pod-security.kubernetes.io/enforce=privileged") < 0)
            return -1;
        found = 1;
    }
    cleanup_free char *what = privileged != NULL
                                  ? text_format(err, "privileged container %s", name_of(privileged))
                              : volume != NULL ? text_format(err, "hostPath volume %s", volume)
                                               : NULL;
    if (what != NULL) {
        if (tell(checks, state, verb, level, what, err) < 0 ||
            checks_hint(checks, err, "choose another RUNTIME_NAME") < 0)
            return -1;
        found = 1;
    } else if (privileged != NULL || volume != NULL) {
        return -1;
    }
    /* OpenShift's constraints fill a security context in before it is judged: no sure failure */
    const json_t *open =
        level == LEVEL_RESTRICTED ? container_with(plan->runtime, is_not_restricted) : NULL;
    if (open != NULL) {
        if (checks_add(checks, err, &subject_security, CHECK_WARN,
                       "the namespace %s Pod Security level \"restricted\"; container %s of the "
                       "runtime has not all of runAsNonRoot, seccompProfile, "
                       "allowPrivilegeEscalation false and capabilities drop ALL",
                       verb, name_of(open)) < 0 ||
            checks_hint(checks, err, "have the runtime's securityContext completed") < 0)
            return -1;
        found = 1;
    }
    return found;
}

static int check_security(struct checks *checks, const json_t *namespace_,
                          const struct pod_plan *plan, struct error **err) {
    enum level enforced = level_of(namespace_, "pod-security.kubernetes.io/enforce");
    enum level warned = level_of(namespace_, "pod-security.kubernetes.io/warn");
    int found = enforced > LEVEL_PRIVILEGED ? check_level(checks, enforced, true, plan, err) : 0;
    if (found == 0 && warned > enforced)
        found = check_level(checks, warned, false, plan, err);
    if (found != 0)
        return found < 0 ? -1 : 0;
    return checks_add(checks, err, &subject_security, CHECK_OK,
                      "Pod Security level \"%s\" allows the pod%s", level_names[enforced],
                      plan->inputs->host_ipc ? ", hostIPC too" : "");
}

int preflight_check_namespace(struct checks *checks, const struct reading *namespace_,
                              const struct pod_plan *plan, struct error **err) {
    const char *name = plan->inputs->namespace_;
    const struct error *error = namespace_->error;
    if (error != NULL && error->http_status == 404) {
        if (checks_add(checks, err, &subject_namespace, CHECK_FAIL, "there is no namespace %s",
                       name) < 0)
            return -1;
        return checks_hint(checks, err, "check NAMESPACE, or: kubectl create namespace %s", name);
    }
    if (namespace_->object == NULL)
        return preflight_skip(checks, &subject_security, error, "Pod Security level", err);
    if (text_equal(json_text_at(namespace_->object, "status", "phase", NULL), "Terminating")) {
        if (checks_add(checks, err, &subject_namespace, CHECK_FAIL, "namespace %s is being deleted",
                       name) < 0)
            return -1;
        return checks_hint(checks, err, "wait until it is gone, or choose another NAMESPACE");
    }
    return check_security(checks, namespace_->object, plan, err);
}
