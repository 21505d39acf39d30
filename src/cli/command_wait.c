#include "command_wait.h"

#include "base/text.h"
#include "cli/record_file.h"
#include "cli/report.h"
#include "deploy/names.h"

enum wait_for wait_for_of(const char *state) {
    return text_equal(state, "deleted")  ? WAIT_FOR_DELETED
           : text_equal(state, "failed") ? WAIT_FOR_FAILED
                                         : WAIT_FOR_READY;
}

/* The name is the operand, as kubectl has it, or INFERENCE_SERVICE_NAME. */
static const char *service_name(const struct invocation *invocation) {
    const struct strings *operands = &invocation->operands;
    return operands->count > 0 ? operands->items[0] : invocation->inputs.name;
}

/* Adds what is wrong with the words and the names to the problems. -1 only without memory. */
static int check_words(struct application *application, struct error **err) {
    struct invocation *invocation = application->invocation;
    struct problems *problems = &invocation->problems;
    const char *name = service_name(invocation);
    const char *namespace_ = invocation->inputs.namespace_;
    if (invocation->operands.count > 1 &&
        problems_add(problems, err, true, "NAME", "run it once for each",
                     "wait takes one name, not %zu", invocation->operands.count) < 0)
        return -1;
    if (name[0] == '\0' &&
        problems_add(problems, err, true, "NAME", "deploy-inference-service wait NAME -n NAMESPACE",
                     "wait needs the name of an InferenceService") < 0)
        return -1;
    if (name[0] != '\0' && !name_is_dns_1035_label(name) &&
        problems_add(
            problems, err, true, "NAME", "kubectl get inferenceservices lists them",
            "\"%.80s\" is no name of an InferenceService: a-z, 0-9 and '-', beginning with "
            "a letter and not ending with '-'",
            name) < 0)
        return -1;
    if (namespace_[0] == '\0' || name_is_dns_label(namespace_))
        return 0;
    return problems_add(problems, err, true, "NAMESPACE", "kubectl get namespaces lists them",
                        "NAMESPACE \"%.80s\" is no name of a namespace", namespace_);
}

static int wait_on_cluster(struct application *application, struct outcome *outcome,
                           struct error **err) {
    const struct invocation *invocation = application->invocation;
    if (check_words(application, err) < 0 ||
        inputs_check_verify(&application->invocation->inputs, &application->invocation->problems,
                            err) < 0 ||
        inputs_check_patience(&application->invocation->inputs, &application->invocation->problems,
                              err) < 0 ||
        refuse_problems(application, err) < 0)
        return -1;
    cleanup_session struct session session = {0};
    if (connect_session(&session, application, err) < 0)
        return -1;
    cleanup_record_file struct record_file record = {.stream = NULL};
    if (record_file_open(&record, invocation->settings.record, err) < 0)
        return -1;
    const struct wait_options options = {
        .session = &session,
        .name = service_name(invocation),
        .namespace_ = invocation->inputs.namespace_,
        .wait_for = wait_for_of(invocation->settings.wait_for),
        .inputs = &invocation->inputs,
        .observer = application->observer,
        .deps = application->deps,
        .deadline_ms = application->started_ms + invocation->inputs.timeout_ms,
        .record = record.stream != NULL ? record_file_line : NULL,
        .record_user = &record,
    };
    int result = wait_for_service(outcome, &options, err);
    outcome->took_ms = clock_now(application->deps->clock) - application->started_ms;
    return result;
}

int command_wait(struct application *application, struct error **err) {
    cleanup_outcome struct outcome outcome = {.state = OUTCOME_FAILED};
    if (report_check(application, err) < 0 || outcome_init(&outcome, err) < 0)
        return -1;
    struct error *failure = NULL;
    bool replay = application->invocation->settings.replay[0] != '\0';
    int result = replay ? replay_transcript(application, &outcome, &failure)
                        : wait_on_cluster(application, &outcome, &failure);
    return report(application, &outcome, result, failure, err);
}
