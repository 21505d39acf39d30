#include "client_private.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

enum { DEFAULT_PAGE = 100, MOST_ITEMS = 10000, PAGE_LIMIT = 32 * 1024 * 1024 };

/* What is known while pages come in. */
struct listing {
    struct kube_client *client;
    const struct kube_list_request *list;
    int64_t deadline_ms;
    char *next;  /* `continue` token of the next page, or NULL */
    size_t seen; /* items so far */
};

static char *page_query(const char *selectors, int page, const char *token, struct error **err) {
    cleanup_free char *encoded = token != NULL ? text_percent_encode(token, err) : NULL;
    if (token != NULL && encoded == NULL)
        return NULL;
    return text_format(err, "limit=%d%s%s%s%s", page > 0 ? page : DEFAULT_PAGE,
                       encoded != NULL ? "&continue=" : "", encoded != NULL ? encoded : "",
                       text_is_empty(selectors) ? "" : "&",
                       text_is_empty(selectors) ? "" : selectors);
}

char *kube_list_query(const char *selectors, int page, struct error **err) {
    return page_query(selectors, page, NULL, err);
}

/* Fetches the page behind listing->next. On 410 *TOKEN gets the token that the server offers to go
 * on with, if any, and the error is set. */
static int fetch_page(json_t **out, struct listing *listing, char **token, struct error **err) {
    const struct kube_list_request *list = listing->list;
    cleanup_free char *query = page_query(list->selectors, list->page, listing->next, err);
    if (query == NULL)
        return -1;
    const struct kube_request request = {
        .verb = "list",
        .resource = list->resource,
        .namespace_ = list->namespace_,
        .query = query,
        .body_limit = PAGE_LIMIT,
    };
    struct kube_answer answer = {0};
    if (kube_send(listing->client, &request, 1, &answer, listing->deadline_ms, err) < 0)
        return -1;
    int outcome = 0;
    if (answer.error != NULL) {
        const char *offered = json_text_at(answer.status, "metadata", "continue", NULL);
        if (answer.http_status == 410 && !text_is_empty(offered))
            *token = text_copy(offered, NULL);
        outcome = error_take(err, steal_pointer(answer.error));
    } else {
        *out = steal_pointer(answer.object);
    }
    kube_answer_free(&answer);
    return outcome;
}

/* Items of a list come without apiVersion and kind. */
static int name_item(json_t *item, const struct kube_resource *resource, struct error **err) {
    if (!json_is_object(item))
        return error_new(err, ERROR_INTERNAL, "an item of a list of %s is no object",
                         resource->plural);
    if (json_object_get(item, "kind") == NULL &&
        json_set_text(item, "kind", resource->kind, err) < 0)
        return -1;
    if (json_object_get(item, "apiVersion") != NULL)
        return 0;
    if (resource->group[0] == '\0')
        return json_set_text(item, "apiVersion", resource->version, err);
    return json_set_take(item, "apiVersion",
                         json_sprintf("%s/%s", resource->group, resource->version), err);
}

static int remember_next(struct listing *listing, const json_t *page, struct error **err) {
    const char *token = json_text_at(page, "metadata", "continue", NULL);
    char *copy = NULL;
    if (!text_is_empty(token)) {
        copy = text_copy(token, err);
        if (copy == NULL)
            return -1;
    }
    free(listing->next);
    listing->next = copy;
    return 0;
}

/* 0: all items of the page handed over; 1: the handler has enough; -1: error or the handler's own.
 */
static int hand_over(struct listing *listing, json_t *page, kube_item_handler *on_item, void *user,
                     struct error **err) {
    const struct kube_resource *resource = listing->list->resource;
    json_t *items = json_object_get(page, "items");
    if (!json_is_array(items) && !json_is_null(items))
        return error_new(err, ERROR_INTERNAL, "a list of %s has no items", resource->plural);
    size_t i;
    json_t *item;
    json_array_foreach(items, i, item) {
        if (++listing->seen > MOST_ITEMS)
            return error_new(err, ERROR_REFUSED, "there are more than %d %s", MOST_ITEMS,
                             resource->plural);
        if (name_item(item, resource, err) < 0)
            return -1;
        int answer = on_item(user, item);
        if (answer != 0)
            return answer > 0 ? 1 : -1;
    }
    return 0;
}

/* Fetches the next page; an expired token is replaced by the one that the server offers. */
static int next_page(json_t **out, struct listing *listing, struct error **err) {
    cleanup_free char *token = NULL;
    cleanup_error struct error *problem = NULL;
    if (fetch_page(out, listing, &token, &problem) == 0)
        return 0;
    if (token == NULL || listing->next == NULL)
        return error_take(err, steal_pointer(problem));
    free(listing->next);
    listing->next = steal_pointer(token);
    return fetch_page(out, listing, &token, err);
}

static int each_page(struct listing *listing, json_t *first, kube_item_handler *on_item, void *user,
                     struct error **err) {
    cleanup_json json_t *page = first;
    if (page == NULL && next_page(&page, listing, err) < 0)
        return -1;
    for (;;) {
        if (remember_next(listing, page, err) < 0)
            return -1;
        int outcome = hand_over(listing, page, on_item, user, err);
        if (outcome != 0)
            return outcome > 0 ? 0 : -1;
        /* gone before the next one comes: one page in memory at a time */
        json_decref(page);
        page = NULL;
        if (listing->next == NULL)
            return 0;
        if (next_page(&page, listing, err) < 0)
            return -1;
    }
}

int kube_list_each(struct kube_client *client, const struct kube_list_request *list,
                   int64_t deadline_ms, kube_item_handler *on_item, void *user,
                   struct error **err) {
    struct listing listing = {.client = client, .list = list, .deadline_ms = deadline_ms};
    int outcome = each_page(&listing, list->first, on_item, user, err);
    free(listing.next);
    return outcome;
}

/* ---- the whole collection ---- */

static int keep_item(void *user, json_t *item) {
    return json_array_append(user, item) == 0 ? 0 : -1;
}

/* All pages of one state into ITEMS; *VERSION gets its resourceVersion. */
static int collect(json_t *items, char **version, struct listing *listing, struct error **err) {
    do {
        cleanup_json json_t *page = NULL;
        cleanup_free char *unused = NULL;
        if (fetch_page(&page, listing, &unused, err) < 0)
            return -1;
        const char *shown = json_text_at(page, "metadata", "resourceVersion", NULL);
        if (*version == NULL) {
            *version = text_copy(shown != NULL ? shown : "", err);
            if (*version == NULL)
                return -1;
        }
        if (remember_next(listing, page, err) < 0)
            return -1;
        cleanup_error struct error *problem = NULL;
        if (hand_over(listing, page, keep_item, items, &problem) < 0)
            return problem != NULL ? error_take(err, steal_pointer(problem)) : error_no_memory(err);
    } while (listing->next != NULL);
    return 0;
}

static int collect_once(json_t **out, struct kube_client *client,
                        const struct kube_list_request *list, int64_t deadline_ms,
                        struct error **err) {
    struct listing listing = {.client = client, .list = list, .deadline_ms = deadline_ms};
    cleanup_json json_t *items = json_array();
    cleanup_free char *version = NULL;
    int outcome = items != NULL ? collect(items, &version, &listing, err) : error_no_memory(err);
    free(listing.next);
    if (outcome < 0)
        return -1;
    *out = json_pack("{s:O, s:{s:s}}", "items", items, "metadata", "resourceVersion", version);
    return *out != NULL ? 0 : error_no_memory(err);
}

int kube_list(json_t **out, struct kube_client *client, const struct kube_resource *resource,
              const char *namespace_, const char *selectors, int64_t deadline_ms,
              struct error **err) {
    const struct kube_list_request list = {
        .resource = resource,
        .namespace_ = namespace_,
        .selectors = selectors,
    };
    cleanup_error struct error *problem = NULL;
    if (collect_once(out, client, &list, deadline_ms, &problem) == 0)
        return 0;
    if (problem == NULL || problem->http_status != 410)
        return error_take(err, steal_pointer(problem));
    return collect_once(out, client, &list, deadline_ms, err);
}
