/*
 * The seven phases of an image, from fast to desperate, as commands of GNU
 * ddrescue on one map.
 */
#ifndef NTT_IMAGER_PHASE_H
#define NTT_IMAGER_PHASE_H

#include "image/device.h"
#include "image/map_cells.h"

enum { IMAGER_PHASES = 7 };		/* numbered from 1 */

struct imager_setup {
	struct device device;
	const char *image, *map;
	const char *log;		/* ddrescue's own, appended to */
	const char *stall;		/* where the map of a stall is kept */
	const char *test_mode;		/* a map of what shall be bad, or NULL */
	unsigned int cluster;		/* sectors of phase 1 */
	int direct;			/* past the cache of the kernel */
	int sparse;			/* zeros become holes */
	int large_map;			/* too large to be saved often */
};

const char *imager_phase_name(int phase);	/* "copy" */
const char *imager_phase_aim(int phase);	/* for people */

/* NULL-terminated; imager_argv_free(). */
char **imager_argv(const struct imager_setup *s, int phase);
void imager_argv_free(char **argv);

/*
 * The phase to begin with when logged is the one that was interrupted last (0:
 * unknown): never later than what the map still has to be tried.
 */
int imager_first_phase(const struct map_sum *sum, int logged);

/* Would an impatient person stop after this phase, with this much? */
int imager_enough(const struct map_sum *sum, int phase);

#endif
