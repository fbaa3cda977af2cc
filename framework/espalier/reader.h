#pragma once

#include "espalier/error.h"
#include "espalier/plugin.h"
#include "espalier/samples.h"
