#define _GNU_SOURCE
#include "catalogue/directory.h"

#include <openssl/sha.h>
#include <string.h>

int64_t
directory_hash(const void *path, size_t len)
{
	unsigned char sum[SHA256_DIGEST_LENGTH];
	uint64_t hash = 0;
	int i;

	if (!SHA256(len ? path : "", len, sum))
		out_of_memory();
	for (i = 0; i < 8; i++)
		hash = hash << 8 | sum[i];
	return (int64_t)hash;
}

int64_t
directory_of(struct directory_memo *memo, const char *path, size_t len)
{
	const char *slash = len ? memrchr(path, '/', len) : NULL;
	size_t n = slash ? (size_t)(slash - path) : 0;

	if (len == 0)
		return DIRECTORY_OF_ROOT;
	if (!memo->known || memo->path.len != n ||
	    (n && memcmp(memo->path.data, path, n))) {
		buf_reset(&memo->path);
		buf_put(&memo->path, path, n);
		memo->hash = directory_hash(path, n);
		memo->known = 1;
	}
	return memo->hash;
}
