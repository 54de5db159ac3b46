#ifndef DAYBOOK_CPOSTGRES_SHIM_H
#define DAYBOOK_CPOSTGRES_SHIM_H
#include <libpq-fe.h>
#endif
