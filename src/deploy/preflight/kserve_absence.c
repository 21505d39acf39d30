#include "deploy/kserve_absence.h"

#include "base/memory.h"

static int no_kserve(const char *namespace_, struct error **err) {
    error_new(err, ERROR_REFUSED,
              "the cluster does not know InferenceServices (serving.kserve.io/v1beta1), asked for "
              "namespace %s: KServe is not installed",
              namespace_);
    return error_hint(err, "install KServe 0.14 or later; check that kubeconfig and context name "
                           "the right cluster");
}

static int only_kfserving(struct error **err) {
    error_new(err, ERROR_REFUSED,
              "the cluster has KFServing (serving.kubeflow.org), not KServe: KServe 0.8 or later "
              "is needed, because KFServing has no serving runtimes");
    return error_hint(err,
                      "install KServe (0.14 to 0.20 are tested) beside it or in its place, and "
                      "move the InferenceServices over; check that kubeconfig and context "
                      "name the right cluster");
}

int kserve_explain_absence(const struct error *failure, const struct session *session,
                           const char *namespace_, int64_t deadline_ms, struct error **err) {
    if (failure == NULL || (failure->http_status != 404 && failure->http_status != 403))
        return 0;
    const struct kube_request requests[] = {{.verb = "get", .path = "/apis/serving.kserve.io"},
                                            {.verb = "get", .path = "/apis/serving.kubeflow.org"}};
    struct kube_answer answers[array_length(requests)] = {{0}, {0}};
    struct error *problem = NULL;
    bool absent = false;
    bool kfserving = false;
    if (kube_send(session->kube, requests, array_length(requests), answers, deadline_ms,
                  &problem) == 0) {
        absent = answers[0].http_status == 404;
        kfserving = answers[1].http_status == 200;
    }
    error_free(problem); /* what FAILURE says is the better message then */
    for (size_t i = 0; i < array_length(answers); i++)
        kube_answer_free(&answers[i]);
    if (!absent)
        return 0;
    return kfserving ? only_kfserving(err) : no_kserve(namespace_, err);
}
