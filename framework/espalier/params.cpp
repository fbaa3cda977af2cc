#include "espalier/params.h"

namespace espalier {

Domain Domain::within(double lowest, double highest) const {
  Domain wider = *this;
  wider.least = lowest;
  wider.most = highest;
  return wider;
}

Domain between(double from, double to) { return {.from = from, .to = to}; }

Domain between_log(double from, double to) { return {.from = from, .to = to, .log = true}; }

Domain yes_or_no() { return one_of(false, true); }

Domain legal(double least, double most) { return {.least = least, .most = most}; }

}  // namespace espalier
