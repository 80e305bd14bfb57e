#include "hash/blake3_hex.h"

void
blake3_hex(const blake3_hasher *h, char hex[BLAKE3_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t hash[BLAKE3_OUT_LEN];
	size_t i;

	blake3_hasher_finalize(h, hash, sizeof hash);
	for (i = 0; i < sizeof hash; i++) {
		hex[2 * i] = digits[hash[i] >> 4];
		hex[2 * i + 1] = digits[hash[i] & 15];
	}
	hex[BLAKE3_HEX] = '\0';
}
