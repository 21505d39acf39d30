/* The end of a server's certificates. Source: libcurl CURLINFO_CERTINFO, lib/vtls/openssl.c and
 * lib/vtls/x509asn1.c (what the lines look like). */

#include "base/text.h"
#include "http_internal.h"

#include <string.h>
#include <strings.h>
#include <time.h>

int64_t http_certificate_end(const char *line) {
    static const char label[] = "Expire date:";
    static const char *const formats[] = {"%b %d %H:%M:%S %Y", "%Y-%m-%d %H:%M:%S"};
    if (strncasecmp(line, label, strlen(label)) != 0)
        return 0;
    for (size_t i = 0; i < array_length(formats); i++) {
        struct tm parts = {0};
        if (strptime(line + strlen(label), formats[i], &parts) != NULL)
            return (int64_t)timegm(&parts) * 1000;
    }
    return 0;
}

int64_t http_certificate_expiry(CURL *easy) {
    struct curl_certinfo *chain = NULL;
    int64_t first = 0;
    if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || chain == NULL)
        return 0;
    for (int i = 0; i < chain->num_of_certs; i++)
        for (const struct curl_slist *line = chain->certinfo[i]; line != NULL; line = line->next) {
            int64_t end = http_certificate_end(line->data);
            if (end > 0 && (first == 0 || end < first))
                first = end;
        }
    return first;
}
