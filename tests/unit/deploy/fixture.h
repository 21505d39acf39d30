#pragma once

/* What the tests of the pure stages start from: a deploy as the drop-in Pipeline asks for it. */

#include "deploy/render.h"

/* Every parameter as the Pipeline passes it: defaults, and name, namespace, repository, class. */
void fixture_inputs(struct inputs *inputs);

/* Replaces a text. */
void fixture_set(char **field, const char *text);

/* demo/amlmodels/Qwen2.5-0.5B at a commit of its branch main. */
void fixture_model(struct model *model);

/* Parses JSON written with ' in place of ". */
json_t *fixture_json(const char *text);

/* A runtime of class vllm named NAME that supports transformers; CONTAINER is JSON with ' for ". */
json_t *fixture_runtime(const char *name, const char *container);
