#include "deploy/preflight.h"

#include "base/text.h"
#include "deploy/cluster_facts.h"
#include "deploy/model_check.h"
#include "deploy/prepare.h"
#include "deploy/resolve_model.h"
#include "kube/apply.h"
#include "preflight_read.h"

#include <string.h>

static const struct check_subject subject_values = {"parameters", "values", ERROR_PARAMETER};
static const struct check_subject subject_names = {"parameters", "names", ERROR_PARAMETER};
static const struct check_subject subject_server = {"cluster", "api-server", ERROR_UNREACHABLE};
static const struct check_subject subject_rest = {"cluster", "further-checks", ERROR_UNREACHABLE};
static const struct check_subject subject_gitlab = {"gitlab", "configuration", ERROR_MODEL};
static const struct check_subject subject_source = {"model", "source", ERROR_MODEL};
static const struct check_subject subject_live = {"service", "object", ERROR_CONFLICT};
static const struct check_subject subject_runtime = {"runtime", "runtime", ERROR_RUNTIME};
static const struct check_subject subject_mode = {"service", "mode", ERROR_CONFLICT};
static const struct check_subject subject_dry_run = {"apply", "dry-run", ERROR_REFUSED};

enum { SERVICE_NAME_MOST = 63, LONGEST_DRY_RUN_MS = 10 * 1000 };

/* One preflight on its way: what was learnt so far. */
struct flight {
    const struct preflight_request *request;
    struct inputs inputs; /* the request's, but with update_if_exists; borrows everything */
    struct checks *checks;
    bool sound; /* the parameters are */
    struct cluster_readings readings;
    struct cluster_facts facts;
    struct cluster_gaps gaps;
    struct gitlab_server server;
    bool server_asked;
    struct model model;
    bool has_model;
    struct error *model_problem; /* or NULL */
    struct runtime_choice runtime;
    bool has_runtime;
    struct error *runtime_problem; /* or NULL */
    struct error *live_problem;    /* or NULL */
    struct error *plan_problem;    /* or NULL */
    struct preparation preparation;
    bool has_document;
    struct kube_applied applied;
    struct error *dry_run_problem; /* or NULL */
    bool dry_run_done;
    json_t *containers;
};

static void flight_free(struct flight *flight) {
    cluster_readings_free(&flight->readings);
    cluster_gaps_free(&flight->gaps);
    gitlab_server_free(&flight->server);
    runtime_choice_free(&flight->runtime);
    plan_free(&flight->preparation.plan);
    document_free(&flight->preparation.document);
    model_free(&flight->model);
    cluster_facts_free(&flight->facts);
    kube_applied_free(&flight->applied);
    struct error *const errors[] = {flight->model_problem, flight->runtime_problem,
                                    flight->live_problem, flight->plan_problem,
                                    flight->dry_run_problem};
    for (size_t i = 0; i < array_length(errors); i++)
        error_free(errors[i]);
    json_decref(flight->containers);
}

static struct session const *session_of(const struct flight *flight) {
    return flight->request->session;
}

/* What ends the run; everything else is a finding. Takes ERROR over into *PLACE or *ERR. */
static int settle(const struct flight *flight, struct error **place, struct error *error,
                  struct error **err) {
    const struct preflight_request *request = flight->request;
    bool late = request->deadline_ms > 0 && clock_now(request->deps->clock) >= request->deadline_ms;
    bool ends =
        error != NULL && (error->kind == ERROR_CANCELED || (error->kind == ERROR_DEADLINE && late));
    if (ends)
        return error_take(err, error);
    *place = error;
    return 0;
}

/* ---- learning ---- */

static bool uses_gitlab(const struct inputs *inputs) {
    return inputs->storage_uri[0] == '\0' && inputs->model_git_url[0] == '\0';
}

static int read_gitlab(struct flight *flight, struct error **err) {
    const struct gitlab_access *access = &flight->facts.gitlab;
    if (!uses_gitlab(&flight->inputs) || text_is_empty(access->base_url))
        return 0;
    const struct gitlab_options options = {
        .base_url = access->base_url,
        .token = access->token,
        .ca_pem = access->ca_pem,
        .skip_verification = flight->inputs.gitlab_skip_verification,
        .request_timeout_ms = flight->request->request_timeout_ms};
    struct error *problem = NULL;
    flight->server_asked =
        gitlab_read_server(&flight->server, &options, session_of(flight)->http,
                           flight->request->deps, flight->request->deadline_ms, &problem) == 0;
    return settle(flight, &flight->model_problem, problem, err);
}

static int read_model(struct flight *flight, struct error **err) {
    bool reachable = flight->gaps.gitlab == NULL && flight->server.unreachable == NULL;
    if (!flight->sound || flight->model_problem != NULL ||
        (uses_gitlab(&flight->inputs) && !reachable))
        return 0;
    struct error *problem = NULL;
    flight->has_model =
        resolve_model(&flight->model, &flight->inputs, &flight->facts.gitlab,
                      session_of(flight)->http, flight->request->request_timeout_ms,
                      flight->request->deps, flight->request->deadline_ms, &problem) == 0;
    return settle(flight, &flight->model_problem, problem, err);
}

static const char *library_of(const struct flight *flight) {
    return flight->has_model ? flight->model.library_name : flight->inputs.library_name;
}

static struct preflight_reader reader_of(const struct flight *flight) {
    return (struct preflight_reader){.session = session_of(flight),
                                     .inputs = &flight->inputs,
                                     .deadline_ms = flight->request->deadline_ms};
}

/* KServe takes the namespace's own runtime of that name, so everything after looks at that. */
static int take_shadow(struct flight *flight, struct error **err) {
    if (preflight_runtime_is_of_namespace(&flight->runtime))
        return 0;
    const struct preflight_reader reader = reader_of(flight);
    if (preflight_read_shadow(&flight->readings, &reader, flight->runtime.name, err) < 0)
        return -1;
    const json_t *shadow = flight->readings.shadow.object;
    return shadow != NULL ? runtime_merge_shadow(&flight->runtime, shadow, err) : 0;
}

static int choose_runtime(struct flight *flight, struct error **err) {
    if (!flight->sound || flight->gaps.runtime != NULL)
        return 0;
    flight->has_runtime = runtime_choose(&flight->runtime, flight->facts.runtimes, &flight->inputs,
                                         library_of(flight), &flight->runtime_problem) == 0;
    if (!flight->has_runtime)
        return 0;
    struct error *problem = NULL;
    if (cluster_complete_runtime(&flight->runtime, &flight->facts, session_of(flight),
                                 flight->request->deadline_ms, &problem) < 0)
        return settle(flight, &flight->runtime_problem, problem, err);
    return take_shadow(flight, err);
}

/* Plan and document over LIVE. What is in the way is kept in *PROBLEM. */
static void make_document(struct flight *flight, const json_t *live, struct error **problem) {
    struct preparation *preparation = &flight->preparation;
    preparation->plan_facts = (struct plan_facts){
        .live = live, .kserve = flight->facts.kserve, .runtimes = flight->facts.runtimes};
    plan_free(&preparation->plan);
    flight->has_document = false;
    if (plan_make(&preparation->plan, &flight->inputs, &flight->model, &preparation->plan_facts,
                  problem) < 0)
        return;
    json_decref(preparation->plan.runtime.runtime);
    preparation->plan.runtime.runtime = json_incref(flight->runtime.runtime);
    flight->has_document = render(&preparation->document, &preparation->plan,
                                  &preparation->plan_facts, &hasher_git, problem) == 0;
}

/* What the pod needs is known even when the model is not, or the live object is in the way. */
static int prepare_document(struct flight *flight, struct error **err) {
    const json_t *live = flight->facts.live;
    if (live != NULL)
        (void)plan_check_live(&flight->inputs, live, &flight->live_problem);
    if (!flight->has_runtime || flight->runtime_problem != NULL)
        return 0;
    if (!flight->has_model && model_init(&flight->model, err) < 0)
        return -1;
    make_document(flight, flight->live_problem == NULL ? live : NULL, &flight->plan_problem);
    if (!flight->has_document && live != NULL && flight->live_problem == NULL) {
        cleanup_error struct error *ignored = NULL;
        make_document(flight, NULL, &ignored);
    }
    return 0;
}

static bool may_dry_run(const struct flight *flight) {
    return flight->has_model && flight->has_document && flight->gaps.live == NULL &&
           flight->live_problem == NULL && flight->plan_problem == NULL &&
           (flight->facts.live == NULL || flight->request->inputs->update_if_exists);
}

static int dry_run(struct flight *flight, struct error **err) {
    if (!may_dry_run(flight))
        return 0;
    const struct kube_apply apply = {
        .resource = &kube_inference_services,
        .namespace_ = flight->inputs.namespace_,
        .name = flight->inputs.name,
        .document = flight->preparation.document.object,
        .live = flight->facts.live,
        .list_resource_version = flight->facts.list_resource_version,
        .manager = FIELD_MANAGER,
        .create_only = !flight->request->inputs->update_if_exists,
        .dry_run = true,
        .migration_operations = flight->preparation.document.migration_operations,
    };
    /* a webhook that is down is asked again and again: for a while only */
    int64_t deadline_ms = flight->request->deadline_ms;
    int64_t soon = clock_now(flight->request->deps->clock) + LONGEST_DRY_RUN_MS;
    struct error *problem = NULL;
    flight->dry_run_done =
        kube_apply(&flight->applied, session_of(flight)->kube, &apply,
                   deadline_ms == 0 || soon < deadline_ms ? soon : deadline_ms, &problem) == 0;
    return settle(flight, &flight->dry_run_problem, problem, err);
}

/* As the API server has it where it said so: KServe's webhook fills in its own defaults. */
static int find_containers(struct flight *flight, struct error **err) {
    if (!flight->has_document)
        return 0;
    return pod_need_containers(&flight->containers,
                               flight->dry_run_done ? flight->applied.object
                                                    : flight->preparation.document.object,
                               flight->runtime.runtime, err);
}

static int learn(struct flight *flight, struct error **err) {
    const struct preflight_reader reader = reader_of(flight);
    if (preflight_read_cluster(&flight->readings, &reader, err) < 0)
        return -1;
    if (preflight_is_silent(&flight->readings))
        return 0;
    if (cluster_facts_survey(&flight->facts, &flight->gaps, session_of(flight), &flight->inputs,
                             flight->request->deps, flight->request->deadline_ms, err) < 0 ||
        read_gitlab(flight, err) < 0 || read_model(flight, err) < 0 ||
        choose_runtime(flight, err) < 0 || prepare_document(flight, err) < 0 ||
        dry_run(flight, err) < 0 || find_containers(flight, err) < 0)
        return -1;
    return preflight_read_more(&flight->readings, &reader, err);
}

/* ---- telling ---- */

static int tell_parameters(struct flight *flight, struct error **err) {
    const struct problems *problems = flight->request->problems;
    const struct inputs *inputs = &flight->inputs;
    for (size_t i = 0; i < problems->count; i++) {
        const struct problem *problem = &problems->items[i];
        if (checks_add(flight->checks, err, &subject_values,
                       problem->is_error ? CHECK_FAIL : CHECK_OK, "%s%s",
                       problem->is_error ? "" : "note: ", problem->message) < 0 ||
            (problem->hint != NULL && checks_hint(flight->checks, err, "%s", problem->hint) < 0))
            return -1;
    }
    if (!flight->sound)
        return 0;
    if (checks_add(flight->checks, err, &subject_values, CHECK_OK, "all parameters are valid") < 0)
        return -1;
    size_t length = strlen(inputs->name) + strlen("-predictor-") + strlen(inputs->namespace_);
    return checks_add(flight->checks, err, &subject_names, CHECK_OK,
                      "names fit: %s-predictor-%s has %zu of %d characters", inputs->name,
                      inputs->namespace_, length, SERVICE_NAME_MOST);
}

static int tell_all(struct flight *flight, const struct strings *warnings,
                    const struct check_subject *subject, struct error **err) {
    for (size_t i = 0; i < warnings->count; i++)
        if (checks_add(flight->checks, err, subject, CHECK_WARN, "%s", warnings->items[i]) < 0)
            return -1;
    return 0;
}

static int tell_gitlab(struct flight *flight, struct error **err) {
    const struct gitlab_access *access = &flight->facts.gitlab;
    if (!uses_gitlab(&flight->inputs))
        return checks_add(flight->checks, err, &subject_gitlab, CHECK_SKIPPED,
                          "GitLab not checked: the model comes from %s",
                          flight->inputs.storage_uri[0] != '\0' ? "STORAGE_URI" : "MODEL_GIT_URL");
    const struct error *gap = flight->gaps.gitlab;
    if (gap != NULL && checks_add_error(flight->checks, err, &subject_gitlab, CHECK_FAIL, gap) < 0)
        return -1;
    if (gap == NULL && flight->server_asked &&
        checks_add(flight->checks, err, &subject_gitlab, CHECK_OK, "GitLab's address is from %s",
                   access->origin) < 0)
        return -1;
    if (!flight->server_asked)
        return gap != NULL ? 0
                           : preflight_skip(flight->checks, &subject_gitlab, flight->model_problem,
                                            "GitLab", err);
    bool by_api = flight->has_model && flight->model.id[0] != '\0';
    const struct gitlab_facts facts = {
        .server = &flight->server,
        .base_url = access->base_url,
        .has_token = !text_is_empty(access->token),
        .skip_verification = flight->inputs.gitlab_skip_verification,
        .model = by_api                          ? PREFLIGHT_MODEL_BY_API
                 : flight->has_model             ? PREFLIGHT_MODEL_BY_GIT
                 : flight->model_problem != NULL ? PREFLIGHT_MODEL_FAILED
                                                 : PREFLIGHT_MODEL_UNKNOWN,
        .now_ms = clock_wall(flight->request->deps->clock),
    };
    if (preflight_check_gitlab(flight->checks, &facts, err) < 0)
        return -1;
    return flight->has_model
               ? preflight_check_lfs(flight->checks, flight->model.lfs, flight->model.path, err)
               : 0;
}

static int tell_model(struct flight *flight, struct error **err) {
    const struct model *model = &flight->model;
    bool same_problem = flight->model_problem != NULL && flight->server.token_error != NULL &&
                        flight->model_problem->http_status == 401 &&
                        flight->server.token_error->http_status == 401;
    if (same_problem)
        return checks_add(flight->checks, err, &subject_source, CHECK_SKIPPED,
                          "model not checked: GitLab does not accept the token");
    if (flight->model_problem != NULL)
        return checks_add_error(flight->checks, err, &subject_source, CHECK_FAIL,
                                flight->model_problem);
    if (!flight->has_model)
        return checks_add(flight->checks, err, &subject_source, CHECK_SKIPPED,
                          "model not checked: %s",
                          !flight->sound ? "the parameters come first" : "GitLab cannot be asked");
    bool has_commit = model->commit[0] != '\0';
    if (tell_all(flight, &model->warnings, &subject_source, err) < 0)
        return -1;
    return checks_add(flight->checks, err, &subject_source, CHECK_OK,
                      "%s%s%.12s%s%s; %s, %s (from %s)",
                      has_commit ? model->path : model->storage_uri, has_commit ? " at " : "",
                      model->commit, model->branch[0] != '\0' ? ", branch " : "", model->branch,
                      model->pipeline_tag, model->library_name, model->card_origin);
}

static int tell_fit(struct flight *flight, struct error **err) {
    if (!flight->has_model)
        return 0;
    int64_t card_bytes = -1;
    if (preflight_card_bytes(&card_bytes, &flight->readings.nodes, err) < 0)
        return -1;
    const struct model_check check = {
        .inputs = &flight->inputs,
        .model = &flight->model,
        .gitlab = &flight->facts.gitlab,
        .runtime = flight->has_runtime ? flight->runtime.runtime : NULL,
        .http = session_of(flight)->http,
        .deps = flight->request->deps,
        .request_timeout_ms = flight->request->request_timeout_ms,
        .deadline_ms = flight->request->deadline_ms,
        .card_bytes = card_bytes,
        .volume_bytes = flight->facts.claim_bytes,
        .volume_problem = flight->facts.claim_problem,
    };
    return model_check_list(flight->checks, &check, err);
}

static int tell_live(struct flight *flight, struct error **err) {
    const struct inputs *inputs = &flight->inputs;
    const json_t *live = flight->facts.live;
    const struct error *problem = flight->live_problem;
    cleanup_error struct error *exists = NULL;
    if (!preflight_has_kserve(&flight->readings))
        return checks_add(flight->checks, err, &subject_live, CHECK_SKIPPED,
                          "the live InferenceService not checked: there is no KServe");
    if (flight->gaps.live != NULL)
        return preflight_skip(flight->checks, &subject_live, flight->gaps.live,
                              "the live InferenceService", err);
    if (inputs->name[0] == '\0')
        return checks_add(flight->checks, err, &subject_live, CHECK_SKIPPED,
                          "the live InferenceService not checked: the parameters come first");
    if (live == NULL)
        return checks_add(flight->checks, err, &subject_live, CHECK_OK,
                          "%s/%s does not exist yet: deploy creates it", inputs->namespace_,
                          inputs->name);
    if (problem == NULL && !flight->request->inputs->update_if_exists) {
        (void)plan_check_live(flight->request->inputs, live, &exists);
        problem = exists;
    }
    if (problem != NULL)
        return checks_add_error(flight->checks, err, &subject_live, CHECK_FAIL, problem);
    return checks_add(flight->checks, err, &subject_live, CHECK_OK,
                      "%s/%s exists: deploy updates it", inputs->namespace_, inputs->name);
}

static int tell_mode(struct flight *flight, struct error **err) {
    if (flight->plan_problem != NULL && flight->live_problem == NULL)
        return checks_add_error(flight->checks, err, &subject_mode, CHECK_FAIL,
                                flight->plan_problem);
    if (!flight->has_document)
        return 0;
    if (checks_add(flight->checks, err, &subject_mode, CHECK_OK, "deployment mode %s",
                   flight->preparation.plan.deployment_mode) < 0)
        return -1;
    return tell_all(flight, &flight->preparation.document.warnings, &subject_mode, err);
}

static int tell_dry_run(struct flight *flight, struct error **err) {
    const struct error *problem = flight->dry_run_problem;
    if (!flight->dry_run_done && problem == NULL)
        return checks_add(flight->checks, err, &subject_dry_run, CHECK_SKIPPED,
                          "dry run not made: what failed above comes first");
    bool no_right = problem != NULL && problem->http_status == 403 &&
                    text_has_prefix(problem->message, "not allowed: ");
    if (no_right) /* the rights have said so */
        return preflight_skip(flight->checks, &subject_dry_run, problem, "dry run", err);
    if (problem != NULL)
        return checks_add_error(flight->checks, err, &subject_dry_run, CHECK_FAIL, problem);
    if (tell_all(flight, &flight->applied.warnings, &subject_dry_run, err) < 0)
        return -1;
    return checks_add(flight->checks, err, &subject_dry_run, CHECK_OK,
                      "the API server and its webhooks accept the InferenceService");
}

static int tell_pod(struct flight *flight, struct error **err) {
    struct pod_plan plan = {
        .inputs = &flight->inputs,
        .containers = flight->containers,
        .runtime = flight->has_runtime ? flight->runtime.runtime : NULL,
        .live = flight->facts.live,
        .now_ms = clock_wall(flight->request->deps->clock),
    };
    struct checks *checks = flight->checks;
    const struct cluster_readings *readings = &flight->readings;
    cleanup_json json_t *final = NULL;
    if (preflight_check_namespace(checks, &readings->namespace_, &plan, err) < 0 ||
        preflight_check_limits(&final, checks, &readings->limits, &plan, err) < 0)
        return -1;
    plan.containers = final;
    if (preflight_check_quotas(checks, &readings->quotas, &plan, err) < 0 ||
        preflight_check_nodes(checks, &readings->nodes, &plan, err) < 0)
        return -1;
    return preflight_check_volume(checks, readings, &plan, err);
}

static int tell_runtime(struct flight *flight, struct error **err) {
    const struct runtime_choice *choice = flight->has_runtime ? &flight->runtime : NULL;
    if (!preflight_has_kserve(&flight->readings))
        return checks_add(flight->checks, err, &subject_runtime, CHECK_SKIPPED,
                          "runtime not checked: there is no KServe");
    const struct error *problem =
        flight->runtime_problem != NULL ? flight->runtime_problem : flight->gaps.runtime;
    if (preflight_check_runtime(flight->checks, choice, problem, library_of(flight), err) < 0)
        return -1;
    return preflight_check_shadow(flight->checks, &flight->readings.shadow, choice,
                                  library_of(flight), &flight->inputs, err);
}

static int tell(struct flight *flight, struct error **err) {
    const struct inputs *inputs = &flight->inputs;
    if (tell_parameters(flight, err) < 0)
        return -1;
    bool connected = session_of(flight) != NULL;
    if (connected ? preflight_check_cluster(flight->checks, &flight->readings, inputs,
                                            flight->facts.kserve, err) < 0
                  : checks_add_error(flight->checks, err, &subject_server, CHECK_FAIL,
                                     flight->request->connection) < 0)
        return -1;
    if (!connected || preflight_is_silent(&flight->readings))
        return checks_add(flight->checks, err, &subject_rest, CHECK_SKIPPED,
                          "nothing else checked: there is no cluster to ask");
    if (preflight_check_rights(flight->checks, &flight->readings, inputs, err) < 0 ||
        tell_gitlab(flight, err) < 0 || tell_model(flight, err) < 0 || tell_fit(flight, err) < 0 ||
        tell_live(flight, err) < 0 || tell_mode(flight, err) < 0 || tell_runtime(flight, err) < 0 ||
        tell_dry_run(flight, err) < 0)
        return -1;
    return tell_pod(flight, err);
}

int preflight(struct checks *out, const struct preflight_request *request, struct error **err) {
    struct flight flight = {
        .request = request,
        .inputs = *request->inputs,
        .checks = out,
        .sound = request->problems->errors == 0,
    };
    flight.inputs.update_if_exists = true;
    int result = request->session != NULL ? learn(&flight, err) : 0;
    if (result == 0)
        result = tell(&flight, err);
    flight_free(&flight);
    return result;
}
