/* BLAKE3 as it is written: 64 hexadecimal digits. */
#ifndef NTT_BLAKE3_HEX_H
#define NTT_BLAKE3_HEX_H

#include "hash/blake3.h"

enum { BLAKE3_HEX = 2 * BLAKE3_OUT_LEN };

void blake3_hex(const blake3_hasher *h, char hex[BLAKE3_HEX + 1]);

#endif
