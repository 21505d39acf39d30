#pragma once

/* The rights that the step needs, as Kubernetes objects. Pure. */

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>

struct rbac_request {
    const char *namespace_;
    const char *service_account;
    bool diagnostics; /* rights to explain a failed rollout */
    bool preflight;   /* rights for every preflight check */
};

/* *OUT is an array of objects in the order to apply them: ServiceAccount (unless it is "default"),
 * Role, RoleBinding, ClusterRole, ClusterRoleBinding. Their names are the account's own. */
int rbac_objects(json_t **out, const struct rbac_request *request, struct error **err);
