/* Standing in a directory while its names are looked at.
 *
 * The kernel looks a name up faster from the working directory than from a handle, which it has to
 * find, hold and let go each time. But the working directory is the whole process's. So only a thread
 * that has one of its own may stand elsewhere, and it returns before anything else runs in it.
 */
#ifndef DIRSYNC_STANDING_H
#define DIRSYNC_STANDING_H

/* Give the calling thread a working directory of its own, for good: unshare(2), CLONE_FS, which its umask goes
 * with. Only for threads that do nothing but march. Gives 0, or -1 with errno: it has to do without. */
int own_working_directory(void);

/* From here on the calling thread may stand elsewhere, if its working directory is its own. */
void leave_home(void);

/* Stand in the directory behind a handle, if the thread may. Gives what its names are to be looked up from:
 * AT_FDCWD, or the handle. */
int stand_in(int fd);

/* Return to where the thread was when it left home. */
void return_home(void);

#endif
