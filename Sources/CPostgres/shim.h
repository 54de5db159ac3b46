#ifndef DAYBOOK_CPOSTGRES_SHIM_H
#define DAYBOOK_CPOSTGRES_SHIM_H
#include <postgresql/libpq-fe.h>
#endif
