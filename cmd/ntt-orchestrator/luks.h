/*
 * Volumes of LUKS, once cryptsetup has told their key: it needs no rights for
 * that.  The bytes are decrypted here, because a mapping of the kernel would
 * need root rights, and would be read by the host's kernel.
 */
#ifndef NTT_RUN_LUKS_H
#define NTT_RUN_LUKS_H

#include <stddef.h>
#include <stdint.h>

enum { LUKS_KEY = 64 };

struct luks {
	uint64_t payload;	/* bytes before the data */
	unsigned int sector;	/* bytes that are encrypted as one */
	unsigned char key[LUKS_KEY], iv_key[32];
	size_t key_size;
	int xts, essiv, wide;	/* wide: sector numbers have 64 bits */
};

/*
 * By what "cryptsetup luksDump" and "cryptsetup luksDump --dump-volume-key"
 * print.  0, or -1 with *why: a clause.
 */
int luks_parse(struct luks *l, const char *dump, const char *key_dump,
	const char **why);
/* Whole sectors, of which the first is at byte at of the data; in place. */
int luks_decrypt(const struct luks *l, char *bytes, size_t size, uint64_t at);

#endif
