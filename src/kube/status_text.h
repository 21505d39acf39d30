#pragma once

/* Private to status.c and status_refusal.c: the texts of API errors. */

#include "base/error.h"
#include "kube/client.h"

#include <jansson.h>

enum { STATUS_LONGEST_TEXT = 2048 };

/* `get inferenceservices.serving.kserve.io "qwen" in namespace team-a`, or `get /version`. */
char *status_operation(const struct kube_request *request, struct error **err);

/* A copy that is safe to print, one line, at most STATUS_LONGEST_TEXT bytes. */
char *status_clean(const char *text, size_t length, struct error **err);

/*
 * Looks for a refusal that it understands in MESSAGE: RBAC, a webhook's or policy's denial, quota,
 * Pod Security, a terminating namespace. True when it made *err (also when it ran out of memory).
 */
bool status_refusal(struct error **err, const char *operation, const json_t *status,
                    const char *message, const struct kube_request *request);
