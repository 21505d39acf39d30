/*
 * Could any node ever hold the pod? Nodes are taken as empty: what others use may go away, what a
 * node does not have will not come. Sources: Kubernetes pkg/scheduler/framework/plugins
 * (noderesources, tainttoleration, nodeaffinity, nodeunschedulable); HAMi as deploy/hami.h.
 */
#include "preflight_internal.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/hami.h"

#include <stdio.h>
#include <string.h>

static const struct check_subject subject = {"nodes", "capacity", ERROR_ROLLOUT};

enum { SHOWN_NAMES = 3 };

/* Why a node cannot hold the pod, the farthest from it first. */
enum obstacle {
    NO_DEVICE,
    NOT_READY,
    CORDONED,
    SELECTOR,
    TAINT,
    HAMI_ABSENT,
    HAMI_DEAD,
    TOO_SMALL,
    HAMI_CARDS,
    NONE,
};

struct refusal {
    enum obstacle obstacle;
    char *reason;         /* the same words for the same obstacle: "no nvidia.com/gpualloc" */
    char *detail;         /* of this node: "8 GiB"; or NULL */
    const char *resource; /* what is missing; or NULL; borrowed from the plan */
};

/* Nodes that share a reason. */
struct group {
    struct refusal refusal;
    struct strings nodes; /* "gpu-1 (8 GiB)" */
};

struct survey {
    const struct pod_plan *plan;
    struct hami_need hami;
    struct group *groups;
    size_t group_count;
    size_t fitting;
    int64_t slots; /* pods that fit all fitting nodes together */
    bool scales;   /* signs of a node autoscaler */
};

static void refusal_free(struct refusal *refusal) {
    free(refusal->reason);
    free(refusal->detail);
}

static void survey_free(struct survey *survey) {
    for (size_t i = 0; i < survey->group_count; i++) {
        refusal_free(&survey->groups[i].refusal);
        strings_free(&survey->groups[i].nodes);
    }
    free(survey->groups);
}

static int refuse(struct refusal *out, enum obstacle obstacle, const char *resource, char *reason,
                  char *detail) {
    *out = (struct refusal){obstacle, reason, detail, resource};
    return reason != NULL ? 0 : -1;
}

/* ---- HAMi's resources, which nodes do not list as allocatable ---- */

static bool is_hami_share(const char *resource) {
    return strcmp(resource, "nvidia.com/gpumem") == 0 ||
           strcmp(resource, "nvidia.com/gpucores") == 0 ||
           strcmp(resource, "nvidia.com/gpumem-percentage") == 0;
}

static int64_t asked(const struct pod_plan *plan, const char *resource) {
    struct quantity amount;
    return pod_need_sum(&amount, plan->containers, "requests", resource) ? quantity_value(&amount)
                                                                         : 0;
}

static struct hami_need hami_need(const struct pod_plan *plan) {
    struct hami_need need = {.cards = asked(plan, "nvidia.com/gpualloc"),
                             .memory_mib = asked(plan, "nvidia.com/gpumem"),
                             .memory_percent = asked(plan, "nvidia.com/gpumem-percentage"),
                             .cores = asked(plan, "nvidia.com/gpucores")};
    bool shares = need.memory_mib > 0 || need.memory_percent > 0 || need.cores > 0;
    if (need.cards == 0)
        need.cards = asked(plan, "nvidia.com/gpu");
    if (need.cards == 0 && shares)
        need.cards = 1; /* HAMi's webhook adds the count */
    if (!shares && asked(plan, "nvidia.com/gpualloc") == 0)
        need.cards = 0; /* not HAMi's: the device plugin's own resource */
    return need;
}

static const char *annotation(const json_t *node, const char *name) {
    return json_text_at(node, "metadata", "annotations", name, NULL);
}

/* 1: holds; 0: refused; -1: no memory. */
static int check_hami(struct refusal *out, const struct survey *survey, const json_t *node,
                      struct error **err) {
    const struct hami_need *need = &survey->hami;
    const char *text = annotation(node, HAMI_ANNOTATION_REGISTER);
    if (need->cards == 0)
        return 1;
    if (text == NULL) {
        /* a node that lists HAMi's own resources has HAMi, however it registers */
        static const char *const own[] = {"nvidia.com/gpualloc", "nvidia.com/gpumem",
                                          "nvidia.com/gpucores"};
        bool shares = need->memory_mib > 0 || need->memory_percent > 0 || need->cores > 0;
        bool listed = false;
        for (size_t i = 0; i < array_length(own); i++)
            listed |= json_at(node, "status", "allocatable", own[i], NULL) != NULL;
        if (!shares || listed)
            return 1;
        return refuse(out, HAMI_ABSENT, NULL,
                      text_copy("no cards registered by HAMi, which nvidia.com/gpumem and gpucores "
                                "need",
                                err),
                      NULL);
    }
    enum hami_handshake handshake =
        hami_read_handshake(annotation(node, HAMI_ANNOTATION_HANDSHAKE), survey->plan->now_ms);
    if (handshake == HAMI_HANDSHAKE_STALE || handshake == HAMI_HANDSHAKE_GONE)
        return refuse(out, HAMI_DEAD, NULL, text_copy("HAMi's device plugin does not answer", err),
                      text_copy(annotation(node, HAMI_ANNOTATION_HANDSHAKE), err));
    cleanup_hami_cards struct hami_cards cards = {.count = 0};
    if (hami_parse_cards(&cards, text, err) < 0)
        return -1;
    size_t fitting = hami_fitting_cards(&cards, need, annotation(node, HAMI_ANNOTATION_CORDON));
    if ((int64_t)fitting >= need->cards)
        return 1;
    return refuse(out, HAMI_CARDS, NULL,
                  text_copy("too few healthy cards of that memory and cores", err),
                  text_format(err, "%zu of %zu cards, the largest %lld MiB", fitting, cards.count,
                              (long long)hami_largest_card(&cards)));
}

/* ---- what the scheduler filters by ---- */

static bool is_ready(const json_t *node) {
    size_t index = 0;
    const json_t *condition = NULL;
    json_array_foreach(json_at(node, "status", "conditions", NULL), index, condition) {
        if (text_equal(json_text_at(condition, "type", NULL), "Ready"))
            return text_equal(json_text_at(condition, "status", NULL), "True");
    }
    return false;
}

static bool tolerates(const json_t *tolerations, const json_t *taint) {
    const char *key = json_text_at(taint, "key", NULL);
    const char *value = json_text_at(taint, "value", NULL);
    const char *effect = json_text_at(taint, "effect", NULL);
    size_t index = 0;
    const json_t *toleration = NULL;
    json_array_foreach(tolerations, index, toleration) {
        const char *its_key = json_text_at(toleration, "key", NULL);
        const char *its_value = json_text_at(toleration, "value", NULL);
        const char *its_effect = json_text_at(toleration, "effect", NULL);
        bool exists = text_equal(json_text_at(toleration, "operator", NULL), "Exists");
        if (!text_is_empty(its_effect) && !text_equal(its_effect, effect))
            continue;
        if (text_is_empty(its_key) ? !exists : !text_equal(its_key, key))
            continue;
        if (exists || text_equal(its_value != NULL ? its_value : "", value != NULL ? value : ""))
            return true;
    }
    return false;
}

/* The first taint that keeps the pod away; NULL when none does. */
static const json_t *repelling_taint(const json_t *node, const json_t *tolerations) {
    size_t index = 0;
    const json_t *taint = NULL;
    json_array_foreach(json_at(node, "spec", "taints", NULL), index, taint) {
        const char *effect = json_text_at(taint, "effect", NULL);
        const char *key = json_text_at(taint, "key", NULL);
        bool of_cordon = text_equal(key, "node.kubernetes.io/unschedulable");
        bool hard = text_equal(effect, "NoSchedule") || text_equal(effect, "NoExecute");
        if (hard && !of_cordon && !tolerates(tolerations, taint))
            return taint;
    }
    return NULL;
}

static int refuse_taint(struct refusal *out, const json_t *taint, struct error **err) {
    const char *key = json_text_at(taint, "key", NULL);
    const char *value = json_text_at(taint, "value", NULL);
    const char *effect = json_text_at(taint, "effect", NULL);
    return refuse(out, TAINT, NULL,
                  text_format(err, "taint %s%s%s:%s, which the runtime does not tolerate",
                              key != NULL ? key : "?", text_is_empty(value) ? "" : "=",
                              value != NULL ? value : "", effect != NULL ? effect : "?"),
                  NULL);
}

static bool is_device(const char *resource) {
    return strchr(resource, '/') != NULL;
}

/* Calls for each resource that the pod requests: every container's names once. */
static int next_request(const json_t *containers, size_t *container, void **iterator,
                        const char **resource) {
    for (; *container < json_array_size(containers); (*container)++, *iterator = NULL) {
        json_t *requests = json_object_get(json_array_get(containers, *container), "requests");
        *iterator = *iterator == NULL ? json_object_iter(requests)
                                      : json_object_iter_next(requests, *iterator);
        if (*iterator == NULL)
            continue;
        *resource = json_object_iter_key(*iterator);
        return 1;
    }
    return 0;
}

/* A device of which the node offers none at all; NULL when it has all. */
static const char *missing_device(const struct survey *survey, const json_t *node) {
    size_t container = 0;
    void *iterator = NULL;
    const char *resource = NULL;
    while (next_request(survey->plan->containers, &container, &iterator, &resource)) {
        struct quantity there = {0};
        if (!is_device(resource) || asked(survey->plan, resource) == 0)
            continue;
        const json_t *amount = json_at(node, "status", "allocatable", resource, NULL);
        if (amount == NULL && is_hami_share(resource))
            continue;
        if (!pod_need_amount(&there, amount) || there.billionths == 0)
            return resource;
    }
    return NULL;
}

static int64_t pods_of(const struct quantity *there, const struct quantity *need) {
    __int128 count = need->billionths > 0 ? there->billionths / need->billionths : INT32_MAX;
    return count > INT32_MAX ? INT32_MAX : (int64_t)count;
}

/* 1: holds, and *PODS how many of them; 0: refused; -1: no memory. */
static int check_amounts(struct refusal *out, int64_t *pods, const struct survey *survey,
                         const json_t *node, struct error **err) {
    const json_t *containers = survey->plan->containers;
    struct quantity most;
    *pods = pod_need_amount(&most, json_at(node, "status", "allocatable", "pods", NULL))
                ? quantity_value(&most)
                : INT32_MAX;
    size_t container = 0;
    void *iterator = NULL;
    const char *resource = NULL;
    while (next_request(containers, &container, &iterator, &resource)) {
        struct quantity there;
        struct quantity need;
        const json_t *amount = json_at(node, "status", "allocatable", resource, NULL);
        if (!pod_need_amount(&there, amount) ||
            !pod_need_sum(&need, containers, "requests", resource))
            continue;
        int64_t count = pods_of(&there, &need);
        *pods = count < *pods ? count : *pods;
        if (count > 0)
            continue;
        char has[QUANTITY_SIZE];
        char wants[QUANTITY_SIZE];
        return refuse(
            out, TOO_SMALL, resource,
            text_format(err, "less than %s %s", pod_need_text(wants, resource, &need), resource),
            text_copy(pod_need_text(has, resource, &there), err));
    }
    return 1;
}

/* 1: could hold *PODS pods; 0: refused; -1: no memory. */
static int judge(struct refusal *out, int64_t *pods, const struct survey *survey,
                 const json_t *node, struct error **err) {
    const json_t *spec = json_at(survey->plan->runtime, "spec", NULL);
    const char *missing = missing_device(survey, node);
    if (missing != NULL)
        return refuse(out, NO_DEVICE, missing, text_format(err, "no %s", missing), NULL);
    if (!is_ready(node))
        return refuse(out, NOT_READY, NULL, text_copy("not ready", err), NULL);
    if (json_is_true_at(node, "spec", "unschedulable", NULL))
        return refuse(out, CORDONED, NULL, text_copy("cordoned", err), NULL);
    if (!preflight_node_is_wanted(node, survey->plan->runtime))
        return refuse(out, SELECTOR, NULL,
                      text_copy("not wanted by the runtime's nodeSelector or affinity", err), NULL);
    const json_t *taint = repelling_taint(node, json_object_get(spec, "tolerations"));
    if (taint != NULL)
        return refuse_taint(out, taint, err);
    int fits = check_amounts(out, pods, survey, node, err);
    return fits == 1 ? check_hami(out, survey, node, err) : fits;
}

/* ---- the survey ---- */

/* Takes REFUSAL over. */
static int add_refusal(struct survey *survey, struct refusal *refusal, const char *node,
                       struct error **err) {
    struct group *group = NULL;
    for (size_t i = 0; i < survey->group_count && group == NULL; i++)
        if (text_equal(survey->groups[i].refusal.reason, refusal->reason))
            group = &survey->groups[i];
    int result = 0;
    bool new_ = group == NULL;
    if (new_) {
        struct group *groups =
            realloc(survey->groups, (survey->group_count + 1) * sizeof(*survey->groups));
        if (groups == NULL) {
            refusal_free(refusal);
            return error_no_memory(err);
        }
        survey->groups = groups;
        group = &groups[survey->group_count++];
        *group = (struct group){.refusal = *refusal};
    }
    const char *detail = refusal->detail;
    result = detail != NULL ? strings_add_format(&group->nodes, err, "%s: %s", node, detail)
                            : strings_add(&group->nodes, node, err);
    if (!new_)
        refusal_free(refusal);
    return result;
}

/* Nodes that come and go by themselves: what is not there may come. */
static bool has_autoscaler(const json_t *node) {
    static const char *const labels[] = {"karpenter.sh/nodepool", "cloud.google.com/gke-nodepool",
                                         "eks.amazonaws.com/nodegroup",
                                         "kubernetes.azure.com/agentpool"};
    for (size_t i = 0; i < array_length(labels); i++)
        if (json_text_at(node, "metadata", "labels", labels[i], NULL) != NULL)
            return true;
    return false;
}

static int look_at(struct survey *survey, const json_t *node, struct error **err) {
    const char *name = json_text_at(node, "metadata", "name", NULL);
    struct refusal refusal = {.obstacle = NONE};
    int64_t pods = 0;
    survey->scales |= has_autoscaler(node);
    int fits = judge(&refusal, &pods, survey, node, err);
    if (fits < 0) {
        refusal_free(&refusal);
        return -1;
    }
    if (fits == 0)
        return add_refusal(survey, &refusal, name != NULL ? name : "?", err);
    survey->fitting++;
    survey->slots += pods;
    return 0;
}

/* ---- telling ---- */

static char *group_text(const struct group *group, struct error **err) {
    cleanup_strings struct strings shown = {.items = NULL};
    size_t count = group->nodes.count;
    for (size_t i = 0; i < count && i < SHOWN_NAMES; i++)
        if (strings_add(&shown, group->nodes.items[i], err) < 0)
            return NULL;
    if (count > SHOWN_NAMES && strings_add_format(&shown, err, "%zu more", count - SHOWN_NAMES) < 0)
        return NULL;
    cleanup_free char *names = strings_join(&shown, ", ", err);
    return names != NULL ? text_format(err, "%s (%s)", group->refusal.reason, names) : NULL;
}

static char *groups_text(const struct survey *survey, struct error **err) {
    cleanup_strings struct strings parts = {.items = NULL};
    for (size_t i = 0; i < survey->group_count; i++) {
        cleanup_free char *text = group_text(&survey->groups[i], err);
        if (text == NULL || strings_add(&parts, text, err) < 0)
            return NULL;
    }
    return strings_join(&parts, "; ", err);
}

/* Devices that some node does offer: "nvidia.com/gpu, huawei.com/Ascend910B". */
static char *offered_devices(const json_t *nodes, struct error **err) {
    cleanup_strings struct strings found = {.items = NULL};
    size_t index = 0;
    const json_t *node = NULL;
    json_array_foreach(nodes, index, node) {
        const char *resource = NULL;
        json_t *value = NULL;
        json_object_foreach(json_at(node, "status", "allocatable", NULL), resource, value) {
            struct quantity amount;
            if (is_device(resource) && pod_need_amount(&amount, value) && amount.billionths > 0 &&
                !strings_contain(&found, resource) && strings_add(&found, resource, err) < 0)
                return NULL;
        }
    }
    return strings_join(&found, ", ", err);
}

static int hint_devices(struct checks *checks, const char *resource, const json_t *nodes,
                        struct error **err) {
    cleanup_free char *offered = offered_devices(nodes, err);
    if (offered == NULL)
        return -1;
    if (offered[0] == '\0')
        return checks_hint(checks, err,
                           "no node offers any device: is the device plugin installed? Without a "
                           "GPU: empty %s%s",
                           pod_need_parameter(resource, "limits"),
                           text_equal(resource, "nvidia.com/gpualloc")
                               ? ", NVIDIA_GPUCORES and NVIDIA_GPUMEM"
                               : "");
    return checks_hint(checks, err, "the nodes offer %s: use NVIDIA_GPU or RESOURCE_LIMITS for it",
                       offered);
}

/* The hint for the obstacle that the best node has. */
static int hint_obstacle(struct checks *checks, const struct survey *survey, const json_t *nodes,
                         struct error **err) {
    const struct refusal *nearest = &survey->groups[0].refusal;
    const char *node = survey->groups[0].nodes.items[0];
    for (size_t i = 1; i < survey->group_count; i++)
        if (survey->groups[i].refusal.obstacle > nearest->obstacle) {
            nearest = &survey->groups[i].refusal;
            node = survey->groups[i].nodes.items[0];
        }
    switch (nearest->obstacle) {
    case NO_DEVICE:
        return hint_devices(checks, nearest->resource, nodes, err);
    case CORDONED:
        return checks_hint(checks, err, "kubectl uncordon %s", node);
    case SELECTOR:
        return checks_hint(checks, err, "choose another RUNTIME_NAME, or label a node");
    case TAINT:
        return checks_hint(checks, err,
                           "the runtime needs a toleration (spec.tolerations): choose another "
                           "RUNTIME_NAME");
    case HAMI_ABSENT:
        return checks_hint(checks, err,
                           "with NVIDIA's own device plugin use NVIDIA_GPU in place of "
                           "NVIDIA_GPUALLOC, _GPUCORES and _GPUMEM");
    case HAMI_DEAD:
        return checks_hint(checks, err, "look at HAMi's device plugin on that node");
    case TOO_SMALL:
        return checks_hint(checks, err, "lower %s",
                           pod_need_parameter(nearest->resource, "requests"));
    case HAMI_CARDS:
        return checks_hint(checks, err, "lower NVIDIA_GPUMEM, NVIDIA_GPUCORES or NVIDIA_GPUALLOC");
    case NOT_READY:
    case NONE:
        break;
    }
    return checks_hint(checks, err, "kubectl describe node %s", node);
}

static int tell(struct checks *checks, const struct survey *survey, const json_t *nodes,
                struct error **err) {
    size_t total = json_array_size(nodes);
    cleanup_free char *others = groups_text(survey, err);
    if (others == NULL)
        return -1;
    int64_t least = survey->plan->inputs->min_replicas;
    if (total == 0) /* they may come when they are needed */
        return checks_add(checks, err, &subject, CHECK_WARN, "the cluster has no node now");
    if (survey->fitting == 0) {
        if (checks_add(checks, err, &subject, survey->scales ? CHECK_WARN : CHECK_FAIL,
                       "0 of %zu node%s could ever hold the pod%s%s%s", total,
                       total == 1 ? "" : "s", others[0] != '\0' ? ": " : "", others,
                       survey->scales ? "; an autoscaler may bring one" : "") < 0)
            return -1;
        return hint_obstacle(checks, survey, nodes, err);
    }
    bool enough = survey->slots >= least;
    if (checks_add(checks, err, &subject,
                   enough           ? CHECK_OK
                   : survey->scales ? CHECK_WARN
                                    : CHECK_FAIL,
                   "%zu of %zu node%s could hold the pod%s%s", survey->fitting, total,
                   total == 1 ? "" : "s", others[0] != '\0' ? "; not: " : "", others) < 0)
        return -1;
    return enough ? 0
                  : checks_hint(checks, err,
                                "empty, they hold %lld replicas: lower MIN_REPLICAS (%lld)",
                                (long long)survey->slots, (long long)least);
}

int preflight_check_nodes(struct checks *checks, const struct reading *nodes,
                          const struct pod_plan *plan, struct error **err) {
    if (nodes->object == NULL)
        return preflight_skip(checks, &subject, nodes->error, "nodes", err);
    if (plan->containers == NULL)
        return checks_add(checks, err, &subject, CHECK_SKIPPED,
                          "nodes not checked: what the pod needs is not known yet");
    cleanup(survey_free) struct survey survey = {.plan = plan, .hami = hami_need(plan)};
    const json_t *items = json_at(nodes->object, "items", NULL);
    size_t index = 0;
    const json_t *node = NULL;
    json_array_foreach(items, index, node) {
        if (look_at(&survey, node, err) < 0)
            return -1;
    }
    return tell(checks, &survey, items, err);
}
