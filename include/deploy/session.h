#pragma once

/* One run's connections: cluster configuration, API client, HTTP loop. */

#include "base/deps.h"
#include "kube/client.h"
#include "kube/config.h"

struct session_options {
    const char *kubeconfig;     /* or NULL */
    const char *context;        /* or NULL */
    int64_t request_timeout_ms; /* 0: 30 s */
    const char *user_agent;
};

struct session {
    struct kube_config *config; /* NULL when opened without a cluster */
    struct http_client *http;
    struct kube_client *kube;
    const char *namespace_; /* of the configuration, or NULL; borrowed from config */
};

/* No network yet. */
int session_open(struct session *out, const struct session_options *options,
                 const struct deps *deps, struct error **err);
/* Only the HTTP loop: for commands that need no cluster. */
int session_open_without_cluster(struct session *out, const struct session_options *options,
                                 const struct deps *deps, struct error **err);
void session_close(struct session *session);

#define cleanup_session cleanup(session_close)
