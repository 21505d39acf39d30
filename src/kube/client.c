#include "client_private.h"

#include "base/json.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum {
    DEFAULT_BODY_LIMIT = 8 * 1024 * 1024,
    DEFAULT_TIMEOUT_MS = 30 * 1000,
    LONGEST_URL = 16 * 1024,
    LONGEST_HEADER = 8 * 1024,
};

static const char server_name[] = "the Kubernetes API server";

/* Reads may go out again after a reset; writes only when the caller says so. */
static const struct retry_policy retry_reads = {4, 200, 30 * 1000, true};
static const struct retry_policy retry_writes = {4, 200, 30 * 1000, false};
static const struct retry_policy retry_nothing = {1, 0, 0, false};

/* ---- headers that every request carries ---- */

static bool has_line_break(const char *text) {
    return strpbrk(text, "\r\n") != NULL;
}

static int add_header(struct strings *headers, const char *name, const char *value,
                      struct error **err) {
    if (has_line_break(value))
        return error_new(err, ERROR_PARAMETER, "the value of %s contains a line break", name);
    if (strlen(value) > LONGEST_HEADER)
        return error_new(err, ERROR_PARAMETER, "the value of %s is longer than %d bytes", name,
                         LONGEST_HEADER);
    return strings_add_format(headers, err, "%s: %s", name, value);
}

/* Impersonate-Extra-KEY: the key in lower case, what no header name may hold percent-encoded
 * (client-go transport/round_trippers.go headerKeyEscape). */
static char *extra_header_name(const char *key, struct error **err) {
    cleanup_buffer struct buffer name = BUFFER_INIT(LONGEST_HEADER);
    buffer_append_text(&name, "Impersonate-Extra-");
    for (const unsigned char *at = (const unsigned char *)key; *at != '\0'; at++) {
        bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z');
        bool digit = *at >= '0' && *at <= '9';
        if (letter || digit || strchr("!#$&'*+-.^_`|~", *at) != NULL)
            buffer_append_character(&name, (char)*at);
        else
            buffer_printf(&name, "%%%02X", (unsigned)*at);
    }
    return buffer_steal(&name, "an impersonation header", err);
}

static int add_extra(struct strings *headers, const json_t *extra, struct error **err) {
    const char *key;
    json_t *values;
    json_object_foreach(json_iterable(extra), key, values) {
        cleanup_free char *name = extra_header_name(key, err);
        if (name == NULL)
            return -1;
        size_t i;
        json_t *value;
        json_array_foreach(values, i, value) {
            if (add_header(headers, name, json_string_value(value), err) < 0)
                return -1;
        }
    }
    return 0;
}

static int add_impersonation(struct strings *headers, const struct kube_user *user,
                             struct error **err) {
    if (user->impersonate == NULL)
        return 0;
    if (add_header(headers, "Impersonate-User", user->impersonate, err) < 0)
        return -1;
    if (user->impersonate_uid != NULL &&
        add_header(headers, "Impersonate-Uid", user->impersonate_uid, err) < 0)
        return -1;
    for (size_t i = 0; i < user->impersonate_groups.count; i++)
        if (add_header(headers, "Impersonate-Group", user->impersonate_groups.items[i], err) < 0)
            return -1;
    return add_extra(headers, user->impersonate_extra, err);
}

/* The list that http_request wants: ACCEPT, the common lines, NULL. Texts are borrowed. */
static const char **header_list(const struct strings *common, const char *accept,
                                struct error **err) {
    const char **list = calloc(common->count + 2, sizeof(*list));
    if (list == NULL) {
        error_no_memory(err);
        return NULL;
    }
    list[0] = accept;
    for (size_t i = 0; i < common->count; i++)
        list[i + 1] = common->items[i];
    return list;
}

static int make_headers(struct kube_client *client, const struct kube_client_options *options,
                        struct error **err) {
    if (options->user_agent != NULL &&
        add_header(&client->common_headers, "User-Agent", options->user_agent, err) < 0)
        return -1;
    if (add_impersonation(&client->common_headers, &client->config->user, err) < 0)
        return -1;
    client->json_headers = header_list(&client->common_headers, "Accept: application/json", err);
    if (client->json_headers == NULL)
        return -1;
    client->text_headers = header_list(&client->common_headers, "Accept: */*", err);
    return client->text_headers != NULL ? 0 : -1;
}

int kube_client_new(struct kube_client **out, const struct kube_config *config,
                    struct http_client *http, const struct deps *deps,
                    const struct kube_client_options *options, struct error **err) {
    static const struct kube_client_options defaults = {0};
    if (options == NULL)
        options = &defaults;
    cleanup_kube_client struct kube_client *client = calloc(1, sizeof(*client));
    if (client == NULL)
        return error_no_memory(err);
    client->config = config;
    client->http = http;
    client->deps = deps;
    client->timeout_ms =
        options->request_timeout_ms > 0 ? options->request_timeout_ms : DEFAULT_TIMEOUT_MS;
    if (make_headers(client, options, err) < 0)
        return -1;
    if (kube_credential_new(&client->credential, config, deps, err) < 0)
        return -1;
    *out = steal_pointer(client);
    return 0;
}

void kube_client_free(struct kube_client *client) {
    if (client == NULL)
        return;
    kube_credential_free(client->credential);
    strings_free(&client->common_headers);
    free(client->json_headers);
    free(client->text_headers);
    free(client);
}

struct http_client *kube_client_http(struct kube_client *client) {
    return client->http;
}

const struct deps *kube_client_deps(const struct kube_client *client) {
    return client->deps;
}

bool kube_client_reject_credential(struct kube_client *client) {
    return kube_credential_reject(client->credential);
}

/* ---- one request ---- */

static const char *method_of_verb(const char *verb) {
    static const struct {
        const char *verb;
        const char *method;
    } table[] = {{"get", "GET"},    {"list", "GET"},    {"watch", "GET"},    {"create", "POST"},
                 {"update", "PUT"}, {"patch", "PATCH"}, {"delete", "DELETE"}};
    for (size_t i = 0; i < array_length(table); i++)
        if (text_equal(verb, table[i].verb))
            return table[i].method;
    return NULL;
}

static char *request_url(const struct kube_client *client, const struct kube_request *request,
                         struct error **err) {
    cleanup_free char *path = request->resource == NULL
                                  ? text_copy(request->path, err)
                                  : kube_path(request->resource, request->namespace_, request->name,
                                              request->subresource, err);
    if (path == NULL)
        return NULL;
    cleanup_buffer struct buffer url = BUFFER_INIT(LONGEST_URL);
    buffer_append_text(&url, client->config->server);
    buffer_append_text(&url, path);
    if (!text_is_empty(request->query)) {
        buffer_append_character(&url, '?');
        buffer_append_text(&url, request->query);
    }
    return buffer_steal(&url, "a Kubernetes API URL", err);
}

static void fill_trust(struct http_trust *trust, const struct kube_client *client,
                       const struct kube_login *login) {
    const struct kube_config *config = client->config;
    *trust = (struct http_trust){
        .ca_pem = config->ca_pem,
        .skip_verification = config->skip_verification,
        .server_name = config->server_name,
        .proxy = config->proxy,
        .client_certificate_pem = login->client_certificate_pem,
        .client_key_pem = login->client_key_pem,
    };
}

static const struct retry_policy *retry_of(const struct kube_request *request, bool reads) {
    if (request->single_attempt)
        return &retry_nothing;
    return reads || request->retry_broken ? &retry_reads : &retry_writes;
}

static int fill_request(struct http_request *out, char **url, const struct kube_client *client,
                        const struct kube_request *request, const struct kube_login *login,
                        const struct http_trust *trust, struct error **err) {
    const char *method = method_of_verb(request->verb);
    if (method == NULL)
        return error_new(err, ERROR_INTERNAL, "unknown verb in a Kubernetes request");
    *url = request_url(client, request, err);
    if (*url == NULL)
        return -1;
    const char *content_type =
        request->content_type != NULL ? request->content_type : "application/json";
    *out = (struct http_request){
        .method = method,
        .url = *url,
        .headers = request->want_text ? client->text_headers : client->json_headers,
        .authorization = login->authorization,
        .content_type = request->body != NULL ? content_type : NULL,
        .body = request->body,
        .body_length = request->body != NULL ? strlen(request->body) : 0,
        .trust = trust,
        .body_limit = request->body_limit > 0 ? request->body_limit : DEFAULT_BODY_LIMIT,
        .timeout_ms = client->timeout_ms,
        .retry = retry_of(request, text_equal(method, "GET")),
        .server = server_name,
    };
    return 0;
}

/* ---- one answer ---- */

/* Whoever reads "cannot reach" or "not logged in" wants to know where this cluster came from. */
static void name_origin(struct error **error, const struct kube_client *client) {
    if (*error == NULL || (*error)->kind != ERROR_UNREACHABLE || client->config->origin == NULL)
        return;
    if ((*error)->http_status == 401)
        error_hint(error, "the credential comes from %s; it may have expired",
                   client->config->origin);
    else if ((*error)->hint == NULL)
        error_hint(error, "the cluster's address %s comes from %s", client->config->server,
                   client->config->origin);
}

static int read_error(struct kube_answer *answer, const struct http_response *response,
                      const struct kube_request *request, struct error **err) {
    json_t *status = json_loadb(response->body.data != NULL ? response->body.data : "",
                                response->body.length, 0, NULL);
    if (text_equal(json_text_at(status, "kind", NULL), "Status")) {
        answer->status = status;
        kube_status_object_error(&answer->error, response->status, status, request);
    } else {
        json_decref(status);
        kube_status_error(&answer->error, response->status, response->body.data,
                          response->body.length, request);
    }
    return answer->error != NULL ? 0 : error_no_memory(err);
}

static int read_object(struct kube_answer *answer, const struct http_response *response,
                       const struct kube_request *request, struct error **err) {
    if (response->body.length == 0)
        return 0;
    json_error_t problem = {0};
    json_t *object = json_loadb(response->body.data, response->body.length, 0, &problem);
    if (object == NULL && json_error_code(&problem) == json_error_out_of_memory)
        return error_no_memory(err);
    if (object == NULL)
        return read_error(answer, response, request, err);
    bool is_status = text_equal(json_text_at(object, "kind", NULL), "Status");
    if (is_status && !text_equal(json_text_at(object, "status", NULL), "Success")) {
        answer->status = object;
        kube_status_object_error(&answer->error, response->status, object, request);
        return answer->error != NULL ? 0 : error_no_memory(err);
    }
    answer->object = object;
    return 0;
}

/* Takes RESULT over into ANSWER. -1 only when memory is short. */
static int read_answer(struct kube_answer *answer, struct http_result *result,
                       const struct kube_client *client, const struct kube_request *request,
                       struct error **err) {
    struct http_response *response = &result->response;
    answer->http_status = response->status;
    answer->attempts += response->attempts;
    if (request->resource == &kube_secrets)
        response->body.secret = true; /* wiped when it is freed */
    if (result->error != NULL) {
        answer->http_status = 0;
        answer->error = steal_pointer(result->error);
        name_origin(&answer->error, client);
        return 0;
    }
    if (kube_warnings_read(&answer->warnings, &response->headers, err) < 0)
        return -1;
    if (response->status < 200 || response->status > 299) {
        int outcome = read_error(answer, response, request, err);
        name_origin(&answer->error, client);
        return outcome;
    }
    if (request->want_text) {
        answer->text = buffer_steal(&response->body, "a text answer", err);
        return answer->text != NULL ? 0 : -1;
    }
    return read_object(answer, response, request, err);
}

void kube_answer_free(struct kube_answer *answer) {
    if (answer == NULL)
        return;
    bool last = answer->object != NULL && answer->object->refcount == 1;
    if (last && text_equal(json_text_at(answer->object, "kind", NULL), "Secret"))
        json_wipe(answer->object);
    json_decref(answer->object);
    json_decref(answer->status);
    free(answer->text);
    error_free(answer->error);
    strings_free(&answer->warnings);
    *answer = (struct kube_answer){0};
}

/* ---- batches ---- */

struct batch {
    struct http_request *requests;
    struct http_result *results;
    char **urls;
    size_t *indices; /* of the caller's request and answer */
    size_t capacity;
};

static void batch_free(struct batch *batch) {
    for (size_t i = 0; i < batch->capacity; i++) {
        if (batch->results != NULL)
            http_result_free(&batch->results[i]);
        if (batch->urls != NULL)
            free(batch->urls[i]);
    }
    free(batch->requests);
    free(batch->results);
    free(batch->urls);
    free(batch->indices);
}

static int batch_new(struct batch *batch, size_t count, struct error **err) {
    batch->requests = calloc(count, sizeof(*batch->requests));
    batch->results = calloc(count, sizeof(*batch->results));
    batch->urls = calloc(count, sizeof(*batch->urls));
    batch->indices = calloc(count, sizeof(*batch->indices));
    batch->capacity = count;
    bool complete = batch->requests != NULL && batch->results != NULL && batch->urls != NULL &&
                    batch->indices != NULL;
    return complete ? 0 : error_no_memory(err);
}

/* One round: all requests, or with AGAIN those that got 401. */
static int send_round(struct kube_client *client, const struct kube_request *requests, size_t count,
                      struct kube_answer *answers, bool again, int64_t deadline_ms,
                      struct error **err) {
    struct kube_login login = {0};
    if (kube_credential_get(client->credential, &login, err) < 0)
        return -1;
    struct http_trust trust;
    fill_trust(&trust, client, &login);
    cleanup(batch_free) struct batch batch = {0};
    if (batch_new(&batch, count, err) < 0)
        return -1;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (again && answers[i].http_status != 401)
            continue;
        if (fill_request(&batch.requests[used], &batch.urls[used], client, &requests[i], &login,
                         &trust, err) < 0)
            return -1;
        batch.indices[used++] = i;
    }
    if (http_send(client->http, batch.requests, used, batch.results, deadline_ms, err) < 0)
        return -1;
    for (size_t i = 0; i < used; i++) {
        size_t at = batch.indices[i];
        int attempts = answers[at].attempts;
        kube_answer_free(&answers[at]);
        answers[at].attempts = attempts;
        if (read_answer(&answers[at], &batch.results[i], client, &requests[at], err) < 0)
            return -1;
        http_result_free(&batch.results[i]);
    }
    return 0;
}

static bool any_unauthorized(const struct kube_answer *answers, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (answers[i].http_status == 401)
            return true;
    return false;
}

int kube_send(struct kube_client *client, const struct kube_request *requests, size_t count,
              struct kube_answer *answers, int64_t deadline_ms, struct error **err) {
    if (count == 0)
        return 0;
    int outcome = send_round(client, requests, count, answers, false, deadline_ms, err);
    if (outcome == 0 && any_unauthorized(answers, count) &&
        kube_credential_reject(client->credential)) {
        log_debug(client->deps->log, "%s answered 401: asking for a fresh credential", server_name);
        outcome = send_round(client, requests, count, answers, true, deadline_ms, err);
    }
    if (outcome < 0)
        for (size_t i = 0; i < count; i++)
            kube_answer_free(&answers[i]);
    return outcome;
}

int kube_call(json_t **out, struct kube_client *client, const struct kube_request *request,
              int64_t deadline_ms, struct error **err) {
    struct kube_answer answer = {0};
    if (kube_send(client, request, 1, &answer, deadline_ms, err) < 0)
        return -1;
    int outcome = 0;
    if (answer.error != NULL)
        outcome = error_take(err, steal_pointer(answer.error));
    else if (out != NULL)
        *out = steal_pointer(answer.object);
    kube_answer_free(&answer);
    return outcome;
}

/* ---- streams ---- */

static int copy_login(struct kube_stream_request *out, const struct kube_login *login,
                      struct error **err) {
    const struct {
        char **copy;
        const char *text;
    } fields[] = {{&out->authorization, login->authorization},
                  {&out->client_certificate_pem, login->client_certificate_pem},
                  {&out->client_key_pem, login->client_key_pem}};
    for (size_t i = 0; i < array_length(fields); i++) {
        if (fields[i].text == NULL)
            continue;
        *fields[i].copy = text_copy(fields[i].text, err);
        if (*fields[i].copy == NULL)
            return -1;
    }
    return 0;
}

void kube_stream_request_free(struct kube_stream_request *request) {
    if (request == NULL)
        return;
    free(request->url);
    secret_free(request->authorization);
    free(request->client_certificate_pem);
    secret_free(request->client_key_pem);
    free(request);
}

static void stream_request_free_pointer(struct kube_stream_request **request) {
    kube_stream_request_free(*request);
}

int kube_stream_request_new(struct kube_stream_request **out, struct kube_client *client,
                            const char *path_and_query, struct error **err) {
    struct kube_login login = {0};
    if (kube_credential_get(client->credential, &login, err) < 0)
        return -1;
    cleanup(stream_request_free_pointer) struct kube_stream_request *request =
        calloc(1, sizeof(*request));
    if (request == NULL)
        return error_no_memory(err);
    if (copy_login(request, &login, err) < 0)
        return -1;
    request->url = text_format(err, "%s%s", client->config->server, path_and_query);
    if (request->url == NULL)
        return -1;
    const struct kube_login copies = {
        .authorization = request->authorization,
        .client_certificate_pem = request->client_certificate_pem,
        .client_key_pem = request->client_key_pem,
    };
    fill_trust(&request->trust, client, &copies);
    request->http = (struct http_request){
        .method = "GET",
        .url = request->url,
        .headers = client->json_headers,
        .authorization = request->authorization,
        .trust = &request->trust,
        .body_limit = DEFAULT_BODY_LIMIT,
        .retry = &retry_nothing,
        .server = server_name,
    };
    *out = steal_pointer(request);
    return 0;
}
