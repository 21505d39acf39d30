#pragma once

/*
 * After Ready: does the service itself answer? Sources: KServe "Open Inference Protocol" (v2 health
 * and model ready), "V1 protocol", TensorFlow Serving's model status, OpenAI API (GET /v1/models,
 * which vLLM and KServe's Hugging Face server offer).
 */

#include "base/deps.h"
#include "deploy/inputs.h"
#include "deploy/observer.h"
#include "net/http.h"

/* What the files of VERIFY_* hold. */
struct verify_identity {
    char *ca_pem;          /* or NULL: the system's roots */
    char *certificate_pem; /* or NULL */
    char *key_pem;         /* or NULL; secret, wiped */
};

/*
 * Reads them (nothing without VERIFY_ENDPOINT). A certificate file without a key file holds both.
 * To be called before anything is applied: a missing or wrong file is ERROR_PARAMETER that names
 * the parameter.
 */
int verify_identity_read(struct verify_identity *out, const struct inputs *inputs,
                         const struct deps *deps, struct error **err);
void verify_identity_free(struct verify_identity *identity);

struct verify_request {
    const char *url;          /* base URL of the service */
    const char *protocol;     /* "v1", "v2", "grpc-v2", …, or "" for runtimes that say nothing */
    const char *model_name;   /* name under which the service knows the model */
    bool model_is_given;      /* by the user, so it must be in a list of models */
    const char *server_name;  /* "" or the name and Host to ask for */
    bool in_cluster;          /* no proxy */
    int64_t unknown_model_ms; /* see below; 0: until the deadline */
    const struct verify_identity *identity;
};

/*
 * Asks until the service answers for the model or the deadline passes; between attempts 250 ms,
 * doubling to 10 s. The protocol's paths are asked first; where the server does not know them
 * (404), those of the other protocols: many vLLM runtimes are labelled v2. A redirect from http to
 * https of the same host is followed, as an ingress that terminates TLS sends it.
 *
 * ANSWERED is the URL that answered (owned). What cannot pass by itself is final, ERROR_ROLLOUT
 * with a hint that names the parameter: a certificate that is refused (either side's), a login,
 * another redirect. So is a server that is ready and for unknown_model_ms without a break does not
 * know the model: a wrong VERIFY_MODEL_NAME would end at the deadline otherwise. ERROR_DEADLINE
 * with the last answer otherwise; ERROR_CANCELED.
 */
int verify_endpoint(char **answered, const struct verify_request *request, struct http_client *http,
                    const struct observer *observer, const struct deps *deps, int64_t deadline_ms,
                    struct error **err);

/* The stage of `deploy` and `wait`, told to the observer: where VERIFY_ENDPOINT says, for the
 * service that OUTCOME describes. Nothing when it is off. OUTCOME's reason is EndpointNotVerified
 * when it does not answer. */
struct verify_stage {
    const struct inputs *inputs;
    const struct verify_identity *identity;
    const char *protocol;
    struct http_client *http;
    const struct observer *observer;
    const struct deps *deps;
    int64_t deadline_ms;
};
struct outcome;
int verify_outcome(struct outcome *outcome, const struct verify_stage *stage, struct error **err);

/* ---- pure parts ---- */

enum verify_dialect { VERIFY_V2, VERIFY_V1, VERIFY_OPENAI };
enum { VERIFY_DIALECTS = VERIFY_OPENAI + 1 };

/* All dialects, the one of PROTOCOL first. */
void verify_order(enum verify_dialect out[VERIFY_DIALECTS], const char *protocol);

/* The paths to ask, in order, all of which must answer. NULL-terminated list in OUT (owned
 * strings). */
int verify_paths(struct strings *out, enum verify_dialect dialect, const char *model_name,
                 struct error **err);

enum verify_answer {
    VERIFY_ANSWERS, /* the model serves */
    VERIFY_ABSENT,  /* the server does not know the path */
    VERIFY_UNKNOWN, /* the server serves, but does not know the model; it may load it later */
    VERIFY_LATER,   /* not yet */
    VERIFY_NEVER,   /* and asking again does not help */
};

/*
 * Judges the answer to one of the paths of DIALECT. TROUBLE (owned) says in words what is wrong
 * with it, to be put behind the URL; untouched when it answers. MODEL_NAME is "" when any model
 * will do in a list. Servers that do not know a model say so in different ways to its own path
 * (404, 400 of Triton), which is for the caller to tell from the path that is not known.
 */
int verify_judge(enum verify_answer *out, char **trouble, enum verify_dialect dialect, int status,
                 const char *body, size_t length, const char *model_name, struct error **err);
