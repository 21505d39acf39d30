#include "command_wait.h"

#include "base/json.h"
#include "base/text.h"

enum { LONGEST_TRANSCRIPT = 64 * 1024 * 1024 };

/* ---- reading ---- */

/* HEADER is owned, TARGET borrows from it. */
static int read_transcript(struct buffer *text, json_t **header, struct rollout_target *target,
                           const struct application *application, struct error **err) {
    const char *path = application->invocation->settings.replay;
    const struct file_access *files = application->deps->files;
    if (files->read(files->user, text_equal(path, "-") ? "/dev/stdin" : path, text, err) < 0) {
        if (text->too_long)
            error_set_kind(err, ERROR_PARAMETER); /* the user's file, no fault of ours */
        return error_wrap(err, "--replay");
    }
    if (transcript_target(header, target, buffer_text(text), text->length, err) < 0)
        return error_wrap(err, "--replay %s", path);
    return 0;
}

/* ---- what cannot be asked of a record ---- */

/* VALUE, or "" when only the environment has it: that was set for runs on a cluster. */
static const char *named(const struct invocation *invocation, const char *parameter,
                         const char *value) {
    return invocation_has_from_environment(invocation, parameter) ? "" : value;
}

static int check_words(struct application *application, struct error **err) {
    struct invocation *invocation = application->invocation;
    struct problems *problems = &invocation->problems;
    if (invocation->operands.count > 1 &&
        problems_add(problems, err, true, "NAME", "leave the names out",
                     "a record is of one InferenceService, not of %zu",
                     invocation->operands.count) < 0)
        return -1;
    if (invocation->settings.record[0] != '\0' &&
        problems_add(problems, err, true, "record", "leave --record out, or copy the file",
                     "--record and --replay do not go together: nothing new would be recorded") < 0)
        return -1;
    const char *verify = named(invocation, "VERIFY_ENDPOINT", invocation->inputs.verify_endpoint);
    if (verify[0] != '\0' && !text_equal(verify, "false") &&
        problems_add(problems, err, true, "VERIFY_ENDPOINT", "leave VERIFY_ENDPOINT out",
                     "--replay asks no service: VERIFY_ENDPOINT cannot apply") < 0)
        return -1;
    return inputs_check_patience(&invocation->inputs, problems, err);
}

static int check_same(struct problems *problems, const char *parameter, const char *given,
                      const char *recorded, struct error **err) {
    if (given[0] == '\0' || recorded[0] == '\0' || text_equal(given, recorded))
        return 0;
    return problems_add(problems, err, true, parameter, "leave it out: the record has it",
                        "the record is of %s, not of %.80s", recorded, given);
}

static int check_names(struct application *application, const struct rollout_target *target,
                       struct error **err) {
    const struct invocation *invocation = application->invocation;
    const struct strings *operands = &invocation->operands;
    struct problems *problems = &application->invocation->problems;
    const struct inputs *inputs = &invocation->inputs;
    const char *name = operands->count > 0
                           ? operands->items[0]
                           : named(invocation, "INFERENCE_SERVICE_NAME", inputs->name);
    if (operands->count <= 1 && check_same(problems, "NAME", name, target->name, err) < 0)
        return -1;
    return check_same(problems, "NAMESPACE", named(invocation, "NAMESPACE", inputs->namespace_),
                      target->namespace_, err);
}

/* ---- the verdict ---- */

static const char *undecided(const struct verdict *verdict) {
    static const char *const phases[] = {
        [PHASE_ACCEPTED] = "KServe has not acted on the InferenceService yet",
        [PHASE_CREATING] = "there is no pod yet",
        [PHASE_SCHEDULING] = "a pod waits for a node",
        [PHASE_PULLING] = "images are being pulled",
        [PHASE_DOWNLOADING] = "the model is being downloaded",
        [PHASE_LOADING] = "the model server is starting",
        [PHASE_SERVING] = "the new pods are ready, but the InferenceService is not yet",
    };
    if (verdict->state == ROLLOUT_UNKNOWN)
        return "nothing was seen of it";
    return text_is_empty(verdict->cause) ? phases[verdict->phase] : verdict->cause;
}

static int note_target(struct outcome *outcome, const struct rollout_target *target,
                       struct error **err) {
    if (outcome_set(&outcome->name, target->name, err) < 0 ||
        outcome_set(&outcome->namespace_, target->namespace_, err) < 0 ||
        outcome_set(&outcome->runtime, target->runtime, err) < 0)
        return -1;
    return outcome_set(&outcome->storage_uri, target->storage_uri, err);
}

/* 0 when it came to what --for names, as on a cluster. */
static int conclude(const struct verdict *verdict, enum wait_for wait_for, struct error **err) {
    if (wait_for == WAIT_FOR_DELETED)
        return verdict->gone ? 0
                             : error_new(err, ERROR_DEADLINE,
                                         "the record ends before the service was deleted");
    if (verdict->state != ROLLOUT_READY && verdict->state != ROLLOUT_FAILED)
        error_new(err, ERROR_DEADLINE, "the record ends before the rollout was decided: %s",
                  undecided(verdict));
    else if (verdict->state == ROLLOUT_READY && wait_for == WAIT_FOR_FAILED)
        return error_new(err, ERROR_ROLLOUT, "the recorded rollout did not fail: it is ready");
    else if (verdict->state == ROLLOUT_READY || wait_for == WAIT_FOR_FAILED)
        return 0;
    else
        error_new(err, ERROR_ROLLOUT, "the recorded rollout failed: %s", verdict->cause);
    if (!text_is_empty(verdict->hint))
        error_hint(err, "%s", verdict->hint);
    return -1;
}

static int judge(struct application *application, struct outcome *outcome,
                 const struct buffer *text, struct error **err) {
    const struct invocation *invocation = application->invocation;
    enum wait_for wait_for = wait_for_of(invocation->settings.wait_for);
    const struct transcript_options options = {.patience = invocation->inputs.patience,
                                               .until_deleted = wait_for == WAIT_FOR_DELETED};
    struct transcript_end end;
    cleanup_verdict struct verdict verdict = {.state = ROLLOUT_UNKNOWN};
    if (transcript_judge(&verdict, &options, buffer_text(text), text->length, &end, err) < 0)
        return error_wrap(err, "--replay %s", invocation->settings.replay);
    if (end.cut_line > 0)
        log_warning(&application->console->log, "line %zu, the last one, is cut: it is passed over",
                    end.cut_line);
    if (outcome_take_verdict(outcome, &verdict, err) < 0)
        return -1;
    return conclude(&verdict, wait_for, err);
}

int replay_transcript(struct application *application, struct outcome *outcome,
                      struct error **err) {
    if (check_words(application, err) < 0)
        return -1;
    struct problems *problems = &application->invocation->problems;
    cleanup_buffer struct buffer text = BUFFER_INIT(LONGEST_TRANSCRIPT);
    cleanup_json json_t *header = NULL;
    struct rollout_target target = {0};
    cleanup_error struct error *unread = NULL;
    int result = read_transcript(&text, &header, &target, application, &unread);
    if (result < 0 && problems->count == 0)
        return error_take(err, steal_pointer(unread));
    if (result < 0
            ? problems_add(problems, err, true, "replay", unread->hint, "%s", unread->message) < 0
            : check_names(application, &target, err) < 0)
        return -1;
    if (refuse_problems(application, err) < 0 || note_target(outcome, &target, err) < 0)
        return -1;
    return judge(application, outcome, &text, err);
}
