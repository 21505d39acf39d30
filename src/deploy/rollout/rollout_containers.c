#include "rollout_private.h"

#include "base/json.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum { RANK_CONFIG = 50, RANK_IMAGE = 48, RANK_CRASH = 45 };

/* What is known of one container of one pod. */
struct container {
    const struct observed *pod;
    const json_t *status;
    const json_t *spec;
    bool init;
    const char *pod_name;
    const char *name;
    const char *image;
    const char *waiting; /* state.waiting.reason or "" */
    const char *message; /* state.waiting.message or "" */
};

static struct container container_of(const struct observed *pod, const json_t *status, bool init) {
    const char *name = text_or_empty(json_text_at(status, "name", NULL));
    const json_t *spec =
        named_in(json_at(pod->object, "spec", init ? "initContainers" : "containers", NULL), name);
    const char *image = json_text_at(spec, "image", NULL);
    return (struct container){
        .pod = pod,
        .status = status,
        .spec = spec,
        .init = init,
        .pod_name = text_or_empty(json_text_at(pod->object, "metadata", "name", NULL)),
        .name = name,
        .image = image != NULL ? image : text_or_empty(json_text_at(status, "image", NULL)),
        .waiting = text_or_empty(json_text_at(status, "state", "waiting", "reason", NULL)),
        .message = text_or_empty(json_text_at(status, "state", "waiting", "message", NULL)),
    };
}

/* ---- words for people ---- */

struct words {
    char subject[192]; /* begins a sentence */
    char object[192];
    char origin[320]; /* where its image and command are set */
};

static void words_of(struct words *out, const struct rollout *rollout,
                     const struct container *container) {
    const char *runtime = rollout->target.runtime;
    if (text_equal(container->name, STORAGE_CONTAINER)) {
        (void)snprintf(out->subject, sizeof(out->subject),
                       "The download of the model (" STORAGE_CONTAINER ")");
        (void)snprintf(out->object, sizeof(out->object),
                       "the download of the model (" STORAGE_CONTAINER ")");
        (void)snprintf(out->origin, sizeof(out->origin),
                       "KServe's storage initializer (ClusterStorageContainer)");
        return;
    }
    bool server = text_equal(container->name, MODEL_CONTAINER);
    (void)snprintf(out->subject, sizeof(out->subject), server ? "The model server" : "Container %s",
                   container->name);
    (void)snprintf(out->object, sizeof(out->object), server ? "the model server" : "container %s",
                   container->name);
    (void)snprintf(out->origin, sizeof(out->origin), "the runtime%s%s",
                   runtime[0] != '\0' ? " " : "", runtime);
}

/* vLLM says which context length would fit: " 40208", else "". */
static void longest_context(char *out, size_t size, const char *text) {
    static const char says[] = "estimated maximum model length is ";
    const char *place = strstr(text, says);
    const char *digits = place != NULL ? place + sizeof(says) - 1 : "";
    size_t length = strspn(digits, "0123456789");
    (void)snprintf(out, size, "%s%.*s", length > 0 ? " " : "", (int)(length < 12 ? length : 12),
                   digits);
}

/* What runc says after containerd's and its own preface, without containerd's ": unknown". */
static char *start_text(const char *message, struct error **err) {
    static const char preface[] = "unable to start container process: ";
    const char *place = strstr(message, preface);
    const char *text = place != NULL ? place + sizeof(preface) - 1 : message;
    size_t length = strlen(text);
    if (text_has_suffix(text, ": unknown"))
        length -= strlen(": unknown");
    return text_copy_bytes(text, length, err);
}

/* The limit of the container's memory, or NULL. */
static const char *memory_limit(const struct container *container) {
    return json_text_at(container->spec, "resources", "limits", "memory", NULL);
}

static int diagnose_container(struct trouble *trouble, const struct rollout *rollout,
                              const struct container *container, const struct diagnosis_rule *rules,
                              size_t count, const char *text, const char *line,
                              struct error **err) {
    struct words words;
    words_of(&words, rollout, container);
    char longest[24];
    longest_context(longest, sizeof(longest), text);
    cleanup_free char *because =
        text_format(err, "%s%s", text_is_empty(line) ? "" : ": ", text_or_empty(line));
    if (because == NULL)
        return -1;
    const struct diagnosis_value values[] = {
        {"Container", words.subject},
        {"container", words.object},
        {"origin", words.origin},
        {"other", text_equal(container->name, STORAGE_CONTAINER) ? "" : OTHER_RUNTIME},
        {"image", container->image},
        {"limit", memory_limit(container)},
        {"line", line},
        {"why", line},
        {"because", because},
        {"longest", longest},
        {"message", container->message},
    };
    return trouble_diagnose(trouble, rollout, rules, count, text, values, array_length(values),
                            err);
}

/* ---- images ---- */

static bool is_among(const char *reason, const char *const *reasons) {
    for (; *reasons != NULL; reasons++)
        if (text_equal(reason, *reasons))
            return true;
    return false;
}

static const char *const image_troubles[] = {
    "ErrImagePull",        "ImagePullBackOff",  "InvalidImageName",          "ErrImageNeverPull",
    "RegistryUnavailable", "ImageInspectError", "SignatureValidationFailed", NULL};

/* What the node said when the pull failed: back-off often repeats only that it failed. */
static const char *pull_text(const struct rollout *rollout, const struct container *container) {
    static const char *const failed[] = {"Failed", NULL};
    const char *uid = text_or_empty(json_text_at(container->pod->object, "metadata", "uid", NULL));
    const char *why = container->pod->pull_message;
    const struct observed_set *events = &rollout->sets[ROLLOUT_EVENT];
    if (why != NULL && (container->image[0] == '\0' || text_contains(why, container->image)))
        return why;
    const char *found = NULL;
    for (size_t i = 0; i < events->count; i++) {
        const char *message = event_message(&events->items[i]);
        if (event_is_about(&events->items[i], uid, failed) &&
            text_contains(message, "pull image") && text_contains(message, container->image) &&
            (found == NULL || strcmp(message, found) > 0))
            found = message;
    }
    return found != NULL ? found : why;
}

/* Image names may hold words of the tables, so that they are cut out of what is looked at. */
static void cut_out(char *text, const char *what) {
    size_t length = strlen(what);
    if (length < 3)
        return;
    for (char *at = strstr(text, what); at != NULL; at = strstr(at, what))
        memmove(at, at + length, strlen(at + length) + 1);
}

/* The end of the chain of errors says most: "rpc error: … : not found". */
static const char *last_link(const char *text) {
    const char *place = strstr(text, "desc = ");
    return place != NULL ? place + strlen("desc = ") : text;
}

static int judge_image(struct judgement *judgement, const struct container *container,
                       struct error **err) {
    const struct rollout *rollout = judgement->rollout;
    const char *why = pull_text(rollout, container);
    cleanup_free char *text =
        text_format(err, "%s %s %s", container->waiting, container->message, text_or_empty(why));
    if (text == NULL)
        return -1;
    cut_out(text, container->image);
    const char *told = text_is_empty(why) ? container->message : why;
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_REPEATED, .rank = RANK_IMAGE};
    if (diagnose_container(&trouble, rollout, container, diagnose_image, diagnose_image_count, text,
                           last_link(told), err) < 0 ||
        evidence_add(&trouble.evidence, err, "container %s of pod %s: %s: %s", container->name,
                     container->pod_name, container->waiting, container->message) < 0)
        return -1;
    if (!text_equal(told, container->message) &&
        evidence_add(&trouble.evidence, err, "container %s of pod %s: %s", container->name,
                     container->pod_name, told) < 0)
        return -1;
    bool again = text_equal(container->waiting, "ImagePullBackOff");
    enum diagnosis_weight weight = trouble.diagnosis.weight;
    bool lasts = !is_pulling(rollout, container->pod, container->image) &&
                 judgement_lasts(judgement, container->pod->trouble_since_ms,
                                 rollout->patience.image_pull_ms);
    trouble.final = weight == DIAGNOSIS_FINAL || (weight == DIAGNOSIS_DECIDED && again) || lasts;
    if (weight == DIAGNOSIS_FINAL)
        trouble.failure = FAILURE_TERMINAL;
    judgement_consider(judgement, &trouble);
    return 0;
}

/* ---- containers that cannot be made ---- */

static const char *const start_troubles[] = {"CreateContainerConfigError",
                                             "CreateContainerError",
                                             "RunContainerError",
                                             "PreStartHookError",
                                             "PreCreateHookError",
                                             "PostStartHookError",
                                             NULL};

static int judge_start(struct judgement *judgement, const struct container *container,
                       struct error **err) {
    const struct rollout *rollout = judgement->rollout;
    cleanup_free char *text = start_text(container->message, err);
    if (text == NULL)
        return -1;
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_REPEATED, .rank = RANK_CONFIG};
    if (diagnose_container(&trouble, rollout, container, diagnose_start, diagnose_start_count, text,
                           NULL, err) < 0 ||
        evidence_add(&trouble.evidence, err, "container %s of pod %s: %s: %s", container->name,
                     container->pod_name, container->waiting, container->message) < 0)
        return -1;
    if (trouble.diagnosis.weight == DIAGNOSIS_FINAL) {
        trouble.final = true;
        trouble.failure = FAILURE_TERMINAL;
    } else if (trouble.diagnosis.weight != DIAGNOSIS_PASSING) {
        trouble.final = judgement_lasts(judgement, container->pod->trouble_since_ms,
                                        rollout->patience.config_error_ms);
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

static bool has_ended_now(const struct container *container) {
    return json_at(container->status, "state", "terminated", NULL) != NULL ||
           text_equal(container->waiting, "CrashLoopBackOff");
}

static int64_t restarts_of(const json_t *status) {
    return count_of(json_integer_at(status, 0, "restartCount", NULL));
}

/* How often it ended badly: each restart followed an end, and it may be ended right now. */
static int64_t crashes_of(const struct container *container, const json_t *end) {
    bool bad = json_integer_at(end, 0, "exitCode", NULL) != 0;
    return restarts_of(container->status) +
           (has_ended_now(container) && (bad || !container->init) ? 1 : 0);
}

/*
 * It crashed while it was watched, or is down now. What runs again since before we looked may have
 * been mended meanwhile: its old crashes alone decide nothing.
 */
static bool crashes_now(const struct container *container) {
    const json_t *then =
        named_in(json_at(container->pod->first, "status",
                         container->init ? "initContainerStatuses" : "containerStatuses", NULL),
                 container->name);
    return has_ended_now(container) || restarts_of(container->status) > restarts_of(then);
}

static int want_logs(struct trouble *trouble, const struct container *container,
                     struct error **err) {
    bool running = json_at(container->status, "state", "running", NULL) != NULL;
    if (strings_add_format(&trouble->wanted_logs, err, "%s/%s/%s", container->pod_name,
                           container->name, running ? "previous" : "current") < 0)
        return -1;
    bool downloaded =
        named_in(json_at(container->pod->object, "status", "initContainerStatuses", NULL),
                 STORAGE_CONTAINER) != NULL;
    return !container->init && downloaded
               ? strings_add_format(&trouble->wanted_logs, err, "%s/" STORAGE_CONTAINER "/current",
                                    container->pod_name)
               : 0;
}

/*
 * The probe for which the node ends the container, as its events say. Each probe that fails while
 * a model loads has one, too: that only counts for a container that was killed.
 */
static const char *probe_of(const struct rollout *rollout, const struct container *container,
                            int64_t exit_code) {
    static const char *const both[] = {"Killing", "Unhealthy", NULL};
    static const char *const killing[] = {"Killing", NULL};
    bool killed = exit_code == 137 || exit_code == 143;
    const char *const *reasons = killed ? both : killing;
    const char *uid = json_text_at(container->pod->object, "metadata", "uid", NULL);
    const struct observed_set *events = &rollout->sets[ROLLOUT_EVENT];
    bool liveness = false;
    for (size_t i = 0; i < events->count; i++) {
        const char *message = event_message(&events->items[i]);
        if (!event_is_about(&events->items[i], uid, reasons))
            continue;
        if (strcasestr(message, "startup probe") != NULL)
            return "startup";
        liveness = liveness || strcasestr(message, "liveness probe") != NULL;
    }
    return liveness ? "liveness" : "";
}

static bool is_start_error(const json_t *end) {
    static const char *const reasons[] = {"StartError", "ContainerCannotRun", NULL};
    return is_among(text_or_empty(json_text_at(end, "reason", NULL)), reasons);
}

/* Exit codes that say more than a log which no table knows. */
static bool is_telling_code(int64_t code) {
    return code == 0 || code == 126 || code == 127 || (code >= 132 && code <= 139) || code == 143;
}

/* TEXT: what the container wrote and its termination message. *LINE: the line that tells why. */
static int diagnose_crash(struct trouble *trouble, const struct rollout *rollout,
                          const struct container *container, const json_t *end, const char *text,
                          const char **place, struct error **err) {
    int64_t exit_code = json_integer_at(end, 0, "exitCode", NULL);
    const char *message = text_or_empty(json_text_at(end, "message", NULL));
    *place = telling_place(text);
    if (text_equal(json_text_at(end, "reason", NULL), "OOMKilled")) {
        cleanup_free char *own = text_format(err, "OOMKilled %s", container->name);
        return own == NULL ? -1
                           : diagnose_container(trouble, rollout, container, diagnose_own,
                                                diagnose_own_count, own, NULL, err);
    }
    if (is_start_error(end)) {
        cleanup_free char *start = start_text(message, err);
        return start == NULL ? -1
                             : diagnose_container(trouble, rollout, container, diagnose_start,
                                                  diagnose_start_count, start, NULL, err);
    }
    const struct diagnosis_rule *rules = container->init ? diagnose_storage : diagnose_server;
    size_t count = container->init ? diagnose_storage_count : diagnose_server_count;
    const struct diagnosis_rule *rule = diagnose_match(rules, count - 1, text);
    if (rule != NULL)
        *place = diagnose_place(rule, text);
    const char *probe = probe_of(rollout, container, exit_code);
    if (rule == NULL && (probe[0] != '\0' || is_telling_code(exit_code))) {
        cleanup_free char *code = text_format(err, "exit %lld; %s", (long long)exit_code, probe);
        return code == NULL ? -1
                            : diagnose_container(trouble, rollout, container, diagnose_exit,
                                                 diagnose_exit_count, code, NULL, err);
    }
    cleanup_free char *line = *place != NULL ? line_at(text, *place, err) : text_copy("", err);
    return line == NULL
               ? -1
               : diagnose_container(trouble, rollout, container, rules, count, text, line, err);
}

static int add_crash_evidence(struct trouble *trouble, const struct rollout *rollout,
                              const struct container *container, const json_t *end,
                              const char *text, const char *place, bool logged,
                              struct error **err) {
    int64_t crashes = crashes_of(container, end);
    const char *message = text_or_empty(json_text_at(end, "message", NULL));
    const char *reason = text_or_empty(json_text_at(end, "reason", NULL));
    if (evidence_add(&trouble->evidence, err,
                     "container %s of pod %s ended %lld time%s, last with exit code %lld%s%s%s",
                     container->name, container->pod_name, (long long)crashes,
                     crashes == 1 ? "" : "s", (long long)json_integer_at(end, 0, "exitCode", NULL),
                     reason[0] != '\0' ? " (" : "", reason, reason[0] != '\0' ? ")" : "") < 0)
        return -1;
    /* KServe's containers put their log's end into the message: lines, too */
    if ((logged || message[0] != '\0') &&
        log_evidence(&trouble->evidence, container->name, text, place, err) < 0)
        return -1;
    const char *download =
        container->init ? NULL : log_text(rollout, container->pod_name, STORAGE_CONTAINER, false);
    if (download != NULL &&
        log_evidence(&trouble->evidence, STORAGE_CONTAINER, download, NULL, err) < 0)
        return -1;
    return logged ? 0 : want_logs(trouble, container, err);
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
    bool running = json_at(container->status, "state", "running", NULL) != NULL;
    const char *log = log_text(rollout, container->pod_name, container->name, running);
    cleanup_free char *text =
        log != NULL
            ? text_format(err, "%s\n%s", text_or_empty(json_text_at(end, "message", NULL)), log)
            : text_copy(text_or_empty(json_text_at(end, "message", NULL)), err);
    if (text == NULL)
        return -1;
    cleanup_trouble struct trouble trouble = {.failure = FAILURE_REPEATED, .rank = RANK_CRASH};
    const char *place = NULL;
    if (diagnose_crash(&trouble, rollout, container, end, text, &place, err) < 0 ||
        add_crash_evidence(&trouble, rollout, container, end, text, place, log != NULL, err) < 0)
        return -1;
    bool memory = text_equal(json_text_at(end, "reason", NULL), "OOMKilled");
    int64_t most =
        memory ? rollout->patience.out_of_memory_kills : rollout->patience.crash_restarts;
    bool decided = crashes >= most || trouble.diagnosis.weight == DIAGNOSIS_FINAL ||
                   (trouble.diagnosis.weight == DIAGNOSIS_DECIDED && crashes >= 2);
    trouble.final = decided && crashes_now(container);
    if (trouble.diagnosis.weight == DIAGNOSIS_FINAL)
        trouble.failure = FAILURE_TERMINAL;
    judgement_consider(judgement, &trouble);
    return 0;
}

int container_judge(struct judgement *judgement, const struct observed *pod, const json_t *status,
                    bool init, struct error **err) {
    const struct container container = container_of(pod, status, init);
    if (is_among(container.waiting, image_troubles))
        return judge_image(judgement, &container, err);
    if (is_among(container.waiting, start_troubles))
        return judge_start(judgement, &container, err);
    return judge_crash(judgement, &container, err);
}
