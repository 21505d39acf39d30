#pragma once

/*
 * The parameters of a run after parsing: what the command line, the environment and the defaults
 * say, before anything was asked of a server. Text is owned and never NULL ("" = not set).
 */

#include "base/error.h"
#include "base/strings.h"

#include <stdbool.h>
#include <stdint.h>

enum model_check_mode { MODEL_CHECK_OFF, MODEL_CHECK_WARN, MODEL_CHECK_FAIL };
enum on_failure { ON_FAILURE_KEEP, ON_FAILURE_ROLLBACK };
enum verify_mode { VERIFY_OFF, VERIFY_IN_CLUSTER, VERIFY_EXTERNAL, VERIFY_URL };

struct inputs {
    /* the script's parameters */
    char *name;                   /* INFERENCE_SERVICE_NAME */
    char *description;            /* INFERENCE_SERVICE_DESCRIPTION */
    bool update_if_exists;        /* UPDATE_IF_EXISTS */
    char *model_repo;             /* MODEL_REPO */
    char *branch;                 /* MODEL_REPO_BRANCH */
    char *tag;                    /* MODEL_REPO_TAG */
    char *runtime_name;           /* RUNTIME_NAME */
    char *runtime_class;          /* RUNTIME_CLASS */
    char *ephemeral_storage_size; /* EPHIMERAL_STORAGE_SIZE or EPHEMERAL_STORAGE_SIZE */
    char *pvc_name;               /* PVC_NAME */
    int64_t min_replicas;         /* MIN_REPLICAS */
    int64_t max_replicas;         /* MAX_REPLICAS */
    bool serverless;              /* ENABLE_SERVERLESS */
    char *cpu_request;            /* CPU_REQUEST */
    char *memory_request;         /* MEMORY_REQUEST */
    char *cpu_limit;              /* CPU_LIMIT */
    char *memory_limit;           /* MEMORY_LIMIT */
    char *gpu_count;              /* NVIDIA_GPUALLOC (HAMi) */
    char *gpu_cores;              /* NVIDIA_GPUCORES (HAMi) */
    char *gpu_memory;             /* NVIDIA_GPUMEM (HAMi) */
    char *nvidia_gpu;             /* NVIDIA_GPU */
    char *namespace_;             /* NAMESPACE */
    /* new ones */
    char *commit;        /* MODEL_REPO_COMMIT */
    char *pipeline_tag;  /* PIPELINE_TAG */
    char *library_name;  /* LIBRARY_NAME */
    char *model_git_url; /* MODEL_GIT_URL */
    char *model_dir;     /* MODEL_DIR */
    char *storage_uri;   /* STORAGE_URI */
    int64_t timeout_ms;  /* TIMEOUT */
    bool host_ipc;       /* HOST_IPC */
    char *
        resource_limits; /* RESOURCE_LIMITS: "name=quantity" separated by commas, blanks or lines */
    char *env;           /* ENV: "NAME=value", one a line (or one in all) */
    char *deployment_strategy;     /* DEPLOYMENT_STRATEGY: "", Recreate, RollingUpdate */
    int model_check;               /* MODEL_CHECK: enum model_check_mode */
    int on_failure;                /* ON_FAILURE: enum on_failure */
    char *verify_endpoint;         /* VERIFY_ENDPOINT: false, true, external, or a URL */
    char *verify_model;            /* VERIFY_MODEL_NAME */
    char *verify_ca_file;          /* VERIFY_CA_FILE */
    char *verify_server_name;      /* VERIFY_SERVER_NAME */
    char *verify_certificate_file; /* VERIFY_CERTIFICATE_FILE */
    char *verify_key_file;         /* VERIFY_KEY_FILE */
    char *gitlab_base_url;         /* GITLAB_BASE_URL */
    char *gitlab_token;            /* GITLAB_TOKEN: secret, wiped */
    char *gitlab_token_file;       /* GITLAB_TOKEN_FILE */
    char *gitlab_ca_file;          /* GITLAB_CA_FILE */
    bool gitlab_skip_verification; /* GITLAB_INSECURE_SKIP_TLS_VERIFY */
    char *patience;                /* PATIENCE: read by patience_parse */
    char *pipeline_run;            /* PIPELINE_RUN: provenance only */
    int verify; /* enum verify_mode, filled by inputs_check_verify from verify_endpoint */
    /* filled by inputs_check from resource_limits and env: */
    struct strings limit_names; /* RESOURCE_LIMITS, parsed */
    struct strings limit_values;
    struct strings env_names; /* ENV, parsed */
    struct strings env_values;
    /* which HAMi values the user gave different from their defaults is decided by inputs_check */
    bool hami_given; /* false: HAMi resources are left out (NVIDIA_GPU won) */
};

/* All text "", numbers 0. Defaults come from the parameter table (src/cli). */
int inputs_init(struct inputs *inputs, struct error **err);
void inputs_free(struct inputs *inputs);

#define cleanup_inputs cleanup(inputs_free)

/* Problems found with the parameters: errors stop the run (all are shown), notices are only shown.
 */
struct problem {
    bool is_error;
    char *parameter; /* "MIN_REPLICAS" */
    char *message;   /* "MIN_REPLICAS is 3 but MAX_REPLICAS is 1: it must not be larger" */
    char *hint;      /* or NULL */
};

struct problems {
    struct problem *items;
    size_t count;
    size_t errors;
    /* a name was not understood: what seems to be missing is perhaps just that */
    bool skip_missing;
};

/* Adds one; -1 only when out of memory. HINT may be NULL. */
int problems_add(struct problems *problems, struct error **err, bool is_error,
                 const char *parameter, const char *hint, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* Adds the error that PARAMETER is not set, unless skip_missing; -1 only when out of memory. */
int problems_add_missing(struct problems *problems, struct error **err, const char *parameter,
                         const char *hint, const char *message);
void problems_free(struct problems *problems);

#define cleanup_problems cleanup(problems_free)

/* HAMi's defaults of the script (DESIGN: equal values yield to an explicit NVIDIA_GPU). */
#define DEFAULT_GPU_COUNT         "1"
#define DEFAULT_GPU_CORES         "50"
#define DEFAULT_GPU_MEMORY        "4096"
#define DEFAULT_EPHEMERAL_STORAGE "10Gi"

/*
 * Every check that needs no network, across all parameters: required ones, exclusions, names
 * (DNS-1035, KServe's length limits), quantities, HAMi ranges, replicas. Normalises (defaults that
 * depend on others, NVIDIA_GPU against HAMi defaults, parsed lists). Adds every problem found; -1
 * only when out of memory. RENDER_ONLY relaxes nothing but NAMESPACE's origin. Pure.
 */
int inputs_check(struct inputs *inputs, struct problems *problems, struct error **err);

/* The part of it that is about VERIFY_*: all of the checks that `wait` needs. Pure. */
int inputs_check_verify(struct inputs *inputs, struct problems *problems, struct error **err);

/* PIPELINE_TAG and LIBRARY_NAME must be given where WITHOUT ("--offline") reads no README. Pure. */
int inputs_check_overrides(const struct inputs *inputs, struct problems *problems,
                           const char *without, struct error **err);

/* PATIENCE, for `wait` too. Pure. */
int inputs_check_patience(const struct inputs *inputs, struct problems *problems,
                          struct error **err);
