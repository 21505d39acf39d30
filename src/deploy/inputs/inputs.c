#include "deploy/inputs.h"

#include "base/text.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

/* Where the texts of struct inputs are. */
static const size_t text_offsets[] = {
    offsetof(struct inputs, name),
    offsetof(struct inputs, description),
    offsetof(struct inputs, model_repo),
    offsetof(struct inputs, branch),
    offsetof(struct inputs, tag),
    offsetof(struct inputs, runtime_name),
    offsetof(struct inputs, runtime_class),
    offsetof(struct inputs, ephemeral_storage_size),
    offsetof(struct inputs, pvc_name),
    offsetof(struct inputs, cpu_request),
    offsetof(struct inputs, memory_request),
    offsetof(struct inputs, cpu_limit),
    offsetof(struct inputs, memory_limit),
    offsetof(struct inputs, gpu_count),
    offsetof(struct inputs, gpu_cores),
    offsetof(struct inputs, gpu_memory),
    offsetof(struct inputs, nvidia_gpu),
    offsetof(struct inputs, namespace_),
    offsetof(struct inputs, commit),
    offsetof(struct inputs, pipeline_tag),
    offsetof(struct inputs, library_name),
    offsetof(struct inputs, model_git_url),
    offsetof(struct inputs, model_dir),
    offsetof(struct inputs, storage_uri),
    offsetof(struct inputs, resource_limits),
    offsetof(struct inputs, env),
    offsetof(struct inputs, deployment_strategy),
    offsetof(struct inputs, verify_endpoint),
    offsetof(struct inputs, verify_model),
    offsetof(struct inputs, verify_ca_file),
    offsetof(struct inputs, verify_server_name),
    offsetof(struct inputs, verify_certificate_file),
    offsetof(struct inputs, verify_key_file),
    offsetof(struct inputs, gitlab_base_url),
    offsetof(struct inputs, gitlab_token),
    offsetof(struct inputs, gitlab_token_file),
    offsetof(struct inputs, gitlab_ca_file),
    offsetof(struct inputs, patience),
    offsetof(struct inputs, pipeline_run),
};

static char **text_at(struct inputs *inputs, size_t index) {
    return (char **)(void *)((char *)inputs + text_offsets[index]);
}

int inputs_init(struct inputs *inputs, struct error **err) {
    for (size_t i = 0; i < array_length(text_offsets); i++) {
        char *empty = text_copy("", err);
        if (empty == NULL)
            return -1;
        *text_at(inputs, i) = empty;
    }
    return 0;
}

void inputs_free(struct inputs *inputs) {
    secret_free(steal_pointer(inputs->gitlab_token));
    for (size_t i = 0; i < array_length(text_offsets); i++)
        free(*text_at(inputs, i));
    strings_free(&inputs->limit_names);
    strings_free(&inputs->limit_values);
    strings_free(&inputs->env_names);
    strings_free(&inputs->env_values);
    *inputs = (struct inputs){0};
}

static void problem_free(struct problem *problem) {
    free(problem->parameter);
    free(problem->message);
    free(problem->hint);
}

int problems_add(struct problems *problems, struct error **err, bool is_error,
                 const char *parameter, const char *hint, const char *format, ...) {
    struct problem problem = {.is_error = is_error};
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&problem.message, format, arguments);
    va_end(arguments);
    if (length < 0)
        return error_no_memory(err);
    text_make_printable(problem.message);

    struct problem *items = realloc(problems->items, (problems->count + 1) * sizeof(*items));
    if (items != NULL)
        problems->items = items;
    problem.parameter = text_copy(parameter, err);
    problem.hint = text_copy(hint, err);
    bool complete =
        items != NULL && problem.parameter != NULL && (hint == NULL || problem.hint != NULL);
    if (!complete) {
        problem_free(&problem);
        return error_no_memory(err);
    }
    problems->items[problems->count++] = problem;
    problems->errors += is_error ? 1 : 0;
    return 0;
}

int problems_add_missing(struct problems *problems, struct error **err, const char *parameter,
                         const char *hint, const char *message) {
    if (problems->skip_missing)
        return 0;
    return problems_add(problems, err, true, parameter, hint, "%s", message);
}

void problems_free(struct problems *problems) {
    for (size_t i = 0; i < problems->count; i++)
        problem_free(&problems->items[i]);
    free(problems->items);
    *problems = (struct problems){0};
}
