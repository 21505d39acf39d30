/* The cluster itself: does it answer, and is the right KServe there? */
#include "preflight_internal.h"

#include "base/json.h"
#include "base/text.h"

static const struct check_subject subject_server = {"cluster", "api-server", ERROR_UNREACHABLE};
static const struct check_subject subject_kserve = {"cluster", "kserve", ERROR_REFUSED};
static const struct check_subject subject_knative = {"cluster", "knative", ERROR_ROLLOUT};

static const json_t *group_named(const json_t *groups, const char *name) {
    size_t index = 0;
    const json_t *group = NULL;
    json_array_foreach(json_at(groups, "groups", NULL), index, group) {
        if (text_equal(json_text_at(group, "name", NULL), name))
            return group;
    }
    return NULL;
}

static bool has_version(const json_t *group, const char *version) {
    size_t index = 0;
    const json_t *item = NULL;
    json_array_foreach(json_at(group, "versions", NULL), index, item) {
        if (text_equal(json_text_at(item, "version", NULL), version))
            return true;
    }
    return false;
}

static bool is_served(const json_t *groups) {
    const json_t *group = group_named(groups, "serving.kserve.io");
    return has_version(group, "v1beta1") && has_version(group, "v1alpha1");
}

bool preflight_has_kserve(const struct cluster_readings *readings) {
    return readings->groups.object == NULL || is_served(readings->groups.object);
}

static int check_server(struct checks *checks, const struct reading *version, struct error **err) {
    if (version->object != NULL)
        return checks_add(checks, err, &subject_server, CHECK_OK, "Kubernetes %s answers",
                          json_text_at(version->object, "gitVersion", NULL) != NULL
                              ? json_text_at(version->object, "gitVersion", NULL)
                              : "of unknown version");
    const struct error *error = version->error;
    if (error != NULL && error->http_status == 403)
        return checks_add(checks, err, &subject_server, CHECK_OK,
                          "the API server answers (its version may not be read)");
    if (error != NULL)
        return checks_add_error(checks, err, &subject_server, CHECK_FAIL, error);
    return 0;
}

static int tell_missing(struct checks *checks, const json_t *groups, struct error **err) {
    if (group_named(groups, "serving.kserve.io") != NULL)
        return checks_add(checks, err, &subject_kserve, CHECK_FAIL,
                          "KServe is too old: it does not serve serving.kserve.io/v1beta1 and "
                          "v1alpha1");
    bool kfserving = group_named(groups, "serving.kubeflow.org") != NULL;
    if (checks_add(checks, err, &subject_kserve, CHECK_FAIL,
                   kfserving ? "only KFServing is installed (serving.kubeflow.org), the forerunner "
                               "of KServe: it has no serving runtimes"
                             : "KServe is not installed: the cluster does not know "
                               "serving.kserve.io") < 0)
        return -1;
    return checks_hint(checks, err,
                       kfserving ? "have KServe 0.14 or later installed beside it"
                                 : "have KServe 0.14 or later installed, or choose another cluster "
                                   "with --context");
}

static int check_kserve(struct checks *checks, const struct reading *groups,
                        enum kserve_generation kserve, struct error **err) {
    if (groups->object == NULL)
        return preflight_skip(checks, &subject_kserve, groups->error, "KServe", err);
    if (!is_served(groups->object))
        return tell_missing(checks, groups->object, err);
    if (kserve == KSERVE_UNKNOWN) {
        if (checks_add(checks, err, &subject_kserve, CHECK_WARN,
                       "KServe is installed; its webhook did not tell which version") < 0)
            return -1;
        return checks_hint(checks, err, "is KServe's controller running?");
    }
    return checks_add(checks, err, &subject_kserve, CHECK_OK, "KServe %s",
                      kserve == KSERVE_NEW_MODES ? "0.16 or later" : "0.15 or earlier");
}

static int check_knative(struct checks *checks, const struct reading *groups,
                         const struct inputs *inputs, struct error **err) {
    if (!inputs->serverless)
        return 0;
    if (groups->object == NULL)
        return preflight_skip(checks, &subject_knative, groups->error, "Knative", err);
    if (group_named(groups->object, "serving.knative.dev") == NULL) {
        if (checks_add(checks, err, &subject_knative, CHECK_FAIL,
                       "ENABLE_SERVERLESS is true, but Knative is not installed") < 0)
            return -1;
        return checks_hint(checks, err, "set ENABLE_SERVERLESS=false, or have Knative installed");
    }
    if (!inputs->host_ipc)
        return checks_add(checks, err, &subject_knative, CHECK_OK, "Knative is installed");
    if (checks_add(checks, err, &subject_knative, CHECK_WARN,
                   "Knative refuses hostIPC unless its feature kubernetes.podspec-hostipc is on") <
        0)
        return -1;
    return checks_hint(checks, err, "set HOST_IPC=false, or have the feature switched on");
}

int preflight_check_cluster(struct checks *checks, const struct cluster_readings *readings,
                            const struct inputs *inputs, enum kserve_generation kserve,
                            struct error **err) {
    if (check_server(checks, &readings->version, err) < 0 ||
        check_kserve(checks, &readings->groups, kserve, err) < 0)
        return -1;
    return check_knative(checks, &readings->groups, inputs, err);
}
