#include "cli/preview.h"

int preview_prepare(struct preparation *out, const struct session *session,
                    struct application *application, struct error **err) {
    struct invocation *invocation = application->invocation;
    const struct prepare_context context = {
        .session = session,
        .inputs = &invocation->inputs,
        .observer = application->observer,
        .deps = application->deps,
        .request_timeout_ms = invocation->settings.request_timeout_ms,
    };
    bool only_create = !invocation->inputs.update_if_exists;
    invocation->inputs.update_if_exists = true;
    if (prepare(out, &context, err) < 0)
        return -1;
    if (only_create && out->facts.live != NULL)
        application->observer->notice(
            application->observer->user,
            "the InferenceService exists and UPDATE_IF_EXISTS is false: deploy would refuse this");
    return 0;
}
