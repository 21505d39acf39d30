#include "model_fit_internal.h"

#include "base/buffer.h"
#include "base/text.h"
#include "deploy/quantity.h"

#include <string.h>

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
        *unknown += file->object == MODEL_OBJECT_UNKNOWN ? 1 : 0;
    }
    return 0;
}

/* Something that a download or the server surely trips over; 0 when there is nothing. */
static int broken_files(struct fit *fit, const struct strings *missing, const struct strings *off,
                        struct error **err) {
    const struct strings *absent = &fit->weights.absent;
    const struct strings *which = missing->count > 0 ? missing : off->count > 0 ? off : absent;
    if (which->count == 0)
        return 0;
    cleanup_free char *names = some_names(which, err);
    if (names == NULL)
        return -1;
    char *message = NULL;
    const char *hint = NULL;
    if (which == missing) {
        message = text_format(err,
                              "the objects of %zu Git LFS file%s are not on the server (%s): the "
                              "download would fail",
                              which->count, which->count == 1 ? "" : "s", names);
        hint = "only the pointers were pushed: run `git lfs push --all origin` in the clone that "
               "has the files";
    } else if (which == off) {
        message = text_format(err,
                              "%s: the commit has Git LFS pointers, but Git LFS is off for the "
                              "project, so only the pointers would be downloaded",
                              names);
        hint = "switch Git LFS on: Settings > General > Visibility, project features";
    } else {
        message = text_format(err, "%s names %zu file%s that the commit does not have (%s)",
                              fit->request->files->index_path, which->count,
                              which->count == 1 ? "" : "s", names);
        hint = "the push was incomplete: add the files and commit again";
    }
    int added = fit_add(fit, FIT_FILES, FIT_FAILS, message, text_copy(hint, err), err);
    return added < 0 ? -1 : 1;
}

static int sound_files(struct fit *fit, size_t unknown, struct error **err) {
    const struct model_files *files = fit->request->files;
    if (unknown > 0 || files->truncated) {
        cleanup_free char *why = strings_join(&files->unknown, "; ", err);
        if (why == NULL)
            return -1;
        return fit_add(fit, FIT_FILES, FIT_UNKNOWN,
                       text_format(err, "whether every file can be downloaded is not known%s%s",
                                   why[0] != '\0' ? ": " : "", why),
                       NULL, err);
    }
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
                   text_format(err, "%zu file%s, %s", files->count, files->count == 1 ? "" : "s",
                               quantity_format_bytes(size, fit->size.bytes)),
                   NULL, err);
}

int fit_files(struct fit *fit, struct error **err) {
    const struct model_files *files = fit->request->files;
    struct strings missing = {.items = NULL};
    struct strings off = {.items = NULL};
    size_t unknown = 0;
    int result = collect(&missing, &off, &unknown, files, err);
    if (result == 0)
        result = broken_files(fit, &missing, &off, err);
    strings_free(&missing);
    strings_free(&off);
    if (result != 0)
        return result < 0 ? -1 : 0;
    return sound_files(fit, unknown, err);
}

/* ---- disk ---- */

/* Bytes, rounded up to whole GiB, as a quantity: "32Gi". */
static long long whole_gib(int64_t bytes) {
    return (long long)(bytes / GIB + (bytes % GIB > 0 ? 1 : 0));
}

/*
 * A clone keeps each LFS object twice (in .git and in the tree) unless its file system shares them,
 * so that twice the size is where doubt ends.
 */
static int64_t comfortable(const struct model_size *size) {
    int64_t twice = size->bytes < INT64_MAX / 4 ? size->bytes + size->lfs_bytes : size->bytes;
    return twice + GIB;
}

static int disk_limit(struct fit *fit, int64_t limit, struct error **err) {
    const char *given = fit->request->inputs->ephemeral_storage_size;
    char size[QUANTITY_SIZE];
    quantity_format_bytes(size, fit->size.bytes);
    const char *at_least = fit->size.unknown > 0 ? "at least " : "";
    long long wanted = whole_gib(comfortable(&fit->size));
    if (fit->size.bytes > limit)
        return fit_add(fit, FIT_DISK, FIT_FAILS,
                       text_format(err,
                                   "the model's files take %s%s, but EPHIMERAL_STORAGE_SIZE is %s: "
                                   "the pod would be evicted while it downloads",
                                   at_least, size, given),
                       text_format(err,
                                   "set EPHIMERAL_STORAGE_SIZE=%lldGi, or keep the model on a "
                                   "volume (PVC_NAME)",
                                   wanted),
                       err);
    if (fit->size.unknown > 0)
        return fit_add(fit, FIT_DISK, FIT_UNKNOWN,
                       text_format(err, "the sizes of %zu files are not known", fit->size.unknown),
                       NULL, err);
    if (comfortable(&fit->size) > limit)
        return fit_add(fit, FIT_DISK, FIT_TIGHT,
                       text_format(err,
                                   "the model's files take %s of EPHIMERAL_STORAGE_SIZE %s: not "
                                   "enough when the download keeps a second copy, as Git LFS does",
                                   size, given),
                       text_format(err, "EPHIMERAL_STORAGE_SIZE=%lldGi is surely enough", wanted),
                       err);
    return fit_add(fit, FIT_DISK, FIT_FITS,
                   text_format(err, "%s fit EPHIMERAL_STORAGE_SIZE %s", size, given), NULL, err);
}

static int disk_volume(struct fit *fit, struct error **err) {
    const char *name = fit->request->inputs->pvc_name;
    int64_t capacity = fit->request->volume_bytes;
    char size[QUANTITY_SIZE];
    char room[QUANTITY_SIZE];
    quantity_format_bytes(size, fit->size.bytes);
    quantity_format_bytes(room, capacity);
    if (capacity < 0 || (fit->size.unknown > 0 && fit->size.bytes <= capacity))
        return fit_add(
            fit, FIT_DISK, FIT_UNKNOWN,
            capacity < 0
                ? text_format(err, "the size of volume %s is not known here", name)
                : text_format(err, "the sizes of %zu files are not known", fit->size.unknown),
            NULL, err);
    if (fit->size.bytes > capacity)
        return fit_add(
            fit, FIT_DISK, FIT_FAILS,
            text_format(err, "the model's files take %s, but volume %s has %s", size, name, room),
            text_format(err, "use a volume of %lldGi or more", whole_gib(comfortable(&fit->size))),
            err);
    return fit_add(fit, FIT_DISK, FIT_FITS,
                   text_format(err, "%s fit volume %s (%s, of which other models may use some)",
                               size, name, room),
                   NULL, err);
}

int fit_disk(struct fit *fit, struct error **err) {
    const struct inputs *inputs = fit->request->inputs;
    if (inputs->pvc_name[0] != '\0')
        return disk_volume(fit, err);
    struct quantity limit;
    if (!quantity_parse(&limit, inputs->ephemeral_storage_size))
        return fit_add(fit, FIT_DISK, FIT_UNKNOWN,
                       text_copy("no limit is set for the disk of the pod", err), NULL, err);
    return disk_limit(fit, quantity_value(&limit), err);
}

/* ---- all of it ---- */

static int64_t whole_number(const char *text) {
    int64_t value = 0;
    return text_to_integer(text, 0, 1024, &value) ? value : 0;
}

static int judge(struct fit *fit, struct error **err) {
    const struct fit_request *request = fit->request;
    const struct model_files *files = request->files;
    if (files->count == 0) {
        cleanup_free char *why = strings_join(&files->unknown, "; ", err);
        if (why == NULL)
            return -1;
        return fit_add(fit, FIT_FILES, FIT_UNKNOWN,
                       text_format(err, "the files of the commit are not known%s%s",
                                   why[0] != '\0' ? ": " : "", why),
                       NULL, err);
    }
    if (model_weights(&fit->weights, files, err) < 0 ||
        architecture_read(&fit->architecture, files->config, files->tokenizer_config, err) < 0 ||
        server_options_read(&fit->server, request->runtime, request->inputs, err) < 0)
        return -1;
    fit->size = model_files_size(files);
    fit->report->bytes = fit->size.unknown == 0 && !files->truncated ? fit->size.bytes : -1;
    bool hami = request->inputs->nvidia_gpu[0] == '\0';
    fit->cards = whole_number(hami ? request->inputs->gpu_count : request->inputs->nvidia_gpu);
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
