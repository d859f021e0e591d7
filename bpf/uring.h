/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* io_uring operations under the name of the system call they stand for. */

#include "iter.h"
