#include "deploy/session.h"

int session_open_without_cluster(struct session *out, const struct session_options *options,
                                 const struct deps *deps, struct error **err) {
    *out = (struct session){0};
    return http_client_new(&out->http, deps, options->user_agent, err);
}

int session_open(struct session *out, const struct session_options *options,
                 const struct deps *deps, struct error **err) {
    cleanup_session struct session session = {0};
    const struct kube_config_options where = {.kubeconfig = options->kubeconfig,
                                              .context = options->context};
    if (kube_config_load(&session.config, &where, deps, err) < 0)
        return -1;
    if (http_client_new(&session.http, deps, options->user_agent, err) < 0)
        return -1;
    const struct kube_client_options client = {.request_timeout_ms = options->request_timeout_ms,
                                               .user_agent = options->user_agent};
    if (kube_client_new(&session.kube, session.config, session.http, deps, &client, err) < 0)
        return -1;
    session.namespace_ = session.config->namespace_;
    *out = session;
    session = (struct session){0};
    return 0;
}

void session_close(struct session *session) {
    kube_client_free(session->kube);
    http_client_free(session->http);
    kube_config_free(session->config);
    *session = (struct session){0};
}
