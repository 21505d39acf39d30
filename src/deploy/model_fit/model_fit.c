#include "model_fit_internal.h"

#include "base/buffer.h"
#include "base/text.h"
#include "deploy/quantity.h"
#include "model/gguf.h"

#include <string.h>

enum { MOST_SMALL_FILES = 100 };

static const int64_t GIB = (int64_t)1 << 30;

int fit_add(struct fit *fit, enum fit_subject subject, enum fit_verdict verdict, char *message,
            char *hint, struct error **err) {
    struct fit_report *report = fit->report;
    if (message == NULL || report->count >= FIT_SUBJECTS) {
        free(message);
        free(hint);
        return error_no_memory(err);
    }
    report->items[report->count++] = (struct fit_finding){
        .subject = subject,
        .verdict = verdict,
        .kind = subject == FIT_FILES ? ERROR_MODEL : ERROR_PARAMETER,
        .message = message,
        .hint = hint,
    };
    return 0;
}

const char *fit_subject_name(enum fit_subject subject) {
    static const char *const names[FIT_SUBJECTS] = {"files", "disk", "parallel", "weights",
                                                    "context"};
    return names[subject];
}

void fit_report_free(struct fit_report *report) {
    if (report == NULL)
        return;
    for (size_t i = 0; i < report->count; i++) {
        free(report->items[i].message);
        free(report->items[i].hint);
    }
    *report = (struct fit_report){.count = 0};
}

/* ---- files ---- */

/* "a, b and 3 more" */
static char *some_names(const struct strings *names, struct error **err) {
    enum { SHOWN = 3 };
    struct buffer text = BUFFER_INIT(8192);
    for (size_t i = 0; i < names->count && i < SHOWN; i++)
        buffer_printf(&text, "%s%s", i > 0 ? ", " : "", names->items[i]);
    if (names->count > SHOWN)
        buffer_printf(&text, " and %zu more", names->count - SHOWN);
    char *result = buffer_steal(&text, "the names of files", err);
    buffer_free(&text);
    return result != NULL ? text_make_printable(result) : NULL;
}

static int collect(struct strings *missing, struct strings *off, size_t *unknown,
                   const struct model_files *files, struct error **err) {
    for (size_t i = 0; i < files->count; i++) {
        const struct model_file *file = &files->items[i];
        if (file->object == MODEL_OBJECT_MISSING && strings_add(missing, file->path, err) < 0)
            return -1;
        if (file->lfs_off && strings_add(off, file->path, err) < 0)
            return -1;
        /* without a size it may be a pointer that nobody read */
        bool unread = file->size < 0 && !file->absent && model_file_is_weights(file->path);
        *unknown += file->object == MODEL_OBJECT_UNKNOWN || unread ? 1 : 0;
    }
    return 0;
}

/* Adds a sentence about the files in NAMES, when there are any. FORMAT gets their number and names.
 */
static int tell(struct strings *sentences, struct strings *hints, const struct strings *names,
                const char *before, const char *after, const char *hint, struct error **err) {
    if (names->count == 0)
        return 0;
    cleanup_free char *some = some_names(names, err);
    if (some == NULL || strings_add_format(sentences, err, "%zu file%s %s: %s%s", names->count,
                                           names->count == 1 ? "" : "s", before, some, after) < 0)
        return -1;
    return strings_add(hints, hint, err);
}

static int tell_all(struct fit *fit, struct strings *sentences, struct strings *hints,
                    const struct strings *missing, const struct strings *off,
                    const struct strings *absent, struct error **err) {
    const char *index = fit->request->files->index_path;
    cleanup_free char *named =
        text_format(err, "that %s names not in the commit", index != NULL ? index : "an index");
    if (named == NULL)
        return -1;
    if (tell(sentences, hints, missing, "of Git LFS without an object on the server",
             " (the download would fail)",
             "only the pointers were pushed: run `git lfs push --all origin` in the clone that has "
             "the files",
             err) < 0 ||
        tell(sentences, hints, off, "with only a pointer of Git LFS, which is off for the project",
             "", "switch Git LFS on: Settings > General > Visibility, project features", err) < 0)
        return -1;
    return tell(sentences, hints, absent, named, "",
                "the push was incomplete: add the files and commit again", err);
}

/* Something that a download or the server surely trips over; 0 when there is nothing. */
static int broken_files(struct fit *fit, const struct strings *missing, const struct strings *off,
                        struct error **err) {
    cleanup_strings struct strings sentences = {.items = NULL};
    cleanup_strings struct strings hints = {.items = NULL};
    if (tell_all(fit, &sentences, &hints, missing, off, &fit->weights.absent, err) < 0)
        return -1;
    if (sentences.count == 0)
        return 0;
    cleanup_free char *message = strings_join(&sentences, "; ", err);
    cleanup_free char *hint = strings_join(&hints, "; ", err);
    if (message == NULL || hint == NULL)
        return -1;
    int added =
        fit_add(fit, FIT_FILES, FIT_FAILS, steal_pointer(message), steal_pointer(hint), err);
    return added < 0 ? -1 : 1;
}

/* Other servers than this one may hold the objects (git-lfs docs/man/git-lfs-config.adoc). */
static int elsewhere(struct fit *fit, const struct strings *missing, struct error **err) {
    return fit_add(fit, FIT_FILES, FIT_UNKNOWN,
                   text_format(err,
                               "%zu Git LFS file%s no object on this server, but .lfsconfig may "
                               "name another one",
                               missing->count, missing->count == 1 ? " has" : "s have"),
                   NULL, err);
}

/* ": why the server did not tell", the first two causes; "" when there are none. */
static char *reasons(const struct fit *fit, struct error **err) {
    const struct strings *unknown = &fit->request->files->unknown;
    if (unknown->count == 0)
        return text_copy("", err);
    return text_format(err, ": %s%s%s", unknown->items[0], unknown->count > 1 ? "; " : "",
                       unknown->count > 1 ? unknown->items[1] : "");
}

static int unknown_files(struct fit *fit, size_t unknown, struct error **err) {
    const struct model_files *files = fit->request->files;
    cleanup_free char *why = reasons(fit, err);
    if (why == NULL)
        return -1;
    return fit_add(
        fit, FIT_FILES, FIT_UNKNOWN,
        unknown > 0
            ? text_format(err, "whether Git LFS has %zu of the files is not known%s", unknown, why)
            : text_format(err, "only %zu files of the commit were looked at%s", files->count, why),
        NULL, err);
}

static int sound_files(struct fit *fit, size_t unknown, struct error **err) {
    const struct model_files *files = fit->request->files;
    if (unknown > 0 || files->truncated)
        return unknown_files(fit, unknown, err);
    if (fit->server.is_vllm && fit->weights.format[0] == '\0')
        return fit_add(fit, FIT_FILES, FIT_TIGHT,
                       text_copy("the commit has no weights that vLLM loads (*.safetensors, *.bin, "
                                 "*.pt or *.gguf at the top of the repository)",
                                 err),
                       text_copy("check that the model was pushed to this branch or tag", err),
                       err);
    if (fit->server.is_vllm && fit->weights.ambiguous)
        return fit_add(fit, FIT_FILES, FIT_TIGHT,
                       text_copy("the commit has several GGUF models: the runtime may refuse to "
                                 "choose",
                                 err),
                       text_copy("keep one .gguf file a repository", err), err);
    char size[QUANTITY_SIZE];
    return fit_add(fit, FIT_FILES, FIT_FITS,
                   text_format(err, "%zu file%s, %s; Git LFS has every object", files->count,
                               files->count == 1 ? "" : "s",
                               quantity_format_bytes(size, fit->size.bytes)),
                   NULL, err);
}

int fit_files(struct fit *fit, struct error **err) {
    const struct model_files *files = fit->request->files;
    cleanup_strings struct strings missing = {.items = NULL};
    cleanup_strings struct strings off = {.items = NULL};
    size_t unknown = 0;
    if (collect(&missing, &off, &unknown, files, err) < 0)
        return -1;
    if (missing.count > 0 && model_files_find(files, ".lfsconfig") != NULL)
        return elsewhere(fit, &missing, err);
    int broken = broken_files(fit, &missing, &off, err);
    if (broken != 0)
        return broken < 0 ? -1 : 0;
    return sound_files(fit, unknown, err);
}

/* ---- disk ---- */

/* Bytes, rounded up to whole GiB, as a quantity: "32Gi". */
static long long whole_gib(int64_t bytes) {
    return (long long)(bytes / GIB + (bytes % GIB > 0 ? 1 : 0));
}

/*
 * A clone keeps each LFS object twice (in .git and in the tree) unless its file system shares them,
 * so that twice the size is where doubt ends. Files of unknown size beside weights are small.
 */
static int64_t comfortable(const struct model_size *size) {
    const int64_t small = 16 * ((int64_t)1 << 20);
    int64_t others = (int64_t)size->others * small;
    int64_t twice = size->bytes < INT64_MAX / 4 ? size->bytes + size->lfs_bytes : size->bytes;
    return twice < INT64_MAX / 2 ? twice + GIB + others : twice;
}

/* What the model is downloaded to. */
struct place {
    int64_t bytes;
    char *what; /* "EPHIMERAL_STORAGE_SIZE=10Gi"; owned */
    const char *consequence;
    char *hint; /* owned */
};

static int place_of_pod(struct place *place, const struct fit *fit, struct error **err) {
    const char *given = fit->request->inputs->ephemeral_storage_size;
    struct quantity limit;
    place->bytes = quantity_parse(&limit, given) ? quantity_value(&limit) : -1;
    place->what = text_format(err, "EPHIMERAL_STORAGE_SIZE=%s", given);
    place->consequence = "the pod would be evicted while it downloads";
    place->hint = text_format(err,
                              "set EPHIMERAL_STORAGE_SIZE=%lldGi, or keep the model on a volume "
                              "(PVC_NAME)",
                              whole_gib(comfortable(&fit->size)));
    return place->what != NULL && place->hint != NULL ? 0 : -1;
}

static int place_of_volume(struct place *place, const struct fit *fit, struct error **err) {
    const char *name = fit->request->inputs->pvc_name;
    char room[QUANTITY_SIZE];
    place->bytes = fit->request->volume_bytes;
    place->what = text_format(err, "PVC_NAME=%s, which has %s", name,
                              quantity_format_bytes(room, place->bytes >= 0 ? place->bytes : 0));
    place->consequence = "the download would fill it";
    place->hint = text_format(err, "use a claim of %lldGi or more in PVC_NAME",
                              whole_gib(comfortable(&fit->size)));
    return place->what != NULL && place->hint != NULL ? 0 : -1;
}

static void place_free(struct place *place) {
    free(place->what);
    free(place->hint);
}

/* Why the size cannot be judged; NULL with an error. */
static char *unknown_size(const struct fit *fit, const struct place *place, struct error **err) {
    const char *problem = fit->request->volume_problem;
    if (place->bytes < 0)
        return fit->request->inputs->pvc_name[0] != '\0'
                   ? text_format(err, "the size of the claim PVC_NAME=%s is not known%s%s",
                                 fit->request->inputs->pvc_name, problem != NULL ? ": " : "",
                                 problem != NULL ? problem : "")
                   : text_copy("no limit is set for the disk of the pod", err);
    cleanup_free char *why = reasons(fit, err);
    if (why == NULL)
        return NULL;
    return fit->size.unknown > 0
               ? text_format(err, "the sizes of %zu weight files are not known%s",
                             fit->size.unknown, why)
               : text_format(err, "the sizes of %zu files of the commit alone are known%s",
                             fit->request->files->count, why);
}

static int judge_disk(struct fit *fit, struct place *place, struct error **err) {
    bool partial = fit->size.unknown > 0 || fit->size.others > MOST_SMALL_FILES ||
                   fit->request->files->truncated;
    char size[QUANTITY_SIZE];
    char wanted[QUANTITY_SIZE];
    quantity_format_bytes(size, fit->size.bytes);
    if (place->bytes >= 0 && fit->size.bytes > place->bytes)
        return fit_add(
            fit, FIT_DISK, FIT_FAILS,
            text_format(err, "does not fit: the model's files take %s%s, more than %s: %s",
                        partial ? "at least " : "", size, place->what, place->consequence),
            steal_pointer(place->hint), err);
    if (partial || place->bytes < 0)
        return fit_add(fit, FIT_DISK, FIT_UNKNOWN, unknown_size(fit, place, err), NULL, err);
    if (comfortable(&fit->size) > place->bytes)
        return fit_add(fit, FIT_DISK, FIT_TIGHT,
                       text_format(err,
                                   "tight: the model's files take %s, and %s when the download "
                                   "keeps a second copy of them as Git LFS does, of %s",
                                   size, quantity_format_bytes(wanted, comfortable(&fit->size)),
                                   place->what),
                       steal_pointer(place->hint), err);
    return fit_add(fit, FIT_DISK, FIT_FITS, text_format(err, "fits: %s, of %s", size, place->what),
                   NULL, err);
}

int fit_disk(struct fit *fit, struct error **err) {
    cleanup(place_free) struct place place = {.bytes = -1};
    int made = fit->request->inputs->pvc_name[0] != '\0' ? place_of_volume(&place, fit, err)
                                                         : place_of_pod(&place, fit, err);
    return made < 0 ? -1 : judge_disk(fit, &place, err);
}

/* ---- all of it ---- */

/* How many cards the service gets. HAMi gives one where only memory or cores are asked for. */
static int64_t count_cards(const struct inputs *inputs) {
    bool hami = inputs->nvidia_gpu[0] == '\0';
    bool some = inputs->gpu_memory[0] != '\0' || inputs->gpu_cores[0] != '\0';
    int64_t value = 0;
    if (hami && inputs->gpu_count[0] == '\0')
        return some ? 1 : 0;
    return text_to_integer(hami ? inputs->gpu_count : inputs->nvidia_gpu, 0, 1024, &value) ? value
                                                                                           : 0;
}

static int judge(struct fit *fit, struct error **err) {
    const struct fit_request *request = fit->request;
    const struct model_files *files = request->files;
    if (files->count == 0) {
        cleanup_free char *why = reasons(fit, err);
        if (why == NULL)
            return -1;
        return fit_add(fit, FIT_FILES, FIT_UNKNOWN,
                       text_format(err, "the files of the model are not known%s", why), NULL, err);
    }
    if (model_weights(&fit->weights, files, err) < 0 ||
        architecture_read(&fit->architecture, files->config, files->tokenizer_limit, err) < 0 ||
        server_options_read(&fit->server, request->runtime, request->inputs, err) < 0)
        return -1;
    if (!fit->architecture.knows_attention && files->beginning != NULL)
        (void)gguf_read(&fit->architecture, files->beginning, files->beginning_length);
    fit->size = model_files_size(files);
    fit->report->bytes = fit->size.unknown == 0 && !files->truncated ? fit->size.bytes : -1;
    fit->cards = count_cards(request->inputs);
    if (fit_files(fit, err) < 0 || fit_disk(fit, err) < 0)
        return -1;
    return fit_gpu(fit, err);
}

int model_fit(struct fit_report *out, const struct fit_request *request, struct error **err) {
    cleanup_fit_report struct fit_report report = {.bytes = -1,
                                                   .weight_bytes = -1,
                                                   .token_bytes = -1,
                                                   .length = -1,
                                                   .length_that_fits = -1,
                                                   .card_budget = -1};
    struct fit fit = {.request = request, .report = &report, .weights = {.format = ""}};
    int result = judge(&fit, err);
    model_weights_free(&fit.weights);
    if (result < 0)
        return -1;
    *out = report;
    report = (struct fit_report){.count = 0};
    return 0;
}
