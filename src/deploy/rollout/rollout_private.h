#pragma once

/* Inside the reducer: what was seen (rollout_store.c) and how it is judged (rollout_*.c). */

#include "deploy/diagnose.h"
#include "deploy/render.h"
#include "deploy/rollout.h"

#include <stddef.h>

enum {
    ROLLOUT_KINDS = ROLLOUT_LOG + 1,
    MOST_PODS = 500,
    MOST_EVENTS = 500,
    MOST_OTHERS = 500,
    MOST_LOG_BYTES = 128 * 1024,
    MOST_EVIDENCE = 12,
    MOST_EVIDENCE_BYTES = 600,
    MOST_WANTED_LOGS = 8,
};

#define ANNOTATION_SOURCE_URI "internal.serving.kserve.io/storage-initializer-sourceuri"
#define LABEL_SERVICE         "serving.kserve.io/inferenceservice"
#define LABEL_REVISION        "serving.knative.dev/revision"
#define MODEL_CONTAINER       "kserve-container"
#define OTHER_RUNTIME         ", or choose another runtime with RUNTIME_NAME"
#define STORAGE_CONTAINER     "storage-initializer"

/* One object as last seen. */
struct observed {
    char *key;          /* uid, or kind-specific; owned */
    json_t *object;     /* pruned (rollout_prune.c); owned reference */
    json_t *first;      /* as first seen (pods, Deployments, InferenceServices); owned reference */
    int64_t version;    /* metadata.resourceVersion as a number, or -1 */
    uint64_t sequence;  /* of the event that brought this copy */
    int64_t first_ms;   /* when it was first seen */
    int64_t last_ms;    /* when this copy was seen */
    bool live;          /* came, or changed, after the first list */
    bool listed;        /* false: not confirmed since the last relist */
    const char *about;  /* events: uid of what they are about; borrowed from OBJECT */
    const char *reason; /* events: borrowed from OBJECT */
    char trouble[96];   /* pods: what ails it now, as a key; "" when nothing does */
    int64_t trouble_since_ms;
    char *pull_message; /* pods: the last text that said why an image cannot be pulled; owned */
};

struct observed_set {
    struct observed *items;
    size_t count;
    bool synced; /* the list is complete, or the kind cannot be read */
    bool forbidden;
    bool ever_synced;
};

struct rollout {
    json_t *target_json; /* owns what TARGET points to */
    struct rollout_target target;
    struct rollout_patience patience;
    struct observed_set sets[ROLLOUT_KINDS];
    uint64_t sequence;
    int64_t started_ms;       /* of the first event; -1 before */
    bool service_gone;        /* deleted, or missing from a complete list */
    uint64_t confirmed;       /* sequence of the last confirmed read of the InferenceService */
    bool proved;              /* the Deployment is complete with our revision ... */
    uint64_t proved_sequence; /* ... since this event ... */
    int64_t proved_version;   /* ... and this resourceVersion, or -1 */
    bool invalid;             /* modelStatus says InvalidSpec ... */
    int64_t invalid_since_ms; /* ... since */
    bool blocked;             /* modelStatus says BlockedByFailedLoad ... */
    int64_t blocked_since_ms;
    bool carried; /* a Deployment carries our revision ... */
    int64_t carried_since_ms;
    bool reconcile_failed; /* PredictorReady says ReconcileFailed ... */
    int64_t reconcile_failed_since_ms;
    bool nothing; /* no Deployment carries our revision ... */
    int64_t nothing_since_ms;
    bool refused; /* ReplicaFailure of our Deployment ... */
    int64_t refused_since_ms;
    /* whose pods are judged (rollout_revision.c); borrowed from objects, valid for one judgement */
    const char *pods_owner;    /* uid of the ReplicaSet, or NULL */
    const char *pods_template; /* without rights on ReplicaSets: pod-template-hash, or "" */
    bool no_pods_yet;          /* the newest template has no ReplicaSet yet */
    enum rollout_phase phase;
    bool phase_known;
    int64_t phase_since_ms;
};

/* A reason why the rollout does not, or not yet, succeed. */
struct trouble {
    bool final;                 /* ends the run */
    enum failure_class failure; /* what it is when it ends the run */
    int rank;                   /* among several: the higher one is shown */
    struct diagnosis diagnosis; /* reason, cause, hint; owned */
    struct strings evidence;
    struct strings wanted_logs;
};

void trouble_free(struct trouble *trouble);

#define cleanup_trouble cleanup(trouble_free)

/* What rollout_judge passes around. */
struct judgement {
    struct rollout *rollout;
    int64_t now_ms;
    struct trouble best;
    bool found;       /* BEST is set */
    int64_t again_ms; /* next time to judge, or 0 */
};

/* ---- rollout_store.c ---- */

int store_observe(struct rollout *rollout, const struct rollout_event *event, struct error **err);
void store_free(struct rollout *rollout);
/* The InferenceService as last seen, or NULL. */
const struct observed *store_service(const struct rollout *rollout);
/* Every list that must be readable is complete. */
bool store_is_complete(const struct rollout *rollout);
int64_t object_version(const json_t *object);

/* ---- rollout_prune.c ---- */

/* What the judgement needs of OBJECT, sharing its values; *OUT is a new reference. */
enum { DIGEST_SIZE = 9 };
/*
 * 32 bits of a hash (FNV-1a) of SPEC, so that a change of what is not kept, such as env, shows.
 * Too short to tell what was in it.
 */
int spec_digest(char out[DIGEST_SIZE], const json_t *spec, struct error **err);

int prune_object(json_t **out, enum rollout_object kind, const json_t *object, struct error **err);

/* ---- rollout_target.c ---- */

int target_to_json(json_t **out, const struct rollout_target *target, struct error **err);
/* TARGET's texts are borrowed from JSON. */
void target_from_json(struct rollout_target *target, const json_t *json);
/* The first key of the object JSON that is none of the COUNT NAMES, borrowed; NULL: all are. */
const char *json_unknown_key(json_t *json, const char *const *names, size_t count);
/* The first key that a target (a patience) does not have, and in MEANT the nearest one, or NULL. */
const char *target_unknown_key(json_t *json, const char **meant);

/* ---- patience.c ---- */

const char *patience_unknown_key(json_t *json, const char **meant);

int patience_to_json(json_t **out, const struct rollout_patience *patience, struct error **err);
void patience_from_json(struct rollout_patience *patience, const json_t *json);

/* ---- rollout_trouble.c ---- */

/* Moves TROUBLE in when it is worse than the best so far; frees it else. */
void judgement_consider(struct judgement *judgement, struct trouble *trouble);
/* Asks to be judged again at AT_MS (a threshold). True when that time has come. */
bool judgement_due(struct judgement *judgement, int64_t at_ms);
/* True when nothing happened to SINCE for LIMIT ms; asks to be judged then. */
static inline bool judgement_lasts(struct judgement *judgement, int64_t since_ms,
                                   int64_t limit_ms) {
    return judgement_due(judgement, since_ms + limit_ms);
}
/* Makes TROUBLE of what a table says about TEXT. */
int trouble_diagnose(struct trouble *trouble, const struct rollout *rollout,
                     const struct diagnosis_rule *rules, size_t count, const char *text,
                     const struct diagnosis_value *more, size_t more_count, struct error **err);
/* The same for a refusal by admission, quota or validation, whose parts the sentences name. */
int trouble_diagnose_refusal(struct trouble *trouble, const struct rollout *rollout,
                             const struct diagnosis_rule *rules, size_t count, const char *text,
                             struct error **err);
/* Adds one line, redacted, printable and cut; nothing when there are enough. */
int evidence_add(struct strings *evidence, struct error **err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "condition PredictorReady=False (Reason): message" */
int evidence_add_condition(struct strings *evidence, const char *owner, const json_t *condition,
                           struct error **err);

/* ---- rollout_object.c: reading objects ---- */

/* The condition of TYPE in status.conditions, or NULL. */
const json_t *condition_of(const json_t *object, const char *type);
bool condition_is(const json_t *condition, const char *status);
/* Text at a path, "" when missing. */
const char *text_or_empty(const char *text);
const char *annotation_of(const json_t *metadata_owner, const char *name);
const char *label_of(const json_t *metadata_owner, const char *name);
/* The element of ARRAY whose "name" is NAME, or NULL. */
json_t *named_in(const json_t *array, const char *name);
/* A number that counts something, from 0 to a milliard: what a peer writes must not overflow. */
int64_t count_of(json_int_t number);
bool is_owned_by(const json_t *object, const char *uid);
bool is_being_deleted(const json_t *object);
/* The PersistentVolumeClaim that the model comes from: PVC_NAME, else the first that POD names. */
const char *claim_of(const struct rollout *rollout, const json_t *pod);
/* What we look for in a template's annotations; "" when nothing is known to look for. */
const char *wanted_hash(const struct rollout *rollout);
const char *wanted_storage_uri(const struct rollout *rollout);
/* TEMPLATE (a pod template, a pod, or a Revision) carries our revision. */
bool carries_revision(const struct rollout *rollout, const json_t *template_);

/* ---- rollout_raw.c ---- */

/* Deployment of the predictor that matters, or NULL. */
const struct observed *raw_deployment(const struct rollout *rollout);
/* A Deployment is complete in the sense of `kubectl rollout status`, with at least LEAST replicas.
 */
bool deployment_is_complete(const json_t *deployment, int64_t least);
int64_t deployment_replicas(const json_t *deployment);
/* The Deployment carries our revision and is complete; *VERSION is its resourceVersion. */
bool raw_is_proved(const struct rollout *rollout, int64_t *version);
int raw_judge(struct judgement *judgement, struct error **err);
/* CARRIED: some Deployment carries our revision. That none does for long is told; both modes. */
int judge_nothing(struct judgement *judgement, bool carried, struct error **err);

/* ---- rollout_serverless.c ---- */

const struct observed *serverless_deployment(const struct rollout *rollout);
const char *serverless_revision(const struct rollout *rollout);
bool serverless_is_proved(const struct rollout *rollout, int64_t *version);
int serverless_judge(struct judgement *judgement, struct error **err);

/* ---- rollout_service.c: the InferenceService itself ---- */

/* .status differs from what it was at the apply, so it was computed from our spec. */
bool service_status_is_ours(const struct rollout *rollout);
bool service_is_ready(const struct rollout *rollout);
/* Wall clock before which Ready of an object without our mark says nothing; 0: it does. */
int64_t service_settles_ms(const struct rollout *rollout, int64_t now_ms);
int service_judge(struct judgement *judgement, struct error **err);
/* Updates the "since" times from the newest copy. */
void service_track(struct rollout *rollout, int64_t at_ms);

/* ---- rollout_revision.c: whose pods are judged ---- */

/* The ReplicaSet of the Deployment's newest template; NULL when it is not there yet. */
const struct observed *newest_replica_set(const struct rollout *rollout,
                                          const struct observed *deployment);
/* Finds out anew whose pods count; before each judgement. */
void revision_track(struct rollout *rollout);
/* POD belongs to the revision that is to serve. */
bool pod_is_new(const struct rollout *rollout, const json_t *pod);

/* ---- rollout_pods.c, rollout_containers.c ---- */

/* Writes a key of what ails POD now ("" when nothing does). */
void pod_trouble_key(const json_t *pod, char *key, size_t size);
int pods_judge(struct judgement *judgement, struct error **err);
int container_judge(struct judgement *judgement, const struct observed *pod, const json_t *status,
                    bool init, struct error **err);

/* ---- rollout_logs.c: what containers wrote ---- */

/* The log of a container that was fetched: the run before, or the present one; the other when only
 * that is there, NULL when none is. */
const char *log_text(const struct rollout *rollout, const char *pod, const char *container,
                     bool previous);
/* Adds the last lines of TEXT, and before them the one that TELLING (or NULL) points into. */
int log_evidence(struct strings *evidence, const char *container, const char *text,
                 const char *telling, struct error **err);
/* Where the line begins that most likely tells why: the last with an error, else the last; NULL
 * when there is none. */
const char *telling_place(const char *text);
/* The line of TEXT at PLACE, from the name of its exception on if it has one; owned. */
char *line_at(const char *text, const char *place, struct error **err);

/* ---- rollout_scheduling.c ---- */

/* Trouble of a pod that waits for a node. */
int scheduling_judge(struct judgement *judgement, const struct observed *pod, struct error **err);

/* ---- rollout_events.c ---- */

/* The newest event about the object with this uid and reason (any of REASONS), or NULL. */
const struct observed *event_about(const struct rollout *rollout, const char *uid,
                                   const char *const *reasons);
bool event_is_about(const struct observed *event, const char *uid, const char *const *reasons);
int events_judge(struct judgement *judgement, struct error **err);
/* The node tries IMAGE again right now, which the pod's status does not show. */
bool is_pulling(const struct rollout *rollout, const struct observed *pod, const char *image);
const char *event_message(const struct observed *event);

/* ---- rollout_progress.c ---- */

int progress_describe(struct verdict *out, struct rollout *rollout, int64_t now_ms,
                      struct error **err);
void count_replicas(struct verdict *out, const struct rollout *rollout);
