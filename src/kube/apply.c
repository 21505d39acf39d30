#include "kube/apply.h"

#include "apply_conflict.h"
#include "base/text.h"

enum {
    MOST_STALE = 5, /* as kubectl apply (pkg/cmd/apply/patcher.go maxPatchRetry) */
    MOST_BROKEN = 5,
    FIRST_PAUSE_MS = 500,
    LONGEST_PAUSE_MS = 8 * 1000,
    LONGEST_WAIT_MS = 2 * 60 * 1000, /* for a webhook, when there is no deadline */
};

/* What a step of the work says. */
enum { DONE = 0, AGAIN = 1 }; /* or -1 with an error */

struct work {
    struct kube_client *client;
    const struct kube_apply *apply;
    int64_t deadline_ms;
    json_t *document;   /* APPLY's, without what the server does not store */
    json_t *live;       /* what is known of the object; NULL: absent */
    char *list_version; /* of the list that showed it absent */
    json_t *answer;     /* of the write that succeeded */
    struct strings warnings;
    bool began_absent;
    bool must_read; /* LIVE may be out of date */
    bool uncertain; /* an earlier write may have been done */
    bool force;
    bool created;
    bool migrated;
    int stale;
    int broken;
    int pauses;
    int64_t waiting_since; /* for a webhook; 0: not */
};

static const char *uid_of(const json_t *object) {
    return json_text_at(object, "metadata", "uid", NULL);
}

static const char *version_of(const json_t *object) {
    return json_text_at(object, "metadata", "resourceVersion", NULL);
}

static const char *namespace_of(const struct work *work) {
    return work->apply->namespace_ != NULL ? work->apply->namespace_ : "";
}

/* ---- pauses ---- */

static int sleep_until(struct work *work, int64_t wake_ms, struct error **err) {
    const struct clock *clock = kube_client_deps(work->client)->clock;
    for (int64_t left = wake_ms - clock_now(clock); left > 0; left = wake_ms - clock_now(clock)) {
        int outcome = http_wait(kube_client_http(work->client), left, err);
        if (outcome < 0)
            return -1;
        if (outcome == HTTP_WAIT_CANCELED)
            return error_new(err, ERROR_CANCELED, "canceled while applying %s %s",
                             work->apply->resource->kind, work->apply->name);
    }
    return 0;
}

/* Waits before another try; takes CAUSE over. AGAIN, or -1 when the time does not allow it. */
static int pause_for(struct work *work, struct error *cause, struct error **err) {
    const struct deps *deps = kube_client_deps(work->client);
    int64_t pause = (int64_t)FIRST_PAUSE_MS << (work->pauses < 4 ? work->pauses : 4);
    if (pause > LONGEST_PAUSE_MS)
        pause = LONGEST_PAUSE_MS;
    int64_t wake = clock_now(deps->clock) + pause;
    work->pauses++;
    if (work->deadline_ms > 0 && wake >= work->deadline_ms) {
        error_new(err, ERROR_DEADLINE, "the time was up while applying %s %s: %s",
                  work->apply->resource->kind, work->apply->name, cause->message);
        if (cause->hint != NULL)
            error_hint(err, "%s", cause->hint);
        error_free(cause);
        return -1;
    }
    char length[DURATION_SIZE];
    log_notice(deps->log, "%s; trying again in %s", cause->message, duration_format(length, pause));
    error_free(cause);
    return sleep_until(work, wake, err) == 0 ? AGAIN : -1;
}

/* ---- reading ---- */

static int conflict(struct error **err, const struct work *work, const char *reason,
                    const char *what, const char *hint) {
    error_new(err, ERROR_CONFLICT, "%s %s in namespace %s %s", work->apply->resource->kind,
              work->apply->name, namespace_of(work), what);
    error_set_answer(err, 409, reason);
    return hint != NULL ? error_hint(err, "%s", hint) : -1;
}

static int exists_already(struct error **err, const struct work *work) {
    return conflict(err, work, "AlreadyExists", "exists already",
                    "set UPDATE_IF_EXISTS=true to update it, or choose another name");
}

static int was_deleted(struct error **err, const struct work *work) {
    return conflict(err, work, "Conflict", "was deleted while it was being updated",
                    "run again to create it anew");
}

static int was_recreated(struct error **err, const struct work *work) {
    return conflict(err, work, "Conflict",
                    "was deleted and created anew by somebody else while it was being updated",
                    "run again to update the new one");
}

/* One list tells whether the object is there and, when it is not, since when that is so. */
static int read_live(struct work *work, struct error **err) {
    cleanup_free char *name = text_percent_encode(work->apply->name, err);
    cleanup_free char *selector =
        name != NULL ? text_format(err, "fieldSelector=metadata.name%%3D%s", name) : NULL;
    if (selector == NULL)
        return -1;
    cleanup_json json_t *list = NULL;
    if (kube_list(&list, work->client, work->apply->resource, work->apply->namespace_, selector,
                  work->deadline_ms, err) < 0)
        return -1;
    const char *version = json_text_at(list, "metadata", "resourceVersion", NULL);
    char *copy = text_copy(version != NULL ? version : "", err);
    if (copy == NULL)
        return -1;
    free(work->list_version);
    work->list_version = copy;
    json_decref(work->live);
    work->live = json_incref(json_array_get(json_object_get(list, "items"), 0));
    return 0;
}

/* True when an earlier write of ours that seemed to fail is there after all. */
static bool has_landed(const struct work *work) {
    if (!work->uncertain || !managed_fields_applied_by(work->live, work->apply->manager))
        return false;
    if (!work->began_absent)
        return apply_is_in(work->document, work->live);
    return apply_is_mostly_in(work->document, work->live);
}

/* What the object, just read, means for the work. */
static int judge_live(struct work *work, struct error **err) {
    if (!work->began_absent && work->live == NULL)
        return was_deleted(err, work);
    if (!work->began_absent && !text_equal(uid_of(work->live), uid_of(work->apply->live)))
        return was_recreated(err, work);
    if (work->live != NULL && has_landed(work)) {
        work->answer = json_incref(work->live);
        work->created = work->began_absent;
        return DONE;
    }
    if (work->apply->exact && work->live != NULL &&
        !text_equal(version_of(work->live), version_of(work->apply->live)))
        return conflict(err, work, "Conflict", "was changed meanwhile", NULL);
    return AGAIN;
}

/*
 * An API server that has just started refuses everything until its caches are filled; so a refusal
 * that follows a lost connection may be no refusal.
 */
static bool may_be_starting(const struct work *work, const struct error *error) {
    return work->broken > 0 && error != NULL &&
           (error->http_status == 401 || error->http_status == 403) &&
           !text_contains(error->message, "webhook");
}

static int read_again(struct work *work, struct error **err) {
    struct error *problem = NULL;
    if (read_live(work, &problem) < 0) {
        bool again = problem->kind == ERROR_UNREACHABLE || may_be_starting(work, problem);
        if (again && ++work->broken <= MOST_BROKEN)
            return pause_for(work, problem, err);
        return error_take(err, problem);
    }
    work->must_read = false;
    return judge_live(work, err);
}

/* ---- refusals ---- */

static int handle_conflict(struct work *work, const struct kube_answer *answer,
                           struct error **err) {
    if (!work->force &&
        apply_conflict_may_force(answer->status, work->live, work->apply->manager)) {
        log_debug(kube_client_deps(work->client)->log, "taking over fields of an earlier deploy");
        work->force = true;
        return AGAIN;
    }
    /* the server looks at managers before it looks at the uid: is it still the same object? */
    cleanup_error struct error *problem = NULL;
    if (read_live(work, &problem) == 0 && judge_live(work, err) < 0)
        return -1;
    if (problem != NULL && problem->kind == ERROR_CANCELED)
        return error_take(err, steal_pointer(problem));
    bool agreed = problem == NULL && !work->force && work->live != NULL &&
                  apply_conflict_takes_nothing(answer->status, work->document, work->live,
                                               work->apply->manager);
    if (agreed) {
        log_debug(kube_client_deps(work->client)->log, "sharing fields whose values are ours");
        work->force = true;
        return AGAIN;
    }
    return apply_conflict_error(err, answer->status, work->apply);
}

/* Forcing was decided on what was seen then: a new conflict is looked at anew. */
static void forget_force(struct work *work) {
    work->force = false;
}

static int handle_stale(struct work *work, struct kube_answer *answer, struct error **err) {
    forget_force(work);
    work->must_read = true;
    if (work->apply->exact || ++work->stale > MOST_STALE)
        return error_take(err, steal_pointer(answer->error));
    return AGAIN;
}

static int handle_uncertain(struct work *work, struct kube_answer *answer, struct error **err) {
    forget_force(work);
    work->must_read = true;
    if (++work->broken > MOST_BROKEN)
        return error_take(err, steal_pointer(answer->error));
    return pause_for(work, steal_pointer(answer->error), err);
}

static int handle_webhook(struct work *work, struct kube_answer *answer, struct error **err) {
    forget_force(work);
    int64_t now = clock_now(kube_client_deps(work->client)->clock);
    if (work->waiting_since == 0)
        work->waiting_since = now;
    if (work->deadline_ms == 0 && now - work->waiting_since > LONGEST_WAIT_MS)
        return error_take(err, steal_pointer(answer->error));
    return pause_for(work, steal_pointer(answer->error), err);
}

/* A patch of an object that is not there any more; a missing namespace is something else. */
static bool is_missing(const struct work *work, const struct kube_answer *answer) {
    return work->live != NULL && answer->http_status == 404 &&
           text_equal(json_text_at(answer->status, "details", "name", NULL), work->apply->name);
}

/* Decides what a refused write is followed by. */
static int handle_refusal(struct work *work, struct kube_answer *answer, struct error **err) {
    if (is_missing(work, answer))
        return was_deleted(err, work);
    switch (apply_refusal_of(answer->error, answer->http_status, answer->status)) {
    case APPLY_FIELD_CONFLICT:
        /* of an object that was not there before: it appeared meanwhile */
        if (work->live == NULL)
            return handle_stale(work, answer, err);
        return handle_conflict(work, answer, err);
    case APPLY_STALE:
        return handle_stale(work, answer, err);
    case APPLY_GONE:
        return was_deleted(err, work);
    case APPLY_RECREATED:
        return was_recreated(err, work);
    case APPLY_WEBHOOK_DOWN:
        return handle_webhook(work, answer, err);
    case APPLY_UNCERTAIN:
        work->uncertain = true;
        return handle_uncertain(work, answer, err);
    case APPLY_BUSY:
        return handle_uncertain(work, answer, err);
    case APPLY_REFUSED:
        break;
    }
    if (may_be_starting(work, answer->error))
        return handle_uncertain(work, answer, err);
    return error_take(err, steal_pointer(answer->error));
}

/* ---- writing ---- */

static int keep_warnings(struct work *work, const struct strings *warnings, struct error **err) {
    for (size_t i = 0; i < warnings->count; i++)
        if (!strings_contain(&work->warnings, warnings->items[i]) &&
            strings_add(&work->warnings, warnings->items[i], err) < 0)
            return -1;
    return 0;
}

/*
 * Sends one PATCH. DONE: *OUT is the object and *STATUS the HTTP status. Every further attempt is
 * decided here and not below, because after some failures the object must be read first.
 */
static int patch(json_t **out, int *status, struct work *work, const char *content_type,
                 const char *body, const char *query, struct error **err) {
    const struct kube_request request = {
        .verb = "patch",
        .resource = work->apply->resource,
        .namespace_ = work->apply->namespace_,
        .name = work->apply->name,
        .query = query,
        .content_type = content_type,
        .body = body,
        .single_attempt = true,
    };
    struct kube_answer answer = {0};
    if (kube_send(work->client, &request, 1, &answer, work->deadline_ms, err) < 0)
        return -1;
    int outcome = keep_warnings(work, &answer.warnings, err);
    if (outcome == 0 && answer.error != NULL)
        outcome = handle_refusal(work, &answer, err);
    else if (outcome == 0 && answer.object == NULL)
        outcome = error_new(err, ERROR_INTERNAL, "the API server answered a write with nothing");
    if (outcome == DONE) {
        *out = steal_pointer(answer.object);
        *status = answer.http_status;
    }
    kube_answer_free(&answer);
    return outcome;
}

static char *patch_query(const struct work *work, bool is_apply, struct error **err) {
    cleanup_free char *manager = text_percent_encode(work->apply->manager, err);
    if (manager == NULL)
        return NULL;
    return text_format(err, "fieldManager=%s&fieldValidation=Strict%s%s", manager,
                       is_apply && work->force ? "&force=true" : "",
                       work->apply->dry_run ? "&dryRun=All" : "");
}

/* Moves what client-side apply owns to our manager, when there is something. */
static int migrate(struct work *work, struct error **err) {
    cleanup_json json_t *operations = NULL;
    if (managed_fields_migration(&operations, work->live, work->apply->manager, err) < 0)
        return -1;
    if (operations == NULL)
        return DONE;
    size_t index;
    json_t *operation;
    json_array_foreach(work->apply->migration_operations, index,
                       operation) if (json_array_append(operations, operation) <
                                      0) return error_no_memory(err);

    cleanup_free char *body = json_canonical_text(operations, err);
    cleanup_free char *query = body != NULL ? patch_query(work, false, err) : NULL;
    if (query == NULL)
        return -1;
    json_t *object = NULL;
    int status = 0;
    int outcome = patch(&object, &status, work, "application/json-patch+json", body, query, err);
    if (outcome != DONE)
        return outcome;
    json_decref(work->live);
    work->live = object;
    work->migrated = true;
    return DONE;
}

/*
 * The document with its precondition. A uid means "this object or none"; the resourceVersion of a
 * list that did not show the name means "only while it is absent" (apiserver
 * registry/generic/registry/store.go; kubernetes issue 106745).
 */
static char *apply_body(const struct work *work, struct error **err) {
    cleanup_json json_t *document = json_deep_copy(work->document);
    if (document == NULL) {
        error_no_memory(err);
        return NULL;
    }
    json_t *metadata = json_object_get(document, "metadata");
    int result = work->live != NULL
                     ? json_set_text(metadata, "uid", uid_of(work->live), err)
                     : json_set_text(metadata, "resourceVersion", work->list_version, err);
    if (result == 0 && work->live != NULL && work->apply->exact)
        result = json_set_text(metadata, "resourceVersion", version_of(work->live), err);
    return result == 0 ? json_apply_text(document, err) : NULL;
}

static int write_document(struct work *work, struct error **err) {
    cleanup_free char *body = apply_body(work, err);
    cleanup_free char *query = body != NULL ? patch_query(work, true, err) : NULL;
    if (query == NULL)
        return -1;
    json_t *object = NULL;
    int status = 0;
    int outcome = patch(&object, &status, work, "application/apply-patch+yaml", body, query, err);
    if (outcome != DONE)
        return outcome;
    work->answer = object;
    work->created = work->began_absent && (status == 201 || work->live == NULL);
    if (work->apply->dry_run && work->live != NULL)
        return managed_fields_prune(work->answer, work->document, work->live, work->apply->manager,
                                    err);
    return DONE;
}

/*
 * An object without managedFields gets them only by the first apply: the server then makes up the
 * manager before-first-apply. What that one owns is moved now, and the apply repeated.
 */
static int move_afterwards(struct work *work, struct error **err) {
    if (!work->force || work->migrated || work->apply->dry_run)
        return DONE;
    cleanup_json json_t *operations = NULL;
    if (managed_fields_migration(&operations, work->answer, work->apply->manager, err) < 0)
        return -1;
    if (operations == NULL)
        return DONE;
    json_decref(work->live);
    work->live = steal_pointer(work->answer);
    work->force = false;
    return AGAIN;
}

static int one_round(struct work *work, struct error **err) {
    if (work->must_read) {
        int outcome = read_again(work, err);
        if (outcome != AGAIN || work->must_read)
            return outcome;
    }
    if (work->live != NULL && work->apply->create_only)
        return exists_already(err, work);
    if (work->live != NULL && !work->apply->dry_run) {
        int outcome = migrate(work, err);
        if (outcome != DONE)
            return outcome;
    }
    int outcome = write_document(work, err);
    return outcome == DONE ? move_afterwards(work, err) : outcome;
}

/* ---- the whole ---- */

static void free_work(struct work *work) {
    json_decref(work->document);
    json_decref(work->live);
    json_decref(work->answer);
    free(work->list_version);
    strings_free(&work->warnings);
}

/*
 * The server stores an empty map of labels as none, sees a difference each time, and writes the
 * object again: an equal run would not be one.
 */
static void drop_when_empty(json_t *metadata, const char *key) {
    const json_t *map = json_object_get(metadata, key);
    if (json_is_object(map) && json_object_size(map) == 0)
        json_object_del(metadata, key);
}

static int take_document(struct work *work, struct error **err) {
    work->document = json_deep_copy(work->apply->document);
    if (work->document == NULL)
        return error_no_memory(err);
    json_t *metadata = json_object_in(work->document, "metadata", err);
    if (metadata == NULL)
        return -1;
    json_object_del(metadata, "uid");
    json_object_del(metadata, "resourceVersion");
    drop_when_empty(metadata, "labels");
    drop_when_empty(metadata, "annotations");
    return 0;
}

static int begin(struct work *work, struct error **err) {
    const struct kube_apply *apply = work->apply;
    work->began_absent = apply->live == NULL;
    work->must_read = apply->live == NULL && text_is_empty(apply->list_resource_version);
    if (take_document(work, err) < 0)
        return -1;
    if (apply->live != NULL && uid_of(apply->live) == NULL)
        return error_new(err, ERROR_INTERNAL, "the live object has no uid");
    if (apply->live != NULL) {
        work->live = json_deep_copy(apply->live);
        return work->live != NULL ? 0 : error_no_memory(err);
    }
    work->list_version = text_copy(apply->list_resource_version, err);
    return work->list_version != NULL || work->must_read ? 0 : -1;
}

int kube_apply(struct kube_applied *out, struct kube_client *client, const struct kube_apply *apply,
               int64_t deadline_ms, struct error **err) {
    cleanup(free_work) struct work work = {
        .client = client, .apply = apply, .deadline_ms = deadline_ms};
    if (begin(&work, err) < 0)
        return -1;
    int outcome = AGAIN;
    while (outcome == AGAIN)
        outcome = one_round(&work, err);
    if (outcome != DONE)
        return -1;
    out->changed = work.created || apply_has_changed(apply->live, work.answer);
    out->created = work.created;
    out->migrated = work.migrated;
    out->object = steal_pointer(work.answer);
    out->warnings = work.warnings;
    work.warnings = (struct strings){0};
    return 0;
}

void kube_applied_free(struct kube_applied *applied) {
    if (applied == NULL)
        return;
    json_decref(applied->object);
    strings_free(&applied->warnings);
    *applied = (struct kube_applied){0};
}
