#pragma once

/*
 * The credential that is sent, from a source that is asked again: bound service account tokens
 * rotate (KEP-1205), exec plugins expire. Sources: client-go transport/token_source.go,
 * plugin/pkg/client/auth/exec/exec.go, pkg/apis/clientauthentication/v1.
 */

#include "kube/config.h"

struct kube_credential;

/* CONFIG and DEPS are borrowed. Reads nothing yet. */
int kube_credential_new(struct kube_credential **out, const struct kube_config *config,
                        const struct deps *deps, struct error **err);
void kube_credential_free(struct kube_credential *credential);

struct kube_login {
    const char *authorization;          /* "Bearer ..." or "Basic ..."; NULL: none */
    const char *client_certificate_pem; /* or NULL */
    const char *client_key_pem;         /* or NULL */
};

/*
 * What to send now. Re-reads a token file when the copy is older than 50 s (a failing read keeps
 * the last good token), runs the exec plugin when it has not run or its answer expired. The
 * pointers live until the next call on CREDENTIAL. ERROR_UNREACHABLE when no credential can be had,
 * with the cause. Over plain http no credential is given out (as client-go).
 */
int kube_credential_get(struct kube_credential *credential, struct kube_login *out,
                        struct error **err);

/* The server answered 401: forget the copy. True when asking again may give another credential
 * (file or exec), so that one retry is worth it. */
bool kube_credential_reject(struct kube_credential *credential);
