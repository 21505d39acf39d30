#pragma once

/*
 * The truth about a rollout: a pure reducer over what the API server showed. No I/O, no clock of
 * its own: the same events and times give the same verdict, so that a recorded run can be judged
 * again.
 *
 * Ready means this revision: the Deployment (Serverless: the Knative revision) whose pod template
 * carries our content hash and storage URI is complete with at least minReplicas, and the
 * InferenceService's Ready, read after that, is True. status.observedGeneration of an
 * InferenceService is never used (kserve issue 6081). The default is "not ready".
 */

#include "base/error.h"
#include "base/strings.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* What is waited for, and what the sentences may name. Borrowed texts; "" = unknown or not set. */
struct rollout_target {
    const char *name;
    const char *namespace_;
    const char *uid; /* of the InferenceService; "" accepts any */
    const char
        *resource_version; /* of the InferenceService as the apply answered it; "" = unknown */
    const char
        *content_hash; /* "" (wait on a foreign object): the live object's own state decides */
    const char *storage_uri;
    int64_t min_replicas;
    bool serverless;
    int64_t generation;  /* metadata.generation after the apply; 0 = unknown */
    bool changed;        /* the apply changed the object, so status from before is stale */
    const char *runtime; /* for sentences and hints */
    const char *ephemeral_storage_size;
    const char *memory_limit;
    const char *gpu_memory;
    const char *pvc_name;
    bool host_ipc;
    const json_t *spec; /* as the API server answered the apply, or NULL: a later spec that differs
                           is somebody else's */
    const char *spec_digest;      /* of a transcript, instead of SPEC */
    const json_t *limits;         /* spec.predictor.model.resources.limits as applied, or NULL */
    const json_t *runtime_limits; /* resources.limits of the runtime's container (KServe merges
                                     them), or NULL */
    /*
     * The .status that came with the answer to the apply, or NULL when it had none. KServe writes a
     * status only over the resourceVersion that it read (optimistic concurrency), so a status that
     * differs from this one was computed from our spec, or a newer one.
     */
    const json_t *status_before;
};

/* Thresholds; rollout_patience_default has the defaults. All in ms or counts. */
struct rollout_patience {
    int crash_restarts; /* crashes of one container of the new revision that fail the run (3) */
    int out_of_memory_kills; /* the same for a container that is killed for its memory limit (2) */
    int64_t image_pull_ms; /* ImagePullBackOff must last so long (60 s) unless the text is final */
    int64_t mount_ms;      /* FailedMount/FailedAttachVolume (120 s) */
    int64_t unschedulable_ms; /* Unschedulable without an autoscaler at work; 0: until the deadline
                                 (0) */
    int64_t invalid_grace_ms; /* InvalidSpec must have been seen changed or last so long after the
                                 apply (30 s) */
    int64_t config_error_ms;  /* CreateContainerConfigError (20 s) */
    int64_t
        created_nothing_ms; /* no Deployment of this revision at all: name the controller (60 s) */
    int64_t
        refused_ms; /* pods refused for a reason that may pass: webhook down, quota in use (60 s) */
    int64_t
        deadlock_ms; /* the new pod waits for a GPU that an old pod of the service holds (60 s) */
    int64_t
        blocked_ms; /* without rights on pods: KServe says BlockedByFailedLoad so long (120 s) */
    int64_t unknown_model_ms; /* VERIFY_ENDPOINT: a ready server does not know the model (60 s) */
};
extern const struct rollout_patience rollout_patience_default;

enum rollout_object {
    ROLLOUT_INFERENCE_SERVICE,
    ROLLOUT_DEPLOYMENT,
    ROLLOUT_REPLICA_SET,
    ROLLOUT_POD,
    ROLLOUT_EVENT,
    ROLLOUT_REVISION, /* Knative */
    ROLLOUT_LOG, /* {"pod","container","previous","text"}: tail that the loop fetched; SYNCED in
                    a transcript: the loop ended then */
};

enum rollout_change {
    ROLLOUT_ADDED,
    ROLLOUT_MODIFIED,
    ROLLOUT_DELETED,
    ROLLOUT_RELISTED,  /* forget all objects of the kind; OBJECT is NULL */
    ROLLOUT_SYNCED,    /* the list is complete; OBJECT is NULL */
    ROLLOUT_FORBIDDEN, /* this kind cannot be read; OBJECT is NULL, TEXT says which right is missing
                        */
    ROLLOUT_CONFIRMED, /* a read (no watch) of the InferenceService that began after the verdict
                          which asked for it */
};

struct rollout_event {
    int64_t at_ms; /* wall clock */
    enum rollout_object kind;
    enum rollout_change change;
    const json_t *object; /* borrowed */
    const char *text;     /* for FORBIDDEN; or NULL */
};

enum rollout_state { ROLLOUT_UNKNOWN, ROLLOUT_PROGRESSING, ROLLOUT_READY, ROLLOUT_FAILED };

enum rollout_phase {
    PHASE_ACCEPTED, /* applied, controller has not acted */
    PHASE_CREATING, /* Deployment or revision there, no pod yet */
    PHASE_SCHEDULING,
    PHASE_PULLING,     /* images */
    PHASE_DOWNLOADING, /* storage-initializer runs */
    PHASE_LOADING,     /* kserve-container runs, not ready */
    PHASE_SERVING,     /* new pods ready, old ones leaving, or Ready still to come */
};

enum failure_class {
    FAILURE_NONE,
    FAILURE_TERMINAL,  /* cannot succeed: terminal now */
    FAILURE_REPEATED,  /* terminal since it persists or repeats */
    FAILURE_IMPATIENT, /* would need patience; the deadline or a threshold ended it */
};

struct verdict {
    enum rollout_state state;
    enum rollout_phase phase;
    char *detail; /* for the progress line: "pod qwen-…-x7k2p: pulling image foo:1 (1 of 2 new
                     replicas)" */
    int64_t phase_since_ms; /* wall clock */
    enum failure_class failure;
    char *reason; /* CamelCase, stable, documented: "OOMKilled", "InvalidSpec", … ; "" */
    char *cause;  /* one sentence for people; on PROGRESSING the last known trouble, or "" */
    char *hint;   /* what to change, by parameter name; or "" */
    struct strings evidence; /* "event FailedScheduling (pod …): 0/3 nodes …", "condition …", "log
                                kserve-container: …" */
    struct strings wanted_logs; /* "pod/container/current" or "pod/container/previous" that would
                                   help; the loop fetches them once */
    int64_t judge_again_ms;  /* wall clock when the verdict may change without an event; 0: never */
    bool gone;               /* the InferenceService is not in the cluster any more */
    bool wants_confirmation; /* all is complete, but Ready was read before that: GET the
                                InferenceService and hand it over as ROLLOUT_CONFIRMED */
    char *url;               /* status.url or "" */
    char *address;           /* status.address.url or "" */
    int64_t replicas_new;    /* updated */
    int64_t replicas_ready;  /* updated and available */
    int64_t replicas_old;
};

/* Frees what it owns and zeroes it; NULL is fine. */
void verdict_free(struct verdict *verdict);

#define cleanup_verdict cleanup(verdict_free)

struct rollout;

/* TARGET is copied; PATIENCE may be NULL: the defaults. */
int rollout_new(struct rollout **out, const struct rollout_target *target,
                const struct rollout_patience *patience, struct error **err);
void rollout_free(struct rollout *rollout);

/*
 * Takes one event in. -1 only when out of memory. Foreign objects (other names, other owners) are
 * ignored; at most 500 pods and 500 events are kept. Of an object only what the judgement needs is
 * kept, by reference: it must not be changed afterwards. Older copies of an object (by
 * resourceVersion) that arrive late are ignored.
 */
int rollout_observe(struct rollout *rollout, const struct rollout_event *event, struct error **err);

/* Judges what was seen at NOW. OUT is replaced (zeroed or a verdict before). -1 only when out of
 * memory. */
int rollout_judge(struct verdict *out, struct rollout *rollout, int64_t now_ms, struct error **err);

/* "accepted", "creating", …; "terminal", "repeated", "impatient". */
const char *rollout_phase_name(enum rollout_phase phase);
const char *failure_class_name(enum failure_class failure);

/* ---- transcripts: one JSON object a line; what `wait --record` writes and `wait --replay` reads
 * ---- */

/* The first line: target and patience. Owned text without newline; NULL with an error. */
char *transcript_header(const struct rollout_target *target,
                        const struct rollout_patience *patience, struct error **err);
/* One event. Secrets are left out: values of env, annotations of kubectl, managedFields. */
char *transcript_line(const struct rollout_event *event, struct error **err);

/*
 * The header of a transcript: *HEADER is owned, what TARGET has is borrowed from it.
 * ERROR_PARAMETER when it is no header, is of a newer version, has no name or a key that is not
 * known.
 */
int transcript_target(json_t **header, struct rollout_target *target, const char *text,
                      size_t length, struct error **err);

struct transcript_options {
    const char *patience; /* PATIENCE, checked: goes before the header's, key by key; or NULL */
    bool until_deleted;   /* only the deletion decides, and is READY then, as in the loop */
};

struct transcript_end {
    int64_t decided_at_ms; /* wall clock of the last judgement */
    size_t cut_line;       /* the recorder was killed within this line: passed over; 0: none */
};

/*
 * Judges a whole transcript as the loop would have: after each event, and at each judge_again_ms in
 * between, up to the first READY or FAILED, or to the end. OPTIONS may be NULL. -1 with
 * ERROR_PARAMETER naming the line when it is malformed.
 */
int transcript_judge(struct verdict *out, const struct transcript_options *options,
                     const char *text, size_t length, struct transcript_end *end,
                     struct error **err);

/* The same without options. */
int transcript_replay(struct verdict *out, const char *text, size_t length, int64_t *decided_at_ms,
                      struct error **err);
