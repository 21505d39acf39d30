/* The end of a server's certificates. Source: libcurl CURLINFO_CERTINFO. */

#include "base/text.h"
#include "http_internal.h"

#include <string.h>
#include <time.h>

int64_t http_certificate_time(const char *text) {
    static const char *const formats[] = {"%b %d %H:%M:%S %Y", "%Y-%m-%d %H:%M:%S"};
    for (size_t i = 0; i < array_length(formats); i++) {
        struct tm parts = {0};
        if (strptime(text, formats[i], &parts) != NULL)
            return (int64_t)timegm(&parts) * 1000;
    }
    return 0;
}

int64_t http_certificate_expiry(CURL *easy) {
    static const char label[] = "Expire date:";
    struct curl_certinfo *chain = NULL;
    int64_t first = 0;
    if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || chain == NULL)
        return 0;
    for (int i = 0; i < chain->num_of_certs; i++)
        for (const struct curl_slist *line = chain->certinfo[i]; line != NULL; line = line->next) {
            if (!text_has_prefix(line->data, label))
                continue;
            int64_t end = http_certificate_time(line->data + strlen(label));
            if (end > 0 && (first == 0 || end < first))
                first = end;
        }
    return first;
}
