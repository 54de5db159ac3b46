#ifndef DAYBOOK_CBCRYPT_SHIM_H
#define DAYBOOK_CBCRYPT_SHIM_H
#include <crypt.h>
#include <stdlib.h>
#endif
