/*
 * LimitRanges. Source: Kubernetes plugin/pkg/admission/limitranger/admission.go (defaults, min,
 * max, ratio; per container and per pod).
 */
#include "preflight_internal.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

static const struct check_subject subject = {"namespace", "limit-range", ERROR_ROLLOUT};

/* What is held against one item of a LimitRange: a container, or all of them as a pod. */
struct scope {
    const char *range; /* name of the LimitRange */
    const json_t *item;
    const char *who; /* "container kserve-container", "the pod" */
    const json_t *containers;
    const json_t *container; /* NULL: the pod */
};

static bool amount_of(struct quantity *out, const struct scope *scope, const char *side,
                      const char *resource) {
    if (scope->container != NULL)
        return pod_need_amount(out, json_at(scope->container, side, resource, NULL));
    return pod_need_sum(out, scope->containers, side, resource);
}

/* ---- defaults ---- */

static int fill(json_t *container, const char *side, json_t *defaults, struct error **err) {
    json_t *amounts = json_object_get(container, side);
    const char *resource = NULL;
    json_t *value = NULL;
    json_object_foreach(defaults, resource, value) {
        if (json_object_get(amounts, resource) == NULL &&
            json_object_set(amounts, resource, value) < 0)
            return error_no_memory(err);
    }
    return 0;
}

static int apply_defaults(json_t *containers, const json_t *item, struct error **err) {
    if (!text_equal(json_text_at(item, "type", NULL), "Container"))
        return 0;
    size_t index = 0;
    json_t *container = NULL;
    json_array_foreach(containers, index, container) {
        if (fill(container, "limits", json_at(item, "default", NULL), err) < 0 ||
            fill(container, "requests", json_at(item, "defaultRequest", NULL), err) < 0)
            return -1;
    }
    return 0;
}

/* ---- bounds ---- */

/* "the cpu limit of container kserve-container is 4, LimitRange bounds allows at most 1". */
static int tell(struct checks *checks, const struct scope *scope, const char *side,
                const char *resource, bool least, const struct quantity *amount,
                const struct quantity *bound, struct error **err) {
    char has[QUANTITY_SIZE];
    char wants[QUANTITY_SIZE];
    const char *parameter = pod_need_parameter(resource, side);
    pod_need_text(wants, resource, bound);
    if (checks_add(checks, err, &subject, CHECK_FAIL,
                   "the %s %.*s of %s is %s, LimitRange %s wants at %s %s", resource,
                   (int)strlen(side) - 1, side, scope->who,
                   amount != NULL ? pod_need_text(has, resource, amount) : "not given",
                   scope->range, least ? "least" : "most", wants) < 0)
        return -1;
    return checks_hint(checks, err, "%s %s to %s",
                       amount == NULL ? "set"
                       : least        ? "raise"
                                      : "lower",
                       parameter, wants) < 0
               ? -1
               : 1;
}

/* 1 when something was told. */
static int check_bound(struct checks *checks, const struct scope *scope, const char *resource,
                       const struct quantity *bound, bool least, struct error **err) {
    /* a bound below needs a request, one above a limit */
    const char *const sides[] = {least ? "requests" : "limits", least ? "limits" : "requests"};
    for (size_t i = 0; i < 2; i++) {
        struct quantity amount;
        bool given = amount_of(&amount, scope, sides[i], resource);
        bool needed = i == 0;
        bool wrong = given && (least ? quantity_compare(&amount, bound) < 0
                                     : quantity_compare(&amount, bound) > 0);
        if (wrong || (!given && needed))
            return tell(checks, scope, sides[i], resource, least, given ? &amount : NULL, bound,
                        err);
    }
    return 0;
}

static int check_bounds(struct checks *checks, const struct scope *scope, bool least,
                        struct error **err) {
    int found = 0;
    const char *resource = NULL;
    json_t *value = NULL;
    json_object_foreach(json_at(scope->item, least ? "min" : "max", NULL), resource, value) {
        struct quantity bound;
        int told = pod_need_amount(&bound, value)
                       ? check_bound(checks, scope, resource, &bound, least, err)
                       : 0;
        if (told < 0)
            return -1;
        found |= told;
    }
    return found;
}

static int check_ratio(struct checks *checks, const struct scope *scope, const char *resource,
                       const json_t *value, struct error **err) {
    struct quantity ratio;
    struct quantity request = {0};
    struct quantity limit = {0};
    if (!pod_need_amount(&ratio, value))
        return 0;
    bool given = amount_of(&request, scope, "requests", resource) &&
                 amount_of(&limit, scope, "limits", resource) && request.billionths > 0;
    /* compared in whole thousandths, so that nothing overflows */
    __int128 asked = given ? limit.billionths * 1000 / request.billionths : 0;
    if (given && asked <= ratio.billionths / 1000000)
        return 0;
    char bound[QUANTITY_SIZE];
    pod_need_text(bound, "cpu", &ratio);
    if (checks_add(checks, err, &subject, CHECK_FAIL,
                   "LimitRange %s: the %s limit of %s may be at most %s times its request%s",
                   scope->range, resource, scope->who, bound,
                   given ? "" : ", and both must be given") < 0)
        return -1;
    return checks_hint(checks, err, "change %s or %s", pod_need_parameter(resource, "requests"),
                       pod_need_parameter(resource, "limits")) < 0
               ? -1
               : 1;
}

static int check_scope(struct checks *checks, const struct scope *scope, struct error **err) {
    int least = check_bounds(checks, scope, true, err);
    int most = least < 0 ? -1 : check_bounds(checks, scope, false, err);
    if (most < 0)
        return -1;
    int found = least | most;
    const char *resource = NULL;
    json_t *value = NULL;
    json_object_foreach(json_at(scope->item, "maxLimitRequestRatio", NULL), resource, value) {
        int told = check_ratio(checks, scope, resource, value, err);
        if (told < 0)
            return -1;
        found |= told;
    }
    return found;
}

static int check_containers(struct checks *checks, struct scope *scope, struct error **err) {
    int found = 0;
    size_t index = 0;
    const json_t *container = NULL;
    json_array_foreach(scope->containers, index, container) {
        cleanup_free char *who =
            text_format(err, "container %s", json_text_at(container, "name", NULL));
        if (who == NULL)
            return -1;
        scope->container = container;
        scope->who = who;
        int told = check_scope(checks, scope, err);
        if (told < 0)
            return -1;
        found |= told;
    }
    return found;
}

static int check_item(struct checks *checks, const char *range, const json_t *item,
                      const json_t *containers, struct error **err) {
    struct scope scope = {.range = range, .item = item, .who = "the pod", .containers = containers};
    const char *type = json_text_at(item, "type", NULL);
    if (text_equal(type, "Container"))
        return check_containers(checks, &scope, err);
    return text_equal(type, "Pod") ? check_scope(checks, &scope, err) : 0;
}

/* A limit that was only filled in can be below a request that was given: the pod is invalid then.
 */
static int check_filled(struct checks *checks, const json_t *containers, struct error **err) {
    int found = 0;
    size_t index = 0;
    const json_t *container = NULL;
    json_array_foreach(containers, index, container) {
        const char *resource = NULL;
        json_t *value = NULL;
        json_object_foreach(json_object_get(container, "requests"), resource, value) {
            struct quantity request;
            struct quantity limit;
            if (!pod_need_amount(&request, value) ||
                !pod_need_amount(&limit, json_at(container, "limits", resource, NULL)) ||
                quantity_compare(&request, &limit) <= 0)
                continue;
            char has[QUANTITY_SIZE];
            char gets[QUANTITY_SIZE];
            if (checks_add(checks, err, &subject, CHECK_FAIL,
                           "a LimitRange limits %s to %s where no limit is given, but %s is "
                           "requested",
                           resource, pod_need_text(gets, resource, &limit),
                           pod_need_text(has, resource, &request)) < 0 ||
                checks_hint(checks, err, "set %s", pod_need_parameter(resource, "limits")) < 0)
                return -1;
            found = 1;
        }
    }
    return found;
}

/* ---- all of them ---- */

/* Calls for each item: the defaults of all ranges come before the bounds of any. */
static int each_item(struct checks *checks, const json_t *ranges, json_t *containers, bool defaults,
                     struct error **err) {
    int found = 0;
    size_t index = 0;
    const json_t *range = NULL;
    json_array_foreach(ranges, index, range) {
        const char *name = json_text_at(range, "metadata", "name", NULL);
        size_t at = 0;
        const json_t *item = NULL;
        json_array_foreach(json_at(range, "spec", "limits", NULL), at, item) {
            int told = defaults
                           ? apply_defaults(containers, item, err)
                           : check_item(checks, name != NULL ? name : "?", item, containers, err);
            if (told < 0)
                return -1;
            found |= told;
        }
    }
    return found;
}

int preflight_check_limits(json_t **containers, struct checks *checks, const struct reading *limits,
                           const struct pod_plan *plan, struct error **err) {
    cleanup_json json_t *filled =
        plan->containers != NULL ? json_deep_copy(plan->containers) : json_null();
    if (filled == NULL)
        return error_no_memory(err);
    const json_t *items = json_at(limits->object, "items", NULL);
    int found = 0;
    if (limits->object == NULL) {
        found = preflight_skip(checks, &subject, limits->error, "LimitRanges", err) < 0 ? -1 : 1;
    } else if (json_array_size(items) > 0 && plan->containers == NULL) {
        found = checks_add(checks, err, &subject, CHECK_SKIPPED,
                           "LimitRanges not checked: what the pod needs is not known yet") < 0
                    ? -1
                    : 1;
    } else if (json_array_size(items) > 0) {
        found = each_item(checks, items, filled, true, err);
        int invalid = found >= 0 ? check_filled(checks, filled, err) : -1;
        found = invalid >= 0 ? each_item(checks, items, filled, false, err) : -1;
        found = found >= 0 ? found | invalid : -1;
    }
    if (found < 0)
        return -1;
    if (!found &&
        checks_add(checks, err, &subject, CHECK_OK,
                   json_array_size(items) == 0 ? "the namespace has no LimitRange"
                                               : "every container is within the LimitRanges") < 0)
        return -1;
    *containers = plan->containers != NULL ? steal_pointer(filled) : NULL;
    return 0;
}
