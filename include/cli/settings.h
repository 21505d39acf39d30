#pragma once

/* What the options say that is no parameter of a deployment: connection, output, command details.
 */

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };
enum color_mode { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

struct settings {
    char *kubeconfig;
    char *context;
    int64_t request_timeout_ms;
    char *results_dir;     /* "" = /tekton/results when it exists; "none" = nowhere */
    int log_level;         /* enum log_level by index of its choices */
    int log_format;        /* enum log_format */
    int color;             /* enum color_mode */
    char *output;          /* -o: yaml, json, table, ... per command */
    bool offline;          /* render: no network */
    char *runtime_file;    /* render --offline */
    char *kserve_version;  /* render --offline */
    bool comments;         /* render: explain fields */
    char *wait_for;        /* wait --for */
    char *record;          /* wait, deploy: transcript file */
    char *replay;          /* wait: judge a transcript */
    char *service_account; /* rbac */
    bool diagnostics;      /* rbac: rights for diagnosis */
    bool preflight_rights; /* rbac: rights for preflight */
    bool help;
    bool version;
};

int settings_init(struct settings *settings, struct error **err);
void settings_free(struct settings *settings);

#define cleanup_settings cleanup(settings_free)
