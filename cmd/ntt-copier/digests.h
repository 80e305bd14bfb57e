/*
 * What else the field calls contents by (NTT_DIGESTS): computed while a file is
 * read anyway.
 */
#ifndef NTT_COPY_DIGESTS_H
#define NTT_COPY_DIGESTS_H

#include <openssl/evp.h>

#include "catalogue/queue.h"

struct digests {
	size_t count;
	const char *names[QUEUE_DIGESTS_MAX];
	EVP_MD_CTX *contexts[QUEUE_DIGESTS_MAX];
};

/* words: "sha256,md5,sha1".  NULL, or the word that is none of these. */
char *digests_init(struct digests *d, const char *words);
void digests_free(struct digests *d);

/* Without memory the program ends. */
void digests_begin(struct digests *d);
void digests_add(struct digests *d, const void *bytes, size_t len);
/* Caller frees; NULL where there are none to compute. */
struct queue_digests *digests_end(struct digests *d);

#endif
