#include "cli/rbac.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

#define NAME "deploy-inference-service"

/* One line of a Role: names and verbs are separated by blanks. */
struct rule {
    const char *group;
    const char *resources;
    const char *names; /* resourceNames, or NULL */
    const char *verbs;
};

/* The order of the rules is the order of the stages that need them. */
static const struct rule deploy_rules[] = {
    {"", "configmaps", "aml-image-builder-config", "get"},
    {"", "secrets", "aml-image-builder-secret", "get"},
    {"serving.kserve.io", "inferenceservices", NULL, "get list watch create patch"},
    {"apps", "deployments", NULL, "list watch"},
};

static const struct rule diagnostics_rules[] = {
    {"apps", "replicasets", NULL, "list watch"},
    {"", "pods", NULL, "list watch"},
    {"", "pods/log", NULL, "get"},
    {"", "events", NULL, "list watch"},
    {"serving.knative.dev", "revisions", NULL, "list watch"},
};

static const struct rule preflight_rules[] = {
    {"", "resourcequotas limitranges pods", NULL, "list"},
    {"", "persistentvolumeclaims", NULL, "get"},
    {"serving.kserve.io", "servingruntimes", NULL, "get"},
};

static const struct rule cluster_rules[] = {
    {"serving.kserve.io", "clusterservingruntimes", NULL, "get list"},
};

static const struct rule cluster_preflight_rules[] = {
    {"", "nodes", NULL, "list"},
};

/* "a b" -> ["a", "b"] */
static json_t *words(const char *text) {
    json_t *list = json_array();
    for (const char *at = text; list != NULL && *at != '\0';) {
        size_t length = strcspn(at, " ");
        if (json_array_append_new(list, json_stringn(at, length)) < 0) {
            json_decref(list);
            return NULL;
        }
        at += length + (at[length] == ' ' ? 1 : 0);
    }
    return list;
}

static int add_rules(json_t *rules, const struct rule *from, size_t count, struct error **err) {
    for (size_t i = 0; i < count; i++) {
        json_t *rule = json_pack("{s:[s], s:o, s:o*, s:o}", "apiGroups", from[i].group, "resources",
                                 words(from[i].resources), "resourceNames",
                                 from[i].names != NULL ? words(from[i].names) : NULL, "verbs",
                                 words(from[i].verbs));
        if (rule == NULL || json_array_append_new(rules, rule) < 0)
            return error_no_memory(err);
    }
    return 0;
}

static int add_role(json_t *out, const struct rbac_request *request, struct error **err) {
    cleanup_json json_t *rules = json_array();
    if (rules == NULL)
        return error_no_memory(err);
    if (add_rules(rules, deploy_rules, array_length(deploy_rules), err) < 0)
        return -1;
    if (request->diagnostics &&
        add_rules(rules, diagnostics_rules, array_length(diagnostics_rules), err) < 0)
        return -1;
    if (request->preflight &&
        add_rules(rules, preflight_rules, array_length(preflight_rules), err) < 0)
        return -1;
    json_t *role = json_pack("{s:s, s:s, s:{s:s, s:s}, s:O}", "apiVersion",
                             "rbac.authorization.k8s.io/v1", "kind", "Role", "metadata", "name",
                             NAME, "namespace", request->namespace_, "rules", rules);
    return role != NULL && json_array_append_new(out, role) == 0 ? 0 : error_no_memory(err);
}

static int add_cluster_role(json_t *out, const char *name, const struct rbac_request *request,
                            struct error **err) {
    cleanup_json json_t *rules = json_array();
    if (rules == NULL)
        return error_no_memory(err);
    if (add_rules(rules, cluster_rules, array_length(cluster_rules), err) < 0)
        return -1;
    if (request->preflight &&
        add_rules(rules, cluster_preflight_rules, array_length(cluster_preflight_rules), err) < 0)
        return -1;
    if (request->preflight) {
        const struct rule own_namespace = {"", "namespaces", request->namespace_, "get"};
        if (add_rules(rules, &own_namespace, 1, err) < 0)
            return -1;
    }
    json_t *role =
        json_pack("{s:s, s:s, s:{s:s}, s:O}", "apiVersion", "rbac.authorization.k8s.io/v1", "kind",
                  "ClusterRole", "metadata", "name", name, "rules", rules);
    return role != NULL && json_array_append_new(out, role) == 0 ? 0 : error_no_memory(err);
}

static int add_binding(json_t *out, const char *kind, const char *role_kind, const char *name,
                       const struct rbac_request *request, struct error **err) {
    bool in_namespace = text_equal(role_kind, "Role");
    json_t *binding = json_pack(
        "{s:s, s:s, s:{s:s, s:s*}, s:[{s:s, s:s, s:s}], s:{s:s, s:s, s:s}}", "apiVersion",
        "rbac.authorization.k8s.io/v1", "kind", kind, "metadata", "name", name, "namespace",
        in_namespace ? request->namespace_ : NULL, "subjects", "kind", "ServiceAccount", "name",
        request->service_account, "namespace", request->namespace_, "roleRef", "apiGroup",
        "rbac.authorization.k8s.io", "kind", role_kind, "name", name);
    return binding != NULL && json_array_append_new(out, binding) == 0 ? 0 : error_no_memory(err);
}

int rbac_objects(json_t **out, const struct rbac_request *request, struct error **err) {
    cleanup_json json_t *objects = json_array();
    cleanup_free char *cluster_name = text_format(err, NAME ".%s", request->namespace_);
    if (objects == NULL || cluster_name == NULL)
        return error_no_memory(err);
    if (!text_equal(request->service_account, "default")) {
        json_t *account = json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", "v1", "kind",
                                    "ServiceAccount", "metadata", "name", request->service_account,
                                    "namespace", request->namespace_);
        if (account == NULL || json_array_append_new(objects, account) < 0)
            return error_no_memory(err);
    }
    if (add_role(objects, request, err) < 0 ||
        add_binding(objects, "RoleBinding", "Role", NAME, request, err) < 0 ||
        add_cluster_role(objects, cluster_name, request, err) < 0 ||
        add_binding(objects, "ClusterRoleBinding", "ClusterRole", cluster_name, request, err) < 0)
        return -1;
    *out = steal_pointer(objects);
    return 0;
}
