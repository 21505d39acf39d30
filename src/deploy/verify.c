#include "deploy/verify.h"

#include "base/text.h"

enum {
    LONGEST_PEM = 256 * 1024,
    ANSWER_LIMIT = 256 * 1024,
    ATTEMPT_MS = 10 * 1000,
    FIRST_PAUSE_MS = 1000,
    LONGEST_PAUSE_MS = 10 * 1000,
};

int verify_paths(struct strings *out, const char *protocol, const char *model_name,
                 struct error **err) {
    if (text_equal(protocol, "v2") || text_has_prefix(protocol, "grpc")) {
        if (strings_add(out, "/v2/health/ready", err) < 0)
            return -1;
        return strings_add_format(out, err, "/v2/models/%s/ready", model_name);
    }
    if (text_equal(protocol, "v1"))
        return strings_add_format(out, err, "/v1/models/%s", model_name);
    return strings_add(out, "/v1/models", err);
}

struct verifier {
    const struct verify_request *request;
    struct http_client *http;
    const struct deps *deps;
    struct http_trust trust;
    char *ca_pem;
    char *certificate_pem;
    char *key_pem;
    int64_t deadline_ms;
};

static int read_pem(char **out, const char *path, const char *parameter, const struct deps *deps,
                    struct error **err) {
    if (path[0] == '\0')
        return 0;
    *out = file_read_text(deps->files, path, LONGEST_PEM, err);
    return *out != NULL ? 0 : error_wrap(err, "%s", parameter);
}

static int read_files(struct verifier *verifier, struct error **err) {
    const struct inputs *inputs = verifier->request->inputs;
    const struct deps *deps = verifier->deps;
    if (read_pem(&verifier->ca_pem, inputs->verify_ca_file, "VERIFY_CA_FILE", deps, err) < 0 ||
        read_pem(&verifier->certificate_pem, inputs->verify_certificate_file,
                 "VERIFY_CERTIFICATE_FILE", deps, err) < 0 ||
        read_pem(&verifier->key_pem, inputs->verify_key_file, "VERIFY_KEY_FILE", deps, err) < 0)
        return -1;
    verifier->trust = (struct http_trust){
        .ca_pem = verifier->ca_pem,
        .server_name = inputs->verify_server_name[0] != '\0' ? inputs->verify_server_name : NULL,
        .client_certificate_pem = verifier->certificate_pem,
        .client_key_pem = verifier->key_pem,
    };
    return 0;
}

static void verifier_free(struct verifier *verifier) {
    free(verifier->ca_pem);
    free(verifier->certificate_pem);
    secret_free(verifier->key_pem);
}

enum attempt { ATTEMPT_ANSWERED, ATTEMPT_LATER, ATTEMPT_NEVER };

/* One GET. TROUBLE says what was wrong when it did not answer (owned). */
static int ask(enum attempt *out, char **trouble, const struct verifier *verifier, const char *url,
               struct error **err) {
    const struct http_request request = {.url = url,
                                         .trust = &verifier->trust,
                                         .body_limit = ANSWER_LIMIT,
                                         .timeout_ms = ATTEMPT_MS,
                                         .retry = &retry_never,
                                         .server = "the inference service"};
    struct http_result result = {.error = NULL};
    if (http_send(verifier->http, &request, 1, &result, verifier->deadline_ms, err) < 0)
        return -1;
    int outcome = 0;
    if (result.error != NULL && result.error->kind == ERROR_CANCELED) {
        outcome = error_take(err, steal_pointer(result.error));
    } else if (result.error != NULL) {
        *trouble = text_copy(result.error->message, err);
        *out =
            result.error->reason != NULL && text_equal(result.error->reason, HTTP_REASON_UNTRUSTED)
                ? ATTEMPT_NEVER
                : ATTEMPT_LATER;
        outcome = *trouble != NULL ? 0 : -1;
    } else if (result.response.status == 200) {
        *out = ATTEMPT_ANSWERED;
    } else {
        *trouble = text_format(err, "%s answered %d", url, result.response.status);
        bool final = result.response.status == 401 || result.response.status == 403;
        *out = final ? ATTEMPT_NEVER : ATTEMPT_LATER;
        outcome = *trouble != NULL ? 0 : -1;
    }
    http_result_free(&result);
    return outcome;
}

static int pause_before_next(const struct verifier *verifier, int64_t pause_ms, const char *trouble,
                             struct error **err) {
    int64_t left = verifier->deadline_ms - clock_now(verifier->deps->clock);
    if (verifier->deadline_ms > 0 && left <= pause_ms)
        return error_new(err, ERROR_DEADLINE,
                         "the InferenceService is Ready but does not answer: %s", trouble);
    int64_t until = clock_now(verifier->deps->clock) + pause_ms;
    for (int64_t now = clock_now(verifier->deps->clock); now < until;
         now = clock_now(verifier->deps->clock)) {
        int waited = http_wait(verifier->http, until - now, err);
        if (waited < 0)
            return -1;
        if (waited == HTTP_WAIT_CANCELED)
            return error_new(err, ERROR_CANCELED, "canceled while asking the service: %s", trouble);
    }
    return 0;
}

static int ask_until_answered(const struct verifier *verifier, const char *url,
                              const struct observer *observer, struct error **err) {
    for (int64_t pause = FIRST_PAUSE_MS;;
         pause = pause * 2 < LONGEST_PAUSE_MS ? pause * 2 : LONGEST_PAUSE_MS) {
        enum attempt attempt = ATTEMPT_LATER;
        cleanup_free char *trouble = NULL;
        if (ask(&attempt, &trouble, verifier, url, err) < 0)
            return -1;
        if (attempt == ATTEMPT_ANSWERED)
            return 0;
        if (attempt == ATTEMPT_NEVER) {
            error_new(err, ERROR_ROLLOUT,
                      "the InferenceService is Ready but cannot be verified: %s", trouble);
            return error_hint(err, "see VERIFY_CA_FILE, VERIFY_SERVER_NAME and "
                                   "VERIFY_CERTIFICATE_FILE, or set VERIFY_ENDPOINT=false");
        }
        observer->progress(observer->user, STAGE_VERIFY, trouble);
        if (pause_before_next(verifier, pause, trouble, err) < 0)
            return -1;
    }
}

int verify_endpoint(char **answered, const struct verify_request *request, struct http_client *http,
                    const struct observer *observer, const struct deps *deps, int64_t deadline_ms,
                    struct error **err) {
    struct verifier verifier = {
        .request = request, .http = http, .deps = deps, .deadline_ms = deadline_ms};
    struct strings paths = {.items = NULL};
    char *last = NULL;
    int result = read_files(&verifier, err);
    if (result == 0)
        result = verify_paths(&paths, request->protocol, request->model_name, err);
    for (size_t i = 0; i < paths.count && result == 0; i++) {
        free(last);
        last = text_format(err, "%s%s", request->url, paths.items[i]);
        result = last != NULL ? ask_until_answered(&verifier, last, observer, err) : -1;
    }
    strings_free(&paths);
    verifier_free(&verifier);
    if (result < 0) {
        free(last);
        return -1;
    }
    *answered = last;
    return 0;
}
