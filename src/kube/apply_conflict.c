#include "apply_conflict.h"
#include "field_path.h"

#include "base/buffer.h"
#include "base/json.h"
#include "base/text.h"

#include <string.h>

enum { MOST_MANAGERS = 10, MOST_FIELDS = 10, LONGEST_LIST = 4096, LONGEST_NAME = 128 };

static const char cause_of_conflict[] = "FieldManagerConflict";

/* ---- what kind of refusal ---- */

static bool has_cause(const json_t *status, const char *reason, const char *field) {
    size_t index;
    const json_t *cause;
    json_array_foreach(json_at(status, "details", "causes", NULL), index, cause) {
        if (reason != NULL && !text_equal(json_text_at(cause, "reason", NULL), reason))
            continue;
        if (field == NULL || text_equal(json_text_at(cause, "field", NULL), field))
            return true;
    }
    return false;
}

static enum apply_refusal kind_of_conflict(const json_t *status, const char *message) {
    if (has_cause(status, cause_of_conflict, NULL))
        return APPLY_FIELD_CONFLICT;
    if (text_contains(message, "no existing object was found"))
        return APPLY_GONE;
    if (text_contains(message, "Precondition failed: UID"))
        return APPLY_RECREATED;
    return APPLY_STALE;
}

enum apply_refusal apply_refusal_of(const struct error *error, int http_status,
                                    const json_t *status) {
    const char *message = json_text_at(status, "message", NULL);
    if (http_status == 0)
        return error != NULL && error->kind == ERROR_UNREACHABLE ? APPLY_UNCERTAIN : APPLY_REFUSED;
    if (http_status == 409)
        return kind_of_conflict(status, message);
    if (http_status == 422 && has_cause(status, NULL, "metadata.uid"))
        return APPLY_RECREATED;
    if (http_status >= 500 && text_contains(message, "denied the request"))
        return APPLY_REFUSED;
    if (http_status >= 500 && kube_status_is_webhook_down(status))
        return APPLY_WEBHOOK_DOWN;
    if (http_status == 429)
        return APPLY_BUSY;
    if (http_status >= 502 && http_status <= 504)
        return APPLY_UNCERTAIN;
    return APPLY_REFUSED;
}

/* ---- field conflicts ---- */

/*
 * The manager in `conflict with "NAME" using v1 at ...`; NAME is quoted as Go's %q does it. "" when
 * the text is another one.
 */
static void read_manager(const char *message, char name[LONGEST_NAME + 1]) {
    static const char before[] = "conflict with \"";
    name[0] = '\0';
    const char *at = message != NULL ? strstr(message, before) : NULL;
    if (at == NULL)
        return;
    size_t length = 0;
    for (at += strlen(before); *at != '\0' && *at != '"' && length < LONGEST_NAME; at++) {
        if (*at == '\\' && (at[1] == '"' || at[1] == '\\'))
            at++;
        name[length++] = *at;
    }
    name[length] = '\0';
}

static bool is_conflict(const json_t *cause) {
    return text_equal(json_text_at(cause, "reason", NULL), cause_of_conflict);
}

static bool is_no_persons(const char *name, const json_t *live, const char *ours) {
    static const char *const writers[] = {"kubectl-client-side-apply", "kubectl",
                                          "kubectl-last-applied", "kubectl-create",
                                          "kubectl-replace"};
    if (text_equal(name, ours))
        return true;
    if (text_equal(name, "before-first-apply"))
        return managed_fields_has_last_applied(live);
    for (size_t i = 0; i < array_length(writers); i++)
        if (text_equal(name, writers[i]))
            return true;
    return false;
}

bool apply_conflict_may_force(const json_t *status, const json_t *live, const char *ours) {
    bool any = false;
    size_t index;
    const json_t *cause;
    json_array_foreach(json_at(status, "details", "causes", NULL), index, cause) {
        char name[LONGEST_NAME + 1];
        read_manager(json_text_at(cause, "message", NULL), name);
        if (!is_conflict(cause) || !is_no_persons(name, live, ours))
            return false;
        any = true;
    }
    return any;
}

static bool is_zero(const json_t *value) {
    if (json_is_array(value))
        return json_array_size(value) == 0;
    if (json_is_object(value))
        return json_object_size(value) == 0;
    const char *text = json_string_value(value);
    if (text != NULL)
        return text[0] == '\0' || text_equal(text, "0"); /* a Quantity */
    return json_is_null(value) || json_is_false(value) ||
           (json_is_number(value) && json_number_value(value) == 0);
}

/* LIVE is WANTED, with at most zero values on top. */
static bool is_wanted(const json_t *wanted, const json_t *live) {
    if (json_is_array(wanted) && json_is_array(live)) {
        bool same = json_array_size(wanted) == json_array_size(live);
        for (size_t i = 0; same && i < json_array_size(wanted); i++)
            same = is_wanted(json_array_get(wanted, i), json_array_get(live, i));
        return same;
    }
    if (!json_is_object(wanted) || !json_is_object(live))
        return json_equal(wanted, live) == 1;
    void *at = json_object_iter(json_iterable(wanted));
    for (; at != NULL; at = json_object_iter_next(json_iterable(wanted), at))
        if (!is_wanted(json_object_iter_value(at), json_object_get(live, json_object_iter_key(at))))
            return false;
    at = json_object_iter(json_iterable(live));
    for (; at != NULL; at = json_object_iter_next(json_iterable(live), at))
        if (json_object_get(wanted, json_object_iter_key(at)) == NULL &&
            !is_zero(json_object_iter_value(at)))
            return false;
    return true;
}

/* The field of CAUSE has our value already. */
static bool is_agreed(const json_t *cause, const json_t *document, const json_t *live) {
    const char *field = json_text_at(cause, "field", NULL);
    const json_t *wanted = field != NULL ? field_path_at(document, field) : NULL;
    const json_t *present = field != NULL ? field_path_at(live, field) : NULL;
    return wanted != NULL && present != NULL && is_wanted(wanted, present);
}

bool apply_conflict_takes_nothing(const json_t *status, const json_t *document, const json_t *live,
                                  const char *ours) {
    bool any = false;
    size_t index;
    const json_t *cause;
    json_array_foreach(json_at(status, "details", "causes", NULL), index, cause) {
        char name[LONGEST_NAME + 1];
        read_manager(json_text_at(cause, "message", NULL), name);
        if (!is_conflict(cause) ||
            (!is_no_persons(name, live, ours) && !is_agreed(cause, document, live)))
            return false;
        any = true;
    }
    return any;
}

/* Appends the fields that NAME owns: `.spec.a, .spec.b`. */
static void list_fields(struct buffer *out, const json_t *causes, const char *name,
                        const struct kube_apply *apply) {
    size_t shown = 0;
    size_t hidden = 0;
    size_t index;
    const json_t *cause;
    json_array_foreach(causes, index, cause) {
        char owner[LONGEST_NAME + 1];
        const char *field = json_text_at(cause, "field", NULL);
        read_manager(json_text_at(cause, "message", NULL), owner);
        if (!is_conflict(cause) || field == NULL || !text_equal(owner, name) ||
            is_agreed(cause, apply->document, apply->live))
            continue;
        if (shown == MOST_FIELDS) {
            hidden++;
            continue;
        }
        size_t length = text_utf8_prefix(field, LONGEST_LIST / 32);
        buffer_printf(out, "%s%.*s", shown > 0 ? ", " : "", (int)length, field);
        shown++;
    }
    if (hidden > 0)
        buffer_printf(out, " and %zu more", hidden);
}

/* True when an earlier cause than the one at INDEX names NAME too. */
static bool is_listed(const json_t *causes, size_t index, const char *name) {
    for (size_t i = 0; i < index; i++) {
        char earlier[LONGEST_NAME + 1];
        const json_t *cause = json_array_get(causes, i);
        read_manager(json_text_at(cause, "message", NULL), earlier);
        if (is_conflict(cause) && text_equal(earlier, name))
            return true;
    }
    return false;
}

/* Appends `"kubectl-edit" owns .spec.a, .spec.b; "ui" owns .spec.c`, persons' managers only. */
static void list_owners(struct buffer *out, const json_t *causes, const struct kube_apply *apply) {
    size_t index;
    const json_t *cause;
    size_t shown = 0;
    json_array_foreach(causes, index, cause) {
        char name[LONGEST_NAME + 1];
        read_manager(json_text_at(cause, "message", NULL), name);
        if (!is_conflict(cause) || is_no_persons(name, apply->live, apply->manager) ||
            is_listed(causes, index, name))
            continue;
        if (shown == MOST_MANAGERS) { /* each costs a look at all causes */
            buffer_append_text(out, "; and other managers");
            return;
        }
        buffer_printf(out, "%s\"%s\" owns ", shown > 0 ? "; " : "", name);
        list_fields(out, causes, name, apply);
        shown++;
    }
}

int apply_conflict_error(struct error **err, const json_t *status, const struct kube_apply *apply) {
    cleanup_buffer struct buffer owners = BUFFER_INIT(LONGEST_LIST);
    list_owners(&owners, json_at(status, "details", "causes", NULL), apply);
    if (owners.no_memory)
        return error_no_memory(err);
    text_make_printable(owners.data);
    error_new(err, ERROR_CONFLICT, "%s %s in namespace %s has values that somebody else set: %s%s",
              apply->resource->kind, apply->name,
              apply->namespace_ != NULL ? apply->namespace_ : "",
              owners.length > 0 ? buffer_text(&owners) : "another field manager owns them",
              owners.too_long ? " ..." : "");
    error_set_answer(err, 409, "Conflict");
    return error_hint(err,
                      "keep their values: pass the same ones as parameters; or take the fields "
                      "over, once: render the object with the same parameters and pipe it to "
                      "`kubectl apply --server-side --force-conflicts --field-manager=%s -f -`",
                      apply->manager);
}

/* ---- comparing ---- */

static bool is_in(const json_t *wanted, const json_t *live);

static bool is_object_in(const json_t *wanted, const json_t *live) {
    void *at = json_object_iter(json_iterable(wanted));
    for (; at != NULL; at = json_object_iter_next(json_iterable(wanted), at)) {
        const char *key = json_object_iter_key(at);
        if (!is_in(json_object_iter_value(at), json_object_get(live, key)))
            return false;
    }
    return true;
}

static bool is_in(const json_t *wanted, const json_t *live) {
    if (json_is_object(wanted))
        return json_is_object(live) && is_object_in(wanted, live);
    if (!json_is_array(wanted))
        return json_equal(wanted, live) == 1;
    if (json_array_size(wanted) != json_array_size(live))
        return false;
    for (size_t i = 0; i < json_array_size(wanted); i++)
        if (!is_in(json_array_get(wanted, i), json_array_get(live, i)))
            return false;
    return true;
}

bool apply_is_in(const json_t *document, const json_t *live) {
    return live != NULL && is_in(document, live);
}

bool apply_is_mostly_in(const json_t *document, const json_t *live) {
    void *at = json_object_iter(json_iterable(document));
    for (; at != NULL; at = json_object_iter_next(json_iterable(document), at)) {
        const char *key = json_object_iter_key(at);
        if (!text_equal(key, "metadata") &&
            !is_in(json_object_iter_value(at), json_object_get(live, key)))
            return false;
    }
    const json_t *labels = json_at(document, "metadata", "labels", NULL);
    return live != NULL &&
           (labels == NULL || is_in(labels, json_at(live, "metadata", "labels", NULL)));
}

/* Missing and empty are the same. */
static bool same_part(const json_t *before, const json_t *after, const char *part) {
    const json_t *left = json_at(before, "metadata", part, NULL);
    const json_t *right = json_at(after, "metadata", part, NULL);
    if (json_object_size(left) == 0 && json_object_size(right) == 0)
        return true;
    return json_equal(left, right) == 1;
}

/* Every part of ONE but metadata and status is in OTHER, equal. */
static bool same_parts(const json_t *one, const json_t *other) {
    void *at = json_object_iter(json_iterable(one));
    for (; at != NULL; at = json_object_iter_next(json_iterable(one), at)) {
        const char *key = json_object_iter_key(at);
        if (text_equal(key, "metadata") || text_equal(key, "status"))
            continue;
        if (json_equal(json_object_iter_value(at), json_object_get(other, key)) != 1)
            return false;
    }
    return true;
}

bool apply_has_changed(const json_t *before, const json_t *after) {
    return !same_part(before, after, "labels") || !same_part(before, after, "annotations") ||
           !same_parts(before, after) || !same_parts(after, before);
}
