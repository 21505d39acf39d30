#pragma once

/* From MODEL_REPO to the full paths of the projects it can mean. Pure. */

#include "base/strings.h"

#include <stdbool.h>

/*
 * "repo" -> "<namespace>/amlmodels/repo"; "group/repo" -> "<group>/amlmodels/repo", then
 * "group/repo" itself; more parts -> that path. Leading and trailing slashes and ".git" are
 * dropped; empty parts, "." and "..", characters GitLab never has in a path (control, blank, '%',
 * '?', '#', '\\', ':') are ERROR_PARAMETER naming MODEL_REPO.
 */
int project_path_candidates(struct strings *out, const char *repository, const char *namespace_,
                            struct error **err);

/* True for a path as a server may tell it: two parts or more, each as above. */
bool project_path_is_valid(const char *path);
