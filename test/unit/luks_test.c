/*
 * luks_test.c - what cryptsetup may print of a volume that is not decrypted
 */
#include <stdio.h>
#include <string.h>

#include "ntt-orchestrator/luks.h"
#include "tap.h"

static const char key_dump[] = "LUKS header information\n"
    "Cipher name:   \t%s\nCipher mode:   \t%s\nPayload offset:\t4096\n"
    "MK bits:       \t%d\nMK dump:\t00 01 02 03 04 05 06 07 08 09 0a 0b 0c "
    "0d 0e 0f \n\t\t00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f \n";

static struct luks l;

static int
parse(const char *name, const char *mode, int bits, const char *dump,
    const char **why)
{
	char text[sizeof key_dump + 64];

	snprintf(text, sizeof text, key_dump, name, mode, bits);
	return luks_parse(&l, dump, text, why);
}

/* Is a sector the same at the beginning and behind 2^32 sectors? */
static int
same_far_away(const char *mode)
{
	char near[512] = "", far[512] = "";
	const char *why;

	return parse("aes", mode, 256, "", &why) == 0 &&
	    luks_decrypt(&l, near, sizeof near, 0) == 0 &&
	    luks_decrypt(&l, far, sizeof far, (uint64_t)512 << 32) == 0 &&
	    !memcmp(near, far, sizeof near);
}

int
main(void)
{
	static const char two[] = "Data segments:\n  0: crypt\n\tsector: 512 "
	    "[bytes]\n  1: crypt\n\tsector: 512 [bytes]\n\nKeyslots:\n",
	    integrity[] = "Data segments:\n  0: crypt\n\tsector: 512 [bytes]\n"
	    "\tintegrity: hmac(sha256)\n\nKeyslots:\n  1: luks2\n",
	    one[] = "Data segments:\n  0: crypt\n\tsector: 4096 [bytes]\n\n"
	    "Keyslots:\n  1: luks2\n";
	const char *why;

	tap_ok(parse("aes", "xts-plain64", 256, "", &why) == 0 && !why,
	    "LUKS1 is taken");
	tap_ok(parse("aes", "xts-plain64", 256, one, &why) == 0 && !why,
	    "LUKS2 is taken");
	tap_ok(parse("serpent", "xts-plain64", 256, "", &why) < 0 &&
	    strstr(why, "cipher"), "another cipher is refused");
	tap_ok(parse("aes", "ctr-plain64", 256, "", &why) < 0 &&
	    strstr(why, "cipher"), "another mode is refused");
	tap_ok(parse("aes", "cbc-essiv:sha1", 256, "", &why) < 0 &&
	    strstr(why, "cipher"), "ESSIV by another hash is refused");
	tap_ok(parse("aes", "xts-plain64", 256, two, &why) < 0 &&
	    strstr(why, "anew"), "a volume that is being encrypted anew");
	tap_ok(parse("aes", "xts-plain64", 256, integrity, &why) < 0 &&
	    strstr(why, "checksums"), "a volume with checksums");
	tap_ok(parse("aes", "xts-plain64", 512, "", &why) < 0,
	    "a key that is shorter than it says");
	tap_ok(same_far_away("xts-plain") && !same_far_away("xts-plain64"),
	    "numbers of sectors of 32 bits, and of 64");
	return tap_done();
}
