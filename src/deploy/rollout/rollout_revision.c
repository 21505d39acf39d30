#include "rollout_private.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

/*
 * Whose pods are judged: those of the newest ReplicaSet (Serverless: of the latest Knative
 * revision). The content hash alone does not tell them: a runtime that an administrator corrected,
 * or `wait` on somebody else's object, gives a new template under the same hash, and the pods of
 * the template before it may still be there and fail.
 */

#define REVISION_ANNOTATION "deployment.kubernetes.io/revision"

static int64_t revision_number(const json_t *object) {
    int64_t number = 0;
    return text_to_integer(annotation_of(object, REVISION_ANNOTATION), 0, INT64_MAX, &number)
               ? number
               : -1;
}

/* By number; where there is none, by the time of creation. */
static bool is_newer(const struct observed *left, const struct observed *right) {
    int64_t number = revision_number(left->object);
    int64_t other = revision_number(right->object);
    if (number != other)
        return number > other;
    return strcmp(text_or_empty(json_text_at(left->object, "metadata", "creationTimestamp", NULL)),
                  text_or_empty(
                      json_text_at(right->object, "metadata", "creationTimestamp", NULL))) > 0;
}

const struct observed *newest_replica_set(const struct rollout *rollout,
                                          const struct observed *deployment) {
    const struct observed_set *set = &rollout->sets[ROLLOUT_REPLICA_SET];
    const char *uid = text_or_empty(json_text_at(deployment->object, "metadata", "uid", NULL));
    const struct observed *newest = NULL;
    for (size_t i = 0; i < set->count; i++) {
        const struct observed *item = &set->items[i];
        if (item->object == NULL || uid[0] == '\0' || !is_owned_by(item->object, uid))
            continue;
        if (newest == NULL || is_newer(item, newest))
            newest = item;
    }
    if (newest == NULL)
        return NULL;
    /* The Deployment's controller numbers the Deployment with its newest ReplicaSet. */
    int64_t number = revision_number(newest->object);
    int64_t wanted = revision_number(deployment->object);
    bool behind = number >= 0 && number < wanted;
    bool unseen = json_integer_at(deployment->object, 0, "status", "observedGeneration", NULL) <
                  json_integer_at(deployment->object, 0, "metadata", "generation", NULL);
    return behind || (unseen && number <= wanted) ? NULL : newest;
}

/* Without rights on ReplicaSets: the template hash of the pod that was made last; "" when two were
 * made in one second, since then none is old for sure. */
static const char *newest_template(const struct rollout *rollout) {
    const struct observed_set *pods = &rollout->sets[ROLLOUT_POD];
    const char *newest = "";
    const char *made = "";
    for (size_t i = 0; i < pods->count; i++) {
        const json_t *pod = pods->items[i].object;
        if (pod == NULL || !carries_revision(rollout, pod))
            continue;
        const char *when = text_or_empty(json_text_at(pod, "metadata", "creationTimestamp", NULL));
        const char *template_ = label_of(pod, "pod-template-hash");
        int order = strcmp(when, made);
        if (order > 0)
            newest = template_;
        else if (order == 0 && !text_equal(template_, newest))
            newest = "";
        if (order > 0)
            made = when;
    }
    return newest;
}

/* By the Deployment's own count. */
static bool has_old_replicas(const struct observed *deployment) {
    const json_t *status =
        deployment != NULL ? json_object_get(deployment->object, "status") : NULL;
    return json_integer_at(status, 0, "replicas", NULL) >
           json_integer_at(status, 0, "updatedReplicas", NULL);
}

void revision_track(struct rollout *rollout) {
    rollout->pods_owner = NULL;
    rollout->pods_template = "";
    rollout->no_pods_yet = false;
    if (rollout->target.serverless)
        return;
    const struct observed *deployment = raw_deployment(rollout);
    const struct observed_set *sets = &rollout->sets[ROLLOUT_REPLICA_SET];
    if (deployment != NULL && sets->count > 0) {
        const struct observed *newest = newest_replica_set(rollout, deployment);
        rollout->pods_owner =
            newest != NULL ? json_text_at(newest->object, "metadata", "uid", NULL) : NULL;
        rollout->no_pods_yet = newest == NULL;
    } else {
        /* the lists may still hold back the newer ones */
        bool listed = sets->synced && rollout->sets[ROLLOUT_POD].synced;
        rollout->no_pods_yet = deployment == NULL || (!listed && has_old_replicas(deployment));
        rollout->pods_template = newest_template(rollout);
    }
}

static bool has_replica_set(const json_t *pod) {
    size_t index = 0;
    const json_t *owner = NULL;
    json_array_foreach(json_at(pod, "metadata", "ownerReferences", NULL), index, owner) {
        if (text_equal(json_text_at(owner, "kind", NULL), "ReplicaSet"))
            return true;
    }
    return false;
}

bool pod_is_new(const struct rollout *rollout, const json_t *pod) {
    if (!carries_revision(rollout, pod))
        return false;
    if (rollout->target.serverless) {
        const char *revision = serverless_revision(rollout);
        const char *label = label_of(pod, LABEL_REVISION);
        return revision[0] == '\0' || label[0] == '\0' || text_equal(revision, label);
    }
    if (!has_replica_set(pod))
        return true;
    if (rollout->no_pods_yet)
        return false;
    if (rollout->pods_owner != NULL)
        return is_owned_by(pod, rollout->pods_owner);
    const char *template_ = label_of(pod, "pod-template-hash");
    return rollout->pods_template[0] == '\0' || template_[0] == '\0' ||
           text_equal(template_, rollout->pods_template);
}
