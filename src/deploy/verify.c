#include "deploy/verify.h"

#include "base/text.h"
#include "deploy/outcome.h"
#include "deploy/patience.h"
#include "net/url.h"

#include <stdio.h>
#include <string.h>

enum {
    LONGEST_PEM = 256 * 1024,
    LONGEST_LOCATION = 2048,
    ANSWER_LIMIT = 256 * 1024,
    ATTEMPT_MS = 10 * 1000,
    FIRST_PAUSE_MS = 250,
    LONGEST_PAUSE_MS = 10 * 1000,
};

/* ---- files ---- */

static int read_pem(char **out, const char *path, const char *parameter, const char *what,
                    const struct deps *deps, struct error **err) {
    if (path[0] == '\0')
        return 0;
    cleanup_error struct error *failure = NULL;
    *out = file_read_text(deps->files, path, LONGEST_PEM, &failure);
    if (*out == NULL)
        return error_new(err, ERROR_PARAMETER, "%s: %s", parameter,
                         failure != NULL ? failure->message : "cannot be read");
    cleanup_free char *begin = text_format(err, "%s-----", what);
    if (begin == NULL)
        return -1;
    if (strstr(*out, "-----BEGIN ") != NULL && strstr(*out, begin) != NULL)
        return 0;
    return error_new(err, ERROR_PARAMETER, "%s: %s holds no PEM %s", parameter, path, what);
}

void verify_identity_free(struct verify_identity *identity) {
    free(identity->ca_pem);
    secret_free(identity->certificate_pem); /* may hold the key too */
    secret_free(identity->key_pem);
    *identity = (struct verify_identity){.ca_pem = NULL};
}

int verify_identity_read(struct verify_identity *out, const struct inputs *inputs,
                         const struct deps *deps, struct error **err) {
    if (inputs->verify == VERIFY_OFF)
        return 0;
    const char *certificate = inputs->verify_certificate_file;
    const char *key = inputs->verify_key_file;
    bool together = key[0] == '\0';
    struct verify_identity identity = {.ca_pem = NULL};
    int result = read_pem(&identity.ca_pem, inputs->verify_ca_file, "VERIFY_CA_FILE", "CERTIFICATE",
                          deps, err);
    if (result == 0)
        result = read_pem(&identity.certificate_pem, certificate, "VERIFY_CERTIFICATE_FILE",
                          "CERTIFICATE", deps, err);
    if (result == 0) {
        result = read_pem(&identity.key_pem, together ? certificate : key,
                          together ? "VERIFY_CERTIFICATE_FILE" : "VERIFY_KEY_FILE", "PRIVATE KEY",
                          deps, err);
        if (result < 0 && together)
            error_hint(err, "set VERIFY_KEY_FILE, or put the key into the same file");
    }
    if (result < 0) {
        verify_identity_free(&identity);
        return -1;
    }
    *out = identity;
    return 0;
}

/* ---- one question ---- */

struct verifier {
    const struct verify_request *request;
    struct http_client *http;
    const struct observer *observer;
    const struct deps *deps;
    struct http_trust trust;
    int64_t deadline_ms;
    char *base; /* the request's URL, or where an ingress redirected it to */
};

/* What came of it. Texts are owned. */
struct answer {
    enum verify_answer kind;
    int status; /* of the HTTP answer, 0 without one */
    char *url;
    char *trouble;     /* a whole clause: "https://… answers 503" */
    char *hint;        /* or NULL */
    char *redirect_to; /* the same on https: ask there, or NULL */
};

static void answer_free(struct answer *answer) {
    free(answer->url);
    free(answer->trouble);
    free(answer->hint);
    free(answer->redirect_to);
    *answer = (struct answer){.kind = VERIFY_LATER};
}

static int set_hint(struct answer *out, const char *text, struct error **err) {
    free(out->hint);
    out->hint = text_copy(text, err);
    return out->hint != NULL ? 0 : -1;
}

static int take_failure(struct answer *out, const struct verifier *verifier, struct error *failure,
                        struct error **err) {
    if (failure->kind == ERROR_CANCELED)
        return error_take(err, failure);
    bool untrusted = error_has_reason(failure, HTTP_REASON_UNTRUSTED);
    bool handshake = error_has_reason(failure, HTTP_REASON_HANDSHAKE);
    bool parameter = failure->kind == ERROR_PARAMETER || failure->kind == ERROR_INTERNAL;
    out->kind = untrusted || handshake || parameter ? VERIFY_NEVER : VERIFY_LATER;
    out->trouble = text_copy(failure->message, err);
    const char *hint = failure->hint;
    if (untrusted)
        hint = "VERIFY_CA_FILE names the CA certificates to trust, VERIFY_SERVER_NAME the name to "
               "expect in the certificate";
    else if (handshake)
        hint = "a server that wants a client certificate gets VERIFY_CERTIFICATE_FILE and "
               "VERIFY_KEY_FILE";
    else if (verifier->request->in_cluster && strstr(failure->message, "resolved") != NULL)
        hint = "the address works in the cluster only: outside of it set VERIFY_ENDPOINT=external "
               "or to a URL";
    int result = out->trouble == NULL ? -1 : hint != NULL ? set_hint(out, hint, err) : 0;
    error_free(failure);
    return result;
}

/* http to https of the same host is an ingress at work; anything else is another service. */
static int take_redirect(struct answer *out, const struct http_response *response,
                         struct error **err) {
    char location[LONGEST_LOCATION];
    bool known = http_header(response, "Location", location, sizeof(location));
    if (!known)
        location[0] = '\0';
    cleanup_free char *shown = text_copy(known ? location : "an unknown place", err);
    if (shown == NULL)
        return -1;
    if (known)
        url_hide_secrets(shown);
    out->kind = VERIFY_NEVER;
    out->trouble = text_format(err, "%s redirects to %s", out->url, shown);
    if (out->trouble == NULL)
        return -1;
    cleanup_url struct url from = {0};
    cleanup_url struct url to = {0};
    if (url_parse(&from, out->url, "URL", ERROR_INTERNAL, NULL) == 0 &&
        url_parse(&to, location, "URL", ERROR_INTERNAL, NULL) == 0 &&
        text_equal(from.scheme, "http") && text_equal(to.scheme, "https") &&
        text_equal_ignoring_case(from.host, to.host) && text_equal(from.path, to.path)) {
        out->redirect_to = url_base(&to, err);
        return out->redirect_to != NULL ? 0 : -1;
    }
    return set_hint(out, "set VERIFY_ENDPOINT to the URL where the service answers by itself", err);
}

static int take_response(struct answer *out, const struct verifier *verifier,
                         enum verify_dialect dialect, const struct http_response *response,
                         struct error **err) {
    out->status = response->status;
    if (response->status >= 300 && response->status < 400)
        return take_redirect(out, response, err);
    const struct verify_request *request = verifier->request;
    cleanup_free char *trouble = NULL;
    if (verify_judge(&out->kind, &trouble, dialect, response->status, buffer_text(&response->body),
                     response->body.length, request->model_is_given ? request->model_name : "",
                     err) < 0)
        return -1;
    if (trouble == NULL)
        return 0;
    out->trouble = text_format(err, "%s %s", out->url, trouble);
    if (out->trouble == NULL)
        return -1;
    if (out->kind == VERIFY_NEVER)
        return set_hint(out,
                        "the service wants a login, which is not sent: set "
                        "VERIFY_ENDPOINT=false, or to a URL that needs none",
                        err);
    return 0;
}

static int ask(struct answer *out, const struct verifier *verifier, enum verify_dialect dialect,
               const char *path, struct error **err) {
    out->url = text_format(err, "%s%s", verifier->base, path);
    if (out->url == NULL)
        return -1;
    const struct http_request request = {.url = out->url,
                                         .trust = &verifier->trust,
                                         .body_limit = ANSWER_LIMIT,
                                         .timeout_ms = ATTEMPT_MS,
                                         .retry = &retry_never,
                                         .server = "the inference service"};
    struct http_result result = {.error = NULL};
    if (http_send(verifier->http, &request, 1, &result, verifier->deadline_ms, err) < 0)
        return -1;
    int outcome = result.error != NULL
                      ? take_failure(out, verifier, steal_pointer(result.error), err)
                      : take_response(out, verifier, dialect, &result.response, err);
    http_result_free(&result);
    return outcome;
}

/* All paths of one dialect. A server that knows the first of them knows the dialect. */
static int ask_dialect(struct answer *out, const struct verifier *verifier,
                       enum verify_dialect dialect, const char *model, struct error **err) {
    struct strings paths = {.items = NULL};
    int result = verify_paths(&paths, dialect, model, err);
    for (size_t i = 0; i < paths.count && result == 0; i++) {
        answer_free(out);
        result = ask(out, verifier, dialect, paths.items[i], err);
        if (result == 0 && i > 0 && (out->kind == VERIFY_ABSENT || out->status == 400))
            out->kind = VERIFY_UNKNOWN;
        if (result == 0 && out->kind == VERIFY_UNKNOWN)
            result =
                set_hint(out,
                         "VERIFY_MODEL_NAME is the name that the server gives the model; one that "
                         "loads it later gets more time by PATIENCE=unknown-model=5m",
                         err);
        if (out->kind != VERIFY_ANSWERS)
            break;
    }
    strings_free(&paths);
    return result;
}

/* The first dialect that the server knows decides; when it knows none, the protocol's own does. */
static int ask_all(struct answer *out, const struct verifier *verifier, const char *model,
                   struct error **err) {
    enum verify_dialect order[VERIFY_DIALECTS];
    verify_order(order, verifier->request->protocol);
    for (size_t i = 0; i < VERIFY_DIALECTS; i++) {
        struct answer answer = {.kind = VERIFY_LATER};
        int result = ask_dialect(&answer, verifier, order[i], model, err);
        bool absent = result == 0 && answer.kind == VERIFY_ABSENT;
        if (i == 0 || (result == 0 && !absent)) {
            answer_free(out);
            *out = answer;
        } else {
            answer_free(&answer);
        }
        if (!absent)
            return result;
    }
    return 0;
}

/* ---- until it answers ---- */

static int give_up(const struct answer *answer, enum error_kind kind, const char *what,
                   struct error **err) {
    error_new(err, kind, "the InferenceService is Ready but %s: %s", what, answer->trouble);
    if (answer->hint != NULL)
        error_hint(err, "%s", answer->hint);
    return -1;
}

static int pause_before_next(const struct verifier *verifier, int64_t pause_ms,
                             const struct answer *answer, struct error **err) {
    int64_t until = clock_now(verifier->deps->clock) + pause_ms;
    if (verifier->deadline_ms > 0 && until >= verifier->deadline_ms)
        return give_up(answer, ERROR_DEADLINE, "did not answer in time", err);
    for (int64_t now = clock_now(verifier->deps->clock); now < until;
         now = clock_now(verifier->deps->clock)) {
        int waited = http_wait(verifier->http, until - now, err);
        if (waited < 0)
            return -1;
        if (waited == HTTP_WAIT_CANCELED)
            return error_new(err, ERROR_CANCELED, "canceled while asking the service: %s",
                             answer->trouble);
    }
    return 0;
}

/* Goes on at the https address of an ingress that redirected to it. */
static int follow(struct verifier *verifier, const struct answer *answer, struct error **err) {
    size_t path = strlen(answer->url) - strlen(verifier->base);
    size_t whole = strlen(answer->redirect_to);
    char *base =
        text_format(err, "%.*s", (int)(whole > path ? whole - path : 0), answer->redirect_to);
    if (base == NULL)
        return -1;
    free(verifier->base);
    verifier->base = base;
    verifier->observer->progress(verifier->observer->user, STAGE_VERIFY, answer->trouble);
    return 0;
}

/* For how long the server has been without the model. Servers that load late get some time. */
static bool is_unknown_for_good(int64_t *since, const struct answer *answer,
                                const struct verifier *verifier) {
    int64_t now = clock_now(verifier->deps->clock);
    if (answer->kind != VERIFY_UNKNOWN)
        *since = 0;
    else if (*since == 0)
        *since = now;
    int64_t patience = verifier->request->unknown_model_ms;
    return answer->kind == VERIFY_UNKNOWN && patience > 0 && now - *since >= patience;
}

static int ask_until_answered(struct answer *answer, struct verifier *verifier, const char *model,
                              struct error **err) {
    int64_t unknown_since = 0;
    for (int64_t pause = FIRST_PAUSE_MS;;
         pause = pause * 2 < LONGEST_PAUSE_MS ? pause * 2 : LONGEST_PAUSE_MS) {
        answer_free(answer);
        if (ask_all(answer, verifier, model, err) < 0)
            return -1;
        if (answer->redirect_to != NULL && text_has_prefix(verifier->base, "http://")) {
            if (follow(verifier, answer, err) < 0)
                return -1;
            continue;
        }
        if (answer->kind == VERIFY_ANSWERS)
            return 0;
        if (answer->kind == VERIFY_NEVER || is_unknown_for_good(&unknown_since, answer, verifier))
            return give_up(answer, ERROR_ROLLOUT, "cannot be verified", err);
        verifier->observer->progress(verifier->observer->user, STAGE_VERIFY, answer->trouble);
        if (pause_before_next(verifier, pause, answer, err) < 0)
            return -1;
    }
}

int verify_endpoint(char **answered, const struct verify_request *request, struct http_client *http,
                    const struct observer *observer, const struct deps *deps, int64_t deadline_ms,
                    struct error **err) {
    const struct verify_identity *identity = request->identity;
    const char *name = request->server_name;
    struct verifier verifier = {
        .request = request,
        .http = http,
        .observer = observer,
        .deps = deps,
        .deadline_ms = deadline_ms,
        .trust = {.ca_pem = identity->ca_pem,
                  .server_name = name[0] != '\0' ? name : NULL,
                  .server_name_is_host = name[0] != '\0',
                  .client_certificate_pem = identity->certificate_pem,
                  .client_key_pem = identity->key_pem,
                  .proxy = request->in_cluster ? "" : NULL},
    };
    cleanup_url struct url url = {0};
    cleanup_free char *model = text_percent_encode(request->model_name, err);
    if (model == NULL || url_parse(&url, request->url, "the service's URL", ERROR_ROLLOUT, err) < 0)
        return -1;
    verifier.base = url_base(&url, err);
    struct answer answer = {.kind = VERIFY_LATER};
    int result = verifier.base == NULL ? -1 : ask_until_answered(&answer, &verifier, model, err);
    if (result == 0)
        *answered = steal_pointer(answer.url);
    answer_free(&answer);
    free(verifier.base);
    return result;
}

/* ---- the stage ---- */

static int service_url(const char **out, const struct outcome *outcome, const struct inputs *inputs,
                       struct error **err) {
    bool external = inputs->verify == VERIFY_EXTERNAL;
    *out = inputs->verify == VERIFY_URL ? inputs->verify_endpoint
           : external                   ? outcome->out_cluster_url
                                        : outcome->in_cluster_url;
    if ((*out)[0] != '\0')
        return 0;
    error_new(err, ERROR_ROLLOUT, "VERIFY_ENDPOINT=%s: the InferenceService has no %s URL",
              inputs->verify_endpoint, external ? "external" : "in-cluster");
    return error_hint(err, "set VERIFY_ENDPOINT to the URL where it answers");
}

/* The results' stable word for it; a run that was canceled has its own. */
static int fail(struct outcome *outcome, struct error *failure, struct error **err) {
    bool ours =
        failure != NULL && (failure->kind == ERROR_ROLLOUT || failure->kind == ERROR_DEADLINE);
    if (ours && outcome_set(&outcome->reason, "EndpointNotVerified", err) < 0) {
        error_free(failure);
        return -1;
    }
    return error_take(err, failure);
}

int verify_outcome(struct outcome *outcome, const struct verify_stage *stage, struct error **err) {
    const struct inputs *inputs = stage->inputs;
    if (inputs->verify == VERIFY_OFF)
        return 0;
    const struct observer *observer = stage->observer;
    const char *url = NULL;
    observer->begin(observer->user, STAGE_VERIFY, "asking the service");
    struct error *failure = NULL;
    if (service_url(&url, outcome, inputs, &failure) < 0)
        return fail(outcome, failure, err);
    struct rollout_patience patience;
    if (patience_of(&patience, inputs, err) < 0)
        return -1;
    bool given = inputs->verify_model[0] != '\0';
    const struct verify_request request = {
        .url = url,
        .protocol = stage->protocol,
        .model_name = given ? inputs->verify_model : outcome->name,
        .model_is_given = given,
        .server_name = inputs->verify_server_name,
        .in_cluster = inputs->verify == VERIFY_IN_CLUSTER,
        .unknown_model_ms = patience.unknown_model_ms,
        .identity = stage->identity,
    };
    cleanup_free char *answered = NULL;
    if (verify_endpoint(&answered, &request, stage->http, observer, stage->deps, stage->deadline_ms,
                        &failure) < 0)
        return fail(outcome, failure, err);
    cleanup_free char *found = text_format(err, "%s answers", answered);
    if (found == NULL)
        return -1;
    observer->end(observer->user, STAGE_VERIFY, found);
    return 0;
}
