#pragma once

/*
 * A model given by STORAGE_URI: no repository is asked. Pure. Sources: KServe's documentation
 * "Storage", kserve pkg/apis/serving/v1beta1 (storage URI prefixes),
 * python/storage/kserve_storage.py.
 */

#include "model/model.h"

/*
 * Fills OUT: storage_uri as given, pipeline tag and library from the overrides (both needed:
 * ERROR_PARAMETER), path, group and name from MODEL_REPO, else for hf:// from the URI, else the
 * name from the URI's last part (without ":tag", "@digest"), commit "" (or the revision of
 * hf://owner/name:revision when it is a whole commit id).
 *
 * ERROR_PARAMETER: no scheme, nothing behind it, blanks or control characters, a password in it,
 * hf:// that is not owner/name[:revision], MODEL_REPO_BRANCH, MODEL_REPO_TAG or MODEL_REPO_COMMIT
 * given as well. A scheme that KServe takes only with a ClusterStorageContainer of the cluster's
 * own, and a query in the URI (signed URLs end up readable in the InferenceService), are warnings.
 */
int uri_resolve(struct model *out, const struct model_request *request, const char *storage_uri,
                struct error **err);
