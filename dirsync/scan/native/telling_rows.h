/* Which rows of two listings of one directory tell something.
 *
 * A row tells nothing when the same name has the same row on the other side, in all that counts,
 * and it is no directory's, nor one that calls for a closer look (see struct striding). Such rows
 * can be left out of both listings: whoever compares what is left comes to the same.
 */
#ifndef DIRSYNC_TELLING_ROWS_H
#define DIRSYNC_TELLING_ROWS_H

#include "lister.h"
#include "stride.h"

/* Leave out of both listings the rows that tell nothing. Gives 0, or -1 where memory ran out. */
int keep_telling_rows(struct listing *new, struct listing *old, const struct striding *asked);

#endif
