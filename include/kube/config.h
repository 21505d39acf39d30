#pragma once

/*
 * Where the cluster is and how to log in: kubeconfig files (merged as client-go merges them) or the
 * pod's service account. Sources: client-go tools/clientcmd (loader.go, client_config.go,
 * merged_client_builder.go, validation.go), rest/config.go InClusterConfig.
 */

#include "base/deps.h"
#include "base/strings.h"

#include <jansson.h>

/* An exec plugin as the kubeconfig declares it (client.authentication.k8s.io v1, v1beta1). */
struct kube_exec {
    char *api_version;
    char *command; /* resolved against the kubeconfig's directory when it contains '/' */
    struct strings arguments;
    struct strings environment; /* "NAME=value" */
    char *install_hint;
    char *interactive_mode; /* "Never", "IfAvailable", "Always" */
    bool provide_cluster_info;
};

struct kube_user {
    char *token;      /* secret */
    char *token_file; /* wins over token while it can be read */
    char *username;
    char *password; /* secret */
    char *client_certificate_pem;
    char *client_key_pem; /* secret */
    char *impersonate;
    char *impersonate_uid;
    struct strings impersonate_groups;
    json_t *impersonate_extra; /* object of arrays, or NULL */
    struct kube_exec *exec;    /* or NULL */
};

struct kube_config {
    char *server; /* base URL, path prefix kept, no trailing slash */
    char *ca_pem; /* NULL: system roots */
    bool skip_verification;
    char *server_name;        /* tls-server-name, or NULL */
    char *proxy;              /* proxy-url (http, https, socks5), or NULL */
    bool disable_compression; /* for exec plugins only: we never ask for compression */
    char *namespace_;         /* of the context or the pod; NULL when neither names one */
    char *origin; /* for people: "context prod of ~/.kube/config", "the pod's service account" */
    bool in_cluster;
    struct kube_user user;
    json_t *exec_cluster_config; /* cluster extension for exec plugins, or NULL */
};

struct kube_config_options {
    const char
        *kubeconfig;     /* --kubeconfig: only that file; NULL: $KUBECONFIG list, ~/.kube/config */
    const char *context; /* --context, or NULL */
};

/*
 * Loads the configuration: flags over kubeconfig over in-cluster. In-cluster is taken when no
 * kubeconfig was given by option, none sets a current-context, KUBERNETES_SERVICE_HOST and _PORT
 * are set and the token file can be read. A bad file is ERROR_PARAMETER naming file and field; so
 * is no configuration at all, with a hint that lists what was looked at. Limits: 1 MiB a file, 32
 * files.
 *
 * As client-go: $KUBECONFIG is a list whose missing files are skipped, the first file that has an
 * entry wins as a whole, relative paths belong to the file that names them, duplicate names in one
 * file are an error; certificate-authority replaces the system's roots; over plain http neither CA
 * nor credentials are used. Stricter than client-go: in-cluster without a readable ca.crt is an
 * error, and so is an explicit --kubeconfig without a context to use.
 *
 * Certificates and keys given by file are read here, once; token files are read again and again
 * (kube/credential.h). OPTIONS may be NULL.
 */
int kube_config_load(struct kube_config **out, const struct kube_config_options *options,
                     const struct deps *deps, struct error **err);
void kube_config_free(struct kube_config *config);

static inline void kube_config_free_pointer(struct kube_config **config) {
    kube_config_free(*config);
    *config = NULL;
}

#define cleanup_kube_config cleanup(kube_config_free_pointer)
