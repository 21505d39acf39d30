#pragma once

/*
 * The front matter of a model card (README.md), by the Hub's rules: a block between two lines of
 * "---" at the very start of the file. Source: huggingface_hub repocard.py (REGEX_YAML_BLOCK: the
 * same expression the Hub's server uses). Two differences: a UTF-8 byte order mark before the block
 * is skipped, and "---" on the line behind the opening one is an empty block (the expression would
 * run on to the next rule of the text).
 */

#include "base/error.h"

#include <stddef.h>

struct card {
    char *pipeline_tag; /* "" when the card has none or it was not wanted */
    char *library_name; /* "" when the card has none or it was not wanted */
};

enum {
    CARD_PIPELINE_TAG = 1,
    CARD_LIBRARY_NAME = 2,
    CARD_BOTH = CARD_PIPELINE_TAG | CARD_LIBRARY_NAME,
};

/*
 * Reads the WANTED keys (CARD_* bits): what a parameter overrides need not be right in the file.
 * Values are taken as they are written ("no", "1.0" are text), without blanks at their ends. A file
 * without a block, or a key without a value (null, ""), gives "". ERROR_MODEL, naming WHAT
 * ("README.md of demo/amlmodels/qwen at 0123abcd"), the line and what to write instead: a block
 * that is no YAML mapping or not UTF-8, a wanted key that stands twice, is a list or a mapping, has
 * several lines or more than 256 bytes; a file that is a Git LFS pointer or UTF-16. Only the block
 * must be UTF-8. Limits: 1 MiB of front matter, 10 MiB of README; see base/yaml.h.
 */
int card_parse(struct card *out, unsigned wanted, const char *readme, size_t length,
               const char *what, struct error **err);
void card_free(struct card *card);

#define cleanup_card cleanup(card_free)
