/* The files of a fetched commit: Git knows every size, and pointers of Git LFS are small. */

#include "git_internal.h"

#include "base/text.h"
#include "model/files.h"

#include <string.h>

enum {
    MOST_FILES = 5000,
    LONGEST_PATH = 1024,
    LONGEST_POINTER = 1024,
    CONFIG_LIMIT = 1024 * 1024,
    TOKENIZER_LIMIT = 4 * 1024 * 1024,
    INDEX_LIMIT = 16 * 1024 * 1024,
};

struct walk {
    git_repository *repository;
    git_odb *odb;
    struct model_files *files;
    struct error **err;
    bool failed;
};

static void read_size(const struct walk *walk, struct model_file *file, const git_oid *id) {
    size_t size = 0;
    git_object_t type = GIT_OBJECT_INVALID;
    if (git_odb_read_header(&size, &type, walk->odb, id) < 0 || type != GIT_OBJECT_BLOB)
        return;
    file->size = (int64_t)size;
    git_blob *blob = NULL;
    if (size > LONGEST_POINTER || git_blob_lookup(&blob, walk->repository, id) < 0)
        return;
    int64_t large = 0;
    if (model_read_pointer(file->oid, &large, git_blob_rawcontent(blob),
                           (size_t)git_blob_rawsize(blob))) {
        file->object = MODEL_OBJECT_UNKNOWN;
        file->size = large;
    }
    git_blob_free(blob);
}

/* For git_tree_walk: 0 goes on, negative ends. */
static int take_entry(const char *folder, const git_tree_entry *entry, void *user) {
    struct walk *walk = user;
    if (git_tree_entry_type(entry) != GIT_OBJECT_BLOB)
        return 0;
    if (walk->files->count >= MOST_FILES) {
        walk->files->truncated = true;
        return -1;
    }
    cleanup_free char *path = text_format(walk->err, "%s%s", folder, git_tree_entry_name(entry));
    size_t length = path != NULL ? strlen(path) : 0;
    if (path != NULL && (length > LONGEST_PATH || !text_is_utf8(path, length)))
        return 0;
    struct model_file *file = path != NULL ? model_files_add(walk->files, path, walk->err) : NULL;
    walk->failed = file == NULL;
    if (file == NULL)
        return -1;
    read_size(walk, file, git_tree_entry_id(entry));
    return 0;
}

/* The blob at the top called NAME, or NULL. */
static git_blob *find_blob(const struct walk *walk, const git_tree *tree, const char *name,
                           size_t limit) {
    const git_tree_entry *entry = git_tree_entry_byname(tree, name);
    size_t size = 0;
    git_object_t type = GIT_OBJECT_INVALID;
    git_blob *blob = NULL;
    if (entry == NULL || git_tree_entry_type(entry) != GIT_OBJECT_BLOB ||
        git_odb_read_header(&size, &type, walk->odb, git_tree_entry_id(entry)) < 0 || size > limit)
        return NULL;
    return git_blob_lookup(&blob, walk->repository, git_tree_entry_id(entry)) == 0 ? blob : NULL;
}

static int take_texts(const struct walk *walk, const git_tree *tree) {
    struct model_files *files = walk->files;
    git_blob *config = find_blob(walk, tree, "config.json", CONFIG_LIMIT);
    if (config != NULL) {
        files->config = text_copy_bytes(git_blob_rawcontent(config),
                                        (size_t)git_blob_rawsize(config), walk->err);
        git_blob_free(config);
        if (files->config == NULL)
            return -1;
    }
    git_blob *tokenizer = find_blob(walk, tree, "tokenizer_config.json", TOKENIZER_LIMIT);
    if (tokenizer != NULL)
        files->tokenizer_limit = model_tokenizer_limit(git_blob_rawcontent(tokenizer),
                                                       (size_t)git_blob_rawsize(tokenizer));
    git_blob_free(tokenizer);
    return 0;
}

static int take_index(const struct walk *walk, const git_tree *tree) {
    static const char *const names[] = {"model.safetensors.index.json",
                                        "pytorch_model.bin.index.json"};
    static const char *const suffixes[] = {".safetensors", ".bin"};
    for (size_t i = 0; i < array_length(names); i++) {
        git_blob *index = find_blob(walk, tree, names[i], INDEX_LIMIT);
        if (index == NULL)
            continue;
        walk->files->index_path = text_copy(names[i], walk->err);
        int result =
            walk->files->index_path == NULL
                ? -1
                : model_index_shards(&walk->files->shards, git_blob_rawcontent(index),
                                     (size_t)git_blob_rawsize(index), suffixes[i], walk->err);
        git_blob_free(index);
        return result;
    }
    return 0;
}

static int read_tree(struct walk *walk, const git_tree *tree) {
    int result = git_tree_walk(tree, GIT_TREEWALK_PRE, take_entry, walk);
    if (walk->failed)
        return -1;
    if (result < 0) /* too many, or a tree that cannot be read: what is there is not all */
        walk->files->truncated = true;
    return take_texts(walk, tree) < 0 ? -1 : take_index(walk, tree);
}

int git_list_files(struct model_files *out, git_repository *repository, const git_oid *commit,
                   struct error **err) {
    struct walk walk = {.repository = repository, .files = out, .err = err};
    git_commit *object = NULL;
    git_tree *tree = NULL;
    int result = 0;
    if (git_repository_odb(&walk.odb, repository) == 0 &&
        git_commit_lookup(&object, repository, commit) == 0 && git_commit_tree(&tree, object) == 0)
        result = read_tree(&walk, tree);
    git_tree_free(tree);
    git_commit_free(object);
    git_odb_free(walk.odb);
    return result;
}
