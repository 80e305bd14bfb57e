/*
 * What an object of libjansson has under a key.  NULL, 0 or untrue where it has
 * nothing there, or something of another kind; object may be NULL.
 */
#ifndef NTT_JSON_READ_H
#define NTT_JSON_READ_H

#include <jansson.h>
#include <stdint.h>

/* As long as the object lives. */
const char *json_read_text(const json_t *object, const char *key);
/* The caller frees it. */
char *json_read_copy(const json_t *object, const char *key);
/* 0, too, where the number is negative. */
uint64_t json_read_u64(const json_t *object, const char *key);
int64_t json_read_i64(const json_t *object, const char *key);
int json_read_true(const json_t *object, const char *key);

#endif
