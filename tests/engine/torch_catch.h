#pragma once

// LibTorch defines a CHECK of its own, which would stand in for Catch's without counting or going on.
#include <ATen/ATen.h>
#include <c10/util/Logging.h>
#undef CHECK

#include "catch.h"
