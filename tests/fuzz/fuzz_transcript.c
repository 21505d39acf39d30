/* Transcripts of any bytes: the reducer reads what strangers attach to reports. A verdict is whole,
 * and what is refused is refused with the line's number. */

#include "deploy/rollout.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text) {
    if (text == NULL || strlen(text) > 8192 || strchr(text, '\n') != NULL)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct verdict verdict = {.state = ROLLOUT_UNKNOWN};
    cleanup_error struct error *error = NULL;
    int64_t decided_ms = 0;
    int result = transcript_replay(&verdict, (const char *)data, size, &decided_ms, &error);
    if (result < 0) {
        if (error == NULL || error->kind != ERROR_PARAMETER ||
            strstr(error->message, "transcript") == NULL)
            __builtin_trap();
    } else if (verdict.detail != NULL) { /* something was judged */
        check_text(verdict.detail);
        check_text(verdict.reason);
        check_text(verdict.cause);
        check_text(verdict.hint);
        for (size_t i = 0; i < verdict.evidence.count; i++)
            check_text(verdict.evidence.items[i]);
        if (verdict.state == ROLLOUT_FAILED &&
            (verdict.failure == FAILURE_NONE || verdict.reason[0] == '\0' ||
             verdict.cause[0] == '\0' || verdict.hint[0] == '\0'))
            __builtin_trap();
        if (verdict.state == ROLLOUT_READY && verdict.replicas_ready < 0)
            __builtin_trap();
    }
    verdict_free(&verdict);
    return 0;
}
