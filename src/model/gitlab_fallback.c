#include "git_internal.h"
#include "gitlab_internal.h"

#include "base/text.h"

#include <string.h>

/* The clone URL of a project. */
static char *git_address(const struct gitlab *gitlab, const char *path, struct error **err) {
    return text_format(err, "%s/%s.git", gitlab->base, path);
}

/* The commit of the wish by Git's list of refs, without any file. */
static int find_ref(struct git_target *target, const struct gitlab *gitlab, const char *address,
                    struct error **err) {
    const struct git_options options = {
        .url = address,
        .username = gitlab->options->username,
        .token = gitlab->options->token,
        .ca_pem = gitlab->options->ca_pem,
        .skip_verification = gitlab->options->skip_verification,
        .request_timeout_ms = gitlab->options->request_timeout_ms,
    };
    cleanup_git_session struct git_session session = {
        .http = gitlab->http,
        .deps = gitlab->deps,
        .deadline_ms = gitlab->deadline_ms,
    };
    if (git_session_start(&session, &options, err) < 0)
        return -1;
    return git_fetch_target(target, NULL, &session, gitlab->request, err);
}

/* README.md by Git itself, at the commit that is already known. */
static int fetch_card(struct model *model, const struct gitlab *gitlab, struct error **err) {
    struct model_request request = *gitlab->request;
    request.repository = model->path;
    request.branch = "";
    request.tag = "";
    request.commit = model->commit;
    const struct git_options options = {
        .url = model->git_url,
        .username = gitlab->options->username,
        .token = gitlab->options->token,
        .ca_pem = gitlab->options->ca_pem,
        .skip_verification = gitlab->options->skip_verification,
        .request_timeout_ms = gitlab->options->request_timeout_ms,
    };
    cleanup_model struct model fetched = {0};
    if (git_resolve(&fetched, &request, &options, gitlab->http, gitlab->deps, gitlab->deadline_ms,
                    err) < 0)
        return -1;
    model->files = steal_pointer(fetched.files);
    if (model_set(&model->pipeline_tag, fetched.pipeline_tag, err) < 0 ||
        model_set(&model->library_name, fetched.library_name, err) < 0)
        return -1;
    return model_set(&model->card_origin, fetched.card_origin, err);
}

/* The end of the run, a card that says the wrong thing and a ref that is not there are final; a
 * server's refusal is not. */
static bool is_final(const struct error *problem) {
    return problem->kind == ERROR_CANCELED || problem->kind == ERROR_DEADLINE ||
           (problem->kind == ERROR_MODEL && problem->http_status == 0);
}

static int take_card(struct model *model, const struct gitlab *gitlab, const char *path,
                     struct error **err) {
    if (!model_needs_card(gitlab->request))
        return model_take_overrides(model, gitlab->request, err);
    cleanup_free char *key = text_percent_encode(path, err);
    if (key == NULL)
        return -1;
    cleanup_error struct error *problem = NULL;
    if (gitlab_read_card(model, gitlab, key, "", &problem) == 0)
        return 0;
    return is_final(problem) ? error_take(err, steal_pointer(problem))
                             : fetch_card(model, gitlab, err);
}

static int add_warning(struct model *model, const struct error *reason, struct error **err) {
    return strings_add_format(
        &model->warnings, err,
        "the project was read by Git's own protocol, so its id is not known (%s)", reason->message);
}

static int try_path(struct model *out, const struct gitlab *gitlab, const char *path,
                    const struct error *reason, struct error **err) {
    cleanup_free char *address = git_address(gitlab, path, err);
    cleanup_git_target struct git_target target = {0};
    cleanup_model struct model model = {0};
    if (address == NULL || find_ref(&target, gitlab, address, err) < 0 ||
        git_fill_model(&model, &target, path, address, err) < 0 ||
        take_card(&model, gitlab, path, err) < 0 || add_warning(&model, reason, err) < 0)
        return -1;
    *out = model;
    model = (struct model){0};
    return 0;
}

int gitlab_resolve_by_git(struct model *out, struct gitlab *gitlab,
                          const struct strings *candidates, struct error *reason,
                          struct error **err) {
    cleanup_error struct error *first = reason;
    log_debug(gitlab->deps->log, "GitLab's API: %s; trying Git's own protocol", first->message);
    model_clean_error(&first, gitlab->options->token);
    if (git_library_start(err) < 0)
        return -1;
    int result = -1;
    for (size_t i = 0; i < candidates->count && result < 0; i++) {
        cleanup_error struct error *problem = NULL;
        result = try_path(out, gitlab, candidates->items[i], first, &problem);
        if (result < 0 && is_final(problem)) {
            error_take(err, steal_pointer(problem));
            break;
        }
    }
    git_library_stop();
    if (result < 0)
        error_take(err, steal_pointer(first));
    return result;
}
