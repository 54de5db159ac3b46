#include "CBuild.h"

#ifndef DAYBOOK_BUILD
#define DAYBOOK_BUILD ""
#endif

const char *daybook_build(void) { return DAYBOOK_BUILD; }
