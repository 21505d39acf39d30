/* From libcurl's code to one sentence, a hint, and what a retry may do. */

#include "base/text.h"
#include "http_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { CAUSE_SIZE = CURL_ERROR_SIZE + 128 };

struct verdict {
    enum retry_failure failure;
    enum error_kind kind;
    char cause[CAUSE_SIZE];
    const char *hint;
    bool certificate; /* the peer's certificate was refused */
    bool handshake;   /* the TLS layer ended it, and would again */
};

__attribute__((format(printf, 2, 3))) static void say(struct verdict *verdict, const char *format,
                                                      ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(verdict->cause, sizeof(verdict->cause), format, arguments);
    va_end(arguments);
}

/* libcurl quotes a proxy's URL when it dislikes it: what stands before an @ may be a password. */
static void hide_credentials(char *text) {
    for (char *at = strchr(text, '@'); at != NULL; at = strchr(at + 1, '@'))
        for (char *back = at; back > text && strchr(" /'\"", back[-1]) == NULL; back--)
            back[-1] = '*';
}

/* libcurl's words without line breaks (mbedTLS puts some in) and trailing blanks. */
static void clean_text(char out[CURL_ERROR_SIZE], const struct http_failure *failure) {
    const char *text =
        text_is_empty(failure->text) ? curl_easy_strerror(failure->code) : failure->text;
    (void)snprintf(out, CURL_ERROR_SIZE, "%s", text);
    text_make_printable(out);
    hide_credentials(out);
    size_t length = strlen(out);
    while (length > 0 && (out[length - 1] == ' ' || out[length - 1] == '.'))
        out[--length] = '\0';
}

static bool mentions(const char *text, const char *const *words) {
    for (; *words != NULL; words++)
        if (strcasestr(text, *words) != NULL)
            return true;
    return false;
}

static const char *errno_words(long number) {
    switch (number) {
    case ECONNREFUSED:
        return "connection refused";
    case ECONNRESET:
        return "connection reset";
    case EPIPE:
        return "connection closed";
    case EHOSTUNREACH:
        return "no route to the host";
    case ENETUNREACH:
        return "the network is unreachable";
    case ETIMEDOUT:
        return "the connection timed out";
    default:
        return NULL;
    }
}

/*
 * Both TLS libraries report these by words only: X509_verify_cert_error_string() of OpenSSL,
 * mbedtls_x509_crt_verify_info() of mbedTLS (which lists every flaw, so the gravest is asked
 * first).
 */
static void judge_certificate(struct verdict *verdict, const struct http_failure *failure,
                              const char *text) {
    static const char *const revoked[] = {"revoked", NULL};
    static const char *const issuer[] = {"local issuer", "self-signed", "self signed",
                                         "signed by the trusted CA", NULL};
    static const char *const expired[] = {"expired", NULL};
    static const char *const early[] = {"not yet valid", "in the future", NULL};
    static const char *const name[] = {"subject name", "host name",        "hostname",
                                       "expected CN",  "address mismatch", NULL};
    verdict->failure = RETRY_UNTRUSTED;
    verdict->certificate = true;
    if (mentions(text, revoked)) {
        say(verdict, "the server's certificate is revoked");
    } else if (mentions(text, issuer)) {
        say(verdict, "the server's certificate is signed by an authority that is not trusted (%s)",
            text);
        verdict->hint =
            failure->own_ca
                ? "The CA certificate that was given did not sign it: give the right one."
                : "Give the CA certificate that signed it.";
    } else if (mentions(text, expired)) {
        say(verdict, "the server's certificate has expired");
        verdict->hint = "Renew the server's certificate, or set this machine's clock.";
    } else if (mentions(text, early)) {
        say(verdict, "the server's certificate is not valid yet");
        verdict->hint = "Check this machine's clock.";
    } else if (mentions(text, name)) {
        say(verdict, "the server's certificate is not for the name \"%s\"", failure->name);
        verdict->hint =
            "Use a name that the certificate carries, in the URL or as TLS server name.";
    } else {
        say(verdict, "the server's certificate was refused (%s)", text);
    }
}

static void judge_handshake(struct verdict *verdict, const struct http_failure *failure,
                            const char *text) {
    static const char *const cut[] = {
        "reset", "SSL_ERROR_SYSCALL", "unexpected eof", "indicated an EOF", "connection was closed",
        NULL};
    static const char *const plain[] = {"wrong version number", "packet length too long",
                                        "invalid SSL record", "http request", NULL};
    static const char *const certificate[] = {"certificate verif", "certificate verify failed",
                                              NULL};
    static const char *const wanted[] = {"certificate required", "bad certificate",
                                         "handshake failure",    "fatal alert",
                                         "alert message",        NULL};
    if (mentions(text, certificate)) {
        judge_certificate(verdict, failure, text);
        return;
    }
    say(verdict, "the TLS handshake failed (%s)", text);
    verdict->failure = RETRY_UNTRUSTED;
    verdict->handshake = true;
    if (mentions(text, cut) || failure->os_errno == ECONNRESET) {
        say(verdict, "the connection was closed during the TLS handshake");
        verdict->failure = RETRY_NOT_SENT;
        verdict->handshake = false;
    } else if (mentions(text, plain)) {
        verdict->hint = "The port seems not to speak TLS: check scheme and port of the URL.";
    } else if (mentions(text, wanted)) {
        verdict->hint = "The server may require a client certificate, or another TLS version.";
    }
}

static void judge_timeout(struct verdict *verdict, const struct http_failure *failure) {
    char limit[DURATION_SIZE];
    if (!failure->sent) {
        int64_t waited = HTTP_CONNECT_TIMEOUT_MS;
        if (failure->timeout_ms > 0 && failure->timeout_ms < waited)
            waited = failure->timeout_ms;
        say(verdict, "no connection within %s", duration_format(limit, waited));
        verdict->failure = RETRY_NOT_SENT;
        return;
    }
    verdict->failure = RETRY_BROKEN;
    duration_format(limit, failure->timeout_ms);
    if (failure->status == 0)
        say(verdict, "no answer within %s", limit);
    else
        say(verdict, "the answer was not complete within %s (%" PRIu64 " bytes came)", limit,
            failure->received);
}

static void judge_break(struct verdict *verdict, const struct http_failure *failure,
                        const char *text) {
    static const char *const reset[] = {"reset by peer", "connection was reset", NULL};
    static const char *const alert[] = {"alert", NULL};
    verdict->failure = failure->sent ? RETRY_BROKEN : RETRY_NOT_SENT;
    if (mentions(text, alert)) { /* TLS 1.3: a client certificate is judged after the handshake */
        verdict->failure = RETRY_UNTRUSTED;
        verdict->handshake = true;
        say(verdict, "the server ended the TLS connection (%s)", text);
        verdict->hint = "The server may require a client certificate that it trusts.";
        return;
    }
    const char *words = errno_words(failure->os_errno);
    if (mentions(text, reset))
        words = "connection reset";
    if (words == NULL)
        words = text;
    if (failure->status == 0)
        say(verdict, "the connection broke before an answer came (%s)", words);
    else
        say(verdict,
            "the connection broke in the middle of the answer, after %" PRIu64 " bytes (%s)",
            failure->received, words);
}

/*
 * libcurl says "Failed to connect to NAME port N": true, with NAME:N in PROXY, when that is not the
 * server that was asked. A default port is not part of failure->host.
 */
static bool is_proxy_refusal(char proxy[CURL_ERROR_SIZE], const struct http_failure *failure,
                             const char *text) {
    static const char begin[] = "Failed to connect to ";
    if (!text_has_prefix(text, begin) || failure->host == NULL)
        return false;
    const char *name = text + strlen(begin);
    const char *port = strstr(name, " port ");
    if (port == NULL)
        return false;
    int digits = (int)strspn(port + 6, "0123456789");
    bool v6 = memchr(name, ':', (size_t)(port - name)) != NULL;
    (void)snprintf(proxy, CURL_ERROR_SIZE, "%s%.*s%s:%.*s", v6 ? "[" : "", (int)(port - name), name,
                   v6 ? "]" : "", digits, port + 6);
    size_t length = strlen(proxy) - (size_t)digits - 1;
    if (strncasecmp(proxy, failure->host, length) != 0)
        return true;
    const char *rest = failure->host + length;
    rest += *rest == '.' ? 1 : 0; /* a fully qualified name: libcurl takes the dot away */
    return *rest != '\0' && !text_equal(rest, proxy + length);
}

static void judge_refusal(struct verdict *verdict, const struct http_failure *failure,
                          const char *text) {
    static const char *const proxy[] = {"proxy scheme", "proxy syntax", NULL};
    if (mentions(text, proxy)) {
        say(verdict, "the URL of the proxy cannot be used (%s)", text);
        verdict->hint = "Proxies are http://, https:// or socks5:// URLs.";
        return;
    }
    const char *words = errno_words(failure->os_errno);
    verdict->failure = RETRY_NOT_SENT;
    char other[CURL_ERROR_SIZE];
    if (is_proxy_refusal(other, failure, text)) {
        say(verdict, "the proxy %s cannot be reached (%s)", other, words != NULL ? words : text);
        verdict->hint = "Check the proxy settings (HTTPS_PROXY, NO_PROXY).";
        return;
    }
    say(verdict, "%s", words != NULL ? words : text);
}

static void judge_proxy(struct verdict *verdict, const struct http_failure *failure) {
    bool worth_it = failure->proxy_status >= 500;
    verdict->failure = worth_it ? RETRY_NOT_SENT : RETRY_UNTRUSTED;
    say(verdict, "the proxy refused the connection with HTTP %ld", failure->proxy_status);
    verdict->hint = failure->proxy_status == 407
                        ? "The proxy wants a user and password: http://USER:PASSWORD@HOST:PORT."
                        : "Check the proxy settings (HTTPS_PROXY, NO_PROXY).";
}

static void judge_stop(struct verdict *verdict, const struct http_failure *failure,
                       const char *text) {
    verdict->failure = RETRY_UNTRUSTED;
    verdict->kind = failure->headers_too_large ? ERROR_UNREACHABLE : ERROR_INTERNAL;
    if (failure->headers_too_large)
        say(verdict, "the header of the answer is larger than %d bytes", HTTP_HEADERS_LIMIT);
    else if (failure->body_too_large)
        say(verdict, "the answer is larger than %zu bytes", failure->body_limit);
    else if (failure->stopped)
        say(verdict, "the stream was given up");
    else
        say(verdict, "%s", text);
}

/* Codes that say all by themselves. */
struct plain_failure {
    CURLcode code;
    enum retry_failure failure;
    enum error_kind kind;
    const char *cause;
    const char *hint;
};

static const struct plain_failure plain_failures[] = {
    {CURLE_COULDNT_RESOLVE_HOST, RETRY_NOT_SENT, ERROR_UNREACHABLE,
     "the host name cannot be resolved", "Check the name in the URL, and that DNS works here."},
    {CURLE_COULDNT_RESOLVE_PROXY, RETRY_NOT_SENT, ERROR_UNREACHABLE,
     "the name of the proxy cannot be resolved",
     "Check the proxy settings (HTTPS_PROXY, NO_PROXY)."},
    {CURLE_GOT_NOTHING, RETRY_BROKEN, ERROR_UNREACHABLE,
     "the server closed the connection without an answer", NULL},
    {CURLE_UNSUPPORTED_PROTOCOL, RETRY_UNTRUSTED, ERROR_UNREACHABLE, "the answer is not HTTP",
     "Check scheme and port of the URL: a TLS port answers plain HTTP like this."},
    {CURLE_WEIRD_SERVER_REPLY, RETRY_UNTRUSTED, ERROR_UNREACHABLE, "the answer is not HTTP",
     "Check scheme and port of the URL: a TLS port answers plain HTTP like this."},
    /* libcurl's words may hold a proxy's password */
    {CURLE_URL_MALFORMAT, RETRY_UNTRUSTED, ERROR_INTERNAL,
     "the URL of the server or its proxy is not valid", NULL},
    {CURLE_LOGIN_DENIED, RETRY_UNTRUSTED, ERROR_INTERNAL, "the URL holds a user name or password",
     NULL},
};

static bool judge_plain(struct verdict *verdict, CURLcode code) {
    for (size_t i = 0; i < sizeof(plain_failures) / sizeof(plain_failures[0]); i++) {
        const struct plain_failure *plain = &plain_failures[i];
        if (plain->code != code)
            continue;
        verdict->failure = plain->failure;
        verdict->kind = plain->kind;
        verdict->hint = plain->hint;
        say(verdict, "%s", plain->cause);
        return true;
    }
    return false;
}

static void judge_credentials(struct verdict *verdict, const struct http_failure *failure,
                              const char *text) {
    static const char *const ca_words[] = {"ca cert blob", NULL}; /* how mbedTLS's part says it */
    if (failure->code == CURLE_SSL_CACERT_BADFILE || mentions(text, ca_words))
        say(verdict, "the CA certificates that were given cannot be read (%s)", text);
    else
        say(verdict, "the client certificate or its key cannot be used (%s)", text);
}

static void judge(struct verdict *verdict, const struct http_failure *failure, const char *text) {
    switch (failure->code) {
    case CURLE_COULDNT_CONNECT:
        judge_refusal(verdict, failure, text);
        return;
    case CURLE_OPERATION_TIMEDOUT:
        judge_timeout(verdict, failure);
        return;
    case CURLE_SSL_CONNECT_ERROR:
        judge_handshake(verdict, failure, text);
        return;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        judge_certificate(verdict, failure, text);
        return;
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        judge_credentials(verdict, failure, text);
        return;
    case CURLE_PARTIAL_FILE:
        verdict->failure = RETRY_BROKEN;
        say(verdict, "the answer was cut off after %" PRIu64 " bytes", failure->received);
        return;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        judge_break(verdict, failure, text);
        return;
    case CURLE_WRITE_ERROR:
        judge_stop(verdict, failure, text);
        return;
    default:
        say(verdict, "%s", text);
        return;
    }
}

enum retry_failure http_failure_error(const struct http_failure *failure, struct error **err) {
    if (failure->no_memory || failure->code == CURLE_OUT_OF_MEMORY) {
        error_no_memory(err);
        return RETRY_UNTRUSTED;
    }
    char text[CURL_ERROR_SIZE];
    clean_text(text, failure);
    /* unless a case says otherwise, nothing is gained by repeating */
    struct verdict verdict = {.kind = ERROR_UNREACHABLE, .failure = RETRY_UNTRUSTED};
    if (failure->proxy_status >= 300)
        judge_proxy(&verdict, failure);
    else if (!judge_plain(&verdict, failure->code))
        judge(&verdict, failure, text);
    error_new(err, verdict.kind, "%s (%s): %s",
              failure->server != NULL ? failure->server : "the server", failure->host,
              verdict.cause);
    if (verdict.hint != NULL)
        error_hint(err, "%s", verdict.hint);
    if (verdict.certificate)
        error_set_answer(err, 0, HTTP_REASON_UNTRUSTED);
    else if (verdict.handshake)
        error_set_answer(err, 0, HTTP_REASON_HANDSHAKE);
    return verdict.failure;
}
