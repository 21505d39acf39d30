#pragma once

/*
 * A model: which repository, which commit, what its card says. Filled by one of the sources
 * (GitLab's REST API, any Git server, a plain storage URI), read by plan and render.
 */

#include "base/deps.h"
#include "base/strings.h"
#include "net/http.h"

#include <stdint.h>

/* Where to look, from the parameters. All borrowed; "" means not set. */
struct model_request {
    const char *repository; /* MODEL_REPO: "repo", "group/repo" or a full path */
    const char *namespace_; /* default group */
    const char *branch;     /* MODEL_REPO_BRANCH */
    const char *tag;        /* MODEL_REPO_TAG */
    const char
        *commit; /* MODEL_REPO_COMMIT: 40 (or 64) hex digits, or an unambiguous prefix of >= 7 */
    const char *pipeline_tag; /* PIPELINE_TAG: overrides the card */
    const char *library_name; /* LIBRARY_NAME: overrides the card */
    bool list_files;          /* wanted: model.files, where the source reads the commit itself */
};

/* Is Git LFS on for the project? */
enum model_lfs { MODEL_LFS_UNKNOWN, MODEL_LFS_ON, MODEL_LFS_OFF };

struct model_files;

struct model {
    char *path;              /* full path of the project: "demo/amlmodels/qwen" */
    char *group;             /* first part of the path */
    char *subgroup;          /* parts between, joined with '/'; "" when none */
    char *name;              /* last part */
    char *id;                /* GitLab's project id as text; "" when it has none */
    char *branch;            /* "" when a tag or commit was asked for */
    char *tag;               /* "" when none */
    char *commit;            /* 40 or 64 lower-case hex digits; "" for a plain storage URI */
    char *git_url;           /* https clone URL without credentials; "" when unknown */
    char *web_url;           /* for people; "" when unknown */
    char *pipeline_tag;      /* never "" after resolve */
    char *library_name;      /* never "" after resolve */
    char *card_origin;       /* "README.md at 0123abcd", "PIPELINE_TAG and LIBRARY_NAME" */
    char *storage_uri;       /* what KServe downloads: hf://group/name:commit or STORAGE_URI */
    enum model_lfs lfs;      /* as GitLab's API tells */
    struct strings warnings; /* oddities worth saying once */
    /* The files at the commit, when the source had to read them anyway (model/git.h); or NULL. */
    struct model_files *files;
};

void model_free(struct model *model);

#define cleanup_model cleanup(model_free)

/* All fields "" (owned). */
int model_init(struct model *model, struct error **err);

/* Replaces *FIELD by a copy of TEXT. */
int model_set(char **field, const char *text, struct error **err);

/* Fills group, subgroup, name from path, and storage_uri = "hf://group/name:commit". */
int model_complete_path(struct model *model, struct error **err);
