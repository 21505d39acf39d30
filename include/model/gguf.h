#pragma once

/*
 * The beginning of a GGUF file, which says what a config.json says elsewhere. Pure. Source: ggml
 * docs/gguf.md.
 */

#include "model/architecture.h"

#include <stddef.h>

/* So many bytes of a file hold the numbers in practice: the tokenizer and its long lists follow. */
enum { GGUF_BEGINNING = 64 * 1024 };

/*
 * Reads the metadata in DATA, the first LENGTH bytes of a file (versions 2 and 3), up to the
 * tokenizer's. False when they do not go so far, it is no GGUF file or the numbers of layers and
 * heads are not in it; OUT is then left alone. Every length in it is checked against what is there.
 */
bool gguf_read(struct architecture *out, const char *data, size_t length);
