#include "say.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void
say_lock(void)
{
	pthread_mutex_lock(&lock);
}

void
say_unlock(void)
{
	pthread_mutex_unlock(&lock);
}
