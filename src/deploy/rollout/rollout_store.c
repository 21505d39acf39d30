#include "rollout_private.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

static void observed_free(struct observed *observed) {
    free(observed->key);
    free(observed->pull_message);
    json_decref(observed->object);
    json_decref(observed->first);
    *observed = (struct observed){.version = -1};
}

void store_free(struct rollout *rollout) {
    for (size_t kind = 0; kind < ROLLOUT_KINDS; kind++) {
        struct observed_set *set = &rollout->sets[kind];
        for (size_t i = 0; i < set->count; i++)
            observed_free(&set->items[i]);
        free(set->items);
        *set = (struct observed_set){.items = NULL};
    }
}

/* A resourceVersion is opaque by contract, but etcd's revision in fact: a number that only grows,
 * and comparable by contract since Kubernetes 1.35 (KEP-5504). What is no number is never compared.
 */
int64_t object_version(const json_t *object) {
    const char *text = json_text_at(object, "metadata", "resourceVersion", NULL);
    int64_t version = 0;
    return text != NULL && text_to_integer(text, 0, INT64_MAX, &version) ? version : -1;
}

/* Of two InferenceServices with one name the one that was made later counts. */
const struct observed *store_service(const struct rollout *rollout) {
    const struct observed_set *set = &rollout->sets[ROLLOUT_INFERENCE_SERVICE];
    const struct observed *newest = NULL;
    for (size_t i = 0; i < set->count; i++) {
        const struct observed *item = &set->items[i];
        if (item->object == NULL)
            continue;
        bool newer = newest == NULL || (item->version >= 0 && newest->version >= 0
                                            ? item->version > newest->version
                                            : item->sequence > newest->sequence);
        if (newer)
            newest = item;
    }
    return newest;
}

/* A copy of an InferenceService of this name that was gone before our apply. */
static bool is_earlier_service(const struct rollout *rollout, const json_t *object) {
    const char *uid = json_text_at(object, "metadata", "uid", NULL);
    const char *ours = rollout->target.uid;
    if (uid == NULL || ours[0] == '\0' || text_equal(uid, ours))
        return false;
    int64_t applied = 0;
    int64_t version = object_version(object);
    return text_to_integer(rollout->target.resource_version, 0, INT64_MAX, &applied) &&
           version >= 0 && version < applied;
}

bool store_is_complete(const struct rollout *rollout) {
    return rollout->sets[ROLLOUT_INFERENCE_SERVICE].synced &&
           rollout->sets[ROLLOUT_DEPLOYMENT].synced;
}

static bool names_service(const struct rollout *rollout, const char *name) {
    const char *service = rollout->target.name;
    if (text_equal(name, service))
        return true;
    size_t length = strlen(service);
    return text_has_prefix(name, service) && text_has_prefix(name + length, "-predictor");
}

/* Lists are selected by the server already; a transcript, or an event of another object, is not. */
static bool is_foreign(const struct rollout *rollout, enum rollout_object kind,
                       const json_t *object) {
    const char *namespace_ = json_text_at(object, "metadata", "namespace", NULL);
    if (kind == ROLLOUT_LOG)
        return false;
    if (namespace_ != NULL && rollout->target.namespace_[0] != '\0' &&
        !text_equal(namespace_, rollout->target.namespace_))
        return true;
    if (kind == ROLLOUT_INFERENCE_SERVICE)
        return !text_equal(json_text_at(object, "metadata", "name", NULL), rollout->target.name) ||
               is_earlier_service(rollout, object);
    if (kind == ROLLOUT_EVENT)
        return !names_service(rollout, json_text_at(object, "involvedObject", "name", NULL));
    const char *label = label_of(object, LABEL_SERVICE);
    return label[0] != '\0' && !text_equal(label, rollout->target.name);
}

static char *key_of(enum rollout_object kind, const json_t *object, struct error **err) {
    if (kind == ROLLOUT_LOG)
        return text_format(err, "%s/%s/%s", text_or_empty(json_text_at(object, "pod", NULL)),
                           text_or_empty(json_text_at(object, "container", NULL)),
                           json_is_true_at(object, "previous", NULL) ? "previous" : "current");
    const char *uid = json_text_at(object, "metadata", "uid", NULL);
    if (uid == NULL)
        uid = json_text_at(object, "metadata", "name", NULL);
    return text_copy(text_or_empty(uid), err);
}

static struct observed *find(struct observed_set *set, const char *key) {
    for (size_t i = 0; i < set->count; i++)
        if (text_equal(set->items[i].key, key))
            return &set->items[i];
    return NULL;
}

static size_t most_of(enum rollout_object kind) {
    return kind == ROLLOUT_POD ? MOST_PODS : kind == ROLLOUT_EVENT ? MOST_EVENTS : MOST_OTHERS;
}

static void remove_at(struct observed_set *set, size_t index) {
    observed_free(&set->items[index]);
    set->count--;
    memmove(&set->items[index], &set->items[index + 1],
            (set->count - index) * sizeof(set->items[0]));
}

/*
 * How much an object is worth keeping when there are too many: what is deleted least, then pods of
 * other revisions and events that tell no trouble, then pods that are ready.
 */
static int worth_of(const struct rollout *rollout, enum rollout_object kind,
                    const struct observed *item) {
    const json_t *object = item->object;
    if (object == NULL)
        return 0;
    if (kind == ROLLOUT_EVENT)
        return text_equal(json_text_at(object, "type", NULL), "Normal") ? 1 : 2;
    if (kind != ROLLOUT_POD)
        return 1;
    if (!carries_revision(rollout, object))
        return 1;
    return condition_is(condition_of(object, "Ready"), "True") ? 2 : 3;
}

/* The one least worth keeping; of equals the one unchanged for longest. */
static size_t least_useful(const struct rollout *rollout, enum rollout_object kind) {
    const struct observed_set *set = &rollout->sets[kind];
    size_t worst = 0;
    int least = worth_of(rollout, kind, &set->items[0]);
    for (size_t i = 1; i < set->count; i++) {
        int worth = worth_of(rollout, kind, &set->items[i]);
        bool older = set->items[i].sequence < set->items[worst].sequence;
        if (worth > least || (worth == least && !older))
            continue;
        worst = i;
        least = worth;
    }
    return worst;
}

static struct observed *add(struct rollout *rollout, enum rollout_object kind, char *key,
                            struct error **err) {
    struct observed_set *set = &rollout->sets[kind];
    if (set->count >= most_of(kind))
        remove_at(set, least_useful(rollout, kind));
    if ((set->count & (set->count - 1)) == 0) {
        size_t capacity = set->count == 0 ? 1 : set->count * 2;
        struct observed *items = realloc(set->items, capacity * sizeof(items[0]));
        if (items == NULL) {
            free(key);
            error_no_memory(err);
            return NULL;
        }
        set->items = items;
    }
    struct observed *added = &set->items[set->count++];
    *added = (struct observed){.key = key, .version = -1};
    return added;
}

/* ErrImagePull says why, ImagePullBackOff often does not: the last telling text is kept (krane
 * issue 124). */
static int track_pod(struct observed *pod, int64_t at_ms, struct error **err) {
    char key[sizeof(pod->trouble)];
    pod_trouble_key(pod->object, key, sizeof(key));
    if (!text_equal(key, pod->trouble)) {
        memcpy(pod->trouble, key, sizeof(key));
        pod->trouble_since_ms = at_ms;
    }
    static const char *const lists[] = {"initContainerStatuses", "containerStatuses"};
    for (size_t i = 0; i < array_length(lists); i++) {
        size_t index = 0;
        const json_t *status = NULL;
        json_array_foreach(json_at(pod->object, "status", lists[i], NULL), index, status) {
            const char *reason = json_text_at(status, "state", "waiting", "reason", NULL);
            const char *message = json_text_at(status, "state", "waiting", "message", NULL);
            if (!text_equal(reason, "ErrImagePull") || text_is_empty(message))
                continue;
            char *copy = text_copy(message, err);
            if (copy == NULL)
                return -1;
            free(pod->pull_message);
            pod->pull_message = copy;
        }
    }
    return 0;
}

/* Logs are bounded here; everything else by the watch and by pruning. */
static int keep_log(json_t **out, const json_t *object, struct error **err) {
    const char *text = text_or_empty(json_text_at(object, "text", NULL));
    size_t length = strlen(text);
    const char *tail = length > MOST_LOG_BYTES ? text + length - MOST_LOG_BYTES : text;
    while ((*tail & 0xc0) == 0x80)
        tail++;
    *out =
        json_pack("{s:s, s:s, s:b, s:s}", "pod", text_or_empty(json_text_at(object, "pod", NULL)),
                  "container", text_or_empty(json_text_at(object, "container", NULL)), "previous",
                  json_is_true_at(object, "previous", NULL), "text", tail);
    return *out != NULL ? 0 : error_no_memory(err);
}

/* Where a judgement compares with how things were found. */
static bool keeps_first(enum rollout_object kind) {
    return kind == ROLLOUT_POD || kind == ROLLOUT_INFERENCE_SERVICE || kind == ROLLOUT_DEPLOYMENT;
}

static int store_object(struct rollout *rollout, const struct rollout_event *event,
                        struct error **err) {
    struct observed_set *set = &rollout->sets[event->kind];
    cleanup_free char *key = key_of(event->kind, event->object, err);
    cleanup_json json_t *pruned = NULL;
    if (key == NULL)
        return -1;
    int64_t version = object_version(event->object);
    struct observed *known = find(set, key);
    /* During a relist the server's word counts, even when it went back in time (a restored etcd).
     */
    if (known != NULL && (known->listed || known->object == NULL) && version >= 0 &&
        version < known->version)
        return 0;
    if (known != NULL && known->object == NULL && version == known->version)
        return 0;
    int result = event->kind == ROLLOUT_LOG
                     ? keep_log(&pruned, event->object, err)
                     : prune_object(&pruned, event->kind, event->object, err);
    if (result < 0)
        return -1;
    if (known == NULL)
        known = add(rollout, event->kind, steal_pointer(key), err);
    if (known == NULL)
        return -1;
    if (known->object == NULL) {
        known->first_ms = event->at_ms;
        known->first = keeps_first(event->kind) ? json_incref(pruned) : NULL;
    }
    /* a list that is read anew brings the same copy again: nothing has happened */
    bool changed = known->object == NULL || version < 0 || version != known->version;
    if (changed) {
        known->last_ms = event->at_ms;
        known->live = known->live || set->ever_synced;
    }
    json_decref(known->object);
    known->object = steal_pointer(pruned);
    known->version = version;
    known->sequence = rollout->sequence;
    known->listed = true;
    known->about = json_text_at(known->object, "involvedObject", "uid", NULL);
    known->reason = json_text_at(known->object, "reason", NULL);
    return event->kind == ROLLOUT_POD ? track_pod(known, event->at_ms, err) : 0;
}

/* Leaves a marker, so that a late copy does not bring the object back. */
static int store_deletion(struct rollout *rollout, const struct rollout_event *event,
                          struct error **err) {
    struct observed_set *set = &rollout->sets[event->kind];
    cleanup_free char *key = key_of(event->kind, event->object, err);
    if (key == NULL)
        return -1;
    struct observed *known = find(set, key);
    if (known == NULL)
        known = add(rollout, event->kind, steal_pointer(key), err);
    if (known == NULL)
        return -1;
    json_decref(known->object);
    json_decref(known->first);
    known->object = NULL;
    known->first = NULL;
    known->listed = false;
    known->about = NULL;
    known->reason = NULL;
    known->trouble[0] = '\0';
    int64_t version = object_version(event->object);
    known->version = version > known->version ? version : known->version;
    known->sequence = rollout->sequence;
    return 0;
}

static void begin_list(struct observed_set *set) {
    set->synced = false;
    for (size_t i = 0; i < set->count; i++)
        set->items[i].listed = false;
}

static void end_list(struct observed_set *set) {
    set->synced = true;
    set->ever_synced = true;
    set->forbidden = false;
    for (size_t i = set->count; i > 0; i--)
        if (!set->items[i - 1].listed)
            remove_at(set, i - 1);
}

/* What can no longer be read must not be judged for ever as it was last seen. */
static void forbid(struct observed_set *set) {
    while (set->count > 0)
        remove_at(set, set->count - 1);
    set->synced = true;
    set->forbidden = true;
}

static int take_object(struct rollout *rollout, const struct rollout_event *event,
                       struct error **err) {
    if (!json_is_object(event->object) || is_foreign(rollout, event->kind, event->object))
        return 0;
    if (event->change != ROLLOUT_DELETED)
        return store_object(rollout, event, err);
    if (store_deletion(rollout, event, err) < 0)
        return -1;
    /* one of that name that was there before ours does not count */
    const char *uid = json_text_at(event->object, "metadata", "uid", NULL);
    bool ours =
        rollout->target.uid[0] == '\0' || uid == NULL || text_equal(uid, rollout->target.uid);
    if (event->kind == ROLLOUT_INFERENCE_SERVICE && ours && store_service(rollout) == NULL)
        rollout->service_gone = true;
    return 0;
}

int store_observe(struct rollout *rollout, const struct rollout_event *event, struct error **err) {
    if ((int)event->kind >= (int)ROLLOUT_KINDS)
        return 0;
    struct observed_set *set = &rollout->sets[event->kind];
    bool was_known = rollout->target.uid[0] != '\0' || store_service(rollout) != NULL;
    rollout->sequence++;
    if (rollout->started_ms < 0)
        rollout->started_ms = event->at_ms;
    switch (event->change) {
    case ROLLOUT_RELISTED:
        begin_list(set);
        return 0;
    case ROLLOUT_SYNCED:
        end_list(set);
        if (event->kind == ROLLOUT_INFERENCE_SERVICE && store_service(rollout) == NULL && was_known)
            rollout->service_gone = true;
        return 0;
    case ROLLOUT_FORBIDDEN:
        forbid(set);
        return 0;
    case ROLLOUT_CONFIRMED:
        if (event->kind == ROLLOUT_INFERENCE_SERVICE)
            rollout->confirmed = rollout->sequence;
        return take_object(rollout, event, err);
    case ROLLOUT_ADDED:
    case ROLLOUT_MODIFIED:
    case ROLLOUT_DELETED:
        return take_object(rollout, event, err);
    }
    return 0;
}
