#pragma once

/*
 * The Kubernetes API over net/http: one place for paths, credentials, Status errors, warnings and
 * retries. Sources: client-go rest/request.go, rest/with_retry.go, apimachinery pkg/api/errors.
 */

#include "base/strings.h"
#include "kube/config.h"
#include "kube/resource.h"
#include "net/http.h"

struct kube_client;

struct kube_client_options {
    int64_t request_timeout_ms; /* of one attempt; 0: 30 s */
    const char *user_agent;     /* "deploy-inference-service/0.1.0 (linux/amd64)"; NULL: the HTTP
                                   client's; copied */
};

/* CONFIG, HTTP and DEPS are borrowed for the client's life. No network yet. OPTIONS may be NULL. */
int kube_client_new(struct kube_client **out, const struct kube_config *config,
                    struct http_client *http, const struct deps *deps,
                    const struct kube_client_options *options, struct error **err);
void kube_client_free(struct kube_client *client);

static inline void kube_client_free_pointer(struct kube_client **client) {
    kube_client_free(*client);
    *client = NULL;
}

#define cleanup_kube_client cleanup(kube_client_free_pointer)

/* The HTTP loop under the client (for waiting). */
struct http_client *kube_client_http(struct kube_client *client);

/* What the client was made with (clock, log). */
const struct deps *kube_client_deps(const struct kube_client *client);

struct kube_request {
    const char *verb; /* RBAC verb: "get", "list", "watch", "create", "update", "patch",
                         "delete"; gives the HTTP method */
    const struct kube_resource *resource; /* NULL: PATH is used */
    const char *path; /* raw path, such as "/version"; used when resource is NULL */
    const char *namespace_;
    const char *name;
    const char *subresource;  /* "log", "status"; or NULL */
    const char *query;        /* encoded, without '?'; or NULL */
    const char *content_type; /* of the body; NULL: application/json */
    const char *body;         /* text; or NULL */
    size_t body_limit;        /* of the answer; 0: 8 MiB */
    bool want_text;           /* the answer is text (logs), not JSON */
    bool retry_broken;   /* the request may be sent again after a reset although it is a write */
    bool single_attempt; /* the caller does its own retries */
};

struct kube_answer {
    json_t *object;      /* owned; NULL when there is an error, want_text or no content */
    json_t *status;      /* owned; the Status that came with an error (details.causes), or NULL */
    char *text;          /* owned; when want_text */
    struct error *error; /* owned; see kube_status_error */
    int http_status;     /* 0 when no answer arrived */
    int attempts;        /* how often it was sent; above 1 an earlier one may have been done */
    struct strings warnings; /* texts of "Warning: 299" headers, each once (RFC 7234 5.5, Kubernetes
                                API concepts) */
};

/*
 * Sends COUNT requests in parallel and waits for all. On 401 the credential is refreshed once and
 * those requests are sent again. Lists are followed over `continue` by kube_list, not here.
 * DEADLINE_MS: monotonic, 0 = none. ANSWERS are COUNT zeroed elements. -1 only when the batch could
 * not run (out of memory, no credential). Answers that hold a Secret are wiped from the HTTP
 * buffer.
 *
 * Errors in answers by kind: see kube_status_error; without any answer UNREACHABLE, DEADLINE,
 * CANCELED or INTERNAL as net/http.h has it.
 */
int kube_send(struct kube_client *client, const struct kube_request *requests, size_t count,
              struct kube_answer *answers, int64_t deadline_ms, struct error **err);

/* One request; moves the answer's object to *OUT (may be NULL) and its error to *err. */
int kube_call(json_t **out, struct kube_client *client, const struct kube_request *request,
              int64_t deadline_ms, struct error **err);

void kube_answer_free(struct kube_answer *answer);

/* ---- lists ---- */

struct kube_list_request {
    const struct kube_resource *resource;
    const char *namespace_; /* NULL: all namespaces */
    const char *selectors;  /* encoded query part such as "labelSelector=a%3Db", or NULL */
    int page;               /* most items of one answer; 0: 100 */
    /*
     * The first page when it was fetched already as part of a parallel batch (kube_list_query), or
     * NULL. Taken over, also on failure.
     */
    json_t *first;
};

/* The query of a list's first page, for kube_request.query; owned by the caller; NULL when out of
 * memory. */
char *kube_list_query(const char *selectors, int page, struct error **err);

/* Called for each item, with apiVersion and kind filled in. ITEM is borrowed (json_incref to keep
 * it). 0: go on; positive: enough, end without an error; negative: stop, the caller knows why. */
typedef int kube_item_handler(void *user, json_t *item);

/*
 * Hands over every item of a collection, one page in memory at a time. When a page's `continue`
 * expired (410), the listing goes on behind the last item seen with the token that the server then
 * gives (API concepts, "410 Gone"): no item comes twice, what changed meanwhile may be old or new.
 * -1 with an error, or -1 without one when ON_ITEM returned a negative number. At most 10,000
 * items.
 */
int kube_list_each(struct kube_client *client, const struct kube_list_request *list,
                   int64_t deadline_ms, kube_item_handler *on_item, void *user, struct error **err);

/*
 * Lists a whole collection in pages. *OUT is {"items": [...], "metadata": {"resourceVersion":
 * ...}}; items get apiVersion and kind filled in. At most 10,000 items. All pages show one state; a
 * 410 on a page starts again once.
 */
int kube_list(json_t **out, struct kube_client *client, const struct kube_resource *resource,
              const char *namespace_, const char *selectors, int64_t deadline_ms,
              struct error **err);

/* ---- streams ---- */

/*
 * A request for http_stream_start, with the login of now. It owns copies of everything that may
 * change under a running stream (URL, credential), so it lives as long as its owner wants; it must
 * outlive the stream. What the client never changes is borrowed from CLIENT.
 */
struct kube_stream_request {
    struct http_request http; /* GET; the caller may set idle_timeout_ms and timeout_ms */
    struct http_trust trust;
    char *url;
    char *authorization; /* secret */
    char *client_certificate_pem;
    char *client_key_pem; /* secret */
};

/* PATH_AND_QUERY as kube_path gives it, with "?watch=1&..." appended. *OUT is for
 * kube_stream_request_free. Errors: no credential to be had (UNREACHABLE), out of memory. */
int kube_stream_request_new(struct kube_stream_request **out, struct kube_client *client,
                            const char *path_and_query, struct error **err);
void kube_stream_request_free(struct kube_stream_request *request);

/* Tells the credential that a stream got 401; true when it is worth starting again. */
bool kube_client_reject_credential(struct kube_client *client);

/* ---- what an answer means ---- */

/*
 * Makes the error that an answer means; always returns -1. Pure; BODY may be no JSON at all (a
 * proxy's page). REQUEST says what was asked (its texts go into the message). http_status and
 * reason of the error are set from the Status (the reason is derived from the code when there is no
 * Status).
 *
 * By kind: 401 UNREACHABLE; 403 REFUSED: for RBAC naming user, verb, resource, namespace and name
 * with a hint how to grant it, for admission quoting the webhook or policy, quota, terminating
 * namespace; 404 REFUSED with reason NotFound for a name (or the namespace) that does not exist and
 * KUBE_NOT_SERVED for a kind or path that is not served; 409 CONFLICT with reason AlreadyExists or
 * Conflict; 400, 406, 410, 413, 415, 422 REFUSED with every cause's field; 429, 5xx UNREACHABLE,
 * but REFUSED when a webhook denied with such a code or the schema does not know a field
 * (kubernetes#139253).
 */
int kube_status_error(struct error **err, int http_status, const char *body, size_t length,
                      const struct kube_request *request);

/* The same for a Status that is parsed already (a watch's ERROR event, kube_answer.status). STATUS
 * may be NULL. */
int kube_status_object_error(struct error **err, int http_status, const json_t *status,
                             const struct kube_request *request);

/* error->reason of a 404 for a kind or path that the cluster does not serve (our own word). */
#define KUBE_NOT_SERVED "NotServed"

/* True for an answer that says that an admission webhook could not be called (500 "failed calling
 * webhook"): worth another try, nothing was stored. */
bool kube_status_is_webhook_down(const json_t *status);
