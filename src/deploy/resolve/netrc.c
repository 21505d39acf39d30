#include "deploy/netrc.h"

#include "base/text.h"

#include <string.h>

enum { LONGEST_WORD = 1024 };

struct reader {
    const char *at;
    char word[LONGEST_WORD]; /* may hold a password */
};

static void skip_line(struct reader *reader) {
    reader->at += strcspn(reader->at, "\n");
}

/* A macro ends at an empty line (ftp(1), "THE .netrc FILE"). */
static void skip_macro(struct reader *reader) {
    const char *end = strstr(reader->at, "\n\n");
    reader->at = end != NULL ? end + 2 : reader->at + strlen(reader->at);
}

/* The next word; longer ones are cut, which no host or password of ours is. False at the end. */
static bool next_word(struct reader *reader) {
    for (;;) {
        reader->at += strspn(reader->at, " \t\r\n");
        if (*reader->at != '#')
            break;
        skip_line(reader);
    }
    if (*reader->at == '\0')
        return false;
    bool quoted = *reader->at == '"';
    reader->at += quoted;
    size_t length = 0;
    while (*reader->at != '\0' && strchr(quoted ? "\"" : " \t\r\n", *reader->at) == NULL) {
        if (quoted && *reader->at == '\\' && reader->at[1] != '\0')
            reader->at++;
        if (length + 1 < sizeof(reader->word))
            reader->word[length++] = *reader->at;
        reader->at++;
    }
    reader->at += quoted && *reader->at == '"';
    reader->word[length] = '\0';
    return true;
}

/* Puts a copy of the word into *FIELD. */
static int keep_word(char **field, const struct reader *reader, struct error **err) {
    char *copy = text_copy(reader->word, err);
    if (copy == NULL)
        return -1;
    secret_free(*field);
    *field = copy;
    return 0;
}

/* Reads entries until one is HOST's and whole. */
static int find(struct netrc_login *login, struct reader *reader, const char *host,
                struct error **err) {
    bool ours = false;
    while (next_word(reader)) {
        bool machine = strcmp(reader->word, "machine") == 0;
        bool fallback = strcmp(reader->word, "default") == 0;
        if (machine || fallback) {
            if (ours && login->password != NULL)
                return 1;
            netrc_login_free(login);
            ours = fallback || (next_word(reader) && text_equal_ignoring_case(reader->word, host));
            continue;
        }
        bool username = strcmp(reader->word, "login") == 0;
        bool password = strcmp(reader->word, "password") == 0;
        if (strcmp(reader->word, "macdef") == 0) {
            skip_macro(reader);
            continue;
        }
        if ((!username && !password && strcmp(reader->word, "account") != 0) || !next_word(reader))
            continue;
        if (ours && (username || password) &&
            keep_word(username ? &login->username : &login->password, reader, err) < 0)
            return -1;
    }
    return ours && login->password != NULL ? 1 : 0;
}

int netrc_find(struct netrc_login *out, const char *text, const char *host, struct error **err) {
    cleanup_netrc_login struct netrc_login login = {.password = NULL};
    struct reader reader = {.at = text};
    int found = find(&login, &reader, host, err);
    memory_wipe(reader.word, sizeof(reader.word));
    if (found != 1)
        return found;
    if (login.username == NULL && (login.username = text_copy("", err)) == NULL)
        return -1;
    *out = login;
    login = (struct netrc_login){.password = NULL};
    return 1;
}

void netrc_login_free(struct netrc_login *login) {
    secret_free(login->username);
    secret_free(login->password);
    *login = (struct netrc_login){.password = NULL};
}
