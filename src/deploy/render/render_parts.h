#pragma once

/* The parts of render(). Each returns a new object, or NULL with an error. */

#include "deploy/render.h"

/* metadata: name, namespace, labels, annotations, without content hash and provenance. */
json_t *render_metadata(const struct plan *plan, struct strings *warnings, struct error **err);

/* spec: the predictor. */
json_t *render_spec(const struct plan *plan, struct strings *warnings, struct error **err);

/* spec.predictor.model.resources, checked against CONTAINER's own. */
json_t *render_resources(const struct plan *plan, const json_t *container, struct strings *warnings,
                         struct error **err);

/* spec.predictor.model.env: CONTAINER's and ENV's; an empty array when there is none. */
json_t *render_env(const struct plan *plan, const json_t *container, struct strings *warnings,
                   struct error **err);

/* A new object with the members of OBJECT in the order of their keys. */
json_t *json_sorted(const json_t *object, struct error **err);
