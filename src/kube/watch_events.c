/* From bytes of a list or watch to events. */
#include "watch_target.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

int watch_name_object(json_t *object, const struct kube_resource *resource, struct error **err) {
    if (json_object_get(object, "kind") == NULL &&
        json_set_text(object, "kind", resource->kind, err) < 0)
        return -1;
    if (json_object_get(object, "apiVersion") != NULL)
        return 0;
    if (resource->group[0] == '\0')
        return json_set_text(object, "apiVersion", resource->version, err);
    return json_set_take(object, "apiVersion",
                         json_sprintf("%s/%s", resource->group, resource->version), err);
}

static int set_version(char **version, const char *text, struct error **err) {
    char *copy = text_copy(text, err);
    if (copy == NULL)
        return -1;
    free(*version);
    *version = copy;
    return 0;
}

/* ---- watch ---- */

static bool type_of(const char *text, enum kube_event *out) {
    static const struct {
        const char *text;
        enum kube_event type;
    } types[] = {{"ADDED", KUBE_EVENT_ADDED},
                 {"MODIFIED", KUBE_EVENT_MODIFIED},
                 {"DELETED", KUBE_EVENT_DELETED}};
    for (size_t i = 0; i < array_length(types); i++) {
        if (text_equal(text, types[i].text)) {
            *out = types[i].type;
            return true;
        }
    }
    return false;
}

static bool is_expired(const json_t *status) {
    const char *reason = json_text_at(status, "reason", NULL);
    return json_integer_at(status, 0, "code", NULL) == 410 || text_equal(reason, "Expired") ||
           text_equal(reason, "Gone");
}

/* An ERROR event: its object is a Status. */
static int take_error_event(struct watch_target *target, json_t *status) {
    target->verdict = is_expired(status) ? WATCH_EXPIRED : WATCH_STATUS;
    json_decref(target->said);
    target->said = json_incref(status);
    return -1;
}

static int take_nonsense(struct watch_target *target, const char *what) {
    target->verdict = WATCH_NONSENSE;
    error_free(steal_pointer(target->cause));
    error_new(&target->cause, ERROR_UNREACHABLE, "the Kubernetes API server sent %s", what);
    return -1;
}

static int take_no_memory(struct watch_target *target) {
    target->verdict = WATCH_NO_MEMORY;
    return -1;
}

static int take_event(struct watch_target *target, const json_t *event) {
    const char *text = json_text_at(event, "type", NULL);
    json_t *object = json_object_get(event, "object");
    if (!json_is_object(object))
        return take_nonsense(target, "a watch event without an object");
    if (text_equal(text, "ERROR"))
        return take_error_event(target, object);
    enum kube_event type = KUBE_EVENT_ADDED;
    bool is_bookmark = text_equal(text, "BOOKMARK");
    if (!is_bookmark && !type_of(text, &type))
        return take_nonsense(target, "a watch event of unknown type");
    const char *version = json_text_at(object, "metadata", "resourceVersion", NULL);
    if (text_is_empty(version))
        return take_nonsense(target, "a watch event without a resourceVersion");

    if (set_version(&target->version, version, NULL) < 0)
        return take_no_memory(target);
    target->received++;
    if (is_bookmark)
        return 0;
    if (watch_name_object(object, target->spec->resource, NULL) < 0)
        return take_no_memory(target);
    target->emit(target->user, target->index, type, object, NULL);
    return 0;
}

int watch_target_frame(void *user, const char *frame, size_t length) {
    struct watch_target *target = user;
    json_error_t problem = {0};
    cleanup_json json_t *event = json_loadb(frame, length, 0, &problem);
    if (event == NULL && json_error_code(&problem) == json_error_out_of_memory)
        return take_no_memory(target);
    if (event == NULL)
        return take_nonsense(target, "a watch event that is no JSON");
    return take_event(target, event);
}

/* ---- list ---- */

static int hand_over_items(struct watch_target *target, json_t *items, struct error **err) {
    size_t index;
    json_t *item;
    json_array_foreach(items, index, item) {
        if (!json_is_object(item))
            return error_new(err, ERROR_UNREACHABLE, "an item of a list of %s is no object",
                             target->spec->resource->plural);
        if (watch_name_object(item, target->spec->resource, err) < 0)
            return -1;
        target->emit(target->user, target->index, KUBE_EVENT_ADDED, item, NULL);
    }
    return 0;
}

static int end_of_list(struct watch_target *target, const json_t *page, struct error **err) {
    const char *version = json_text_at(page, "metadata", "resourceVersion", NULL);
    if (text_is_empty(version))
        return error_new(err, ERROR_UNREACHABLE, "a list of %s has no resourceVersion",
                         target->spec->resource->plural);
    if (set_version(&target->version, version, err) < 0)
        return -1;
    target->phase = WATCH_WATCHING;
    target->synced = true;
    target->emit(target->user, target->index, KUBE_EVENT_SYNCED, NULL, NULL);
    return 0;
}

int watch_target_page(struct watch_target *target, struct error **err) {
    cleanup_json json_t *page = NULL;
    if (json_parse(&page, buffer_text(&target->body), target->body.length,
                   "a list of the Kubernetes API server", ERROR_UNREACHABLE, err) < 0)
        return -1;
    buffer_free(&target->body); /* not both at once longer than needed */
    json_t *items = json_object_get(page, "items");
    if (!json_is_array(items) && !json_is_null(items))
        return error_new(err, ERROR_UNREACHABLE, "a list of %s has no items",
                         target->spec->resource->plural);

    if (target->next == NULL) {
        target->synced = false;
        target->emit(target->user, target->index, KUBE_EVENT_RELISTED, NULL, NULL);
    }
    if (hand_over_items(target, items, err) < 0)
        return -1;
    const char *next = json_text_at(page, "metadata", "continue", NULL);
    if (!text_is_empty(next))
        return set_version(&target->next, next, err);
    free(steal_pointer(target->next));
    return end_of_list(target, page, err);
}
