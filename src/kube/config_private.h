#pragma once

/* Private to the config_*.c files: kubeconfig documents before they become a kube_config. */

#include "kube/config.h"

enum {
    KUBECONFIG_MOST_FILES = 32,
    KUBECONFIG_LIMIT = 1024 * 1024, /* of a kubeconfig, and of each file that it names */
};

struct kubeconfig_file {
    char *path;
    char *directory;  /* relative paths inside the file start here */
    json_t *document; /* object, or NULL when the file is empty; holds secrets */
};

struct kubeconfig {
    struct kubeconfig_file *files; /* in order of precedence */
    size_t count;
    struct strings looked_at; /* every path that was tried, for messages */
    bool is_explicit;         /* --kubeconfig */
};

/* Reads the files that OPTIONS and the environment name (client-go tools/clientcmd/loader.go). */
int kubeconfig_read(struct kubeconfig *out, const struct kube_config_options *options,
                    const struct deps *deps, struct error **err);
void kubeconfig_free(struct kubeconfig *kubeconfig);

#define cleanup_kubeconfig cleanup(kubeconfig_free)

/* One named entry of a kubeconfig; everything is borrowed. */
struct kubeconfig_entry {
    const char *what; /* "cluster", "user", "context" */
    const char *name;
    const json_t *body; /* object */
    const struct kubeconfig_file *file;
};

/*
 * Finds the entry called NAME of KIND ("cluster", "user", "context"): the first file that has it
 * wins as a whole. False when no file has it.
 */
bool kubeconfig_find(struct kubeconfig_entry *out, const struct kubeconfig *kubeconfig,
                     const char *kind, const char *name);

/* The names of all entries of KIND, for messages. */
int kubeconfig_names(struct strings *out, const struct kubeconfig *kubeconfig, const char *kind,
                     struct error **err);

/* The first non-empty current-context, or NULL. */
const char *kubeconfig_current_context(const struct kubeconfig *kubeconfig);

/* Fields of an entry (or of OBJECT inside it). Missing, null and "" give NULL; a wrong type is an
 * error that names file, entry and field. */
int entry_text(const char **out, const struct kubeconfig_entry *entry, const json_t *object,
               const char *field, struct error **err);
int entry_flag(bool *out, const struct kubeconfig_entry *entry, const json_t *object,
               const char *field, struct error **err);
/* Adds the texts of a list to OUT. */
int entry_list(struct strings *out, const struct kubeconfig_entry *entry, const json_t *object,
               const char *field, struct error **err);
/* As entry_text, copied; *OUT stays NULL when the field is not there. */
int entry_copy(char **out, const struct kubeconfig_entry *entry, const char *field,
               struct error **err);
/* As entry_copy, resolved against the directory of the entry's file. */
int entry_path(char **out, const struct kubeconfig_entry *entry, const char *field,
               struct error **err);
/*
 * PEM text from FIELD-data (base64) or the file that FIELD names; both is an error. *OUT stays NULL
 * when neither is there. Treated as secret on the way.
 */
int entry_pem(char **out, const struct kubeconfig_entry *entry, const char *field,
              const struct deps *deps, struct error **err);

/* Makes an error about one field; always -1. */
int entry_error(struct error **err, const struct kubeconfig_entry *entry, const char *field,
                const char *problem);

/* The stages of a load. */
int kube_config_take_cluster(struct kube_config *config, const struct kubeconfig_entry *entry,
                             const struct deps *deps, struct error **err);
int kube_config_take_user(struct kube_user *user, const struct kubeconfig_entry *entry,
                          const struct deps *deps, struct error **err);
void kube_user_free(struct kube_user *user);
