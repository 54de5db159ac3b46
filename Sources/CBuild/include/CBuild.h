#ifndef DAYBOOK_BUILD_H
#define DAYBOOK_BUILD_H

/// The commit and the day that the program was built from, as `COMMIT DATE`; empty in a development build. It is in C,
/// since only there a build can say a text by an option: nothing is generated, and nothing else is built anew.
const char *daybook_build(void);

#endif
