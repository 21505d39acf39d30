#include "preflight_read.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

enum { NODE_PAGE = 50, REVIEWS_AT_ONCE = 12, MOST_READS = 8, MOST_REVIEWS = 64 };

static const struct kube_resource storage_classes = {"storage.k8s.io", "v1", "storageclasses",
                                                     "StorageClass", false};

static void reading_free(struct reading *reading) {
    json_decref(reading->object);
    error_free(reading->error);
}

static void review_free(struct right_review *review) {
    free(review->resource);
    free(review->verb);
    error_free(review->error);
}

void cluster_readings_free(struct cluster_readings *readings) {
    struct reading *const all[] = {
        &readings->version, &readings->groups, &readings->namespace_, &readings->quotas,
        &readings->limits,  &readings->nodes,  &readings->claim,      &readings->storage_class,
        &readings->shadow,  &readings->account};
    for (size_t i = 0; i < array_length(all); i++)
        reading_free(all[i]);
    for (size_t i = 0; i < readings->review_count; i++)
        review_free(&readings->reviews[i]);
    free(readings->reviews);
    *readings = (struct cluster_readings){0};
}

/* ---- reads ---- */

struct reads {
    struct kube_request requests[MOST_READS];
    struct kube_answer answers[MOST_READS];
    struct reading *targets[MOST_READS];
    size_t count;
};

static void reads_free(struct reads *reads) {
    for (size_t i = 0; i < reads->count; i++)
        kube_answer_free(&reads->answers[i]);
}

static void add_read(struct reads *reads, struct reading *target,
                     const struct kube_request *request) {
    reads->requests[reads->count] = *request;
    reads->targets[reads->count++] = target;
}

static int send_reads(struct reads *reads, const struct preflight_reader *reader,
                      struct error **err) {
    if (reads->count == 0)
        return 0;
    if (kube_send(reader->session->kube, reads->requests, reads->count, reads->answers,
                  reader->deadline_ms, err) < 0)
        return -1;
    for (size_t i = 0; i < reads->count; i++) {
        struct kube_answer *answer = &reads->answers[i];
        if (answer->error != NULL && answer->error->kind == ERROR_CANCELED)
            return error_take(err, steal_pointer(answer->error));
        reads->targets[i]->object = steal_pointer(answer->object);
        reads->targets[i]->error = steal_pointer(answer->error);
    }
    return 0;
}

/* ---- nodes ---- */

static int keep_node(void *user, json_t *node) {
    return json_array_append_new(user, preflight_prune_node(node));
}

/* The further pages; a node's images and addresses are not kept. */
static int read_nodes(struct reading *nodes, const struct preflight_reader *reader,
                      struct error **err) {
    if (nodes->object == NULL)
        return 0;
    cleanup_json json_t *kept = json_array();
    const struct kube_list_request list = {
        .resource = &kube_nodes, .page = NODE_PAGE, .first = steal_pointer(nodes->object)};
    struct error *failure = NULL;
    if (kept == NULL) {
        json_decref(list.first);
        return error_no_memory(err);
    }
    int result = kube_list_each(reader->session->kube, &list, reader->deadline_ms, keep_node, kept,
                                &failure);
    if (result < 0 && failure == NULL)
        return error_no_memory(err);
    nodes->error = failure;
    nodes->object = failure == NULL ? json_pack("{s:O}", "items", kept) : NULL;
    return failure != NULL || nodes->object != NULL ? 0 : error_no_memory(err);
}

/* ---- rights ---- */

/* Calls for each word of WORDS: copies it to OUT, true until there is none. */
static bool next_word(const char **words, char out[64]) {
    size_t length = strcspn(*words, " ");
    if (length == 0 || length >= 64)
        return false;
    memcpy(out, *words, length);
    out[length] = '\0';
    *words += length + ((*words)[length] == ' ' ? 1 : 0);
    return true;
}

static int add_review(struct cluster_readings *out, size_t right, const char *resource,
                      const char *verb, struct error **err) {
    struct right_review *review = &out->reviews[out->review_count];
    *review = (struct right_review){
        .right = right, .resource = text_copy(resource, err), .verb = text_copy(verb, err)};
    out->review_count++;
    return review->resource != NULL && review->verb != NULL ? 0 : -1;
}

static int list_reviews(struct cluster_readings *out, const struct inputs *inputs,
                        struct error **err) {
    out->reviews = calloc(MOST_REVIEWS, sizeof(*out->reviews));
    if (out->reviews == NULL)
        return error_no_memory(err);
    for (size_t i = 0; i < rights_count; i++) {
        char resource[64];
        for (const char *resources = rights[i].resources; next_word(&resources, resource);) {
            char verb[64];
            for (const char *verbs = rights[i].verbs; next_word(&verbs, verb);)
                if (out->review_count < MOST_REVIEWS &&
                    preflight_needs_right(&rights[i], verb, inputs) &&
                    add_review(out, i, resource, verb, err) < 0)
                    return -1;
        }
    }
    return 0;
}

/* "pods/log" is resource and subresource. */
static char *review_body(const struct right_review *review, const struct inputs *inputs,
                         struct error **err) {
    const struct right *right = &rights[review->right];
    const char *resource = review->resource != NULL ? review->resource : "";
    const char *slash = strchr(resource, '/');
    size_t length = slash != NULL ? (size_t)(slash - resource) : strlen(resource);
    cleanup_free char *plural = text_copy_bytes(resource, length, err);
    if (plural == NULL)
        return NULL;
    cleanup_json json_t *body = json_pack(
        "{s:s, s:s, s:{s:{s:s*, s:s, s:s, s:s, s:s*, s:s*}}}", "apiVersion",
        "authorization.k8s.io/v1", "kind", "SelfSubjectAccessReview", "spec", "resourceAttributes",
        "namespace", right->cluster_wide ? NULL : inputs->namespace_, "verb", review->verb, "group",
        right->group, "resource", plural, "subresource", slash != NULL ? slash + 1 : NULL, "name",
        right->names);
    if (body == NULL) {
        error_no_memory(err);
        return NULL;
    }
    return json_canonical_text(body, err);
}

static int send_reviews(struct right_review *reviews, size_t count,
                        const struct preflight_reader *reader, struct error **err) {
    struct kube_request requests[REVIEWS_AT_ONCE] = {{.verb = NULL}};
    struct kube_answer answers[REVIEWS_AT_ONCE] = {{.object = NULL}};
    char *bodies[REVIEWS_AT_ONCE] = {NULL};
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        bodies[i] = review_body(&reviews[i], reader->inputs, err);
        /* nothing is stored: it may be asked again */
        requests[i] = (struct kube_request){.verb = "create",
                                            .resource = &kube_self_subject_access_reviews,
                                            .body = bodies[i],
                                            .retry_broken = true};
        result = bodies[i] != NULL ? 0 : -1;
    }
    if (result == 0)
        result =
            kube_send(reader->session->kube, requests, count, answers, reader->deadline_ms, err);
    for (size_t i = 0; i < count; i++) {
        if (result == 0) {
            const json_t *allowed = json_at(answers[i].object, "status", "allowed", NULL);
            reviews[i].answered = json_is_boolean(allowed);
            reviews[i].allowed = json_is_true(allowed);
            reviews[i].error = steal_pointer(answers[i].error);
        }
        kube_answer_free(&answers[i]);
        free(bodies[i]);
    }
    return result;
}

static int read_rights(struct cluster_readings *out, const struct preflight_reader *reader,
                       struct error **err) {
    if (list_reviews(out, reader->inputs, err) < 0)
        return -1;
    for (size_t i = 0; i < out->review_count; i += REVIEWS_AT_ONCE) {
        size_t left = out->review_count - i;
        size_t count = left < REVIEWS_AT_ONCE ? left : REVIEWS_AT_ONCE;
        if (send_reviews(&out->reviews[i], count, reader, err) < 0)
            return -1;
    }
    return 0;
}

static bool lacks_rights(const struct cluster_readings *readings) {
    for (size_t i = 0; i < readings->review_count; i++)
        if (readings->reviews[i].answered && !readings->reviews[i].allowed)
            return true;
    return false;
}

/* Whom they are to be given to. Kubernetes before 1.28 does not tell. */
static int read_account(struct cluster_readings *out, const struct preflight_reader *reader,
                        struct error **err) {
    if (!lacks_rights(out))
        return 0;
    const struct kube_request request = {
        .verb = "create",
        .resource = &kube_self_subject_reviews,
        .body = "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"SelfSubjectReview\"}",
        .retry_broken = true};
    struct kube_answer answer = {.object = NULL};
    int result = kube_send(reader->session->kube, &request, 1, &answer, reader->deadline_ms, err);
    if (result == 0)
        out->account = (struct reading){steal_pointer(answer.object), steal_pointer(answer.error)};
    kube_answer_free(&answer);
    return result;
}

/* ---- all of it ---- */

bool preflight_is_silent(const struct cluster_readings *readings) {
    const struct error *error = readings->version.error;
    return error != NULL && (error->http_status == 0 || error->http_status == 401);
}

int preflight_read_cluster(struct cluster_readings *out, const struct preflight_reader *reader,
                           struct error **err) {
    const char *namespace_ = reader->inputs->namespace_;
    cleanup(reads_free) struct reads reads = {.count = 0};
    cleanup_free char *page = kube_list_query(NULL, NODE_PAGE, err);
    if (page == NULL)
        return -1;
    add_read(&reads, &out->version, &(struct kube_request){.verb = "get", .path = "/version"});
    add_read(&reads, &out->groups, &(struct kube_request){.verb = "get", .path = "/apis"});
    add_read(
        &reads, &out->namespace_,
        &(struct kube_request){.verb = "get", .resource = &kube_namespaces, .name = namespace_});
    add_read(&reads, &out->quotas,
             &(struct kube_request){
                 .verb = "list", .resource = &kube_resource_quotas, .namespace_ = namespace_});
    add_read(&reads, &out->limits,
             &(struct kube_request){
                 .verb = "list", .resource = &kube_limit_ranges, .namespace_ = namespace_});
    add_read(&reads, &out->nodes,
             &(struct kube_request){.verb = "list", .resource = &kube_nodes, .query = page});
    if (reader->inputs->pvc_name[0] != '\0')
        add_read(&reads, &out->claim,
                 &(struct kube_request){.verb = "get",
                                        .resource = &kube_persistent_volume_claims,
                                        .namespace_ = namespace_,
                                        .name = reader->inputs->pvc_name});
    if (send_reads(&reads, reader, err) < 0)
        return -1;
    if (preflight_is_silent(out))
        return 0;
    if (read_nodes(&out->nodes, reader, err) < 0 || read_rights(out, reader, err) < 0)
        return -1;
    return read_account(out, reader, err);
}

int preflight_read_shadow(struct cluster_readings *out, const struct preflight_reader *reader,
                          const char *runtime, struct error **err) {
    cleanup(reads_free) struct reads reads = {.count = 0};
    add_read(&reads, &out->shadow,
             &(struct kube_request){.verb = "get",
                                    .resource = &kube_serving_runtimes,
                                    .namespace_ = reader->inputs->namespace_,
                                    .name = runtime});
    return send_reads(&reads, reader, err);
}

int preflight_read_more(struct cluster_readings *out, const struct preflight_reader *reader,
                        struct error **err) {
    cleanup(reads_free) struct reads reads = {.count = 0};
    const json_t *claim = out->claim.object;
    const char *class_ = json_text_at(claim, "spec", "storageClassName", NULL);
    bool unbound =
        claim != NULL && !text_equal(json_text_at(claim, "status", "phase", NULL), "Bound");
    if (unbound && !text_is_empty(class_))
        add_read(
            &reads, &out->storage_class,
            &(struct kube_request){.verb = "get", .resource = &storage_classes, .name = class_});
    return send_reads(&reads, reader, err);
}
