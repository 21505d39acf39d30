#pragma once

/*
 * Will the model load with what is asked for? Pure arithmetic over the files of a commit, its
 * config.json, the parameters and the runtime. Three verdicts, since the memory that a server takes
 * beside weights and cache is not exact: only what cannot succeed is called a failure. Sources:
 * vllm v1/worker/gpu_worker.py and v1/core/kv_cache_utils.py (budget, cache), KServe
 * pkg/utils/storage.go (the emptyDir has no limit of its own), Kubernetes pkg/kubelet/eviction (the
 * pod's limit counts), HAMi docs (gpumem is MiB a card).
 */

#include "deploy/inputs.h"
#include "model/files.h"

#include <jansson.h>

enum fit_subject {
    FIT_FILES,    /* every file that the commit names can be downloaded */
    FIT_DISK,     /* EPHIMERAL_STORAGE_SIZE or the volume holds them */
    FIT_PARALLEL, /* the model can be split over the cards */
    FIT_WEIGHTS,  /* the weights fit the memory of the cards */
    FIT_CONTEXT,  /* beside them, the cache for one request of the longest length */
    FIT_SUBJECTS,
};

enum fit_verdict {
    FIT_UNKNOWN, /* not checked; the message says why */
    FIT_FITS,
    FIT_TIGHT, /* may work */
    FIT_FAILS, /* cannot work */
};

struct fit_finding {
    enum fit_subject subject;
    enum fit_verdict verdict;
    enum error_kind kind; /* of a failure */
    char *message;        /* owned */
    char *hint;           /* owned, or NULL */
};

struct fit_report {
    struct fit_finding items[FIT_SUBJECTS]; /* in the order of enum fit_subject */
    size_t count;
    /* the numbers behind them; -1: unknown */
    int64_t bytes;            /* of all files */
    int64_t weight_bytes;     /* of the files that the server loads */
    int64_t token_bytes;      /* of KV cache, a token, on each card */
    int64_t length;           /* longest request that the server will allow for */
    int64_t length_that_fits; /* longest that surely fits */
    int64_t card_budget;      /* bytes of each card that the server may use */
};

struct fit_request {
    const struct model_files *files;
    const struct inputs *inputs;
    const json_t *runtime;      /* ClusterServingRuntime; NULL: not known */
    int64_t card_bytes;         /* memory of a whole card, for when no NVIDIA_GPUMEM is given; -1 */
    int64_t volume_bytes;       /* capacity of PVC_NAME; -1: unknown */
    const char *volume_problem; /* why it is unknown; or NULL */
};

int model_fit(struct fit_report *out, const struct fit_request *request, struct error **err);
void fit_report_free(struct fit_report *report);

#define cleanup_fit_report cleanup(fit_report_free)

/* "files", "disk", "parallel", "weights", "context". */
const char *fit_subject_name(enum fit_subject subject);

/* What of a card vLLM needs and may use. All in bytes, on one card. Pure; for tests. */
struct gpu_need {
    int64_t weights;
    int64_t overhead_least; /* activations, CUDA context, NCCL: surely */
    int64_t overhead_most;  /* ... in most cases enough */
    int64_t budget_least;   /* total x utilization */
    int64_t budget_most;
};

/*
 * WEIGHTS is of all cards; UTILIZATION 0: not known, between vLLM's default (0.9) and the
 * platform's (0.95). Overheads: 0.8 GiB .. 2.3 GiB + 5 % of the weights, + 1.8 GiB a card when the
 * model is split (measured by others: KAITO PR 2139, llm-d-planner, vllm issues 11251, 13882).
 */
struct gpu_need gpu_need(int64_t weights, int64_t parallel, int64_t card_bytes, double utilization);

/* Tokens, in whole pages of 16, whose cache fits ROOM bytes. */
int64_t gpu_longest(int64_t room, int64_t token_bytes);
