#include "cli/rbac.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/rights.h"

#include <string.h>

#define NAME "deploy-inference-service"

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

static bool is_wanted(const struct right *right, const struct rbac_request *request) {
    return right->use == RIGHT_DEPLOY ||
           (right->use == RIGHT_DIAGNOSTICS ? request->diagnostics : request->preflight);
}

/* The rules of the Role or the ClusterRole; NULL with an error. */
static json_t *rules_of(const struct rbac_request *request, bool cluster_wide, struct error **err) {
    cleanup_json json_t *rules = json_array();
    for (size_t i = 0; rules != NULL && i < rights_count; i++) {
        const struct right *right = &rights[i];
        if (right->cluster_wide != cluster_wide || !is_wanted(right, request))
            continue;
        const char *names =
            text_equal(right->names, RIGHT_OWN_NAMESPACE) ? request->namespace_ : right->names;
        json_t *rule = json_pack("{s:[s], s:o, s:o*, s:o}", "apiGroups", right->group, "resources",
                                 words(right->resources), "resourceNames",
                                 names != NULL ? words(names) : NULL, "verbs", words(right->verbs));
        if (rule == NULL || json_array_append_new(rules, rule) < 0) {
            error_no_memory(err);
            return NULL;
        }
    }
    if (rules == NULL)
        error_no_memory(err);
    return steal_pointer(rules);
}

static int add_role(json_t *out, const char *name, const struct rbac_request *request,
                    struct error **err) {
    cleanup_json json_t *rules = rules_of(request, false, err);
    if (rules == NULL)
        return -1;
    json_t *role = json_pack("{s:s, s:s, s:{s:s, s:s}, s:O}", "apiVersion",
                             "rbac.authorization.k8s.io/v1", "kind", "Role", "metadata", "name",
                             name, "namespace", request->namespace_, "rules", rules);
    return role != NULL && json_array_append_new(out, role) == 0 ? 0 : error_no_memory(err);
}

static int add_cluster_role(json_t *out, const char *name, const struct rbac_request *request,
                            struct error **err) {
    cleanup_json json_t *rules = rules_of(request, true, err);
    if (rules == NULL)
        return -1;
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
    /* applying what is printed for one account must not take the rights of another */
    bool own = !text_equal(request->service_account, "default");
    const char *suffix = own ? request->service_account : "";
    cleanup_free char *name = text_format(err, NAME "%s%s", own ? "." : "", suffix);
    cleanup_free char *cluster_name =
        text_format(err, NAME ".%s%s%s", request->namespace_, own ? "." : "", suffix);
    if (objects == NULL || name == NULL || cluster_name == NULL)
        return error_no_memory(err);
    if (own) {
        json_t *account = json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", "v1", "kind",
                                    "ServiceAccount", "metadata", "name", request->service_account,
                                    "namespace", request->namespace_);
        if (account == NULL || json_array_append_new(objects, account) < 0)
            return error_no_memory(err);
    }
    if (add_role(objects, name, request, err) < 0 ||
        add_binding(objects, "RoleBinding", "Role", name, request, err) < 0 ||
        add_cluster_role(objects, cluster_name, request, err) < 0 ||
        add_binding(objects, "ClusterRoleBinding", "ClusterRole", cluster_name, request, err) < 0)
        return -1;
    *out = steal_pointer(objects);
    return 0;
}
