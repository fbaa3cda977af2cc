#pragma once

#include "espalier/error.h"
#include "espalier/losses.h"
#include "espalier/network.h"
#include "espalier/plugin.h"
