#pragma once

/* Private to credential*.c: what an exec plugin answered. */

#include "kube/credential.h"

struct exec_answer {
    char *token;                  /* secret, or NULL */
    char *client_certificate_pem; /* or NULL */
    char *client_key_pem;         /* secret, or NULL */
    int64_t expires_wall_ms;      /* -1: not in this process's life */
};

void exec_answer_free(struct exec_answer *answer);

/* Runs the plugin of CONFIG (which has one) and reads its ExecCredential. */
int exec_run(struct exec_answer *out, const struct kube_config *config, const struct deps *deps,
             struct error **err);

/*
 * Reads an ExecCredential that must be of API_VERSION. Pure; fuzzed. COMMAND is for messages, which
 * never show the text itself. Source: client-go plugin/pkg/client/auth/exec/exec.go
 * refreshCredsLocked.
 */
int exec_parse(struct exec_answer *out, const char *text, size_t length, const char *api_version,
               const char *command, struct error **err);

/* The value of KUBERNETES_EXEC_INFO, owned; NULL with an error. */
char *exec_info(const struct kube_config *config, bool interactive, struct error **err);
