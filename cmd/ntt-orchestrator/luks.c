#include "luks.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNIT = 512, IV = 16 };

/* What follows the name on its line, or NULL. */
static const char *
value_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	if (!at)
		return NULL;
	at += strlen(name);
	return at + strspn(at, " \t");
}

static int
is(const char *value, const char *word)
{
	size_t len = strlen(word);

	return value && !strncmp(value, word, len) &&
	    (value[len] == '\n' || value[len] == '\0');
}

/* Pairs of digits, with blanks and line ends between them. */
static int
take_key(struct luks *l, const char *hex)
{
	size_t i;

	for (i = 0; i < l->key_size; i++) {
		unsigned int byte;
		int n;

		hex += strspn(hex, " \t\n");
		if (sscanf(hex, "%2x%n", &byte, &n) != 1 || n != 2)
			return -1;
		l->key[i] = (unsigned char)byte;
		hex += n;
	}
	return 0;
}

int
luks_parse(struct luks *l, const char *dump, const char *key_dump,
    const char **why)
{
	const char *name = value_of(key_dump, "Cipher name:");
	const char *mode = value_of(key_dump, "Cipher mode:");
	const char *offset = value_of(key_dump, "Payload offset:");
	const char *bits = value_of(key_dump, "MK bits:");
	const char *hex = value_of(key_dump, "MK dump:");
	const char *segments = strstr(dump, "Data segments:"), *sector;
	unsigned int len;

	memset(l, 0, sizeof *l);
	*why = "cryptsetup says nothing of its key";
	if (!name || !mode || !offset || !bits || !hex)
		return -1;
	l->payload = strtoull(offset, NULL, 10);
	l->key_size = strtoul(bits, NULL, 10) / 8;
	l->xts = is(mode, "xts-plain64") || is(mode, "xts-plain");
	l->essiv = is(mode, "cbc-essiv:sha256");
	l->wide = is(mode, "xts-plain64") || is(mode, "cbc-plain64") ||
	    l->essiv;
	*why = "its cipher is none that can be read here: open it with "
	    "cryptsetup";
	if (!is(name, "aes") || (!l->wide && !is(mode, "xts-plain") &&
	    !is(mode, "cbc-plain")) || (l->key_size != 16 &&
	    l->key_size != 32 && l->key_size != 64) ||
	    (l->key_size == 64 && !l->xts) || (l->key_size == 16 && l->xts))
		return -1;
	*why = "it is being encrypted anew: finish that with cryptsetup";
	if (segments && (strstr(segments, "\n  1: ") < strstr(segments,
	    "\nKeyslots:") && strstr(segments, "\n  1: ")))
		return -1;
	*why = "it has checksums of its own: open it with cryptsetup";
	if (segments && strstr(segments, "integrity:"))
		return -1;
	sector = segments ? value_of(segments, "sector:") : NULL;
	l->sector = sector ? (unsigned int)strtoul(sector, NULL, 10) : UNIT;
	*why = "cryptsetup says nothing of its sectors";
	if (l->payload == 0 || l->payload > UINT64_MAX / UNIT ||
	    (l->sector != UNIT && l->sector != 1024 && l->sector != 2048 &&
	    l->sector != 4096) || take_key(l, hex) < 0)
		return -1;
	l->payload *= UNIT;
	if (l->essiv && !EVP_Digest(l->key, l->key_size, l->iv_key, &len,
	    EVP_sha256(), NULL))
		return -1;
	*why = NULL;
	return 0;
}

static const EVP_CIPHER *
cipher_of(const struct luks *l)
{
	if (l->xts)
		return l->key_size == 64 ? EVP_aes_256_xts() :
		    EVP_aes_128_xts();
	return l->key_size == 32 ? EVP_aes_256_cbc() : EVP_aes_128_cbc();
}

static int
make_iv(const struct luks *l, EVP_CIPHER_CTX *essiv, uint64_t sector,
    unsigned char iv[IV])
{
	int i, n;

	memset(iv, 0, IV);
	for (i = 0; i < (l->wide ? 8 : 4); i++)
		iv[i] = (unsigned char)(sector >> 8 * i);
	return !l->essiv || (EVP_EncryptUpdate(essiv, iv, &n, iv, IV) &&
	    n == IV);
}

int
luks_decrypt(const struct luks *l, char *bytes, size_t size, uint64_t at)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new(), *e = EVP_CIPHER_CTX_new();
	unsigned char iv[IV];
	size_t i;
	int n, ok = c && e;

	ok = ok && EVP_DecryptInit_ex(c, cipher_of(l), NULL, l->key, NULL);
	if (l->essiv)
		ok = ok && EVP_EncryptInit_ex(e, EVP_aes_256_ecb(), NULL,
		    l->iv_key, NULL);
	if (ok && l->essiv)
		EVP_CIPHER_CTX_set_padding(e, 0);
	for (i = 0; ok && i + l->sector <= size; i += l->sector)
		ok = make_iv(l, e, (at + i) / UNIT, iv) &&
		    EVP_DecryptInit_ex(c, NULL, NULL, NULL, iv) &&
		    EVP_CIPHER_CTX_set_padding(c, 0) &&
		    EVP_DecryptUpdate(c, (unsigned char *)bytes + i, &n,
		    (unsigned char *)bytes + i, (int)l->sector) &&
		    n == (int)l->sector;
	EVP_CIPHER_CTX_free(c);
	EVP_CIPHER_CTX_free(e);
	return ok ? 0 : -1;
}
