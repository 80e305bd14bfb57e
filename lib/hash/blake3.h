/*
 * blake3.h - the BLAKE3 hash function
 *
 * The functions, types and constants have the names and meanings of the C
 * library libblake3, so that either can stand behind <blake3.h>.  With
 * NTT_SYSTEM_BLAKE3 defined this header steps aside for the system's, and
 * the blake3*.c files beside it compile to nothing; the build defines it for
 * every file or for none, because the two hashers differ in layout.
 *
 *	blake3_hasher h;
 *
 *	blake3_hasher_init(&h);
 *	while ((n = read(fd, buf, sizeof(buf))) > 0)
 *		blake3_hasher_update(&h, buf, n);
 *	blake3_hasher_finalize(&h, out, BLAKE3_OUT_LEN);
 *
 * A hasher owns no memory and needs no clean-up; it may be copied with "="
 * and lives in one thread at a time.  Nothing here can fail.  Finalizing does
 * not change the hasher: it can be finalized again or fed more input.
 *
 * Speed comes from hashing many 1024-byte chunks side by side, so the size of
 * one update matters: 16 KiB is where full speed starts, 64 KiB and more is
 * better, and input that is in memory as a whole belongs in a single call.
 * The instruction set is chosen when the program runs.
 */
#ifdef NTT_SYSTEM_BLAKE3
#include_next <blake3.h>
#elif !defined(NTT_BLAKE3_H)
#define NTT_BLAKE3_H

#include <stddef.h>
#include <stdint.h>

#define BLAKE3_VERSION_STRING	"1.8.6-ntt"	/* whose API, whose code */
#define BLAKE3_KEY_LEN		32
#define BLAKE3_OUT_LEN		32
#define BLAKE3_BLOCK_LEN	64
#define BLAKE3_CHUNK_LEN	1024
#define BLAKE3_MAX_DEPTH	54		/* 2^64 bytes of 2^10 each */

/* The members are private. */
typedef struct {
	uint32_t	key[8];
	uint32_t	cv[8];		/* of the open chunk, so far */
	uint64_t	counter;	/* number of the open chunk */
	uint8_t		flags;		/* the mode's, in every compression */
	uint8_t		blocks;		/* of the open chunk, compressed */
	uint8_t		buf_len;
	uint8_t		depth;		/* entries on the stack */
	uint8_t		buf[BLAKE3_BLOCK_LEN];
	uint8_t		stack[(BLAKE3_MAX_DEPTH + 1) * BLAKE3_OUT_LEN];
} blake3_hasher;

const char	*blake3_version(void);

void	blake3_hasher_init(blake3_hasher *);
void	blake3_hasher_init_keyed(blake3_hasher *,
	    const uint8_t key[BLAKE3_KEY_LEN]);

/* The context is a string fixed in the program; the input is the secret. */
void	blake3_hasher_init_derive_key(blake3_hasher *, const char *context);
void	blake3_hasher_init_derive_key_raw(blake3_hasher *, const void *context,
	    size_t context_len);

void	blake3_hasher_update(blake3_hasher *, const void *input, size_t len);

/*
 * BLAKE3_OUT_LEN bytes are the hash.  Any other length is allowed too: the
 * output is a stream of 2^64 bytes of which these are the first, or with
 * _seek those from byte "seek" on.
 */
void	blake3_hasher_finalize(const blake3_hasher *, uint8_t *out,
	    size_t out_len);
void	blake3_hasher_finalize_seek(const blake3_hasher *, uint64_t seek,
	    uint8_t *out, size_t out_len);

/* Back to just after init, in the same mode and with the same key. */
void	blake3_hasher_reset(blake3_hasher *);

#endif
