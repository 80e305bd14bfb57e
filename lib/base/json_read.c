#include "base/json_read.h"

#include "base/buf.h"

const char *
json_read_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

char *
json_read_copy(const json_t *object, const char *key)
{
	const char *text = json_read_text(object, key);

	return text ? xstrdup(text) : NULL;
}

int64_t
json_read_i64(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

uint64_t
json_read_u64(const json_t *object, const char *key)
{
	int64_t n = json_read_i64(object, key);

	return n > 0 ? (uint64_t)n : 0;
}

int
json_read_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}
