#pragma once

/* Which model: picks the source the inputs ask for and resolves it to one commit. */

#include "deploy/cluster_facts.h"
#include "deploy/inputs.h"
#include "model/model.h"

/*
 * STORAGE_URI, else MODEL_GIT_URL, else GitLab. MODEL_DIR fills repository, branch and commit from
 * a local clone first. With MODEL_REPO_COMMIT that commit is taken and a branch or tag is only
 * noted in OUT. HTTP is the session's loop. Errors as of the sources (model/gitlab.h, model/git.h,
 * model/uri.h).
 */
int resolve_model(struct model *out, const struct inputs *inputs,
                  const struct gitlab_access *access, struct http_client *http,
                  int64_t request_timeout_ms, const struct deps *deps, int64_t deadline_ms,
                  struct error **err);
