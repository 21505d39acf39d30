#include "inputs_check.h"

#include "base/text.h"

#include <string.h>

int inputs_replace(char **field, const char *text, struct error **err) {
    char *copy = text_copy(text, err);
    if (copy == NULL)
        return -1;
    free(*field);
    *field = copy;
    return 0;
}

bool inputs_is_refused(const struct problems *problems, const char *parameter) {
    for (size_t i = 0; i < problems->count; i++)
        if (problems->items[i].is_error && text_equal(problems->items[i].parameter, parameter))
            return true;
    return false;
}

/* What is not UTF-8 cannot be sent as JSON. */
static int check_encoding(const struct inputs *inputs, struct problems *problems,
                          struct error **err) {
    const struct {
        const char *parameter;
        const char *text;
    } texts[] = {
        {"INFERENCE_SERVICE_DESCRIPTION", inputs->description},
        {"MODEL_REPO_BRANCH", inputs->branch},
        {"MODEL_REPO_TAG", inputs->tag},
        {"PIPELINE_TAG", inputs->pipeline_tag},
        {"LIBRARY_NAME", inputs->library_name},
        {"STORAGE_URI", inputs->storage_uri},
        {"ENV", inputs->env},
        {"PIPELINE_RUN", inputs->pipeline_run},
    };
    for (size_t i = 0; i < array_length(texts); i++)
        if (!text_is_utf8(texts[i].text, strlen(texts[i].text)) &&
            !inputs_is_refused(problems, texts[i].parameter) &&
            problems_add(problems, err, true, texts[i].parameter, "save the text as UTF-8",
                         "%s is not UTF-8 text", texts[i].parameter) < 0)
            return -1;
    return 0;
}

int inputs_check(struct inputs *inputs, struct problems *problems, struct error **err) {
    if (check_encoding(inputs, problems, err) < 0)
        return -1;
    if (inputs_check_service(inputs, problems, err) < 0)
        return -1;
    if (inputs_check_model(inputs, problems, err) < 0)
        return -1;
    if (inputs_check_quantities(inputs, problems, err) < 0)
        return -1;
    if (inputs_check_limits(inputs, problems, err) < 0)
        return -1;
    if (inputs_check_gpu(inputs, problems, err) < 0)
        return -1;
    if (inputs_check_verify(inputs, problems, err) < 0)
        return -1;
    if (inputs_check_patience(inputs, problems, err) < 0)
        return -1;
    return inputs_check_env(inputs, problems, err);
}
