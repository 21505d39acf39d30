#include "net/http.h"

#include <curl/curl.h>
#include <stdio.h>

int http_library_start(struct error **err) {
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (code != CURLE_OK)
        return error_new(err, ERROR_INTERNAL, "cannot start libcurl: %s", curl_easy_strerror(code));
    return 0;
}

void http_library_stop(void) {
    curl_global_cleanup();
}

void http_library_version(char *out, size_t size) {
    const curl_version_info_data *version = curl_version_info(CURLVERSION_NOW);
    snprintf(out, size, "libcurl %s (%s)", version->version,
             version->ssl_version != NULL ? version->ssl_version : "no TLS");
}
