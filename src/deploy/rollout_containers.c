#include "rollout_private.h"

#include "base/json.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum { RANK_CONFIG = 50, RANK_IMAGE = 48, RANK_CRASH = 45, LAST_LINES = 3 };

/* What is known of one container of one pod. */
struct container {
    const struct observed *pod;
    const json_t *status;
    bool init;
    const char *pod_name;
    const char *name;
    const char *image;
    const char *waiting; /* state.waiting.reason or "" */
    const char *message; /* state.waiting.message or "" */
};

static struct container container_of(const struct observed *pod, const json_t *status, bool init) {
    const json_t *spec = json_at(pod->object, "spec", NULL);
    const char *name = text_or_empty(json_text_at(status, "name", NULL));
    const json_t *container =
        named_in(json_object_get(spec, init ? "initContainers" : "containers"), name);
    const char *image = json_text_at(container, "image", NULL);
    return (struct container){
        .pod = pod,
        .status = status,
        .init = init,
        .pod_name = text_or_empty(json_text_at(pod->object, "metadata", "name", NULL)),
        .name = name,
        .image = image != NULL ? image : text_or_empty(json_text_at(status, "image", NULL)),
        .waiting = text_or_empty(json_text_at(status, "state", "waiting", "reason", NULL)),
        .message = text_or_empty(json_text_at(status, "state", "waiting", "message", NULL)),
    };
}

/* ---- images ---- */

static bool is_image_trouble(const char *reason) {
    static const char *const reasons[] = {"ErrImagePull",        "ImagePullBackOff",
                                          "InvalidImageName",    "ErrImageNeverPull",
                                          "RegistryUnavailable", "ImageInspectError"};
    for (size_t i = 0; i < array_length(reasons); i++)
        if (text_equal(reason, reasons[i]))
            return true;
    return false;
}

static int judge_image(struct judgement *judgement, const struct container *container,
                       struct error **err) {
    const char *why = container->pod->pull_message;
    const char *message = text_is_empty(why) ? container->message : why;
    cleanup_free char *text = text_format(err, "%s %s", container->waiting, message);
    if (text == NULL)
        return -1;
    const struct diagnosis_value values[] = {{"image", container->image}};
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_REPEATED, .rank = RANK_IMAGE};
    if (trouble_diagnose(&trouble, judgement->rollout, diagnose_image, diagnose_image_count, text,
                         values, 1, err) < 0 ||
        evidence_add(&trouble.evidence, err, "container %s of pod %s: %s: %s", container->name,
                     container->pod_name, container->waiting, message) < 0)
        return -1;
    bool again = text_equal(container->waiting, "ImagePullBackOff");
    enum diagnosis_weight weight = trouble.diagnosis.weight;
    bool lasts = judgement_lasts(judgement, container->pod->trouble_since_ms,
                                 judgement->rollout->patience.image_pull_ms);
    trouble.final = weight == DIAGNOSIS_FINAL || (weight == DIAGNOSIS_DECIDED && again) || lasts;
    if (weight == DIAGNOSIS_FINAL)
        trouble.failure = FAILURE_TERMINAL;
    judgement_consider(judgement, &trouble);
    return 0;
}

/* ---- containers that cannot be made ---- */

static bool is_start_trouble(const char *reason) {
    static const char *const reasons[] = {"CreateContainerConfigError", "CreateContainerError",
                                          "RunContainerError",          "PreStartHookError",
                                          "PreCreateHookError",         "PostStartHookError"};
    for (size_t i = 0; i < array_length(reasons); i++)
        if (text_equal(reason, reasons[i]))
            return true;
    return false;
}

static int judge_start(struct judgement *judgement, const struct container *container,
                       struct error **err) {
    const struct diagnosis_value values[] = {{"container", container->name}};
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_REPEATED, .rank = RANK_CONFIG};
    if (trouble_diagnose(&trouble, judgement->rollout, diagnose_start, diagnose_start_count,
                         container->message, values, 1, err) < 0 ||
        evidence_add(&trouble.evidence, err, "container %s of pod %s: %s: %s", container->name,
                     container->pod_name, container->waiting, container->message) < 0)
        return -1;
    if (trouble.diagnosis.weight == DIAGNOSIS_FINAL) {
        trouble.final = true;
        trouble.failure = FAILURE_TERMINAL;
    } else if (trouble.diagnosis.weight != DIAGNOSIS_PASSING) {
        trouble.final = judgement_lasts(judgement, container->pod->trouble_since_ms,
                                        judgement->rollout->patience.config_error_ms);
    }
    judgement_consider(judgement, &trouble);
    return 0;
}

/* ---- containers that end ---- */

/* The way it ended last: now, or before the present run; NULL when it never did. */
static const json_t *last_end(const json_t *status) {
    const json_t *now = json_at(status, "state", "terminated", NULL);
    return now != NULL ? now : json_at(status, "lastState", "terminated", NULL);
}

/* How often it ended badly: each restart followed an end, and it may be ended right now. */
static int64_t crashes_of(const struct container *container, const json_t *end) {
    int64_t restarts = json_integer_at(container->status, 0, "restartCount", NULL);
    bool ended_now = json_at(container->status, "state", "terminated", NULL) != NULL ||
                     text_equal(container->waiting, "CrashLoopBackOff");
    bool bad = json_integer_at(end, 0, "exitCode", NULL) != 0;
    return restarts + (ended_now && (bad || !container->init) ? 1 : 0);
}

static const char *log_of(const struct rollout *rollout, const struct container *container) {
    const struct observed_set *logs = &rollout->sets[ROLLOUT_LOG];
    const char *found = NULL;
    for (size_t i = 0; i < logs->count; i++) {
        const json_t *log = logs->items[i].object;
        if (log != NULL && text_equal(json_text_at(log, "pod", NULL), container->pod_name) &&
            text_equal(json_text_at(log, "container", NULL), container->name) &&
            !text_is_empty(json_text_at(log, "text", NULL)))
            found = json_text_at(log, "text", NULL);
    }
    return found;
}

/* The start of the last COUNT lines of TEXT that hold anything. */
static const char *tail_of(const char *text, int count) {
    const char *end = text + strlen(text);
    while (end > text && strchr(" \r\n\t", end[-1]) != NULL)
        end--;
    const char *at = end;
    while (at > text && count > 0)
        if (*--at == '\n' && --count == 0)
            return at + 1;
    return at;
}

static int add_log_evidence(struct trouble *trouble, const struct container *container,
                            const char *log, struct error **err) {
    for (const char *at = tail_of(log, LAST_LINES); *at != '\0';) {
        size_t length = strcspn(at, "\n");
        if (length > 0 && evidence_add(&trouble->evidence, err, "log %s: %.*s", container->name,
                                       (int)(length < 500 ? length : 500), at) < 0)
            return -1;
        at += length + (at[length] == '\n' ? 1 : 0);
    }
    return 0;
}

static int want_log(struct trouble *trouble, const struct container *container,
                    struct error **err) {
    bool running = json_at(container->status, "state", "running", NULL) != NULL;
    return strings_add_format(&trouble->wanted_logs, err, "%s/%s/%s", container->pod_name,
                              container->name, running ? "previous" : "current");
}

/* The limit of the container's memory, or NULL. */
static const char *memory_limit(const struct container *container) {
    const json_t *spec = json_at(container->pod->object, "spec", NULL);
    const json_t *found = named_in(
        json_object_get(spec, container->init ? "initContainers" : "containers"), container->name);
    return json_text_at(found, "resources", "limits", "memory", NULL);
}

/* Text that the tables of logs look at: the log's tail and the termination message. */
static int diagnose_crash(struct trouble *trouble, const struct rollout *rollout,
                          const struct container *container, const json_t *end, const char *log,
                          struct error **err) {
    int exit_code = (int)json_integer_at(end, 0, "exitCode", NULL);
    const char *message = text_or_empty(json_text_at(end, "message", NULL));
    const char *tail = log != NULL ? log : message;
    cleanup_free char *last = text_copy(tail_of(tail, 1), err);
    cleanup_free char *text = text_format(err, "%s\n%s", log != NULL ? log : "", message);
    cleanup_free char *code = text_format(err, "exit %d; %s", exit_code, message);
    if (last == NULL || text == NULL || code == NULL)
        return -1;
    for (size_t length = strlen(last); length > 0 && strchr(" \r\n", last[length - 1]) != NULL;)
        last[--length] = '\0';
    const struct diagnosis_value values[] = {{"container", container->name},
                                             {"limit", memory_limit(container)},
                                             {"last", last},
                                             {"image", container->image}};
    if (text_equal(json_text_at(end, "reason", NULL), "OOMKilled"))
        return trouble_diagnose(trouble, rollout, diagnose_own, diagnose_own_count, "OOMKilled",
                                values, array_length(values), err);
    const struct diagnosis_rule *rules = container->init ? diagnose_storage : diagnose_server;
    size_t count = container->init ? diagnose_storage_count : diagnose_server_count;
    bool told = diagnose_match(rules, count - 1, text) != NULL;
    bool by_code = !told && (exit_code == 0 || exit_code == 126 || exit_code == 127 ||
                             exit_code == 137 || exit_code == 139 || exit_code == 143);
    if (by_code)
        return trouble_diagnose(trouble, rollout, diagnose_exit, diagnose_exit_count, code, values,
                                array_length(values), err);
    return trouble_diagnose(trouble, rollout, rules, count, text, values, array_length(values),
                            err);
}

static int judge_crash(struct judgement *judgement, const struct container *container,
                       struct error **err) {
    const struct rollout *rollout = judgement->rollout;
    const json_t *end = last_end(container->status);
    bool fine = end == NULL || (container->init && json_integer_at(end, 1, "exitCode", NULL) == 0);
    if (fine || json_is_true_at(container->status, "ready", NULL))
        return 0;
    int64_t crashes = crashes_of(container, end);
    if (crashes <= 0)
        return 0;
    const char *log = log_of(rollout, container);
    bool memory = text_equal(json_text_at(end, "reason", NULL), "OOMKilled");
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_REPEATED, .rank = RANK_CRASH};
    if (diagnose_crash(&trouble, rollout, container, end, log, err) < 0)
        return -1;
    if (evidence_add(&trouble.evidence, err,
                     "container %s of pod %s ended %lld times, last with exit code %d (%s)%s%s",
                     container->name, container->pod_name, (long long)crashes,
                     (int)json_integer_at(end, 0, "exitCode", NULL),
                     text_or_empty(json_text_at(end, "reason", NULL)),
                     text_is_empty(json_text_at(end, "message", NULL)) ? "" : ": ",
                     text_or_empty(json_text_at(end, "message", NULL))) < 0)
        return -1;
    if (log != NULL ? add_log_evidence(&trouble, container, log, err) < 0
                    : want_log(&trouble, container, err) < 0)
        return -1;
    int64_t most =
        memory ? rollout->patience.out_of_memory_kills : rollout->patience.crash_restarts;
    trouble.final = crashes >= most || trouble.diagnosis.weight == DIAGNOSIS_FINAL ||
                    (trouble.diagnosis.weight == DIAGNOSIS_DECIDED && crashes >= 2);
    judgement_consider(judgement, &trouble);
    return 0;
}

int container_judge(struct judgement *judgement, const struct observed *pod, const json_t *status,
                    bool init, struct error **err) {
    const struct container container = container_of(pod, status, init);
    if (is_image_trouble(container.waiting))
        return judge_image(judgement, &container, err);
    if (is_start_trouble(container.waiting))
        return judge_start(judgement, &container, err);
    return judge_crash(judgement, &container, err);
}
