#pragma once

/*
 * The files of a model at one commit, with the sizes that a download has, and which of them a model
 * server loads. Filled by a source (model/gitlab_files.h); everything here is pure.
 */

#include "base/strings.h"

#include <stdint.h>

/* Where the bytes of a file are. */
enum model_object {
    MODEL_OBJECT_PLAIN,   /* in Git itself */
    MODEL_OBJECT_UNKNOWN, /* in Git LFS; nobody said whether the server has it */
    MODEL_OBJECT_PRESENT, /* in Git LFS, and the server has it */
    MODEL_OBJECT_MISSING, /* Git has the pointer, the server does not have the object */
};

struct model_file {
    char *path;   /* from the top of the repository */
    char oid[65]; /* of the LFS object (SHA-256); "" for a plain file */
    int64_t size; /* bytes that a download has; -1: unknown */
    enum model_object object;
    bool lfs_off; /* a pointer, but the project has LFS switched off: only the pointer is served */
    bool absent;  /* only its name was known, and the commit does not have it */
    bool asked;   /* for the source */
};

struct model_files {
    struct model_file *items;
    size_t count;
    bool truncated;          /* there are more files than were listed */
    bool guessed;            /* no list could be read: only usual names were tried */
    char *config;            /* config.json, or NULL */
    int64_t tokenizer_limit; /* model_max_length of tokenizer_config.json; 0: none */
    char *index_path;        /* "model.safetensors.index.json", or NULL */
    struct strings shards;   /* the files that the index names, each once */
    char *beginning;         /* of a GGUF model without config.json: its first bytes, or NULL */
    size_t beginning_length;
    struct strings unknown; /* what could not be learnt and why, a sentence each */
};

/* Appends a file of unknown size; borrowed until the next call, NULL with an error. */
struct model_file *model_files_add(struct model_files *files, const char *path, struct error **err);
struct model_file *model_files_find(const struct model_files *files, const char *path);
void model_files_free(struct model_files *files);

#define cleanup_model_files cleanup(model_files_free)

/* The GGUF file that a model at the top of the repository begins with, or NULL. */
const struct model_file *model_files_gguf(const struct model_files *files);

/* True for a name that weights have: .safetensors .bin .pt .pth .gguf .onnx .data .msgpack .h5 */
bool model_file_is_weights(const char *path);

/*
 * Reads a Git LFS pointer: SHA-256 as 64 hex digits and NUL, and the object's size. False when TEXT
 * is none. Source: git-lfs docs/spec.md (also its two older version lines).
 */
bool model_read_pointer(char oid[65], int64_t *size, const char *text, size_t length);

/*
 * Adds to SHARDS the names that an index of weights (JSON with "weight_map": {tensor: file}) ends
 * with SUFFIX, each once, at most 4,096 of at most 255 bytes. Reads the values without a tree of
 * the whole: the index of a large model has megabytes of names of tensors.
 */
int model_index_shards(struct strings *shards, const char *text, size_t length, const char *suffix,
                       struct error **err);

/* model_max_length in the text of a tokenizer_config.json; 0 when there is none, or one that means
 * "no limit" (1e30). */
int64_t model_tokenizer_limit(const char *text, size_t length);

struct model_size {
    int64_t bytes;     /* of all files whose size is known */
    int64_t lfs_bytes; /* of those in LFS */
    size_t unknown;    /* weights without a size */
    size_t others;     /* other files without a size: mostly small */
};

struct model_size model_files_size(const struct model_files *files);

/* The weights that vLLM loads. */
struct model_weights {
    const char *format; /* "safetensors", "bin", "pt", "gguf"; "" when there are none */
    int64_t bytes;      /* of those whose size is known */
    size_t files;
    size_t unknown;        /* of them, without a size */
    bool ambiguous;        /* several GGUF models: which one is loaded is the runtime's choice */
    struct strings absent; /* named in the index, not in the tree */
};

/*
 * Top level of the repository only: *.safetensors, else *.bin, else *.pt, those of the index when
 * there is one; else one *.gguf (or its parts). Files of adapters and of training are left out, and
 * Mistral's second copy (consolidated*) beside a usual one.
 * Source: vllm model_executor/model_loader/default_loader.py, weight_utils.py.
 */
int model_weights(struct model_weights *out, const struct model_files *files, struct error **err);
void model_weights_free(struct model_weights *weights);

#define cleanup_model_weights cleanup(model_weights_free)
