#ifndef EDGECV_WEIGHTS_H
#define EDGECV_WEIGHTS_H

#include <stdint.h>

$DECLARATIONS

#endif
