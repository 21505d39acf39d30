/*
 * ResourceQuotas against what is asked. Sources: Kubernetes
 * pkg/quota/v1/evaluator/core/pods.go (what counts, what must be given), plugin/resourcequota;
 * HAMi docs "using resourcequota" (limits.nvidia.com/gpumem counts memory x cards).
 */
#include "preflight_internal.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

static const struct check_subject subject = {"namespace", "quota", ERROR_ROLLOUT};

/* One resource of one quota. */
struct line {
    const char *quota; /* name of the ResourceQuota */
    const char *key;   /* "requests.cpu" */
    const char *resource;
    const char *side;
    struct quantity hard;
    struct quantity used;
    struct quantity need; /* of one pod, or of the whole service */
    bool once;            /* NEED is of the service, whatever its replicas */
};

static int64_t least_pods(const struct inputs *inputs) {
    return inputs->min_replicas > 0 ? inputs->min_replicas : 1;
}

static struct quantity whole(int64_t count) {
    return (struct quantity){(__int128)count * 1000000000};
}

static struct quantity times(const struct quantity *amount, int64_t count) {
    return (struct quantity){amount->billionths * count};
}

/* Cards that one pod asks HAMi for. */
static int64_t hami_cards(const json_t *containers) {
    struct quantity cards;
    return pod_need_sum(&cards, containers, "limits", "nvidia.com/gpualloc") ||
                   pod_need_sum(&cards, containers, "limits", "nvidia.com/gpu")
               ? quantity_value(&cards)
               : 1;
}

/* ---- what a key counts ---- */

static bool is_object_count(const char *key) {
    static const char *const keys[] = {"count/inferenceservices.serving.kserve.io",
                                       "count/deployments.apps", "count/replicasets.apps",
                                       "count/services", "services"};
    for (size_t i = 0; i < array_length(keys); i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

static bool is_standard(const char *resource) {
    return strcmp(resource, "cpu") == 0 || strcmp(resource, "memory") == 0 ||
           strcmp(resource, "ephemeral-storage") == 0;
}

static void split_key(struct line *line) {
    line->side = "requests";
    line->resource = line->key;
    if (text_has_prefix(line->key, "requests.")) {
        line->resource = line->key + strlen("requests.");
    } else if (text_has_prefix(line->key, "limits.")) {
        line->side = "limits";
        line->resource = line->key + strlen("limits.");
    }
}

/* Fills NEED; false when the quota's key does not count what a deploy makes. */
static bool read_need(struct line *line, const struct pod_plan *plan) {
    split_key(line);
    if (strcmp(line->key, "pods") == 0 || strcmp(line->key, "count/pods") == 0) {
        line->need = whole(1);
        return true;
    }
    if (is_object_count(line->key)) {
        line->once = true;
        line->need = whole(plan->live == NULL ? 1 : 0);
        return true;
    }
    if (line->resource == line->key && !is_standard(line->key))
        return false;
    if (!pod_need_sum(&line->need, plan->containers, line->side, line->resource))
        return false;
    if (strcmp(line->side, "limits") == 0 && !is_standard(line->resource) &&
        (text_has_suffix(line->resource, "mem") || text_has_suffix(line->resource, "cores")))
        line->need = times(&line->need, hami_cards(plan->containers));
    return true;
}

/* A quota on cpu or memory lets no pod in that leaves the amount open. */
static const char *container_without(const struct line *line, const json_t *containers) {
    if (strcmp(line->resource, "cpu") != 0 && strcmp(line->resource, "memory") != 0)
        return NULL;
    size_t index = 0;
    const json_t *container = NULL;
    json_array_foreach(containers, index, container) {
        if (json_at(container, line->side, line->resource, NULL) == NULL)
            return json_text_at(container, "name", NULL);
    }
    return NULL;
}

/* ---- which quotas count the pods at all ---- */

static bool is_best_effort(const json_t *containers) {
    static const char *const resources[] = {"cpu", "memory"};
    static const char *const sides[] = {"requests", "limits"};
    struct quantity ignored;
    for (size_t r = 0; r < array_length(resources); r++)
        for (size_t s = 0; s < array_length(sides); s++)
            if (pod_need_sum(&ignored, containers, sides[s], resources[r]))
                return false;
    return true;
}

/* Pods of a service have no deadline and no priority class of ours. */
static bool scope_matches(const char *scope, const char *operator_, const json_t *containers) {
    if (text_equal(scope, "NotTerminating"))
        return true;
    if (text_equal(scope, "BestEffort") || text_equal(scope, "NotBestEffort"))
        return is_best_effort(containers) == text_equal(scope, "BestEffort");
    if (text_equal(scope, "PriorityClass"))
        return text_equal(operator_, "NotIn") || text_equal(operator_, "DoesNotExist");
    return false;
}

static bool counts_our_pods(const json_t *quota, const json_t *containers) {
    size_t index = 0;
    const json_t *entry = NULL;
    json_array_foreach(json_at(quota, "spec", "scopes", NULL), index, entry) {
        if (!scope_matches(json_string_value(entry), NULL, containers))
            return false;
    }
    json_array_foreach(json_at(quota, "spec", "scopeSelector", "matchExpressions", NULL), index,
                       entry) {
        if (!scope_matches(json_text_at(entry, "scopeName", NULL),
                           json_text_at(entry, "operator", NULL), containers))
            return false;
    }
    return true;
}

/* ---- the verdict on one line ---- */

static const char *parameter_of(const struct line *line) {
    if (line->once)
        return "the quota";
    if (text_has_suffix(line->key, "pods"))
        return "MIN_REPLICAS";
    return pod_need_parameter(line->resource, line->side);
}

/* What helps: less of it, unless nothing at all is allowed or one replica is the least. */
static int add_hint(struct checks *checks, const struct line *line, const struct inputs *inputs,
                    const char *else_, struct error **err) {
    const char *parameter = parameter_of(line);
    bool of_pods = text_equal(parameter, "MIN_REPLICAS");
    bool less = !line->once && line->hard.billionths > 0 && !(of_pods && least_pods(inputs) == 1);
    return less ? checks_hint(checks, err, "lower %s, or have the quota raised%s", parameter, else_)
                : checks_hint(checks, err, "have the quota raised%s", else_);
}

/* "ResourceQuota compute has 1 of 4 requests.cpu left: 3 needed for 3 replicas". LEFT: what others
 * use counts. */
static int tell(struct checks *checks, const struct line *line, enum check_state state,
                int64_t pods, bool left, const char *end, struct error **err) {
    char asked[QUANTITY_SIZE];
    char hard[QUANTITY_SIZE];
    char rest[QUANTITY_SIZE];
    struct quantity need = line->once ? line->need : times(&line->need, pods);
    struct quantity remaining = {line->hard.billionths - line->used.billionths};
    pod_need_text(asked, line->resource, &need);
    pod_need_text(hard, line->resource, &line->hard);
    pod_need_text(rest, line->resource, &remaining);
    cleanup_free char *replicas = pods == 1 || line->once
                                      ? text_copy("", err)
                                      : text_format(err, " for %lld replicas", (long long)pods);
    if (replicas == NULL)
        return -1;
    if (left)
        return checks_add(checks, err, &subject, state,
                          "ResourceQuota %s has %s of %s %s left: %s needed%s%s", line->quota, rest,
                          hard, line->key, asked, replicas, end);
    return checks_add(checks, err, &subject, state,
                      "ResourceQuota %s allows %s %s in all: %s needed%s%s", line->quota, hard,
                      line->key, asked, replicas, end);
}

static bool exceeds(const struct quantity *used, const struct quantity *need,
                    const struct quantity *hard) {
    return used->billionths + need->billionths > hard->billionths;
}

/* 1: something was added. */
static int judge(struct checks *checks, const struct line *line, const struct pod_plan *plan,
                 struct error **err) {
    const struct inputs *inputs = plan->inputs;
    static const struct quantity nothing = {0};
    int64_t least = least_pods(inputs);
    struct quantity need = line->once ? line->need : times(&line->need, least);
    if (need.billionths == 0)
        return 0;
    if (exceeds(&nothing, &need, &line->hard)) {
        if (tell(checks, line, CHECK_FAIL, least, false, "", err) < 0)
            return -1;
        return add_hint(checks, line, inputs, "", err) < 0 ? -1 : 1;
    }
    if (plan->live == NULL && exceeds(&line->used, &need, &line->hard)) {
        if (tell(checks, line, CHECK_FAIL, least, true, "", err) < 0)
            return -1;
        return add_hint(checks, line, inputs, ", or end something else", err) < 0 ? -1 : 1;
    }
    if (line->once)
        return 0;
    bool beside = plan->live != NULL && !text_equal(inputs->deployment_strategy, "Recreate");
    if (beside && exceeds(&line->used, &line->need, &line->hard)) {
        if (tell(checks, line, CHECK_WARN, 1, true, " for a new pod beside the old one", err) < 0)
            return -1;
        return checks_hint(checks, err, "DEPLOYMENT_STRATEGY=Recreate ends the old pod first") < 0
                   ? -1
                   : 1;
    }
    struct quantity most = times(&line->need, inputs->max_replicas);
    if (inputs->max_replicas > least && exceeds(&nothing, &most, &line->hard)) {
        if (tell(checks, line, CHECK_WARN, inputs->max_replicas, false, " (MAX_REPLICAS)", err) < 0)
            return -1;
        return 1;
    }
    return 0;
}

static int judge_quota(struct checks *checks, const json_t *quota, const struct pod_plan *plan,
                       struct error **err) {
    const char *name = json_text_at(quota, "metadata", "name", NULL);
    bool pods = counts_our_pods(quota, plan->containers);
    int found = 0;
    const char *key = NULL;
    json_t *hard = NULL;
    json_object_foreach(json_at(quota, "spec", "hard", NULL), key, hard) {
        struct line line = {.quota = name != NULL ? name : "?", .key = key};
        if (!pod_need_amount(&line.hard, hard))
            continue;
        (void)pod_need_amount(&line.used, json_at(quota, "status", "used", key, NULL));
        bool counted = read_need(&line, plan);
        const char *open = container_without(&line, plan->containers);
        if (!pods && !line.once)
            continue;
        if (open != NULL) {
            if (checks_add(checks, err, &subject, CHECK_FAIL,
                           "ResourceQuota %s refuses pods that leave %s open: container %s has "
                           "none",
                           line.quota, key, open) < 0 ||
                checks_hint(checks, err, "set %s", pod_need_parameter(line.resource, line.side)) <
                    0)
                return -1;
            found = 1;
            continue;
        }
        int told = counted ? judge(checks, &line, plan, err) : 0;
        if (told < 0)
            return -1;
        found |= told;
    }
    return found;
}

int preflight_check_quotas(struct checks *checks, const struct reading *quotas,
                           const struct pod_plan *plan, struct error **err) {
    if (quotas->object == NULL)
        return preflight_skip(checks, &subject, quotas->error, "quotas", err);
    const json_t *items = json_at(quotas->object, "items", NULL);
    size_t count = json_array_size(items);
    if (count == 0)
        return checks_add(checks, err, &subject, CHECK_OK, "the namespace has no ResourceQuota");
    if (plan->containers == NULL)
        return checks_add(checks, err, &subject, CHECK_SKIPPED,
                          "quotas not checked: what the pod needs is not known yet");
    int found = 0;
    size_t index = 0;
    const json_t *quota = NULL;
    json_array_foreach(items, index, quota) {
        int told = judge_quota(checks, quota, plan, err);
        if (told < 0)
            return -1;
        found |= told;
    }
    if (found)
        return 0;
    int64_t least = least_pods(plan->inputs);
    return checks_add(checks, err, &subject, CHECK_OK, "%lld replica%s within the %zu quota%s",
                      (long long)least, least == 1 ? " stays" : "s stay", count,
                      count == 1 ? "" : "s");
}
