/* See standing.h for what this promises. */
#define _GNU_SOURCE

#include "standing.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <unistd.h>

static _Thread_local bool is_own;   /* the working directory */
static _Thread_local int home = -1; /* a handle of it while the thread may stand elsewhere */

int own_working_directory(void)
{
    is_own = unshare(CLONE_FS) == 0;
    return is_own ? 0 : -1;
}

void leave_home(void)
{
    if (is_own)
        home = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int stand_in(int fd)
{
    return home >= 0 && fchdir(fd) == 0 ? AT_FDCWD : fd;
}

void return_home(void)
{
    if (home < 0)
        return;
    if (fchdir(home) != 0 && chdir("/") != 0)
        is_own = false; /* nowhere to go: it stays */
    (void)close(home);
    home = -1;
}
