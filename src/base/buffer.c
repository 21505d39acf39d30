#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int grow(struct buffer *buffer, size_t needed) {
    size_t capacity = buffer->capacity > 0 ? buffer->capacity : 128;
    while (capacity < needed)
        capacity *= 2;
    if (capacity > buffer->limit + 1)
        capacity = buffer->limit + 1;

    /* realloc would leave a copy of a secret behind, so a secret moves by hand */
    char *data = buffer->secret ? malloc(capacity) : realloc(buffer->data, capacity);
    if (data == NULL) {
        buffer->no_memory = true;
        return -1;
    }
    if (buffer->secret && buffer->data != NULL) {
        memcpy(data, buffer->data, buffer->length);
        memory_wipe(buffer->data, buffer->capacity);
        free(buffer->data);
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

int buffer_append(struct buffer *buffer, const void *data, size_t length) {
    if (buffer->no_memory || buffer->too_long)
        return -1;
    if (length > buffer->limit || buffer->length > buffer->limit - length) {
        buffer->too_long = true;
        return -1;
    }
    size_t needed = buffer->length + length + 1;
    if (needed > buffer->capacity && grow(buffer, needed) < 0)
        return -1;
    if (length > 0)
        memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
    return 0;
}

int buffer_append_text(struct buffer *buffer, const char *text) {
    return buffer_append(buffer, text, strlen(text));
}

int buffer_append_character(struct buffer *buffer, char character) {
    return buffer_append(buffer, &character, 1);
}

int buffer_printf(struct buffer *buffer, const char *format, ...) {
    cleanup_free char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        text = NULL;
        buffer->no_memory = true;
        return -1;
    }
    return buffer_append(buffer, text, (size_t)length);
}

void buffer_clear(struct buffer *buffer) {
    if (buffer->secret)
        memory_wipe(buffer->data, buffer->capacity);
    buffer->length = 0;
    if (buffer->data != NULL)
        buffer->data[0] = '\0';
    buffer->no_memory = false;
    buffer->too_long = false;
}

void buffer_consume(struct buffer *buffer, size_t length) {
    if (length == 0 || buffer->data == NULL)
        return;
    if (length > buffer->length)
        length = buffer->length;
    memmove(buffer->data, buffer->data + length, buffer->length - length + 1);
    buffer->length -= length;
}

int buffer_check(const struct buffer *buffer, const char *what, struct error **err) {
    if (buffer->too_long)
        return error_new(err, ERROR_INTERNAL, "%s is longer than %zu bytes", what, buffer->limit);
    if (buffer->no_memory)
        return error_no_memory(err);
    return 0;
}

const char *buffer_text(const struct buffer *buffer) {
    return buffer->data != NULL ? buffer->data : "";
}

char *buffer_steal(struct buffer *buffer, const char *what, struct error **err) {
    if (buffer_check(buffer, what, err) < 0)
        return NULL;
    if (buffer->data == NULL && buffer_append(buffer, "", 0) < 0) {
        error_no_memory(err);
        return NULL;
    }
    char *data = steal_pointer(buffer->data);
    buffer->length = 0;
    buffer->capacity = 0;
    return data;
}

void buffer_free(struct buffer *buffer) {
    if (buffer->secret)
        memory_wipe(buffer->data, buffer->capacity);
    free(buffer->data);
    buffer->data = NULL;
    buffer->length = 0;
    buffer->capacity = 0;
    buffer->no_memory = false;
    buffer->too_long = false;
}
