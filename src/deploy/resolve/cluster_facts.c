#include "deploy/cluster_facts.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/kserve_absence.h"
#include "deploy/quantity.h"

#include <string.h>

enum {
    RUNTIME_PAGE = 50,
    SHADOW_PAGE = 500, /* more in one namespace are not looked at */
    LONGEST_TOKEN_FILE = 4096,
    LONGEST_CA_FILE = 1024 * 1024,
    ANSWER_LIMIT = 8 * 1024 * 1024,
};

/* The requests of the batch, by what they are for. The first three are always asked, in this order.
 */
enum question { LIVE, RUNTIME, PROBE, SHADOWS, CLAIM, CONFIG_MAP, SECRET, QUESTIONS };

struct batch {
    struct kube_request requests[QUESTIONS];
    struct kube_answer answers[QUESTIONS];
    enum question asked[QUESTIONS];
    size_t count;
    char *live_query;
    char *runtime_query;
    char *probe_body;
    char *shadow_query;
};

static void batch_free(struct batch *batch) {
    for (size_t i = 0; i < QUESTIONS; i++)
        kube_answer_free(&batch->answers[i]);
    free(batch->live_query);
    free(batch->runtime_query);
    free(batch->probe_body);
    free(batch->shadow_query);
}

static struct kube_answer *answer_to(struct batch *batch, enum question question) {
    for (size_t i = 0; i < batch->count; i++)
        if (batch->asked[i] == question)
            return &batch->answers[i];
    return NULL;
}

static void ask(struct batch *batch, enum question question, const struct kube_request *request) {
    batch->asked[batch->count] = question;
    batch->requests[batch->count++] = *request;
}

static bool needs_gitlab(const struct inputs *inputs) {
    return inputs->storage_uri[0] == '\0' && inputs->model_git_url[0] == '\0';
}

static char *runtime_selector(const struct inputs *inputs, struct error **err) {
    cleanup_free char *class_ = text_percent_encode(inputs->runtime_class, err);
    return class_ != NULL
               ? text_format(err, "labelSelector=cpaas.io%%2Fruntime-class%%3D%s", class_)
               : NULL;
}

static int ask_for_runtime(struct batch *batch, const struct inputs *inputs, struct error **err) {
    if (inputs->runtime_name[0] != '\0') {
        ask(batch, RUNTIME,
            &(struct kube_request){.verb = "get",
                                   .resource = &kube_cluster_serving_runtimes,
                                   .name = inputs->runtime_name});
        return 0;
    }
    cleanup_free char *selector = runtime_selector(inputs, err);
    batch->runtime_query = selector != NULL ? kube_list_query(selector, RUNTIME_PAGE, err) : NULL;
    if (batch->runtime_query == NULL)
        return -1;
    ask(batch, RUNTIME,
        &(struct kube_request){.verb = "list",
                               .resource = &kube_cluster_serving_runtimes,
                               .query = batch->runtime_query,
                               .body_limit = ANSWER_LIMIT});
    return 0;
}

/* By name where it is known, so that no more rights are needed than for one. */
static int ask_for_shadows(struct batch *batch, const struct inputs *inputs, struct error **err) {
    bool by_name = inputs->runtime_name[0] != '\0';
    batch->shadow_query = by_name ? NULL : kube_list_query(NULL, SHADOW_PAGE, err);
    if (!by_name && batch->shadow_query == NULL)
        return -1;
    ask(batch, SHADOWS,
        &(struct kube_request){.verb = by_name ? "get" : "list",
                               .resource = &kube_serving_runtimes,
                               .namespace_ = inputs->namespace_,
                               .name = by_name ? inputs->runtime_name : NULL,
                               .query = batch->shadow_query,
                               .body_limit = ANSWER_LIMIT});
    return 0;
}

static int fill_batch(struct batch *batch, const struct inputs *inputs,
                      const struct gitlab_access *access, struct error **err) {
    batch->live_query = text_format(err, "fieldSelector=metadata.name%%3D%s", inputs->name);
    if (batch->live_query == NULL)
        return -1;
    ask(batch, LIVE,
        &(struct kube_request){.verb = "list",
                               .resource = &kube_inference_services,
                               .namespace_ = inputs->namespace_,
                               .query = batch->live_query});
    if (ask_for_runtime(batch, inputs, err) < 0)
        return -1;
    struct kube_request probe = {0};
    if (kserve_probe_request(&probe, &batch->probe_body, inputs->namespace_, err) < 0)
        return -1;
    ask(batch, PROBE, &probe);
    if (inputs->pvc_name[0] != '\0' && inputs->model_check != MODEL_CHECK_OFF)
        ask(batch, CLAIM,
            &(struct kube_request){.verb = "get",
                                   .resource = &kube_persistent_volume_claims,
                                   .namespace_ = inputs->namespace_,
                                   .name = inputs->pvc_name});
    if (!needs_gitlab(inputs))
        return 0;
    if (access->base_url[0] == '\0')
        ask(batch, CONFIG_MAP,
            &(struct kube_request){.verb = "get",
                                   .resource = &kube_config_maps,
                                   .namespace_ = inputs->namespace_,
                                   .name = "aml-image-builder-config"});
    if (access->token[0] == '\0')
        ask(batch, SECRET,
            &(struct kube_request){.verb = "get",
                                   .resource = &kube_secrets,
                                   .namespace_ = inputs->namespace_,
                                   .name = "aml-image-builder-secret"});
    return 0;
}

/* ---- GitLab access from the parameters ---- */

static int read_token_file(struct gitlab_access *access, const char *path, const struct deps *deps,
                           struct error **err) {
    struct buffer content = BUFFER_INIT(LONGEST_TOKEN_FILE);
    content.secret = true;
    int result = deps->files->read(deps->files->user, path, &content, err);
    if (result == 0) {
        while (content.length > 0 && strchr(" \r\n\t", content.data[content.length - 1]) != NULL)
            content.data[--content.length] = '\0';
        if (content.length == 0) {
            error_new(err, ERROR_PARAMETER, "%s is empty", path);
            error_hint(err, "write the token into it, or leave GITLAB_TOKEN_FILE out");
        }
        char *token = content.length > 0 ? buffer_steal(&content, path, err) : NULL;
        result = token != NULL ? 0 : -1;
        if (token != NULL) {
            secret_free(access->token);
            access->token = token;
        }
    }
    buffer_free(&content);
    return result < 0 ? error_wrap(err, "GITLAB_TOKEN_FILE") : 0;
}

static int access_from_inputs(struct gitlab_access *access, const struct inputs *inputs,
                              const struct deps *deps, struct error **err) {
    access->base_url = text_copy(inputs->gitlab_base_url, err);
    access->token = text_copy(inputs->gitlab_token, err);
    access->origin = text_copy("GITLAB_BASE_URL", err);
    if (access->base_url == NULL || access->token == NULL || access->origin == NULL)
        return -1;
    if (access->token[0] == '\0' && inputs->gitlab_token_file[0] != '\0' &&
        read_token_file(access, inputs->gitlab_token_file, deps, err) < 0)
        return -1;
    if (inputs->gitlab_ca_file[0] == '\0')
        return 0;
    access->ca_pem = file_read_text(deps->files, inputs->gitlab_ca_file, LONGEST_CA_FILE, err);
    if (access->ca_pem == NULL)
        return error_wrap(err, "GITLAB_CA_FILE");
    if (strstr(access->ca_pem, "CERTIFICATE-----") == NULL)
        return error_new(err, ERROR_PARAMETER, "GITLAB_CA_FILE: %s holds no PEM certificate",
                         inputs->gitlab_ca_file);
    return 0;
}

/* ---- reading the answers ---- */

/* On a developer's machine the clone's remote and Git's own login can stand in for these. */
static bool may_be_missing(enum question question, const struct inputs *inputs) {
    bool by_hand = inputs->model_dir[0] != '\0';
    return (question == CONFIG_MAP && by_hand) ||
           (question == SECRET && (by_hand || inputs->gitlab_base_url[0] != '\0'));
}

/* Every refusal of the batch in one message, so that all missing rights are seen in one run. */
static int first_errors(struct batch *batch, const struct inputs *inputs, struct error **err) {
    struct strings refused = {.items = NULL};
    struct error *first = NULL;
    int result = 0;
    for (size_t i = 0; i < batch->count && result == 0; i++) {
        struct error *error = batch->answers[i].error;
        bool not_found = error != NULL && error->http_status == 404;
        bool no_right = error != NULL && error->http_status == 403;
        bool optional =
            batch->asked[i] == PROBE || batch->asked[i] == CLAIM || batch->asked[i] == SHADOWS;
        if (error == NULL || not_found || optional ||
            (no_right && may_be_missing(batch->asked[i], inputs)))
            continue;
        if (first == NULL)
            first = steal_pointer(batch->answers[i].error);
        else if (error->http_status == 403 && first->http_status == 403)
            result = strings_add(&refused, error->message, err);
    }
    cleanup_free char *more = strings_join(&refused, "; ", NULL);
    if (first != NULL && refused.count > 0 && more != NULL) {
        char *joined = text_format(NULL, "%s; %s", first->message, more);
        if (joined != NULL) {
            free(first->message);
            first->message = joined;
        }
    }
    strings_free(&refused);
    return first != NULL ? error_take(err, first) : result;
}

static int read_live(struct cluster_facts *out, const struct kube_answer *answer,
                     const char *namespace_, struct error **err) {
    if (answer->error != NULL) {
        error_new(
            err, ERROR_REFUSED,
            "the cluster does not know InferenceServices (serving.kserve.io/v1beta1), asked for "
            "namespace %s: KServe is not installed",
            namespace_);
        return error_hint(err,
                          "install KServe 0.14 or later; check that kubeconfig and context name "
                          "the right cluster");
    }
    json_t *items = json_at(answer->object, "items", NULL);
    out->live = json_incref(json_array_get(items, 0));
    out->list_resource_version =
        text_copy(json_text_at(answer->object, "metadata", "resourceVersion", NULL), err);
    if (out->list_resource_version == NULL)
        return error_new(err, ERROR_INTERNAL,
                         "the list of InferenceServices has no resourceVersion");
    /* items of a list come without them; the apply compares whole objects */
    if (out->live != NULL &&
        (json_set_text(out->live, "apiVersion", "serving.kserve.io/v1beta1", err) < 0 ||
         json_set_text(out->live, "kind", "InferenceService", err) < 0))
        return -1;
    return 0;
}

/* Leaves what choosing needs; the containers of hundreds of runtimes would cost megabytes. */
static json_t *partial_runtime(const json_t *runtime) {
    json_t *spec = json_at(runtime, "spec", NULL);
    const char *container = json_text_at(runtime_container(runtime), "name", NULL);
    json_t *worker = json_object_get(spec, "workerSpec") != NULL ? json_object() : NULL;
    return json_pack("{s:{s:O*, s:O*, s:O*}, s:{s:O*, s:O*, s:O*, s:O*, s:o*, s:[{s:s}]}}",
                     "metadata", "name", json_at(runtime, "metadata", "name", NULL), "labels",
                     json_at(runtime, "metadata", "labels", NULL), "annotations",
                     json_at(runtime, "metadata", "annotations", NULL), "spec",
                     "supportedModelFormats", json_object_get(spec, "supportedModelFormats"),
                     "protocolVersions", json_object_get(spec, "protocolVersions"), "disabled",
                     json_object_get(spec, "disabled"), "multiModel",
                     json_object_get(spec, "multiModel"), "workerSpec", worker, "containers",
                     "name", container != NULL ? container : "");
}

static int add_partial(void *user, json_t *runtime) {
    return json_array_append_new(user, partial_runtime(runtime));
}

/* What could not be read is taken for none: the run needs no right to look. */
static int read_shadows(struct cluster_facts *out, const struct kube_answer *answer,
                        struct error **err) {
    if (answer == NULL || answer->object == NULL)
        return 0;
    json_t *items = json_object_get(answer->object, "items");
    out->shadows = json_is_array(items) ? json_incref(items) : json_pack("[O]", answer->object);
    return out->shadows != NULL ? 0 : error_no_memory(err);
}

static const json_t *shadow_named(const struct cluster_facts *facts, const char *name) {
    size_t index = 0;
    const json_t *shadow = NULL;
    json_array_foreach(
        facts->shadows, index,
        shadow) if (text_equal(json_text_at(shadow, "metadata", "name", NULL), name)) return shadow;
    return NULL;
}

/* A runtime that only the namespace has is no shadow: KServe takes it, so we do. */
static int take_only_shadow(struct cluster_facts *out, const struct inputs *inputs,
                            struct error **err) {
    const json_t *only = shadow_named(out, inputs->runtime_name);
    if (only == NULL)
        return 0;
    json_t *runtime = json_deep_copy(only);
    json_decref(out->shadows);
    out->shadows = NULL;
    return runtime != NULL && json_array_append_new(out->runtimes, runtime) == 0
               ? 0
               : error_no_memory(err);
}

/* The first page came with the batch; most clusters have no second. */
static int read_runtimes(struct cluster_facts *out, const struct session *session,
                         const struct inputs *inputs, struct kube_answer *answer,
                         int64_t deadline_ms, struct error **err) {
    out->runtimes = json_array();
    if (out->runtimes == NULL)
        return error_no_memory(err);
    if (answer->error != NULL) /* 404: plan says what is missing, or the namespace has it */
        return take_only_shadow(out, inputs, err);
    if (inputs->runtime_name[0] != '\0')
        return json_array_append(out->runtimes, answer->object) == 0 ? 0 : error_no_memory(err);

    const char *more = json_text_at(answer->object, "metadata", "continue", NULL);
    if (text_is_empty(more))
        return json_array_extend(out->runtimes, json_at(answer->object, "items", NULL)) == 0
                   ? 0
                   : error_no_memory(err);

    out->runtimes_are_partial = true;
    cleanup_free char *selector = runtime_selector(inputs, err);
    if (selector == NULL)
        return -1;
    const struct kube_list_request list = {.resource = &kube_cluster_serving_runtimes,
                                           .selectors = selector,
                                           .page = RUNTIME_PAGE,
                                           .first = steal_pointer(answer->object)};
    if (kube_list_each(session->kube, &list, deadline_ms, add_partial, out->runtimes, err) < 0)
        return err != NULL && *err != NULL ? -1 : error_no_memory(err);
    return 0;
}

static int need_found(const struct kube_answer *answer, const char *what, const char *parameter,
                      const char *namespace_, struct error **err) {
    if (answer == NULL || answer->error == NULL)
        return 0;
    error_new(err, ERROR_MODEL, "there is no %s in namespace %s, so %s is not known", what,
              namespace_, parameter);
    return error_hint(err,
                      "check the namespace (NAMESPACE): the platform makes it in those it manages; "
                      "elsewhere set %s, or deploy a STORAGE_URI",
                      parameter);
}

static int read_access(struct cluster_facts *out, struct batch *batch, const struct inputs *inputs,
                       struct error **err) {
    const char *namespace_ = inputs->namespace_;
    const struct kube_answer *config_map = answer_to(batch, CONFIG_MAP);
    const struct kube_answer *secret = answer_to(batch, SECRET);
    if (!may_be_missing(CONFIG_MAP, inputs) &&
        need_found(config_map, "ConfigMap aml-image-builder-config", "GITLAB_BASE_URL", namespace_,
                   err) < 0)
        return -1;
    if (!may_be_missing(SECRET, inputs) &&
        need_found(secret, "Secret aml-image-builder-secret", "GITLAB_TOKEN", namespace_, err) < 0)
        return -1;
    return gitlab_access_from_cluster(&out->gitlab, config_map != NULL ? config_map->object : NULL,
                                      secret != NULL ? secret->object : NULL, namespace_, err);
}

/* What the claim holds; unknown (no right, not bound yet) is no failure. */
static int read_claim(struct cluster_facts *out, const struct kube_answer *answer,
                      struct error **err) {
    out->claim_bytes = -1;
    if (answer == NULL)
        return 0;
    const char *capacity = json_text_at(answer->object, "status", "capacity", "storage", NULL);
    struct quantity bytes;
    if (capacity != NULL && quantity_parse(&bytes, capacity)) {
        out->claim_bytes = quantity_value(&bytes);
        return 0;
    }
    const char *problem = answer->error != NULL ? answer->error->message : "it is not bound yet";
    out->claim_problem = text_copy(problem, err);
    return out->claim_problem != NULL ? 0 : -1;
}

static int read_answers(struct cluster_facts *out, struct batch *batch,
                        const struct session *session, const struct inputs *inputs,
                        int64_t deadline_ms, struct error **err) {
    if (kserve_explain_absence(batch->answers[LIVE].error, session, inputs->namespace_, deadline_ms,
                               err) < 0)
        return -1;
    if (first_errors(batch, inputs, err) < 0)
        return -1;
    if (read_live(out, &batch->answers[LIVE], inputs->namespace_, err) < 0)
        return -1;
    if (read_claim(out, answer_to(batch, CLAIM), err) < 0)
        return -1;
    if (kserve_probe_read(&out->kserve, &batch->answers[PROBE], err) < 0)
        return -1;
    if (read_shadows(out, answer_to(batch, SHADOWS), err) < 0 ||
        read_runtimes(out, session, inputs, &batch->answers[RUNTIME], deadline_ms, err) < 0)
        return -1;
    return read_access(out, batch, inputs, err);
}

int cluster_facts_read(struct cluster_facts *out, const struct session *session,
                       const struct inputs *inputs, const struct deps *deps, int64_t deadline_ms,
                       struct error **err) {
    cleanup_cluster_facts struct cluster_facts facts = {0};
    if (access_from_inputs(&facts.gitlab, inputs, deps, err) < 0)
        return -1;
    struct batch batch = {.count = 0};
    int result = fill_batch(&batch, inputs, &facts.gitlab, err);
    if (result == 0)
        result = ask_for_shadows(&batch, inputs, err);
    if (result == 0)
        result =
            kube_send(session->kube, batch.requests, batch.count, batch.answers, deadline_ms, err);
    if (result == 0)
        result = read_answers(&facts, &batch, session, inputs, deadline_ms, err);
    if (result == 0)
        result = gitlab_access_from_machine(&facts.gitlab, inputs, deps, err);
    batch_free(&batch);
    if (result < 0)
        return -1;
    *out = facts;
    facts = (struct cluster_facts){0};
    return 0;
}

/* ---- for preflight: each question by itself ---- */

void cluster_gaps_free(struct cluster_gaps *gaps) {
    error_free(gaps->live);
    error_free(gaps->runtime);
    error_free(gaps->gitlab);
    *gaps = (struct cluster_gaps){0};
}

/* A 404 of the runtime is an answer: choosing says what is missing. */
static void survey_runtime(struct cluster_facts *out, struct cluster_gaps *gaps,
                           struct batch *batch, const struct session *session,
                           const struct inputs *inputs, int64_t deadline_ms) {
    struct kube_answer *answer = &batch->answers[RUNTIME];
    bool failed = answer->error != NULL && answer->error->http_status != 404;
    if (failed)
        gaps->runtime = steal_pointer(answer->error);
    else
        (void)read_runtimes(out, session, inputs, answer, deadline_ms, &gaps->runtime);
}

static void survey_live(struct cluster_facts *out, struct cluster_gaps *gaps, struct batch *batch,
                        const struct session *session, const struct inputs *inputs,
                        int64_t deadline_ms) {
    struct kube_answer *answer = &batch->answers[LIVE];
    if (kserve_explain_absence(answer->error, session, inputs->namespace_, deadline_ms,
                               &gaps->live) < 0)
        return;
    bool failed = answer->error != NULL && answer->error->http_status != 404;
    if (failed)
        gaps->live = steal_pointer(answer->error);
    else
        (void)read_live(out, answer, inputs->namespace_, &gaps->live);
}

static void survey_access(struct cluster_facts *out, struct cluster_gaps *gaps, struct batch *batch,
                          const struct inputs *inputs) {
    for (size_t i = 0; i < batch->count; i++) {
        bool asked = batch->asked[i] == CONFIG_MAP || batch->asked[i] == SECRET;
        struct error *error = asked ? batch->answers[i].error : NULL;
        bool failed = error != NULL && error->http_status != 404 &&
                      !(error->http_status == 403 && may_be_missing(batch->asked[i], inputs));
        if (failed && gaps->gitlab == NULL)
            gaps->gitlab = steal_pointer(batch->answers[i].error);
    }
    if (gaps->gitlab == NULL)
        (void)read_access(out, batch, inputs, &gaps->gitlab);
}

int cluster_facts_survey(struct cluster_facts *out, struct cluster_gaps *gaps,
                         const struct session *session, const struct inputs *inputs,
                         const struct deps *deps, int64_t deadline_ms, struct error **err) {
    cleanup_cluster_facts struct cluster_facts facts = {0};
    struct batch batch = {.count = 0};
    (void)access_from_inputs(&facts.gitlab, inputs, deps, &gaps->gitlab);
    int result = gaps->gitlab == NULL || facts.gitlab.token != NULL
                     ? fill_batch(&batch, inputs, &facts.gitlab, err)
                     : error_no_memory(err);
    /* by name: a runtime that only the namespace has; others are looked at once one is chosen */
    if (result == 0 && inputs->runtime_name[0] != '\0')
        result = ask_for_shadows(&batch, inputs, err);
    if (result == 0)
        result =
            kube_send(session->kube, batch.requests, batch.count, batch.answers, deadline_ms, err);
    if (result == 0) {
        survey_live(&facts, gaps, &batch, session, inputs, deadline_ms);
        result = read_shadows(&facts, answer_to(&batch, SHADOWS), err);
        survey_runtime(&facts, gaps, &batch, session, inputs, deadline_ms);
        survey_access(&facts, gaps, &batch, inputs);
    }
    if (result == 0)
        result = read_claim(&facts, answer_to(&batch, CLAIM), err);
    if (result == 0)
        result = kserve_probe_read(&facts.kserve, &batch.answers[PROBE], err);
    if (result == 0 && gaps->gitlab == NULL)
        (void)gitlab_access_from_machine(&facts.gitlab, inputs, deps, &gaps->gitlab);
    if (gaps->gitlab != NULL && gaps->gitlab->kind == ERROR_CANCELED)
        result = error_take(err, steal_pointer(gaps->gitlab));
    batch_free(&batch);
    if (result < 0)
        return -1;
    *out = facts;
    facts = (struct cluster_facts){0};
    return 0;
}

int cluster_complete_runtime(struct runtime_choice *choice, const struct cluster_facts *facts,
                             const struct session *session, int64_t deadline_ms,
                             struct error **err) {
    if (!facts->runtimes_are_partial)
        return 0;
    const struct kube_request request = {
        .verb = "get", .resource = &kube_cluster_serving_runtimes, .name = choice->name};
    json_t *whole = NULL;
    if (kube_call(&whole, session->kube, &request, deadline_ms, err) < 0)
        return -1;
    json_decref(choice->runtime);
    choice->runtime = whole;
    return 0;
}

int cluster_take_shadow(struct runtime_choice *choice, const struct cluster_facts *facts,
                        const struct inputs *inputs, const char *library, struct error **err) {
    const json_t *shadow = shadow_named(facts, choice->name);
    return shadow != NULL ? runtime_take_shadow(choice, shadow, inputs->namespace_, library, err)
                          : 0;
}

void cluster_facts_free(struct cluster_facts *facts) {
    json_decref(facts->live);
    json_decref(facts->shadows);
    json_decref(facts->runtimes);
    free(facts->list_resource_version);
    free(facts->claim_problem);
    free(facts->gitlab.base_url);
    free(facts->gitlab.username);
    secret_free(facts->gitlab.token);
    free(facts->gitlab.ca_pem);
    free(facts->gitlab.origin);
    strings_free(&facts->warnings);
    *facts = (struct cluster_facts){0};
}
