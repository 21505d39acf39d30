#include "deploy/prepare.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/resolve_model.h"
#include "model/git.h"

#include <stdio.h>

static int hash_with_git(void *user, char out[65], const void *data, size_t length,
                         struct error **err) {
    (void)user;
    (void)err;
    git_hash_blob(out, data, length);
    return 0;
}

const struct hasher hasher_git = {.hash = hash_with_git};

static void show_all(const struct observer *observer, const struct strings *warnings) {
    for (size_t i = 0; i < warnings->count; i++)
        observer->warning(observer->user, warnings->items[i]);
}

static const char *kserve_text(enum kserve_generation kserve) {
    switch (kserve) {
    case KSERVE_LEGACY_MODES:
        return "KServe 0.15 or earlier";
    case KSERVE_NEW_MODES:
        return "KServe 0.16 or later";
    case KSERVE_UNKNOWN:
        break;
    }
    return "KServe of unknown version";
}

static int read_cluster(struct preparation *out, const struct prepare_context *context,
                        struct error **err) {
    const struct observer *observer = context->observer;
    observer->begin(observer->user, STAGE_CLUSTER, "asking the cluster");
    if (cluster_facts_read(&out->facts, context->session, context->inputs, context->deps,
                           context->deadline_ms, err) < 0)
        return -1;
    cleanup_free char *found = text_format(err, "%s; %s/%s %s", kserve_text(out->facts.kserve),
                                           context->inputs->namespace_, context->inputs->name,
                                           out->facts.live != NULL ? "exists" : "is new");
    if (found == NULL)
        return -1;
    show_all(observer, &out->facts.warnings);
    observer->end(observer->user, STAGE_CLUSTER, found);
    return 0;
}

/* Which way was taken to the model, for people. Owned; NULL with an error. */
static char *way_to_model(const struct inputs *inputs, const struct gitlab_access *access,
                          struct error **err) {
    if (inputs->storage_uri[0] != '\0')
        return text_copy("STORAGE_URI, no repository asked", err);
    if (inputs->model_git_url[0] != '\0')
        return text_copy("MODEL_GIT_URL", err);
    return text_format(err, "GitLab of %s", access->origin);
}

static int read_model(struct preparation *out, const struct prepare_context *context,
                      struct error **err) {
    const struct observer *observer = context->observer;
    observer->begin(observer->user, STAGE_MODEL, "resolving the model");
    if (model_init(&out->model, err) < 0)
        return -1;
    if (context->inputs->gitlab_skip_verification)
        observer->warning(observer->user,
                          "GITLAB_INSECURE_SKIP_TLS_VERIFY is true: GitLab's certificate is not "
                          "checked, anyone on the way can read the token");
    struct model model = {0};
    if (resolve_model(&model, context->inputs, &out->facts.gitlab, context->session->http,
                      context->request_timeout_ms, context->deps, context->deadline_ms, err) < 0) {
        model_free(&model);
        return -1;
    }
    model_free(&out->model);
    out->model = model;
    bool has_commit = out->model.commit[0] != '\0';
    cleanup_free char *way = way_to_model(context->inputs, &out->facts.gitlab, err);
    if (way == NULL)
        return -1;
    cleanup_free char *found =
        text_format(err, "%s%s%.12s%s%s%s; %s, %s (from %s); by %s",
                    has_commit ? out->model.path : out->model.storage_uri, has_commit ? " at " : "",
                    out->model.commit, out->model.branch[0] != '\0' ? ", branch " : "",
                    out->model.branch, out->model.tag[0] != '\0' ? ", by its tag" : "",
                    out->model.pipeline_tag, out->model.library_name, out->model.card_origin, way);
    if (found == NULL)
        return -1;
    show_all(observer, &out->model.warnings);
    observer->end(observer->user, STAGE_MODEL, found);
    return 0;
}

int prepare_plan(struct preparation *out, const struct prepare_context *context,
                 struct error **err) {
    const struct observer *observer = context->observer;
    observer->begin(observer->user, STAGE_PLAN, "planning");
    out->plan_facts = (struct plan_facts){
        .live = out->facts.live, .kserve = out->facts.kserve, .runtimes = out->facts.runtimes};
    if (plan_make(&out->plan, context->inputs, &out->model, &out->plan_facts, err) < 0)
        return -1;
    if (cluster_complete_runtime(&out->plan.runtime, &out->facts, context->session,
                                 context->deadline_ms, err) < 0 ||
        cluster_take_shadow(&out->plan.runtime, &out->facts, context->inputs,
                            out->model.library_name, err) < 0)
        return -1;
    if (render(&out->document, &out->plan, &out->plan_facts, &hasher_git, err) < 0)
        return -1;
    for (size_t i = 0; i < out->plan.notices.count; i++)
        observer->notice(observer->user, out->plan.notices.items[i]);
    show_all(observer, &out->plan.runtime.warnings);
    show_all(observer, &out->document.warnings);
    cleanup_free char *found = text_format(err, "%s %s/%s with runtime %s, mode %s",
                                           out->plan.action == PLAN_CREATE ? "create" : "update",
                                           context->inputs->namespace_, context->inputs->name,
                                           out->plan.runtime.name, out->plan.deployment_mode);
    if (found == NULL)
        return -1;
    observer->end(observer->user, STAGE_PLAN, found);
    return 0;
}

int prepare(struct preparation *out, const struct prepare_context *context, struct error **err) {
    if (read_cluster(out, context, err) < 0)
        return -1;
    if (read_model(out, context, err) < 0)
        return -1;
    return prepare_plan(out, context, err);
}

void preparation_free(struct preparation *preparation) {
    document_free(&preparation->document);
    plan_free(&preparation->plan);
    model_free(&preparation->model);
    cluster_facts_free(&preparation->facts);
}
