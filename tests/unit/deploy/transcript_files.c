#include "transcript_files.h"

#include "cmocka_all.h"

#include "base/text.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_transcript(const struct dirent *entry) {
    const char *only = getenv("TRANSCRIPT");
    return text_has_suffix(entry->d_name, ".jsonl") &&
           (only == NULL || text_equal(only, entry->d_name));
}

static char *read_whole(const char *path, size_t *length) {
    FILE *stream = fopen(path, "re");
    assert_non_null(stream);
    char *text = NULL;
    size_t capacity = 0;
    ssize_t got = getdelim(&text, &capacity, EOF, stream);
    assert_true(got > 0);
    fclose(stream);
    *length = (size_t)got;
    return text;
}

size_t transcript_files(void (*take)(const char *file, const char *text, size_t length)) {
    struct dirent **entries = NULL;
    int count = scandir(TRANSCRIPTS_DIRECTORY, &entries, is_transcript, alphasort);
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        char path[4096];
        (void)snprintf(path, sizeof(path), "%s/%s", TRANSCRIPTS_DIRECTORY, entries[i]->d_name);
        size_t length = 0;
        char *text = read_whole(path, &length);
        take(entries[i]->d_name, text, length);
        free(text);
        free(entries[i]);
    }
    free(entries);
    return (size_t)count;
}

json_t *transcript_expectation(const char *text, size_t length) {
    for (const char *at = text; at < text + length;) {
        const char *newline = memchr(at, '\n', (size_t)(text + length - at));
        size_t size = newline != NULL ? (size_t)(newline - at) : (size_t)(text + length - at);
        json_t *line = json_loadb(at, size, 0, NULL);
        json_t *expect = json_incref(json_object_get(line, "expect"));
        json_decref(line);
        if (expect != NULL)
            return expect;
        at += size + 1;
    }
    return NULL;
}
