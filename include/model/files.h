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
    char *blob;   /* Git's id of the blob (the pointer's, for LFS) */
    char oid[65]; /* of the LFS object (SHA-256); "" for a plain file */
    int64_t size; /* bytes that a download has; -1: unknown */
    enum model_object object;
    bool lfs_off; /* a pointer, but the project has LFS switched off: only the pointer is served */
};

struct model_files {
    struct model_file *items;
    size_t count;
    bool truncated;         /* there are more files than were listed */
    char *config;           /* config.json, or NULL */
    char *tokenizer_config; /* tokenizer_config.json, or NULL */
    char *index;            /* the index of the weights' shards, or NULL */
    size_t index_length;
    char *index_path;       /* "model.safetensors.index.json", or NULL */
    struct strings unknown; /* what could not be learnt and why, a sentence each */
};

/* Appends a file of unknown size; borrowed until the next call, NULL with an error. */
struct model_file *model_files_add(struct model_files *files, const char *path, const char *blob,
                                   struct error **err);
struct model_file *model_files_find(const struct model_files *files, const char *path);
void model_files_free(struct model_files *files);

#define cleanup_model_files cleanup(model_files_free)

/* True for a name that weights have: .safetensors .bin .pt .pth .gguf .onnx .data .msgpack .h5 */
bool model_file_is_weights(const char *path);

/*
 * Reads a Git LFS pointer: SHA-256 as 64 hex digits and NUL, and the object's size. False when TEXT
 * is none. Source: git-lfs docs/spec.md (also its two older version lines).
 */
bool model_read_pointer(char oid[65], int64_t *size, const char *text, size_t length);

struct model_size {
    int64_t bytes;     /* of all files whose size is known */
    int64_t lfs_bytes; /* of those in LFS */
    size_t unknown;    /* files without a size */
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
 * there is one; else one *.gguf (or its parts). Files of adapters and of training are left out.
 * Source: vllm model_executor/model_loader/default_loader.py, weight_utils.py.
 */
int model_weights(struct model_weights *out, const struct model_files *files, struct error **err);
void model_weights_free(struct model_weights *weights);

#define cleanup_model_weights cleanup(model_weights_free)
