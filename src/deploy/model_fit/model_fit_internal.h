#pragma once

/* The parts of model_fit. */

#include "deploy/model_fit.h"
#include "deploy/server_options.h"
#include "model/architecture.h"

struct fit {
    const struct fit_request *request;
    struct fit_report *report;
    struct model_weights weights;
    struct model_size size;
    struct architecture architecture;
    struct server_options server;
    int64_t cards;    /* asked for; 0: none */
    int64_t parallel; /* cards that share the model */
};

/*
 * Adds a finding. MESSAGE and HINT (NULL: none) are taken over; a NULL MESSAGE is a lack of memory.
 */
int fit_add(struct fit *fit, enum fit_subject subject, enum fit_verdict verdict, char *message,
            char *hint, struct error **err);

int fit_files(struct fit *fit, struct error **err);
int fit_disk(struct fit *fit, struct error **err);

/* Parallel, weights and context; nothing when no card is asked for. */
int fit_gpu(struct fit *fit, struct error **err);
