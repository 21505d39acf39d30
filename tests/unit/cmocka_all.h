#pragma once

/* cmocka with the headers it needs, in the order it needs them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
