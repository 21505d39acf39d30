/* Each right that a deploy uses, as the cluster's own authorizer answered. */
#include "preflight_internal.h"

#include "base/json.h"
#include "base/text.h"
#include "kube/resource.h"

static const struct check_subject subject_deploy = {"rights", "deploy", ERROR_REFUSED};
static const struct check_subject subject_diagnostics = {"rights", "diagnostics", ERROR_REFUSED};

bool preflight_needs_right(const struct right *right, const char *verb,
                           const struct inputs *inputs) {
    bool gitlab = inputs->storage_uri[0] == '\0' && inputs->model_git_url[0] == '\0';
    bool has_token = inputs->gitlab_token[0] != '\0' || inputs->gitlab_token_file[0] != '\0';
    if (right->use == RIGHT_PREFLIGHT)
        return false; /* what is not allowed is skipped, and says so */
    if (text_equal(right->resources, "configmaps"))
        return gitlab && inputs->gitlab_base_url[0] == '\0';
    if (text_equal(right->resources, "secrets"))
        return gitlab && !has_token;
    if (text_equal(right->resources, "clusterservingruntimes"))
        return text_equal(verb, inputs->runtime_name[0] != '\0' ? "get" : "list");
    if (text_equal(right->group, "serving.knative.dev"))
        return inputs->serverless;
    return true;
}

/* What the reviews of one use came to. */
struct tally {
    size_t granted;
    struct strings missing; /* "create, patch inferenceservices.serving.kserve.io" */
    bool silent;
    const struct error *unanswered; /* or NULL */
};

static int add_missing(struct tally *tally, const struct right_review *review,
                       const struct strings *verbs, struct error **err) {
    const struct right *right = &rights[review->right];
    cleanup_free char *joined = strings_join(verbs, ", ", err);
    if (joined == NULL)
        return -1;
    bool grouped = right->group[0] != '\0';
    return strings_add_format(&tally->missing, err, "%s %s%s%s%s%s", joined, review->resource,
                              grouped ? "." : "", right->group, right->names != NULL ? " " : "",
                              right->names != NULL ? right->names : "");
}

/* The reviews of one resource, which follow each other, from *AT on. */
static int count_resource(struct tally *tally, const struct cluster_readings *readings, size_t *at,
                          struct error **err) {
    const struct right_review *first = &readings->reviews[*at];
    cleanup_strings struct strings verbs = {.items = NULL};
    for (; *at < readings->review_count; (*at)++) {
        const struct right_review *review = &readings->reviews[*at];
        if (review->right != first->right || !text_equal(review->resource, first->resource))
            break;
        tally->silent |= !review->answered;
        tally->granted += review->allowed ? 1 : 0;
        if (!review->answered)
            tally->unanswered = review->error;
        else if (!review->allowed && strings_add(&verbs, review->verb, err) < 0)
            return -1;
    }
    return verbs.count > 0 ? add_missing(tally, first, &verbs, err) : 0;
}

/* ACCOUNT is the ServiceAccount that asks, or "". */
static int tell(struct checks *checks, const struct tally *tally, enum right_use use,
                const char *account, const struct inputs *inputs, struct error **err) {
    bool deploy = use == RIGHT_DEPLOY;
    const struct check_subject *subject = deploy ? &subject_deploy : &subject_diagnostics;
    if (tally->missing.count > 0) {
        cleanup_free char *missing = strings_join(&tally->missing, "; ", err);
        if (missing == NULL ||
            checks_add(checks, err, subject, deploy ? CHECK_FAIL : CHECK_WARN,
                       deploy ? "this account cannot %s"
                              : "a failed rollout will be explained less well: this account "
                                "cannot %s",
                       missing) < 0)
            return -1;
        bool named = account[0] != '\0' && !text_equal(account, "default");
        return checks_hint(
            checks, err,
            "somebody who may grant rights: deploy-inference-service rbac -n %s%s%s%s "
            "| kubectl apply -f -",
            inputs->namespace_, named ? " --service-account " : "", named ? account : "",
            deploy ? "" : " --diagnostics");
    }
    if (tally->silent)
        return preflight_skip(checks, subject, tally->unanswered,
                              deploy ? "rights" : "rights for diagnosis", err);
    return checks_add(checks, err, subject, CHECK_OK,
                      deploy ? "this account has all %zu rights that the deploy needs"
                             : "this account has all %zu rights to explain a failed rollout",
                      tally->granted);
}

static int check_use(struct checks *checks, const struct cluster_readings *readings,
                     enum right_use use, const struct inputs *inputs, struct error **err) {
    struct tally tally = {.silent = readings->review_count == 0};
    int result = 0;
    for (size_t i = 0; i < readings->review_count && result == 0;) {
        if (rights[readings->reviews[i].right].use == use)
            result = count_resource(&tally, readings, &i, err);
        else
            i++;
    }
    const char *username =
        json_text_at(readings->account.object, "status", "userInfo", "username", NULL);
    if (result == 0)
        result = tell(checks, &tally, use, kube_service_account_of(username, inputs->namespace_),
                      inputs, err);
    strings_free(&tally.missing);
    return result;
}

int preflight_check_rights(struct checks *checks, const struct cluster_readings *readings,
                           const struct inputs *inputs, struct error **err) {
    if (check_use(checks, readings, RIGHT_DEPLOY, inputs, err) < 0)
        return -1;
    return check_use(checks, readings, RIGHT_DIAGNOSTICS, inputs, err);
}
