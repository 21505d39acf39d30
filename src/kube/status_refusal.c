/*
 * The texts with which Kubernetes refuses, told apart. Sources: apiserver
 * endpoints/handlers/responsewriters/errors.go (RBAC), plugin/webhook/errors/statuserror.go,
 * plugin/policy/validating/dispatcher.go, plugin/resourcequota/controller.go,
 * plugin/namespace/lifecycle/admission.go; pod-security-admission admission/admission.go.
 */
#include "status_text.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

/* The rest of TEXT behind MARKER, or NULL. */
static const char *behind(const char *text, const char *marker) {
    const char *found = text != NULL ? strstr(text, marker) : NULL;
    return found != NULL ? found + strlen(marker) : NULL;
}

/* Go's %q text that begins at TEXT (without the quote); *END is set behind the closing quote. */
static char *quoted(const char *text, const char **end, struct error **err) {
    const char *at = text;
    while (*at != '\0' && *at != '"')
        at += at[0] == '\\' && at[1] != '\0' ? 2 : 1;
    *end = *at == '"' ? at + 1 : at;
    return text_copy_bytes(text, (size_t)(at - text), err);
}

struct rbac {
    char *user;
    char *verb;
    char *resource;   /* with the group: "deployments.apps", or a path */
    char *namespace_; /* NULL: cluster scope */
    const char *rest; /* why, borrowed from the message */
};

static void rbac_free(struct rbac *rbac) {
    free(rbac->user);
    free(rbac->verb);
    free(rbac->resource);
    free(rbac->namespace_);
}

static int read_resource(struct rbac *out, const char *text, struct error **err) {
    const char *end = text;
    cleanup_free char *plural = quoted(text, &end, err);
    if (plural == NULL)
        return -1;
    static const char group_marker[] = " in API group \"";
    if (!text_has_prefix(end, group_marker)) {
        out->resource = steal_pointer(plural);
        out->rest = end;
        return 0;
    }
    cleanup_free char *group = quoted(end + strlen(group_marker), &end, err);
    if (group == NULL)
        return -1;
    out->resource =
        group[0] == '\0' ? text_copy(plural, err) : text_format(err, "%s.%s", plural, group);
    if (out->resource == NULL)
        return -1;
    static const char namespace_marker[] = " in the namespace \"";
    static const char cluster_marker[] = " at the cluster scope";
    if (text_has_prefix(end, namespace_marker)) {
        out->namespace_ = quoted(end + strlen(namespace_marker), &end, err);
        if (out->namespace_ == NULL)
            return -1;
    } else if (text_has_prefix(end, cluster_marker)) {
        end += strlen(cluster_marker);
    }
    out->rest = end;
    return 0;
}

/* 1: read; 0: another text; -1: out of memory. */
static int read_rbac(struct rbac *out, const char *message, struct error **err) {
    const char *at = behind(message, "User \"");
    if (at == NULL)
        return 0;
    out->user = quoted(at, &at, err);
    if (out->user == NULL)
        return -1;
    static const char cannot[] = " cannot ";
    if (!text_has_prefix(at, cannot))
        return 0;
    at += strlen(cannot);
    size_t verb = strcspn(at, " ");
    out->verb = text_copy_bytes(at, verb, err);
    if (out->verb == NULL)
        return -1;
    at += verb;
    const char *resource = text_has_prefix(at, " resource \"") ? at + strlen(" resource \"")
                           : text_has_prefix(at, " path \"")   ? at + strlen(" path \"")
                                                               : NULL;
    if (resource == NULL)
        return 0;
    return read_resource(out, resource, err) < 0 ? -1 : 1;
}

static int rbac_error(struct error **err, const struct rbac *rbac, const json_t *status,
                      const struct kube_request *request) {
    const char *name = json_text_at(status, "details", "name", NULL);
    if (text_is_empty(name))
        name = request->name;
    const char *quote = text_is_empty(name) ? "" : "\"";
    const char *rest = text_has_prefix(rbac->rest, ": ") ? rbac->rest : "";
    error_new(err, ERROR_REFUSED, "not allowed: User \"%s\" cannot %s %s%s%s%s%s %s%s%s",
              rbac->user, rbac->verb, rbac->resource, quote[0] != '\0' ? " " : "", quote,
              text_is_empty(name) ? "" : name, quote,
              rbac->namespace_ != NULL ? "in namespace " : "at the cluster scope",
              rbac->namespace_ != NULL ? rbac->namespace_ : "", rest);
    if (text_equal(rbac->user, "system:anonymous"))
        return error_hint(err, "the request carried no credential that the cluster knows: give the "
                               "kubeconfig's user a token, certificate or exec plugin");
    const char *namespace_ = rbac->namespace_ != NULL ? rbac->namespace_ : request->namespace_;
    const char *account = kube_service_account_of(rbac->user, namespace_);
    bool named = account[0] != '\0' && !text_equal(account, "default");
    return error_hint(err,
                      "`deploy-inference-service rbac%s%s%s%s` prints the %s that the step needs; "
                      "somebody who may grant rights has to apply it",
                      text_is_empty(namespace_) ? "" : " -n ",
                      text_is_empty(namespace_) ? "" : namespace_,
                      named ? " --service-account " : "", named ? account : "",
                      rbac->namespace_ != NULL ? "Role" : "ClusterRole");
}

static bool rbac_refusal(struct error **err, const json_t *status, const char *message,
                         const struct kube_request *request) {
    struct rbac rbac = {0};
    int outcome = read_rbac(&rbac, message, err);
    if (outcome > 0)
        rbac_error(err, &rbac, status, request);
    rbac_free(&rbac);
    return outcome != 0;
}

/* `admission webhook "NAME" denied the request: TEXT` */
static bool webhook_refusal(struct error **err, const char *operation, const char *message) {
    const char *at = behind(message, "admission webhook \"");
    if (at == NULL)
        return false;
    cleanup_free char *webhook = quoted(at, &at, err);
    if (webhook == NULL)
        return true;
    if (!text_has_prefix(at, " denied the request"))
        return false;
    at += strlen(" denied the request");
    const char *text = text_has_prefix(at, ": ") && at[2] != '\0' ? at + 2 : "no reason given";
    error_new(err, ERROR_REFUSED, "cannot %s: refused by webhook %s: %s", operation, webhook, text);
    return true;
}

/* `failed calling webhook "NAME": CAUSE`: nobody judged the request. */
static bool webhook_down(struct error **err, const char *operation, const char *message) {
    const char *at = behind(message, "failed calling webhook \"");
    if (at == NULL)
        return false;
    cleanup_free char *webhook = quoted(at, &at, err);
    if (webhook == NULL)
        return true;
    const char *cause = text_has_prefix(at, ": ") ? at + 2 : at;
    error_new(err, ERROR_UNREACHABLE, "cannot %s: the cluster's own webhook %s does not answer: %s",
              operation, webhook, cause);
    error_hint(err, "nothing was stored; see whether the controller behind the webhook runs (for "
                    "KServe: kserve-controller-manager)");
    return true;
}

/* `ValidatingAdmissionPolicy 'P' with binding 'B' denied request: TEXT` */
static bool policy_refusal(struct error **err, const char *operation, const char *message) {
    const char *policy = behind(message, "ValidatingAdmissionPolicy '");
    const char *text = behind(policy, " denied request: ");
    if (text == NULL)
        return false;
    error_new(err, ERROR_REFUSED, "cannot %s: refused by ValidatingAdmissionPolicy %.*s: %s",
              operation, (int)strcspn(policy, "'"), policy, text);
    return true;
}

/* `exceeded quota: Q, requested: A, used: B, limited: C` and `failed quota: Q: TEXT` */
static bool quota_refusal(struct error **err, const char *operation, const char *message) {
    const char *failed = behind(message, "failed quota: ");
    if (failed != NULL) {
        error_new(err, ERROR_REFUSED, "cannot %s: refused by quota %s", operation, failed);
        return true;
    }
    const char *exceeded = behind(message, "exceeded quota: ");
    const char *figures = behind(exceeded, ", ");
    if (figures == NULL)
        return false;
    error_new(err, ERROR_REFUSED, "cannot %s: quota %.*s is exhausted: %s", operation,
              (int)strcspn(exceeded, ","), exceeded, figures);
    error_hint(err, "ask for less, free what is not needed, or have the ResourceQuota raised");
    return true;
}

/* `violates PodSecurity "LEVEL:VERSION": TEXT` */
static bool pod_security_refusal(struct error **err, const char *operation, const char *message) {
    const char *at = behind(message, "violates PodSecurity \"");
    if (at == NULL)
        return false;
    cleanup_free char *level = quoted(at, &at, err);
    if (level == NULL)
        return true;
    error_new(err, ERROR_REFUSED, "cannot %s: the namespace's Pod Security level %s forbids it%s",
              operation, level, at);
    if (text_contains(at, "hostIPC"))
        error_hint(err, "set HOST_IPC=false");
    return true;
}

static bool namespace_refusal(struct error **err, const char *operation, const json_t *status,
                              const char *message, const struct kube_request *request) {
    bool terminating = text_contains(message, "because it is being terminated");
    size_t i;
    json_t *cause;
    json_array_foreach(json_at(status, "details", "causes", NULL), i, cause) {
        if (text_equal(json_text_at(cause, "reason", NULL), "NamespaceTerminating"))
            terminating = true;
    }
    if (!terminating)
        return false;
    error_new(err, ERROR_REFUSED, "cannot %s: namespace %s is being deleted", operation,
              request->namespace_ != NULL ? request->namespace_ : "(unnamed)");
    error_hint(err, "choose another NAMESPACE, or wait until it is gone and create it again");
    return true;
}

bool status_refusal(struct error **err, const char *operation, const json_t *status,
                    const char *message, const struct kube_request *request) {
    return webhook_refusal(err, operation, message) || webhook_down(err, operation, message) ||
           policy_refusal(err, operation, message) || quota_refusal(err, operation, message) ||
           pod_security_refusal(err, operation, message) ||
           namespace_refusal(err, operation, status, message, request) ||
           rbac_refusal(err, status, message, request);
}
