/* PVC_NAME. Source: Kubernetes "Persistent Volumes" (phases, access modes, binding modes). */
#include "preflight_internal.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

static const struct check_subject subject = {"volume", "claim", ERROR_ROLLOUT};

static bool has_mode(const json_t *claim, const char *mode) {
    const json_t *modes = json_at(claim, "status", "accessModes", NULL);
    if (json_array_size(modes) == 0)
        modes = json_at(claim, "spec", "accessModes", NULL);
    size_t index = 0;
    const json_t *item = NULL;
    json_array_foreach(modes, index, item) {
        if (text_equal(json_string_value(item), mode))
            return true;
    }
    return false;
}

static int fail(struct checks *checks, const char *name, const char *what, const char *hint,
                struct error **err) {
    if (checks_add(checks, err, &subject, CHECK_FAIL, "PersistentVolumeClaim %s %s", name, what) <
        0)
        return -1;
    return hint != NULL ? checks_hint(checks, err, "%s", hint) : 0;
}

/* A claim without a volume: fine only when the first pod brings it. */
static int check_unbound(struct checks *checks, const struct cluster_readings *readings,
                         const char *name, struct error **err) {
    const json_t *claim = readings->claim.object;
    const char *class_ = json_text_at(claim, "spec", "storageClassName", NULL);
    if (text_equal(json_text_at(claim, "status", "phase", NULL), "Lost"))
        return fail(checks, name, "has lost its volume (phase Lost)",
                    "have it made anew, with the model in it", err);
    const char *binding = json_text_at(readings->storage_class.object, "volumeBindingMode", NULL);
    if (text_equal(binding, "WaitForFirstConsumer"))
        return checks_add(checks, err, &subject, CHECK_OK,
                          "PersistentVolumeClaim %s is bound when the first pod uses it (storage "
                          "class %s)",
                          name, class_);
    if (binding != NULL)
        return fail(checks, name, "is not bound to a volume (phase Pending)",
                    "kubectl describe pvc shows why no volume is made", err);
    const struct error *error = readings->storage_class.error;
    bool no_class = error != NULL && error->http_status == 404;
    if (no_class || text_is_empty(class_))
        return fail(checks, name,
                    no_class ? "is not bound, and its storage class does not exist"
                             : "is not bound, and has no storage class that makes volumes",
                    "have the claim made with a storage class that exists, or a volume for it",
                    err);
    const char *cannot = error != NULL ? strstr(error->message, " cannot ") : NULL;
    if (checks_add(checks, err, &subject, CHECK_WARN,
                   "PersistentVolumeClaim %s is not bound; whether storage class %s waits for the "
                   "first pod is not known%s%s",
                   name, class_, cannot != NULL ? ": this account" : "",
                   cannot != NULL ? cannot : "") < 0)
        return -1;
    return cannot != NULL
               ? checks_hint(checks, err,
                             "deploy-inference-service rbac --preflight prints the rights")
               : 0;
}

static int check_access(struct checks *checks, const json_t *claim, const struct inputs *inputs,
                        bool updates, struct error **err) {
    const char *name = inputs->pvc_name;
    bool shared = has_mode(claim, "ReadWriteMany") || has_mode(claim, "ReadOnlyMany");
    bool one_pod = has_mode(claim, "ReadWriteOncePod");
    bool several = inputs->max_replicas > 1;
    if (shared)
        return checks_add(checks, err, &subject, CHECK_OK,
                          "PersistentVolumeClaim %s is bound, pods of all nodes may use it", name);
    if (one_pod && inputs->min_replicas > 1)
        return fail(checks, name, "lets one pod only use it (ReadWriteOncePod)",
                    "set MIN_REPLICAS=1 and MAX_REPLICAS=1, or use a claim with ReadWriteMany",
                    err);
    bool recreate = text_equal(inputs->deployment_strategy, "Recreate");
    if (one_pod && (several || (updates && !recreate))) {
        if (checks_add(checks, err, &subject, CHECK_WARN,
                       "PersistentVolumeClaim %s lets one pod only use it (ReadWriteOncePod): %s",
                       name,
                       several ? "more replicas will not start"
                               : "an update cannot start its pod beside the old one") < 0)
            return -1;
        return several ? checks_hint(checks, err, "set MAX_REPLICAS=1")
                       : checks_hint(checks, err, "set DEPLOYMENT_STRATEGY=Recreate");
    }
    if (!one_pod && several) {
        if (checks_add(
                checks, err, &subject, CHECK_WARN,
                "PersistentVolumeClaim %s is ReadWriteOnce: replicas on other nodes will not "
                "start",
                name) < 0)
            return -1;
        return checks_hint(checks, err, "set MAX_REPLICAS=1, or use a claim with ReadWriteMany");
    }
    return checks_add(checks, err, &subject, CHECK_OK, "PersistentVolumeClaim %s is bound (%s)",
                      name, one_pod ? "ReadWriteOncePod" : "ReadWriteOnce");
}

int preflight_check_volume(struct checks *checks, const struct cluster_readings *readings,
                           const struct pod_plan *plan, struct error **err) {
    const char *name = plan->inputs->pvc_name;
    const struct reading *claim = &readings->claim;
    if (name[0] == '\0')
        return 0;
    if (claim->error != NULL && claim->error->http_status == 404)
        return fail(checks, name, "does not exist in the namespace",
                    "check PVC_NAME, or empty it to download the model into ephemeral storage",
                    err);
    if (claim->object == NULL)
        return preflight_skip(checks, &subject, claim->error, "PVC_NAME", err);
    if (json_at(claim->object, "metadata", "deletionTimestamp", NULL) != NULL)
        return fail(checks, name, "is being deleted", "choose another PVC_NAME", err);
    if (!text_equal(json_text_at(claim->object, "status", "phase", NULL), "Bound"))
        return check_unbound(checks, readings, name, err);
    return check_access(checks, claim->object, plan->inputs, plan->live != NULL, err);
}
