#pragma once

/* What the sources of a model share. */

#include "model/card.h"
#include "model/model.h"

#include <stdbool.h>
#include <stddef.h>

enum { MODEL_SHORT_COMMIT = 13 };

/* Fills path, group, subgroup and name from PATH. */
int model_split_path(struct model *model, const char *path, struct error **err);

/* True when README.md has to be read: PIPELINE_TAG and LIBRARY_NAME do not cover both keys. */
bool model_needs_card(const struct model_request *request);

/* The first 12 digits of a commit, for people. Returns OUT. */
const char *model_short_commit(const char *commit, char out[MODEL_SHORT_COMMIT]);

/* True for a whole commit id: 40 or 64 lower-case hex digits. */
bool model_is_commit(const char *text);

/* MODEL_REPO_COMMIT in lower case; ERROR_PARAMETER when it is no (abbreviated) commit id. */
int model_check_commit(char out[65], const char *commit, struct error **err);

/* Makes the texts of *ERR fit for one line, and replaces SECRET in them: peers send back what they
 * were sent, users give line breaks. */
void model_clean_error(struct error **err, const char *secret);

/* ERROR_PARAMETER when more than one of branch, tag and commit is given or one is not UTF-8. */
int model_check_request(const struct model_request *request, struct error **err);

/* Fills pipeline_tag, library_name and card_origin from the overrides alone (model_needs_card is
 * false). */
int model_take_overrides(struct model *model, const struct model_request *request,
                         struct error **err);

/*
 * Fills pipeline_tag, library_name and card_origin from the README and the overrides; model->path
 * and model->commit must be set. ERROR_MODEL when a key that no parameter gives is not there: names
 * file, commit, key and parameter.
 */
int model_take_card(struct model *model, const struct model_request *request, const char *readme,
                    size_t length, struct error **err);

/* ERROR_MODEL: README.md is not at the commit. FOUND_NAME (may be NULL) is a README of another
 * name. */
int model_no_readme(const char *path, const char *place, const char *found_name,
                    struct error **err);
