#pragma once

/* The rights that the step needs: what `rbac` prints, and what preflight asks the cluster about. */

#include <stdbool.h>
#include <stddef.h>

enum right_use {
    RIGHT_DEPLOY,      /* a deploy cannot do without */
    RIGHT_DIAGNOSTICS, /* to explain a failed rollout */
    RIGHT_PREFLIGHT,   /* for checks that are left out without it */
};

/* One rule of a Role or ClusterRole: resources, names and verbs are separated by blanks. */
struct right {
    enum right_use use;
    bool cluster_wide; /* of a ClusterRole */
    const char *group; /* "" = core */
    const char *resources;
    const char *names; /* resourceNames, or NULL; RIGHT_OWN_NAMESPACE stands for NAMESPACE */
    const char *verbs;
};

#define RIGHT_OWN_NAMESPACE "NAMESPACE"

/* In the order of the stages that need them. */
extern const struct right rights[];
extern const size_t rights_count;
