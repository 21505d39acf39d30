/* Which nodes a runtime asks for. Source: Kubernetes
 * component-helpers/scheduling/corev1/nodeaffinity.
 */
#include "preflight_internal.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

static bool is_in(const json_t *values, const char *value) {
    size_t index = 0;
    const json_t *item = NULL;
    json_array_foreach(values, index, item) {
        if (text_equal(json_string_value(item), value))
            return true;
    }
    return false;
}

/* Gt and Lt compare whole numbers; what is none never matches. */
static bool compares(const char *value, const json_t *values, bool greater) {
    int64_t left = 0;
    int64_t right = 0;
    const char *bound = json_string_value(json_array_get(values, 0));
    return value != NULL && bound != NULL && text_to_integer(value, INT64_MIN, INT64_MAX, &left) &&
           text_to_integer(bound, INT64_MIN, INT64_MAX, &right) &&
           (greater ? left > right : left < right);
}

/* VALUE is the node's; NULL: it has none. */
static bool requirement_matches(const json_t *requirement, const char *value) {
    const char *operator_ = json_text_at(requirement, "operator", NULL);
    const json_t *values = json_at(requirement, "values", NULL);
    if (text_equal(operator_, "In"))
        return value != NULL && is_in(values, value);
    if (text_equal(operator_, "NotIn"))
        return value == NULL || !is_in(values, value);
    if (text_equal(operator_, "Exists"))
        return value != NULL;
    if (text_equal(operator_, "DoesNotExist"))
        return value == NULL;
    if (text_equal(operator_, "Gt") || text_equal(operator_, "Lt"))
        return compares(value, values, text_equal(operator_, "Gt"));
    return true; /* a word that is not known yet */
}

static bool term_matches(const json_t *term, const json_t *node) {
    size_t index = 0;
    const json_t *requirement = NULL;
    const json_t *expressions = json_at(term, "matchExpressions", NULL);
    const json_t *fields = json_at(term, "matchFields", NULL);
    json_array_foreach(expressions, index, requirement) {
        const char *key = json_text_at(requirement, "key", NULL);
        const char *value =
            key != NULL ? json_text_at(node, "metadata", "labels", key, NULL) : NULL;
        if (!requirement_matches(requirement, value))
            return false;
    }
    json_array_foreach(fields, index, requirement) {
        if (!requirement_matches(requirement, json_text_at(node, "metadata", "name", NULL)))
            return false;
    }
    /* an empty term matches nothing */
    return json_array_size(expressions) + json_array_size(fields) > 0;
}

static bool selector_matches(const json_t *node, json_t *selector) {
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(selector, key, value) {
        if (!text_equal(json_text_at(node, "metadata", "labels", key, NULL),
                        json_string_value(value)))
            return false;
    }
    return true;
}

bool preflight_node_is_wanted(const json_t *node, const json_t *runtime) {
    if (!selector_matches(node, json_at(runtime, "spec", "nodeSelector", NULL)))
        return false;
    const json_t *required =
        json_at(runtime, "spec", "affinity", "nodeAffinity",
                "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms", NULL);
    size_t index = 0;
    const json_t *term = NULL;
    json_array_foreach(required, index, term) {
        if (term_matches(term, node))
            return true;
    }
    return required == NULL;
}
