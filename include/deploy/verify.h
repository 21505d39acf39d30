#pragma once

/*
 * After Ready: does the service itself answer? Sources: KServe "Open Inference Protocol" (v2 health
 * and model ready), "V1 protocol", OpenAI API (GET /v1/models, which vLLM and KServe's Hugging Face
 * server offer).
 */

#include "base/deps.h"
#include "deploy/inputs.h"
#include "deploy/observer.h"
#include "net/http.h"

struct verify_request {
    const char *url;             /* base URL of the service */
    const char *protocol;        /* "v1", "v2", or "" for runtimes that speak OpenAI's */
    const char *model_name;      /* name under which KServe serves it */
    const struct inputs *inputs; /* VERIFY_* files and names */
};

/*
 * Asks until the service answers 200 or the deadline passes; between attempts 1 s, doubling to 10
 * s. ANSWERED is the URL that answered (owned). Wrong certificates are final: ERROR_ROLLOUT with a
 * hint that names VERIFY_CA_FILE or VERIFY_SERVER_NAME. ERROR_DEADLINE with the last answer
 * otherwise.
 */
int verify_endpoint(char **answered, const struct verify_request *request, struct http_client *http,
                    const struct observer *observer, const struct deps *deps, int64_t deadline_ms,
                    struct error **err);

/* The paths to ask, in order, all of which must answer 200. NULL-terminated list in OUT (owned
 * strings). Pure. */
int verify_paths(struct strings *out, const char *protocol, const char *model_name,
                 struct error **err);
